//! Disks behind rclone that are full or may only be read: real ones, over every kind of server that is tested.

use crate::bench::{Bench, Make, file};
use crate::mount_only::{in_own_mounts_of, mount};
use crate::remotes::{LOCAL, LOCAL_CURRENT, SFTP, SFTP_CURRENT, SMB, SMB_CURRENT, WEBDAV};
use domain::job::{FailureClass, Side};
use std::path::Path;

fn small_disk(root: &Path) {
    mount(&["-t", "tmpfs", "-o", "size=4m", "none"], root);
}

/// A destination whose root is a small disk.
macro_rules! small {
    ($make:ident) => {
        (stringify!($make), |root, staging| {
            small_disk(root);
            $make(root, staging)
        })
    };
}

const SMALL: [(&str, Make); 7] = [
    small!(LOCAL),
    small!(LOCAL_CURRENT),
    small!(SFTP),
    small!(SFTP_CURRENT),
    small!(SMB),
    small!(SMB_CURRENT),
    small!(WEBDAV),
];

#[tokio::test]
async fn s8_a_full_and_a_read_only_disk_are_told_apart() {
    if !in_own_mounts_of("rclone_disks", "s8_a_full_and_a_read_only_disk_are_told_apart") {
        return;
    }
    for (name, make) in SMALL {
        let bench = Bench::new(make).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"big", &vec![7; 8 << 20])]);
        let error = bench.push(&run).await.unwrap_err();
        assert_eq!((error.class, error.side), (FailureClass::DestinationFull, Side::Destination), "{name}: {error}");
        assert_eq!(error.files, [file("big")], "{name}");
        assert!(run.there.join("a").exists() && !run.there.join("big").exists(), "{name}: what fits has its name");
        mount(&["-o", "remount,ro", "none"], bench.destination.root());
        let error = bench.push(&bench.run("P/Runs/Run_2", &[(b"a", b"1")])).await.unwrap_err();
        // SFTP and WebDAV have no word for it.
        let expected = FailureClass::DestinationUnreachable;
        assert_eq!((error.class, error.side), (expected, Side::Destination), "{name}: {error}");
        assert!(
            ["ead-only", "rite-protected", "rite protected"].iter().any(|words| error.message.contains(words)),
            "{name}: {error}"
        );
    }
}

/// A destination whose root takes few files.
macro_rules! few_files {
    ($make:ident) => {
        (stringify!($make), |root, staging| {
            mount(&["-t", "tmpfs", "-o", "size=20m,nr_inodes=40", "none"], root);
            $make(root, staging)
        })
    };
}

const FEW_FILES: [(&str, Make); 3] = [few_files!(SFTP), few_files!(SFTP_CURRENT), few_files!(WEBDAV)];

/// These servers cannot say so: it is waited for, and goes on once there is room.
#[tokio::test]
async fn s8_a_disk_that_takes_no_more_files_is_waited_for() {
    if !in_own_mounts_of("rclone_disks", "s8_a_disk_that_takes_no_more_files_is_waited_for") {
        return;
    }
    for (name, make) in FEW_FILES {
        let bench = Bench::new(make).await;
        let names: Vec<String> = (0..60).map(|n| format!("{n:02}")).collect();
        let files: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), &b"x"[..])).collect();
        let run = bench.run("P/Runs/Run_1", &files);
        let error = bench.push(&run).await.unwrap_err();
        let expected = (FailureClass::DestinationUnreachable, Side::Destination);
        assert_eq!((error.class, error.side), expected, "{name}: {error}");
        assert!(error.message.contains("not even a small file"), "{name}: {error}");
        mount(&["-o", "remount,nr_inodes=400", "none"], bench.destination.root());
        let listing = bench.list(&run);
        let seal = bench.push_over(bench.transport(), &run, &listing, "second", None).await.unwrap();
        bench.assert_proven(&run, &seal).await;
    }
}

/// SFTP has no word for this either; where the destination takes other files, no other run waits.
#[tokio::test]
async fn s8_what_is_refused_of_one_run_alone_is_that_runs_alone() {
    if !in_own_mounts_of("rclone_disks", "s8_what_is_refused_of_one_run_alone_is_that_runs_alone") {
        return;
    }
    for (name, make) in [("SFTP", SFTP as Make), ("SFTP_CURRENT", SFTP_CURRENT)] {
        let bench = Bench::new(make).await;
        let run = bench.run("P/Runs/Run_1", &[(b"sub/a", b"1")]);
        let sub = run.there.join("sub");
        std::fs::create_dir_all(&sub).unwrap();
        mount(&["-t", "tmpfs", "-o", "ro", "none"], &sub);
        let error = bench.push(&run).await.unwrap_err();
        assert_eq!((error.class, error.side), (FailureClass::Unknown, Side::Destination), "{name}: {error}");
        let other = bench.run("P/Runs/Run_2", &[(b"sub/a", b"1")]);
        bench.push_and_prove(&other).await;
    }
}
