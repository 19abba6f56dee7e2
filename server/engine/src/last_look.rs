//! The last look at a destination (contract section 8, D16): between the proof of a clear and the moment a file is unlinked here the
//! NAS may lose it. Right before every batch is unlinked each of its files is looked at there once more.
//!
//! What is seen without reading (size, times, inode) is noted right before the proof reads it, and compared. What differs, and what shows
//! no changes, is hashed again.

use crate::gatekeeper::blocking;
use crate::prove::{Differences, Proof};
use crate::seal::{Part, SealError, SealFiles, SealReader, Seen, SeenWriter};
use crate::source::RunFolder;
use crate::transport::{CallContext, Transport, TransportError};
use crate::verify::verify;
use domain::job::FailureClass;
use domain::path::{FilePath, RunPath};
use domain::proof::{FileStat, SealedFile};

/// Files that are noted at once.
const BATCH: usize = 1_000;

/// What the destination's files look like before a proof reads them; to be kept when that proof holds.
#[derive(Debug)]
pub struct Noted(Option<SeenWriter>);

impl Noted {
    /// The proof held: the last look may rely on what was seen.
    pub fn keep(self) {
        if let Some(Err(error)) = self.0.map(SeenWriter::keep) {
            forgotten(&error);
        }
    }
}

/// Nothing is lost by it: what was not noted is hashed again.
fn forgotten(error: &SealError) {
    tracing::warn!(%error, "what the destination's files look like cannot be kept; before a clear they are hashed once more");
}

/// Looks at every file of the seal, and notes what shows its changes. Errors are the destination's.
pub async fn note(
    transport: &dyn Transport,
    run: &RunPath,
    seal: &SealReader,
    now_ns: i64,
    context: &CallContext,
) -> Result<Noted, TransportError> {
    let begun = {
        let seal = seal.clone();
        blocking(move || Ok::<_, SealError>((SeenWriter::begin(&seal)?, seal.files()?))).await
    };
    let (mut out, mut files) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            forgotten(&error);
            return Ok(Noted(None));
        }
    };
    loop {
        let (batch, rest) = blocking(move || (next_batch(&mut files), files)).await;
        files = rest;
        let batch = batch?;
        if batch.is_empty() {
            return Ok(Noted(Some(out)));
        }
        let seen = look(transport, run, &batch, context).await?;
        let noted = blocking(move || {
            let shown = batch.iter().zip(seen).filter_map(|(path, stat)| Some((path, stat.filter(|stat| stat.shows_changes(now_ns))?)));
            for (path, stat) in shown {
                out.put(path, stat)?;
            }
            Ok::<_, SealError>(out)
        });
        match noted.await {
            Ok(writer) => out = writer,
            Err(error) => {
                forgotten(&error);
                return Ok(Noted(None));
            }
        }
    }
}

fn next_batch(files: &mut SealFiles) -> Result<Vec<FilePath>, SealError> {
    files.take(BATCH).map(|file| file.map(|file| file.path)).collect()
}

/// What is told of each file; nothing where something else stands in the run's place: whoever reads there says so.
async fn look(
    transport: &dyn Transport,
    run: &RunPath,
    files: &[FilePath],
    context: &CallContext,
) -> Result<Vec<Option<FileStat>>, TransportError> {
    match transport.look(run, files, context).await {
        Err(error) if error.class == FailureClass::Conflict => Ok(vec![None; files.len()]),
        seen => seen,
    }
}

/// The last look of one clear; batches come in path order.
#[derive(Debug)]
pub struct LastLook {
    seal: SealReader,
    seen: Seen,
}

impl LastLook {
    /// Relies on what was noted before the last proof of this seal that held.
    pub fn of(seal: &SealReader) -> LastLook {
        LastLook { seal: seal.clone(), seen: Seen::of(seal) }
    }

    /// Looks at these files, and hashes again what does not look as it did; answers what is not proven now. `source`: the run's folder
    /// here. An error means that there is no answer: nothing of the batch may go.
    pub async fn at(
        &mut self,
        transport: &dyn Transport,
        run: &RunPath,
        batch: &[SealedFile],
        source: &RunFolder,
        context: &CallContext,
    ) -> Result<Option<Differences>, TransportError> {
        let paths: Vec<FilePath> = batch.iter().map(|file| file.path.clone()).collect();
        let now = look(transport, run, &paths, context).await?;
        let unsure = batch.iter().zip(now).filter(|(file, now)| {
            let seen = self.seen.at(&file.path);
            seen.is_none() || seen != *now
        });
        let unsure: Vec<SealedFile> = unsure.map(|(file, _)| file.clone()).collect();
        if unsure.is_empty() {
            return Ok(None);
        }
        let part = {
            let seal = self.seal.clone();
            blocking(move || Part::of(&seal, &unsure)).await?
        };
        match Proof::from(verify(transport, run, part.seal(), Some(source), context).await?) {
            Proof::Holds(_) => Ok(None),
            Proof::Broken(differences) => Ok(Some(differences)),
        }
    }
}
