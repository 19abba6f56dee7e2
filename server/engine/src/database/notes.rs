//! Notes on findings: when each was found first, and whether an operator marked it known. The findings themselves are
//! judged, not stored.

use super::{Store, StoreError};

/// A note on one finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The run, or the folder that is none, relative to the staging root.
    pub run_path: String,
    pub rule: String,
    pub offending_path: String,
    /// When it was found first, in milliseconds.
    pub first_ms: i64,
    /// When it was marked known.
    pub known_ms: Option<i64>,
    /// By whom, if said.
    pub known_by: Option<String>,
}

impl Store {
    /// All notes.
    pub async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        type Row = (String, String, String, i64, Option<i64>, Option<String>);
        let query = "SELECT run_path, rule, offending_path, first_ms, known_ms, known_by FROM findings";
        let rows: Vec<Row> = sqlx::query_as(query).fetch_all(&self.readers).await?;
        let note = |(run_path, rule, offending_path, first_ms, known_ms, known_by): Row| Note {
            run_path,
            rule,
            offending_path,
            first_ms,
            known_ms,
            known_by,
        };
        Ok(rows.into_iter().map(note).collect())
    }

    /// Writes some notes and removes others, all or nothing.
    pub async fn change_notes(&self, written: &[Note], removed: &[Note]) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        for note in removed {
            sqlx::query("DELETE FROM findings WHERE run_path = $1 AND rule = $2 AND offending_path = $3")
                .bind(&note.run_path)
                .bind(&note.rule)
                .bind(&note.offending_path)
                .execute(&mut *transaction)
                .await?;
        }
        for note in written {
            sqlx::query(
                "INSERT INTO findings (run_path, rule, offending_path, first_ms, known_ms, known_by) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (run_path, rule, offending_path) DO UPDATE SET known_ms = excluded.known_ms, known_by = excluded.known_by",
            )
            .bind(&note.run_path)
            .bind(&note.rule)
            .bind(&note.offending_path)
            .bind(note.first_ms)
            .bind(note.known_ms)
            .bind(&note.known_by)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
