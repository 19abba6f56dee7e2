//! What only a mounted destination can meet. Tests that need a file system of their own run again in a mount namespace
//! of their own; where that is not allowed they fail and say so.

use crate::MOUNT;
use crate::bench::{Bench, Make, file, files_below, marker, write};
use domain::job::{FailureClass, Side};
use domain::path::FilePath;
use domain::proof::ProofLevel;
use engine::files::source::SourceError;
use engine::keep::seal::{Listing, SealError, SealWriter};
use engine::transport::mount::MountTransport;
use engine::transport::{RecordFile, Transport, TransportError};
use engine::verify::Verification;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

fn in_own_mounts(test: &str) -> bool {
    in_own_mounts_of("mount_only", test)
}

/// Runs this very test again where it may mount; true there, false in the outer run once the inner one has passed.
pub fn in_own_mounts_of(module: &str, test: &str) -> bool {
    const INSIDE: &str = "EXLAB_TEST_OWN_MOUNTS";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = Command::new("unshare");
    command.arg("--mount").args(if root { &[][..] } else { &["--user", "--map-root-user"] });
    command.arg("--").arg(std::env::current_exe().unwrap()).args([
        "--exact",
        &format!("{module}::{test}"),
        "--nocapture",
    ]);
    let output = command.env(INSIDE, "1").output().expect("this test needs `unshare` of util-linux");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test} failed in its own mount namespace (or none is allowed here):\n{said}");
    assert!(said.contains("1 passed"), "{test} did not run in its own mount namespace:\n{said}");
    false
}

pub fn mount(arguments: &[&str], target: &Path) {
    std::fs::create_dir_all(target).unwrap();
    assert!(Command::new("mount").args(arguments).arg(target).status().unwrap().success(), "mount {arguments:?}");
}

const TINY: Make = |root, staging| {
    mount(&["-t", "tmpfs", "-o", "size=4m", "none"], root);
    MOUNT(root, staging)
};

const UNDROPPABLE: Make = |root, staging| {
    mount(&["-t", "ramfs", "none"], root);
    MOUNT(root, staging)
};

/// What all calls say of a root that is not another place than the staging tree.
async fn assert_foreign(bench: &Bench, root: PathBuf) {
    let transport = MountTransport::new(root.clone(), bench.staging());
    let refused = |error: TransportError| {
        assert_eq!(error.class, FailureClass::DestinationForeign, "{}: {error}", root.display())
    };
    refused(transport.mark(&marker(), true, &bench.context).await.unwrap_err());
    write(&root.join(".exlab-orchestrator/identity.json"), &serde_json::to_vec(&marker()).unwrap());
    refused(transport.identify(&bench.context).await.unwrap_err());
    let run = domain::path::RunPath::parse("EQ_1/P/Runs/Run_9").unwrap();
    let record = [RecordFile { path: file(".exlab-wizard/x"), bytes: b"x".to_vec().into() }];
    refused(transport.put_record(&run, 1, &record, &bench.context).await.unwrap_err());
    std::fs::remove_dir_all(root.join(".exlab-orchestrator")).unwrap();
}

#[tokio::test]
async fn v22_a_destination_that_goes_while_it_is_read_is_not_waited_for_file_by_file() {
    let bench = Bench::new(MOUNT).await;
    let names: Vec<String> = (0..6_000).map(|n| format!("{n:04}")).collect();
    let files: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), name.as_bytes())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    let seal = bench.push(&run).await.unwrap();
    // The last one cannot be read; and until then the marker is gone.
    std::fs::remove_file(run.there.join("5999")).unwrap();
    std::fs::create_dir(run.there.join("5999")).unwrap();
    let mut answered = 0;
    let own = bench.destination.root().join(".exlab-orchestrator");
    let mut take = |_| {
        let _ = std::fs::rename(&own, own.with_extension("gone"));
        answered += 1;
    };
    let error = bench.transport().hashes(&run.path, &seal, None, &mut take, &bench.context).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::DestinationUnreachable, Side::Destination), "{error}");
    assert!(answered < 6_000);
}

#[tokio::test]
async fn v10_a_root_that_is_not_there_is_unreachable() {
    let bench = Bench::new(MOUNT).await;
    let transport = MountTransport::new(bench.dir.path().join("nas/none"), bench.staging());
    for error in [
        transport.identify(&bench.context).await.unwrap_err(),
        transport.mark(&marker(), false, &bench.context).await.unwrap_err(),
    ] {
        assert_eq!((error.class, error.side), (FailureClass::DestinationUnreachable, Side::Destination));
    }
    assert!(!bench.dir.path().join("nas/none").exists());
}

#[tokio::test]
async fn d12_a_destination_in_around_or_at_the_staging_tree_is_refused() {
    let bench = Bench::unmarked(MOUNT);
    let inside = bench.staging().join("EQ_1");
    std::fs::create_dir_all(inside.join("P/Runs/Run_1")).unwrap();
    symlink(&inside, bench.dir.path().join("looks-elsewhere")).unwrap();
    let roots = [
        bench.staging(),
        inside.clone(),
        inside.join("P/Runs/Run_1"),
        bench.dir.path().to_owned(),
        bench.dir.path().join("looks-elsewhere"),
    ];
    for root in roots {
        assert_foreign(&bench, root).await;
    }
}

#[tokio::test]
async fn d12_a_bind_mount_of_the_staging_tree_is_refused() {
    if !in_own_mounts("d12_a_bind_mount_of_the_staging_tree_is_refused") {
        return;
    }
    let bench = Bench::unmarked(MOUNT);
    let deep = bench.staging().join("EQ_1/P/Runs/Run_1/raw");
    std::fs::create_dir_all(&deep).unwrap();
    for (n, hidden) in [bench.staging(), bench.staging().join("EQ_1"), deep].into_iter().enumerate() {
        let target = bench.dir.path().join(format!("bound {n}"));
        std::fs::create_dir(&target).unwrap();
        assert!(Command::new("mount").arg("--bind").args([&hidden, &target]).status().unwrap().success());
        assert_foreign(&bench, target).await;
    }
    // The other way round: the staging tree is mounted from inside the destination.
    let inner = bench.dir.path().join("nas/EQ_1/hidden");
    std::fs::create_dir_all(&inner).unwrap();
    assert!(Command::new("mount").arg("--bind").args([&inner, &bench.staging()]).status().unwrap().success());
    assert_foreign(&bench, bench.dir.path().join("nas/EQ_1")).await;
}

#[tokio::test]
async fn d12_a_marker_that_the_staging_tree_shows_is_refused() {
    // A server that exports this computer's staging tree back to it: another device, the same content.
    let bench = Bench::new(MOUNT).await;
    let own = std::fs::read(bench.destination.root().join(".exlab-orchestrator/identity.json")).unwrap();
    for folder in ["", "EQ_1", "EQ_1/P"] {
        let copy = bench.staging().join(folder).join(".exlab-orchestrator/identity.json");
        write(&copy, &own);
        assert_eq!(
            bench.transport().identify(&bench.context).await.unwrap_err().class,
            FailureClass::DestinationForeign,
            "{folder:?}"
        );
        std::fs::remove_file(&copy).unwrap();
    }
    bench.transport().identify(&bench.context).await.unwrap();
}

#[tokio::test]
async fn d12_a_hard_link_to_the_source_is_no_copy() {
    let bench = Bench::new(MOUNT).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"b", b"2"), (b"sub/c", b"3")]);
    let listing = bench.list(&run);
    let seal = bench.push_listed(&run, &listing, "seal", None).await.unwrap();
    for (name, count) in [("a", 1), ("sub/c", 2)] {
        std::fs::remove_file(run.there.join(name)).unwrap();
        std::fs::hard_link(run.source.path().join(name), run.there.join(name)).unwrap();
        match bench.verify(&run, &seal).await {
            Verification::Differs { class, total, .. } => {
                assert_eq!((class, total), (FailureClass::DestinationForeign, count))
            }
            other => panic!("{other:?}"),
        }
    }
    let error = bench.push(&run).await.unwrap_err();
    assert_eq!((error.class, error.files), (FailureClass::DestinationForeign, vec![file("a")]));
}

#[tokio::test]
async fn d9_links_at_the_destination_are_not_followed() {
    let bench = Bench::new(MOUNT).await;
    let elsewhere = bench.dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    // The project's folder is a link.
    symlink(&elsewhere, bench.destination.root().join("P")).unwrap();
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"sub/b", b"2")]);
    assert_eq!(bench.push(&run).await.unwrap_err().class, FailureClass::Conflict);
    std::fs::remove_file(bench.destination.root().join("P")).unwrap();
    // A folder of the run is one, and a file.
    std::fs::create_dir_all(&run.there).unwrap();
    symlink(&elsewhere, run.there.join("sub")).unwrap();
    symlink(elsewhere.join("a"), run.there.join("a")).unwrap();
    let error = bench.push(&run).await.unwrap_err();
    assert_eq!((error.class, error.files), (FailureClass::Conflict, vec![file("a"), file("sub/b")]));
    assert_eq!(files_below(&elsewhere), Vec::<PathBuf>::new());
    // Bytes behind a link prove nothing.
    std::fs::remove_file(run.there.join("a")).unwrap();
    std::fs::remove_file(run.there.join("sub")).unwrap();
    let seal = bench.push(&run).await.unwrap();
    std::fs::rename(run.there.join("sub"), elsewhere.join("sub")).unwrap();
    symlink(elsewhere.join("sub"), run.there.join("sub")).unwrap();
    assert!(matches!(
        bench.verify(&run, &seal).await,
        Verification::Differs { class: FailureClass::CouldNotHash, total: 1, .. }
    ));
}

#[tokio::test]
async fn v12_v15_links_and_fifos_in_a_run_are_not_sent_and_hang_nothing() {
    let bench = Bench::new(MOUNT).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    symlink("/etc/passwd", run.source.path().join("link")).unwrap();
    assert!(Command::new("mkfifo").arg(run.source.path().join("fifo")).status().unwrap().success());
    bench.push_and_prove(&run).await;
    assert_eq!(files_below(&run.there), [PathBuf::from("a")]);
    assert_eq!(std::fs::read_dir(&run.there).unwrap().count(), 1);
    // A FIFO takes the place of a listed file, and a FIFO that of one at the destination.
    let listing = bench.list(&run);
    let seal = bench.push_listed(&run, &listing, "seal", None).await.unwrap();
    for place in [run.source.path().join("a"), run.there.join("a")] {
        std::fs::remove_file(&place).unwrap();
        assert!(Command::new("mkfifo").arg(&place).status().unwrap().success());
    }
    assert!(matches!(
        bench.verify(&run, &seal).await,
        Verification::Differs { class: FailureClass::CouldNotHash, total: 1, .. }
    ));
    std::fs::remove_file(run.there.join("a")).unwrap();
    let error = bench.push_listed(&run, &listing, "other", None).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::LocalFileChanged, Side::Source));
}

#[tokio::test]
async fn a_full_destination_is_said_and_goes_on_when_there_is_room() {
    if !in_own_mounts("a_full_destination_is_said_and_goes_on_when_there_is_room") {
        return;
    }
    let bench = Bench::new(TINY).await;
    let (small, big) = (vec![1_u8; 1 << 20], vec![2_u8; 6 << 20]);
    let run = bench.run("P/Runs/Run_1", &[(b"a", &small), (b"big", &big)]);
    let listing = bench.list(&run);
    for _ in 0..2 {
        let error = bench.push_listed(&run, &listing, "seal", None).await.unwrap_err();
        assert_eq!((error.class, error.side), (FailureClass::DestinationFull, Side::Destination), "{error}");
        assert!(!run.there.join("big").exists());
        bench.assert_no_leftovers();
    }
    mount(&["-o", "remount,size=16m"], bench.destination.root());
    let seal = bench.push_listed(&run, &listing, "seal", None).await.unwrap();
    bench.assert_proven(&run, &seal).await;
    // A record that does not fit is said, too, and the earlier one stays.
    let record = |bytes: Vec<u8>| [RecordFile { path: file(".exlab-wizard/ingest.json"), bytes: bytes.into() }];
    bench.transport().put_record(&run.path, 1, &record(b"{}".to_vec()), &bench.context).await.unwrap();
    let error =
        bench.transport().put_record(&run.path, 1, &record(vec![0; 20 << 20]), &bench.context).await.unwrap_err();
    assert_eq!(error.class, FailureClass::DestinationFull);
    assert_eq!(std::fs::read(run.there.join(".exlab-wizard/ingest.json")).unwrap(), b"{}");
    bench.assert_no_leftovers();
    // What stands there as it is to be is not written again.
    let inode = || std::fs::metadata(run.there.join(".exlab-wizard/ingest.json")).unwrap().ino();
    let before = inode();
    bench.transport().put_record(&run.path, 1, &record(b"{}".to_vec()), &bench.context).await.unwrap();
    assert_eq!(inode(), before);
    // Read-only for a while is waited for.
    mount(&["-o", "remount,ro"], bench.destination.root());
    let other = bench.run("P/Runs/Run_2", &[(b"a", b"1")]);
    assert_eq!(bench.push(&other).await.unwrap_err().class, FailureClass::DestinationUnreachable);
    bench.assert_proven(&run, &seal).await;
}

#[tokio::test]
async fn a_full_state_folder_is_said() {
    if !in_own_mounts("a_full_state_folder_is_said") {
        return;
    }
    let bench = Bench::new(MOUNT).await;
    let run = bench.run("P/Runs/Run_1", &[]);
    for n in 0..2_000 {
        write(&run.source.path().join(format!("{n:0200}")), b"");
    }
    let state = bench.dir.path().join("state");
    mount(&["-t", "tmpfs", "-o", "size=256k", "none"], &state);
    let error = Listing::of_run(&run.source, &state.join("listing"), 0, |_| ()).unwrap_err();
    assert!(matches!(error, SealError::Io { .. }));
    let error = TransportError::from(error);
    assert_eq!((error.class, error.side), (FailureClass::LocalFull, Side::Here));
    let listing = bench.list(&run);
    let writer = SealWriter::open(&listing, &state.join("seal"));
    assert!(matches!(
        writer.map(|_| ()).map_err(TransportError::from),
        Ok(()) | Err(TransportError { class: FailureClass::LocalFull, .. })
    ));
}

#[tokio::test]
async fn what_cannot_be_read_past_the_cache_is_l1() {
    if !in_own_mounts("what_cannot_be_read_past_the_cache_is_l1") {
        return;
    }
    let bench = Bench::new(UNDROPPABLE).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"big", &vec![5; 5 << 20])]);
    let seal = bench.push(&run).await.unwrap();
    match bench.verify(&run, &seal).await {
        Verification::Proven(manifest) => {
            assert_eq!((manifest.level(), manifest.method()), (ProofLevel::L1, "read back, maybe from the cache"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_disk_is_read_past_the_cache() {
    let bench = Bench::new(MOUNT).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"page", &[1; 4096]), (b"big", &vec![5; (5 << 20) + 1])]);
    let seal = bench.push(&run).await.unwrap();
    match bench.verify(&run, &seal).await {
        Verification::Proven(manifest) => assert_eq!(manifest.level(), ProofLevel::L3, "{}", manifest.method()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn leftovers_of_an_earlier_start_are_removed_and_nothing_else() {
    let bench = Bench::new(MOUNT).await;
    let own = bench.destination.root().join(".exlab-orchestrator/tmp");
    write(&own.join("push-0123456789abcdef-7"), b"half");
    write(&own.join("somebody's"), b"not ours");
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    bench.push_and_prove(&run).await;
    assert_eq!(files_below(&own), [PathBuf::from("somebody's")]);
}

#[tokio::test]
async fn a_slow_limit_is_kept_and_its_end_is_noticed() {
    let mut bench = Bench::new(MOUNT).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", &vec![1; 256 << 10])]);
    // 512 KiB/s: half a second for this file.
    bench.context.limit = Arc::new(|| Some(512));
    let began = std::time::Instant::now();
    bench.push(&run).await.unwrap();
    assert!(began.elapsed().as_millis() >= 450, "{:?}", began.elapsed());
}

#[tokio::test]
async fn thousands_of_files_in_many_folders() {
    let bench = Bench::new(MOUNT).await;
    let run = bench.run("P/Runs/Run_1", &[]);
    for n in 0..3_000_u32 {
        write(&run.source.path().join(format!("{}/{n}", n % 37)), &n.to_le_bytes());
    }
    let seal = bench.push_and_prove(&run).await;
    assert_eq!(seal.totals().files, 3_000);
    assert_eq!(bench.placed.lock().unwrap().len(), 3_000);
    let sorted: Vec<FilePath> = seal.files().unwrap().map(|file| file.unwrap().path).collect();
    assert!(sorted.is_sorted());
}

#[tokio::test]
async fn a_run_that_is_gone_is_said() {
    let bench = Bench::new(MOUNT).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    let listing = bench.list(&run);
    std::fs::remove_dir_all(run.source.path()).unwrap();
    let error = bench.push_listed(&run, &listing, "seal", None).await.unwrap_err();
    assert_eq!(error.class, FailureClass::LocalFileVanished);
    let root = engine::files::source::StagingRoot::open(&bench.staging()).unwrap();
    assert!(matches!(root.run(&run.path), Err(SourceError::RunGone { .. })));
}
