//! Progress of long work, from our own totals: files, bytes, rate, time left.
//!
//! Whoever works adds; whoever shows takes a snapshot whenever it likes. Neither waits for the other.

use domain::api::{Phase, Progress};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The rate is taken over this time.
const WINDOW: Duration = Duration::from_secs(5);
/// Samples are no closer than this.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);

/// Counts files and bytes of one piece of work. Cheap to clone; all clones are one counter.
#[derive(Clone, Debug)]
pub struct ProgressSink {
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    began: Instant,
    files_done: AtomicU64,
    files_total: AtomicU64,
    bytes_done: AtomicU64,
    bytes_total: AtomicU64,
    /// Milliseconds after `began` of the next sample, and of the last sign of life.
    next_sample: AtomicU64,
    last_sign: AtomicU64,
    phase: Mutex<(Phase, VecDeque<(Instant, u64)>)>,
    /// What goes on at the same time, with counts of its own.
    beside: Mutex<Vec<ProgressSink>>,
}

impl Default for ProgressSink {
    fn default() -> Self {
        ProgressSink::new()
    }
}

impl ProgressSink {
    /// Nothing done of nothing, listing.
    pub fn new() -> ProgressSink {
        ProgressSink {
            counts: Arc::new(Counts {
                began: Instant::now(),
                files_done: AtomicU64::new(0),
                files_total: AtomicU64::new(0),
                bytes_done: AtomicU64::new(0),
                bytes_total: AtomicU64::new(0),
                next_sample: AtomicU64::new(0),
                last_sign: AtomicU64::new(0),
                phase: Mutex::new((Phase::Listing, VecDeque::new())),
                beside: Mutex::default(),
            }),
        }
    }

    /// Whether both are one counter.
    pub fn is(&self, other: &ProgressSink) -> bool {
        Arc::ptr_eq(&self.counts, &other.counts)
    }

    /// Work that goes on at the same time, shown with this one until it is over; a sign of life of one is one of both.
    pub fn beside(&self, phase: Phase, files_total: u64, bytes_total: u64) -> ProgressSink {
        let beside = ProgressSink::new();
        beside.begin(phase, files_total, bytes_total);
        self.counts.beside.lock().unwrap_or_else(PoisonError::into_inner).push(beside.clone());
        beside
    }

    /// What goes on at the same time is over.
    pub fn alone(&self) {
        self.counts.beside.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A new phase with its own totals begins.
    pub fn begin(&self, phase: Phase, files_total: u64, bytes_total: u64) {
        let counts = &*self.counts;
        let mut state = counts.phase.lock().unwrap_or_else(PoisonError::into_inner);
        for (counter, value) in [
            (&counts.files_done, 0),
            (&counts.bytes_done, 0),
            (&counts.files_total, files_total),
            (&counts.bytes_total, bytes_total),
        ] {
            counter.store(value, Relaxed);
        }
        state.0 = phase;
        state.1.clear();
        state.1.push_back((Instant::now(), 0));
        self.sign_of_life();
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.counts.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The work goes on, with nothing to count.
    pub fn alive(&self) {
        self.sign_of_life();
    }

    fn sign_of_life(&self) -> u64 {
        let now = self.elapsed_ms();
        self.counts.last_sign.store(now, Relaxed);
        now
    }

    /// So many bytes more are done.
    pub fn add_bytes(&self, bytes: u64) {
        self.counts.bytes_done.fetch_add(bytes, Relaxed);
        let now = self.sign_of_life();
        if now >= self.counts.next_sample.load(Relaxed)
            && let Ok(mut state) = self.counts.phase.try_lock()
        {
            self.counts.next_sample.store(now + SAMPLE_EVERY.as_millis() as u64, Relaxed);
            let sample = (Instant::now(), self.counts.bytes_done.load(Relaxed));
            state.1.push_back(sample);
            while state.1.len() > 2 && state.1.get(1).is_some_and(|second| sample.0.duration_since(second.0) >= WINDOW)
            {
                state.1.pop_front();
            }
        }
    }

    /// One file more is done.
    pub fn add_file(&self) {
        self.counts.files_done.fetch_add(1, Relaxed);
        self.sign_of_life();
    }

    /// One file more is done that needed no work: already there.
    pub fn skip_file(&self, bytes: u64) {
        self.counts.bytes_done.fetch_add(bytes, Relaxed);
        self.add_file();
    }

    /// How long nothing was added, here and beside: a hung destination shows here.
    pub fn idle_for(&self) -> Duration {
        let own = Duration::from_millis(self.elapsed_ms().saturating_sub(self.counts.last_sign.load(Relaxed)));
        let beside = self.counts.beside.lock().unwrap_or_else(PoisonError::into_inner);
        beside.iter().map(ProgressSink::idle_for).fold(own, Duration::min)
    }

    /// How it stands.
    pub fn snapshot(&self) -> Progress {
        let counts = &*self.counts;
        let state = counts.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes_done, bytes_total) = (counts.bytes_done.load(Relaxed), counts.bytes_total.load(Relaxed));
        let bytes_per_second = match state.1.front() {
            Some((since, bytes)) => rate(bytes_done.saturating_sub(*bytes), since.elapsed()),
            None => 0,
        };
        Progress {
            phase: state.0,
            files_done: counts.files_done.load(Relaxed),
            files_total: counts.files_total.load(Relaxed),
            bytes_done,
            bytes_total,
            bytes_per_second,
            eta_seconds: (bytes_per_second > 0)
                .then(|| bytes_total.saturating_sub(bytes_done).div_ceil(bytes_per_second)),
            beside: counts
                .beside
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .map(ProgressSink::snapshot)
                .collect(),
        }
    }
}

fn rate(bytes: u64, time: Duration) -> u64 {
    let millis = time.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_begins_anew() {
        let sink = ProgressSink::new();
        sink.begin(Phase::Sending, 3, 30);
        let other = sink.clone();
        other.add_bytes(10);
        other.add_file();
        other.skip_file(20);
        let shown = sink.snapshot();
        assert_eq!(
            (shown.phase, shown.files_done, shown.files_total, shown.bytes_done, shown.bytes_total),
            (Phase::Sending, 2, 3, 30, 30)
        );
        assert!(shown.bytes_per_second > 0);
        assert_eq!(shown.eta_seconds, Some(0));
        sink.begin(Phase::Verifying, 1, 1);
        let shown = sink.snapshot();
        assert_eq!(
            (shown.phase, shown.files_done, shown.bytes_done, shown.eta_seconds),
            (Phase::Verifying, 0, 0, None)
        );
    }

    #[test]
    fn work_beside_is_shown_with_it_and_keeps_it_alive() {
        let sink = ProgressSink::new();
        sink.begin(Phase::Sending, 3, 30);
        let hashing = sink.beside(Phase::Hashing, 3, 30);
        hashing.skip_file(12);
        let shown = sink.snapshot();
        assert_eq!((shown.phase, shown.bytes_done, shown.beside.len()), (Phase::Sending, 0, 1));
        assert_eq!(
            (shown.beside[0].phase, shown.beside[0].bytes_done, shown.beside[0].files_done),
            (Phase::Hashing, 12, 1)
        );
        assert!(sink.idle_for() <= hashing.idle_for());
        sink.alone();
        assert_eq!(sink.snapshot().beside, []);
    }

    #[test]
    fn rates() {
        assert_eq!(rate(1_000, Duration::from_millis(500)), 2_000);
        assert_eq!(rate(5, Duration::ZERO), 5_000);
        assert_eq!(rate(u64::MAX, Duration::from_millis(1)), u64::MAX);
    }
}
