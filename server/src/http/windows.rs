//! What windows of a run's lists are asked for with: the query of `/runs/{run_path}/files`. Strict: what is not known is refused.

use domain::api::{FileState, FilesQuery};
use domain::problem::{ErrorCode, Problem};

/// Most files of a window.
const LARGEST_LIMIT: u32 = 1_000;

fn refused(why: String) -> Problem {
    Problem::new(ErrorCode::BadRequest, why)
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|_| refused(format!("{key} must be a whole number, not {value:?}.")))
}

/// `?offset=&limit=&q=&state=`
pub fn files(query: &str) -> Result<FilesQuery, Problem> {
    let mut asked = FilesQuery::default();
    for (key, value) in app::href::pairs(query) {
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
                asked.state =
                    Some(FileState::from_text(&value).ok_or_else(|| refused(format!("state is one of {known}, not {value:?}.")))?);
            }
            _ => return Err(refused(format!("The query knows offset, limit, q and state, not {key:?}."))),
        }
    }
    Ok(asked)
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
}
