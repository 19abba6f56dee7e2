//! Talks REST to the running server, as any script could.

use super::CommandError;
use domain::address::encode_path;
use domain::api::{ActKind, ActView, ClearPlan, ForceSyncRequest, PanelStatus, RunDetail, RunRow, StagingList};
use domain::problem::Problem;
use domain::settings::Settings;
use serde::de::DeserializeOwned;
use std::time::Duration;
use ureq::Agent;
use ureq::http::Response;

/// Connecting over loopback takes no time; more means that something is wrong.
const CONNECT: Duration = Duration::from_secs(5);

/// Longer than the 10 s the server waits for its first scan.
const ANSWER: Duration = Duration::from_secs(60);

/// A list of very many runs is large.
const LARGEST_ANSWER: u64 = 1 << 30;

/// The server of a config.
pub struct Client {
    agent: Agent,
    address: String,
}

impl Client {
    /// Nothing is asked yet.
    pub fn new(settings: &Settings) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(ANSWER))
            // A proxy of the environment is not the way to this machine itself.
            .proxy(None)
            .max_redirects(0)
            .user_agent(concat!("exlab-orchestrator/", env!("CARGO_PKG_VERSION")))
            .build();
        Client { agent: config.into(), address: settings.listen.clone() }
    }

    /// All rows.
    pub fn staging(&self) -> Result<StagingList<RunRow>, CommandError> {
        self.get("/api/v1/staging")
    }

    /// All rows as the server wrote them.
    pub fn staging_text(&self) -> Result<String, CommandError> {
        self.text("/api/v1/staging")
    }

    /// The header.
    pub fn status(&self) -> Result<PanelStatus, CommandError> {
        self.get("/api/v1/status")
    }

    /// Everything of a run.
    pub fn run(&self, run: &str) -> Result<RunDetail, CommandError> {
        self.get(&format!("/api/v1/runs/{}", encode_path(run)))
    }

    /// Why it can or cannot be cleared.
    pub fn clear_plan(&self, run: &str) -> Result<ClearPlan, CommandError> {
        self.get(&format!("/api/v1/runs/{}/clear-plan", encode_path(run)))
    }

    /// Starts an act on one run; it goes on by itself.
    pub fn start(&self, kind: ActKind, run: &str, request: &ForceSyncRequest) -> Result<ActView, CommandError> {
        let url = self.url(&format!("/api/v1/staging/{}/{}", encode_path(run), kind.as_str()));
        let post = self.agent.post(&url).header("prefer", "respond-async");
        let sent = if kind == ActKind::ForceSync { post.send_json(request) } else { post.send_empty() };
        self.read(sent)
    }

    /// A started act.
    pub fn act(&self, id: &str) -> Result<ActView, CommandError> {
        self.get(&format!("/api/v1/acts/{}", encode_path(id)))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CommandError> {
        self.read(self.agent.get(self.url(path)).call())
    }

    fn text(&self, path: &str) -> Result<String, CommandError> {
        self.body(self.agent.get(self.url(path)).call())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn read<T: DeserializeOwned>(&self, sent: Result<Response<ureq::Body>, ureq::Error>) -> Result<T, CommandError> {
        let text = self.body(sent)?;
        serde_json::from_str(&text).map_err(|error| self.strange(&error.to_string()))
    }

    fn body(&self, sent: Result<Response<ureq::Body>, ureq::Error>) -> Result<String, CommandError> {
        let response = sent.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let text = response.into_body().into_with_config().limit(LARGEST_ANSWER).read_to_string();
        let text = text.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            return Ok(text);
        }
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Err(problem.into()),
            Err(_) => Err(self.strange(&format!("HTTP {status}"))),
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> CommandError {
        let address = &self.address;
        CommandError::NoServer(format!(
            "No orchestrator answers at http://{address} ({error}). Start it with `exlab-orchestrator serve`, with the same --config."
        ))
    }

    fn strange(&self, what: &str) -> CommandError {
        let address = &self.address;
        CommandError::Failed(format!("What answers at http://{address} is not an orchestrator of this version: {what}"))
    }
}
