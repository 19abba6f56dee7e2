//! The steps of a run's life at which the program may be killed. Tests stop it at each and start it again.

use std::sync::Arc;

/// A step that was just taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Checkpoint {
    /// The first ingest.json was written.
    SeenRecorded,
    /// `complete` was appended.
    CompleteRecorded,
    /// The job is in the queue.
    Enqueued,
    /// `sync_queued` was appended.
    QueuedRecorded,
    /// A worker has claimed the job.
    Claimed,
    /// The run was listed and judged for its seal.
    Listed,
    /// A file was placed at the destination.
    FilePlaced,
    /// Everything was sent and made durable.
    Pushed,
    /// The seal was closed.
    Sealed,
    /// `checksums.sha256` was written into the record.
    ChecksumsWritten,
    /// The job is `awaiting_verify`.
    Sent,
    /// The destination was read back and equals the seal; nothing is recorded yet.
    ReadBack,
    /// The job is `verified`.
    Verified,
    /// `sync_verified` was appended.
    VerifiedRecorded,
    /// The record was read, by whoever sends it; nothing of it is sent yet.
    RecordRead,
    /// The record reached the NAS.
    RecordSent,
    /// A clear permit was made; nothing is recorded yet.
    Permitted,
    /// The intent to clear is recorded.
    Intended,
    /// `cleared` was appended to ingest.json.
    ClearedRecorded,
    /// The finished record is proven on the NAS.
    FinishedRecordSent,
    /// The intent says `recorded`.
    IntentRecorded,
    /// The folder was renamed aside; the intent does not say so yet.
    RenamedAside,
    /// The intent says `renamed`.
    IntentRenamed,
    /// Aside, and nothing of it had changed; nothing is unlinked yet.
    FoundWhole,
    /// A data file was unlinked.
    FileUnlinked,
    /// All data is gone; the record still stands.
    DataUnlinked,
    /// The record is gone too.
    RecordUnlinked,
    /// The emptied folder is gone.
    FolderRemoved,
    /// The life is in the ledger; the intent is still open.
    LifeEnded,
    /// The job is retired.
    JobRetired,
    /// The intent says `done`.
    IntentDone,
}

impl Checkpoint {
    /// Every step, in the order of a run's life.
    pub const ALL: [Checkpoint; 31] = [
        Checkpoint::SeenRecorded,
        Checkpoint::CompleteRecorded,
        Checkpoint::Enqueued,
        Checkpoint::QueuedRecorded,
        Checkpoint::Claimed,
        Checkpoint::Listed,
        Checkpoint::FilePlaced,
        Checkpoint::Pushed,
        Checkpoint::Sealed,
        Checkpoint::ChecksumsWritten,
        Checkpoint::Sent,
        Checkpoint::ReadBack,
        Checkpoint::Verified,
        Checkpoint::VerifiedRecorded,
        Checkpoint::RecordRead,
        Checkpoint::RecordSent,
        Checkpoint::Permitted,
        Checkpoint::Intended,
        Checkpoint::ClearedRecorded,
        Checkpoint::FinishedRecordSent,
        Checkpoint::IntentRecorded,
        Checkpoint::RenamedAside,
        Checkpoint::IntentRenamed,
        Checkpoint::FoundWhole,
        Checkpoint::FileUnlinked,
        Checkpoint::DataUnlinked,
        Checkpoint::RecordUnlinked,
        Checkpoint::FolderRemoved,
        Checkpoint::LifeEnded,
        Checkpoint::JobRetired,
        Checkpoint::IntentDone,
    ];
}

/// Told of every step taken; does nothing unless a test listens.
#[derive(Clone, Default)]
pub struct Checkpoints(Option<Arc<dyn Fn(Checkpoint) + Send + Sync>>);

impl Checkpoints {
    /// Calls `listener` after every step.
    pub fn listening(listener: impl Fn(Checkpoint) + Send + Sync + 'static) -> Checkpoints {
        Checkpoints(Some(Arc::new(listener)))
    }

    /// A step was taken.
    pub fn reached(&self, step: Checkpoint) {
        if let Some(listener) = &self.0 {
            listener(step);
        }
    }
}
