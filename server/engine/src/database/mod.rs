//! The state folder's database: the only module that speaks SQL.
//!
//! One connection writes, a small read-only pool answers questions, in WAL mode, and no other program opens the file
//! meanwhile. Every change of a job or an intent is compare-and-set on the state it was decided on, so two deciders can
//! never both win.
//!
//! A statement that changes rows and returns them is read to its end (`fetch_all`), always: SQLite commits after the
//! last row, and who stops at the first never hears that the disk was full.

/// Every change of jobs counts their revision: a statement from what it sets on, `"state = $1 WHERE id = $2"`.
macro_rules! change_jobs {
    ($what:literal) => {
        concat!("UPDATE jobs SET revision = revision + 1, ", $what)
    };
}

mod cleared;
mod intents;
mod jobs;
mod ledger;
mod legacy;
mod notes;
mod proofs;
mod schema;
mod settle;
mod traffic;

pub use crate::transport::Failure;
pub use cleared::{ClearedHour, damage_of, hour_after};
pub use intents::{ClearStep, Intent};
pub use jobs::{Job, JobKey};
pub use ledger::{ClearedLife, LedgerKind, NewLedgerEntry};
pub use legacy::ImportReport;
pub use notes::Note;
pub use proofs::NewProof;
pub use settle::Claim;
pub use traffic::Hour;

use sqlx::Connection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use std::path::Path;
use std::time::Duration;

/// Why the database could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space left under the state folder.
    #[error("the state folder's disk is full: make room, everything goes on by itself")]
    Full,
    /// Anything else the database says.
    #[error("the state database cannot be used: {0}")]
    Database(String),
    /// A later version of this program wrote it.
    #[error(
        "the state database has schema {found}, and this version knows {known} at most: install the version that was used last, or a later one; nothing was changed"
    )]
    Newer {
        /// The number it bears.
        found: i64,
        /// The highest one known here.
        known: i64,
    },
    /// A row holds what this version never writes.
    #[error("the state database holds an unexpected value: {0}")]
    Corrupt(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        // The low byte is the code, the rest says more of it.
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
        match code {
            Some(code) if code & 0xff == libsqlite3_sys::SQLITE_FULL => StoreError::Full,
            _ => StoreError::Database(error.to_string()),
        }
    }
}

/// Connections that answer questions.
const READERS: u32 = 3;

/// The database of one state folder.
#[derive(Clone)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Opens or creates `<state>/queue.db`. What was in work when the program ended is put back into the queue.
    pub async fn open(state_folder: &Path) -> Result<Store, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(state_folder.join("queue.db"))
            // What connections share lies in memory and in no mapped file: writing to one of those on a full disk
            // (btrfs) ends the program.
            .vfs("unix-excl")
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may lose the last moments, never consistency: what is lost is proven again.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10))
            // Each connection has a cache of its own; what is read often lies in the system's.
            .pragma("cache_size", "-512");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_release(|connection, _| Box::pin(has_no_transaction(connection)))
            .connect_with(options.clone())
            .await?;
        schema::bring_up(&writer).await?;
        // All at once: a connection that is opened while the disk is full hangs instead of answering.
        let readers = SqlitePoolOptions::new()
            .min_connections(READERS)
            .max_connections(READERS)
            .idle_timeout(None)
            .max_lifetime(None);
        let readers = readers.connect_with(options.read_only(true)).await?;
        Ok(Store { writer, readers })
    }

    /// Writes everything to its place and closes.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Forces what was committed so far to the disk: before a step that cannot be taken back.
    pub(crate) async fn make_durable(&self) -> Result<(), StoreError> {
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as("PRAGMA wal_checkpoint(FULL)").fetch_all(&self.writer).await?;
        match rows.first() {
            Some((0, _, _)) => Ok(()),
            _ => Err(StoreError::Database(
                "what was written could not be forced to the disk, because a reader holds it".into(),
            )),
        }
    }
}

/// Whatever failed, its transaction has ended before the next statement. On a full disk SQLite rolls a transaction back
/// by itself; sqlx then fails to do so and goes on counting it, makes savepoints of the transactions that follow, and
/// leaves one of those open for ever: what is written into it is seen here and is in no database. Such a connection is
/// closed, and another is opened.
async fn has_no_transaction(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // What was begun to be rolled back is rolled back when this is answered.
    connection.ping().await?;
    let open = connection.is_in_transaction();
    if open {
        tracing::warn!(
            "a transaction of the state database did not end by itself: its connection is closed and opened anew"
        );
    }
    Ok(!open)
}

/// SQLite has no unsigned integers; counts beyond 2^63 do not exist on disks.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
