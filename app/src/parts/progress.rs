//! Progress of a job, from its own totals.

use crate::words::{bytes, capitalised};
use domain::api::Progress;
use domain::units;

/// `Sending · 1.2 GiB of 3.4 GiB · 12 of 40 files`
pub fn done(progress: &Progress) -> String {
    let files = format!("{} of {} files", units::count(progress.files_done), units::count(progress.files_total));
    let label = capitalised(progress.phase.label());
    if progress.bytes_total == 0 {
        return format!("{label} · {files}");
    }
    format!("{label} · {} of {} · {files}", bytes(progress.bytes_done), bytes(progress.bytes_total))
}

/// `110.0 MiB/s · 2m 3s left`; empty while nothing is known.
pub fn pace(progress: &Progress) -> String {
    let mut parts = Vec::new();
    if progress.bytes_per_second > 0 {
        parts.push(units::rate(progress.bytes_per_second));
    }
    if let Some(seconds) = progress.eta_seconds {
        parts.push(format!("{} left", units::elapsed(i64::try_from(seconds).unwrap_or(i64::MAX))));
    }
    parts.join(" · ")
}

/// `hashing 43 %, verifying 12 %`: what goes on at the same time; empty when nothing does.
pub fn beside(progress: &Progress) -> String {
    let parts: Vec<String> =
        progress.beside.iter().map(|beside| format!("{} {}", beside.phase.label(), percent(beside))).collect();
    parts.join(", ")
}

/// Parts of a thousand; by bytes where there are any, else by files. `None` while the end is not known.
pub fn permille(progress: &Progress) -> Option<u32> {
    let (done, total) = if progress.bytes_total > 0 {
        (progress.bytes_done, progress.bytes_total)
    } else {
        (progress.files_done, progress.files_total)
    };
    (total > 0).then(|| u32::try_from(u128::from(done.min(total)) * 1_000 / u128::from(total)).unwrap_or(1_000))
}

/// `43 %`
pub fn percent(progress: &Progress) -> String {
    permille(progress).map_or_else(String::new, |permille| format!("{} %", permille / 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::api::Phase;

    fn progress(bytes: (u64, u64), files: (u64, u64)) -> Progress {
        Progress {
            phase: Phase::Sending,
            files_done: files.0,
            files_total: files.1,
            bytes_done: bytes.0,
            bytes_total: bytes.1,
            bytes_per_second: 0,
            eta_seconds: None,
            beside: Vec::new(),
        }
    }

    #[test]
    fn never_more_than_whole_never_divided_by_nothing() {
        assert_eq!(permille(&progress((0, 0), (0, 0))), None);
        assert_eq!(permille(&progress((9, 3), (0, 1))), Some(1_000));
        assert_eq!(permille(&progress((u64::MAX / 2, u64::MAX), (0, 1))), Some(499));
        assert_eq!(permille(&progress((0, 0), (1, 4))), Some(250));
        assert_eq!(percent(&progress((434, 1_000), (0, 1))), "43 %");
        let hashing = Progress { phase: Phase::Hashing, ..progress((434, 1_000), (0, 1)) };
        let verifying = Progress { phase: Phase::Verifying, ..progress((1, 10), (0, 1)) };
        let sending = Progress { beside: vec![hashing, verifying], ..progress((1, 2), (0, 1)) };
        assert_eq!(beside(&sending), "hashing 43 %, verifying 10 %");
    }
}
