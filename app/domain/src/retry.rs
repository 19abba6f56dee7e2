//! What a failed attempt leads to (docs/lifecycle.md). Pure: the caller knows the clock.

use crate::job::FailureClass;

/// Waits before retry 1 to 5 of a network-class failure, in seconds.
pub const RETRY_WAITS_SECONDS: [u64; 5] = [30, 120, 480, 1_800, 7_200];

/// How long until a file that cannot be read in staging is tried again: nobody says when its rights are mended.
pub const UNREADABLE_WAIT_SECONDS: u64 = 60;

/// What has been tried so far for this generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tried {
    /// Retries already used for network-class failures.
    pub attempts: u32,
    /// Second pushes already made after a hash mismatch: its own column (S9).
    pub hash_retries: u32,
}

/// How to settle a failed attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settlement {
    /// Queue it again this many seconds from now; counts as an attempt.
    RetryAfter {
        /// Wait.
        seconds: u64,
    },
    /// One more push of what differs, at once; counts as a hash retry.
    PushAgain,
    /// Queue it again when the destination shows its identity; counts nothing.
    WaitForDestination,
    /// Queue it again this many seconds from now, for as long as it takes; counts nothing.
    WaitForFile {
        /// Wait.
        seconds: u64,
    },
    /// Queue it again as it was; counts nothing.
    Interrupted,
    /// No retry would help, or all are used.
    Stop,
}

/// Decides; `retry_cap` is `sync.retry_attempts`, which can only lower the number of retries.
pub fn settle(class: FailureClass, tried: Tried, retry_cap: Option<u32>) -> Settlement {
    match class {
        FailureClass::Network
        | FailureClass::DestinationFull
        | FailureClass::LocalFull
        | FailureClass::CouldNotHash
        | FailureClass::LocalFileChanged => {
            let cap = retry_cap.unwrap_or(u32::MAX);
            match RETRY_WAITS_SECONDS.get(tried.attempts as usize) {
                Some(seconds) if tried.attempts < cap => Settlement::RetryAfter { seconds: *seconds },
                _ => Settlement::Stop,
            }
        }
        FailureClass::HashMismatch if tried.hash_retries == 0 => Settlement::PushAgain,
        FailureClass::DestinationUnreachable => Settlement::WaitForDestination,
        FailureClass::LocalRead => Settlement::WaitForFile { seconds: UNREADABLE_WAIT_SECONDS },
        FailureClass::Interrupted => Settlement::Interrupted,
        FailureClass::HashMismatch
        | FailureClass::Authentication
        | FailureClass::Configuration
        | FailureClass::LocalFileVanished
        | FailureClass::VerifySkippedOversize
        | FailureClass::Conflict
        | FailureClass::DestinationForeign
        | FailureClass::BlockedByValidation
        | FailureClass::Unknown => Settlement::Stop,
    }
}

/// Seconds until the next probe of an unreachable destination: doubling from 5 s to 5 min.
pub fn probe_wait_seconds(probes_failed: u32) -> u64 {
    (5_u64 << probes_failed.min(6)).min(300)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn tried(attempts: u32, hash_retries: u32) -> Tried {
        Tried { attempts, hash_retries }
    }

    #[test]
    fn all_five_waits_are_used_then_it_stops() {
        let waits: Vec<_> = (0..6).map(|attempts| settle(FailureClass::Network, tried(attempts, 0), None)).collect();
        let expected: Vec<_> = [30, 120, 480, 1_800, 7_200]
            .map(|seconds| Settlement::RetryAfter { seconds })
            .into_iter()
            .chain([Settlement::Stop])
            .collect();
        assert_eq!(waits, expected);
    }

    #[rstest]
    #[case(0, 0, Settlement::Stop)]
    #[case(3, 2, Settlement::RetryAfter { seconds: 480 })]
    #[case(3, 3, Settlement::Stop)]
    #[case(99, 5, Settlement::Stop)]
    fn the_cap_only_lowers(#[case] cap: u32, #[case] attempts: u32, #[case] expected: Settlement) {
        assert_eq!(settle(FailureClass::Network, tried(attempts, 0), Some(cap)), expected);
    }

    #[rstest]
    #[case(FailureClass::Authentication)]
    #[case(FailureClass::Configuration)]
    #[case(FailureClass::LocalFileVanished)]
    #[case(FailureClass::Conflict)]
    fn some_fail_at_once(#[case] class: FailureClass) {
        assert_eq!(settle(class, tried(0, 0), None), Settlement::Stop);
    }

    #[test]
    fn s9_a_network_error_does_not_reset_the_hash_retry() {
        assert_eq!(settle(FailureClass::HashMismatch, tried(0, 0), None), Settlement::PushAgain);
        assert_eq!(settle(FailureClass::Network, tried(0, 1), None), Settlement::RetryAfter { seconds: 30 });
        assert_eq!(settle(FailureClass::HashMismatch, tried(1, 1), None), Settlement::Stop);
    }

    #[test]
    fn s24_an_unreadable_file_is_waited_for_and_uses_no_retry() {
        let waits = Settlement::WaitForFile { seconds: UNREADABLE_WAIT_SECONDS };
        assert_eq!(settle(FailureClass::LocalRead, tried(5, 1), Some(0)), waits);
    }

    #[test]
    fn an_unreachable_destination_counts_nothing_and_is_probed_with_backoff() {
        assert_eq!(settle(FailureClass::DestinationUnreachable, tried(5, 1), Some(0)), Settlement::WaitForDestination);
        let waits: Vec<_> = (0..9).map(probe_wait_seconds).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    }
}
