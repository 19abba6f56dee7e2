//! Many small files as one stream over ssh, and accounts that may do little; over a real sshd.

use crate::bench::{Bench, Destination, TestRun, file, files_below, os, set_mtime, write};
use crate::remotes::write_program;
use crate::ssh_servers::{Behind, PLAIN_SERVER, RSYNC_SSH, behind_own, push_with, which};
use crate::sshd::Sshd;
use domain::job::{FailureClass, Side};
use domain::proof::ProofLevel;
use engine::transport::rsync_ssh::RsyncSshTransport;
use engine::transport::{HashOutcome, RecordFile};
use engine::verify::Verification;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Forty files in each of some folders, one below another, and some with names that tools write in ways of their own.
fn many() -> Vec<(Vec<u8>, Vec<u8>)> {
    let file = |folder: &str, n: usize| {
        (format!("{folder}frame {n:02}.tif").into_bytes(), format!("{folder}{n}").into_bytes())
    };
    let long = [b"long/", [b'n'; 120].as_slice(), b"/", &[b'm'; 200]].concat();
    let odd = [
        b"-rf".to_vec(),
        b"raw/new\nline".to_vec(),
        b"raw/back\\slash".to_vec(),
        b"raw/\xff\xfe".to_vec(),
        b"raw/it's $(x)".to_vec(),
        long,
    ];
    let odd = odd.into_iter().map(|name| (name.clone(), name));
    let empty = std::iter::once((b"raw/empty".to_vec(), Vec::new()));
    ["", "raw/", "raw/sub/", "raw/sub/# deep/"]
        .iter()
        .flat_map(|folder| (0..40).map(|n| file(folder, n)))
        .chain(odd)
        .chain(empty)
        .collect()
}

fn run_of_many(bench: &Bench, below: &str) -> TestRun {
    let many = many();
    let files: Vec<(&[u8], &[u8])> = many.iter().map(|(name, bytes)| (name.as_slice(), bytes.as_slice())).collect();
    bench.run(below, &files)
}

/// A server where `tar` is this script; `TAR` in it is the true one.
fn with_tar(bench: &Bench, script: &str) -> Behind {
    let tools = bench.dir.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    write_program(
        &tools.join("tar"),
        &format!("#!/bin/sh\n{}\n", script.replace("TAR", &which("tar").display().to_string())),
    );
    let sshd = Sshd::start_with(&format!("SetEnv PATH={}:/usr/bin:/bin", tools.display()));
    behind_own(sshd, bench.destination.root(), &bench.staging(), |_| ())
}

#[tokio::test]
async fn v2_v9_exactly_what_was_sealed_arrives_under_its_name_with_its_time() {
    for make in [RSYNC_SSH, PLAIN_SERVER] {
        let bench = Bench::new(make).await;
        let run = run_of_many(&bench, "P/Runs/Run_1");
        let (count, here) = (many().len(), run.source.path().to_owned());
        write(&here.join(".exlab-wizard/ingest.json"), b"{}");
        set_mtime(&here.join("raw/frame 00.tif"), 1_500_000_000, 123_456_789);
        set_mtime(&here.join("raw/frame 01.tif"), 86_400, 0);
        let listing = bench.list(&run);
        // Too late to be sealed.
        write(&here.join("raw/late"), b"late");
        let seal = bench.push_listed(&run, &listing, "seal", None).await.unwrap();
        bench.assert_proven(&run, &seal).await;
        assert_eq!(files_below(&run.there).len(), count, "neither the record nor what came late");
        for (name, bytes) in many() {
            let [here, there] = [&here, &run.there].map(|folder| std::fs::metadata(folder.join(os(&name))).unwrap());
            assert_eq!((there.mtime(), there.mtime_nsec()), (here.mtime(), here.mtime_nsec()), "{name:?}");
            assert_eq!((there.mode() & 0o777, there.len()), (0o644, bytes.len() as u64), "{name:?}");
        }
        bench.assert_no_leftovers();
    }
}

#[tokio::test]
async fn v7_a_lying_tar_is_caught_every_time() {
    let lies = [
        ("drops", "rm -f 'raw/frame 00.tif'"),
        ("truncates", "truncate -s 1 'raw/frame 00.tif'"),
        ("swaps", "mv 'raw/frame 10.tif' x; mv 'raw/frame 11.tif' 'raw/frame 10.tif'; mv x 'raw/frame 11.tif'"),
        (
            "flips",
            "cp -p 'raw/frame 00.tif' ref; printf X | dd of='raw/frame 00.tif' bs=1 conv=notrunc; touch -r ref 'raw/frame 00.tif'; rm ref",
        ),
        ("unpacks nothing", "rm -rf *"),
        ("adds and replaces", "ln -sf /etc/passwd 'raw/frame 00.tif'; echo >raw/more"),
    ];
    for (name, lie) in lies {
        let bench = Bench::new(RSYNC_SSH).await;
        let run = run_of_many(&bench, "P/Runs/Run_1");
        let behind = with_tar(&bench, &format!("TAR \"$@\"; [ -d raw ] && {{ {lie}; }} 2>/dev/null; exit 0"));
        let seal = push_with(&behind, &bench, &run, "seal").await.unwrap();
        match engine::verify::verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context)
            .await
            .unwrap()
        {
            Verification::Differs { class, .. } => assert_eq!(class, FailureClass::HashMismatch, "{name}"),
            Verification::Proven(_) => panic!("{name} was not caught"),
        }
        assert!(!run.there.join("raw/more").exists(), "{name}: only what is sealed is placed");
    }
}

#[tokio::test]
async fn a_tar_that_fails_is_reported_and_the_others_have_their_names() {
    let cases = [
        (
            "TAR \"$@\"; [ -d raw ] || exit 0; rm -f 'raw/frame 00.tif'; echo 'tar: raw/x: File name too long' >&2; exit 2",
            FailureClass::Configuration,
        ),
        (
            "[ -d ../../../raw ] || TAR \"$@\"; [ -d raw ] || exit 0; rm 'raw/frame 00.tif'; echo 'tar: x: No space left on device' >&2; exit 2",
            FailureClass::DestinationFull,
        ),
    ];
    for (script, class) in cases {
        let bench = Bench::new(RSYNC_SSH).await;
        let run = run_of_many(&bench, "P/Runs/Run_1");
        let error = push_with(&with_tar(&bench, script), &bench, &run, "seal").await.unwrap_err();
        assert_eq!((error.class, error.side), (class, Side::Destination), "{error}");
        assert_eq!(files_below(&run.there).len(), many().len() - 1);
        // Nothing that was placed is sent a second time.
        bench.placed.lock().unwrap().clear();
        let seal = bench.push(&run).await.unwrap();
        assert_eq!(bench.placed.lock().unwrap().len(), 1);
        bench.assert_proven(&run, &seal).await;
    }
}

#[tokio::test]
async fn a_tar_that_reads_nothing_and_says_nothing_is_no_interruption() {
    let bench = Bench::new(RSYNC_SSH).await;
    // More than any buffer on the way holds.
    let content: Vec<(String, Vec<u8>)> = (0..40).map(|n| (format!("raw/{n:03}"), vec![7; 1_000_000])).collect();
    let files: Vec<(&[u8], &[u8])> = content.iter().map(|(name, bytes)| (name.as_bytes(), bytes.as_slice())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    let behind = with_tar(&bench, "case \"$(pwd)\" in */data/*) exit 0;; esac; exec TAR \"$@\"");
    let error = push_with(&behind, &bench, &run, "seal").await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::Unknown, Side::Destination), "{error}");
    assert!(error.message.contains("tar"), "{error}");
    assert_eq!(files_below(&run.there), Vec::<PathBuf>::new());
    let seal = bench.push(&run).await.unwrap();
    bench.assert_proven(&run, &seal).await;
}

#[tokio::test]
async fn s2_what_has_its_name_is_ours_also_when_the_server_hangs_while_it_hashes() {
    let bench = Bench::new(RSYNC_SSH).await;
    // Two portions: the first is named and hashed by one call, while the second is sent.
    let content: Vec<(String, String)> =
        (0..16_200).map(|n| (format!("raw/{:02}/f{n:05}", n / 100), format!("content {n}"))).collect();
    let files: Vec<(&[u8], &[u8])> = content.iter().map(|(name, bytes)| (name.as_bytes(), bytes.as_bytes())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    let tools = bench.dir.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let hangs =
        format!("#!/bin/sh\nif [ $# -gt 3 ]; then exec sleep 600; fi\nexec {} \"$@\"\n", which("openssl").display());
    write_program(&tools.join("openssl"), &hangs);
    let sshd = Sshd::start_with(&format!("SetEnv PATH={}:/usr/bin:/bin", tools.display()));
    let root = bench.destination.root().display().to_string();
    let hanging = RsyncSshTransport::new(sshd.server(), root, bench.staging(), None).impatient(Duration::from_secs(5));
    let listing = bench.list(&run);
    let error = bench.push_over(&hanging, &run, &listing, "seal", None).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::Network, Side::Destination), "{error}");
    let named = files_below(&run.there).len();
    assert_eq!((named, bench.placed.lock().unwrap().len()), (8_100, 8_100));
}

#[tokio::test]
async fn d14_a_file_that_changed_or_went_is_named_and_not_sent() {
    for class in [FailureClass::LocalFileChanged, FailureClass::LocalFileVanished] {
        let bench = Bench::new(RSYNC_SSH).await;
        let run = run_of_many(&bench, "P/Runs/Run_1");
        let listing = bench.list(&run);
        // Hashed first, so that the stream is what meets the change.
        let writer = bench.writer(&run, &listing, "seal");
        engine::transport::hash_all(&run.source, &listing, &writer, &bench.context).unwrap();
        let path = run.source.path().join("raw/frame 07.tif");
        match class {
            FailureClass::LocalFileVanished => std::fs::remove_file(&path).unwrap(),
            _ => write(&path, b"another content"),
        }
        let error = bench.push_hashed(&run, &listing, &writer).await.unwrap_err();
        assert_eq!((error.class, error.side, error.files), (class, Side::Source, vec![file("raw/frame 07.tif")]));
        assert!(!run.there.join("raw/frame 07.tif").exists());
    }
}

#[tokio::test]
async fn s8_a_server_that_takes_nothing_is_not_waited_for_for_ever() {
    let bench = Bench::new(RSYNC_SSH).await;
    let run = run_of_many(&bench, "P/Runs/Run_1");
    let behind = with_tar(&bench, "n=$(head -c 1 | wc -c); case \"$(pwd)\" in */data/*) exec sleep 600;; esac");
    let root = bench.destination.root().display().to_string();
    let hanging =
        RsyncSshTransport::new(behind.server(), root, bench.staging(), None).impatient(Duration::from_millis(300));
    let listing = bench.list(&run);
    let error = bench.push_over(&hanging, &run, &listing, "seal", None).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::Network, Side::Destination), "{error}");
    assert!(error.message.contains("may hang"), "{error}");
}

#[tokio::test]
async fn s2_an_interrupted_stream_goes_on_where_it_was() {
    let mut bench = Bench::new(RSYNC_SSH).await;
    let content: Vec<(String, Vec<u8>)> =
        (0..600_usize).map(|n| (format!("raw/{n:03}"), vec![(n % 251) as u8; 20_000])).collect();
    let files: Vec<(&[u8], &[u8])> = content.iter().map(|(name, bytes)| (name.as_bytes(), bytes.as_slice())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    let log = bench.dir.path().join("taken");
    let behind = with_tar(&bench, &format!("tee -a '{}' | TAR \"$@\"", log.display()));
    let listing = bench.list(&run);
    let (cancel, root) = (bench.context.cancel.clone(), bench.destination.root().to_owned());
    bench.context.limit = Arc::new(move || {
        if arrived(&root).len() > 200 {
            cancel.cancel();
        }
        Some(6_000)
    });
    let error = bench.push_over(behind.transport(), &run, &listing, "seal", None).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Interrupted, "{error}");
    assert_eq!(files_below(&run.there), Vec::<PathBuf>::new(), "nothing under a final name");
    // The server needs a moment to see that nobody sends any more.
    let (mut kept, deadline) = (arrived(bench.destination.root()).len(), Instant::now() + Duration::from_secs(20));
    while std::fs::metadata(&log).unwrap().len() / 22_000 > kept as u64 && Instant::now() < deadline {
        tokio::task::yield_now().await;
        kept = arrived(bench.destination.root()).len();
    }
    assert!((200..600).contains(&kept), "{kept}");
    // One of them is no longer what was sent.
    let spoilt = &arrived(bench.destination.root())[3];
    std::fs::write(spoilt, "x").unwrap();
    std::fs::write(&log, "").unwrap();
    bench.context.cancel = Default::default();
    bench.context.limit = Arc::new(|| None);
    let seal = bench.push_over(behind.transport(), &run, &listing, "seal", None).await.unwrap();
    bench.assert_proven(&run, &seal).await;
    bench.assert_no_leftovers();
    let sent = std::fs::metadata(&log).unwrap().len();
    // Each with its headers.
    let missing = (600 - kept as u64 + 1) * 22_016;
    assert!(sent <= missing + 60_000, "{sent} bytes for {missing} that were missing");
}

/// Whole files of an interrupted stream.
fn arrived(root: &Path) -> Vec<PathBuf> {
    let folder = root.join(".exlab-orchestrator/tmp");
    let whole = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|found| found.len() == 20_000);
    files_below(&folder).into_iter().map(|name| folder.join(name)).filter(whole).collect()
}

#[tokio::test]
async fn s6_a_changed_limit_is_heard_while_a_stream_runs() {
    let mut bench = Bench::new(RSYNC_SSH).await;
    let content: Vec<(String, Vec<u8>)> = (0..200).map(|n| (format!("raw/{n:03}"), vec![7; 30_000])).collect();
    let files: Vec<(&[u8], &[u8])> = content.iter().map(|(name, bytes)| (name.as_bytes(), bytes.as_slice())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    let slow = Arc::new(AtomicBool::new(true));
    let (asked, began) = (slow.clone(), Instant::now());
    // At first an hour's work; then no limit any more.
    bench.context.limit = Arc::new(move || {
        if began.elapsed() > Duration::from_millis(1_500) {
            asked.store(false, Ordering::Relaxed);
        }
        asked.load(Ordering::Relaxed).then_some(2)
    });
    bench.push_and_prove(&run).await;
    assert!(!slow.load(Ordering::Relaxed), "it was limited at first");
}

const SMALL_DISK: crate::bench::Make = |root, staging| {
    crate::mount_only::mount(&["-t", "tmpfs", "-o", "size=2m", "none"], root);
    RSYNC_SSH(root, staging)
};

#[tokio::test]
async fn a_disk_that_fills_up_is_told() {
    if !crate::mount_only::in_own_mounts_of("rsync_ssh_stream", "a_disk_that_fills_up_is_told") {
        return;
    }
    let bench = Bench::new(SMALL_DISK).await;
    let content: Vec<(String, Vec<u8>)> = (0..200).map(|n| (format!("raw/{n:03}"), vec![7; 30_000])).collect();
    let files: Vec<(&[u8], &[u8])> = content.iter().map(|(name, bytes)| (name.as_bytes(), bytes.as_slice())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    let error = bench.push(&run).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::DestinationFull, Side::Destination), "{error}");
    for name in files_below(&run.there) {
        assert_eq!(std::fs::metadata(run.there.join(&name)).unwrap().len(), 30_000, "{name:?} is half");
    }
}

/// An account that may run only what lies in one folder, where nothing hashes.
#[tokio::test]
async fn behind_a_restricted_shell_what_is_there_is_read_back() {
    let bench = Bench::new(RSYNC_SSH).await;
    let tools = bench.dir.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let names = "sh cat dd find grep head ln ls mkdir mv rm rsync stat sync tail tar tr xargs";
    for name in names.split(' ') {
        std::os::unix::fs::symlink(which(name), tools.join(name)).unwrap();
    }
    let lines = format!(
        "ForceCommand exec {} -r -c \"$SSH_ORIGINAL_COMMAND\"\nSetEnv PATH={}",
        which("bash").display(),
        tools.display()
    );
    let behind = behind_own(Sshd::start_with(&lines), bench.destination.root(), &bench.staging(), |_| ());
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"new\nline", b"2"), (b"sub/b c", b"3")]);
    let seal = push_with(&behind, &bench, &run, "seal").await.unwrap();
    match engine::verify::verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context).await.unwrap()
    {
        Verification::Proven(manifest) => {
            assert_eq!((manifest.level(), manifest.method()), (ProofLevel::L3, "read back over ssh"))
        }
        other => panic!("{other:?}"),
    }
    write(&run.there.join("sub/b c"), b"4");
    let verified =
        engine::verify::verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context).await.unwrap();
    assert!(
        matches!(verified, Verification::Differs { class: FailureClass::HashMismatch, total: 1, .. }),
        "{verified:?}"
    );
    let run = run_of_many(&bench, "P/Runs/Run_2");
    let seal = push_with(&behind, &bench, &run, "seal").await.unwrap();
    let verified =
        engine::verify::verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context).await.unwrap();
    assert!(matches!(verified, Verification::Proven(_)), "{verified:?}");
    let record = [RecordFile { path: file(".exlab-wizard/ingest.json"), bytes: b"{}".to_vec().into() }];
    let hashed = behind.transport().put_record(&run.path, 1, &record, &bench.context).await.unwrap();
    assert!(matches!(hashed[0].outcome, HashOutcome::Digest { level: ProofLevel::L3, .. }), "{hashed:?}");
}

/// One that may run nothing but rsync, or nothing at all, is told what it lacks.
#[tokio::test]
async fn an_account_without_a_shell_is_refused_with_the_way_out() {
    for forced in ["false", "echo this account may not log in", "rsync --server --daemon ."] {
        let bench = Bench::new(RSYNC_SSH).await;
        let sshd = Sshd::start_with(&format!("ForceCommand {forced}"));
        let behind = behind_own(sshd, bench.destination.root(), &bench.staging(), |_| ());
        let error = behind.transport().identify(&bench.context).await.unwrap_err();
        assert_eq!((error.class, error.side), (FailureClass::Configuration, Side::Destination), "{forced}: {error}");
        assert!(error.message.contains("type sftp"), "{error}");
    }
}
