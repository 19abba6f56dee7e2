//! Disks behind rclone that are full or may only be read: real ones, over every kind of server that is tested.

use crate::bench::{Bench, Make, file};
use crate::mount_only::{in_own_mounts_of, mount};
use crate::remotes::{LOCAL, LOCAL_CURRENT, SFTP, SFTP_CURRENT, SMB, SMB_CURRENT};
use domain::job::{FailureClass, Side};
use std::path::Path;

fn small_disk(root: &Path) {
    mount(&["-t", "tmpfs", "-o", "size=4m", "none"], root);
}

const SMALL: [(&str, Make); 6] = [
    ("local", |root, staging| {
        small_disk(root);
        LOCAL(root, staging)
    }),
    ("local, current", |root, staging| {
        small_disk(root);
        LOCAL_CURRENT(root, staging)
    }),
    ("sftp", |root, staging| {
        small_disk(root);
        SFTP(root, staging)
    }),
    ("sftp, current", |root, staging| {
        small_disk(root);
        SFTP_CURRENT(root, staging)
    }),
    ("smb", |root, staging| {
        small_disk(root);
        SMB(root, staging)
    }),
    ("smb, current", |root, staging| {
        small_disk(root);
        SMB_CURRENT(root, staging)
    }),
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
        // SFTP has no word for it.
        let expected = if name.contains("sftp") { FailureClass::Unknown } else { FailureClass::Configuration };
        assert_eq!((error.class, error.side), (expected, Side::Destination), "{name}: {error}");
        assert!(["ead-only", "rite-protected", "rite protected"].iter().any(|words| error.message.contains(words)), "{name}: {error}");
    }
}
