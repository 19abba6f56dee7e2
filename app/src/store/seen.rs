//! A row with the moment it was received, so that times are shown without reading a clock while rendering.
//!
//! A row says when it last changed and how many seconds ago that was: their sum is the server's clock. What has passed
//! since is counted by the panel's own tick, so a browser with a wrong clock shows the right ages.

use domain::api::RunRow;
use domain::timestamp::Timestamp;

/// A row as received.
#[derive(Clone, PartialEq, Debug)]
pub struct SeenRow {
    pub row: RunRow,
    /// The panel's tick when it came, in seconds.
    pub seen_at: i64,
}

impl SeenRow {
    /// A row that came at this tick.
    pub fn new(row: RunRow, seen_at: i64) -> SeenRow {
        SeenRow { row, seen_at }
    }

    /// The server's time at `tick`; `None` when the row's own time cannot be read.
    pub fn server_time(&self, tick: i64) -> Option<Timestamp> {
        let summary = &self.row.summary;
        let changed = Timestamp::parse(&summary.last_activity_at).ok()?;
        let age = i64::try_from(summary.elapsed_seconds_since_last_activity).unwrap_or(i64::MAX / 2);
        Some(changed.plus_seconds(age.saturating_add(self.passed(tick))))
    }

    /// Seconds since the row last changed.
    pub fn quiet_seconds(&self, tick: i64) -> i64 {
        let age = i64::try_from(self.row.summary.elapsed_seconds_since_last_activity).unwrap_or(i64::MAX / 2);
        age.saturating_add(self.passed(tick))
    }

    /// Seconds from `at` until `tick`; negative when `at` is still to come.
    pub fn seconds_since(&self, at: Timestamp, tick: i64) -> Option<i64> {
        Some(self.server_time(tick)?.seconds_since(at))
    }

    fn passed(&self, tick: i64) -> i64 {
        (tick - self.seen_at).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_follow_the_servers_clock_and_our_tick() {
        let seen = SeenRow::new(crate::sample::row("A/p/Runs/Run_1", "staging"), 100);
        assert_eq!(seen.server_time(100).unwrap().to_string(), "2026-04-17T14:33:00Z");
        assert_eq!(seen.quiet_seconds(130), 90);
        assert_eq!(seen.quiet_seconds(50), 60, "a tick never runs backwards");
        let due = Timestamp::parse("2026-04-17T14:35:00Z").unwrap();
        assert_eq!(seen.seconds_since(due, 130), Some(-90));
    }
}
