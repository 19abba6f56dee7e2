//! What must be true at the end, wherever the program was killed.

use super::case::{DATA, the_run};
use crate::support::{Lab, files_below};
use domain::job::JobState;
use engine::database::Store;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const RECORD: &str = ".exlab-wizard";
/// Locks beside ingest.json and creation.json: empty files that are freed too and never sent.
const LOCKS_AT_MOST: u64 = 2;

pub async fn check(lab: &Lab) -> Result<(), String> {
    let left: Vec<PathBuf> = files_below(&lab.path("staging")).into_iter().map(|(path, _)| path).collect();
    same("files left in staging", &left, &Vec::new())?;
    same("folders left aside", &names_in(&lab.staging(".exlab-clearing")), &Vec::new())?;
    same("run folder still there", &lab.staging(the_run().as_str()).exists(), &false)?;
    let record = on_the_nas(lab)?;
    let ingest = history(&record)?;
    let store = Store::open(&lab.path("state")).await.map_err(|error| error.to_string())?;
    let checked = in_the_state_folder(&store, &record, &ingest).await;
    store.close().await;
    checked
}

/// Every byte of the data, nothing else under a final name, nothing half-written; answers the record.
fn on_the_nas(lab: &Lab) -> Result<BTreeMap<PathBuf, Vec<u8>>, String> {
    let nas = lab.nas(&the_run());
    let (record, data): (Vec<_>, Vec<_>) =
        files_below(&nas).into_iter().partition(|(path, _)| path.starts_with(RECORD));
    let mut pushed: Vec<(PathBuf, Vec<u8>)> = DATA.iter().map(|(path, bytes)| (path.into(), bytes.to_vec())).collect();
    pushed.sort();
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    same("names on the NAS", &names(&data), &names(&pushed))?;
    for ((path, found), (_, bytes)) in data.iter().zip(&pushed) {
        same(&format!("content of {} on the NAS", path.display()), &(found == bytes), &true)?;
    }
    same("empty folder on the NAS", &nas.join("raw/nothing yet").is_dir(), &true)?;
    let temporary = nas_root(lab).join(".exlab-orchestrator/tmp");
    same("files left in the NAS's temporary folder", &names_in(&temporary), &Vec::new())?;
    // Besides the marker there are our notes of which record was put there last.
    let ours = |path: &PathBuf| path.starts_with(".exlab-orchestrator/records");
    let others: Vec<_> = files_below(&nas_root(lab))
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| !in_run(path) && !ours(path))
        .collect();
    same("other files on the NAS", &others, &vec![PathBuf::from(".exlab-orchestrator/identity.json")])?;
    let checksums = lines(&record, "checksums.sha256")?;
    same("lines of checksums.sha256", &checksums.len(), &DATA.len())?;
    Ok(record.into_iter().map(|(path, bytes)| (path.strip_prefix(RECORD).unwrap_or(&path).to_owned(), bytes)).collect())
}

fn nas_root(lab: &Lab) -> PathBuf {
    lab.path("nas").join(the_run().equipment())
}

fn in_run(path: &Path) -> bool {
    path.starts_with(the_run().below_equipment())
}

fn lines(record: &[(PathBuf, Vec<u8>)], name: &str) -> Result<Vec<String>, String> {
    let path = Path::new(RECORD).join(name);
    let found = record.iter().find(|(known, _)| *known == path).ok_or_else(|| format!("no {name} on the NAS"))?;
    Ok(String::from_utf8_lossy(&found.1).lines().map(str::to_owned).collect())
}

/// The whole history, each state once; answers the text of ingest.json.
fn history(record: &BTreeMap<PathBuf, Vec<u8>>) -> Result<String, String> {
    let document = |name: &str| -> Result<(String, Value), String> {
        let bytes = record.get(Path::new(name)).ok_or_else(|| format!("no {name} on the NAS: {:?}", record.keys()))?;
        let text = String::from_utf8_lossy(bytes).into_owned();
        let value = serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
        Ok((text, value))
    };
    let (text, ingest) = document("ingest.json")?;
    let entries = ingest["history"].as_array().ok_or("no history")?;
    let states: Vec<&str> = entries.iter().filter_map(|entry| entry["state"].as_str()).collect();
    same("history", &states, &vec!["staging", "complete", "sync_queued", "sync_verified", "cleared"])?;
    same("generation", &entries[3]["generation"], &Value::from(1))?;
    same("files received", &entries[1]["files_received"], &Value::from(DATA.len()))?;
    same("state", &ingest["current_state"], &Value::from("cleared"))?;
    same("what the producer is told", &document("creation.json")?.1["sync_status"], &Value::from("cleaned"))?;
    Ok(text)
}

/// Ledger, queue and intents.
async fn in_the_state_folder(store: &Store, record: &BTreeMap<PathBuf, Vec<u8>>, ingest: &str) -> Result<(), String> {
    let text = |error: engine::database::StoreError| error.to_string();
    same("open intents", &store.open_intents().await.map_err(text)?, &Vec::new())?;
    let lives = store.cleared_runs(None, 10).await.map_err(text)?;
    same("lives that ended", &lives.len(), &1)?;
    let life = &lives[0].1;
    let bytes = |sum: usize| u64::try_from(sum).unwrap_or(0);
    let data: usize = DATA.iter().map(|(_, bytes)| bytes.len()).sum();
    let finished: usize = record.values().map(Vec::len).sum();
    same("bytes freed", &life.bytes_freed, &bytes(data + finished))?;
    let files = bytes(DATA.len() + record.len());
    let counted = (files..=files + LOCKS_AT_MOST).contains(&life.files_freed);
    same(&format!("files freed ({}, {files} went)", life.files_freed), &counted, &true)?;
    same("where the data is", &life.nas_path.is_empty(), &false)?;
    let ended = store.last_ended_life(&the_run()).await.map_err(text)?.ok_or("no ended life")?;
    same("history outside the folder", &ended.history.as_str(), &ingest)?;
    same("the row as it last was is kept", &ended.last_row.is_empty(), &false)?;
    let ledger = store.ledger(&the_run()).await.map_err(text)?;
    let times = |kind: &str| ledger.iter().filter(|entry| entry.kind == kind).count();
    same("`cleared` in the ledger", &times("cleared"), &1)?;
    let job = store.latest_job(&the_run(), 1).await.map_err(text)?.ok_or("no job")?;
    same("the job", &(job.state, job.generation, job.attempts), &(JobState::Cleaned, 1, 0))
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}
