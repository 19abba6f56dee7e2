//! The panel's files, inside the binary: compressed when it was built, revalidated by ETag, never guessed by the
//! browser.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;

/// A file of the site.
pub struct SiteFile {
    /// Its bytes.
    pub bytes: Cow<'static, [u8]>,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
}

/// Where the site's files come from.
pub trait SiteFiles: Send + Sync + 'static {
    /// The file of this path, e.g. `pkg/panel.css`, or its `.br` or `.gz` twin.
    fn file(&self, path: &str) -> Option<SiteFile>;
}

/// What `xtask` left in `target/site` when this binary was built. A debug build reads the folder when asked.
#[derive(RustEmbed)]
#[folder = "../target/site"]
#[allow_missing = true]
pub struct EmbeddedSite;

impl SiteFiles for EmbeddedSite {
    fn file(&self, path: &str) -> Option<SiteFile> {
        let EmbeddedFile { data, metadata } = <EmbeddedSite as RustEmbed>::get(path)?;
        Some(SiteFile { bytes: data, sha256: metadata.sha256_hash() })
    }
}

/// Name of the panel's files, as the page asks for them.
pub const OUTPUT_NAME: &str = "exlab-orchestrator";

/// True when the panel was built into this binary.
pub fn is_built(site: &dyn SiteFiles) -> bool {
    site.file(&format!("pkg/{OUTPUT_NAME}.js")).is_some()
}

/// Answers a file in the best encoding the client takes; `None` when there is no such file.
pub fn serve(site: &dyn SiteFiles, path: &str, headers: &HeaderMap) -> Option<Response> {
    // The twins are not files of their own.
    if path.ends_with(".br") || path.ends_with(".gz") {
        return None;
    }
    let twin = ENCODINGS.iter().find_map(|(name, suffix)| {
        let file = accepts(headers, name).then(|| site.file(&format!("{path}{suffix}"))).flatten()?;
        Some((file, Some(*name)))
    });
    let (file, encoding) = match twin {
        Some(found) => found,
        None => (site.file(path)?, None),
    };
    let tag = etag(&file);
    let mut response = match headers.get(header::IF_NONE_MATCH) {
        Some(known) if names(known, &tag) => StatusCode::NOT_MODIFIED.into_response(),
        _ => file.bytes.into_response(),
    };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, content_type(path));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    out.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(encoding) = encoding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    Some(response)
}

/// Best first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// True when the client names this encoding and does not refuse it.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| {
        let mut pieces = part.split(';').map(str::trim);
        let named = pieces.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused = pieces.any(|piece| piece.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0));
        named && !refused
    })
}

/// Of the bytes that travel, so every encoding has its own.
fn etag(file: &SiteFile) -> String {
    let hex: String = file.sha256[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn names(known: &HeaderValue, tag: &str) -> bool {
    let tags = known.to_str().unwrap_or("").split(',').map(str::trim);
    tags.map(|known| known.trim_start_matches("W/")).any(|known| known == tag || known == "*")
}

fn content_type(path: &str) -> HeaderValue {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let text = matches!(kind.type_(), mime_guess::mime::TEXT) || kind.subtype() == mime_guess::mime::JAVASCRIPT;
    let value = if text { format!("{kind}; charset=utf-8") } else { kind.to_string() };
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
#[path = "site_tests.rs"]
mod tests;
