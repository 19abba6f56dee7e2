//! `why` and `clear --dry-run`: every condition of clearing with its value, and problems as sentences.

use super::CommandError;
use super::acting::relative_or_absolute;
use super::client::Client;
use super::terminal::{Align, print, shown, table};
use domain::api::{ClearPlan, Condition};
use domain::problem::Problem;
use domain::units;

/// `why RUN`
pub fn why(client: &Client, run: &str) -> Result<(), CommandError> {
    print(&as_text(&client.clear_plan(relative_or_absolute(run))?));
    Ok(())
}

/// `clear RUN --dry-run`: also says by its exit code whether the clear would be accepted.
pub fn dry_run(client: &Client, run: &str) -> Result<(), CommandError> {
    let plan = client.clear_plan(relative_or_absolute(run))?;
    print(&as_text(&plan));
    print("Nothing was changed.");
    if plan.clearable { Ok(()) } else { Err(CommandError::Failed(String::new())) }
}

fn as_text(plan: &ClearPlan) -> String {
    let size = units::bytes(i64::try_from(plan.bytes).unwrap_or(i64::MAX));
    let head = match plan.clearable {
        true => {
            format!("{} can be cleared: {} files, {size} would go.", shown(&plan.run_path), units::count(plan.files))
        }
        false => format!("{} cannot be cleared.", shown(&plan.run_path)),
    };
    let proof = match &plan.proof {
        Some(proof) => {
            format!(
                "Proof: {}, {}, made {}. It is made anew before anything goes.",
                proof.level,
                shown(&proof.method),
                proof.at
            )
        }
        None => "Proof: none.".to_owned(),
    };
    let rows: Vec<Vec<String>> = plan.conditions.iter().map(condition).collect();
    [head, proof, table(&[Align::Left, Align::Left, Align::Left], &rows)].join("\n")
}

fn condition(condition: &Condition) -> Vec<String> {
    let mark = match (condition.holds, condition.automatic_only) {
        (true, _) => "yes",
        (false, true) => "no (automatic clearing only)",
        (false, false) => "NO",
    };
    vec![format!("  {mark}"), shown(&condition.title), shown(&condition.value)]
}

/// A problem for standard error: its message, then the files it names.
pub fn problem_text(problem: &Problem) -> String {
    let mut text = shown(&problem.message);
    for (key, value) in problem.details.iter().filter(|(key, _)| !matches!(key.as_str(), "type" | "title" | "status")) {
        match value {
            serde_json::Value::Array(items) => {
                text.push_str(&format!("\n  {}:", key.replace('_', " ")));
                items.iter().for_each(|item| text.push_str(&format!("\n    {}", item_text(item))));
            }
            serde_json::Value::Null => {}
            other => text.push_str(&format!("\n  {}: {}", key.replace('_', " "), item_text(other))),
        }
    }
    if !problem.trace_id.is_empty() {
        text.push_str(&format!("\n  ({}, trace id {})", problem.code.as_str(), problem.trace_id));
    }
    text
}

/// A list's item on one line: text as it is, `{path, what}` as `path: what`.
fn item_text(item: &serde_json::Value) -> String {
    match item {
        serde_json::Value::String(text) => shown(text),
        serde_json::Value::Object(fields) => fields
            .values()
            .filter_map(|value| match value {
                serde_json::Value::String(text) => Some(shown(text)),
                serde_json::Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
            .collect::<Vec<_>>()
            .join(": "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::problem::ErrorCode;

    #[test]
    fn a_problem_reads_as_sentences_with_the_files_it_names() {
        let problem: Problem = serde_json::from_value(serde_json::json!({
            "type": "about:blank", "title": "Conflict", "status": 409,
            "code": "staging_not_proven", "message": "1 file is not as sealed.", "trace_id": "abc",
            "files": [{"path": "raw/a\nb.tif", "what": "arrived late"}, "raw/c.tif"], "sealed_files": 3
        }))
        .unwrap();
        assert_eq!(problem.code, ErrorCode::StagingNotProven);
        let expected = "1 file is not as sealed.\n  files:\n    raw/a\\nb.tif: arrived late\n    raw/c.tif\n  sealed files: 3\n  (staging_not_proven, trace id abc)";
        assert_eq!(problem_text(&problem), expected);
    }

    #[test]
    fn a_plan_shows_every_condition() {
        let condition = |holds, automatic_only, title: &str| Condition {
            code: "x".into(),
            title: title.into(),
            holds,
            value: "value".into(),
            automatic_only,
        };
        let conditions =
            vec![condition(true, false, "One"), condition(false, false, "Two"), condition(false, true, "Three")];
        let plan = ClearPlan {
            run_path: "E/p/Runs/Run_1".into(),
            clearable: false,
            automatic: false,
            files: 2,
            bytes: 1_024,
            proof: None,
            conditions,
        };
        let text = as_text(&plan);
        assert!(text.starts_with("E/p/Runs/Run_1 cannot be cleared.\nProof: none.\n"), "{text}");
        assert!(text.contains("NO") && text.contains("Two") && text.contains("automatic clearing only"), "{text}");
    }
}
