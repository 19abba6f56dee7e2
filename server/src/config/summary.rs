//! What a good config means, in a few lines, for `check-config` and the start of `serve`.

use domain::settings::{Settings, StagingCleanup};

/// Plain lines without a trailing newline. The panel's address is left out: only who listens knows it.
pub fn summary(settings: &Settings) -> String {
    let mut lines = Vec::new();
    match &settings.orchestrator {
        None => lines.push("orchestrator  off (set orchestrator.staging_root and label to switch it on)".to_owned()),
        Some(on) => {
            lines.push(format!("orchestrator  on: {}", on.label));
            lines.push(format!("staging root  {}", on.staging_root));
            lines.push(match on.staging_cleanup {
                StagingCleanup::Manual => "clearing      only when an operator asks".to_owned(),
                StagingCleanup::Scheduled { .. } if !settings.nas_cleanup.enabled => {
                    "clearing      only when an operator asks (nas_cleanup.enabled: false stops the schedule)".to_owned()
                }
                StagingCleanup::Scheduled { retain_hours } => {
                    format!("clearing      by itself {retain_hours} h after a run is verified, with all interlocks of nas_cleanup")
                }
            });
        }
    }
    if !settings.sync.enabled {
        lines.push("queue         paused (sync.enabled: false)".to_owned());
    }
    let width = settings.equipment.iter().map(|equipment| equipment.id.len()).max().unwrap_or(0);
    for equipment in &settings.equipment {
        let to = match &equipment.transport {
            Some(transport) => format!("-> {} ({})", transport.target.describe(), transport.target.kind()),
            None => "not synced from here".to_owned(),
        };
        let signal = equipment.signal.as_ref().map_or("signal from creation.json", |signal| signal.filename());
        lines.push(format!("equipment     {:width$}  {to}, complete by {signal}", equipment.id));
    }
    lines.join("\n")
}
