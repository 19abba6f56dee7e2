//! Clearing on the day that it is for: the disk is full, of bytes or of files (D21).

use crate::support::*;
use std::fs;

/// The day this program is for: one disk for staging and state, full to the last byte, and an operator clears.
#[tokio::test(flavor = "multi_thread")]
async fn d21_a_run_is_cleared_on_a_disk_of_no_free_byte() {
    let (lab, first, second) = (Lab::new(), run("Run_1"), run("Run_2"));
    let disk = lab.path("disk");
    fs::create_dir(&disk).unwrap();
    let _mounted = Mounted::tmpfs(&disk, "24m");
    for name in ["staging", "state"] {
        fs::create_dir(disk.join(name)).unwrap();
        fs::remove_dir(lab.path(name)).unwrap();
        std::os::unix::fs::symlink(disk.join(name), lab.path(name)).unwrap();
    }
    let engine = lab.start().await;
    for run in [&first, &second] {
        lab.push_usual(run);
        until_verified(&engine, run).await;
    }
    let pushed = data_below(&lab.staging(first.as_str()));
    for run in [&first, &second] {
        fill(&disk);
        let answer = engine.clear(run.as_str()).await.unwrap_or_else(|problem| panic!("{run}: {problem:?}"));
        assert_eq!((answer.clearing, answer.files_freed > 5), (None, true));
        assert_eq!(data_below(&lab.nas(run)), pushed, "{run}");
        assert!(!lab.staging(run.as_str()).exists());
        free(&disk);
        let whole = || fs::metadata(disk.join("state/.exlab-reserve")).is_ok_and(|file| file.len() >= 2 << 20);
        until("the room is kept back again", async || whole().then_some(())).await;
    }
    engine.stop().await;
}

/// The same where there is room, and no more files can be made.
#[tokio::test(flavor = "multi_thread")]
async fn d21_a_run_is_cleared_on_a_disk_that_takes_no_more_files() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let staging = lab.path("staging");
    let _mounted = Mounted::tmpfs(&staging, "24m,nr_inodes=400");
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    until_record_sent(&engine, &run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let spare = || fs::metadata(staging.join(".exlab-reserve-4")).is_ok();
    assert!(spare(), "some are kept back");
    let filler = staging.join(".filler");
    fs::create_dir(&filler).unwrap();
    let made = |n: &u32| filler.join(n.to_string());
    let full = (0..1_000).find(|n| fs::File::create(made(n)).is_err()).unwrap();
    let answer = engine.clear(run.as_str()).await.unwrap();
    assert_eq!((answer.clearing, answer.files_freed > 5), (None, true));
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    (0..full).for_each(|n| fs::remove_file(made(&n)).unwrap());
    until("some are kept back again", async || spare().then_some(())).await;
    engine.stop().await;
}
