//! What moved and how full the disk was, over the last day: for the overview. What moved is kept in the state folder,
//! too; how full the disk was is in memory only.

use crate::database::{Hour, Store, StoreError};
use domain::api::{DiskTrend, HourTraffic};
use domain::timestamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Hours that are kept, the running one included.
const HOURS: i64 = 24;
/// Free space is noted this often.
const SAMPLE_EVERY: Duration = Duration::from_secs(60);
/// Samples that are kept: a day.
const SAMPLES: usize = 24 * 60;
/// The trend is taken over at most this time, so that it says how it goes now.
const TREND_OVER: Duration = Duration::from_secs(6 * 3_600);
/// And over no less: a few minutes say nothing about days.
const TREND_NEEDS: Duration = Duration::from_secs(10 * 60);

/// Which way bytes went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved {
    /// A run became complete.
    Received,
    /// A run was proven on its destination.
    Proven,
    /// A clear freed them.
    Cleared,
}

/// The counters.
#[derive(Debug)]
pub struct Tally {
    since: Timestamp,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By hours since 1970.
    hours: BTreeMap<i64, [u64; 3]>,
    /// Hours that changed since they were kept.
    unkept: BTreeSet<i64>,
    /// Monotonic time and free bytes, oldest first.
    free: VecDeque<(Duration, u64)>,
}

fn hour_of(at: Timestamp) -> i64 {
    at.unix_seconds().div_euclid(3_600)
}

impl Tally {
    /// Goes on from what was kept.
    pub async fn open(store: &Store, now: Timestamp) -> Result<Tally, StoreError> {
        let now_ms = now.unix_seconds().saturating_mul(1_000);
        let (since_ms, hours) = store.traffic(hour_of(now) - HOURS, now_ms).await?;
        let inner = Inner { hours: hours.into_iter().collect(), ..Inner::default() };
        Ok(Tally { since: Timestamp::from_unix_seconds(since_ms.div_euclid(1_000)), inner: Mutex::new(inner) })
    }

    /// Keeps what changed. What could not be kept is tried again the next time.
    pub async fn keep(&self, store: &Store) -> Result<(), StoreError> {
        let hours: Vec<Hour> = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let unkept = std::mem::take(&mut inner.unkept);
            unkept.into_iter().filter_map(|hour| Some((hour, *inner.hours.get(&hour)?))).collect()
        };
        let Some((last, _)) = hours.last() else { return Ok(()) };
        let written = store.write_traffic(&hours, last - HOURS).await;
        if written.is_err() {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.unkept.extend(hours.iter().map(|(hour, _)| hour));
        }
        written
    }

    /// When counting began.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// So many bytes went this way.
    pub fn add(&self, moved: Moved, bytes: u64, now: Timestamp) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = hour_of(now);
        let counts = inner.hours.entry(hour).or_default();
        let count = match moved {
            Moved::Received => &mut counts[0],
            Moved::Proven => &mut counts[1],
            Moved::Cleared => &mut counts[2],
        };
        *count = count.saturating_add(bytes);
        inner.unkept.insert(hour);
        // Also what lies ahead, when the clock was set back.
        inner.hours.retain(|known, _| (hour - HOURS..=hour).contains(known));
    }

    /// The last 24 hours, oldest first, the running one last.
    pub fn hours(&self, now: Timestamp) -> Vec<HourTraffic> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let last = hour_of(now);
        let traffic = |hour: i64| {
            let [received_bytes, proven_bytes, cleared_bytes] = inner.hours.get(&hour).copied().unwrap_or_default();
            HourTraffic {
                from: Timestamp::from_unix_seconds(hour.saturating_mul(3_600)),
                received_bytes,
                proven_bytes,
                cleared_bytes,
            }
        };
        (last - HOURS + 1..=last).map(traffic).collect()
    }

    /// The disk has so much free; kept once a minute. `now` is monotonic.
    pub fn disk(&self, free: u64, now: Duration) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.free.back().is_some_and(|(last, _)| now.saturating_sub(*last) < SAMPLE_EVERY) {
            return;
        }
        if inner.free.len() == SAMPLES {
            inner.free.pop_front();
        }
        inner.free.push_back((now, free));
    }

    /// How the free space changed; `None` while there is not enough history.
    pub fn trend(&self, free: u64, now: Duration) -> Option<DiskTrend> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, before) = inner.free.iter().find(|(at, _)| now.saturating_sub(*at) <= TREND_OVER)?;
        let over = now.saturating_sub(*since);
        if over < TREND_NEEDS {
            return None;
        }
        let filled = i128::from(*before) - i128::from(free);
        let bytes_per_hour = filled * 3_600_000 / i128::try_from(over.as_millis()).unwrap_or(i128::MAX).max(1);
        let until_full = (bytes_per_hour > 0).then(|| i128::from(free) * 3_600 / bytes_per_hour);
        Some(DiskTrend {
            over_seconds: over.as_secs(),
            bytes_per_hour: i64::try_from(bytes_per_hour).unwrap_or(if bytes_per_hour < 0 {
                i64::MIN
            } else {
                i64::MAX
            }),
            seconds_until_full: until_full.map(|seconds| u64::try_from(seconds).unwrap_or(u64::MAX)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_unix_seconds(hour * 3_600 + 1_799)
    }

    fn tally(since: Timestamp) -> Tally {
        Tally { since, inner: Mutex::default() }
    }

    #[tokio::test]
    async fn what_moved_outlives_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let first = Tally::open(&store, at(1_000)).await.unwrap();
        first.add(Moved::Received, 5, at(1_000));
        first.keep(&store).await.unwrap();
        first.add(Moved::Cleared, 7, at(1_001));
        first.add(Moved::Received, 1, at(1_001));
        first.keep(&store).await.unwrap();
        first.keep(&store).await.unwrap();
        let second = Tally::open(&store, at(1_002)).await.unwrap();
        second.add(Moved::Received, 2, at(1_001));
        assert_eq!(second.since(), at(1_000));
        let hours = second.hours(at(1_002));
        assert_eq!((hours[21].received_bytes, hours[22].received_bytes, hours[22].cleared_bytes), (5, 3, 7));
        second.add(Moved::Received, 9, at(1_100));
        second.keep(&store).await.unwrap();
        let third = Tally::open(&store, at(1_100)).await.unwrap();
        assert_eq!((third.since(), third.inner.lock().unwrap().hours.len()), (at(1_000), 1), "a day is kept");
        store.close().await;
        third.add(Moved::Proven, 4, at(1_100));
        third.keep(&store).await.unwrap_err();
        assert_eq!(third.inner.lock().unwrap().unkept.len(), 1, "tried again");
    }

    #[test]
    fn a_day_of_hours_is_kept_and_no_more() {
        let tally = tally(at(1_000));
        tally.add(Moved::Received, 5, at(1_000));
        tally.add(Moved::Received, 7, at(1_000));
        tally.add(Moved::Proven, 12, at(1_001));
        let hours = tally.hours(at(1_001));
        assert_eq!((hours.len(), hours[22].received_bytes, hours[23].proven_bytes), (24, 12, 12));
        assert_eq!(hours[23].from.unix_seconds(), 1_001 * 3_600);
        assert!(tally.hours(at(1_024)).iter().all(|hour| hour.received_bytes == 0), "25 hours ago is too long ago");
        tally.add(Moved::Cleared, u64::MAX, at(2_000));
        tally.add(Moved::Cleared, 1, at(2_000));
        assert_eq!(tally.hours(at(2_000))[23].cleared_bytes, u64::MAX);
        assert_eq!(tally.inner.lock().unwrap().hours.len(), 1);
        tally.add(Moved::Cleared, 1, at(10));
        assert_eq!(tally.hours(at(10))[23].cleared_bytes, 1, "a clock that was set back counts on");
    }

    #[test]
    fn a_few_minutes_are_no_history() {
        let tally = tally(at(1));
        assert_eq!(tally.trend(10, MINUTE), None);
        tally.disk(1_000_000, MINUTE);
        assert_eq!(tally.trend(10, MINUTE * 5), None);
    }

    #[test]
    fn the_disk_fills_and_empties() {
        let tally = tally(at(1));
        tally.disk(1_000_000, Duration::ZERO);
        tally.disk(5, Duration::from_secs(59));
        let trend = tally.trend(400_000, MINUTE * 60).unwrap();
        assert_eq!((trend.over_seconds, trend.bytes_per_hour, trend.seconds_until_full), (3_600, 600_000, Some(2_400)));
        let trend = tally.trend(3_000_000, MINUTE * 60).unwrap();
        assert_eq!((trend.bytes_per_hour, trend.seconds_until_full), (-2_000_000, None));
        assert_eq!(tally.trend(0, MINUTE * 60).unwrap().seconds_until_full, Some(0));
    }

    #[test]
    fn only_the_last_hours_tell_how_it_goes() {
        let tally = tally(at(1));
        for minute in 0..3_000_u32 {
            tally.disk(1_000_000 - u64::from(minute), MINUTE * minute);
        }
        let now = MINUTE * 2_999;
        let trend = tally.trend(1_000_000 - 2_999, now).unwrap();
        assert_eq!((trend.over_seconds, trend.bytes_per_hour), (6 * 3_600, 60));
        assert_eq!(tally.inner.lock().unwrap().free.len(), SAMPLES);
        assert_eq!(tally.trend(1, now + MINUTE * 1_000), None, "a machine that slept has no recent history");
    }
}
