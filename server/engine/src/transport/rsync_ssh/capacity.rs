//! What a server tells of itself besides its files: its free space and its clock.

use super::Place;
use super::quote::shell_word;
use super::session::Session;
use crate::files::hash::wall_clock_ns;
use crate::transport::CallContext;
use std::sync::Arc;

/// `df -P -k` counts in these.
const BLOCK: u64 = 1024;
/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// Bytes free on the file system of the root.
pub(super) async fn free_bytes(place: &Arc<Place>, context: &CallContext) -> Option<u64> {
    let session = Session::open_marked(place, context).await.ok()?;
    let script = [b"df -Pk ".to_vec(), shell_word(&session.root)].concat();
    available(&session.ask(&script, "asking for the free space", context).await.ok()?)
}

/// Files that can still be made there, and that there can be in all; nothing where there is no such limit, or `df`
/// knows no `-i`.
pub(super) async fn free_files(place: &Arc<Place>, context: &CallContext) -> Option<(u64, u64)> {
    let session = Session::open_marked(place, context).await.ok()?;
    let script = [b"df -Pi ".to_vec(), shell_word(&session.root)].concat();
    let [most, _, left] = counts(&session.ask(&script, "asking for the free files", context).await.ok()?)?;
    (most > 0).then_some((left, most))
}

/// The server's clock less ours; zero while it lies between ours before and after the question.
pub(super) async fn clock_offset_seconds(place: &Arc<Place>, context: &CallContext) -> Option<i64> {
    let session = Session::open_marked(place, context).await.ok()?;
    let before = wall_clock_ns() / SECOND;
    let said = session.ask(b"date +%s", "asking for the time", context).await.ok()?;
    let after = wall_clock_ns() / SECOND;
    let there: i64 = std::str::from_utf8(&said).ok()?.trim().parse().ok()?;
    Some(there - there.clamp(before.min(after), after))
}

/// The column `Available`.
fn available(said: &[u8]) -> Option<u64> {
    let [_, _, available] = counts(said)?;
    available.checked_mul(BLOCK)
}

/// All, used and available, of the last line: they stand before the one with the percent sign, whatever blanks the
/// names hold.
fn counts(said: &[u8]) -> Option<[u64; 3]> {
    let text = String::from_utf8_lossy(said);
    let fields: Vec<&str> = text.trim_end().lines().last()?.split_whitespace().collect();
    let used = fields.windows(4).find(|four| {
        four[3].strip_suffix('%').is_some_and(|percent| percent.parse::<u64>().is_ok())
            && four[..3].iter().all(|n| n.parse::<u64>().is_ok())
    })?;
    Some([used[0].parse().ok()?, used[1].parse().ok()?, used[2].parse().ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_is_found_whatever_the_names_are() {
        let heading = "Filesystem 1024-blocks Used Available Capacity Mounted on\n";
        let said = |line: &str| available(format!("{heading}{line}\n").as_bytes());
        assert_eq!(said("/dev/md0 100 60 40 60% /volume1"), Some(40 * 1024));
        assert_eq!(said("my pool/data set 100 60 40 60% /mnt/my pool 5%"), Some(40 * 1024));
        assert_eq!(said("//server/a 100% b 900 100 800 12% /mnt"), Some(800 * 1024));
        assert_eq!(said("nothing to see"), None);
        assert_eq!(available(b""), None);
        let inodes =
            |line: &str| counts(format!("Filesystem Inodes IUsed IFree IUse% Mounted on\n{line}\n").as_bytes());
        assert_eq!(inodes("tmpfs 200 200 0 100% /mnt"), Some([200, 200, 0]));
        assert_eq!(inodes("/dev/sdb 0 0 0 - /mnt/btrfs"), None, "one without a limit");
    }
}
