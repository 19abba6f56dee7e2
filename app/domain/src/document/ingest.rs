//! `ingest.json` 1.1: the lifecycle of a run, append-only (docs/format.md).

use super::{DocumentError, parse_object, raise_minor, text};
use crate::lifecycle::RunState;
use crate::path::{RunKind, RunPath};
use crate::timestamp::Timestamp;
use serde_json::{Map, Value, json};

const NAME: &str = "ingest.json";
const MINOR: u64 = 1;

/// A readable `ingest.json` with everything that was in it. Thousands of them stay in memory, and rows are built of
/// them all the time: so it is kept as the text it is written as, beside the few things that rows ask for.
#[derive(Clone, PartialEq, Debug)]
pub struct Ingest {
    text: Box<str>,
    minor: u64,
    state: StateText,
    last_activity: Option<Timestamp>,
    verified: Option<LastVerified>,
}

/// What the latest `sync_verified` entry says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastVerified {
    /// When; `None` when missing or malformed.
    pub at: Option<Timestamp>,
    /// Generation, in an entry of ours.
    pub generation: Option<u64>,
    /// The seal's digest, in an entry of ours.
    pub seal: Option<Box<str>>,
}

/// One entry of `history`.
#[derive(Clone, PartialEq, Debug)]
pub struct HistoryEntry {
    /// A known state, or a newer version's text.
    pub state: StateText,
    /// When; `None` when missing or malformed.
    pub at: Option<Timestamp>,
    /// Who wrote it.
    pub host: Option<String>,
    /// Every field of the entry as it stands.
    pub fields: Map<String, Value>,
}

impl HistoryEntry {
    /// Generation of a `sync_verified` entry of ours; 1 for the first.
    pub fn generation(&self) -> Option<u64> {
        self.fields.get("generation").and_then(Value::as_u64)
    }

    /// The seal's digest in a `sync_verified` entry of ours.
    pub fn seal(&self) -> Option<&str> {
        text(&self.fields, "seal")
    }
}

/// A state as a document holds it: unknown texts of newer minors must not fail the read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StateText {
    /// One of the five.
    Known(RunState),
    /// Anything else, as written.
    Unknown(String),
}

impl StateText {
    fn read(value: Option<&str>) -> StateText {
        let value = value.unwrap_or("");
        RunState::from_text(value).map_or_else(|| StateText::Unknown(value.to_owned()), StateText::Known)
    }

    /// The text of the document.
    pub fn as_str(&self) -> &str {
        match self {
            StateText::Known(state) => state.as_str(),
            StateText::Unknown(text) => text,
        }
    }

    /// The state, if this version knows it.
    pub fn known(&self) -> Option<RunState> {
        match self {
            StateText::Known(state) => Some(*state),
            StateText::Unknown(_) => None,
        }
    }
}

/// What the first `ingest.json` of a life says.
#[derive(Clone, Debug)]
pub struct FirstIngest<'a> {
    /// creation's `lims_project.name_at_creation`, else `short_id`, else the project folder.
    pub project_name: &'a str,
    /// Kind as creation.json says, else by the leaf.
    pub run_kind: RunKind,
    /// Where the run lies.
    pub run: &'a RunPath,
    /// `smb_mount` or `file_transfer`.
    pub transport: &'a str,
    /// When it was seen.
    pub at: Timestamp,
    /// This host.
    pub host: &'a str,
    /// What was kept of the life before, and why: this one begins with it.
    pub rest_of: Option<Value>,
}

impl Ingest {
    /// Reads the document; other majors and unreadable ones are errors.
    pub fn parse(bytes: &[u8]) -> Result<Ingest, DocumentError> {
        let (object, minor) = parse_object(NAME, bytes)?;
        let unreadable = |detail: &str| DocumentError::Unreadable { document: NAME, detail: detail.into() };
        if text(&object, "current_state").is_none() {
            return Err(unreadable("`current_state` is missing or no text"));
        }
        match object.get("history") {
            None => {}
            Some(Value::Array(entries)) if entries.iter().all(Value::is_object) => {}
            Some(_) => return Err(unreadable("`history` is not a list of objects")),
        }
        Ok(Ingest::of(object, minor))
    }

    fn of(object: Map<String, Value>, minor: u64) -> Ingest {
        let history = entries(&object);
        let verified = history.iter().rev().find(|entry| entry.state == StateText::Known(RunState::SyncVerified));
        Ingest {
            minor,
            state: StateText::read(text(&object, "current_state")),
            last_activity: history.iter().filter_map(|entry| entry.at).max(),
            verified: verified.map(|entry| LastVerified {
                at: entry.at,
                generation: entry.generation(),
                seal: entry.seal().map(Box::from),
            }),
            text: Value::Object(object).to_string().into_boxed_str(),
        }
    }

    /// Everything that is in it.
    fn object(&self) -> Map<String, Value> {
        // It was written by this type.
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The first document of a life, state `staging`.
    pub fn first(from: &FirstIngest<'_>) -> Ingest {
        let mut entry = json!({"state": RunState::Staging, "at": from.at, "host": from.host});
        if let Some(rest) = &from.rest_of {
            entry["rest_of"] = rest.clone();
        }
        let value = json!({
            "schema_version": format!("1.{MINOR}"),
            "project_name": from.project_name,
            "equipment_id": from.run.equipment(),
            "run_kind": from.run_kind,
            "run_path": from.run.as_str(),
            "transport": from.transport,
            "current_state": RunState::Staging,
            "history": [entry],
        });
        let object = match value {
            Value::Object(object) => object,
            _ => Map::new(),
        };
        Ingest::of(object, MINOR)
    }

    /// Appends a transition; `extra` holds the entry's further fields. Legality is [`crate::lifecycle::apply`]'s
    /// matter.
    pub fn append(&mut self, state: RunState, at: Timestamp, host: &str, extra: Map<String, Value>) {
        let mut entry = Map::new();
        entry.insert("state".into(), json!(state));
        entry.insert("at".into(), json!(at));
        entry.insert("host".into(), json!(host));
        entry.extend(extra);
        let mut object = self.object();
        raise_minor(&mut object, self.minor, MINOR);
        object.insert("current_state".into(), json!(state));
        match object.get_mut("history") {
            Some(Value::Array(history)) => history.push(Value::Object(entry)),
            _ => {
                object.insert("history".into(), json!([entry]));
            }
        }
        *self = Ingest::of(object, self.minor.max(MINOR));
    }

    /// Compact JSON, as the existing system writes it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.text.as_bytes().to_vec()
    }

    /// Where the run is.
    pub fn current_state(&self) -> &StateText {
        &self.state
    }

    /// Where the run lay when it was first seen, or was last renamed, as recorded; `None` where that is no path of a
    /// run.
    pub fn run_path(&self) -> Option<RunPath> {
        RunPath::parse(text(&self.object(), "run_path")?).ok()
    }

    /// The run's folder was renamed: from now on it is this run, and its life goes the whole way again. Its history
    /// stays, and says what it was called.
    pub fn rename(&mut self, to: &FirstIngest<'_>) {
        let before = text(&self.object(), "run_path").unwrap_or_default().to_owned();
        let extra = Map::from_iter([("renamed_from".to_owned(), json!(before))]);
        self.append(RunState::Staging, to.at, to.host, extra);
        let mut object = self.object();
        object.insert("project_name".into(), json!(to.project_name));
        object.insert("equipment_id".into(), json!(to.run.equipment()));
        object.insert("run_kind".into(), json!(to.run_kind));
        object.insert("run_path".into(), json!(to.run.as_str()));
        object.insert("transport".into(), json!(to.transport));
        *self = Ingest::of(object, self.minor);
    }

    /// The run's kind as recorded.
    pub fn run_kind(&self) -> Option<RunKind> {
        match text(&self.object(), "run_kind")? {
            "experimental" => Some(RunKind::Experimental),
            "test" => Some(RunKind::Test),
            _ => None,
        }
    }

    /// The project's human name as recorded.
    pub fn project_name(&self) -> Option<String> {
        text(&self.object(), "project_name").map(str::to_owned)
    }

    /// All entries, oldest first.
    pub fn history(&self) -> Vec<HistoryEntry> {
        entries(&self.object())
    }

    /// The latest entry of this state.
    pub fn last(&self, state: RunState) -> Option<HistoryEntry> {
        self.history().into_iter().rev().find(|entry| entry.state == StateText::Known(state))
    }

    /// The latest `sync_verified` entry: from when on this life counts as verified.
    pub fn verified(&self) -> Option<&LastVerified> {
        self.verified.as_ref()
    }

    /// The youngest readable time in the history.
    pub fn last_activity(&self) -> Option<Timestamp> {
        self.last_activity
    }
}

fn entries(object: &Map<String, Value>) -> Vec<HistoryEntry> {
    let entries = object.get("history").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let entry = |fields: &Map<String, Value>| HistoryEntry {
        state: StateText::read(text(fields, "state")),
        at: text(fields, "at").and_then(|at| Timestamp::parse(at).ok()),
        host: text(fields, "host").map(str::to_owned),
        fields: fields.clone(),
    };
    entries.iter().filter_map(Value::as_object).map(entry).collect()
}

#[cfg(test)]
#[path = "ingest_tests.rs"]
mod tests;
