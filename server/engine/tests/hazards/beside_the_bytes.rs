//! What the bytes of a file do not say: streams, labels, permissions, names that are one file (D19).

use crate::support::*;
use domain::api::{ForceSyncRequest, OverrideRequest};
use domain::finding::Rule;
use domain::path::RunPath;
use domain::problem::ErrorCode;
use engine::Engine;
use rustix::fs::{XattrFlags, removexattr, setxattr};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const STREAM: &str = "user.DosStream.AFP_AfpInfo:$DATA";

fn set(lab: &Lab, run: &RunPath, file: &str, name: &str, value: &[u8]) {
    setxattr(lab.staging(run.as_str()).join(file), name, value, XattrFlags::empty()).unwrap();
}

fn metadata(folder: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(folder.join(".exlab-wizard/metadata.json")).unwrap()).unwrap()
}

/// The value of an attribute, as the NAS has it.
fn carried(lab: &Lab, run: &RunPath, file: &str, name: &str) -> Option<String> {
    let metadata = metadata(lab.nas(run));
    let line =
        metadata["attributes"].as_array().unwrap().iter().find(|line| line["path"] == file && line["name"] == name)?;
    Some(metadata["values"][line["sha256"].as_str().unwrap()].as_str().unwrap().to_owned())
}

async fn verified(lab: &Lab, run: &RunPath) -> Engine {
    let engine = lab.start().await;
    until_verified(&engine, run).await;
    until_record_sent(&engine, run).await;
    engine
}

#[tokio::test(flavor = "multi_thread")]
async fn d19_streams_and_labels_are_sealed_and_go_with_the_record() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.push_usual(&run);
    set(&lab, &run, "raw/frame_1.tif", STREAM, b"\0\x01 label");
    set(&lab, &run, "raw/frame_2.tif", STREAM, b"\0\x01 label");
    set(&lab, &run, "raw/frame_1.tif", "user.DOSATTRIB", b"0x20");
    set(&lab, &run, "raw", "user.comment", b"of a folder");
    let file = lab.staging(run.as_str()).join("notes.txt");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    fs::hard_link(&file, lab.staging(run.as_str()).join("notes again.txt")).unwrap();
    let engine = verified(&lab, &run).await;
    assert_eq!(carried(&lab, &run, "raw/frame_1.tif", STREAM).as_deref(), Some("0001206c6162656c"));
    assert_eq!(carried(&lab, &run, "raw", "user.comment").as_deref(), Some("6f66206120666f6c646572"));
    assert_eq!(carried(&lab, &run, "raw/frame_1.tif", "user.DOSATTRIB"), None, "what Windows shows of mode and times");
    let told = metadata(lab.nas(&run));
    assert_eq!(told["values"].as_object().unwrap().len(), 2, "equal values are kept once: {told}");
    assert_eq!(told["one_file"], serde_json::json!([["notes again.txt", "notes.txt"]]));
    let private = told["permissions"].as_array().unwrap().iter().find(|sort| sort["mode"] == "0640").unwrap();
    assert_eq!(private["names"], serde_json::json!(["notes again.txt", "notes.txt"]));
    engine.clear(run.as_str()).await.unwrap();
    assert!(carried(&lab, &run, "raw/frame_2.tif", STREAM).is_some(), "the NAS has the only copy, and has all of it");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d19_labels_of_the_runs_own_folder_are_listed_and_those_of_a_closed_file_stay_closed() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.push_usual(&run);
    set(&lab, &run, "", "user.sample", b"liver 7");
    set(&lab, &run, "notes.txt", STREAM, b"for one's own eyes");
    let close = |file: &str, mode| {
        fs::set_permissions(lab.staging(run.as_str()).join(file), fs::Permissions::from_mode(mode)).unwrap();
    };
    close("notes.txt", 0o600);
    close("", 0o2750);
    let engine = verified(&lab, &run).await;
    assert_eq!(carried(&lab, &run, ".", "user.sample").as_deref(), Some("6c697665722037"));
    let told = metadata(lab.nas(&run));
    let own = told["permissions"].as_array().unwrap().iter().find(|sort| sort["mode"] == "2750").unwrap();
    assert_eq!(own["names"], serde_json::json!(["."]));
    for record in [lab.staging(run.as_str()), lab.nas(&run)] {
        let mode = fs::metadata(record.join(".exlab-wizard/metadata.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o} in {}", record.display());
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d19_a_stream_that_is_written_after_the_proof_holds_the_clear_until_it_is_sent() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.push_usual(&run);
    set(&lab, &run, "notes.txt", STREAM, b"first");
    let engine = verified(&lab, &run).await;
    for change in ["another value", "one more", "gone"] {
        match change {
            "another value" => set(&lab, &run, "notes.txt", STREAM, b"second"),
            "one more" => set(&lab, &run, "raw/frame_1.tif", "user.label", b"late"),
            _ => removexattr(lab.staging(run.as_str()).join("raw/frame_1.tif"), "user.label").unwrap(),
        }
        let refused = engine.clear(run.as_str()).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::StagingNotProven, "{change}: {refused:?}");
        assert_eq!(files_of(&refused).len(), 1, "{change}: {refused:?}");
        engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
        let proven = |row: &domain::api::RunRow| {
            row.actions.clear.allowed && row.job.as_ref().is_some_and(|job| job.record_sent)
        };
        until_row(&engine, &run, "proven again", proven).await;
    }
    assert_eq!(carried(&lab, &run, "notes.txt", STREAM).as_deref(), Some("7365636f6e64"));
    engine.clear(run.as_str()).await.unwrap();
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d19_a_list_that_was_edited_or_removed_since_is_made_again_before_the_run_goes() {
    for edited in [None, Some("{}"), Some(r#"{"attributes": [], "values": {}}"#)] {
        let (lab, run) = (Lab::new(), run("Run_1"));
        lab.push_usual(&run);
        set(&lab, &run, "raw/frame_1.tif", STREAM, b"\0\x01 label");
        set(&lab, &run, "raw/frame_1.tif", "user.comment", b"cells");
        let engine = verified(&lab, &run).await;
        let list = lab.staging(run.as_str()).join(".exlab-wizard/metadata.json");
        match edited {
            None => fs::remove_file(list).unwrap(),
            Some(text) => fs::write(list, text).unwrap(),
        }
        fs::remove_file(lab.nas(&run).join(".exlab-wizard/metadata.json")).unwrap();
        engine.clear(run.as_str()).await.unwrap();
        assert_eq!(carried(&lab, &run, "raw/frame_1.tif", STREAM).as_deref(), Some("0001206c6162656c"));
        assert_eq!(carried(&lab, &run, "raw/frame_1.tif", "user.comment").as_deref(), Some("63656c6c73"));
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d19_what_is_more_than_a_record_can_carry_holds_the_clear_and_is_counted() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.push_usual(&run);
    lab.push(&run, &[(".exlab-wizard/creation.json", br#"{"schema_version": "1.0", "run_kind": "experimental"}"#)]);
    let raw = lab.staging(run.as_str()).join("raw");
    for n in 0..6_000_u32 {
        let name = format!("{n:04}.tif");
        fs::write(raw.join(&name), b"x").unwrap();
        let mut value = vec![7; 3_000];
        value[..4].copy_from_slice(&n.to_le_bytes());
        set(&lab, &run, &format!("raw/{name}"), "user.large", &value);
    }
    let engine = verified(&lab, &run).await;
    let refused = engine.clear(run.as_str()).await.unwrap_err();
    assert!(refused.message.contains("more than the run's record can carry"), "{refused:?}");
    assert!(raw.join("5999.tif").exists());
    let held = until_row(&engine, &run, "its row says so", |row| !row.actions.clear.allowed).await;
    assert_eq!(held.actions.clear.reason.as_deref(), Some("not_removable"));
    let found = until("the finding", async || {
        let found = engine.problems(Default::default()).await.unwrap().findings;
        found.into_iter().find(|found| found.finding.rule == Rule::MetadataNotCarried)
    })
    .await;
    assert!(!found.finding.blocks() && found.finding.rule_detail.contains("extended attributes"), "{found:?}");
    let class = Rule::MetadataNotCarried.as_str().to_owned();
    let reason = "The microscope writes previews that nobody needs.".to_owned();
    let request = OverrideRequest { problem_class: class, operator: "kim".to_owned(), reason, expires_at: None };
    engine.override_findings(run.as_str(), request).await.unwrap();
    engine.clear(run.as_str()).await.unwrap();
    assert!(!raw.exists());
    let creation = fs::read_to_string(lab.nas(&run).join(".exlab-wizard/creation.json")).unwrap();
    assert!(creation.contains("metadata_not_carried") && creation.contains("kim"), "{creation}");
    engine.stop().await;
}
