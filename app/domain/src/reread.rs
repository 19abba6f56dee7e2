//! When everything that is proven will have been read again at its destination, within the budget (contract section 6). Pure.

use crate::timestamp::Timestamp;

/// What one run needs to be proven again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proven {
    /// Its newest proof.
    pub at: Timestamp,
    /// Its bytes.
    pub bytes: u64,
}

/// By when every byte of these runs will have been read again: each is due `reverify_seconds` after its newest proof, one after the other,
/// at `bytes_per_second`. `None` when there are none.
pub fn read_again_by(now: Timestamp, proven: &mut [Proven], reverify_seconds: u64, bytes_per_second: u64) -> Option<Timestamp> {
    proven.sort_unstable_by_key(|run| run.at);
    let age = i64::try_from(reverify_seconds).unwrap_or(i64::MAX);
    let (mut free_at, mut bytes) = (now.unix_seconds(), 0_u128);
    for run in proven.iter() {
        let due = run.at.unix_seconds().saturating_add(age);
        if due > free_at + seconds(bytes, bytes_per_second) {
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

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[rstest]
    #[case::nothing(&[], None)]
    #[case::not_due_yet(&[(1_000, 50)], Some(1_105))]
    #[case::long_due(&[(0, 50)], Some(1_005))]
    #[case::one_after_the_other(&[(0, 50), (10, 100)], Some(1_015))]
    #[case::a_pause_between(&[(0, 50), (1_000, 100)], Some(1_110))]
    #[case::the_first_takes_longer(&[(0, 5_000), (1_000, 100)], Some(1_510))]
    // The last second that can be written.
    #[case::never_mind_how_much(&[(0, u64::MAX), (0, u64::MAX)], Some(253_402_300_799))]
    fn dates(#[case] proven: &[(i64, u64)], #[case] expected: Option<i64>) {
        let mut proven: Vec<Proven> = proven.iter().map(|(seconds, bytes)| Proven { at: at(*seconds), bytes: *bytes }).collect();
        assert_eq!(read_again_by(at(1_000), &mut proven, 100, 10).map(Timestamp::unix_seconds), expected);
    }

    proptest! {
        #[test]
        fn never_before_the_last_is_due_and_never_later_than_all_after_that(runs in prop::collection::vec((0_i64..2_000, 0_u64..100_000), 1..40)) {
            let mut proven: Vec<Proven> = runs.iter().map(|(seconds, bytes)| Proven { at: at(*seconds), bytes: *bytes }).collect();
            let by = read_again_by(at(1_000), &mut proven, 100, 10).unwrap().unix_seconds();
            let last_due = runs.iter().map(|(seconds, _)| seconds + 100).max().unwrap().max(1_000);
            let all: i64 = runs.iter().map(|(_, bytes)| i64::try_from(bytes.div_ceil(10)).unwrap()).sum();
            prop_assert!(last_due <= by && by <= last_due + all, "{by} {last_due} {all}");
        }
    }
}
