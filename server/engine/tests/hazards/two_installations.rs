//! Two installations on one staging tree (D17): one works, the other touches nothing and says why.

use crate::support::*;
use domain::api::ForceSyncRequest;
use domain::problem::ErrorCode;
use engine::keep::staging_owner::{AdoptError, OWNER_FILE, adopt};
use engine::keep::state_folder::installation;
use engine::machine::clock::Clock;
use engine::{Engine, Options};
use std::fs;
use std::time::Duration;

/// Another workstation on the same tree.
fn elsewhere(lab: &Lab, state: &str) -> Options {
    let mut options = Options::new(lab.path(state), "other-pc".into());
    options.poll_interval = Duration::from_millis(200);
    options
}

async fn until_refused(engine: &Engine, word: &str) -> String {
    until("it says why it stands still", async || engine.status().staging_error.filter(|why| why.contains(word))).await
}

async fn until_ours(engine: &Engine) {
    until("it works", async || engine.status().staging_error.is_none().then_some(())).await;
}

fn take_over(lab: &Lab, state: &str, force: bool) -> Result<(), AdoptError> {
    let id = installation(&lab.path(state)).unwrap();
    adopt(&lab.path("staging"), &id, "other-pc", Clock::system().now(), force).map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn d17_a_second_installation_touches_nothing_until_it_takes_the_tree_over() {
    let (lab, done, new) = (Lab::new(), run("Run_1"), run("Run_2"));
    let first = lab.start().await;
    lab.push_usual(&done);
    until_verified(&first, &done).await;
    until_record_sent(&first, &done).await;
    let second = Engine::start(lab.settings.clone(), elsewhere(&lab, "another state")).await.unwrap();
    let why = until_refused(&second, "another installation").await;
    assert!(why.contains("lab-pc") && why.contains("staging adopt"), "{why}");
    let before = files_below(&lab.staging(done.as_str()));
    for refused in [
        second.force_sync(done.as_str(), ForceSyncRequest::default()).await.map(|_| ()),
        second.clear(done.as_str()).await.map(|_| ()),
        second.retry(done.as_str()).await.map(|_| ()),
    ] {
        let problem = refused.unwrap_err();
        assert_eq!(problem.code, ErrorCode::StagingUnavailable, "{problem:?}");
        assert!(problem.message.contains("another installation"), "{problem:?}");
    }
    assert_eq!(second.watcher().poll_once().await, []);
    assert_eq!(files_below(&lab.staging(done.as_str())), before);
    let needed = &second.overview().await.unwrap().attention[0];
    assert!(needed.remedy.contains("staging adopt"), "the way out is no repair of the disk: {needed:?}");

    // While the first one is at work the tree is not given away; when it was stopped, it is.
    let refused = take_over(&lab, "another state", false).unwrap_err();
    assert!(matches!(refused, AdoptError::AtWork { .. }) && refused.to_string().contains("lab-pc"), "{refused}");
    first.stop().await;
    until_refused(&second, "it was stopped").await;
    take_over(&lab, "another state", false).unwrap();
    until_ours(&second).await;
    engine::mark_destination(&lab.settings, EQUIPMENT, &lab.path("another state"), "other-pc", true).await.unwrap();
    lab.push_usual(&new);
    until_verified(&second, &new).await;

    // The first one comes back: it is the other one now.
    let first = Engine::start(lab.settings.clone(), lab.options()).await.unwrap();
    until_refused(&first, "other-pc").await;
    assert_eq!(first.clear(done.as_str()).await.unwrap_err().code, ErrorCode::StagingUnavailable);
    first.stop().await;
    until_ours(&second).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d17_what_is_taken_over_by_force_is_let_go_by_the_one_that_had_it() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let first = lab.start().await;
    lab.push_usual(&run);
    until_verified(&first, &run).await;
    take_over(&lab, "another state", true).unwrap();
    until_refused(&first, "other-pc").await;
    assert_eq!(first.clear(run.as_str()).await.unwrap_err().code, ErrorCode::StagingUnavailable);
    first.stop().await;
    let owner = fs::read_to_string(lab.staging(OWNER_FILE)).unwrap();
    assert!(owner.contains("other-pc"), "who stops releases only what is its own: {owner}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d17_a_copied_state_folder_on_another_computer_waits_while_the_first_is_heard_of() {
    let lab = Lab::new();
    let first = lab.start().await;
    copy_folder(&lab.path("state"), &lab.path("copied"));
    let mut options = elsewhere(&lab, "copied");
    options.clock = Clock::manual(Clock::system().now());
    let clock = options.clock.clone();
    let second = Engine::start(lab.settings.clone(), options).await.unwrap();
    until_refused(&second, "a copy of this installation").await;
    // The first one is heard of no more: the program was moved to another computer with all it has, and goes on there.
    first.stop().await;
    clock.advance(Duration::from_secs(400));
    until_ours(&second).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d17_an_owner_that_cannot_be_read_is_told_and_can_be_taken_over() {
    let lab = Lab::new();
    fs::write(lab.staging(OWNER_FILE), "{ torn").unwrap();
    let engine = lab.start().await;
    until_refused(&engine, OWNER_FILE).await;
    let id = installation(&lab.path("state")).unwrap();
    adopt(&lab.path("staging"), &id, "lab-pc", Clock::system().now(), false).unwrap();
    until_ours(&engine).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d17_a_clear_that_is_asked_for_right_after_the_tree_was_given_away_is_refused() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.mark().await;
    let mut options = lab.options();
    // It polls once, and would learn of it an hour later.
    options.poll_interval = Duration::from_secs(3_600);
    lab.push_usual(&run);
    let first = Engine::start(lab.settings.clone(), options).await.unwrap();
    until_verified(&first, &run).await;
    until_record_sent(&first, &run).await;
    take_over(&lab, "another state", true).unwrap();
    let before = files_below(&lab.staging(run.as_str()));
    assert_eq!(first.clear(run.as_str()).await.unwrap_err().code, ErrorCode::StagingUnavailable);
    assert_eq!(files_below(&lab.staging(run.as_str())), before, "nothing of it was touched");
    first.stop().await;
}
