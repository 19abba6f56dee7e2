//! When everything that is proven will have been read again at its destination, within the budget (docs/proof.md).
//! Pure.

use crate::timestamp::Timestamp;

/// What one run, or several of one age, need to be proven again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proven {
    /// When that is due: runs in staging and cleared ones have ages of their own.
    pub due: Timestamp,
    /// Its bytes.
    pub bytes: u64,
}

impl Proven {
    /// Proven at `at`, due `age_seconds` later.
    pub fn due_after(at: Timestamp, age_seconds: u64, bytes: u64) -> Proven {
        let age = i64::try_from(age_seconds).unwrap_or(i64::MAX);
        Proven { due: Timestamp::from_unix_seconds(at.unix_seconds().saturating_add(age)), bytes }
    }
}

/// By when every byte of these runs will have been read again: one after the other, none before it is due, at
/// `bytes_per_second`. `None` when there are none.
pub fn read_again_by(now: Timestamp, proven: &mut [Proven], bytes_per_second: u64) -> Option<Timestamp> {
    proven.sort_unstable_by_key(|run| run.due);
    let (mut free_at, mut bytes) = (now.unix_seconds(), 0_u128);
    for run in proven.iter() {
        let due = run.due.unix_seconds();
        if due > free_at.saturating_add(seconds(bytes, bytes_per_second)) {
            // Nothing is due until then.
            (free_at, bytes) = (due, 0);
        }
        bytes += u128::from(run.bytes);
    }
    (!proven.is_empty()).then(|| Timestamp::from_unix_seconds(free_at.saturating_add(seconds(bytes, bytes_per_second))))
}

fn seconds(bytes: u128, bytes_per_second: u64) -> i64 {
    i64::try_from(bytes.div_ceil(u128::from(bytes_per_second.max(1)))).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// Of runs in staging, and of cleared ones.
    const AGES: [u64; 2] = [100, 3_000];

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    fn proven(runs: &[(i64, u64, u64)]) -> Vec<Proven> {
        runs.iter().map(|(seconds, age, bytes)| Proven::due_after(at(*seconds), *age, *bytes)).collect()
    }

    #[rstest]
    #[case::nothing(&[], None)]
    #[case::not_due_yet(&[(1_000, 100, 50)], Some(1_105))]
    #[case::long_due(&[(0, 100, 50)], Some(1_005))]
    #[case::one_after_the_other(&[(0, 100, 50), (10, 100, 100)], Some(1_015))]
    #[case::a_pause_between(&[(0, 100, 50), (1_000, 100, 100)], Some(1_110))]
    #[case::the_first_takes_longer(&[(0, 100, 5_000), (1_000, 100, 100)], Some(1_510))]
    #[case::a_cleared_run_of_the_same_day(&[(1_000, 100, 50), (1_000, 3_000, 50)], Some(4_005))]
    #[case::a_cleared_run_that_is_due_first(&[(1_000, 100, 50), (-2_000, 3_000, 1_000)], Some(1_105))]
    #[case::a_cleared_run_that_takes_until_the_other_is_due(&[(1_000, 100, 50), (-2_000, 3_000, 2_000)], Some(1_205))]
    #[case::an_age_without_end(&[(0, u64::MAX, 50)], Some(253_402_300_799))]
    // The last second that can be written.
    #[case::never_mind_how_much(&[(0, 100, u64::MAX), (0, 100, u64::MAX)], Some(253_402_300_799))]
    fn dates(#[case] runs: &[(i64, u64, u64)], #[case] expected: Option<i64>) {
        assert_eq!(read_again_by(at(1_000), &mut proven(runs), 10).map(Timestamp::unix_seconds), expected);
    }

    proptest! {
        #[test]
        fn never_before_the_last_is_due_and_never_later_than_all_after_that(
            runs in prop::collection::vec((0_i64..2_000, prop::sample::select(AGES.as_slice()), 0_u64..100_000), 1..40),
        ) {
            let by = read_again_by(at(1_000), &mut proven(&runs), 10).unwrap().unix_seconds();
            let due = |(seconds, age, _): &(i64, u64, u64)| seconds + i64::try_from(*age).unwrap();
            let last_due = runs.iter().map(due).max().unwrap().max(1_000);
            let all: i64 = runs.iter().map(|(_, _, bytes)| i64::try_from(bytes.div_ceil(10)).unwrap()).sum();
            prop_assert!(last_due <= by && by <= last_due + all, "{by} {last_due} {all}");
        }
    }
}
