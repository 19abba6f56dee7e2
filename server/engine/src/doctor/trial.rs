//! Sending a made-up run as a worker sends a real one: listed, sealed, pushed; nothing here knows how.

use super::scratch::Scratch;
use super::step::PATIENCE;
use super::{Exam, PROJECT};
use crate::files::hash::wall_clock_ns;
use crate::files::source::{RunFolder, StagingRoot};
use crate::keep::seal::{Listing, SealReader, SealWriter};
use crate::machine::blocking::blocking;
use crate::transport::{Push, TransportError, hash_all};
use crate::verify::{Verification, verify};
use domain::job::{FailureClass, Side};
use domain::path::RunPath;
use domain::proof::Totals;
use std::path::Path;

/// A made-up run at the destination.
pub(super) struct Trial {
    pub run: RunPath,
    pub source: RunFolder,
    pub seal: SealReader,
}

/// What may stand at the destination after this visit.
#[derive(Default)]
pub(super) struct Left {
    pub runs: Vec<RunPath>,
    pub totals: Totals,
    /// Runs of which only a part may have arrived.
    pub unfinished: u64,
}

impl Exam<'_> {
    /// Makes a run (`make` writes its files into the given folder) and sends it.
    pub async fn send(
        &self,
        scratch: &Scratch,
        slug: &str,
        left: &mut Left,
        make: impl FnOnce(&Path) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Trial, TransportError> {
        let run = format!("{}/{PROJECT}/TestRuns/TestRun_doctor-{}-{slug}", self.equipment.id, scratch.stamp);
        let run = RunPath::parse(&run).map_err(|error| here(error.to_string()))?;
        let (staging, listing, seal) =
            (scratch.staging(), scratch.file(&format!("listing-{slug}")), scratch.file(&format!("seal-{slug}")));
        let path = run.clone();
        let made = blocking(move || {
            make(&staging.join(path.as_str()))
                .map_err(|error| here(format!("the made-up run cannot be made: {error}")))?;
            let source = StagingRoot::open(&staging)?.run(&path)?;
            let listing = Listing::of_run(&source, &listing, wall_clock_ns(), |_| ())?;
            let writer = SealWriter::open(&listing, &seal)?;
            Ok::<_, TransportError>((source, listing, writer))
        });
        let (source, listing, writer) = made.await?;
        left.runs.push(run.clone());
        left.totals.files += listing.totals().files;
        left.totals.bytes += listing.totals().bytes;
        left.unfinished += 1;
        self.step(PATIENCE, async |context| {
            if !self.transport.hashes_while_pushing() {
                let (source, listing, writer, context) =
                    (source.clone(), listing.clone(), writer.clone(), context.clone());
                blocking(move || hash_all(&source, &listing, &writer, &context)).await?;
            }
            let push = Push {
                run: &run,
                source: &source,
                listing: &listing,
                seal: &writer,
                again: None,
                placed_by_us: &|_| false,
                placed: &|_| (),
                hashed: &|_| (),
            };
            self.transport.push(push, context).await
        })
        .await?;
        left.unfinished -= 1;
        let seal = blocking(move || writer.finish(wall_clock_ns())).await?;
        Ok(Trial { run, source, seal })
    }

    /// Holds what stands at `run` against a seal.
    pub async fn hold(
        &self,
        run: &RunPath,
        seal: &SealReader,
        source: Option<&RunFolder>,
    ) -> Result<Verification, TransportError> {
        self.step(PATIENCE, async |context| verify(&*self.transport, run, seal, source, context).await).await
    }
}

fn here(message: String) -> TransportError {
    TransportError::new(FailureClass::Unknown, Side::Here, message)
}
