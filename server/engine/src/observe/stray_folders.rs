//! Folders at run depth that are not runs, folders that cannot be read, and links that are not followed: nothing in
//! them is sent or cleared, so they are found, sized and named for people.

use super::Scan;
use crate::core::Core;
use crate::machine::blocking::blocking;
use domain::finding::{Finding, Rule};
use domain::gate::{linked_folder, unreadable_folder, unrecognised_folder};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Measuring takes at most one part in this many of the time: such a folder may hold a disk full of files.
const REST_PER_WORK: u32 = 50;

/// What was measured, by shown path.
pub type Sizes = BTreeMap<String, Size>;

/// Files and bytes of a folder, and when (monotonic) they are worth counting again.
#[derive(Clone, Copy)]
pub struct Size {
    files: u64,
    bytes: u64,
    due: Duration,
}

/// Takes what a scan found into the findings.
pub async fn note(core: &Core, scan: &Scan, sizes: &mut Sizes) {
    sizes.retain(|path, _| scan.unrecognised.contains(path));
    let mut found: Vec<Finding> = Vec::new();
    for path in &scan.unrecognised {
        let began = core.site.clock.monotonic();
        let size = match sizes.get(path) {
            Some(size) if size.due > began => *size,
            _ => {
                let folder = Path::new(core.staging.root()).join(path);
                let (files, bytes) = blocking(move || measure(&folder)).await;
                let ended = core.site.clock.monotonic();
                let size = Size { files, bytes, due: ended + ended.saturating_sub(began) * REST_PER_WORK };
                sizes.insert(path.clone(), size);
                size
            }
        };
        found.push(unrecognised_folder(path, size.files, size.bytes));
    }
    found.extend(scan.linked.iter().map(|link| linked_folder(&link.path, &link.target, link.leads)));
    found.extend(scan.unreadable.iter().map(|(path, why)| unreadable_folder(path, why)));
    log_news(&core.staging.unrecognised(), &found);
    if core.staging.note_unrecognised(found) {
        core.index.problems_changed();
    }
}

/// Says once which folders cannot be read, and which can be again.
fn log_news(before: &[Finding], now: &[Finding]) {
    for finding in unreadable_only_in(now, before) {
        tracing::warn!(path = finding.run_path, "{}", finding.rule_detail);
    }
    for finding in unreadable_only_in(before, now).filter(|old| !now.iter().any(|new| new.run_path == old.run_path)) {
        tracing::info!(path = finding.run_path, "this folder can be read again, or is gone");
    }
}

fn unreadable_only_in<'a>(these: &'a [Finding], those: &[Finding]) -> impl Iterator<Item = &'a Finding> {
    these.iter().filter(|finding| finding.rule == Rule::UnreadableFolder && !those.contains(finding))
}

fn measure(folder: &Path) -> (u64, u64) {
    let files = walkdir::WalkDir::new(folder)
        .follow_links(false)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file());
    files.fold((0, 0), |(files, bytes), entry| {
        (files + 1, bytes + entry.metadata().map_or(0, |metadata| metadata.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_read_is_news_once_and_again_when_the_reason_changes() {
        let found = |why: &str| vec![unrecognised_folder("E/P/Other", 1, 1), unreadable_folder("E/P", why)];
        let news = |before: &[Finding], now: &[Finding]| unreadable_only_in(now, before).count();
        assert_eq!(news(&[], &found("Permission denied")), 1);
        assert_eq!(news(&found("Permission denied"), &found("Permission denied")), 0);
        assert_eq!(news(&found("Permission denied"), &found("Input/output error")), 1);
    }
}
