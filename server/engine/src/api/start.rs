//! Starting: lock, recover, mark open clears, then watcher, workers and events.

use super::{Engine, publish};
use crate::clear::{mark_open, resume_loop};
use crate::core::problems::Notes;
use crate::core::{Clears, Core, Desk, Destinations, Site, Staging, Tell, Turns};
use crate::database::{Store, StoreError};
use crate::keep::reserve::Reserve;
use crate::keep::staging_owner::StagingOwner;
use crate::keep::state_folder::{StateFolder, StateFolderError, installation};
use crate::machine::checkpoint::Checkpoints;
use crate::machine::clock::Clock;
use crate::machine::progress::ProgressSink;
use crate::observe::{POLL_INTERVAL, StagingWatcher};
use crate::send;
use crate::tell::acts::Acts;
use crate::tell::events::Events;
use crate::tell::index::Index;
use crate::tell::only_copies::OnlyCopies;
use crate::tell::tally::Tally;
use crate::transport::destination::Destination;
use crate::transport::{CallContext, Marker, TransportError, remove_leftovers, transport_of};
use domain::settings::Settings;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the engine is started with, besides the configuration.
#[derive(Clone)]
pub struct Options {
    pub state_folder: PathBuf,
    /// As written into documents.
    pub host: String,
    /// How often the tree is scanned when nothing happens.
    pub poll_interval: Duration,
    pub clock: Clock,
    /// For tests that kill the program.
    pub checkpoints: Checkpoints,
    /// False: watcher and workers are not started; a test drives them.
    pub background: bool,
}

impl Options {
    /// The usual ones.
    pub fn new(state_folder: PathBuf, host: String) -> Options {
        Options {
            state_folder,
            host,
            poll_interval: POLL_INTERVAL,
            clock: Clock::system(),
            checkpoints: Checkpoints::default(),
            background: true,
        }
    }
}

/// Why the engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The orchestrator is off.
    #[error("the orchestrator is off in this config: set orchestrator.staging_root and orchestrator.label")]
    Off,
    #[error(transparent)]
    StateFolder(#[from] StateFolderError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StartError {
    /// It passes by itself when there is room again: whoever starts tries again.
    pub fn is_a_full_disk(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            StartError::Store(error) => matches!(error, StoreError::Full),
            StartError::StateFolder(StateFolderError::Io { error, .. }) => {
                matches!(error.kind(), StorageFull | QuotaExceeded)
            }
            StartError::StateFolder(_) | StartError::Off => false,
        }
    }
}

/// Opens the database. On a full disk it gives up the room that is kept back for clearing: only a program that runs can
/// clear anything.
async fn open_store(state_folder: &Path) -> Result<Store, StoreError> {
    match Store::open(state_folder).await {
        Err(StoreError::Full) if Reserve::give_up(state_folder) => Store::open(state_folder).await,
        opened => opened,
    }
}

/// What clearing may write below the state folder: pages of the database, and its log.
const STATE_RESERVE_BYTES: u64 = 4 << 20;
/// What it may write into a run's record.
const STAGING_RESERVE_BYTES: u64 = 256 << 10;

impl Engine {
    /// Starts on a state folder of its own. What was in work when the program ended goes on.
    pub async fn start(settings: Settings, options: Options) -> Result<Engine, StartError> {
        let orchestrator = settings.orchestrator.clone().ok_or(StartError::Off)?;
        let state_folder = StateFolder::open(&options.state_folder)?;
        crate::machine::blocking::blocking(remove_leftovers).await;
        let store = open_store(&options.state_folder).await?;
        store.clock_went_back(options.clock.now_ms()).await?;
        for job in store.recover().await? {
            tracing::info!(run = %job.run, "goes on where it was interrupted");
        }
        let notes = Notes::of(store.notes().await?);
        let only_copies = OnlyCopies::load(&store).await?;
        let stop = CancellationToken::new();
        let events = Events::new(options.clock.now_ms().unsigned_abs(), stop.clone());
        let mut destinations = Destinations::default();
        for equipment in settings.equipment.iter().filter(|equipment| equipment.synced_here) {
            let installation = state_folder.installation().to_owned();
            let (staging_root, state_folder) = (&orchestrator.staging_root, &options.state_folder);
            if let Some(transport) = transport_of(&settings, equipment, staging_root, state_folder, Some(&installation))
            {
                let destination = Destination::new(equipment.clone(), transport, installation, options.clock.clone());
                destinations.insert(equipment.id.clone(), Arc::new(destination));
            }
        }
        let reserves = [
            Arc::new(Reserve::new(options.state_folder.clone(), STATE_RESERVE_BYTES)),
            Arc::new(Reserve::new(PathBuf::from(&orchestrator.staging_root), STAGING_RESERVE_BYTES)),
        ];
        let root = PathBuf::from(&orchestrator.staging_root);
        let staging_owner = StagingOwner::new(root, state_folder.installation(), &options.host, options.clock.clone());
        if let Err(why) = staging_owner.look() {
            tracing::error!("the staging tree {}: {why}", orchestrator.staging_root);
        }
        let tell = Tell {
            acts: Acts::new(events.clone(), options.clock.clone()),
            tally: Tally::open(&store, options.clock.now()).await?,
            events,
            notes,
        };
        let site = Site {
            label: orchestrator.label,
            host: options.host,
            installation: state_folder.installation().to_owned(),
            state_folder: options.state_folder,
            clock: options.clock,
            checkpoints: options.checkpoints,
            stop,
            settings,
        };
        let core = Arc::new(Core {
            site,
            staging: Staging::new(orchestrator.staging_root, staging_owner),
            store,
            index: Index::default(),
            tell,
            turns: Turns::default(),
            desk: Desk::default(),
            destinations,
            clears: Clears::new(reserves),
            only_copies,
        });
        mark_open(&core).await?;
        let clears = core.clone();
        let clear_due = move |run: &domain::path::RunPath| crate::clear::start_automatic(&clears, run);
        let watcher = StagingWatcher::new(core.clone(), options.poll_interval, clear_due);
        let engine = Engine {
            core: core.clone(),
            watcher: watcher.clone(),
            tasks: Arc::default(),
            state_folder: Arc::new(Mutex::new(Some(state_folder))),
            published: Arc::default(),
        };
        if options.background {
            watcher.start();
            let mut tasks = send::start(&core);
            tasks.push(tokio::spawn(resume_loop(core)));
            tasks.push(tokio::spawn(publish::publish_loop(engine.clone())));
            *engine.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = tasks;
        }
        Ok(engine)
    }
}

/// `nas init`: marks an equipment's destination as ours. Works without a running engine. `adopt` replaces another's
/// marker.
pub async fn mark_destination(
    settings: &Settings,
    equipment: &str,
    state_folder: &Path,
    host: &str,
    adopt: bool,
) -> Result<Marker, MarkError> {
    let orchestrator = settings.orchestrator.as_ref().ok_or(MarkError::Off)?;
    let known = || settings.equipment.iter().map(|equipment| equipment.id.clone()).collect::<Vec<_>>().join(", ");
    let equipment = settings
        .equipment(equipment)
        .ok_or_else(|| MarkError::Unknown { equipment: equipment.to_owned(), known: known() })?;
    let transport = transport_of(settings, equipment, &orchestrator.staging_root, state_folder, None)
        .ok_or_else(|| MarkError::NoTransport(equipment.id.clone()))?;
    let marker = Marker {
        what: "exlab-orchestrator destination".into(),
        installation: installation(state_folder)?,
        equipment: equipment.id.clone(),
        created_at: Clock::system().now(),
        host: host.to_owned(),
    };
    let context =
        CallContext { cancel: CancellationToken::new(), progress: ProgressSink::new(), limit: Arc::new(|| None) };
    if let Ok(found) = transport.identify(&context).await
        && (&found.installation, &found.equipment) == (&marker.installation, &marker.equipment)
    {
        return Ok(found);
    }
    transport.mark(&marker, adopt, &context).await?;
    Ok(marker)
}

/// Why a destination could not be marked.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The orchestrator is off.
    #[error("the orchestrator is off in this config: nothing is sent from here")]
    Off,
    #[error("equipment {equipment} is not in the config; there are: {known}")]
    Unknown { equipment: String, known: String },
    #[error("equipment {0} has no transport: it is not synced from here")]
    NoTransport(String),
    #[error(transparent)]
    StateFolder(#[from] StateFolderError),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// `import-queue`: takes the rows of the existing system's queue in. The state folder is locked meanwhile, so no engine
/// may run on it.
pub async fn import_queue(
    settings: &Settings,
    state_folder: &Path,
    file: &Path,
) -> Result<crate::database::ImportReport, StartError> {
    let orchestrator = settings.orchestrator.as_ref().ok_or(StartError::Off)?;
    let _locked = StateFolder::open(state_folder)?;
    let store = Store::open(state_folder).await?;
    let report = store.import_legacy(file, &orchestrator.staging_root, Clock::system().now_ms()).await;
    store.close().await;
    Ok(report?)
}
