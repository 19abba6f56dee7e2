//! What only a destination behind ssh can meet; over a real sshd.

use crate::bench::{Bench, Destination, Make, file, files_below, marker, write};
use crate::remotes::write_program;
use crate::ssh_servers::{PLAIN_SERVER, RSYNC_SSH, behind, behind_own, push_with, which};
use crate::sshd::Sshd;
use domain::job::{FailureClass, Side};
use domain::path::RunPath;
use domain::proof::ProofLevel;
use domain::settings::HostKeyPolicy;
use engine::transport::rsync_ssh::{RsyncSshTransport, Server};
use engine::transport::{HashOutcome, Hashed, Transport, TransportError};
use engine::verify::Verification;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_server_without_openssl_hashes_with_sha256sum() {
    let bench = Bench::new(PLAIN_SERVER).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"new\nline", b"2"), (b"sub/b c", b"3")]);
    bench.push_and_prove(&run).await;
    assert_eq!(bench.transport().method(), "sha256sum at the server");
}

/// What `identify` says of a server that was changed.
async fn refused(change: impl FnOnce(&mut Server)) -> TransportError {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("staging")).unwrap();
    let behind = behind(&dir.path().join("nas"), &dir.path().join("staging"), change);
    let bench = Bench::unmarked(RSYNC_SSH);
    behind.transport().identify(&bench.context).await.unwrap_err()
}

#[tokio::test]
async fn real_failures_have_the_right_class() {
    let other = tempfile::tempdir().unwrap();
    let key = other.path().join("id");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let error = refused(|server| server.key = key.clone()).await;
    assert_eq!((error.class, error.side), (FailureClass::Authentication, Side::Destination), "{error}");
    let error = refused(|server| server.key = other.path().join("none")).await;
    assert_eq!((error.class, error.side), (FailureClass::Configuration, Side::Here), "{error}");
    let error = refused(|server| server.port = 1).await;
    assert_eq!(error.class, FailureClass::DestinationUnreachable, "{error}");
    let error = refused(|server| server.target = "root@no-such-host.invalid".to_owned()).await;
    assert_eq!(error.class, FailureClass::DestinationUnreachable, "{error}");
    let error = refused(|server| server.ssh = "/no/such/ssh".to_owned()).await;
    assert_eq!((error.class, error.side), (FailureClass::Configuration, Side::Here), "{error}");
    let error = refused(|server| server.host_keys = HostKeyPolicy::Strict).await;
    assert_eq!(error.class, FailureClass::Authentication, "{error}");
    // Another host's key stands under this name.
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let error = refused(|server| {
        std::fs::write(&server.known_hosts, format!("[127.0.0.1]:{} {public}", server.port)).unwrap();
    })
    .await;
    assert_eq!(error.class, FailureClass::Authentication, "{error}");
    // Nothing was ever marked there.
    assert_eq!(refused(|_| ()).await.class, FailureClass::DestinationUnreachable);
}

#[tokio::test]
async fn a_missing_rsync_on_either_side_is_a_matter_of_configuration() {
    for there in [false, true] {
        let bench = Bench::new(RSYNC_SSH).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
        let behind = if there {
            let tools = bench.dir.path().join("tools");
            std::fs::create_dir(&tools).unwrap();
            for name in ["sh", "cat", "find", "grep", "head", "ln", "ls", "mkdir", "mv", "rm", "openssl", "sync"] {
                std::os::unix::fs::symlink(which(name), tools.join(name)).unwrap();
            }
            let sshd = Sshd::start_with(&format!("SetEnv PATH={}", tools.display()));
            behind_own(sshd, bench.destination.root(), &bench.staging(), |_| ())
        } else {
            behind(bench.destination.root(), &bench.staging(), |server| server.rsync = "/no/such/rsync".to_owned())
        };
        let error = push_with(&behind, &bench, &run, "seal").await.unwrap_err();
        let side = if there { Side::Destination } else { Side::Here };
        assert_eq!((error.class, error.side), (FailureClass::Configuration, side), "{error}");
    }
}

#[tokio::test]
async fn d12_the_staging_tree_over_ssh_is_refused() {
    let bench = Bench::new(RSYNC_SSH).await;
    for below in ["", "EQ_1", "EQ_1/P/Runs", "EQ_1/P/Runs/Run_1/raw"] {
        let root = bench.staging().join(below);
        let inside = behind(&root, &bench.staging(), |_| ());
        let error = inside.transport().mark(&marker(), false, &bench.context).await.unwrap_err();
        assert_eq!(error.class, FailureClass::DestinationForeign, "{below}: {error}");
        assert!(!root.join(".exlab-orchestrator/identity.json").exists());
        write(&root.join(".exlab-orchestrator/identity.json"), &serde_json::to_vec(&marker()).unwrap());
        let error = inside.transport().identify(&bench.context).await.unwrap_err();
        assert_eq!(error.class, FailureClass::DestinationForeign, "{below}: {error}");
        std::fs::remove_dir_all(root.join(".exlab-orchestrator")).unwrap();
    }
}

#[tokio::test]
async fn s6_a_changed_limit_neither_fails_nor_loses_work() {
    let mut bench = Bench::new(RSYNC_SSH).await;
    let big: Vec<u8> = (0..6_000_000_u32).map(|n| (n % 251) as u8).collect();
    let run = bench.run("P/Runs/Run_1", &[(b"a", &big), (b"b", b"2")]);
    let slow = Arc::new(AtomicBool::new(true));
    let (asked, at) = (slow.clone(), std::time::Instant::now());
    // At first an hour's work; then no limit any more.
    bench.context.limit = Arc::new(move || {
        if at.elapsed().as_millis() > 1_500 {
            asked.store(false, Ordering::Relaxed);
        }
        asked.load(Ordering::Relaxed).then_some(2)
    });
    bench.push_and_prove(&run).await;
    assert!(!slow.load(Ordering::Relaxed), "it was limited at first");
}

#[tokio::test]
async fn v7_a_lying_rsync_is_caught_every_time() {
    // Runs the true one, then spoils what it sent.
    let lies = [
        ("drops", "rm -f \"$d/a\""),
        ("truncates", "truncate -s 3 \"$d/a\""),
        (
            "truncates keeping the time",
            "cp -p \"$d/a\" \"$d/../ref\"; truncate -s 3 \"$d/a\"; touch -r \"$d/../ref\" \"$d/a\"; rm \"$d/../ref\"",
        ),
        ("swaps", "mv \"$d/a\" \"$d/x\"; mv \"$d/b\" \"$d/a\"; mv \"$d/x\" \"$d/b\""),
        (
            "flips",
            "cp -p \"$d/a\" \"$d/../ref\"; printf X | dd of=\"$d/a\" bs=1 conv=notrunc 2>/dev/null; touch -r \"$d/../ref\" \"$d/a\"; rm \"$d/../ref\"",
        ),
        ("sends nothing", "rm -rf \"$d/a\" \"$d/b\" \"$d/sub\""),
        ("adds and replaces", "ln -sf /etc/passwd \"$d/a\"; echo >\"$d/more\""),
    ];
    for (name, lie) in lies {
        let bench = Bench::new(RSYNC_SSH).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"first content"), (b"b", b"other content"), (b"sub/c", b"3")]);
        let liar = bench.dir.path().join("rsync");
        let tmp = bench.destination.root().join(".exlab-orchestrator/tmp");
        write_program(
            &liar,
            &format!("#!/bin/sh\nrsync \"$@\"\nfor d in '{}'/*/data/*; do {lie}; done\nexit 0\n", tmp.display()),
        );
        let behind =
            behind(bench.destination.root(), &bench.staging(), |server| server.rsync = liar.display().to_string());
        let seal = push_with(&behind, &bench, &run, "seal").await.unwrap();
        match engine::verify::verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context)
            .await
            .unwrap()
        {
            Verification::Differs { class, .. } => assert_eq!(class, FailureClass::HashMismatch, "{name}"),
            Verification::Proven(_) => panic!("{name} was not caught"),
        }
        assert!(!run.there.join("more").exists(), "{name}: only what is sealed is placed");
    }
}

#[tokio::test]
async fn what_the_server_hashes_while_others_are_sent_is_told_in_order_and_only_of_what_was_sent() {
    let bench = Bench::new(RSYNC_SSH).await;
    // More than one portion: the first is hashed while the second is sent.
    let content: Vec<(String, String)> =
        (0..16_200).map(|n| (format!("raw/{:02}/f{n:05}", n / 100), format!("content {n}"))).collect();
    let files: Vec<(&[u8], &[u8])> = content.iter().map(|(name, bytes)| (name.as_bytes(), bytes.as_bytes())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    let listing = bench.list(&run);
    let (seal, told) = bench.push_and_listen(bench.transport(), &run, &listing, "seal").await;
    let expected: Vec<_> = seal.files().unwrap().map(Result::unwrap).map(|file| (file.path, file.digest)).collect();
    let digests = |told: Vec<Hashed>| -> Vec<_> {
        let digest = |hashed: Hashed| match hashed.outcome {
            HashOutcome::Digest { digest, level: ProofLevel::L2, .. } => (hashed.path, digest),
            other => panic!("{other:?}"),
        };
        told.into_iter().map(digest).collect()
    };
    assert_eq!(digests(told), expected);
    bench.assert_proven(&run, &seal).await;
    bench.assert_no_leftovers();
    // The next attempt sends one file, and hears of that one.
    std::fs::remove_file(run.there.join("raw/101/f10150")).unwrap();
    let (_, told) = bench.push_and_listen(bench.transport(), &run, &listing, "seal 2").await;
    assert_eq!(digests(told).iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>(), ["raw/101/f10150"]);
}

#[tokio::test]
async fn s8_a_server_whose_disk_hangs_while_it_hashes_is_not_waited_for_for_ever() {
    let bench = Bench::new(RSYNC_SSH).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    let seal = bench.push_and_prove(&run).await;
    let tools = bench.dir.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let hangs =
        format!("#!/bin/sh\nif [ $# -gt 3 ]; then exec sleep 600; fi\nexec {} \"$@\"\n", which("openssl").display());
    write_program(&tools.join("openssl"), &hangs);
    let sshd = Sshd::start_with(&format!("SetEnv PATH={}:/usr/bin:/bin", tools.display()));
    let server = sshd.server();
    let hanging = RsyncSshTransport::new(server, bench.destination.root().display().to_string(), bench.staging(), None);
    let hanging = hanging.impatient(Duration::from_millis(300));
    let error = engine::verify::verify(&hanging, &run.path, &seal, None, &bench.context).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::Network, Side::Destination), "{error}");
    assert!(error.message.contains("may hang"), "{error}");
}

#[tokio::test]
async fn a_server_that_goes_away_is_a_matter_of_the_network() {
    let bench = Bench::new(RSYNC_SSH).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", &vec![1; 4 << 20])]);
    let cut = bench.dir.path().join("rsync");
    // The connection breaks while rsync runs: its ssh is the one that ends.
    write_program(&cut, "#!/bin/sh\necho 'client_loop: send disconnect: Broken pipe' >&2\nexit 255\n");
    let behind = behind(bench.destination.root(), &bench.staging(), |server| server.rsync = cut.display().to_string());
    let error = push_with(&behind, &bench, &run, "seal").await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::Network, Side::Destination), "{error}");
    let mut gone = Sshd::start();
    let unreachable = RsyncSshTransport::new(gone.server(), "/tmp".to_owned(), bench.staging(), None);
    gone.stop();
    assert_eq!(unreachable.identify(&bench.context).await.unwrap_err().class, FailureClass::DestinationUnreachable);
}

#[tokio::test]
async fn the_server_hashes_and_says_so() {
    let bench = Bench::new(RSYNC_SSH).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    let seal = bench.push(&run).await.unwrap();
    match bench.verify(&run, &seal).await {
        Verification::Proven(manifest) => {
            assert_eq!((manifest.level(), manifest.method()), (ProofLevel::L2, "openssl at the server"))
        }
        other => panic!("{other:?}"),
    }
    // A pipe there never blocks, a link is never followed.
    std::fs::remove_file(run.there.join("a")).unwrap();
    std::os::unix::fs::symlink(run.source.path().join("a"), run.there.join("a")).unwrap();
    assert!(matches!(
        bench.verify(&run, &seal).await,
        Verification::Differs { class: FailureClass::CouldNotHash, total: 1, .. }
    ));
    std::fs::remove_file(run.there.join("a")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(run.there.join("a")).status().unwrap().success());
    assert!(matches!(
        bench.verify(&run, &seal).await,
        Verification::Differs { class: FailureClass::CouldNotHash, total: 1, .. }
    ));
}

#[tokio::test]
async fn v12_a_linked_folder_at_the_destination_is_neither_written_nor_read() {
    let bench = Bench::new(RSYNC_SSH).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"sub/b", b"2")]);
    let elsewhere = bench.dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::create_dir_all(&run.there).unwrap();
    std::os::unix::fs::symlink(&elsewhere, run.there.join("sub")).unwrap();
    let error = bench.push(&run).await.unwrap_err();
    assert_eq!((error.class, error.files), (FailureClass::Conflict, vec![file("sub/b")]));
    assert_eq!(files_below(&elsewhere), Vec::<PathBuf>::new());
    let other = RunPath::parse("EQ_1/Q/Runs/Run_1").unwrap();
    std::os::unix::fs::symlink(&elsewhere, bench.destination.root().join("Q")).unwrap();
    let run = bench.run(other.below_equipment(), &[(b"a", b"1")]);
    assert_eq!(bench.push(&run).await.unwrap_err().class, FailureClass::Conflict);
    assert_eq!(files_below(&elsewhere), Vec::<PathBuf>::new());
}

/// Bytes that lie in our temporary folder.
fn on_its_way(root: &Path) -> u64 {
    let folder = root.join(".exlab-orchestrator/tmp");
    files_below(&folder)
        .iter()
        .filter_map(|name| std::fs::metadata(folder.join(name)).ok())
        .map(|found| found.len())
        .sum()
}

/// What the last rsync noted: bytes that it sent over the connection.
fn bytes_sent(log: &Path) -> u64 {
    let text = std::fs::read_to_string(log).unwrap();
    let (_, count) = text.rsplit_once("Total bytes sent: ").unwrap_or_else(|| panic!("rsync noted nothing: {text}"));
    count.lines().next().unwrap().replace(',', "").trim().parse().unwrap()
}

/// The server needs a moment to see that nobody sends any more; then the part is kept.
async fn until_a_part_is_kept(bench: &Bench, file: &str) {
    let parts = bench.destination.root().join(".exlab-orchestrator/tmp");
    let part = Path::new(".exlab-orchestrator-part").join(file);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !files_below(&parts).iter().any(|name| name.ends_with(&part)) {
        assert!(std::time::Instant::now() < deadline, "no part was kept: {:?}", files_below(&parts));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn v8_the_part_of_a_file_that_is_gone_goes_too_and_leaves_no_folder() {
    let mut bench = Bench::new(RSYNC_SSH).await;
    let run = bench.run("P/Runs/Run_1", &[(b"sub/big", &vec![5; 24_000_000])]);
    let (cancel, root) = (bench.context.cancel.clone(), bench.destination.root().to_owned());
    bench.context.limit = Arc::new(move || {
        if on_its_way(&root) > 4_000_000 {
            cancel.cancel();
        }
        Some(6_000)
    });
    assert_eq!(bench.push(&run).await.unwrap_err().class, FailureClass::Interrupted);
    until_a_part_is_kept(&bench, "big").await;
    std::fs::remove_file(run.source.path().join("sub/big")).unwrap();
    std::fs::write(run.source.path().join("sub/other"), b"what is left").unwrap();
    bench.context.cancel = Default::default();
    bench.context.limit = Arc::new(|| None);
    let listing = bench.list(&run);
    let seal = bench.push_listed(&run, &listing, "another seal", None).await.unwrap();
    bench.assert_proven(&run, &seal).await;
    assert_eq!(files_below(&run.there), [PathBuf::from("sub/other")]);
    assert!(!run.there.join("sub/.exlab-orchestrator-part").exists(), "a folder of rsync's came with it");
    bench.assert_no_leftovers();
}

#[tokio::test]
async fn s2_an_interrupted_transfer_goes_on_where_it_was() {
    let mut bench = Bench::new(RSYNC_SSH).await;
    let big: Vec<u8> = (0..24_000_000_u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u8).collect();
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"small"), (b"big", &big)]);
    let (counting, log) = (bench.dir.path().join("rsync"), bench.dir.path().join("sent"));
    write_program(&counting, &format!("#!/bin/sh\nexec rsync --stats --no-h --log-file='{}' \"$@\"\n", log.display()));
    let behind =
        behind(bench.destination.root(), &bench.staging(), |server| server.rsync = counting.display().to_string());
    let listing = bench.list(&run);
    // Some seconds' work; interrupted once a good part is there.
    let (cancel, root) = (bench.context.cancel.clone(), bench.destination.root().to_owned());
    bench.context.limit = Arc::new(move || {
        if on_its_way(&root) > 8_000_000 {
            cancel.cancel();
        }
        Some(6_000)
    });
    let error = bench.push_over(behind.transport(), &run, &listing, "seal", None).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Interrupted, "{error}");
    assert_eq!(files_below(&run.there), Vec::<PathBuf>::new(), "nothing half under a final name");
    until_a_part_is_kept(&bench, "big").await;
    let kept = on_its_way(bench.destination.root());
    assert!(kept > 6_000_000, "{kept} bytes are there");
    bench.context.cancel = Default::default();
    bench.context.limit = Arc::new(|| None);
    let seal = bench.push_over(behind.transport(), &run, &listing, "seal", None).await.unwrap();
    bench.assert_proven(&run, &seal).await;
    bench.assert_no_leftovers();
    let sent = bytes_sent(&log);
    let (all, again) = (big.len() as u64, sent.saturating_sub(big.len() as u64 - kept));
    assert!(again * 50 <= all, "{again} of {all} bytes were sent twice; {kept} were there");
}

const TINY: Make = |root, staging| {
    crate::mount_only::mount(&["-t", "tmpfs", "-o", "size=4m", "none"], root);
    RSYNC_SSH(root, staging)
};

#[tokio::test]
async fn a_full_and_a_read_only_destination_are_told_apart() {
    if !crate::mount_only::in_own_mounts_of("rsync_ssh", "a_full_and_a_read_only_destination_are_told_apart") {
        return;
    }
    let bench = Bench::new(TINY).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"big", &vec![7; 8 << 20])]);
    let error = bench.push(&run).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::DestinationFull, Side::Destination), "{error}");
    assert!(!run.there.join("big").exists());
    crate::mount_only::mount(&["-o", "remount,ro", "none"], bench.destination.root());
    let error = bench.push(&bench.run("P/Runs/Run_2", &[(b"a", b"1")])).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::DestinationUnreachable, Side::Destination), "{error}");
}

#[tokio::test]
async fn what_happens_while_rsync_runs_has_the_right_class() {
    let cases = [
        ("kill -KILL $$", FailureClass::Network, Side::Here),
        ("rm -f a; exec rsync \"$@\"", FailureClass::LocalFileVanished, Side::Source),
        ("echo more >>a; exec rsync \"$@\"", FailureClass::LocalFileChanged, Side::Source),
        ("exec rsync --nonsense \"$@\"", FailureClass::Configuration, Side::Here),
    ];
    for (script, class, side) in cases {
        let bench = Bench::new(RSYNC_SSH).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"b", b"2")]);
        let wrapper = bench.dir.path().join("rsync");
        write_program(&wrapper, &format!("#!/bin/sh\n{script}\n"));
        let behind =
            behind(bench.destination.root(), &bench.staging(), |server| server.rsync = wrapper.display().to_string());
        let error = push_with(&behind, &bench, &run, "seal").await.unwrap_err();
        assert_eq!((error.class, error.side), (class, side), "{script}: {error}");
        assert!(!run.there.join("a").exists(), "{script}");
    }
}
