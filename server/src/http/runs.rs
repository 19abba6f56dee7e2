//! `/runs`: one run in full, why it can or cannot be cleared, and the runs that are gone. `/status`: the header.
//! `/overview`: the whole installation.

use super::answer::{Answer, ok};
use super::{Http, run_path, windows};
use app::backend::LogFile;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use domain::address::pairs;
use domain::problem::{ErrorCode, Problem};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// Entries of a page when the client does not say.
const USUAL_LIMIT: u32 = 100;

/// Most entries of a page.
const LARGEST_LIMIT: u32 = 1_000;

/// `GET /api/v1/status`: also while the orchestrator is off.
pub async fn status(State(http): State<Http>) -> Response {
    ok(&http.backend.status())
}

/// `GET /api/v1/overview`
pub async fn overview(State(http): State<Http>) -> Answer {
    http.require_on()?;
    Ok(ok(&http.backend.overview().await?))
}

/// `GET /api/v1/runs/{run_path}`, and `/clear-plan`, `/files`, `/log` and `/certificate` behind it. A run's last
/// segment begins with `Run_` or `TestRun_`, so they cannot be confused.
pub async fn one(State(http): State<Http>, uri: Uri) -> Answer {
    http.require_on()?;
    let raw = uri.path().strip_prefix("/runs/").unwrap_or("");
    let query = uri.query().unwrap_or("");
    let backend = &http.backend;
    match run_path::split_act(raw) {
        Some((run, "clear-plan")) => Ok(ok(&backend.clear_plan(&run_path::decode(run)?).await?)),
        Some((run, "files")) => Ok(ok(&backend.run_files(&run_path::decode(run)?, windows::files(query)?).await?)),
        Some((run, "log")) => {
            let (run, asked) = (run_path::decode(run)?, windows::log(query)?);
            match asked {
                Some(query) => Ok(ok(&backend.run_log(&run, query).await?)),
                None => Ok(attachment(backend.log_file(&run).await?)),
            }
        }
        Some((run, "certificate")) => Ok(ok(&backend.certificate(&run_path::decode(run)?).await?)),
        _ => Ok(ok(&backend.run(&run_path::decode(raw)?).await?)),
    }
}

/// A log as a file: text, whatever stands in it, streamed up to the size it had when it was opened.
fn attachment(log: LogFile) -> Response {
    let stream = ReaderStream::new(tokio::fs::File::from_std(log.file).take(log.bytes));
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The name is `wizard.<host>.log` with plain characters only.
    let named = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", log.name));
    headers.insert(header::CONTENT_DISPOSITION, named.unwrap_or_else(|_| HeaderValue::from_static("attachment")));
    response
}

/// `GET /api/v1/runs?state=cleared&before=&limit=`
pub async fn cleared(State(http): State<Http>, RawQuery(query): RawQuery) -> Answer {
    http.require_on()?;
    let page = Page::read(query.as_deref().unwrap_or(""))?;
    Ok(ok(&http.backend.cleared_runs(page.before, page.limit).await?))
}

#[derive(PartialEq, Eq, Debug)]
struct Page {
    before: Option<u64>,
    limit: u32,
}

impl Page {
    fn read(query: &str) -> Result<Page, Problem> {
        let refused = |why: String| Problem::new(ErrorCode::BadRequest, why);
        let mut page = Page { before: None, limit: USUAL_LIMIT };
        let mut state = None;
        for (key, value) in pairs(query) {
            let number =
                || value.parse::<u64>().map_err(|_| refused(format!("{key} must be a whole number, not {value:?}.")));
            match key.as_str() {
                "state" => state = Some(value.clone()),
                "before" if value.is_empty() => {}
                "before" => page.before = Some(number()?),
                "limit" => {
                    let limit = u32::try_from(number()?).ok().filter(|limit| (1..=LARGEST_LIMIT).contains(limit));
                    page.limit = limit
                        .ok_or_else(|| refused(format!("limit must be from 1 to {LARGEST_LIMIT}, not {value:?}.")))?;
                }
                _ => return Err(refused(format!("The query takes state, before and limit, not {key:?}."))),
            }
        }
        match state.as_deref() {
            Some("cleared") => Ok(page),
            _ => Err(refused(
                "Write ?state=cleared for the runs that are gone; the others are under /api/v1/staging.".into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("state=cleared", Some(Page { before: None, limit: 100 }))]
    #[case("state=cleared&before=&limit=5", Some(Page { before: None, limit: 5 }))]
    #[case("limit=1000&before=77&state=cleared", Some(Page { before: Some(77), limit: 1_000 }))]
    #[case("", None)]
    #[case("state=staging", None)]
    #[case("state=cleared&limit=0", None)]
    #[case("state=cleared&limit=1001", None)]
    #[case("state=cleared&before=x", None)]
    #[case("state=cleared&page=2", None)]
    fn pages(#[case] query: &str, #[case] expected: Option<Page>) {
        assert_eq!(Page::read(query).ok(), expected);
    }
}
