//! Whatever happens to the destination's bytes is found, and nothing there is ever overwritten.

use crate::bench::{Bench, Make, file, files_below, rewrite_keeping_mtime, write};
use domain::job::FailureClass;
use domain::proof::DifferenceKind;
use engine::verify::Verification;
use std::path::Path;

type Damage = (&'static str, fn(&Path), FailureClass, u64);

const DAMAGES: [Damage; 10] = [
    ("flipped", |run| rewrite_keeping_mtime(&run.join("a"), b"contenT a"), FailureClass::HashMismatch, 1),
    ("truncated", |run| rewrite_keeping_mtime(&run.join("a"), b"content"), FailureClass::HashMismatch, 1),
    ("emptied", |run| rewrite_keeping_mtime(&run.join("b"), b""), FailureClass::HashMismatch, 1),
    ("longer", |run| rewrite_keeping_mtime(&run.join("a"), b"content a and more"), FailureClass::HashMismatch, 1),
    ("missing", |run| std::fs::remove_file(run.join("sub/c")).unwrap(), FailureClass::HashMismatch, 1),
    ("folder missing", |run| std::fs::remove_dir_all(run.join("sub")).unwrap(), FailureClass::HashMismatch, 1),
    ("run missing", |run| std::fs::remove_dir_all(run).unwrap(), FailureClass::HashMismatch, 4),
    ("swapped", swap, FailureClass::HashMismatch, 2),
    ("last bit of a big file", flip_last_bit, FailureClass::HashMismatch, 1),
    ("a write that was lost", lose_a_write, FailureClass::HashMismatch, 1),
];

fn swap(run: &Path) {
    std::fs::rename(run.join("a"), run.join("x")).unwrap();
    std::fs::rename(run.join("b"), run.join("a")).unwrap();
    std::fs::rename(run.join("x"), run.join("b")).unwrap();
}

fn flip_last_bit(run: &Path) {
    let mut bytes = std::fs::read(run.join("big")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    rewrite_keeping_mtime(&run.join("big"), &bytes);
}

fn lose_a_write(run: &Path) {
    let mut bytes = std::fs::read(run.join("big")).unwrap();
    bytes[LOST_AT..LOST_AT + 8_192].fill(0);
    rewrite_keeping_mtime(&run.join("big"), &bytes);
}

/// Where the lost write would have begun.
const LOST_AT: usize = 2 << 20;

pub async fn every_damage_is_found(make: Make) {
    for (name, damage, class, total) in DAMAGES {
        let bench = Bench::new(make).await;
        let big = vec![3_u8; 5 << 20];
        let run = bench.run(
            "P/Runs/Run_1",
            &[(b"a", b"content a"), (b"b", b"content b"), (b"big", &big), (b"sub/c", b"content c")],
        );
        let seal = bench.push_and_prove(&run).await;
        damage(&run.there);
        match bench.verify(&run, &seal).await {
            Verification::Differs { class: found, total: count, differences, reason } => {
                assert_eq!((found, count), (class, total), "{name}: {differences:?}");
                if name == "a write that was lost" {
                    assert!(
                        reason.contains(&format!("from byte {LOST_AT} on")) && reason.contains("nothing but zeros"),
                        "{reason}"
                    );
                }
                if name == "last bit of a big file" {
                    let at = (5 << 20) - 1;
                    assert!(
                        matches!(differences[0].kind, DifferenceKind::Hash { first_difference: Some(found), .. } if found.at == at && !found.is_hole())
                    );
                }
            }
            Verification::Proven(_) => panic!("{name} was not found"),
        }
    }
}

pub async fn again_repairs_and_keeps_the_old(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"right a"), (b"sub/b", b"right b"), (b"c", b"right c")]);
    let listing = bench.list(&run);
    let seal = bench.push_listed(&run, &listing, "seal", None).await.unwrap();
    rewrite_keeping_mtime(&run.there.join("a"), b"rotten1");
    rewrite_keeping_mtime(&run.there.join("sub/b"), b"rotten2");
    let wrong = [file("a"), file("sub/b")];
    bench.push_listed(&run, &listing, "seal", Some(&wrong)).await.unwrap();
    bench.assert_proven(&run, &seal).await;
    let aside = run.there.join(".exlab-wizard/superseded/1");
    assert_eq!(std::fs::read(aside.join("a")).unwrap(), b"rotten1");
    assert_eq!(std::fs::read(aside.join("sub/b")).unwrap(), b"rotten2");
    // Asked for without a push, under the next number; what is not there is no error.
    bench.transport().move_aside(&run.path, &[file("c"), file("none/such")], &bench.context).await.unwrap();
    assert_eq!(std::fs::read(run.there.join(".exlab-wizard/superseded/2/c")).unwrap(), b"right c");
    assert!(!run.there.join("c").exists());
}

pub async fn foreign_file_is_a_conflict(make: Make) {
    let bench = Bench::new(make).await;
    let run =
        bench.run("P/Runs/Run_1", &[(b"a", b"ours a"), (b"b", b"ours b"), (b"c/d", b"ours d"), (b"e", b"ours e")]);
    write(&run.there.join("a"), b"theirs, another size");
    write(&run.there.join("c"), b"a file where a folder must be");
    std::fs::create_dir(run.there.join("e")).unwrap();
    let error = bench.push(&run).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Conflict, "{error}");
    assert_eq!(error.files, [file("a"), file("c/d"), file("e")]);
    assert_eq!(std::fs::read(run.there.join("a")).unwrap(), b"theirs, another size");
    assert_eq!(std::fs::read(run.there.join("b")).unwrap(), b"ours b", "everything else is sent");
    bench.assert_no_leftovers();
    // The operator moves the foreign ones away.
    for name in ["a", "c"] {
        std::fs::remove_file(run.there.join(name)).unwrap();
    }
    std::fs::remove_dir(run.there.join("e")).unwrap();
    bench.push_and_prove(&run).await;
    assert_eq!(files_below(&run.there).len(), 4);
}

pub async fn same_size_same_mtime(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"right")]);
    write(&run.there.join("a"), b"wrong");
    let mtime = std::fs::metadata(run.source.path().join("a")).unwrap().modified().unwrap();
    std::fs::File::options().write(true).open(run.there.join("a")).unwrap().set_modified(mtime).unwrap();
    let listing = bench.list(&run);
    let seal = bench.push_listed(&run, &listing, "seal", None).await.unwrap();
    assert!(matches!(
        bench.verify(&run, &seal).await,
        Verification::Differs { class: FailureClass::HashMismatch, total: 1, .. }
    ));
    // It was never ours, so it may not even be moved.
    let error = bench.push_listed(&run, &listing, "seal", Some(&[file("a")])).await.unwrap_err();
    assert_eq!((error.class, error.files), (FailureClass::Conflict, vec![file("a")]));
    assert_eq!(std::fs::read(run.there.join("a")).unwrap(), b"wrong");
}

/// What a later generation has no more leaves its name and is kept; what is gone already is no failure.
pub async fn superseded(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"index-wal", b"old"), (b"sub/b c", b"2")]);
    bench.push_and_prove(&run).await;
    let files = [file("index-wal"), file("never there"), file("sub/b c")];
    for _ in 0..2 {
        bench.transport().move_aside(&run.path, &files, &bench.context).await.unwrap();
        let there = |name: &str| std::fs::read(run.there.join(name)).ok();
        assert_eq!((there("a"), there("index-wal"), there("sub/b c")), (Some(b"1".to_vec()), None, None));
        let aside = |name: &str| there(&format!(".exlab-wizard/superseded/1/{name}"));
        assert_eq!((aside("index-wal"), aside("sub/b c")), (Some(b"old".to_vec()), Some(b"2".to_vec())));
    }
}

/// A file gives its name to a folder, and a folder to a file; a folder that holds a stranger's file stays, and the file
/// is a conflict.
pub async fn gives_way(make: Make) {
    let bench = Bench::new(make).await;
    let run =
        bench.run("P/Runs/Run_1", &[(b"note", b"1"), (b"raw/a", b"2"), (b"raw/deep/er/b", b"3"), (b"kept/c", b"4")]);
    bench.push_and_prove(&run).await;
    write(&run.there.join("kept/theirs"), b"theirs");
    let ours = ["note", "raw/a", "raw/deep/er/b", "kept/c"].map(file);
    bench.transport().move_aside(&run.path, &ours, &bench.context).await.unwrap();
    let folders = ["kept", "none", "raw"].map(file);
    bench.transport().remove_empty_folders(&run.path, &folders, &bench.context).await.unwrap();
    for name in ["note", "raw", "kept"] {
        let here = run.source.path().join(name);
        std::fs::remove_dir_all(&here).or_else(|_| std::fs::remove_file(&here)).unwrap();
    }
    for (name, bytes) in [("note/inside", b"5"), ("raw", b"6"), ("kept", b"7")] {
        write(&run.source.path().join(name), bytes);
    }
    let error = bench.push_listed(&run, &bench.list(&run), "next", None).await.unwrap_err();
    assert_eq!((error.class, error.files), (FailureClass::Conflict, vec![file("kept")]));
    let there = |name: &str| std::fs::read(run.there.join(name)).unwrap();
    assert_eq!(
        (there("note/inside"), there("raw"), there("kept/theirs")),
        (b"5".to_vec(), b"6".to_vec(), b"theirs".to_vec())
    );
    // Asked again by an attempt that follows: what stands there now is something else.
    bench.transport().move_aside(&run.path, &ours, &bench.context).await.unwrap();
    bench.transport().remove_empty_folders(&run.path, &folders, &bench.context).await.unwrap();
    assert_eq!(
        (there("note/inside"), there("raw"), there("kept/theirs")),
        (b"5".to_vec(), b"6".to_vec(), b"theirs".to_vec())
    );
    for (name, bytes) in [("note", b"1"), ("raw/a", b"2"), ("raw/deep/er/b", b"3"), ("kept/c", b"4")] {
        assert_eq!(there(&format!(".exlab-wizard/superseded/1/{name}")), bytes);
    }
}
