//! What a remote tells of itself beside what it holds.

use super::Place;
use crate::transport::CallContext;
use serde::Deserialize;

#[derive(Deserialize)]
struct About {
    free: Option<u64>,
}

/// Bytes free, where the backend tells them; object stores and some servers do not.
pub(super) async fn free_bytes(place: &Place, context: &CallContext) -> Option<u64> {
    let call = place.rclone.call("about", format!("asking {} for its free space", place.describe())).arg("--json");
    // Of the remote as a whole: not every backend takes a folder here, and one that is not there yet has no space of its own.
    let said = match call.clone().operands([place.at(b"")]).ask(context).await {
        Ok(said) => said,
        Err(_) => call.operands([format!("{}:", place.name).into()]).ask(context).await.ok()?,
    };
    serde_json::from_slice::<About>(&said).ok()?.free
}
