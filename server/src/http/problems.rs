//! `/problems`: every finding of the Pre-Sync Gate, overrides and their ends, and local marks.

use super::answer::{Answer, json, ok};
use super::staging::detached;
use super::{Http, body, run_path};
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use domain::address::pairs_strictly;
use domain::api::{KnownRequest, OverrideRequest, ProblemQuery, RevokeRequest};
use domain::problem::{ErrorCode, Problem};

/// `GET /api/v1/problems?scope=&tier=&rule=&state=&q=&offset=&limit=`
pub async fn list(State(http): State<Http>, RawQuery(query): RawQuery) -> Answer {
    http.require_on()?;
    let query = read(query.as_deref().unwrap_or(""))?;
    Ok(ok(&http.backend.problems(query).await?))
}

/// `POST /api/v1/problems/{run_path}/{override, override/revoke, known, unknown}`. Acts are tasks: who hangs up changes
/// nothing.
pub async fn act(State(http): State<Http>, uri: Uri, headers: HeaderMap, body: Bytes) -> Answer {
    http.require_on()?;
    let raw = uri.path().strip_prefix("/problems/").unwrap_or("");
    let (raw_run, act) = split(raw).ok_or_else(|| unknown_act(raw))?;
    let path = run_path::decode(raw_run)?;
    let backend = http.backend;
    match act {
        Act::Override => {
            let request: OverrideRequest = body::required(&headers, &body)?;
            detached(async move { Ok(json(StatusCode::CREATED, &backend.override_findings(&path, request).await?)) })
                .await
        }
        Act::Revoke => {
            let request: RevokeRequest = body::required(&headers, &body)?;
            detached(async move { Ok(json(StatusCode::CREATED, &backend.revoke_override(&path, request).await?)) })
                .await
        }
        Act::Mark { known } => {
            let request: KnownRequest = body::required(&headers, &body)?;
            detached(async move { Ok(ok(&backend.mark_known(&path, request, known).await?)) }).await
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Override,
    Revoke,
    Mark { known: bool },
}

/// Cuts the act off before anything is decoded, so that an encoded slash cannot move it.
fn split(raw: &str) -> Option<(&str, Act)> {
    let acts = [
        ("/override/revoke", Act::Revoke),
        ("/override", Act::Override),
        ("/known", Act::Mark { known: true }),
        ("/unknown", Act::Mark { known: false }),
    ];
    acts.into_iter().find_map(|(ending, act)| Some((raw.strip_suffix(ending)?, act)))
}

fn unknown_act(raw: &str) -> Problem {
    let known = "POST /api/v1/problems/RUN/ takes override, override/revoke, known and unknown";
    Problem::new(ErrorCode::NotFound, format!("{raw:?} names no act: {known}."))
}

fn read(query: &str) -> Result<ProblemQuery, Problem> {
    let refused = |why: String| Problem::new(ErrorCode::BadRequest, why);
    let mut asked = ProblemQuery::default();
    let mut seen = Vec::new();
    let pairs = pairs_strictly(query).map_err(|(key, why)| refused(format!("{key} {why}.")))?;
    for (key, value) in pairs {
        if seen.contains(&key) {
            return Err(refused(format!("The query gives {key} twice.")));
        }
        asked.set(&key, &value).map_err(refused)?;
        seen.push(key);
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::finding::{Rule, Tier};
    use rstest::rstest;

    #[test]
    fn a_query_is_read() {
        let asked = read("scope=blocking&tier=hard&rule=orphan&state=complete&q=a+b%2Bc&offset=3&limit=5").unwrap();
        assert_eq!((asked.tier, asked.rule, asked.q.as_str()), (Some(Tier::Hard), Some(Rule::Orphan), "a b+c"));
        assert_eq!(read("").unwrap(), ProblemQuery::default());
        assert_eq!(read("scope=&tier=&rule=&state=&q=").unwrap(), ProblemQuery::default());
    }

    #[rstest]
    #[case("page=2")]
    #[case("scope=everything")]
    #[case("tier=HARD")]
    #[case("rule=x")]
    #[case("state=blocked")]
    #[case("q=%zz")]
    #[case("q=%ff")]
    #[case("q=a&q=b")]
    fn another_is_refused(#[case] query: &str) {
        assert_eq!(read(query).unwrap_err().code, ErrorCode::BadRequest);
    }

    #[rstest]
    #[case("E/p/Runs/Run_1/override", Some(("E/p/Runs/Run_1", Act::Override)))]
    #[case("E/p/Runs/Run_1/override/revoke", Some(("E/p/Runs/Run_1", Act::Revoke)))]
    #[case("E/p/Runs/Run_1/known", Some(("E/p/Runs/Run_1", Act::Mark { known: true })))]
    #[case("E/p/Runs/Run_1/unknown", Some(("E/p/Runs/Run_1", Act::Mark { known: false })))]
    #[case("E/p/Runs/Run_1%2Foverride", None)]
    #[case("E/p/Runs/Run_1/revoke", None)]
    #[case("override", None)]
    fn acts(#[case] raw: &str, #[case] expected: Option<(&str, Act)>) {
        assert_eq!(split(raw), expected);
    }
}
