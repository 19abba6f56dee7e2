//! `list`: the staged runs as a table, or as the server's JSON.

use super::CommandError;
use super::client::Client;
use super::terminal::{Align, print, shown, table};
use domain::api::RunRow;
use domain::units;

/// Prints the list.
pub fn list(client: &Client, json: bool) -> Result<(), CommandError> {
    if json {
        print(&client.staging_text()?);
        return Ok(());
    }
    let runs = client.staging()?.runs;
    print(&if runs.is_empty() { "No staged runs.".to_owned() } else { as_table(&runs) });
    Ok(())
}

fn as_table(runs: &[RunRow]) -> String {
    let heading = ["STATE", "RUN", "FILES", "SIZE", "ACTIVITY", "JOB"].map(str::to_owned).to_vec();
    let rows = runs.iter().map(|row| {
        let ago = i64::try_from(row.summary.elapsed_seconds_since_last_activity).unwrap_or(i64::MAX);
        vec![
            shown(&row.summary.current_state),
            shown(&row.run_path),
            units::count(row.summary.file_count),
            units::bytes(i64::try_from(row.summary.byte_total).unwrap_or(i64::MAX)),
            format!("{} ago", units::elapsed(ago)),
            note(row),
        ]
    });
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    table(&[Align::Left, Align::Left, Align::Right, Align::Right, Align::Right, Align::Left], &rows)
}

/// What an operator should know first.
fn note(row: &RunRow) -> String {
    let mut parts = Vec::new();
    if let Some(problem) = &row.problem {
        parts.push(shown(&problem.message));
    }
    if let Some(clearing) = &row.clearing {
        parts.push(match &clearing.waiting {
            Some(why) => format!("its clear waits: {}", shown(why)),
            None => format!("clearing: {}", shown(&clearing.step)),
        });
    }
    if let Some(job) = &row.job {
        parts.push(match (&job.progress, &job.error) {
            (Some(progress), _) => {
                let percent = (progress.bytes_done * 100).checked_div(progress.bytes_total).unwrap_or(0);
                format!("{} {percent} %", progress.phase.label())
            }
            (None, _) if job.waiting_for_destination => format!("{}: waiting for the NAS", job.state),
            (None, Some(error)) => format!("{}: {}", job.state, shown(&error.message)),
            (None, None) => job.state.to_string(),
        });
    }
    if row.findings.blocking > 0 {
        parts.push(format!("blocked by {} finding(s)", row.findings.blocking));
    }
    if row.late_files > 0 {
        parts.push(format!("{} late file(s)", row.late_files));
    }
    parts.extend(row.waiting_for.as_deref().map(shown));
    parts.join("; ")
}
