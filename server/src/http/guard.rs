//! Only our own pages, and programs on this machine, may act (S12, S15).
//!
//! - Host must be one of our own names with our port: a foreign name that resolves to 127.0.0.1 is refused.
//! - A request that changes something and comes from a page must come from a page of ours: same scheme, host and port.
//!
//! This is no authentication between accounts of this machine.

use super::answer::Refusal;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::problem::{ErrorCode, Problem};
use std::net::SocketAddr;
use std::sync::Arc;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names under which we may be asked, lower case, with port.
#[derive(Clone, Debug)]
pub struct Ours(Arc<[String]>);

impl Ours {
    /// The loopback names and the address itself, with its port.
    pub fn new(address: SocketAddr) -> Ours {
        let port = address.port();
        let own = if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() };
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned(), "[::1]".to_owned(), own];
        let with_port = names.iter().map(|name| format!("{name}:{port}"));
        // A browser leaves out the port of plain HTTP.
        let without = names.iter().filter(|_| port == 80).cloned();
        Ours(with_port.chain(without).collect())
    }

    fn contains(&self, host: &str) -> bool {
        self.0.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    /// `Ok`, or the sentence why the request is refused.
    fn judge(&self, host: Option<&str>, changes: bool, headers: &HeaderMap) -> Result<(), String> {
        let Some(host) = host.filter(|host| self.contains(host)) else {
            let host = host.unwrap_or("nothing");
            return Err(format!(
                "The request names the host {host:?}, which is not one of this server's names ({}).",
                self.0.join(", ")
            ));
        };
        if !changes {
            return Ok(());
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) if origin.as_bytes().eq_ignore_ascii_case(format!("http://{host}").as_bytes()) => {
                return Ok(());
            }
            (None, None) => {}
            (origin, _) => {
                let origin = origin.map_or("", |origin| origin.to_str().unwrap_or("an unreadable one"));
                return Err(format!(
                    "The request comes from a page of {origin:?}, not of this server; only its own pages may act."
                ));
            }
        }
        // Old browsers may send no Origin; where they send Sec-Fetch-Site instead, that is believed.
        match headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes()) {
            None | Some(b"same-origin" | b"none") => Ok(()),
            Some(_) => {
                Err("The request comes from a page of another site; only this server's own pages may act.".into())
            }
        }
    }
}

/// The layer.
pub async fn refuse_foreign(State(ours): State<Ours>, request: Request, next: Next) -> Response {
    let changes = !request.method().is_safe();
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        (None, _) => request.uri().authority().map(|authority| authority.as_str()),
        _ => None,
    };
    match ours.judge(host, changes, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(sentence) => Refusal(Problem::new(ErrorCode::Forbidden, sentence)).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn judged(host: &str, changes: bool, headers: &[(HeaderName, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        Ours::new("127.0.0.1:8080".parse().unwrap()).judge(Some(host), changes, &headers).is_ok()
    }

    #[rstest]
    #[case("127.0.0.1:8080", true)]
    #[case("localhost:8080", true)]
    #[case("LOCALHOST:8080", true)]
    #[case("[::1]:8080", true)]
    #[case("localhost", false)]
    #[case("localhost:8081", false)]
    #[case("localhost.evil.example:8080", false)]
    #[case("evil.example", false)]
    #[case("127.0.0.1:8080@evil.example", false)]
    #[case("127.0.0.2:8080", false)]
    fn s12_host(#[case] host: &str, #[case] accepted: bool) {
        assert_eq!(judged(host, false, &[]), accepted);
    }

    #[rstest]
    #[case("http://127.0.0.1:8080", true)]
    #[case("http://127.0.0.1:8888", false)]
    #[case("http://localhost:8080", false)]
    #[case("https://127.0.0.1:8080", false)]
    #[case("http://127.0.0.1", false)]
    #[case("http://127.0.0.1:8080.evil.example", false)]
    #[case("http://evil.example", false)]
    #[case("null", false)]
    #[case("", false)]
    fn s15_origin(#[case] origin: &str, #[case] accepted: bool) {
        assert_eq!(judged("127.0.0.1:8080", true, &[(header::ORIGIN, origin)]), accepted);
        assert!(judged("127.0.0.1:8080", false, &[(header::ORIGIN, origin)]), "reading changes nothing");
    }

    #[rstest]
    #[case("same-origin", true)]
    #[case("none", true)]
    #[case("same-site", false)]
    #[case("cross-site", false)]
    fn s12_sec_fetch_site(#[case] site: &str, #[case] accepted: bool) {
        assert_eq!(judged("127.0.0.1:8080", true, &[(SEC_FETCH_SITE, site)]), accepted);
    }

    #[test]
    fn s12_a_program_without_origin_may_act() {
        assert!(judged("127.0.0.1:8080", true, &[]));
    }
}
