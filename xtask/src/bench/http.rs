//! Requests over loopback, on one connection, timed.

use anyhow::{Context, Result};
use std::time::Instant;

/// One client with its kept connection.
pub struct Client(ureq::Agent);

impl Client {
    /// A new one.
    pub fn new() -> Client {
        Client(ureq::Agent::new_with_defaults())
    }

    /// The body.
    pub fn get(&self, url: &str) -> Result<Vec<u8>> {
        let mut answer =
            self.0.get(url).header("accept", "application/json").call().with_context(|| format!("GET {url}"))?;
        answer.body_mut().with_config().limit(1 << 30).read_to_vec().with_context(|| format!("GET {url}"))
    }

    /// The body as JSON.
    pub fn json(&self, url: &str) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.get(url)?).with_context(|| format!("GET {url} is no JSON"))
    }

    /// Milliseconds until the whole body is here.
    pub fn time(&self, url: &str) -> Result<f64> {
        let begun = Instant::now();
        self.get(url)?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    }
}

/// The status of a GET; `None` when nobody answers.
pub fn status(url: &str) -> Option<u16> {
    match ureq::get(url).call() {
        Ok(answer) => Some(answer.status().as_u16()),
        Err(ureq::Error::StatusCode(code)) => Some(code),
        Err(_) => None,
    }
}
