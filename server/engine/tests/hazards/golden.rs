//! The golden staging tree: every state, misplaced, hidden, linked, corrupt and received runs, and what the existing
//! system answers for them. Mounted read-only here, so that the rows are those of the tree as it is and not of the
//! steps taken since.

use crate::support::*;
use domain::settings::Settings;
use domain::timestamp::Timestamp;
use engine::Engine;
use engine::machine::clock::Clock;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const PROJECT: &str = "CONFOCAL_01/Cortex Q3 Pilot";
const RUNS: &str = "CONFOCAL_01/Cortex Q3 Pilot/Runs";
const MISPLACED: [&str; 3] = ["Runs/TestRun_wrong_place", "TestRun_direct", "TestRuns/Run_wrong_place"];

/// Links come as files that hold their target; times are set to before the history.
fn prepare(staging: &Path) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/staging_sample");
    fs::remove_dir(staging).unwrap();
    copy_folder(&fixtures, staging);
    for link in [
        format!("{RUNS}/Run_symlink"),
        format!("{RUNS}/Run_2026-04-17T14-30/link_to_dir"),
        format!("{RUNS}/Run_2026-04-17T14-30/link_to_file"),
    ] {
        let place = staging.join(link);
        let target = fs::read_to_string(&place).unwrap();
        fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink(target, place).unwrap();
    }
    let before = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_775_000_000);
    for entry in walkdir::WalkDir::new(staging).contents_first(true).into_iter().map(Result::unwrap) {
        if !entry.file_type().is_symlink() {
            fs::File::open(entry.path()).unwrap().set_modified(before).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_golden_tree_gives_the_same_rows_and_rows_for_what_cannot_be_read() {
    let lab = Lab::new();
    let staging = lab.path("staging");
    prepare(&staging);
    let _mounted = Mounted::bind(&staging, &staging);
    command("mount", &["-o", "remount,bind,ro", staging.to_str().unwrap()]).unwrap();
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/staging_sample.expected.json");
    let expected: Value = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    let mut options = lab.options();
    options.background = false;
    options.clock = Clock::manual(Timestamp::parse(expected["now"].as_str().unwrap()).unwrap());
    let settings = Settings { equipment: Vec::new(), ..lab.settings.clone() };
    let engine = Engine::start(settings, options).await.unwrap();

    let polled = engine.watcher().poll_once().await;
    let leaves: BTreeSet<_> = polled.iter().map(|(run, _)| run.as_str().to_owned()).collect();
    let theirs = expected["walk_run_leaves"].as_array().unwrap().iter().map(|leaf| leaf.as_str().unwrap().to_owned());
    // Test runs in `Runs` and runs in `TestRuns` are invisible to the existing system; ours are runs that the gate
    // holds back.
    let wanted: BTreeSet<_> = theirs.chain(MISPLACED.map(|name| format!("{PROJECT}/{name}"))).collect();
    assert_eq!(leaves, wanted);
    let unrecognised: Vec<_> =
        engine.core().staging.unrecognised().iter().map(|finding| finding.run_path.clone()).collect();
    assert_eq!(unrecognised, ["Other_name", "Run_symlink"].map(|name| format!("{PROJECT}/Runs/{name}")));

    let prefix = format!("{}/", staging.display());
    let list = engine.core().index.list(engine.core().site.clock.now());
    let ours: Vec<Value> = list
        .runs
        .iter()
        .map(|row| {
            let mut row = serde_json::to_value(&row.summary).unwrap();
            row["path"] = row["path"].as_str().unwrap().trim_start_matches(prefix.as_str()).into();
            row
        })
        .collect();
    let by_path = |rows: &[Value]| {
        rows.iter().map(|row| (row["path"].as_str().unwrap().to_owned(), row.clone())).collect::<BTreeMap<_, _>>()
    };
    let (found, theirs) = (by_path(&ours), expected["list_staged_runs"].as_array().unwrap().clone());
    for mut row in theirs.iter().cloned() {
        let path = row["path"].as_str().unwrap().to_owned();
        if path.ends_with("Run_major2") {
            // They list another major as if it were readable; ours says that it is not.
            row["current_state"] = "unknown".into();
            row["last_activity_at"] = found[&path]["last_activity_at"].clone();
            row["elapsed_seconds_since_last_activity"] = found[&path]["elapsed_seconds_since_last_activity"].clone();
        }
        // The project folder, which is what both systems' seeds call the parent dir.
        row["project_name"] = path.split('/').nth(1).unwrap().into();
        assert_eq!(found[&path], row);
    }
    let state = |name: &str| found[&format!("{RUNS}/{name}")]["current_state"].as_str().unwrap().to_owned();
    assert_eq!(state("Run_corrupt_ingest"), "unknown");
    assert_eq!(state("Run_unknown_state"), "archived");
    assert_eq!(state("Run_no_ingest"), "staging");
    assert_eq!(found.len(), wanted.len());
    // Most recent activity first, then path; theirs keep their order among ours.
    let order = |rows: &[Value]| -> Vec<String> {
        let major = format!("{RUNS}/Run_major2");
        let known = by_path(&theirs);
        let paths = rows.iter().map(|row| row["path"].as_str().unwrap().to_owned());
        paths.filter(|path| known.contains_key(path) && *path != major).collect()
    };
    assert_eq!(order(&ours), order(&theirs));
    engine.stop().await;
}
