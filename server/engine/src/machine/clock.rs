//! The one place that reads a clock. Tests move a hand-set one instead of waiting.

use domain::timestamp::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Wall and monotonic time. Ages use the wall clock of the documents; waits and settling use the monotonic one, which
/// no operator can set back.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { started: std::time::Instant },
    Manual { wall_ms: Arc<AtomicI64>, monotonic_ms: Arc<AtomicI64> },
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Clock {
        Clock(Source::System { started: std::time::Instant::now() })
    }

    /// A clock that stands still until it is moved.
    pub fn manual(wall: Timestamp) -> Clock {
        let wall_ms = Arc::new(AtomicI64::new(wall.unix_seconds() * 1000));
        Clock(Source::Manual { wall_ms, monotonic_ms: Arc::new(AtomicI64::new(0)) })
    }

    /// Milliseconds since 1970, UTC.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            #[allow(clippy::disallowed_methods, reason = "the owner of the wall clock")]
            Source::System { .. } => match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
                Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
            },
            Source::Manual { wall_ms, .. } => wall_ms.load(Ordering::SeqCst),
        }
    }

    /// Wall time in whole seconds.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.now_ms().div_euclid(1000))
    }

    /// Time since some fixed moment; never goes back.
    pub fn monotonic(&self) -> Duration {
        match &self.0 {
            Source::System { started } => started.elapsed(),
            Source::Manual { monotonic_ms, .. } => {
                Duration::from_millis(monotonic_ms.load(Ordering::SeqCst).unsigned_abs())
            }
        }
    }

    /// Moves a manual clock's both hands forward; the system clock takes no orders.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { wall_ms, monotonic_ms } = &self.0 {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            wall_ms.fetch_add(by, Ordering::SeqCst);
            monotonic_ms.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// Sets a manual clock's wall hand, forward or back, as an operator or NTP may.
    pub fn set_wall(&self, to: Timestamp) {
        if let Source::Manual { wall_ms, .. } = &self.0 {
            wall_ms.store(to.unix_seconds() * 1000, Ordering::SeqCst);
        }
    }
}
