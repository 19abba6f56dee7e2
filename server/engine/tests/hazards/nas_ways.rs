//! What network storage does for a while, or by its nature (V20): read-only, out of files, holes, modes.

use crate::support::*;
use domain::api::RunRow;
use domain::job::{FailureClass, JobState};
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

fn error_of(row: &RunRow) -> Option<(FailureClass, String)> {
    row.job.as_ref().and_then(|job| job.error.as_ref()).map(|error| (error.code, error.message.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn v20_a_destination_that_is_read_only_for_a_while_is_waited_for() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let nas = lab.path("nas/SCOPE_01");
    let _mounted = Mounted::tmpfs(&nas, "8m");
    let engine = lab.start().await;
    let mount = |how: &str| command("mount", &["-o", &format!("remount,{how}"), nas.to_str().unwrap()]).unwrap();
    mount("ro");
    lab.push_usual(&run);
    let waits =
        |row: &RunRow| row.job.as_ref().is_some_and(|job| job.waiting_for_destination && job.state == JobState::Queued);
    let (class, message) = error_of(&until_row(&engine, &run, "it waits", waits).await).unwrap();
    assert_eq!(class, FailureClass::DestinationUnreachable, "{message}");
    assert!(message.contains("read-only now"), "{message}");
    mount("rw");
    until_verified(&engine, &run).await;
    assert_eq!(row(&engine, &run).await.job.unwrap().attempts, 0, "waiting uses no retry");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v20_a_destination_that_takes_no_more_files_says_so_although_it_has_room() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let nas = lab.path("nas/SCOPE_01");
    let _mounted = Mounted::tmpfs(&nas, "8m,nr_inodes=60");
    let engine = lab.start().await;
    let mut taken = Vec::new();
    while fs::write(nas.join(format!("taken-{}", taken.len())), "").is_ok() {
        taken.push(nas.join(format!("taken-{}", taken.len())));
    }
    lab.push_usual(&run);
    let (class, message) =
        error_of(&until_row(&engine, &run, "it says so", |row| error_of(row).is_some()).await).unwrap();
    assert_eq!(class, FailureClass::DestinationFull, "{message}");
    assert!(message.contains("no more files can be made there (0 of 60 left)"), "{message}");
    let attention = engine.overview().await.unwrap().equipment;
    assert!(
        attention.iter().any(|there| there.last_error.as_ref().is_some_and(|error| error.message.contains("0 of 60"))),
        "{attention:#?}"
    );
    taken.iter().for_each(|file| fs::remove_file(file).unwrap());
    engine.retry(run.as_str()).await.unwrap();
    until_verified(&engine, &run).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v20_holes_stay_holes_and_every_byte_is_proven() {
    const SIZE: u64 = 200 << 20;
    let (lab, run) = (Lab::new(), run("Run_1"));
    let nas = lab.path("nas/SCOPE_01");
    let _mounted = Mounted::tmpfs(&nas, "8m");
    let engine = lab.start().await;
    lab.push_usual(&run);
    fs::remove_file(lab.staging(run.as_str()).join(SENTINEL)).unwrap();
    for (name, at) in
        [("start.raw", 0), ("middle.raw", 100 << 20), ("odd.raw", (70 << 20) + 4_097), ("end.raw", SIZE - 3)]
    {
        let file = fs::File::create(lab.staging(run.as_str()).join(name)).unwrap();
        file.set_len(SIZE).unwrap();
        file.write_all_at(b"abc", at).unwrap();
    }
    fs::File::create(lab.staging(run.as_str()).join("nothing.raw")).unwrap().set_len(SIZE).unwrap();
    lab.push(&run, &[(SENTINEL, b"")]);
    until_verified(&engine, &run).await;
    for name in ["start.raw", "middle.raw", "odd.raw", "end.raw", "nothing.raw"] {
        let there = fs::metadata(lab.nas(&run).join(name)).unwrap();
        assert!(
            there.len() == SIZE && there.blocks() * 512 < 1 << 20,
            "{name}: {} bytes on the disk",
            there.blocks() * 512
        );
        assert!(
            command(
                "cmp",
                &[lab.staging(run.as_str()).join(name).to_str().unwrap(), lab.nas(&run).join(name).to_str().unwrap()]
            )
            .is_ok()
        );
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v20_what_is_closed_to_others_here_is_closed_to_others_there() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push(&run, &[("private/patient.csv", b"names"), ("private.txt", b"names"), ("raw/open.tif", b"pixels")]);
    let mode = |folder: &std::path::Path, name: &str| fs::metadata(folder.join(name)).unwrap().mode() & 0o777;
    let here = lab.staging(run.as_str());
    for (name, mode) in [
        ("private", 0o700),
        ("private/patient.csv", 0o644),
        ("private.txt", 0o600),
        ("raw", 0o755),
        ("raw/open.tif", 0o444),
    ] {
        fs::set_permissions(here.join(name), Permissions::from_mode(mode)).unwrap();
    }
    lab.push(&run, &[(SENTINEL, b"")]);
    until_verified(&engine, &run).await;
    let there = lab.nas(&run);
    assert_eq!((mode(&there, "private"), mode(&there, "private.txt")), (0o700, 0o600));
    // The umask of this process closes more where it is stricter; nothing opens more.
    for name in ["private/patient.csv", "raw", "raw/open.tif"] {
        assert_eq!(mode(&there, name) & 0o077 & !mode(&here, name), 0, "{name}: {:o} there", mode(&there, name));
        assert_eq!(mode(&there, name) & 0o600, 0o600, "{name} stays ours to read");
    }
    engine.stop().await;
}

/// Makes every file below a folder immutable, or lets it be changed again.
fn immutable(how: &str, folder: &std::path::Path) {
    for (name, _) in files_below(folder) {
        let path = folder.join(name);
        command("chattr", &[how, path.to_str().unwrap()])
            .expect("this test needs a file system that knows immutable files, such as ext4");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d20_a_write_once_nas_takes_the_finished_record_beside_and_the_run_is_cleared() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    until_record_sent(&engine, &run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let root = lab.path("nas/SCOPE_01");
    immutable("+i", &root);
    let cleared = engine.clear(run.as_str()).await;
    immutable("-i", &root);
    cleared.unwrap();
    assert!(!lab.staging(run.as_str()).exists());
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    assert_eq!(
        history_of(&lab.nas(&run).join(".exlab-wizard/ingest.json")).last().unwrap(),
        "sync_verified",
        "nothing was replaced"
    );
    let versions = lab.nas(&run).join(".exlab-wizard/versions");
    let beside: Vec<_> = files_below(&versions).into_iter().filter(|(name, _)| name.ends_with("ingest.json")).collect();
    assert_eq!(beside.len(), 1);
    assert_eq!(history_of(&versions.join(&beside[0].0)).last().unwrap(), "cleared");
    engine.stop().await;
}
