//! What the account of the program may not do in the staging tree. Root may do everything, so these tests run
//! themselves again as a root that the file system treats as any other owner.

use crate::support::*;
use domain::api::RunRow;
use domain::job::{FailureClass, JobState};
use domain::problem::ErrorCode;
use domain::timestamp::Timestamp;
use engine::machine::clock::Clock;
use engine::{Engine, Options};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// True where rights count; false in the outer run, once the inner one has passed.
fn where_rights_count(test: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o500);
    if fs::write(folder.path().join("probe"), "").is_err() {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let name = format!("rights_here::{test}");
    let powers = "-dac_override,-dac_read_search,-fowner";
    let arguments = ["--bounding-set", powers, "--inh-caps", powers, "--", program.to_str().unwrap(), "--exact", &name];
    let said =
        command("setpriv", &arguments).unwrap_or_else(|error| panic!("{test} failed where rights count: {error}"));
    assert!(said.contains("1 passed"), "{test} did not run where rights count: {said}");
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_a_file_that_may_not_be_read_is_waited_for_named_and_sent_when_it_may() {
    if !where_rights_count("s24_a_file_that_may_not_be_read_is_waited_for_named_and_sent_when_it_may") {
        return;
    }
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.mark().await;
    let clock = Clock::manual(Timestamp::parse("2026-04-17T14:32:00Z").unwrap());
    let engine = Engine::start(lab.settings.clone(), Options { clock: clock.clone(), ..lab.options() }).await.unwrap();
    lab.push(&run, &[("raw/closed.tif", b"closed for now")]);
    let closed = lab.staging(run.as_str()).join("raw/closed.tif");
    set_mode(&closed, 0);
    lab.push_usual(&run);
    let named = |row: &RunRow| {
        let Some(job) = &row.job else { return false };
        assert_ne!(job.state, JobState::Failed, "{:?}", job.error);
        assert_eq!(job.attempts, 0, "waiting uses no retry");
        let error = job.error.as_ref().filter(|error| error.code == FailureClass::LocalRead);
        job.state == JobState::Queued && error.is_some_and(|error| error.message.contains("raw/closed.tif"))
    };
    until_row(&engine, &run, "the file is named", named).await;
    set_mode(&closed, 0o644);
    // Once to read it, and where a look fell between the two, once more because the file changed since.
    until("it is sent", async || {
        clock.advance(Duration::from_secs(61));
        engine.core().destinations.work_now(EQUIPMENT);
        shown(&engine, &run).filter(|row| row.summary.current_state == "sync_verified")
    })
    .await;
    assert_eq!(data_below(&lab.nas(&run)), data_below(&lab.staging(run.as_str())));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d20_what_may_not_be_moved_or_emptied_refuses_the_clear_before_anything_is_touched() {
    if !where_rights_count("d20_what_may_not_be_moved_or_emptied_refuses_the_clear_before_anything_is_touched") {
        return;
    }
    for place in ["..", "", "raw", ".exlab-wizard"] {
        let (lab, run) = (Lab::new(), run("Run_1"));
        let engine = lab.start().await;
        lab.push_usual(&run);
        until_verified(&engine, &run).await;
        until_record_sent(&engine, &run).await;
        let folder = lab.staging(run.as_str());
        let pushed = files_below(&folder);
        let closed = folder.join(place).canonicalize().unwrap();
        set_mode(&closed, 0o555);
        let problem = engine.clear(run.as_str()).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::StagingNotProven, "{place}: {problem:?}");
        assert!(problem.message.contains("may not"), "{place}: {}", problem.message);
        assert!(!engine.clear_plan(run.as_str()).await.unwrap().clearable, "{place}");
        assert_eq!(data_below(&folder), data_below(&lab.nas(&run)), "{place}");
        let ingest = |files: &[(std::path::PathBuf, Vec<u8>)]| {
            files.iter().find(|(name, _)| name.ends_with("ingest.json")).cloned()
        };
        assert_eq!(ingest(&files_below(&folder)), ingest(&pushed), "{place}: nothing says that it was cleared");
        set_mode(&closed, 0o755);
        engine.clear(run.as_str()).await.unwrap();
        assert!(!folder.exists(), "{place}");
        engine.stop().await;
    }
}

/// A run whose folder, record or subfolder cannot be read when the program starts is what it was before, and its job
/// waits without using a retry.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_read_a_run_shows_what_is_known_and_goes_on_when_it_can() {
    if !where_rights_count("a_start_that_cannot_read_a_run_shows_what_is_known_and_goes_on_when_it_can") {
        return;
    }
    for (place, state) in [("raw", "sync_verified"), (".exlab-wizard", "unknown"), ("", "unknown")] {
        let (lab, proven, queued) = (Lab::new(), run("Run_1"), run("Run_2"));
        let engine = lab.start().await;
        lab.push_usual(&proven);
        until_verified(&engine, &proven).await;
        until_record_sent(&engine, &proven).await;
        let nas = lab.path("nas");
        fs::rename(&nas, lab.path("unmounted")).unwrap();
        lab.push_usual(&queued);
        until_row(&engine, &queued, "it waits for the NAS", |row| {
            row.job.as_ref().is_some_and(|job| job.waiting_for_destination)
        })
        .await;
        engine.stop().await;
        let closed = [&proven, &queued].map(|run| lab.staging(run.as_str()).join(place));
        closed.iter().for_each(|folder| set_mode(folder, 0));
        fs::rename(lab.path("unmounted"), &nas).unwrap();
        let clock = Clock::manual(Timestamp::parse("2026-04-17T14:32:00Z").unwrap());
        let engine =
            Engine::start(lab.settings.clone(), Options { clock: clock.clone(), ..lab.options() }).await.unwrap();
        let row = until_row(&engine, &proven, "it is named", |row| row.problem.is_some()).await;
        assert_eq!(row.summary.current_state, state, "{place}: {row:?}");
        assert!(row.job.is_some() && row.proof.is_some(), "{place}: {row:?}");
        assert_eq!(row.summary.file_count, 5, "{place}: {row:?}");
        assert!(state != "unknown" || !row.actions.clear.allowed, "{place}: nothing is known of its proof's record");
        let waits = |row: &RunRow| {
            let Some(job) = &row.job else { return false };
            let error = job.error.as_ref().filter(|error| error.code == FailureClass::LocalRead);
            assert_eq!(job.attempts, 0, "{place}: waiting uses no retry: {:?}", job.error);
            job.state == JobState::Queued && error.is_some()
        };
        until("the job waits", async || {
            clock.advance(Duration::from_secs(61));
            engine.core().destinations.work_now(EQUIPMENT);
            shown(&engine, &queued).filter(waits)
        })
        .await;
        closed.iter().for_each(|folder| set_mode(folder, 0o755));
        until("it goes on", async || {
            clock.advance(Duration::from_secs(61));
            engine.core().destinations.work_now(EQUIPMENT);
            shown(&engine, &queued).filter(|row| row.summary.current_state == "sync_verified")
        })
        .await;
        until_row(&engine, &proven, "it is as it was", |row| {
            row.problem.is_none() && row.summary.current_state == "sync_verified" && row.proof.is_some()
        })
        .await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_above_runs_that_cannot_be_read_is_a_finding_until_it_can() {
    if !where_rights_count("a_folder_above_runs_that_cannot_be_read_is_a_finding_until_it_can") {
        return;
    }
    let lab = Lab::new();
    for folder in ["FLOW_01", "SCOPE_01/Closed"] {
        fs::create_dir_all(lab.staging(folder).join("Runs/Run_1")).unwrap();
        set_mode(&lab.staging(folder), 0);
    }
    let engine = lab.start().await;
    let named = async || {
        let found = engine.problems(domain::api::ProblemQuery::default()).await.unwrap().findings;
        let closed = found.iter().filter(|found| found.finding.rule == domain::finding::Rule::UnreadableFolder);
        closed.map(|found| found.finding.run_path.clone()).collect::<Vec<_>>()
    };
    until("both are named", async || (named().await == ["FLOW_01", "SCOPE_01/Closed"]).then_some(())).await;
    ["FLOW_01", "SCOPE_01/Closed"].iter().for_each(|folder| set_mode(&lab.staging(folder), 0o755));
    until("none is", async || named().await.is_empty().then_some(())).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_a_run_that_cannot_be_read_answers_that_and_not_that_staging_is_away() {
    if !where_rights_count("what_is_asked_of_a_run_that_cannot_be_read_answers_that_and_not_that_staging_is_away") {
        return;
    }
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push(&run, &[("raw/a.bin", b"coming")]);
    until_row(&engine, &run, "it is seen", |row| row.waiting_for.is_some()).await;
    let folder = lab.staging(run.as_str());
    for place in ["", ".exlab-wizard", "raw"] {
        set_mode(&folder.join(place), 0);
        // What the watcher looks at meanwhile is answered from its last look.
        let told = |what: &str, answer: Result<(), domain::problem::Problem>| {
            let problem = answer.err()?;
            assert_ne!(problem.code, ErrorCode::StagingUnavailable, "{what} of {place:?}: {problem:?}");
            (problem.code == ErrorCode::RunUnreadable && problem.message.contains("chmod")).then_some(())
        };
        until("force-sync says so", async || {
            told("force-sync", engine.force_sync(run.as_str(), Default::default()).await.map(drop))
        })
        .await;
        if place != ".exlab-wizard" {
            until("files say so", async || {
                told("files", engine.run_files(run.as_str(), Default::default()).await.map(drop))
            })
            .await;
        }
        set_mode(&folder.join(place), 0o755);
    }
    lab.push(&run, &[(".exlab-wizard/creation.json", b"{\"torn\": "), (SENTINEL, b"")]);
    until("its writer is named", async || {
        let problem = engine.force_sync(run.as_str(), Default::default()).await.unwrap_err();
        assert_ne!(problem.code, ErrorCode::StagingUnavailable, "{problem:?}");
        (problem.code == ErrorCode::DocumentUnreadable).then_some(())
    })
    .await;
    engine.stop().await;
}
