//! What windows of a run's lists are asked for with: the queries of `/runs/{run_path}/files` and `/log`. Strict: what
//! is not known is refused.

use domain::api::{FileState, FilesQuery, LogQuery};
use domain::log_line::Level;
use domain::problem::{ErrorCode, Problem};

/// Most files of a window.
const LARGEST_LIMIT: u32 = 1_000;

/// Most lines of a log.
const LARGEST_TAIL: u32 = 5_000;

fn refused(why: String) -> Problem {
    Problem::new(ErrorCode::BadRequest, why)
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|_| refused(format!("{key} must be a whole number, not {value:?}.")))
}

/// `?offset=&limit=&q=&state=`
pub fn files(query: &str) -> Result<FilesQuery, Problem> {
    let mut asked = FilesQuery::default();
    for (key, value) in domain::address::pairs(query) {
        match key.as_str() {
            "offset" => asked.offset = number(&key, &value)?,
            "limit" => {
                let limit = number(&key, &value)?;
                if !(1..=LARGEST_LIMIT).contains(&limit) {
                    return Err(refused(format!("limit must be from 1 to {LARGEST_LIMIT}, not {limit}.")));
                }
                asked.limit = limit;
            }
            "q" => asked.text = value,
            "state" if value.is_empty() => asked.state = None,
            "state" => {
                let known = FileState::ALL.map(FileState::as_str).join(", ");
                asked.state = Some(
                    FileState::from_text(&value)
                        .ok_or_else(|| refused(format!("state is one of {known}, not {value:?}.")))?,
                );
            }
            _ => return Err(refused(format!("The query takes offset, limit, q and state, not {key:?}."))),
        }
    }
    Ok(asked)
}

/// `?tail=&level=&q=`; `None` for `?download=1`.
pub fn log(query: &str) -> Result<Option<LogQuery>, Problem> {
    let mut asked = LogQuery::default();
    for (key, value) in domain::address::pairs(query) {
        match key.as_str() {
            "download" if value == "1" => return Ok(None),
            "tail" => {
                let tail = number(&key, &value)?;
                if !(1..=LARGEST_TAIL).contains(&tail) {
                    return Err(refused(format!("tail must be from 1 to {LARGEST_TAIL}, not {tail}.")));
                }
                asked.tail = tail;
            }
            "q" => asked.text = value,
            "level" if value.is_empty() => asked.level = None,
            "level" => {
                let known = Level::ALL.map(Level::as_str).join(", ");
                asked.level = Some(
                    Level::from_text(&value)
                        .ok_or_else(|| refused(format!("level is one of {known}, not {value:?}.")))?,
                );
            }
            _ => return Err(refused(format!("The query takes tail, level, q and download=1, not {key:?}."))),
        }
    }
    Ok(Some(asked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", Some(FilesQuery::default()))]
    #[case("offset=200&limit=1000&q=a+b%26&state=late", Some(FilesQuery { offset: 200, limit: 1_000, text: "a b&".into(), state: Some(FileState::Late) }))]
    #[case("state=", Some(FilesQuery::default()))]
    #[case("state=lost", None)]
    #[case("offset=-1", None)]
    #[case("limit=0", None)]
    #[case("limit=1001", None)]
    #[case("page=2", None)]
    fn windows_of_files(#[case] query: &str, #[case] expected: Option<FilesQuery>) {
        assert_eq!(files(query).ok(), expected);
    }

    #[rstest]
    #[case("", Some(Some(LogQuery::default())))]
    #[case("tail=10&level=warn&q=x", Some(Some(LogQuery { tail: 10, level: Some(Level::Warn), text: "x".into() })))]
    #[case("download=1", Some(None))]
    #[case("download=yes", None)]
    #[case("level=loud", None)]
    #[case("tail=0", None)]
    #[case("tail=5001", None)]
    #[case("lines=2", None)]
    fn lines_of_logs(#[case] query: &str, #[case] expected: Option<Option<LogQuery>>) {
        assert_eq!(log(query).ok(), expected);
    }
}
