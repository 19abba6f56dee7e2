//! The oracle's judgments: each is given what was seen, and says what is wrong with it.

use super::books::{Account, digest_at};
use super::places::Places;
use serde_json::Value;

/// What may be wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    /// Content that an instrument finished writing stands nowhere any more.
    Lost,
    /// A file outside the staging tree was touched.
    Touched,
    /// Called verified, and the NAS does not hold it.
    FalselyVerified,
    /// The run neither ends nor says why.
    Stuck,
    /// An entry of its history is gone or was changed, or it says what cannot be.
    History,
    /// An answer that blames the server.
    ServerError,
    /// The program panicked, or ended unasked.
    Panic,
    /// The campaign itself could not do what it had to.
    Campaign,
}

impl Class {
    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Class::Lost => "content lost",
            Class::Touched => "file outside touched",
            Class::FalselyVerified => "falsely verified",
            Class::Stuck => "stuck without a word",
            Class::History => "history broken",
            Class::ServerError => "server error",
            Class::Panic => "panic or unasked end",
            Class::Campaign => "campaign failed",
        }
    }
}

/// How a trial ended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum End {
    /// Cleared: the NAS alone holds it.
    Cleared,
    /// It stands here, and the program says why and what to do.
    Kept(String),
    /// It is being worked on, or waits for its turn.
    UnderWay,
    /// It stands here, and nobody knows why.
    Stuck(String),
}

/// Codes that say "not now", and why; only while something is wrong with the site.
const NOT_NOW: [&str; 5] =
    ["starting", "stopping", "staging_unavailable", "state_unavailable", "orchestrator_disabled"];

/// An answer of the program. `troubled`: the site is, or was a moment ago, in trouble of the campaign's making.
pub fn answer(status: u16, body: &Value, troubled: bool) -> Option<String> {
    let code = body["code"].as_str().unwrap_or_default();
    let not_now = status == 503 && troubled && NOT_NOW.contains(&code);
    (status >= 500 && !not_now).then(|| format!("{status} {code}: {}", body["message"].as_str().unwrap_or_default()))
}

/// The log of the program.
pub fn log(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.contains("panicked at") || line.contains("memory allocation of"))?;
    Some(line.to_owned())
}

/// A run that is called verified while nothing was done to its copy: what is owed must stand there.
pub fn verified(places: &Places, account: &Account) -> Option<String> {
    let name = account.names.last()?;
    let missing = account
        .owed
        .iter()
        .find(|(digest, path)| digest_at(&places.there(name).join(path)).as_ref() != Some(digest))?;
    Some(format!("{} is not on the NAS as it was written", missing.1))
}

/// Entries are only ever appended, and nothing is cleared that was not verified before.
pub fn history(before: &[Value], now: &[Value]) -> Option<String> {
    if now.len() < before.len() || now[..before.len()] != *before {
        return Some(format!(
            "{} of {} earlier entries are as they were",
            now.iter().zip(before).filter(|(a, b)| a == b).count(),
            before.len()
        ));
    }
    let mut is_verified = false;
    for entry in now {
        match entry["state"].as_str().unwrap_or_default() {
            "sync_verified" => is_verified = true,
            "cleared" if !is_verified => return Some("cleared without having been verified".into()),
            _ => {}
        }
    }
    None
}

/// A run that stands here at the end of its trial, as the program describes it.
pub fn end(run: Option<&Value>) -> End {
    let Some(run) = run else { return End::Stuck("the program does not know the run".into()) };
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let row = &run["row"];
    let is_at_work =
        ["queued", "running", "awaiting_verify"].contains(&row["job"]["state"].as_str().unwrap_or_default());
    if row["job"]["error"].is_null()
        && row["clearing"]["waiting"].is_null()
        && (is_at_work || !row["clearing"].is_null())
    {
        return End::UnderWay;
    }
    let unmet = run["clear_plan"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|condition| condition["holds"] == false && condition["automatic_only"] == false);
    let said = text(&row["problem"]["message"])
        .or_else(|| text(&row["clearing"]["waiting"]))
        .or_else(|| text(&row["job"]["error"]["message"]))
        .or_else(|| text(&row["waiting_for"]))
        .or_else(|| {
            unmet.and_then(|condition| {
                text(&condition["title"])
                    .map(|title| format!("{title}: {}", condition["value"].as_str().unwrap_or_default()))
            })
        });
    match said {
        Some(said) => End::Kept(said),
        None => End::Stuck(row["current_state"].as_str().unwrap_or("no row").to_owned()),
    }
}
