//! Disks behind rclone that are full or may only be read: real ones, over every kind of server that is tested.

use crate::bench::{Bench, Make, file};
use crate::mount_only::{in_own_mounts_of, mount};
use crate::remotes::{LOCAL, LOCAL_CURRENT, SFTP, SFTP_CURRENT, SMB, SMB_CURRENT};
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

const SMALL: [(&str, Make); 6] =
    [small!(LOCAL), small!(LOCAL_CURRENT), small!(SFTP), small!(SFTP_CURRENT), small!(SMB), small!(SMB_CURRENT)];

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
        let expected = if name.contains("SFTP") { FailureClass::Unknown } else { FailureClass::DestinationUnreachable };
        assert_eq!((error.class, error.side), (expected, Side::Destination), "{name}: {error}");
        assert!(
            ["ead-only", "rite-protected", "rite protected"].iter().any(|words| error.message.contains(words)),
            "{name}: {error}"
        );
    }
}
