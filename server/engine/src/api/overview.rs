//! The whole installation at a glance, from memory: rows, destinations, disk and tally.

use super::Engine;
use super::answers::FIRST_SCAN_PATIENCE;
use crate::database::Failure;
use domain::api::{
    AttentionItem, AttentionKind, DestinationHealth, DestinationView, DiskGauge, DiskOverview, EquipmentOverview,
    LastError, LastRun, Overview, PanelStatus, RunRow,
};
use domain::job::FailureClass;
use domain::path::RunPath;
use domain::problem::Problem;
use domain::settings::Settings;
use domain::units;

impl Engine {
    /// What needs an operator, each equipment, the staging disk, and what moved in the last day.
    pub async fn overview(&self) -> Result<Overview, Problem> {
        self.ready(FIRST_SCAN_PATIENCE).await?;
        let core = &self.core;
        let now = core.site.clock.now();
        let rows = core.index.list(now).runs;
        let status = self.status();
        let trend = |gauge: DiskGauge| core.tell.tally.trend(gauge.free_bytes, core.site.clock.monotonic());
        Ok(Overview {
            at: now,
            attention: attention(&status, self.core.staging.owner.known().is_ok(), &rows, &self.damaged()),
            equipment: equipment(&core.site.settings, &status, &rows),
            disk: status.disk.map(|gauge| DiskOverview { gauge, trend: trend(gauge) }),
            hours: core.tell.tally.hours(now),
            counted_since: core.tell.tally.since(),
        })
    }

    /// Cleared runs whose copy is damaged; none while they are never looked at again.
    fn damaged(&self) -> Vec<(RunPath, Failure)> {
        self.core
            .site
            .settings
            .verify
            .reverify_cleared_seconds
            .map_or_else(Vec::new, |_| self.core.only_copies.damaged())
    }
}

fn item(kind: AttentionKind, runs: u64, message: String, remedy: &str) -> AttentionItem {
    AttentionItem { kind, runs, equipment_id: None, message, remedy: remedy.to_owned() }
}

/// Gravest first. `tree_is_ours`: no other installation's name stands on the staging tree.
fn attention(
    status: &PanelStatus,
    tree_is_ours: bool,
    rows: &[RunRow],
    cleared: &[(RunPath, Failure)],
) -> Vec<AttentionItem> {
    let mut items = Vec::new();
    if let Some(error) = &status.staging_error {
        let (what, remedy) = match tree_is_ours {
            true => {
                ("The staging tree cannot be read", "Mount or repair the staging disk; nothing is forgotten meanwhile.")
            }
            false => (
                "Nothing is done in the staging tree",
                "If this installation is to work on it, run `exlab-orchestrator staging adopt` here; nothing is touched meanwhile.",
            ),
        };
        items.push(item(AttentionKind::Staging, 0, format!("{what}: {error}"), remedy));
    }
    if let Some(error) = &status.state_error {
        let remedy = "Make room there; until then nothing is sent or recorded, and nothing is lost.";
        items.push(item(AttentionKind::Staging, 0, format!("The disk of the state folder is full: {error}."), remedy));
    }
    items.extend(of_cleared(cleared));
    for kind in AttentionKind::OF_RUNS {
        let concerned = rows.iter().filter(|row| kind.concerns(row)).count() as u64;
        if kind == AttentionKind::Destination {
            items.extend(
                status.destinations.iter().filter(|there| is_bad(there)).map(|there| of_destination(there, rows)),
            );
        } else if concerned > 0 {
            items.push(of_runs(kind, concerned, rows));
        }
    }
    if let Some(disk) = status.disk.filter(DiskGauge::is_tight) {
        let free = units::bytes_u64(disk.free_bytes);
        let remedy = match disk.clearable_runs {
            0 => "No proven run can be cleared now: deal with the runs that wait, or make room.".to_owned(),
            runs => {
                format!("Clear {} to gain {}.", units::counted(runs, "run"), units::bytes_u64(disk.clearable_bytes))
            }
        };
        items.push(item(
            AttentionKind::Disk,
            disk.clearable_runs,
            format!("The staging disk is almost full: {free} free."),
            &remedy,
        ));
    }
    if status.queue_paused {
        let remedy = "Set sync.enabled to true in the config file and restart to go on.";
        items.push(item(AttentionKind::Paused, 0, "The queue is paused: nothing is sent.".into(), remedy));
    }
    items.sort_by_key(|item| item.kind);
    items
}

/// Nobody else has these bytes: copies that are damaged, then those that cannot be proven any more.
fn of_cleared(cleared: &[(RunPath, Failure)]) -> Vec<AttentionItem> {
    let (damaged, other): (Vec<_>, Vec<_>) =
        cleared.iter().partition(|(_, failure)| failure.class == FailureClass::HashMismatch);
    let about = |found: Vec<&(RunPath, Failure)>, what: &str| {
        let (run, failure) = found.first()?;
        let runs = found.len() as u64;
        let first = if runs == 1 { run.to_string() } else { format!("{}, first {run}", units::counted(runs, "run")) };
        let message = format!("The NAS copy of cleared runs {what}: {first}: {}.", failure.message);
        Some(item(AttentionKind::ClearedDamaged, runs, message, failure.class.remedy_when_cleared()))
    };
    [about(damaged, "is damaged"), about(other, "is not proven any more")].into_iter().flatten().collect()
}

fn is_bad(destination: &DestinationView) -> bool {
    matches!(destination.health, DestinationHealth::Unreachable | DestinationHealth::Foreign)
}

fn of_destination(destination: &DestinationView, rows: &[RunRow]) -> AttentionItem {
    let waits = |row: &&RunRow| {
        row.summary.equipment_id == destination.equipment_id && AttentionKind::Destination.concerns(row)
    };
    let runs = rows.iter().filter(waits).count() as u64;
    let id = &destination.equipment_id;
    let why = destination.detail.clone().unwrap_or_else(|| destination.target.clone());
    let (message, remedy) = match destination.health {
        DestinationHealth::Foreign => (
            format!("The destination of {id} is not ours: {why}"),
            format!("Mount the right folder, or mark this one: exlab-orchestrator nas init {id}."),
        ),
        _ => (
            format!("The destination of {id} cannot be reached: {why}"),
            "Mount or repair it; everything goes on by itself.".to_owned(),
        ),
    };
    AttentionItem { kind: AttentionKind::Destination, runs, equipment_id: Some(id.clone()), message, remedy }
}

fn of_runs(kind: AttentionKind, runs: u64, rows: &[RunRow]) -> AttentionItem {
    let (message, remedy) = match kind {
        AttentionKind::Failed => {
            (format!("{} failed", units::counted(runs, "job")), "Read what happened, remove the cause, then retry.")
        }
        AttentionKind::Blocked => (
            format!("{} held back by the Pre-Sync Gate", units::plural(runs, "run is", "runs are")),
            "Fix or override the findings; then they go on by themselves.",
        ),
        AttentionKind::Unreadable => (
            format!("{} cannot be read", units::counted(runs, "run")),
            "Nothing is done with them until their documents and files can be read.",
        ),
        AttentionKind::Rest => {
            let mut concerned = rows.iter().filter(|row| kind.concerns(row));
            let first = concerned.next().map(|row| row.run_path.as_str()).unwrap_or_default();
            let holds = units::plural(runs, "run is what is left", "runs are what is left");
            (
                format!("{holds} of a cleared one and not proven, first {first}"),
                "What is here is the good copy: move what is damaged on the NAS aside, then sync it unfinished.",
            )
        }
        AttentionKind::Late => (
            format!("{} late or changed files", units::plural(runs, "run has", "runs have")),
            "Force a sync to seal, send and prove them anew; until then they are not cleared.",
        ),
        AttentionKind::Silent => (
            format!(
                "{} without its signal that it is complete",
                units::plural(
                    runs,
                    "run has stood still for a day or longer",
                    "runs have stood still for a day or longer"
                )
            ),
            "Have the instrument write it, correct it in the config, or force a sync with a reason.",
        ),
        _ => (
            format!("{} cannot go on", units::counted(runs, "clear")),
            "Each names what it waits for, and goes on by itself after that.",
        ),
    };
    let lacking = rows.iter().filter(|row| kind.concerns(row)).find_map(|row| Some((row, row.waiting_for.as_ref()?)));
    match (kind, lacking) {
        // Some of the late ones may go on without their signal: then a sync is refused, and what it waits for is named.
        (AttentionKind::Late, Some((row, lacks))) => {
            let path = &row.run_path;
            let remedy = format!(
                "{remedy} {path} has to be complete first ({lacks}): wait for it, or sync it although unfinished."
            );
            item(kind, runs, format!("{message}."), &remedy)
        }
        (AttentionKind::Silent, Some((row, lacks))) => {
            item(kind, runs, format!("{message}: first {}, {lacks}.", row.run_path), remedy)
        }
        _ => item(kind, runs, format!("{message}."), remedy),
    }
}

/// Configured equipment in the config's order, then what else stands in the tree, by name. `rows`: most recent activity
/// first.
fn equipment(settings: &Settings, status: &PanelStatus, rows: &[RunRow]) -> Vec<EquipmentOverview> {
    let empty = |id: &str, label: &str| EquipmentOverview {
        equipment_id: id.to_owned(),
        label: label.to_owned(),
        destination: status.destinations.iter().find(|destination| destination.equipment_id == id).cloned(),
        states: Default::default(),
        last_run: None,
        runs_waiting: 0,
        bytes_waiting: 0,
        bytes_per_second: 0,
        in_work: 0,
        last_error: None,
    };
    let mut all: Vec<_> = settings.equipment.iter().map(|equipment| empty(&equipment.id, &equipment.label)).collect();
    let configured = all.len();
    for row in rows {
        let id = &row.summary.equipment_id;
        let at = all.iter().position(|known| known.equipment_id == *id).unwrap_or_else(|| {
            all.push(empty(id, ""));
            all.len() - 1
        });
        if let Some(known) = all.get_mut(at) {
            count(known, row);
        }
    }
    all[configured..].sort_by(|a, b| a.equipment_id.cmp(&b.equipment_id));
    all
}

fn count(known: &mut EquipmentOverview, row: &RunRow) {
    *known.states.entry(row.summary.current_state.clone()).or_default() += 1;
    if known.last_run.is_none() {
        known.last_run =
            Some(LastRun { run_path: row.run_path.clone(), last_activity_at: row.summary.last_activity_at.clone() });
    }
    if row.proof.is_none() && row.summary.current_state != "cleared" {
        known.runs_waiting += 1;
        known.bytes_waiting = known.bytes_waiting.saturating_add(row.summary.byte_total);
    }
    let Some(job) = &row.job else { return };
    if let Some(progress) = &job.progress {
        known.in_work += 1;
        known.bytes_per_second = known.bytes_per_second.saturating_add(progress.bytes_per_second);
    }
    if let (None, Some(error)) = (&known.last_error, &job.error) {
        let (message, remedy) = (error.message.clone(), error.remedy.clone());
        known.last_error = Some(LastError { run_path: row.run_path.clone(), message, remedy });
    }
}
