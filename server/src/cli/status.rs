//! `status`: what concerns all runs.

use super::CommandError;
use super::client::Client;
use super::terminal::{Align, print, shown, table};
use domain::api::{DestinationView, DiskGauge, PanelStatus};
use domain::settings::StagingCleanup;
use domain::units;

/// Prints the header.
pub fn status(client: &Client) -> Result<(), CommandError> {
    print(&as_text(&client.status()?));
    Ok(())
}

fn as_text(status: &PanelStatus) -> String {
    if !status.orchestrator_on {
        return format!(
            "Version {} on {}. The orchestrator is off: set orchestrator.staging_root and label.",
            status.version,
            shown(&status.host)
        );
    }
    let mut lines = vec![
        format!("{} on {}, version {}", shown(&status.label), shown(&status.host), status.version),
        format!("staging root  {}", shown(&status.staging_root)),
        match status.staging_cleanup {
            StagingCleanup::Manual => "clearing      only when an operator asks".to_owned(),
            StagingCleanup::Scheduled { retain_hours } => {
                format!("clearing      by itself {retain_hours} h after a run is verified")
            }
        },
    ];
    if !status.ready {
        lines.push("starting      the first scan has not ended".to_owned());
    }
    if let Some(error) = &status.state_error {
        lines.push(format!("state disk    full: {error}"));
    }
    if let Some(error) = &status.staging_error {
        lines.push(format!("staging       {}", shown(error)));
    }
    if status.queue_paused {
        lines.push("queue         paused (sync.enabled: false)".to_owned());
    }
    if status.cleared_damaged > 0 {
        let runs = units::counted(status.cleared_damaged, "cleared run");
        lines.push(format!("on the NAS    {runs} damaged or not provable any more: see the panel's page Cleared"));
    }
    lines.extend(status.disk.as_ref().map(disk));
    let rows: Vec<Vec<String>> = status.destinations.iter().map(destination).collect();
    if !rows.is_empty() {
        lines.push(table(&[Align::Left; 4], &rows));
    }
    lines.join("\n")
}

fn disk(disk: &DiskGauge) -> String {
    let size = |bytes: u64| units::bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
    format!(
        "staging disk  {} free of {}; {} in {} can be cleared",
        size(disk.free_bytes),
        size(disk.total_bytes),
        size(disk.clearable_bytes),
        units::counted(disk.clearable_runs, "run")
    )
}

fn destination(view: &DestinationView) -> Vec<String> {
    let detail = view.detail.as_deref().map(shown).unwrap_or_default();
    vec![shown(&view.equipment_id), view.health.as_str().to_owned(), shown(&view.target), detail]
}
