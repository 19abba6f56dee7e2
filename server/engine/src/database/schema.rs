//! The database's schema: numbered files, each applied once and in order.

use super::StoreError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqlitePool;

static SCHEMA: Migrator = sqlx::migrate!("./migrations");

/// The highest number known here.
fn known() -> i64 {
    SCHEMA.iter().map(|file| file.version).max().unwrap_or(0)
}

/// Brings a database of any earlier version, or an empty one, to the schema of this one. A later version's is left as
/// it is.
pub async fn bring_up(writer: &SqlitePool) -> Result<(), StoreError> {
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(writer).await?;
    if found > known() {
        return Err(StoreError::Newer { found, known: known() });
    }
    if found == 0 {
        add_what_cannot_be_asked_for_twice(writer).await?;
    }
    SCHEMA.run(writer).await?;
    Ok(())
}

/// A database from before files had numbers may lack a column, and SQLite adds none "if it is not there".
async fn add_what_cannot_be_asked_for_twice(writer: &SqlitePool) -> Result<(), StoreError> {
    let columns: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_info('jobs')").fetch_all(writer).await?;
    if !columns.is_empty() && !columns.iter().any(|name| name == "revision") {
        sqlx::raw_sql("ALTER TABLE jobs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0").execute(writer).await?;
    }
    Ok(())
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> StoreError {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            MigrateError::VersionMissing(found) => StoreError::Newer { found, known: known() },
            other => StoreError::Database(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Store;
    use domain::job::JobState;
    use domain::path::RunPath;
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
    use std::path::{Path, PathBuf};

    async fn database(folder: &Path) -> SqlitePool {
        let options = SqliteConnectOptions::new().filename(folder.join("queue.db")).create_if_missing(true);
        SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
    }

    async fn execute(folder: &Path, statements: String) {
        let pool = database(folder).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&pool).await.unwrap();
        pool.close().await;
    }

    #[test]
    fn every_file_sets_its_number_last() {
        for file in SCHEMA.iter() {
            let last = format!("PRAGMA user_version = {};", file.version);
            assert_eq!(file.sql.as_str().trim_end().lines().last(), Some(last.as_str()), "{}", file.description);
        }
        let numbers: Vec<i64> = SCHEMA.iter().map(|file| file.version).collect();
        assert_eq!(numbers, (1..=known()).collect::<Vec<_>>(), "none is left out");
    }

    /// One database of every earlier schema, as that version made it.
    #[tokio::test]
    async fn a_database_of_every_earlier_version_is_taken_over_with_all_that_it_holds() {
        let earlier = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/queue/earlier");
        let mut files: Vec<PathBuf> = std::fs::read_dir(earlier).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), 7);
        for file in files {
            let folder = tempfile::tempdir().unwrap();
            execute(folder.path(), std::fs::read_to_string(&file).unwrap()).await;
            let shown = file.display();
            // The second time there is nothing to do.
            for _ in 0..2 {
                let store = Store::open(folder.path()).await.unwrap();
                let mut jobs = Vec::new();
                for id in ["job-queued", "job-running", "job-verified", "job-cleaned"] {
                    jobs.push(store.job(id).await.unwrap().unwrap().state);
                }
                assert_eq!(jobs[2..], [JobState::Verified, JobState::Cleaned], "{shown}");
                assert_eq!(
                    store.open_intents().await.unwrap()[0].waiting.as_deref(),
                    Some("the NAS is away"),
                    "{shown}"
                );
                let cleared = RunPath::parse("SCOPE_01/Cortex Q3 Pilot/Runs/Run_4").unwrap();
                assert_eq!(store.current_life(&cleared).await.unwrap(), 2, "{shown}");
                store.recover().await.unwrap();
                let claim = store.claim("SCOPE_01", 1_776_436_999_000).await.unwrap().unwrap();
                assert_eq!(claim.job().id, "job-queued", "{shown}");
                store.close().await;
            }
            let pool = database(folder.path()).await;
            let number: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await.unwrap();
            assert_eq!(number, known(), "{shown}");
            let schema = "SELECT type || ' ' || name FROM sqlite_master WHERE sql IS NOT NULL ORDER BY 1";
            let taken_over: Vec<String> = sqlx::query_scalar(schema).fetch_all(&pool).await.unwrap();
            pool.close().await;
            let new = tempfile::tempdir().unwrap();
            Store::open(new.path()).await.unwrap().close().await;
            let pool = database(new.path()).await;
            assert_eq!(taken_over, sqlx::query_scalar::<_, String>(schema).fetch_all(&pool).await.unwrap(), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_database_of_a_later_version_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        Store::open(folder.path()).await.unwrap().close().await;
        execute(folder.path(), format!("PRAGMA user_version = {}; CREATE TABLE of_later (one INTEGER)", known() + 1))
            .await;
        let refused = Store::open(folder.path()).await.err().unwrap();
        assert!(
            matches!(refused, StoreError::Newer { found, known: here } if (found, here) == (known() + 1, known())),
            "{refused}"
        );
        assert!(refused.to_string().contains("install"), "{refused}");
    }
}
