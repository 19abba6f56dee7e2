//! An rclone while it runs: another limit, no progress; and what is told of the remote behind it.

use crate::bench::{Bench, Destination, files_below};
use crate::remotes::{
    DEBIAN, LOCAL, LOCAL_CURRENT, SFTP, SFTP_CURRENT, WEBDAV, current, local, push_over, sftp_at, write_program,
};
use crate::sshd::Sshd;
use domain::job::{FailureClass, Side};
use engine::transport::rclone::RcloneTransport;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// An rclone that writes down its commands.
fn noting(bench: &Bench, program: &str, before: &str) -> (PathBuf, PathBuf) {
    let (wrapper, notes) = (bench.dir.path().join("noting"), bench.dir.path().join("notes"));
    write_program(
        &wrapper,
        &format!("#!/bin/sh\necho \"$1\" >>'{}'\n{before}\nexec {program} \"$@\"\n", notes.display()),
    );
    (wrapper, notes)
}

fn noted(notes: &Path, command: &str) -> usize {
    std::fs::read_to_string(notes).unwrap().lines().filter(|line| *line == command).count()
}

#[tokio::test]
async fn s6_a_changed_limit_neither_fails_nor_loses_work() {
    for (program, listens) in [(DEBIAN.to_owned(), true), (current(), true), (current(), false)] {
        let mut bench = Bench::new(LOCAL_CURRENT).await;
        let big: Vec<u8> = (0..6_000_000_u32).map(|n| (n % 251) as u8).collect();
        let run = bench.run("P/Runs/Run_1", &[(b"a", &big), (b"b", b"2")]);
        // One that cannot be told is ended and started anew.
        let deaf = if listens { "" } else { "[ \"$1\" = rc ] && exit 1" };
        let (wrapper, notes) = noting(&bench, &program, deaf);
        let behind = local(&wrapper.display().to_string(), bench.destination.root(), &bench.staging()).behind();
        let slow = Arc::new(AtomicBool::new(true));
        let (asked, at) = (slow.clone(), std::time::Instant::now());
        // At first an hour's work; then no limit any more.
        bench.context.limit = Arc::new(move || {
            if at.elapsed().as_millis() > 1_500 {
                asked.store(false, Ordering::Relaxed);
            }
            asked.load(Ordering::Relaxed).then_some(2)
        });
        push_over(&behind, &bench, &run).await.unwrap();
        assert!(!slow.load(Ordering::Relaxed), "it was limited at first");
        assert_eq!(std::fs::read(run.there.join("a")).unwrap(), big, "{program}");
        assert_eq!((noted(&notes, "copy"), noted(&notes, "rc")), (if listens { 1 } else { 2 }, 1), "{program}");
    }
}

#[tokio::test]
async fn s6_an_rclone_without_progress_is_ended() {
    let bench = Bench::new(LOCAL).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    let (wrapper, _) = noting(&bench, DEBIAN, "[ \"$1\" = copy ] && exec sleep 600");
    let remote = local(&wrapper.display().to_string(), bench.destination.root(), &bench.staging()).remote();
    let mut behind = local(DEBIAN, bench.destination.root(), &bench.staging()).behind();
    behind.transport = std::sync::Arc::new(
        RcloneTransport::new(remote, bench.staging(), None).impatient(std::time::Duration::from_secs(1)),
    );
    let error = push_over(&behind, &bench, &run).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::Network, Side::Destination));
    assert!(error.message.contains("no progress for 1 s"), "{error}");
    assert_eq!(files_below(&run.there), Vec::<PathBuf>::new());
}

/// What an operator's environment says counts for remotes and secrets, not for what is told here.
const MUTE: &str = "export RCLONE_QUIET=true RCLONE_LOG_LEVEL=ERROR RCLONE_LOG_FILE=/dev/null RCLONE_STATS=0 RCLONE_STATS_LOG_LEVEL=DEBUG";
const LOUD: &str = "export RCLONE_VERBOSE=2 RCLONE_PROGRESS=true RCLONE_STATS_ONE_LINE=true RCLONE_LOG_SYSTEMD=true";

#[tokio::test]
async fn v23_an_environment_that_mutes_rclone_does_not_make_its_work_look_hung() {
    for program in [DEBIAN.to_owned(), current()] {
        for (environment, seed) in [(MUTE, 1), (LOUD, 2)] {
            let mut bench = Bench::new(LOCAL).await;
            let big: Vec<u8> = (0..700_000_u32).map(|n| (n * seed % 251) as u8).collect();
            let run = bench.run("P/Runs/Run_1", &[(b"a", &big)]);
            let (wrapper, _) = noting(&bench, &program, environment);
            let remote = local(&wrapper.display().to_string(), bench.destination.root(), &bench.staging()).remote();
            let mut behind = local(&program, bench.destination.root(), &bench.staging()).behind();
            behind.transport =
                Arc::new(RcloneTransport::new(remote, bench.staging(), None).impatient(Duration::from_secs(4)));
            bench.context.limit = Arc::new(|| Some(100));
            push_over(&behind, &bench, &run).await.unwrap();
            assert_eq!(std::fs::read(run.there.join("a")).unwrap(), big, "{program} {environment}");
        }
    }
}

#[tokio::test]
async fn v23_a_large_file_that_the_destination_moves_by_copying_is_waited_for() {
    let bench = Bench::new(LOCAL).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", &vec![7; 31 << 20])]);
    let (wrapper, _) = noting(&bench, DEBIAN, "[ \"$1\" = move ] && sleep 3");
    let remote = local(&wrapper.display().to_string(), bench.destination.root(), &bench.staging()).remote();
    let mut behind = local(DEBIAN, bench.destination.root(), &bench.staging()).behind();
    behind.transport = Arc::new(RcloneTransport::new(remote, bench.staging(), None).impatient(Duration::from_secs(2)));
    push_over(&behind, &bench, &run).await.unwrap();
    assert_eq!(files_below(&run.there), [PathBuf::from("a")]);
}

#[tokio::test]
async fn the_free_space_is_told_where_the_remote_tells_it() {
    // Over sftp rclone counts what the file system keeps for its administrator, too.
    for (make, all) in [(LOCAL, false), (LOCAL_CURRENT, false), (SFTP_CURRENT, true)] {
        let bench = Bench::new(make).await;
        let told = bench.destination.transport().free_bytes(&bench.context).await.unwrap();
        let stat = rustix::fs::statvfs(bench.destination.root()).unwrap();
        let free = if all { stat.f_bfree } else { stat.f_bavail } * stat.f_frsize;
        // Others write meanwhile.
        assert!(told.abs_diff(free) < (8 << 30), "{told} {free}");
    }
    let bench = Bench::new(WEBDAV).await;
    assert_eq!(
        bench.destination.transport().free_bytes(&bench.context).await,
        None,
        "webdav by rclone itself tells none"
    );
}

#[tokio::test]
async fn the_clock_is_told_where_folders_bear_it() {
    for make in [LOCAL, LOCAL_CURRENT, SFTP, SFTP_CURRENT] {
        let bench = Bench::new(make).await;
        let offset = bench.destination.transport().clock_offset_seconds(&bench.context).await.unwrap();
        assert!(offset.abs() <= 1, "{offset}");
        let left = std::fs::read_dir(bench.destination.root().join(".exlab-orchestrator/tmp")).unwrap().count();
        assert_eq!(left, 0, "what was made for it is taken away");
    }
}

#[tokio::test]
async fn v16_an_account_that_greets_is_told_over_sftp_too() {
    let greets = "ForceCommand echo 'Welcome to the lab'; exec /usr/lib/openssh/sftp-server";
    for program in [DEBIAN.to_owned(), current()] {
        let bench = Bench::unmarked(SFTP);
        let (sshd, root, staging) = (Sshd::start_with(greets), bench.destination.root(), bench.staging());
        let behind = sftp_at(&sshd.server(), &program, root, &staging).behind();
        let error = behind.transport().identify(&bench.context).await.unwrap_err();
        assert_eq!((error.class, error.side), (FailureClass::Configuration, Side::Destination), "{error}");
        for words in ["prints text before the answer", "~/.bashrc", "standard error"] {
            assert!(error.message.contains(words), "{error}");
        }
    }
}

#[tokio::test]
async fn an_account_that_may_not_rename_is_told_so_over_sftp() {
    for program in [DEBIAN.to_owned(), current()] {
        let bench = Bench::new(SFTP).await;
        let sshd = Sshd::start_with("ForceCommand internal-sftp -P rename,posix-rename");
        let staging = bench.staging();
        let behind = sftp_at(&sshd.server(), &program, bench.destination.root(), &staging).behind();
        let error = push_over(&behind, &bench, &bench.run("P/Runs/Run_1", &[(b"a", b"1")])).await.unwrap_err();
        assert_eq!((error.class, error.side), (FailureClass::Authentication, Side::Destination), "{error}");
        assert!(error.message.contains("may write there but not rename"), "{error}");
    }
}
