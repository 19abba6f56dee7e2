//! Encodings, tags and kinds of the panel's files.

use super::*;
use rstest::rstest;

struct Sample;

impl SiteFiles for Sample {
    fn file(&self, path: &str) -> Option<SiteFile> {
        let bytes: &'static [u8] = match path {
            "pkg/panel.css" => b"plain",
            "pkg/panel.css.br" => b"brotli",
            "pkg/panel.css.gz" => b"gzip",
            "pkg/exlab-orchestrator.js" => b"js",
            "pkg/exlab-orchestrator.wasm" => b"wasm",
            _ => return None,
        };
        let mut sha256 = [0; 32];
        sha256[..bytes.len().min(32)].copy_from_slice(bytes);
        Some(SiteFile { bytes: bytes.into(), sha256 })
    }
}

fn asked(path: &str, pairs: &[(header::HeaderName, &str)]) -> Option<Response> {
    let headers = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
    serve(&Sample, path, &headers)
}

#[rstest]
#[case("gzip, deflate, br, zstd", Some("br"))]
#[case("gzip;q=1.0", Some("gzip"))]
#[case("br;q=0, gzip", Some("gzip"))]
#[case("identity", None)]
#[case("brx", None)]
fn the_best_encoding_the_client_takes(#[case] accepted: &str, #[case] expected: Option<&str>) {
    let response = asked("pkg/panel.css", &[(header::ACCEPT_ENCODING, accepted)]).unwrap();
    assert_eq!(response.headers().get(header::CONTENT_ENCODING).map(|v| v.to_str().unwrap()), expected);
    assert_eq!(response.headers()[header::VARY], "Accept-Encoding");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
}

#[rstest]
#[case("pkg/panel.css", "text/css; charset=utf-8")]
#[case("pkg/exlab-orchestrator.js", "text/javascript; charset=utf-8")]
#[case("pkg/exlab-orchestrator.wasm", "application/wasm")]
fn kinds(#[case] path: &str, #[case] expected: &str) {
    assert_eq!(asked(path, &[]).unwrap().headers()[header::CONTENT_TYPE], expected);
}

#[test]
fn a_known_file_is_not_sent_again_but_only_in_the_same_encoding() {
    let first = asked("pkg/panel.css", &[(header::ACCEPT_ENCODING, "br")]).unwrap();
    let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    let again = |encoding| {
        asked("pkg/panel.css", &[(header::ACCEPT_ENCODING, encoding), (header::IF_NONE_MATCH, &tag)]).unwrap()
    };
    assert_eq!(again("br").status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again("gzip").status(), StatusCode::OK);
}

#[test]
fn twins_and_strangers_are_no_files() {
    for path in ["pkg/panel.css.br", "pkg/none.js", "", "../Cargo.toml", "pkg/../pkg/panel.css"] {
        assert!(asked(path, &[]).is_none(), "{path}");
    }
    assert!(is_built(&Sample));
}
