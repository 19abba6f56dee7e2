//! `doctor`: a visit by the engine's doctor, told on standard error while it goes on, printed as a report at its end.

use super::CommandError;
use super::server::block_on;
use super::terminal::{Align, print, shown, table};
use domain::settings::Settings;
use domain::units::counted;
use engine::doctor::{Check, EquipmentReport, Outcome, Report, Visit};
use std::io::Write;
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// `doctor [EQUIPMENT]`: a failure when not everything is well.
pub fn doctor(
    settings: &Settings,
    state_folder: &Path,
    equipment: Option<&str>,
    json: bool,
) -> Result<(), CommandError> {
    let report = block_on(visit(settings, state_folder, equipment))??;
    print(&if json { as_json(&report)? } else { as_text(&report) });
    // Said already, by the report.
    if report.ok { Ok(()) } else { Err(CommandError::Failed(String::new())) }
}

async fn visit(settings: &Settings, state_folder: &Path, equipment: Option<&str>) -> Result<Report, CommandError> {
    let cancel = CancellationToken::new();
    let visit = Visit { settings, state_folder, cancel: &cancel, tell: &say };
    let failed =
        |error: std::io::Error| CommandError::Failed(format!("The program could not listen for signals: {error}"));
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?);
    let mut examination = std::pin::pin!(visit.examine(equipment));
    let report = tokio::select! {
        biased;
        report = &mut examination => report,
        () = either(&mut interrupt, &mut terminate) => {
            say("interrupted: finishing what has begun");
            cancel.cancel();
            examination.await
        }
    };
    report.map_err(|error| CommandError::Failed(error.to_string()))
}

/// To standard error; a reader that went away is no reason to leave a visit half done.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{}", shown(what));
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

fn as_json(report: &Report) -> Result<String, CommandError> {
    serde_json::to_string_pretty(report)
        .map_err(|error| CommandError::Failed(format!("The report cannot be written: {error}")))
}

fn as_text(report: &Report) -> String {
    let mut parts: Vec<String> = report.equipment.iter().map(equipment).collect();
    let failed = report.equipment.iter().filter(|equipment| !equipment.is_ok()).count();
    let checks = report.equipment.iter().flat_map(|equipment| &equipment.checks);
    let warnings = checks.filter(|check| check.outcome == Outcome::Warn).count();
    parts.push(match failed {
        0 if warnings > 0 => {
            format!("Nothing is FAILED; {}: see what says warn above.", counted(warnings as u64, "warning"))
        }
        0 => "All is well.".to_owned(),
        _ => format!("Not well: {failed} of {} equipment(s); see what is FAILED above.", report.equipment.len()),
    });
    parts.join("\n\n")
}

fn equipment(report: &EquipmentReport) -> String {
    let rows: Vec<Vec<String>> = report.checks.iter().map(line).collect();
    let verdict = if report.qualified {
        "qualified: what was sent undamaged was proven, and every damage was noticed"
    } else {
        "NOT qualified: do not clear runs on the word of this destination"
    };
    format!("{}  {}\n{}\n{verdict}", shown(&report.id), shown(&report.target), table(&[Align::Left; 3], &rows))
}

/// What was measured stands last, since it may be long.
fn line(check: &Check) -> Vec<String> {
    let message = match &check.value {
        Some(value) if check.outcome != Outcome::Skipped => format!("{}  [{}]", shown(&check.message), shown(value)),
        _ => shown(&check.message),
    };
    vec![check.outcome.word().to_owned(), check.name.clone(), message]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checks: Vec<Check>, qualified: bool) -> Report {
        let equipment = EquipmentReport { id: "E".into(), target: "/nas/E".into(), checks, qualified };
        Report { ok: equipment.is_ok(), equipment: vec![equipment] }
    }

    #[test]
    fn one_line_per_check_that_no_name_can_forge() {
        let checks = vec![
            Check::new("identity", Outcome::Ok, "ours"),
            Check::new("write", Outcome::Failed, "raw/a\n\u{1b}[31mb is gone; make room").measured("3 MiB"),
        ];
        let text = as_text(&report(checks, false));
        assert_eq!(
            text,
            "E  /nas/E\nok      identity  ours\nFAILED  write     raw/a\\n\\u{1b}[31mb is gone; make room  [3 MiB]\n\
             NOT qualified: do not clear runs on the word of this destination\n\n\
             Not well: 1 of 1 equipment(s); see what is FAILED above."
        );
    }

    #[test]
    fn warnings_are_counted_and_all_is_well_only_without_any() {
        let text = |outcome| as_text(&report(vec![Check::new("clock", outcome, "apart")], true));
        assert!(text(Outcome::Ok).ends_with("\n\nAll is well."));
        assert!(text(Outcome::Warn).ends_with("\n\nNothing is FAILED; 1 warning: see what says warn above."));
    }

    #[test]
    fn json_names_what_scripts_look_for() {
        let checks = vec![
            Check::new("identity", Outcome::Ok, "ours"),
            Check::new("clock", Outcome::Warn, "apart").measured("6s ahead"),
        ];
        let value: serde_json::Value = serde_json::from_str(&as_json(&report(checks, true)).unwrap()).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"ok": true, "equipment": [{"id": "E", "target": "/nas/E", "qualified": true, "checks": [
                {"name": "identity", "outcome": "ok", "message": "ours"},
                {"name": "clock", "outcome": "warn", "message": "apart", "value": "6s ahead"},
            ]}]})
        );
    }
}
