//! The measurements: numbers come from the code that does the work.

use domain::gate::{Circumstances, EquipmentStanding, Judge};
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
use domain::settings::Validator;
use engine::database::{Failure, Store, StoreError};
use engine::files::hash::Hasher;
use engine::files::source::{SourceError, StagingRoot};
use engine::machine::clock::Clock;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Enqueues, claims and settles `jobs` tiny jobs, one after the other, in a database of this folder.
pub async fn queue(folder: &Path, jobs: u32) -> Result<Duration, StoreError> {
    let store = Store::open(folder).await?;
    let clock = Clock::system();
    let validator = Validator::default();
    let failure = Failure { class: FailureClass::Unknown, side: Side::Here, message: "measured".into() };
    let runs: Vec<RunPath> = (0..jobs).filter_map(|n| RunPath::parse(&format!("BENCH/P/Runs/Run_{n}")).ok()).collect();
    let begun = Instant::now();
    for run in &runs {
        let about = Circumstances {
            run,
            creation: None,
            equipment: EquipmentStanding::SyncedHere,
            validator: &validator,
            now: clock.now(),
            already_verified: false,
        };
        let Ok(admitted) = Judge::new(about).finish().admit() else { continue };
        store.enqueue(&admitted, 1, 1, clock.now_ms()).await?;
        if let Some(claim) = store.claim("BENCH", clock.now_ms()).await? {
            store.settle_failed(&claim, &failure).await?;
        }
    }
    let taken = begun.elapsed();
    store.close().await;
    Ok(taken)
}

/// Hashes one file as a run's file is hashed; answers its bytes and the time.
pub fn hash(file: &Path) -> Result<(u64, Duration), SourceError> {
    let wrong = |what: &str| SourceError::Root { path: file.to_owned(), error: std::io::Error::other(what.to_owned()) };
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().ok_or_else(|| wrong("it names no file"))?;
    let path = FilePath::new(name.as_encoded_bytes()).map_err(|error| wrong(&error.to_string()))?;
    let run = StagingRoot::open(parent)?.run_at("")?;
    let stat = run.stat(&path)?;
    let begun = Instant::now();
    Hasher::new()
        .local(&run, &path, &stat, &CancellationToken::new(), &|_| ())
        .map_err(|error| wrong(&error.to_string()))?;
    Ok((stat.size, begun.elapsed()))
}
