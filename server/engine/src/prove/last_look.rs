//! The last look at a destination (docs/clearing.md, D16): between the proof of a clear and the moment a file is
//! unlinked here the NAS may lose it. Right before every batch is unlinked each of its files is looked at there once
//! more.
//!
//! What is seen without reading (size, times, inode) is noted right before the proof reads it, and compared. What
//! differs, and what shows no changes, is hashed again.

use crate::database::Failure;
use crate::files::source::RunFolder;
use crate::keep::seal::{Part, SealError, SealFiles, SealReader, SeenAtNas, SeenWriter};
use crate::machine::blocking::blocking;
use crate::prove::{Differences, Proof};
use crate::transport::destination::Destination;
use crate::transport::{CallContext, Transport, TransportError};
use crate::verify::{sentence, verify};
use domain::job::FailureClass;
use domain::path::{FilePath, RunPath};
use domain::proof::{DifferenceKind, FileStat, SealedFile};
use domain::units;
use std::collections::HashMap;

/// Files that are noted at once.
const BATCH: usize = 10_000;

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
            let shown = batch
                .iter()
                .zip(seen)
                .filter_map(|(path, stat)| Some((path, stat.filter(|stat| stat.shows_changes(now_ns))?)));
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

/// What is told of each file; nothing if something else stands in the run's place: the proof reports that.
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

/// A file that the destination held, byte for byte, a moment ago. Made only by the last look, and what is unlinked
/// needs one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProvenNow(SealedFile);

impl ProvenNow {
    /// The file, with the stat it was given with.
    pub fn file(&self) -> &SealedFile {
        &self.0
    }
}

/// What the last look found of a batch.
#[derive(Debug)]
pub struct Looked {
    /// For every file of the batch, in its order: proven now, or why not, as a phrase that follows its name.
    pub files: Vec<Result<ProvenNow, (FilePath, String)>>,
    /// What differs, where anything does.
    pub lost: Option<Differences>,
}

/// The last look of one clear; batches come in path order.
#[derive(Debug)]
pub struct LastLook {
    seal: SealReader,
    seen: SeenAtNas,
}

impl LastLook {
    /// Relies on what was noted before the last proof of this seal that held.
    pub fn of(seal: &SealReader) -> LastLook {
        LastLook { seal: seal.clone(), seen: SeenAtNas::of(seal) }
    }

    /// Looks at these files once the destination has shown that it is ours, and hashes again what does not look as it
    /// did. `source`: the run's folder here. An error means that there is no answer: nothing of the batch may go.
    pub async fn at(
        &mut self,
        destination: &Destination,
        run: &RunPath,
        batch: Vec<SealedFile>,
        source: &RunFolder,
        context: &CallContext,
    ) -> Result<Looked, Failure> {
        let paths: Vec<FilePath> = batch.iter().map(|file| file.path.clone()).collect();
        let now = destination.prove_identity_and_look(run, &paths, context).await?;
        let sure: Vec<bool> =
            paths.iter().zip(now).map(|(path, now)| self.seen.at(path).is_some_and(|seen| Some(seen) == now)).collect();
        let unsure: Vec<SealedFile> =
            batch.iter().zip(&sure).filter(|(_, sure)| !**sure).map(|(file, _)| file.clone()).collect();
        if unsure.is_empty() {
            return Ok(Looked { files: batch.into_iter().map(|file| Ok(ProvenNow(file))).collect(), lost: None });
        }
        let part = {
            let (seal, unsure) = (self.seal.clone(), unsure);
            blocking(move || Part::of(&seal, &unsure)).await.map_err(TransportError::from)?
        };
        let verified = verify(&*destination.transport, run, part.seal(), Some(source), context).await;
        let verified = verified.map_err(Failure::from).inspect_err(|failure| destination.note_failure(failure))?;
        let proof = of_the_run(Proof::from(verified), part.seal().totals().files, self.seal.totals().files);
        Ok(judged(batch, &sure, proof))
    }

    /// The clear is over: what was seen is of no use any more. Best effort. Blocking.
    pub fn forget(self) {
        SeenAtNas::forget(&self.seal);
    }
}

/// What differs is counted among the files that were looked at again; the sentence says that these are not all.
fn of_the_run(proof: Proof, again: u64, all: u64) -> Proof {
    match proof {
        Proof::Broken(mut differences) if again < all => {
            let looked = units::plural(again, "file was", "files were");
            differences.sentence =
                format!("{} ({looked} looked at again, of {} of the run)", differences.sentence, units::count(all));
            Proof::Broken(differences)
        }
        proof => proof,
    }
}

/// Files that look unchanged are proven; for the rest the proof decides. If the proof does not name all that differs,
/// none of the rest is proven: a file that is not named may differ as well.
fn judged(batch: Vec<SealedFile>, sure: &[bool], proof: Proof) -> Looked {
    let lost = match proof {
        Proof::Holds(_) => None,
        Proof::Broken(differences) => Some(differences),
    };
    let named: HashMap<&FilePath, &DifferenceKind> =
        lost.iter().flat_map(|lost| &lost.first).map(|difference| (&difference.path, &difference.kind)).collect();
    let all_named = lost.as_ref().is_none_or(|lost| lost.total > 0 && lost.total == named.len() as u64);
    let verdict = |(file, sure): (SealedFile, &bool)| match named.get(&file.path) {
        _ if *sure => Ok(ProvenNow(file)),
        Some(kind) => Err((file.path, sentence(kind))),
        None if all_named => Ok(ProvenNow(file)),
        None => Err((file.path, "was not confirmed equal: too many files differed".to_owned())),
    };
    let files = batch.into_iter().zip(sure).map(verdict).collect();
    Looked { files, lost }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::proof::{Difference, Digest};

    fn file(n: usize) -> SealedFile {
        let stat = FileStat { size: 1, mtime_ns: 0, ctime_ns: 0, inode: 0 };
        SealedFile { path: FilePath::new(format!("{n:05}")).unwrap(), stat, digest: Digest([0; 32]) }
    }

    fn broken(named: std::ops::Range<usize>, total: u64) -> Proof {
        let first = named.map(|n| Difference { path: file(n).path, kind: DifferenceKind::Missing }).collect();
        Proof::Broken(Differences { class: FailureClass::HashMismatch, first, total, sentence: String::new() })
    }

    fn proven(count: usize, sure: &[usize], proof: Proof) -> Vec<usize> {
        let sure: Vec<bool> = (0..count).map(|n| sure.contains(&n)).collect();
        let looked = judged((0..count).map(file).collect(), &sure, proof);
        looked.files.iter().enumerate().filter(|(_, verdict)| verdict.is_ok()).map(|(n, _)| n).collect()
    }

    #[test]
    fn d16_a_count_of_those_that_were_looked_at_again_says_so() {
        for (again, says) in [(2, " (2 files were looked at again, of 1,201 of the run)"), (1_201, "")] {
            let told = match of_the_run(broken(0..2, 2), again, 1_201) {
                Proof::Broken(differences) => differences.sentence,
                Proof::Holds(_) => "holds".to_owned(),
            };
            assert_eq!(told, says);
        }
    }

    #[test]
    fn d16_what_is_not_named_is_not_therefore_proven() {
        assert_eq!(proven(4, &[], broken(1..3, 2)), [0, 3], "all that differs is named");
        assert_eq!(proven(4, &[0], broken(1..3, 3)), [0], "more differs than is named");
        assert_eq!(proven(4, &[], broken(0..0, 0)), [0_usize; 0], "broken, and nobody says where");
        assert_eq!(proven(4, &[2], broken(0..0, 0)), [2], "what looks as it did was not asked about");
    }
}
