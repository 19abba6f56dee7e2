//! Listings, seals and comparison, on real folders.

#![allow(clippy::disallowed_methods, reason = "asks sha256sum what it thinks")]

use super::*;
use crate::files::hash::{Hasher, wall_clock_ns};
use crate::files::source::{RunFolder, StagingRoot};
use domain::path::FilePath;
use domain::proof::Digest;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

const HOUR_NS: i64 = 3_600_000_000_000;

struct Fixture {
    dir: tempfile::TempDir,
    run: RunFolder,
}

impl Fixture {
    fn new(files: &[(&str, &str)]) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("staging/E/P/Runs/Run_1");
        std::fs::create_dir_all(&folder).unwrap();
        let run = StagingRoot::open(&dir.path().join("staging")).unwrap().run_at("E/P/Runs/Run_1").unwrap();
        let fixture = Fixture { dir, run };
        files.iter().for_each(|(name, content)| fixture.write(name, content));
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.run.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), content).unwrap();
    }

    fn state(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn listing(&self) -> Listing {
        Listing::of_run(&self.run, &self.state("listing"), 0, |_| ()).unwrap()
    }

    /// Seals everything; `hashed_at_ns` decides which ctimes are young.
    fn seal_at(&self, hashed_at_ns: i64) -> SealReader {
        let listing = self.listing();
        let writer = SealWriter::open(&listing, &self.state("seal")).unwrap();
        let mut hasher = Hasher::new();
        for item in listing.items().unwrap() {
            if let Item::File { path, stat, .. } = item.unwrap() {
                let hashed = hasher.local(&self.run, &path, &stat, &CancellationToken::new(), &|_| ()).unwrap();
                writer.put(&path, stat, hashed.digest, hashed_at_ns).unwrap();
            }
        }
        writer.finish(wall_clock_ns()).unwrap()
    }

    /// As if everything had been written long before.
    fn seal(&self) -> SealReader {
        self.seal_at(wall_clock_ns() + HOUR_NS)
    }

    fn compare(&self, seal: &SealReader, rehash: Rehash) -> LocalComparison {
        compare(&self.run, seal, rehash, &CancellationToken::new()).unwrap()
    }
}

fn file(name: &str) -> FilePath {
    FilePath::new(name).unwrap()
}

/// Rewrites a file in place and puts its mtime back.
fn rewrite_keeping_mtime(path: &std::path::Path, content: &str) {
    let mtime = std::fs::metadata(path).unwrap().modified().unwrap();
    std::fs::write(path, content).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_modified(mtime).unwrap();
}

#[test]
fn a_listing_holds_data_in_path_order_and_no_record() {
    let fixture = Fixture::new(&[
        ("a.b", "1"),
        ("a/x", "22"),
        ("a-", "333"),
        (".exlab-wizard/ingest.json", "{}"),
        ("b/.exlab-wizard/d", "4"),
    ]);
    std::fs::create_dir(fixture.path("void")).unwrap();
    symlink("a.b", fixture.path("link")).unwrap();
    let listing = fixture.listing();
    let paths: Vec<String> = listing.items().unwrap().map(|item| item.unwrap().path().to_string()).collect();
    assert_eq!(paths, ["a-", "a.b", "a/x", "b/.exlab-wizard/d", "link", "void"]);
    assert_eq!((listing.totals().files, listing.totals().bytes), (4, 7));
    assert_eq!(Listing::open(&fixture.state("listing")).unwrap().digest(), listing.digest());
}

#[test]
fn v6_an_empty_run_has_an_empty_seal() {
    let fixture = Fixture::new(&[(".exlab-wizard/ingest.json", "{}")]);
    assert!(fixture.seal().is_empty());
}

#[test]
fn torn_and_edited_seals_are_refused_at_every_byte() {
    let fixture = Fixture::new(&[("a", "1"), ("b", "2")]);
    let digest = fixture.seal().digest();
    let path = fixture.state("seal");
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(SealReader::open(&path).unwrap().digest(), digest);
    for at in 0..whole.len() {
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(matches!(SealReader::open(&path), Err(SealError::Torn { .. })), "cut at {at}");
        let mut edited = whole.clone();
        edited[at] ^= 1;
        std::fs::write(&path, &edited).unwrap();
        // The closing time in the last line is information, not evidence; everything else is guarded.
        if let Ok(seal) = SealReader::open(&path) {
            assert_eq!((seal.digest(), seal.totals().files), (digest, 2), "edited at {at}");
        }
    }
    std::fs::write(&path, [whole.as_slice(), b"f"].concat()).unwrap();
    assert!(matches!(SealReader::open(&path), Err(SealError::Torn { .. })));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(SealReader::open(&path), Err(SealError::Absent { .. })));
}

#[test]
fn digests_may_come_out_of_order_and_none_may_be_missing() {
    let fixture = Fixture::new(&[("a", "1"), ("b", "2"), ("c", "3")]);
    let listing = fixture.listing();
    let stat = |name: &str| fixture.run.stat(&file(name)).unwrap();
    let writer = SealWriter::open(&listing, &fixture.state("seal")).unwrap();
    writer.put(&file("c"), stat("c"), Digest([3; 32]), 0).unwrap();
    writer.put(&file("a"), stat("a"), Digest([1; 32]), 0).unwrap();
    assert!(matches!(writer.clone().finish(0), Err(SealError::Incomplete { missing: 2, first }) if first == file("b")));
    let writer = SealWriter::open(&listing, &fixture.state("seal")).unwrap();
    assert!(matches!(
        writer.put(&file("aa"), stat("a"), Digest([1; 32]), 0),
        Ok(()) | Err(SealError::NotListed { .. })
    ));
    assert!(
        matches!(writer.put(&file("a"), stat("a"), Digest([1; 32]), 0), Err(SealError::NotListed { path }) if path == file("aa"))
    );
    let writer = SealWriter::open(&listing, &fixture.state("seal")).unwrap();
    for name in ["c", "b", "a"] {
        writer.put(&file(name), stat(name), Digest([7; 32]), 0).unwrap();
    }
    let seal = writer.finish(5).unwrap();
    let names: Vec<String> = seal.files().unwrap().map(|file| file.unwrap().path.to_string()).collect();
    assert_eq!((names.join(" "), seal.sealed_at_ns()), ("a b c".to_owned(), 5));
    // What it leaves behind is the seal alone.
    let left: Vec<_> = std::fs::read_dir(fixture.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn s2_an_interrupted_seal_goes_on_where_it_was() {
    let fixture = Fixture::new(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    let listing = fixture.listing();
    let stat = |name: &str| fixture.run.stat(&file(name)).unwrap();
    let later = wall_clock_ns() + HOUR_NS;
    let open = || SealWriter::open(&listing, &fixture.state("seal")).unwrap();
    let writer = open();
    for (name, n) in [("a", 1), ("b", 2), ("c", 3)] {
        writer.put(&file(name), stat(name), Digest([n; 32]), later).unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    // A second attempt dies earlier than the first one; nothing that was known is lost. Its last line is torn.
    let writer = open();
    assert_eq!(writer.known(&file("a"), &stat("a")).unwrap(), Some(Digest([1; 32])));
    writer.put(&file("a"), stat("a"), Digest([9; 32]), later).unwrap();
    writer.flush().unwrap();
    drop(writer);
    let partial = fixture.state("seal.partial");
    let torn = [std::fs::read(&partial).unwrap().as_slice(), b"f 1 2 3"].concat();
    std::fs::write(&partial, torn).unwrap();
    let writer = open();
    for (name, known) in [("a", Some(9)), ("b", Some(2)), ("c", Some(3)), ("d", None), ("b", Some(2))] {
        assert_eq!(writer.known(&file(name), &stat(name)).unwrap(), known.map(|n| Digest([n; 32])), "{name}");
    }
    let touched = domain::proof::FileStat { ctime_ns: 0, ..stat("a") };
    assert_eq!(writer.known(&file("a"), &touched).unwrap(), None);
    // A finished seal counts as known, too.
    for name in ["a", "b", "c", "d"] {
        writer.put(&file(name), stat(name), Digest([5; 32]), later).unwrap();
    }
    writer.finish(0).unwrap();
    assert_eq!(open().known(&file("d"), &stat("d")).unwrap(), Some(Digest([5; 32])));
}

#[test]
fn d14_a_young_digest_is_not_known_again() {
    let fixture = Fixture::new(&[("a", "1")]);
    let listing = fixture.listing();
    let stat = fixture.run.stat(&file("a")).unwrap();
    let writer = SealWriter::open(&listing, &fixture.state("seal")).unwrap();
    writer.put(&file("a"), stat, Digest([1; 32]), stat.ctime_ns + 999_999_999).unwrap();
    writer.flush().unwrap();
    drop(writer);
    assert_eq!(SealWriter::open(&listing, &fixture.state("seal")).unwrap().known(&file("a"), &stat).unwrap(), None);
}

#[test]
fn d3_late_files_are_named() {
    let fixture = Fixture::new(&[("a", "1"), ("raw/b", "2")]);
    let seal = fixture.seal();
    assert!(fixture.compare(&seal, Rehash::Never).is_unchanged());
    assert_eq!(fixture.compare(&seal, Rehash::WhereNeeded).unchanged, seal.totals());
    for name in [".hidden", "raw/.exlab-wizard/d7", "raw/late", "zz"] {
        fixture.write(name, "late");
    }
    fixture.write(".exlab-wizard/ingest.json", "the record is not data");
    symlink("/etc/passwd", fixture.path("link")).unwrap();
    for rehash in [Rehash::Never, Rehash::WhereNeeded] {
        let found = fixture.compare(&seal, rehash);
        let late: Vec<String> = found.late.first.iter().map(FilePath::to_string).collect();
        assert_eq!(late, [".hidden", "link", "raw/.exlab-wizard/d7", "raw/late", "zz"]);
        assert_eq!((found.late.total, found.unchanged), (5, seal.totals()));
    }
}

#[test]
fn d4_a_changed_file_with_its_mtime_restored_is_found() {
    let fixture = Fixture::new(&[("a", "old"), ("b", "2")]);
    let seal = fixture.seal();
    rewrite_keeping_mtime(&fixture.path("a"), "new");
    assert_eq!(fixture.compare(&seal, Rehash::Never).changed.first, [(file("a"), Change::Touched)]);
    let found = fixture.compare(&seal, Rehash::WhereNeeded);
    assert!(matches!(found.changed.first.as_slice(), [(path, Change::Content { .. })] if *path == file("a")));
    assert_eq!(found.unchanged.files, 1);
}

#[test]
fn a_touched_file_with_the_same_bytes_is_unchanged_once_it_was_read_again() {
    let fixture = Fixture::new(&[("a", "same")]);
    let seal = fixture.seal();
    std::fs::write(fixture.path("copy"), "same").unwrap();
    std::fs::rename(fixture.path("copy"), fixture.path("a")).unwrap();
    assert!(!fixture.compare(&seal, Rehash::Never).is_unchanged());
    assert!(fixture.compare(&seal, Rehash::WhereNeeded).is_unchanged());
}

#[test]
fn d14_a_file_sealed_within_a_second_of_its_writing_is_read_again() {
    let fixture = Fixture::new(&[("a", "old")]);
    let stat = fixture.run.stat(&file("a")).unwrap();
    // A seal whose stat looks right and whose digest is of other bytes: what a write within one clock tick leaves
    // behind.
    let seal = |hashed_at_ns| {
        let writer = SealWriter::open(&fixture.listing(), &fixture.state("seal")).unwrap();
        writer.put(&file("a"), stat, Digest([1; 32]), hashed_at_ns).unwrap();
        writer.finish(wall_clock_ns()).unwrap()
    };
    let young = seal(stat.ctime_ns + 1_000_000);
    assert!(matches!(
        fixture.compare(&young, Rehash::WhereNeeded).changed.first.as_slice(),
        [(_, Change::Content { .. })]
    ));
    assert!(fixture.compare(&young, Rehash::Never).is_unchanged());
    let settled = seal(stat.ctime_ns + 2_000_000_000);
    assert!(fixture.compare(&settled, Rehash::WhereNeeded).is_unchanged());
}

#[test]
fn sizes_kinds_and_missing_files() {
    let fixture = Fixture::new(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    symlink("x", fixture.path("link")).unwrap();
    let seal = fixture.seal();
    assert!(fixture.compare(&seal, Rehash::WhereNeeded).is_unchanged());
    fixture.write("a", "longer");
    std::fs::remove_file(fixture.path("b")).unwrap();
    std::fs::remove_file(fixture.path("c")).unwrap();
    symlink("a", fixture.path("c")).unwrap();
    std::fs::remove_file(fixture.path("d")).unwrap();
    fixture.write("d/inner", "a folder in the place of a file");
    std::fs::remove_file(fixture.path("link")).unwrap();
    symlink("y", fixture.path("link")).unwrap();
    let found = fixture.compare(&seal, Rehash::WhereNeeded);
    let changed =
        [(file("a"), Change::Size { sealed: 1, found: 6 }), (file("c"), Change::Kind), (file("link"), Change::Touched)];
    assert_eq!(found.changed.first, changed);
    assert_eq!((found.missing.first, found.late.first), (vec![file("b"), file("d")], vec![file("d/inner")]));
}

#[test]
fn v12_a_link_in_the_place_of_a_file_is_not_followed() {
    let fixture = Fixture::new(&[("a", "same"), ("sub/b", "same")]);
    let seal = fixture.seal();
    std::fs::write(fixture.state("elsewhere"), "same").unwrap();
    std::fs::remove_file(fixture.path("a")).unwrap();
    symlink(fixture.state("elsewhere"), fixture.path("a")).unwrap();
    std::fs::rename(fixture.path("sub"), fixture.state("moved")).unwrap();
    symlink(fixture.state("moved"), fixture.path("sub")).unwrap();
    let found = fixture.compare(&seal, Rehash::WhereNeeded);
    assert_eq!(found.changed.first, [(file("a"), Change::Kind)]);
    assert_eq!((found.late.first, found.missing.first), (vec![file("sub")], vec![file("sub/b")]));
}

#[test]
fn more_than_a_thousand_are_counted_and_not_listed() {
    let fixture = Fixture::new(&[]);
    let seal = fixture.seal();
    (0..LISTED_AT_MOST + 5).for_each(|n| fixture.write(&format!("{n:05}"), ""));
    let late = fixture.compare(&seal, Rehash::Never).late;
    assert_eq!((late.first.len(), late.total), (LISTED_AT_MOST, LISTED_AT_MOST as u64 + 5));
}

#[test]
fn checksums_are_what_sha256sum_accepts() {
    let fixture = Fixture::new(&[(".exlab-wizard/ingest.json", "not data"), ("back\\slash", "1"), ("new\nline", "2")]);
    let inputs = include_str!("../../../../../app/domain/tests/fixtures/checksums/inputs.json");
    let inputs: std::collections::BTreeMap<String, String> = serde_json::from_str(inputs).unwrap();
    for (name, content) in &inputs {
        fixture.write(name, "");
        std::fs::write(fixture.path(name), hex::decode(content).unwrap()).unwrap();
    }
    let mut out = Vec::new();
    let written = checksums_file(&fixture.seal(), &mut out).unwrap();
    assert_eq!(written, out.len() as u64);
    std::fs::write(fixture.state("checksums.sha256"), &out).unwrap();
    let mut sha256sum = std::process::Command::new("sha256sum");
    let checked = sha256sum
        .args(["--check", "--strict", "--quiet"])
        .arg(fixture.state("checksums.sha256"))
        .current_dir(fixture.run.path());
    let checked = checked.output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    // The golden file, but for names that it does not have, data below a deeper `.exlab-wizard` among them (D7).
    for name in ["back\\slash", "new\nline", "cam/.exlab-wizard/nested.raw"] {
        std::fs::remove_file(fixture.path(name)).unwrap();
    }
    let mut out = Vec::new();
    checksums_file(&fixture.seal(), &mut out).unwrap();
    let golden = include_bytes!("../../../../../app/domain/tests/fixtures/checksums/checksums.sha256");
    assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(golden));
}

/// What an installation sealed before attributes were: it loads, and says nothing of any.
#[test]
fn d19_an_older_seal_loads_and_does_not_vouch_for_attributes() {
    use sha2::{Digest as _, Sha256};
    let fixture = Fixture::new(&[("a", "1"), ("b", "2")]);
    let seal = fixture.seal_at(HOUR_NS);
    let body = |text: &str| text.rsplit_once("end ").map(|(body, _)| body.to_owned()).unwrap();
    let text = std::fs::read_to_string(fixture.state("seal")).unwrap();
    let older = body(&text).replacen("seal 1.1\n", "seal 1\n", 1);
    let digest = Digest(Sha256::digest(older.as_bytes()).into());
    std::fs::write(fixture.state("seal"), format!("{older}end 2 2 0 {digest}\n")).unwrap();
    let loaded = SealReader::open(&fixture.state("seal")).unwrap();
    assert_eq!((loaded.totals(), loaded.digest()), (seal.totals(), digest));
    let compared = || compare(&fixture.run, &loaded, Rehash::WhereNeeded, &CancellationToken::new()).unwrap();
    assert!(compared().is_unchanged());
    rustix::fs::setxattr(fixture.path("b"), "user.label", b"x", rustix::fs::XattrFlags::empty()).unwrap();
    assert_eq!(compared().changed.first, [(FilePath::new("b").unwrap(), Change::Attributes)]);
    // A line of attributes in it was put there by somebody.
    let edited = older.replacen("f 1", &format!("a {digest} a\nf 1"), 2);
    let digest = Digest(Sha256::digest(edited.as_bytes()).into());
    std::fs::write(fixture.state("seal"), format!("{edited}end 2 2 0 {digest}\n")).unwrap();
    assert!(matches!(SealReader::open(&fixture.state("seal")), Err(SealError::Torn { .. })));
}

#[path = "order_tests.rs"]
mod order;
