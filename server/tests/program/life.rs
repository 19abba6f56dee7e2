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

/// A disk in memory, let go of when the test ends.
struct Disk(std::path::PathBuf);

impl Disk {
    #[allow(clippy::disallowed_methods, reason = "a test makes a disk")]
    fn mounted(at: &Path) -> Disk {
        fs::create_dir_all(at).unwrap();
        let mounted =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(at).status();
        assert!(mounted.is_ok_and(|status| status.success()), "a disk of its own");
        Disk(at.to_owned())
    }

    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }
}

impl Drop for Disk {
    #[allow(clippy::disallowed_methods, reason = "a test lets go of its disk")]
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn s22_started_on_a_full_state_disk_it_says_so_and_goes_on_when_there_is_room() {
    let place = laboratory();
    let disk = Disk::mounted(&place.path().join("full"));
    disk.fill();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let text = fs::read_to_string(place.config()).unwrap();
    fs::write(place.config(), text.replace("127.0.0.1:0", &address)).unwrap();
    let state = disk.0.to_str().unwrap();
    let mut child = place.spawn(&["serve", "--state", state]);
    let says = async |wanted: &str| {
        let reached = async {
            while !place.run(&["status"]).await.out.contains(wanted) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never: {wanted}"));
    };
    says("make room, everything goes on by itself").await;
    assert!(child.try_wait().unwrap().is_none(), "it waits for room and does not end");
    fs::remove_file(disk.0.join("filler")).unwrap();
    says("CONFOCAL_01").await;
    signal(&child, "TERM");
    assert_eq!(tokio::time::timeout(PATIENCE, ended(child)).await.expect("it ends").code, 0);
}
