//! One run's whole life with the real engine, driven by the command line alone; and who must stay out meanwhile.

use crate::serve::{PATIENCE, serve, signal};
use crate::tool::{Place, ended};
use std::fs;
use std::path::Path;
use std::time::Duration;

const RUN: &str = "CONFOCAL_01/Cortex Q3 Pilot/Runs/Run_2026-04-17T14-32";

/// A staging tree, a folder standing for the NAS, and their config.
fn laboratory() -> Place {
    let place = Place::on_disk();
    let folder = place.path().to_owned();
    for name in ["staging", "nas/CONFOCAL_01"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let text = format!(
        "orchestrator: {{label: Station, staging_root: '{folder}/staging'}}\nserver: {{listen: '127.0.0.1:0'}}\nequipment:\n  - id: CONFOCAL_01\n    \
         settle_seconds: 1\n    completeness_signal: sentinel_file\n    sentinel_filename: done.flag\n    \
         transport: {{type: mount, path: '{folder}/nas/CONFOCAL_01'}}\n",
        folder = folder.display()
    );
    fs::write(place.config(), text).unwrap();
    place
}

fn push(staging: &Path) {
    let run = staging.join(RUN);
    fs::create_dir_all(run.join(".exlab-wizard")).unwrap();
    fs::create_dir_all(run.join("raw")).unwrap();
    let creation = include_str!("../../../app/domain/tests/fixtures/creation/experimental.json");
    fs::write(run.join(".exlab-wizard/creation.json"), creation).unwrap();
    fs::write(run.join("raw/stack 1.tif"), vec![7; 100_000]).unwrap();
    fs::write(run.join("done.flag"), "").unwrap();
}

/// Asks until the run stands in this state.
async fn until(place: &Place, state: &str) {
    let reached = async {
        loop {
            let list = place.run(&["list", "--json"]).await;
            let rows: serde_json::Value = serde_json::from_str(&list.out).unwrap_or_default();
            if rows["runs"][0]["current_state"] == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never {state}"));
}

#[tokio::test]
async fn a_run_lands_is_proven_and_is_cleared() {
    let place = laboratory();
    let (staging, nas) = (place.path().join("staging"), place.path().join("nas/CONFOCAL_01"));
    for _ in 0..2 {
        let marked = place.run(&["nas", "init", "CONFOCAL_01"]).await;
        assert_eq!(marked.code, 0, "its own marker is adopted: {}", marked.errors);
    }
    assert_eq!(place.run(&["nas", "init", "NONE_01"]).await.code, 1);
    let (child, _lines, address) = serve(&place, &[]).await;
    // The commands below find the server by the config.
    let text = fs::read_to_string(place.config()).unwrap();
    fs::write(place.config(), text.replace("127.0.0.1:0", &address)).unwrap();

    let second = place.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!((second.code, second.errors.contains("already")) == (1, true), "{}", second.errors);
    assert!(!second.out.contains("panel  "), "{}", second.out);

    push(&staging);
    until(&place, "sync_verified").await;
    let plan = place.run(&["clear", RUN, "--dry-run"]).await;
    assert!((plan.code, plan.out.contains("can be cleared")) == (0, true), "{}{}", plan.out, plan.errors);
    assert!(staging.join(RUN).join("raw/stack 1.tif").exists(), "a dry run keeps everything");

    fs::write(staging.join(RUN).join("late.tif"), "late").unwrap();
    let refused = place.run(&["clear", RUN]).await;
    assert!((refused.code, refused.errors.contains("late.tif")) == (1, true), "d3: {}", refused.errors);
    fs::remove_file(staging.join(RUN).join("late.tif")).unwrap();

    let cleared = place.run(&["clear", RUN]).await;
    assert_eq!(cleared.code, 0, "{}", cleared.errors);
    assert!(!staging.join(RUN).exists());
    let on_nas = nas.join(RUN.strip_prefix("CONFOCAL_01/").unwrap());
    assert_eq!(fs::read(on_nas.join("raw/stack 1.tif")).unwrap(), vec![7; 100_000]);
    assert_eq!(place.run(&["clear", RUN]).await.code, 0, "clearing what is gone is no fault");

    signal(&child, "TERM");
    let ended = tokio::time::timeout(PATIENCE, ended(child)).await.expect("it ends");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert_eq!(place.run(&["list"]).await.code, 3);
}
