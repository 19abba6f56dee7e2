//! Commands that need a config only, and commands that ask a server.

use crate::answers::row;
use crate::fake::{Fake, RUN};
use crate::tool::Place;
use app::backend::Backend;
use server::http::limits::Limits;
use server::http::site::EmbeddedSite;
use server::http::{Options, router};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A server with this backend on a free port, and a config that names it.
async fn served(fake: Fake) -> (Arc<Fake>, Place) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let fake = Arc::new(fake);
    let options =
        Options { address, stop: CancellationToken::new(), site: Arc::new(EmbeddedSite), limits: Limits::default() };
    let router = router(Backend::there(fake.clone()), options);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (fake, Place::new(&format!("server: {{listen: \"{address}\"}}\n")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_a_table_or_the_servers_json() {
    let (_, place) = served(Fake::default()).await;
    let table = place.run(&["list"]).await;
    assert_eq!((table.code, table.errors.as_str()), (0, ""));
    let lines: Vec<_> = table.out.lines().collect();
    assert!(
        lines[0].starts_with("STATE") && lines[1].contains(RUN) && lines[1].contains("sync_verified"),
        "{}",
        table.out
    );
    let json: serde_json::Value = serde_json::from_str(&place.run(&["list", "--json"]).await.out).unwrap();
    assert_eq!(json["runs"][0]["run_path"], RUN);
}

#[tokio::test(flavor = "multi_thread")]
async fn s13_a_name_with_a_newline_stays_one_line_of_the_table() {
    let (_, place) =
        served(Fake { rows: vec![row("E/p/Runs/Run_\n\u{1b}[31mforged", "staging")], ..Fake::default() }).await;
    let table = place.run(&["list"]).await;
    assert_eq!(table.out.lines().count(), 2, "{}", table.out);
    assert!(!table.out.contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_go_through_the_server_and_say_how_they_ended() {
    let (fake, place) = served(Fake::default()).await;
    for (words, kind) in [
        (["clear", RUN], "clear"),
        (["force-sync", RUN], "force-sync"),
        (["verify", RUN], "verify"),
        (["retry", RUN], "retry"),
    ] {
        let ended = place.run(&words).await;
        assert_eq!((ended.code, ended.out), (0, format!("{RUN}: {kind} done.\n")), "{}", ended.errors);
        assert!(fake.asked().contains(&format!("start {kind} {RUN}")), "{:?}", fake.asked());
    }
    let with_slash = place.run(&["clear", &format!("/staging/{RUN}/")]).await;
    assert_eq!(with_slash.code, 0, "{}", with_slash.errors);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_a_sentence_and_exit_code_one() {
    let (_, place) = served(Fake::default()).await;
    let refused = place.run(&["clear", "FLOW_01/p/TestRuns/TestRun_1"]).await;
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    assert!(refused.errors.starts_with("The NAS has not been proven to hold this run yet."), "{}", refused.errors);
    let never = place.run(&["why", "E/p/Runs/Run_never"]).await;
    assert_eq!(never.code, 1);
    assert!(never.errors.contains("not_found, trace id"), "{}", never.errors);
    let bad = place.run(&["clear", "../bait"]).await;
    assert!((bad.code, bad.errors.contains("bad_path")) == (1, true), "{}", bad.errors);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_asks_and_changes_nothing() {
    let (fake, place) = served(Fake::default()).await;
    let plan = place.run(&["clear", RUN, "--dry-run"]).await;
    assert_eq!(plan.code, 0, "{}", plan.errors);
    assert!(
        plan.out.contains("can be cleared: 12 files, 3.3 KiB") && plan.out.contains("Nothing was changed."),
        "{}",
        plan.out
    );
    assert_eq!(fake.asked(), [format!("clear-plan {RUN}")]);
    assert_eq!(place.run(&["why", RUN]).await.code, 0);
    let status = place.run(&["status"]).await;
    assert!(status.out.contains("Station on orch-01"), "{}", status.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_off_orchestrator_says_so() {
    let (_, place) = served(Fake { off: true, ..Fake::default() }).await;
    let listed = place.run(&["list"]).await;
    assert_eq!(listed.code, 1);
    assert!(listed.errors.contains("The orchestrator is off"), "{}", listed.errors);
    assert!(place.run(&["status"]).await.out.contains("is off"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_exit_code_is_three() {
    // Bound but never listening for long: the port is free again and nobody answers there.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let place = Place::new(&format!("server: {{listen: \"{free}\"}}\n"));
    let listed = place.run(&["list"]).await;
    assert_eq!(listed.code, 3);
    assert!(listed.errors.contains("No orchestrator answers at"), "{}", listed.errors);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_config_names_file_line_and_column() {
    let place = Place::new("orchestrator:\n  lable: x\nsync: {workers: 0}\n");
    let file = place.config().display().to_string();
    let bad = place.run(&["check-config", &file]).await;
    assert_eq!((bad.code, bad.out.as_str()), (1, ""));
    let expected = [
        format!("{file}:2:3: orchestrator.lable: unknown key; did you mean `label`?"),
        format!("{file}:3:17: sync.workers: 0 is out of range; write a number from 1 to 64"),
    ];
    assert_eq!(bad.errors.lines().collect::<Vec<_>>(), expected);
    std::fs::write(&file, include_str!("../fixtures/config/full_head.yaml")).unwrap();
    let good = place.run(&["check-config", &file]).await;
    assert_eq!(good.code, 0, "{}", good.errors);
    assert!(good.out.contains("good\norchestrator  on: Lab Acquisition Station 01"), "{}", good.out);
    assert!(good.out.contains("CONFOCAL_01  -> lab-nas:lab/CONFOCAL_01 (rclone)"), "{}", good.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_exit_code_two() {
    let place = Place::new("{}\n");
    assert_eq!(place.run(&["erase"]).await.code, 2);
    assert!(place.run(&["--version"]).await.out.starts_with("exlab-orchestrator "));
}
