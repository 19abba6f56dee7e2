//! What a URL may name, through the whole router (D1).

use crate::fake::{Fake, RUN};
use crate::wire::{get, post};
use rstest::rstest;
use std::sync::Arc;

#[rstest]
#[case("CONFOCAL_01/Cortex%20Q3%20Pilot/Runs/Run_2026-04-17T14-32")]
#[case("CONFOCAL_01%2FCortex%20Q3%20Pilot%2FRuns%2FRun_2026-04-17T14-32")]
#[case("/staging/CONFOCAL_01/Cortex%20Q3%20Pilot/Runs/Run_2026-04-17T14-32")]
#[case("%2Fstaging%2FCONFOCAL_01%2FCortex%20Q3%20Pilot%2FRuns%2FRun_2026-04-17T14-32")]
#[tokio::test]
async fn a_run_is_named_relative_or_absolute_plain_or_encoded(#[case] raw: &str) {
    let fake = Arc::new(Fake::default());
    for prefix in ["/staging", "/api/v1/staging"] {
        let answered = post(&fake, &format!("{prefix}/{raw}/clear")).await;
        assert_eq!((answered.status.as_u16(), &answered.json()["run_path"]), (200, &RUN.into()), "{}", answered.text);
    }
    assert_eq!(get(&fake, &format!("/api/v1/runs/{raw}")).await.json()["row"]["run_path"], RUN);
    assert_eq!(get(&fake, &format!("/api/v1/runs/{raw}/clear-plan")).await.json()["clearable"], true);
}

#[rstest]
#[case("", 400)]
#[case("..", 400)]
#[case("../bait", 400)]
#[case("..%2Fbait", 400)]
#[case("%2e%2e/bait", 400)]
#[case("%2E%2E%2Fbait", 400)]
#[case("CONFOCAL_01/./Runs/Run_1", 400)]
#[case("CONFOCAL_01//Runs/Run_1", 400)]
#[case("CONFOCAL_01/p/Runs/Run_1/", 400)]
#[case("CONFOCAL_01/p/Runs/Run_1%2F", 400)]
#[case("CONFOCAL_01/p/Runs/Run_%00", 400)]
#[case("//etc", 400)]
#[case("%2F%2Fetc", 400)]
#[case("CONFOCAL_01/p/Runs/Run_%ff", 400)]
#[case("CONFOCAL_01/p/Runs/Run_%", 400)]
#[case("CONFOCAL_01", 404)]
#[case("CONFOCAL_01/p", 404)]
#[case("/etc/passwd", 404)]
#[case("%2Fetc%2Fpasswd", 404)]
#[case("CONFOCAL_01/p/Runs/Run_never", 404)]
#[case("%252e%252e/bait", 404)]
#[tokio::test]
async fn d1_any_other_path_is_refused(#[case] raw: &str, #[case] status: u16) {
    let fake = Arc::new(Fake::default());
    for prefix in ["/staging", "/api/v1/staging"] {
        for act in ["clear", "force-sync"] {
            let answered = post(&fake, &format!("{prefix}/{raw}/{act}")).await;
            let code = if status == 400 { "bad_path" } else { "not_found" };
            assert_eq!(answered.problem(), (status, code.to_owned()), "{prefix}/{raw}/{act}");
        }
    }
    if status == 400 {
        assert!(fake.asked().is_empty(), "the backend was asked: {:?}", fake.asked());
    }
}

#[rstest]
#[case("CONFOCAL_01/p/Runs/Run_1/delete")]
#[case("CONFOCAL_01/p/Runs/Run_1%2Fclear")]
#[case("CONFOCAL_01/p/Runs/Run_1/clear/")]
#[case("CONFOCAL_01/p/Runs/Run_1/CLEAR")]
#[case("clear")]
#[tokio::test]
async fn what_is_no_act_is_not_found(#[case] rest: &str) {
    let fake = Arc::new(Fake::default());
    assert_eq!(post(&fake, &format!("/api/v1/staging/{rest}")).await.problem(), (404, "not_found".into()));
    assert!(fake.asked().is_empty());
}
