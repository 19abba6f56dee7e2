//! `force-sync`, `clear`, `verify`, `retry`: starts the act, follows it to its end, and says how it ended.

use super::CommandError;
use super::client::Client;
use super::follow::follow;
use super::plan::problem_text;
use super::terminal::{print, shown};
use domain::api::{ActKind, ActResult, ForceSyncRequest};
use serde_json::Value;

/// Carries an act out on one run.
pub fn act(client: &Client, kind: ActKind, run: &str, request: ForceSyncRequest) -> Result<(), CommandError> {
    let run = relative_or_absolute(run);
    let act = client.start(kind, run, &request)?;
    let ended = follow(client, &act, run)?;
    match ended.results.first() {
        Some(result) => outcome(result),
        None => Err(CommandError::Failed("The act ended without saying how; look at `list`.".into())),
    }
}

/// A shell's completion puts a slash after a folder's name; the run is meant all the same.
pub fn relative_or_absolute(run: &str) -> &str {
    run.strip_suffix('/').unwrap_or(run)
}

fn outcome(result: &ActResult) -> Result<(), CommandError> {
    if let Some(problem) = &result.problem {
        return Err(CommandError::Failed(problem_text(problem)));
    }
    let sentence = format!("{}: {}", shown(&result.run_path), shown(&result.sentence));
    let answer = result.answer.as_ref().unwrap_or(&Value::Null);
    let complaints = complaints(answer);
    if complaints.is_empty() {
        print(&sentence);
        return Ok(());
    }
    Err(CommandError::Failed(std::iter::once(sentence).chain(complaints).collect::<Vec<_>>().join("\n")))
}

/// What an answer that is no problem still has against the run: findings that block it, files that differ.
fn complaints(answer: &Value) -> Vec<String> {
    let text = |value: &Value, key: &str| shown(value.get(key).and_then(Value::as_str).unwrap_or(""));
    let list = |key: &str| answer.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let findings = list("blocking_findings").into_iter().map(|finding| {
        format!(
            "  {} ({}): {}",
            text(&finding, "offending_path"),
            text(&finding, "rule"),
            text(&finding, "rule_detail")
        )
    });
    let disproven = answer.get("proven").and_then(Value::as_bool) == Some(false);
    let differences =
        list("differences").into_iter().map(|file| format!("  {}: {}", text(&file, "path"), text(&file, "what")));
    let unnamed =
        (disproven && list("differences").is_empty()).then(|| "  The NAS copy could not be proven.".to_owned());
    findings.chain(differences).chain(unnamed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(answer: Value) -> ActResult {
        ActResult { run_path: "E/p/Runs/Run_1".into(), sentence: "Done.".into(), answer: Some(answer), problem: None }
    }

    #[test]
    fn a_blocked_run_and_a_failed_proof_are_failures_that_name_what_they_found() {
        let finding = json!({"offending_path": "Run_<date>", "rule": "unresolved_placeholder_token", "rule_detail": "Rename it."});
        let blocked =
            outcome(&result(json!({"state": "blocked", "blocking_findings": [finding]}))).unwrap_err().to_string();
        assert_eq!(blocked, "E/p/Runs/Run_1: Done.\n  Run_<date> (unresolved_placeholder_token): Rename it.");
        let differs = json!({"proven": false, "differences": [{"path": "raw/a.tif", "what": "missing on the NAS"}]});
        assert!(outcome(&result(differs)).unwrap_err().to_string().contains("raw/a.tif: missing on the NAS"));
        assert!(outcome(&result(json!({"proven": false, "differences": []}))).is_err());
        assert!(outcome(&result(json!({"proven": true, "differences": []}))).is_ok());
    }
}
