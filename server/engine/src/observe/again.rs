//! Sealed files that were touched: another mode, owner or time, or renamed away and back. Hashed again in the
//! background; equal bytes are what was sealed, and nobody is asked.

use crate::core::{Core, unless_it_panics};
use crate::database::{Job, LedgerKind};
use crate::keep::seal::{CompareError, HashedAgain, hash_again};
use crate::machine::blocking::blocking;
use crate::machine::progress::ProgressSink;
use crate::prove::seal_of;
use domain::log_line::Level;
use domain::path::RunPath;
use domain::units::counted;
use std::sync::Arc;

const HOLDING: &str = "hashing changed files again";

/// Starts hashing what was touched, once the run is free. What it finds, the next sweep uses.
pub fn hash_touched(core: &Arc<Core>, run: &RunPath) {
    let (core, run) = (core.clone(), run.clone());
    tokio::spawn(async move {
        let _guard = tokio::select! {
            guard = core.turns.runs.hold_whenever_free(&run, HOLDING) => guard,
            () = core.site.stop.cancelled() => return,
        };
        let job = core
            .index
            .look(&run, |facts| facts.job.clone().filter(|job| job.state.is_proven() && facts.clearing.is_none()));
        let Some(job) = job.flatten() else { return };
        let progress = ProgressSink::new();
        let shown = core.show_beside(&run, &progress);
        let found = unless_it_panics(hashed(&core, &job, &progress)).await;
        drop(shown);
        match found {
            Ok(Ok(HashedAgain { equal: 0, other: 0 })) | Ok(Err(CompareError::Interrupted)) => return,
            Ok(Ok(found)) => tell(&core, &job, found).await,
            // At the next sweep, not at once: what stands in the way may stand there for days.
            Ok(Err(error)) => {
                return tracing::warn!(run = %run, %error, "files that were touched could not be hashed again; it is tried again");
            }
            Err(fault) => {
                return tracing::error!(run = %run, fault, "a fault in this program ended the hashing of files that were touched");
            }
        }
        core.index.sweep_soon(&run);
        core.desk.look_at(&run);
    });
}

async fn hashed(core: &Arc<Core>, job: &Job, progress: &ProgressSink) -> Result<HashedAgain, CompareError> {
    let (core, job, progress) = (core.clone(), job.clone(), progress.clone());
    blocking(move || {
        let Ok(seal) = seal_of(&core, &job) else { return Ok(HashedAgain::default()) };
        let folder = core.staging.run(&job.run)?;
        hash_again(&folder, &seal, &progress, &core.site.stop)
    })
    .await
}

async fn tell(core: &Core, job: &Job, found: HashedAgain) {
    let equal = format!(
        "{} with another mode, owner, time or name hashed again: equal to what was sealed",
        counted(found.equal, "file")
    );
    let other =
        format!("{} with another time hashed again: not equal to what was sealed", counted(found.other, "file"));
    let sentence = match (found.equal, found.other) {
        (_, 0) => equal,
        (0, _) => other,
        _ => format!("{equal}; {other}"),
    };
    core.ledger(&job.run, job.life, LedgerKind::HashedAgain, sentence.clone()).await;
    core.log(None, &job.run, Level::Info, &sentence);
}
