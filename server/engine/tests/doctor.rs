//! The doctor over real destinations, over broken ones, and over some that lie.

#![allow(clippy::disallowed_methods, reason = "the server of a test is a process of its own")]

#[path = "doctor/liar.rs"]
mod liar;
#[path = "real_servers/sshd.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod sshd;
mod support;

use domain::settings::Target;
use engine::doctor::{Check, EquipmentReport, Outcome, Report, Visit};
use engine::transport::mount::MountTransport;
use engine::transport::{CallContext, Transport};
use liar::{Liar, Lie};
use sshd::Sshd;
use std::path::PathBuf;
use std::sync::Arc;
use support::{EQUIPMENT, Lab, Mounted, command, files_below};
use tokio_util::sync::CancellationToken;

const DAMAGES: [&str; 6] = ["flipped byte", "truncated", "missing", "swapped", "same size and time", "appended"];

async fn visit(lab: &Lab) -> Report {
    visit_until(lab, &CancellationToken::new()).await
}

async fn visit_until(lab: &Lab, cancel: &CancellationToken) -> Report {
    let state = lab.path("state");
    let visit = Visit { settings: &lab.settings, state_folder: &state, cancel, tell: &|_| () };
    visit.examine(Some(EQUIPMENT)).await.unwrap()
}

/// Over the lab's own destination, with a transport of the test's.
async fn visit_over(lab: &Lab, make: impl FnOnce(MountTransport) -> Arc<dyn Transport>) -> EquipmentReport {
    let (state, cancel) = (lab.path("state"), CancellationToken::new());
    let visit = Visit { settings: &lab.settings, state_folder: &state, cancel: &cancel, tell: &|_| () };
    let staging = lab.path("staging");
    let transport = make(MountTransport::new(lab.path("nas/SCOPE_01"), staging.clone()));
    visit.examine_over(&lab.settings.equipment[0], transport, staging.to_str().unwrap()).await
}

fn check<'a>(report: &'a EquipmentReport, name: &str) -> &'a Check {
    report.check(name).unwrap_or_else(|| panic!("no {name}: {report:#?}"))
}

fn damage<'a>(report: &'a EquipmentReport, name: &str) -> &'a Check {
    check(report, &format!("damage: {name}"))
}

fn assert_all_well(report: &Report) {
    assert!(report.ok && report.equipment[0].qualified, "{report:#?}");
    assert!(report.equipment[0].checks.iter().all(|check| check.outcome == Outcome::Ok), "{report:#?}");
    assert!(
        DAMAGES
            .iter()
            .all(|name| damage(&report.equipment[0], name).message.starts_with("noticed: raw/") || *name == "missing")
    );
}

/// What a failed check lets nobody try.
fn assert_nothing_was_sent(lab: &Lab, report: &EquipmentReport) {
    for name in ["write", "read back", "level of proof", "odd names"] {
        assert_eq!(check(report, name).outcome, Outcome::Skipped, "{report:#?}");
    }
    assert!(DAMAGES.iter().all(|name| damage(report, name).outcome == Outcome::Skipped));
    assert!(!report.qualified && !report.is_ok() && report.check("left behind").is_none());
    assert!(!lab.path("nas/SCOPE_01/exlab-doctor").exists());
    assert_nothing_stays_here(lab);
}

fn assert_nothing_stays_here(lab: &Lab) {
    let here = files_below(&lab.path("state"));
    assert!(here.iter().all(|(path, _)| !path.to_string_lossy().contains("doctor")), "{here:?}");
    assert_eq!(files_below(&lab.path("staging")), []);
}

#[tokio::test]
async fn a_healthy_mount_is_qualified_and_what_is_left_there_is_named() {
    let lab = Lab::new();
    lab.mark().await;
    // The server may be at work on the same root.
    let of_the_server = lab.path("nas/SCOPE_01/.exlab-orchestrator/tmp/push-0123-0");
    std::fs::create_dir_all(of_the_server.parent().unwrap()).unwrap();
    std::fs::write(&of_the_server, "half").unwrap();
    let report = visit(&lab).await;
    assert_all_well(&report);
    assert!(of_the_server.exists(), "another process's file");
    // Told where the file system has such a limit.
    let names = report.equipment[0]
        .checks
        .iter()
        .map(|check| check.name.clone())
        .filter(|name| !["open files", "free files"].contains(&name.as_str()));
    let names: Vec<String> = names.collect();
    assert_eq!(names[..7], ["staging root", "state folder", "tools", "identity", "free space", "clock", "write"]);
    let nas = lab.path("nas/SCOPE_01");
    let there = files_below(&nas);
    let sent: Vec<&PathBuf> =
        there.iter().map(|(path, _)| path).filter(|path| !path.starts_with(".exlab-orchestrator")).collect();
    assert!(sent.iter().all(|path| path.starts_with("exlab-doctor/TestRuns")), "{sent:?}");
    let left = check(&report.equipment[0], "left behind");
    assert!(left.message.starts_with(&format!("{}/exlab-doctor/TestRuns/TestRun_doctor-", nas.display())), "{left:?}");
    assert!(left.message.contains("13 made-up runs"), "{left:?}");
    assert_nothing_stays_here(&lab);
    assert!(visit(&lab).await.ok, "a second visit is in nobody's way");
}

#[tokio::test]
async fn over_a_real_sshd_the_server_hashes_and_is_qualified() {
    let mut lab = Lab::new();
    let sshd = Sshd::start();
    let server = sshd.server();
    lab.settings.equipment[0].transport.as_mut().unwrap().target = Target::RsyncSsh {
        ssh_target: server.target,
        path: lab.path("nas/SCOPE_01").display().to_string(),
        port: server.port,
        key_path: server.key.display().to_string(),
        known_hosts: None,
        host_keys: server.host_keys,
    };
    lab.mark().await;
    let report = visit(&lab).await;
    assert_all_well(&report);
    let report = &report.equipment[0];
    assert!(check(report, "rsync").value.as_deref().unwrap().starts_with("rsync version"), "{report:#?}");
    assert!(check(report, "ssh").value.as_deref().unwrap().starts_with("OpenSSH"), "{report:#?}");
    assert_eq!(check(report, "level of proof").value.as_deref(), Some("L2"));
    assert_eq!(check(report, "read back").value.as_deref(), Some("openssl at the server"));
    assert_eq!(check(report, "odd names").value.as_deref(), Some("6 of 6 kinds"));

    lab.settings.sync.binaries.rsync = "/no/such/rsync".into();
    let report = visit(&lab).await;
    let missing = check(&report.equipment[0], "rsync");
    assert!(missing.outcome == Outcome::Failed && missing.message.contains("sync.binaries.rsync"), "{missing:?}");
    assert_eq!(check(&report.equipment[0], "identity").message, "a tool is missing");
}

#[tokio::test]
async fn v10_without_a_marker_nothing_is_sent_and_the_command_is_named() {
    let lab = Lab::new();
    let report = visit(&lab).await;
    let identity = check(&report.equipment[0], "identity");
    assert!(
        identity.outcome == Outcome::Failed && identity.message.contains("exlab-orchestrator nas init SCOPE_01"),
        "{identity:?}"
    );
    assert_nothing_was_sent(&lab, &report.equipment[0]);
}

#[tokio::test]
async fn v13_anothers_marker_is_named_with_its_owner() {
    let lab = Lab::new();
    let other = lab.path("other");
    engine::mark_destination(&lab.settings, EQUIPMENT, &other, "old-pc", false).await.unwrap();
    let report = visit(&lab).await;
    let theirs = std::fs::read_to_string(other.join("installation")).unwrap();
    let identity = check(&report.equipment[0], "identity");
    assert!(identity.outcome == Outcome::Failed && identity.message.contains(theirs.trim()), "{identity:?}");
    assert!(identity.message.contains("by old-pc") && identity.message.contains("--adopt"), "{identity:?}");
    assert_nothing_was_sent(&lab, &report.equipment[0]);
}

#[tokio::test]
async fn d12_a_destination_around_the_staging_tree_is_refused() {
    let mut lab = Lab::new();
    lab.mark().await;
    let inside = lab.path("nas/SCOPE_01/staging");
    std::fs::create_dir(&inside).unwrap();
    lab.settings.orchestrator.as_mut().unwrap().staging_root = inside.display().to_string();
    let report = visit(&lab).await;
    let identity = check(&report.equipment[0], "identity");
    assert!(identity.outcome == Outcome::Failed && identity.message.contains("is not another place"), "{identity:?}");
    assert_nothing_was_sent(&lab, &report.equipment[0]);
}

#[tokio::test]
async fn a_missing_staging_root_is_said_and_nothing_else_is_tried() {
    let mut lab = Lab::new();
    lab.mark().await;
    lab.settings.orchestrator.as_mut().unwrap().staging_root = lab.path("unmounted").display().to_string();
    let report = visit(&lab).await;
    assert_eq!(check(&report.equipment[0], "staging root").outcome, Outcome::Failed);
    assert_eq!(check(&report.equipment[0], "identity").outcome, Outcome::Skipped);
    assert_nothing_was_sent(&lab, &report.equipment[0]);
}

#[tokio::test]
async fn a_read_only_destination_fails_at_writing() {
    let lab = Lab::new();
    lab.mark().await;
    let nas = lab.path("nas/SCOPE_01");
    let _mounted = Mounted::bind(&nas, &nas);
    command("mount", &["-o", "remount,ro,bind", nas.to_str().unwrap()]).unwrap();
    let report = visit(&lab).await;
    let report = &report.equipment[0];
    assert_eq!(check(report, "identity").outcome, Outcome::Ok, "{report:#?}");
    let write = check(report, "write");
    assert!(write.outcome == Outcome::Failed && write.message.contains("Read-only file system"), "{write:?}");
    assert!(DAMAGES.iter().all(|name| damage(report, name).outcome == Outcome::Skipped));
    assert!(!report.qualified);
    assert_nothing_stays_here(&lab);
}

#[tokio::test]
async fn a_destination_that_only_repeats_what_is_expected_is_found_out() {
    let lab = Lab::new();
    lab.mark().await;
    let report = visit_over(&lab, |mount| Arc::new(Liar::new(mount, Lie::RepeatsTheSeal))).await;
    assert_eq!(check(&report, "read back").outcome, Outcome::Ok, "the undamaged run shows nothing");
    for name in DAMAGES {
        let found = damage(&report, name);
        assert!(found.outcome == Outcome::Failed && found.message.starts_with("NOT NOTICED"), "{found:?}");
    }
    assert!(!report.qualified && !report.is_ok());
}

#[tokio::test]
async fn v3_a_destination_that_looks_at_sizes_only_is_found_out() {
    let lab = Lab::new();
    lab.mark().await;
    let report = visit_over(&lab, |mount| Arc::new(Liar::new(mount, Lie::LooksAtSizesOnly))).await;
    for name in DAMAGES {
        let noticed = ["truncated", "missing", "appended"].contains(&name);
        let found = damage(&report, name);
        assert_eq!(found.outcome == Outcome::Ok, noticed, "{found:?}");
        assert_eq!(found.message.starts_with("NOT NOTICED"), !noticed, "{found:?}");
    }
    assert!(!report.qualified);
}

#[tokio::test]
async fn names_that_cannot_be_held_are_a_warning() {
    let lab = Lab::new();
    lab.mark().await;
    let report = visit_over(&lab, |mount| Arc::new(Liar::new(mount, Lie::RefusesLineBreaks))).await;
    let names = check(&report, "odd names");
    assert_eq!((names.outcome, names.value.as_deref()), (Outcome::Warn, Some("5 of 6 kinds")), "{names:?}");
    assert!(names.message.contains("a line break (no such names here)"), "{names:?}");
    assert!(report.qualified && report.is_ok());
}

#[tokio::test]
async fn s6_a_cancelled_visit_ends_and_says_so() {
    let lab = Lab::new();
    lab.mark().await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let report = visit_until(&lab, &cancel).await;
    assert!(!report.ok && !report.equipment[0].qualified);
    assert_eq!(check(&report.equipment[0], "write").message, "interrupted");

    // In the middle: the destination is being asked for the first damage.
    let cancel = CancellationToken::new();
    let (state, staging) = (lab.path("state"), lab.path("staging"));
    let tell = |what: &str| {
        if what.contains("flipped") {
            cancel.cancel();
        }
    };
    let visit = Visit { settings: &lab.settings, state_folder: &state, cancel: &cancel, tell: &tell };
    let transport = Arc::new(MountTransport::new(lab.path("nas/SCOPE_01"), staging.clone()));
    let report = visit.examine_over(&lab.settings.equipment[0], transport, staging.to_str().unwrap()).await;
    assert_eq!(damage(&report, "flipped byte").message, "interrupted", "{report:#?}");
    assert_eq!(damage(&report, "appended").outcome, Outcome::Skipped);
    assert!(!report.is_ok() && report.check("left behind").is_some());
    assert_nothing_stays_here(&lab);
}

#[tokio::test]
async fn v1_the_temporary_files_of_two_programs_do_not_meet() {
    let lab = Lab::new();
    lab.mark().await;
    let temporary = lab.path("nas/SCOPE_01/.exlab-orchestrator/tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    std::fs::write(temporary.join("beside-push-0123-0"), "of a doctor at work").unwrap();
    std::fs::write(temporary.join("push-0123-0"), "of an earlier start").unwrap();
    let engine = lab.start().await;
    let run = support::run("Run_2026-04-17T14-32");
    lab.push_usual(&run);
    support::until_verified(&engine, &run).await;
    engine.stop().await;
    let left: Vec<PathBuf> = files_below(&temporary).into_iter().map(|(path, _)| path).collect();
    assert_eq!(left, [PathBuf::from("beside-push-0123-0")]);
}

#[tokio::test]
async fn a_destination_tells_its_space_and_its_clock() {
    let lab = Lab::new();
    lab.mark().await;
    let mount = MountTransport::new(lab.path("nas/SCOPE_01"), lab.path("staging"));
    let context = CallContext {
        cancel: CancellationToken::new(),
        progress: engine::machine::progress::ProgressSink::new(),
        limit: Arc::new(|| None),
    };
    assert!(mount.free_bytes(&context).await.unwrap() > 0);
    assert_eq!(mount.clock_offset_seconds(&context).await, Some(0));
    assert_eq!(files_below(&lab.path("nas/SCOPE_01/.exlab-orchestrator/tmp")), []);
}
