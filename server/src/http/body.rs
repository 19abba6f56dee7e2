//! Bodies and preferences of requests: JSON, optional, unknown fields refused.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, header};
use domain::problem::{ErrorCode, Problem};
use serde::de::DeserializeOwned;

/// `Prefer` (RFC 7240).
pub const PREFER: HeaderName = HeaderName::from_static("prefer");

/// `Preference-Applied` (RFC 7240).
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The body, or the default when there is none.
pub fn optional<T: DeserializeOwned + Default>(headers: &HeaderMap, body: &Bytes) -> Result<T, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) { Ok(T::default()) } else { required(headers, body) }
}

/// The body.
pub fn required<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Problem> {
    let refused = |why: String| Problem::new(ErrorCode::Unprocessable, why);
    if !is_json(headers) {
        return Err(refused("Send the body as JSON with `Content-Type: application/json`.".into()));
    }
    serde_json::from_slice(body).map_err(|error| refused(format!("The body cannot be accepted: {error}.")))
}

/// For acts without a body of their own: nothing, or an empty object.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// True when the client would rather follow the act than wait for it.
pub fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|part| part.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("respond-async"))
}

/// True when a browser asks for a page. Scripts ask for anything, or for JSON.
pub fn wants_html(headers: &HeaderMap) -> bool {
    let accepts = |what: &str| {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|part| part.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case(what))
    };
    accepts("text/html") && !accepts("application/json")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::api::ForceSyncRequest;
    use rstest::rstest;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[rstest]
    #[case("respond-async", true)]
    #[case("wait=10, Respond-Async", true)]
    #[case("respond-async; x=1", true)]
    #[case("return=minimal", false)]
    fn preferences(#[case] value: &str, #[case] expected: bool) {
        assert_eq!(prefers_async(&headers(&[(PREFER, value)])), expected);
    }

    #[rstest]
    #[case("text/html,application/xhtml+xml,*/*;q=0.8", true)]
    #[case("*/*", false)]
    #[case("application/json", false)]
    #[case("application/json, text/html;q=0.5", false)]
    fn who_gets_the_panel(#[case] value: &str, #[case] expected: bool) {
        assert_eq!(wants_html(&headers(&[(header::ACCEPT, value)])), expected);
    }

    #[rstest]
    #[case("", "", Ok(false))]
    #[case("", "  \n", Ok(false))]
    #[case("application/json", "{}", Ok(false))]
    #[case("application/json; charset=utf-8", "{\"assume_complete\":true}", Ok(true))]
    #[case("application/json", "{\"assume_complet\":true}", Err("unknown field"))]
    #[case("application/json", "{", Err("EOF"))]
    #[case("application/x-www-form-urlencoded", "{}", Err("application/json"))]
    #[case("", "x", Err("application/json"))]
    fn bodies(#[case] kind: &str, #[case] body: &'static str, #[case] expected: Result<bool, &str>) {
        let read = optional::<ForceSyncRequest>(
            &headers(&[(header::CONTENT_TYPE, kind)]),
            &Bytes::from_static(body.as_bytes()),
        );
        match (read, expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read.assume_complete, expected),
            (Err(problem), Err(words)) => assert!(problem.message.contains(words), "{}", problem.message),
            (read, expected) => panic!("{read:?} instead of {expected:?}"),
        }
    }
}
