//! What arrives is what was sealed, whatever it is called, and nothing else.

use crate::bench::{Bench, Make, file, files_below, os, set_mtime, write};
use engine::files::source::StagingRoot;
use engine::transport::{HashOutcome, RecordFile};
use engine::verify::{Verification, verify_record};
use rustix::fs::{XattrFlags, setxattr};
use std::path::PathBuf;

pub async fn odd_names(make: Make) {
    let bench = Bench::new(make).await;
    let long = [b'x'; 255];
    let names: Vec<&[u8]> = vec![
        b" leading and trailing ",
        b"new\nline",
        b"carriage\rreturn",
        b"back\\slash",
        b"\\",
        b"\xff\xfe not utf8",
        "nfc-\u{e9}".as_bytes(),
        "nfd-e\u{301}".as_bytes(),
        b"Case",
        b"case",
        b"-oProxyCommand=x",
        b"--delete",
        b"$(touch pwned)`'\";&|*?[a]{b}",
        b"tab\there",
        b"folder /inner ",
        b"...",
        b"..a/.b",
        b"{{x}}",
        b"#comment",
        b"; comment",
        b"+ filter",
        b"\x01control",
        &long,
    ];
    let held: Vec<(&[u8], &[u8])> =
        names.iter().filter(|name| bench.destination.holds(name)).map(|name| (*name, *name)).collect();
    assert!(held.len() > names.len() / 2);
    let run = bench.run("Project it's $HOME/Runs/Run_1", &held);
    let seal = bench.push_and_prove(&run).await;
    assert_eq!(seal.totals().files, held.len() as u64);
    for (name, content) in held {
        assert_eq!(std::fs::read(run.there.join(os(name))).unwrap(), content, "{}", file(name));
    }
    bench.assert_no_leftovers();
}

pub async fn mirrored_with_times_and_empty_folders(make: Make) {
    let bench = Bench::new(make).await;
    let big: Vec<u8> = (0..9_000_001_u32).map(|n| (n % 253) as u8).collect();
    let run = bench.run(
        "P/TestRuns/TestRun_1",
        &[(b"empty", b""), (b"raw/big", &big), (b"raw/deep/small", b"1"), (b"page", &[7; 4096])],
    );
    std::fs::create_dir_all(run.source.path().join("void/inner")).unwrap();
    set_mtime(&run.source.path().join("raw/big"), 1_500_000_000, 123_456_789);
    set_mtime(&run.source.path().join("raw/deep/small"), 7, 0);
    bench.push_and_prove(&run).await;
    assert!(std::fs::read(run.there.join("raw/big")).unwrap() == big);
    let names = ["empty", "page", "raw/big", "raw/deep/small"].map(PathBuf::from);
    assert_eq!(files_below(&run.there), names, "the run's folder itself, and none inside it");
    assert!(run.there.join("void/inner").is_dir());
    for name in ["empty", "raw/big", "raw/deep/small"] {
        let seconds = |path: PathBuf| {
            std::fs::metadata(path)
                .unwrap()
                .modified()
                .unwrap()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_secs()
        };
        assert_eq!(seconds(run.there.join(name)), seconds(run.source.path().join(name)), "{name}");
    }
    let shown = bench.context.progress.snapshot();
    assert_eq!((shown.files_done, shown.bytes_done), (shown.files_total, shown.bytes_total));
}

pub async fn two_projects_with_one_leaf(make: Make) {
    let bench = Bench::new(make).await;
    let one = bench.run("One/Runs/Run_1", &[(b"a", b"one")]);
    let two = bench.run("Two/Runs/Run_1", &[(b"a", b"two")]);
    let seals = [bench.push_and_prove(&one).await, bench.push_and_prove(&two).await];
    bench.assert_proven(&one, &seals[0]).await;
    assert_eq!(std::fs::read(one.there.join("a")).unwrap(), b"one");
    assert_eq!(std::fs::read(two.there.join("a")).unwrap(), b"two");
}

pub async fn only_sealed_files(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench
        .run("P/Runs/Run_1", &[(b"a", b"1"), (b".exlab-wizard/ingest.json", b"{}"), (b"x/.exlab-wizard/d", b"data")]);
    let listing = bench.list(&run);
    write(&run.source.path().join("late"), b"late");
    std::os::unix::fs::symlink("/etc/passwd", run.source.path().join("link")).unwrap();
    let seal = bench.push_listed(&run, &listing, "seal", None).await.unwrap();
    bench.assert_proven(&run, &seal).await;
    assert_eq!(files_below(&run.there), [PathBuf::from("a"), PathBuf::from("x/.exlab-wizard/d")]);
}

pub async fn empty_run(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[]);
    let seal = bench.push(&run).await.unwrap();
    assert!(matches!(bench.verify(&run, &seal).await, Verification::Differs { .. }));
}

pub async fn record(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    bench.push_and_prove(&run).await;
    let files = |text: &str| -> Vec<RecordFile> {
        [".exlab-wizard/ingest.json", ".exlab-wizard/creation.json", ".exlab-wizard/sub/x"]
            .into_iter()
            .map(|name| RecordFile { path: file(name), bytes: format!("{name} {text}").into_bytes().into() })
            .collect()
    };
    let there = |name: &str| std::fs::read_to_string(run.there.join(".exlab-wizard").join(name)).unwrap();
    for text in ["first", "second"] {
        let sent = files(text);
        let hashed = bench.transport().put_record(&run.path, 1, &sent, &bench.context).await.unwrap();
        assert!(verify_record(&sent, &hashed).is_ok(), "{hashed:?}");
        assert!(hashed.iter().all(|hashed| matches!(hashed.outcome, HashOutcome::Digest { .. })));
        assert_eq!(there("ingest.json"), format!(".exlab-wizard/ingest.json {text}"));
    }
    // Another life of the same path: the first one's record is kept whole, once.
    for text in ["third", "fourth"] {
        let sent = &files(text)[..1];
        let hashed = bench.transport().put_record(&run.path, 2, sent, &bench.context).await.unwrap();
        assert!(verify_record(sent, &hashed).is_ok());
        assert_eq!(there("ingest.json"), format!(".exlab-wizard/ingest.json {text}"));
        assert_eq!(there("lives/1/ingest.json"), ".exlab-wizard/ingest.json second");
        assert_eq!(there("lives/1/sub/x"), ".exlab-wizard/sub/x second");
        assert!(!run.there.join(".exlab-wizard/creation.json").exists());
    }
    // A record file that we did not put there is kept, too.
    write(&run.there.join(".exlab-wizard/ingest.json"), b"somebody else's");
    let sent = &files("fifth")[..1];
    bench.transport().put_record(&run.path, 2, sent, &bench.context).await.unwrap();
    assert_eq!(there("ingest.json"), ".exlab-wizard/ingest.json fifth");
    assert_eq!(there("superseded/1/.exlab-wizard/ingest.json"), "somebody else's");
    assert_eq!(files_below(&run.there.join(".exlab-wizard/superseded")).len(), 1);
    bench.assert_no_leftovers();
    // The run in staging was not touched by any of it.
    let source = StagingRoot::open(&bench.staging()).unwrap().run(&run.path).unwrap();
    assert_eq!(files_below(source.path()), [PathBuf::from("a")]);
}

/// Nothing is more open there than here, whichever way a file takes; and what is a hole here takes no room there.
pub async fn modes_and_holes(make: Make) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    const HOLES: u64 = 64 << 20;
    let bench = Bench::new(make).await;
    let large = vec![7; 3 << 20];
    let many: Vec<String> = (0..300).map(|n| format!("raw/small-{n:03}")).collect();
    let mut files: Vec<(&[u8], &[u8])> = vec![(b"large", &large), (b"open", b"for all"), (b"sparse", b"")];
    files.extend(many.iter().map(|name| (name.as_bytes(), b"small".as_slice())));
    let run = bench.run("P/Runs/Run_1", &files);
    let chmod = |name: &str, mode| {
        std::fs::set_permissions(run.source.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap()
    };
    let sparse = std::fs::File::options().write(true).open(run.source.path().join("sparse")).unwrap();
    sparse.set_len(HOLES).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", HOLES - 3).unwrap();
    drop(sparse);
    chmod("large", 0o600);
    chmod("raw/small-007", 0o600);
    chmod("open", 0o666);
    bench.push_and_prove(&run).await;
    let there = |name: &str| std::fs::metadata(run.there.join(name)).unwrap();
    for name in ["large", "raw/small-007"] {
        assert_eq!(there(name).mode() & 0o777, 0o600, "{name} is closed to others");
    }
    assert_eq!(there("open").mode() & 0o022, 0, "nobody else may write");
    assert_eq!(there("raw/small-008").mode() & 0o600, 0o600);
    assert!(there("sparse").blocks() * 512 < 1 << 20, "{} bytes on the disk", there("sparse").blocks() * 512);
}

/// Folders are never more open there than here: the run's own, those above it, and where earlier files move aside to.
pub async fn closed_folders(make: Make) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let bench = Bench::new(make).await;
    let run =
        bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"priv/deep/b", b"2"), (b"shared/c", b"3"), (b"priv/d", b"4")]);
    let here = bench.staging().join("EQ_1");
    let closed = [
        ("P", 0o750),
        ("P/Runs", 0o755),
        ("P/Runs/Run_1", 0o700),
        ("P/Runs/Run_1/priv", 0o700),
        ("P/Runs/Run_1/priv/deep", 0o755),
        ("P/Runs/Run_1/shared", 0o755),
    ];
    for (folder, mode) in closed {
        std::fs::set_permissions(here.join(folder), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    bench.push_and_prove(&run).await;
    let there = |name: &str| std::fs::metadata(bench.destination.root().join(name)).unwrap().mode() & 0o777;
    let is_no_more_open =
        |name: &str, mode: u32| assert_eq!(there(name) & !mode & 0o077, 0, "{name}: {:o}", there(name));
    closed.iter().for_each(|(folder, mode)| is_no_more_open(folder, *mode));
    let files = [file("priv/deep/b"), file("shared/c")];
    bench.transport().move_aside(&run.path, &files, &bench.context).await.unwrap();
    let aside = "P/Runs/Run_1/.exlab-wizard/superseded/1";
    assert!(run.there.join(".exlab-wizard/superseded/1/priv/deep/b").exists());
    is_no_more_open(&format!("{aside}/priv"), 0o700);
    assert_eq!(there(&format!("{aside}/shared")) & 0o500, 0o500, "and no more closed than is asked for");
}

/// Streams and labels, of files that go one by one and of those that go as a stream.
pub async fn labels(make: Make) {
    let bench = Bench::new(make).await;
    let names: Vec<String> = (0..40).map(|n| format!("raw/frame {n}\n.tif")).collect();
    let large = vec![7; 3 << 20];
    let mut files: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), b"frame".as_slice())).collect();
    files.extend([(b"large.bin".as_slice(), large.as_slice()), (b"plain", b"nothing beside it")]);
    let run = bench.run("P/Runs/Run_1", &files);
    let long = vec![9; 2_000];
    let given: [(&str, &str, &[u8]); 5] = [
        (&names[3], "user.DosStream.Zone.Identifier:$DATA", b"[ZoneTransfer]\0\xff"),
        (&names[3], "user.\u{e9}=b c", b"named oddly"),
        (&names[7], "user.empty", b""),
        ("large.bin", "user.comment", &long),
        ("large.bin", "user.END OF LABELS", b"END OF LABELS\n"),
    ];
    for (file, name, value) in given {
        setxattr(run.source.path().join(file), name, value, XattrFlags::empty()).unwrap();
    }
    setxattr(run.source.path().join(&names[3]), "user.DOSATTRIB", b"0x20", XattrFlags::empty()).unwrap();
    bench.push_and_prove(&run).await;
    for (path, _) in files {
        let path = os(path);
        let there = engine::files::source::attributes_of(std::fs::File::open(run.there.join(path)).unwrap()).unwrap();
        let here =
            engine::files::source::attributes_of(std::fs::File::open(run.source.path().join(path)).unwrap()).unwrap();
        assert_eq!(there, here, "{path:?}");
    }
    bench.assert_no_leftovers();
}

/// The same where nothing there takes them: all else arrives.
pub async fn labels_that_nothing_takes(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"b", b"2")]);
    setxattr(run.source.path().join("a"), "user.comment", b"cells", XattrFlags::empty()).unwrap();
    bench.push_and_prove(&run).await;
    assert_eq!(std::fs::read(run.there.join("a")).unwrap(), b"1");
}
