//! The plan is the same for the same seed, and carrying it out touches nothing that was there.

use super::*;
use plan::{Deed, Flavour};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const START: i64 = 1_776_436_320;

fn planned(seed: u64) -> Plan {
    Plan::new(seed, 6, &equipment::of_the_demo(), Timestamp::from_unix_seconds(START))
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_one_does_not() {
    assert_eq!(planned(7), planned(7));
    assert_ne!(planned(7), planned(8));
}

#[test]
fn every_kind_of_run_is_there_and_the_signal_comes_after_the_data() {
    let plan = planned(1);
    for flavour in [Flavour::Usual, Flavour::Test, Flavour::Big, Flavour::Late] {
        assert!(plan.runs.iter().any(|run| run.flavour == flavour), "{flavour:?}");
    }
    assert!(plan.steps.is_sorted_by_key(|step| step.at));
    for (index, run) in plan.runs.iter().enumerate() {
        let steps: Vec<_> = plan.steps.iter().filter(|step| step.run == index).map(|step| step.deed).collect();
        let signal = steps.iter().position(|deed| *deed == Deed::Signal).unwrap();
        assert_eq!(steps[0], Deed::Begin);
        for (file, planned) in run.files.iter().enumerate() {
            let whole = steps.iter().position(|deed| *deed == Deed::Append { file, up_to: planned.size }).unwrap();
            let late = run.flavour == Flavour::Late && file + 1 == run.files.len();
            assert_eq!(whole > signal, late, "run {index} file {file}");
        }
    }
    assert!(plan.runs[2].files.iter().map(|file| file.size).sum::<u64>() > 200 << 20, "the big one is big");
}

fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn push(staging: &Path) {
    let options = Options {
        staging: staging.to_owned(),
        equipment: vec!["E:manifest=m.json".parse().unwrap()],
        runs: 2,
        pace: 0.0,
        seed: 3,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(push_all(&options, Timestamp::from_unix_seconds(START))).unwrap();
}

#[test]
fn the_same_seed_pushes_the_same_bytes_and_a_second_start_touches_nothing() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    push(one.path());
    push(two.path());
    let first = tree(one.path());
    assert_eq!(first, tree(two.path()));
    assert!(first.keys().any(|name| name.contains("/TestRuns/TestRun_2026-04-17T14-31/m.json")), "{:?}", first.keys());
    let manifest = first.iter().find(|(name, _)| name.ends_with("/Runs/Run_2026-04-17T14-30/m.json")).unwrap().1;
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    for file in manifest["files"].as_array().unwrap() {
        let found = first
            .iter()
            .find(|(name, _)| name.contains("/Runs/") && name.ends_with(file["path"].as_str().unwrap()))
            .unwrap();
        assert_eq!(found.1.len() as u64, file["size"].as_u64().unwrap());
    }

    push(one.path());
    let after = tree(one.path());
    assert!(first.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "nothing that was there has changed");
    assert_eq!(after.len(), 2 * first.len());
}

#[test]
fn a_missing_staging_tree_is_not_made() {
    let options = Options { staging: "/no/such/folder".into(), equipment: vec![], runs: 1, pace: 0.0, seed: 1 };
    assert!(matches!(run(&options), Err(SimulateError::NoStaging(_))));
}
