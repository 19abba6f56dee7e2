//! Runs whose record says `cleared` although their data stands here: by a clear that goes on, by one that was given up,
//! or by one that ended, so that what stands here is another life.

use super::evaluate::EvaluateError;
use crate::clear::say_taken_back;
use crate::core::Core;
use crate::database::ClearStep;
use crate::files::source::RunFolder;
use crate::tell::index::Facts;
use domain::lifecycle::RunState;
use domain::log_line::Level;
use domain::path::RunPath;
use std::sync::Arc;

/// What became of the clear that a record names.
pub enum ClearedBy {
    /// It is still open: the run, under whatever name, is that clear's.
    UnderWay,
    /// It was given up, and now the record says so.
    TakenBack,
    /// It ended, or nothing is known of it, or the record does not say `cleared`.
    Ended,
}

/// Looks the clear up by the id that the record's last entry bears. One that was given up while the run stood under
/// another name could not say so in the record: that is done here.
pub async fn cleared_by(core: &Arc<Core>, run: &RunPath, folder: &RunFolder) -> Result<ClearedBy, EvaluateError> {
    let Some(id) = core.index.look(run, intent_of).flatten() else { return Ok(ClearedBy::Ended) };
    let Some(intent) = core.store.intent(&id).await? else { return Ok(ClearedBy::Ended) };
    match intent.step {
        ClearStep::Done => Ok(ClearedBy::Ended),
        ClearStep::Intended | ClearStep::Recorded | ClearStep::Renamed => Ok(ClearedBy::UnderWay),
        // What was kept of a run of which the rest went is another life.
        ClearStep::Aborted
            if core.store.last_ended_life(&intent.run).await?.is_some_and(|life| life.life >= intent.life) =>
        {
            Ok(ClearedBy::Ended)
        }
        ClearStep::Aborted => {
            let Some((ingest, stamp)) = say_taken_back(core, folder, &id, "the clear was given up").await? else {
                return Ok(ClearedBy::Ended);
            };
            core.change(run, |facts| {
                facts.ingest = Ok(Some(ingest));
                facts.watch.ingest = stamp;
            });
            core.log(Some(folder), run, Level::Info, "it was not cleared: its clear was given up");
            Ok(ClearedBy::TakenBack)
        }
    }
}

/// No path is used so often.
const LIVES_AT_MOST: u64 = 1 << 32;

fn intent_of(facts: &Facts) -> Option<String> {
    let Ok(Some(ingest)) = &facts.ingest else { return None };
    if ingest.current_state().known() != Some(RunState::Cleared) {
        return None;
    }
    ingest.last(RunState::Cleared)?.fields.get("intent")?.as_str().map(ToOwned::to_owned)
}

/// The life in a record that our own clear wrote is the one that it ended. A record that was copied here from elsewhere
/// may name any number; more lives than anybody clears are not taken.
pub fn settle_life(facts: &mut Facts) {
    let Ok(Some(ingest)) = &facts.ingest else { return };
    if ingest.current_state().known() == Some(RunState::Cleared)
        && let Some(life) = ingest.last(RunState::Cleared).and_then(|entry| entry.fields.get("life")?.as_u64())
        && (1..LIVES_AT_MOST).contains(&life)
    {
        facts.life = life;
    }
}
