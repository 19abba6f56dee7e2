//! `doctor`: exit codes, the report, the JSON, and Ctrl-C.

use crate::serve::{PATIENCE, signal};
use crate::tool::{Place, ended};
use std::fs;
use tokio::io::{AsyncBufReadExt, BufReader};

/// A staging tree, folders standing for the NAS, and their config; nothing is marked.
fn laboratory() -> Place {
    let place = Place::on_disk();
    let folder = place.path().display().to_string();
    for name in ["staging", "nas/CONFOCAL_01", "nas/FLOW_01"] {
        fs::create_dir_all(place.path().join(name)).unwrap();
    }
    let equipment: String = ["CONFOCAL_01", "FLOW_01"]
        .map(|id| {
            format!(
                "  - id: {id}\n    completeness_signal: sentinel_file\n    sentinel_filename: done.flag\n    \
                 transport: {{type: mount, path: '{folder}/nas/{id}'}}\n"
            )
        })
        .concat();
    let text = format!("orchestrator: {{label: Station, staging_root: '{folder}/staging'}}\nequipment:\n{equipment}");
    fs::write(place.config(), text).unwrap();
    place
}

#[tokio::test]
async fn doctor_ends_with_zero_only_when_all_is_well() {
    let place = laboratory();
    assert_eq!(place.run(&["nas", "init", "CONFOCAL_01"]).await.code, 0);
    let well = place.run(&["doctor", "CONFOCAL_01"]).await;
    assert_eq!(well.code, 0, "{}{}", well.out, well.errors);
    assert!(
        well.out.starts_with("CONFOCAL_01  ")
            && (well.out.ends_with("All is well.\n") || well.out.contains("Nothing is FAILED; ")),
        "{}",
        well.out
    );
    assert!(well.out.contains("\nok  damage: same size and time  noticed: raw/frame_1.bin"), "{}", well.out);
    assert!(well.errors.contains("CONFOCAL_01: sends a made-up run\n"), "{}", well.errors);

    let all = place.run(&["doctor", "--json"]).await;
    assert_eq!(all.code, 1, "the other one has no marker: {}", all.errors);
    let report: serde_json::Value = serde_json::from_str(&all.out).unwrap();
    assert_eq!(report["ok"], false);
    let found: Vec<_> = report["equipment"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["id"].clone(), one["qualified"].clone()))
        .collect();
    assert_eq!(found, [("CONFOCAL_01".into(), true.into()), ("FLOW_01".into(), false.into())]);
    let checks = report["equipment"][1]["checks"].as_array().unwrap();
    let identity = checks.iter().find(|check| check["name"] == "identity").unwrap();
    assert_eq!(identity["outcome"], "failed");
    assert!(identity["message"].as_str().unwrap().contains("nas init FLOW_01"), "{identity}");
    assert!(checks.iter().any(|check| check["name"] == "write" && check["outcome"] == "skipped"), "{checks:?}");
}

#[tokio::test]
async fn d17_a_staging_tree_is_taken_over_only_when_asked_and_from_one_that_is_at_work_only_by_force() {
    let place = laboratory();
    let file = place.path().join("staging/.exlab-owner.json");
    let theirs = r#"{"what":"exlab-orchestrator staging owner","installation":"6d0f1f3e-3a55-4a6e-8a39-2b1a0a4e5f10","host":"other-pc","since":"2026-04-17T14:32:00Z"}"#;
    fs::write(&file, theirs).unwrap();
    let refused = place.run(&["staging", "adopt"]).await;
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    assert!(refused.errors.contains("other-pc") && refused.errors.contains("--force"), "{}", refused.errors);
    assert_eq!(fs::read_to_string(&file).unwrap(), theirs);
    let forced = place.run(&["staging", "adopt", "--force"]).await;
    assert_eq!(forced.code, 0, "{}", forced.errors);
    assert!(forced.out.contains("it belonged to 6d0f1f3e") && forced.out.contains("on other-pc"), "{}", forced.out);
    let again = place.run(&["staging", "adopt"]).await;
    assert!((again.code, again.out.contains("is this installation's.")) == (0, true), "{}{}", again.out, again.errors);
}

#[tokio::test]
async fn doctor_says_when_there_is_nothing_to_look_at() {
    let place = laboratory();
    let unknown = place.run(&["doctor", "NONE_01"]).await;
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""));
    assert!(unknown.errors.contains("there are: CONFOCAL_01, FLOW_01"), "{}", unknown.errors);
    let off = Place::new("{}\n").run(&["doctor"]).await;
    assert!((off.code, off.errors.contains("is off")) == (1, true), "{}", off.errors);
    let broken = Place::new("orchestrator: {lable: x}\n").run(&["doctor"]).await;
    assert!((broken.code, broken.errors.contains("unknown key")) == (1, true), "{}", broken.errors);
}

#[tokio::test]
async fn s6_doctor_ends_soon_when_it_is_told_to() {
    let place = laboratory();
    assert_eq!(place.run(&["nas", "init", "CONFOCAL_01"]).await.code, 0);
    // One that sends so slowly that it is still at work.
    let slow = fs::read_to_string(place.config()).unwrap().replacen(
        "{type: mount,",
        "{type: mount, bandwidth: {upload_mbps: 0.1},",
        1,
    );
    fs::write(place.config(), slow).unwrap();
    let mut child = place.spawn(&["doctor", "CONFOCAL_01"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let begun = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.ends_with("sends a made-up run") {
                return;
            }
        }
        panic!("it never began");
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("it begins");
    signal(&child, "INT");
    let ended = tokio::time::timeout(PATIENCE, ended(child)).await.expect("it ends");
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("interrupted") && ended.out.contains("NOT qualified"), "{}", ended.out);
}
