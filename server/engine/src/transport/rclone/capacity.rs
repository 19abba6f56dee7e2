//! What a remote tells of itself beside what it holds: its free space, and its clock.

use super::Place;
use super::session::join;
use crate::files::hash::wall_clock_ns;
use crate::transport::CallContext;
use crate::transport::rules::layout::TEMPORARY;
use serde::Deserialize;
use std::time::Duration;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;
/// Long enough for a time that is made up anew with every listing to be another.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(1_100);

#[derive(Deserialize)]
struct About {
    free: Option<u64>,
}

/// Bytes free, where the backend tells them; object stores and some servers do not.
pub(super) async fn free_bytes(place: &Place, context: &CallContext) -> Option<u64> {
    let call = place.rclone.call("about", format!("asking {} for its free space", place.describe())).arg("--json");
    // Of the remote as a whole: not every backend takes a folder here, and one that is not there yet has no space of
    // its own.
    let said = match call.clone().operands([place.at(b"")]).ask(context).await {
        Ok(said) => said,
        Err(_) => call.operands([format!("{}:", place.name).into()]).ask(context).await.ok()?,
    };
    serde_json::from_slice::<About>(&said).ok()?.free
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Folder {
    name: String,
    mod_time: String,
}

/// The remote's clock less ours, seen at a folder that we make there: it bears the time of the remote, where there are
/// folders at all. Zero while it lies between ours before and after.
pub(super) async fn clock_offset_seconds(place: &Place, context: &CallContext) -> Option<i64> {
    let name = format!("clock-{}", uuid::Uuid::new_v4().simple());
    let above = TEMPORARY.as_bytes().to_vec();
    let folder = place.at(&join(&above, name.as_bytes()));
    let call = |command: &str| place.rclone.call(command, format!("asking {} for its time", place.describe()));
    let before = wall_clock_ns() / SECOND;
    call("mkdir").operands([folder.clone()]).ask(context).await.ok()?;
    let after = wall_clock_ns() / SECOND;
    let times = async {
        let mut times = Vec::new();
        for wait in [Duration::ZERO, LOOK_AGAIN_AFTER] {
            tokio::time::sleep(wait).await;
            let call = call("lsjson").args(["--dirs-only", "--no-mimetype"]).operands([place.at(&above)]);
            let folders: Vec<Folder> = serde_json::from_slice(&call.ask(context).await.ok()?).ok()?;
            let made = folders.into_iter().find(|folder| folder.name == name)?;
            times.push(made.mod_time.parse::<jiff::Timestamp>().ok()?.as_second());
        }
        Some(times)
    }
    .await;
    // Left behind it is an empty folder among our temporary ones.
    let _ = call("rmdir").operands([folder]).ask(context).await;
    // rclone says its own time of a folder that has none.
    let [first, second] = times?[..] else { return None };
    (first == second).then(|| first - first.clamp(before.min(after), after))
}
