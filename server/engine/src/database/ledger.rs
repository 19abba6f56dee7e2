//! What must outlive a run's folder: the ledger, append-only, and the lives that were cleared.

use super::{Store, StoreError, signed, unsigned};
use domain::api::LedgerEntry;
use domain::path::RunPath;
use domain::proof::{Digest, Totals};
use domain::timestamp::Timestamp;

/// What a fact of the ledger is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LedgerKind {
    /// An operator said that the instrument had finished.
    AssumedComplete,
    /// A clear was given up.
    ClearAborted,
    /// An operator called a clear off.
    ClearCalledOff,
    /// A clear was proven and begun.
    ClearIntended,
    /// The local copy went.
    Cleared,
    /// The destination does not hold what was sealed.
    Disproven,
    Failed,
    /// Files whose stat changed hold the sealed bytes.
    HashedAgain,
    /// A file was not cleared.
    Kept,
    /// What was not cleared could not be put back.
    KeptAside,
    /// Data stands at the path of a cleared run.
    NewLife,
    /// A class of findings was let through.
    Overridden,
    /// An override was ended.
    OverrideRevoked,
    /// The destination holds what was sealed.
    Proven,
    /// A failed job was taken up again.
    Rearmed,
    /// The run's folder has another name.
    Renamed,
    /// Files of an earlier generation moved aside at the destination.
    Superseded,
    /// The copy of a cleared run cannot be looked at.
    Unprovable,
    /// An operator had it proven once more.
    VerifiedByOperator,
}

impl LedgerKind {
    /// As it is kept and answered.
    pub fn as_str(self) -> &'static str {
        match self {
            LedgerKind::AssumedComplete => "assumed_complete",
            LedgerKind::ClearAborted => "clear_aborted",
            LedgerKind::ClearCalledOff => "clear_called_off",
            LedgerKind::ClearIntended => "clear_intended",
            LedgerKind::Cleared => "cleared",
            LedgerKind::Disproven => "disproven",
            LedgerKind::Failed => "failed",
            LedgerKind::HashedAgain => "hashed_again",
            LedgerKind::Kept => "kept",
            LedgerKind::KeptAside => "kept_aside",
            LedgerKind::NewLife => "new_life",
            LedgerKind::Overridden => "overridden",
            LedgerKind::OverrideRevoked => "override_revoked",
            LedgerKind::Proven => "proven",
            LedgerKind::Rearmed => "rearmed",
            LedgerKind::Renamed => "renamed",
            LedgerKind::Superseded => "superseded",
            LedgerKind::Unprovable => "unprovable",
            LedgerKind::VerifiedByOperator => "verified_by_operator",
        }
    }
}

/// A fact to append.
#[derive(Clone, Debug)]
pub struct NewLedgerEntry<'a> {
    pub at_ms: i64,
    pub run: &'a RunPath,
    pub life: u64,
    /// What it is about.
    pub kind: LedgerKind,
    pub detail: String,
}

/// A life that ended by clearing.
#[derive(Clone, Debug)]
pub struct ClearedLife {
    pub run: RunPath,
    pub life: u64,
    /// When its local copy went.
    pub cleared_ms: i64,
    /// What was really removed.
    pub freed: Totals,
    /// Where the data is.
    pub nas_path: String,
    /// Digest of its seal.
    pub seal: Option<Digest>,
    /// The row as it last was, JSON.
    pub last_row: String,
    /// The history as it ended, JSON.
    pub history: String,
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_seconds(ms.div_euclid(1000))
}

type LifeRow = (String, i64, i64, i64, i64, String, String, String, String);

impl Store {
    /// Appends a fact.
    pub async fn append(&self, entry: NewLedgerEntry<'_>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO ledger (at_ms, run_path, life, kind, detail) VALUES ($1, $2, $3, $4, $5)")
            .bind(entry.at_ms)
            .bind(entry.run.as_str())
            .bind(signed(entry.life))
            .bind(entry.kind.as_str())
            .bind(entry.detail)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Facts about a run, all its lives, newest first.
    pub async fn ledger(&self, run: &RunPath) -> Result<Vec<LedgerEntry>, StoreError> {
        let query = "SELECT seq, at_ms, run_path, life, kind, detail FROM ledger WHERE run_path = $1 ORDER BY seq DESC LIMIT 1000";
        let rows: Vec<(i64, i64, String, i64, String, String)> =
            sqlx::query_as(query).bind(run.as_str()).fetch_all(&self.readers).await?;
        let entry = |(seq, at_ms, run_path, life, kind, detail)| LedgerEntry {
            seq: unsigned(seq),
            at: at(at_ms),
            run_path,
            life: unsigned(life),
            kind,
            detail,
        };
        Ok(rows.into_iter().map(entry).collect())
    }

    /// Records a cleared life, and with it (all or nothing) a `cleared` fact with `line` as its detail, when there is
    /// one. A second call for the same life changes nothing.
    pub async fn end_life(&self, life: &ClearedLife, line: Option<&str>) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        let ended = sqlx::query(
            "INSERT INTO lives (run_path, life, cleared_ms, freed_files, freed_bytes, nas_path, seal_digest, last_row, history) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (run_path, life) DO NOTHING",
        )
        .bind(life.run.as_str())
        .bind(signed(life.life))
        .bind(life.cleared_ms)
        .bind(signed(life.freed.files))
        .bind(signed(life.freed.bytes))
        .bind(&life.nas_path)
        .bind(life.seal.map(|seal| seal.to_string()).unwrap_or_default())
        .bind(&life.last_row)
        .bind(&life.history)
        .execute(&mut *transaction)
        .await?;
        if let Some(line) = line.filter(|_| ended.rows_affected() == 1) {
            sqlx::query("INSERT INTO ledger (at_ms, run_path, life, kind, detail) VALUES ($1, $2, $3, $4, $5)")
                .bind(life.cleared_ms)
                .bind(life.run.as_str())
                .bind(signed(life.life))
                .bind(LedgerKind::Cleared.as_str())
                .bind(line)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The life a run at this path is in: one more than those that ended.
    pub async fn current_life(&self, run: &RunPath) -> Result<u64, StoreError> {
        let query = "SELECT COALESCE(MAX(life), 0) + 1 FROM lives WHERE run_path = $1";
        Ok(unsigned(sqlx::query_scalar(query).bind(run.as_str()).fetch_one(&self.readers).await?))
    }

    /// How many lives of every path have ended.
    pub async fn ended_lives(&self) -> Result<Vec<(RunPath, u64)>, StoreError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT run_path, MAX(life) FROM lives GROUP BY run_path").fetch_all(&self.readers).await?;
        Ok(rows.into_iter().filter_map(|(run, life)| Some((RunPath::parse(&run).ok()?, unsigned(life)))).collect())
    }

    /// The latest ended life of a path.
    pub async fn last_ended_life(&self, run: &RunPath) -> Result<Option<ClearedLife>, StoreError> {
        let query = "SELECT run_path, life, cleared_ms, freed_files, freed_bytes, nas_path, seal_digest, last_row, history \
                     FROM lives WHERE run_path = $1 ORDER BY life DESC LIMIT 1";
        let row: Option<LifeRow> = sqlx::query_as(query).bind(run.as_str()).fetch_optional(&self.readers).await?;
        Ok(row.and_then(cleared_life))
    }
}

fn cleared_life(
    (run, life, cleared_ms, files, bytes, nas_path, seal, last_row, history): LifeRow,
) -> Option<ClearedLife> {
    Some(ClearedLife {
        run: RunPath::parse(&run).ok()?,
        life: unsigned(life),
        cleared_ms,
        freed: Totals { files: unsigned(files), bytes: unsigned(bytes) },
        nas_path,
        seal: Digest::parse(&seal),
        last_row,
        history,
    })
}
