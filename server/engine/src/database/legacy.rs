//! Importing the `sync_queue.db` of the existing Python system (docs/lifecycle.md): its rows come in as `queued`
//! whatever they claim, since none of their proofs is ours; `failed` stays failed.

use super::{Failure, Store, StoreError};
use domain::job::{FailureClass, JobState, Side};
use domain::path::RunPath;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use std::path::Path;

/// What an import did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ImportReport {
    /// Rows that came in.
    pub imported: u64,
    /// Rows whose run has a job here already; left as they are.
    pub already_here: u64,
    /// Rows that cannot be runs of this staging tree, each with its reason.
    pub refused: Vec<(String, String)>,
}

/// Their words for what went wrong.
fn class_of(text: &str) -> FailureClass {
    match text {
        "auth" => FailureClass::Authentication,
        other => FailureClass::from_text(other),
    }
}

impl Store {
    /// Imports every row whose run lies below `staging_root`. The file is only read. Running it twice changes nothing.
    pub async fn import_legacy(
        &self,
        file: &Path,
        staging_root: &str,
        now_ms: i64,
    ) -> Result<ImportReport, StoreError> {
        let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
        let legacy = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        let rows: Vec<(String, String, Option<String>)> =
            sqlx::query_as("SELECT run_path, state, last_error FROM jobs ORDER BY enqueued_at, id")
                .fetch_all(&legacy)
                .await?;
        legacy.close().await;
        let mut report = ImportReport::default();
        for (run_path, state, last_error) in rows {
            let run = match RunPath::parse_request(&run_path, staging_root) {
                Ok(run) => run,
                Err(error) => {
                    report.refused.push((run_path, error.to_string()));
                    continue;
                }
            };
            let life = self.current_life(&run).await?;
            if self.latest_job(&run, life).await?.is_some() {
                report.already_here += 1;
                continue;
            }
            let failure = (state == "failed").then(|| Failure {
                class: last_error.as_deref().map_or(FailureClass::Unknown, class_of),
                side: Side::Destination,
                message: format!(
                    "failed before it was imported: {}",
                    last_error.as_deref().unwrap_or("no reason given")
                ),
            });
            let state = if failure.is_some() { JobState::Failed } else { JobState::Queued };
            self.insert_job(&run, life, 1, state, failure.as_ref(), now_ms).await?;
            report.imported += 1;
        }
        Ok(report)
    }
}
