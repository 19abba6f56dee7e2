//! What moved, hour by hour.

use super::{Store, StoreError, signed, unsigned};

/// Bytes received, proven and cleared within one hour; the hour is counted since 1970.
pub type Hour = (i64, [u64; 3]);

impl Store {
    /// The hours from `first` on; and since when (milliseconds) they are counted, which is `now_ms` in a new database.
    pub async fn traffic(&self, first: i64, now_ms: i64) -> Result<(i64, Vec<Hour>), StoreError> {
        sqlx::query("INSERT OR IGNORE INTO traffic_since (one, since_ms) VALUES (1, $1)")
            .bind(now_ms)
            .execute(&self.writer)
            .await?;
        let since_ms = sqlx::query_scalar("SELECT since_ms FROM traffic_since").fetch_one(&self.writer).await?;
        let rows: Vec<(i64, i64, i64, i64)> =
            sqlx::query_as("SELECT hour, received, proven, cleared FROM traffic WHERE hour >= $1")
                .bind(first)
                .fetch_all(&self.writer)
                .await?;
        let hour =
            |(hour, received, proven, cleared)| (hour, [unsigned(received), unsigned(proven), unsigned(cleared)]);
        Ok((since_ms, rows.into_iter().map(hour).collect()))
    }

    /// Writes hours anew, and forgets those before `first`.
    pub async fn write_traffic(&self, hours: &[Hour], first: i64) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        for (hour, [received, proven, cleared]) in hours {
            sqlx::query("INSERT OR REPLACE INTO traffic (hour, received, proven, cleared) VALUES ($1, $2, $3, $4)")
                .bind(hour)
                .bind(signed(*received))
                .bind(signed(*proven))
                .bind(signed(*cleared))
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query("DELETE FROM traffic WHERE hour < $1").bind(first).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }
}
