//! Comparing what the destination holds with the seal. The only place that makes a [`VerifiedManifest`].

use crate::files::source::RunFolder;
use crate::keep::seal::{Early, SealFiles, SealReader};
use crate::transport::{CallContext, HashOutcome, Hashed, RecordFile, Transport, TransportError};
use domain::api::Phase;
use domain::job::FailureClass;
use domain::path::{FilePath, RunPath};
use domain::proof::{Difference, DifferenceKind, Digest, ProofLevel, SealedFile, Totals};
use domain::units;
use std::iter::Peekable;
use std::time::Duration;

/// Differences listed at most.
pub const DIFFERENCES_AT_MOST: usize = 1_000;
/// For so many files the first differing byte is looked for.
const FIRST_BYTES_FOR: usize = 5;
/// No longer than this: it is for a message alone, and a file may take hours to read.
const FIRST_BYTES_WITHIN: Duration = Duration::from_secs(60);

/// Proof that the destination held every sealed file, byte for byte. Made only by [`verify`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedManifest {
    run: RunPath,
    seal: Digest,
    level: ProofLevel,
    method: String,
    totals: Totals,
}

impl VerifiedManifest {
    /// The run.
    pub fn run(&self) -> &RunPath {
        &self.run
    }

    /// [`SealReader::digest`] of the seal that was proven.
    pub fn seal_digest(&self) -> Digest {
        self.seal
    }

    /// The lowest level of all files.
    pub fn level(&self) -> ProofLevel {
        self.level
    }

    /// How the hashes were made.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Files and bytes that were compared; never nothing.
    pub fn totals(&self) -> Totals {
        self.totals
    }
}

/// What verification found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verification {
    /// Every sealed file is there and equal.
    Proven(VerifiedManifest),
    Differs {
        /// The gravest reason: `destination_foreign`, then `hash_mismatch`, `could_not_hash`,
        /// `verify_skipped_oversize`.
        class: FailureClass,
        /// In the seal's order, at most [`DIFFERENCES_AT_MOST`].
        differences: Vec<Difference>,
        /// All of them. Zero only for an empty seal, which proves nothing.
        total: u64,
        reason: String,
    },
}

/// Hashes the destination and compares. An error means that there is no answer; the run is neither proven nor
/// disproven.
pub async fn verify(
    transport: &dyn Transport,
    run: &RunPath,
    seal: &SealReader,
    source: Option<&RunFolder>,
    context: &CallContext,
) -> Result<Verification, TransportError> {
    verify_rest(transport, run, seal, None, source, context).await
}

/// The same right after the run was sent: what the destination hashed meanwhile (`early`) is compared as it was told,
/// the rest is asked for.
pub async fn verify_rest(
    transport: &dyn Transport,
    run: &RunPath,
    seal: &SealReader,
    early: Option<&Early>,
    source: Option<&RunFolder>,
    context: &CallContext,
) -> Result<Verification, TransportError> {
    let totals = seal.totals();
    if seal.is_empty() {
        let reason = "an empty seal proves nothing".to_owned();
        return Ok(Verification::Differs {
            class: FailureClass::CouldNotHash,
            differences: Vec::new(),
            total: 0,
            reason,
        });
    }
    context.progress.begin(Phase::Verifying, totals.files, totals.bytes);
    let mut check = Check::new(seal.files()?);
    match early {
        None => transport.hashes(run, seal, source, &mut |hashed| check.take(hashed), context).await?,
        Some(early) => {
            let mut told = early.hashes()?.peekable();
            let mut take_told = |check: &mut Check, before: Option<&FilePath>| {
                while let Some(next) =
                    told.next_if(|next| next.as_ref().is_ok_and(|(path, ..)| before.is_none_or(|before| path < before)))
                {
                    let Ok((path, size, digest)) = next else { return };
                    context.progress.skip_file(size);
                    check.take(Hashed { path, outcome: HashOutcome::Digest { digest, size, level: ProofLevel::L2 } });
                }
            };
            if !early.rest().is_empty() {
                let mut take = |hashed: Hashed| {
                    take_told(&mut check, Some(&hashed.path));
                    check.take(hashed);
                };
                transport.hashes(run, early.rest(), source, &mut take, context).await?;
            }
            // What was told and cannot be read counts as no answer.
            take_told(&mut check, None);
        }
    }
    let mut found = check.finish()?;
    if found.total == 0
        && let Some(level) = found.level
    {
        let manifest = VerifiedManifest {
            run: run.clone(),
            seal: seal.digest(),
            level,
            method: transport.method(),
            totals: found.equal,
        };
        if found.equal == totals {
            return Ok(Verification::Proven(manifest));
        }
    }
    if let Some(source) = source {
        find_first_bytes(transport, run, source, &mut found.differences, FIRST_BYTES_WITHIN, context).await;
    }
    let reason = match found.differences.first() {
        Some(first) => format!("{}; {}: {}", differ(found.total, totals.files), first.path, sentence(&first.kind)),
        None => "not every sealed file was compared".to_owned(),
    };
    let class = if found.differences.is_empty() { FailureClass::CouldNotHash } else { found.class };
    Ok(Verification::Differs { class, differences: found.differences, total: found.total, reason })
}

async fn find_first_bytes(
    transport: &dyn Transport,
    run: &RunPath,
    source: &RunFolder,
    differences: &mut [Difference],
    within: Duration,
    context: &CallContext,
) {
    let own = CallContext { cancel: context.cancel.child_token(), ..context.clone() };
    let until = tokio::time::Instant::now() + within;
    let of_content = differences.iter_mut().filter(|difference| matches!(difference.kind, DifferenceKind::Hash { .. }));
    for difference in of_content.take(FIRST_BYTES_FOR) {
        let looking = transport.first_difference(run, &difference.path, source, &own);
        tokio::pin!(looking);
        let at = tokio::select! {
            at = &mut looking => at,
            () = tokio::time::sleep_until(until) => {
                own.cancel.cancel();
                looking.await
            }
        };
        if let DifferenceKind::Hash { first_difference, .. } = &mut difference.kind {
            *first_difference = at;
        }
    }
}

/// `1 of 1 file differs`, `1 of 2 files differ`.
fn differ(found: u64, of: u64) -> String {
    format!("{} of {}", units::count(found), units::plural(of, "file differs", "files differ"))
}

/// One sentence about one file.
pub fn sentence(kind: &DifferenceKind) -> String {
    match kind {
        DifferenceKind::Missing => "is missing at the destination".to_owned(),
        DifferenceKind::Size { sealed, found } => {
            format!(
                "has {} at the destination, {} sealed",
                units::counted(*found, "byte"),
                units::plural(*sealed, "was", "were")
            )
        }
        DifferenceKind::Hash { first_difference: Some(first), .. } if first.is_hole() => {
            format!(
                "differs from byte {} on, where the destination holds nothing but zeros: a write to it was lost",
                first.at
            )
        }
        DifferenceKind::Hash { first_difference: Some(first), .. } => format!("differs from byte {} on", first.at),
        DifferenceKind::Hash { .. } => "has the right size and other bytes".to_owned(),
        DifferenceKind::SameFile => "is the very file in staging, no copy of it".to_owned(),
        DifferenceKind::NotHashed { reason } => format!("could not be hashed: {reason}"),
    }
}

/// Holds every answer against the seal, in order.
struct Check {
    sealed: Peekable<SealFiles>,
    found: Found,
    broken: Option<crate::keep::seal::SealError>,
}

#[derive(Debug)]
struct Found {
    equal: Totals,
    level: Option<ProofLevel>,
    class: FailureClass,
    differences: Vec<Difference>,
    total: u64,
}

impl Check {
    fn new(sealed: SealFiles) -> Check {
        Check { sealed: sealed.peekable(), found: Found::default(), broken: None }
    }

    fn take(&mut self, hashed: Hashed) {
        // Answers come in order: what was passed over was left out.
        while let Some(Ok(skipped)) =
            self.sealed.next_if(|sealed| sealed.as_ref().is_ok_and(|sealed| sealed.path < hashed.path))
        {
            self.found.no_answer(skipped.path);
        }
        match self.sealed.next_if(|sealed| sealed.as_ref().map_or(true, |sealed| sealed.path == hashed.path)) {
            Some(Ok(sealed)) => self.found.compare(sealed, hashed.outcome),
            Some(Err(error)) => self.broken = Some(error),
            None if self.broken.is_some() => {}
            None => self.found.unasked(hashed.path),
        }
    }

    fn finish(mut self) -> Result<Found, TransportError> {
        for sealed in self.sealed.by_ref() {
            self.found.no_answer(sealed?.path);
        }
        match self.broken {
            Some(error) => Err(error.into()),
            None => Ok(self.found),
        }
    }
}

impl Default for Found {
    fn default() -> Found {
        // The least grave class; every difference names its own.
        Found {
            equal: Totals::default(),
            level: None,
            class: FailureClass::VerifySkippedOversize,
            differences: Vec::new(),
            total: 0,
        }
    }
}

impl Found {
    fn compare(&mut self, sealed: SealedFile, outcome: HashOutcome) {
        let kind = match outcome {
            HashOutcome::Digest { digest, size, level } if size == sealed.stat.size && digest == sealed.digest => {
                self.equal.add(size);
                self.level = Some(self.level.map_or(level, |lowest| lowest.min(level)));
                return;
            }
            HashOutcome::Digest { size, .. } if size != sealed.stat.size => {
                DifferenceKind::Size { sealed: sealed.stat.size, found: size }
            }
            HashOutcome::Digest { digest, .. } => {
                DifferenceKind::Hash { sealed: sealed.digest, found: digest, first_difference: None }
            }
            HashOutcome::Missing => DifferenceKind::Missing,
            HashOutcome::SameFile => DifferenceKind::SameFile,
            HashOutcome::Failed { reason } => DifferenceKind::NotHashed { reason },
            HashOutcome::Oversize { size } if size != sealed.stat.size => {
                DifferenceKind::Size { sealed: sealed.stat.size, found: size }
            }
            HashOutcome::Oversize { size } => {
                let reason = format!("its {size} bytes are more than verify.max_stream_bytes");
                return self.differs(
                    sealed.path,
                    DifferenceKind::NotHashed { reason },
                    FailureClass::VerifySkippedOversize,
                );
            }
        };
        let class = match kind {
            DifferenceKind::SameFile => FailureClass::DestinationForeign,
            DifferenceKind::NotHashed { .. } => FailureClass::CouldNotHash,
            DifferenceKind::Missing | DifferenceKind::Size { .. } | DifferenceKind::Hash { .. } => {
                FailureClass::HashMismatch
            }
        };
        self.differs(sealed.path, kind, class);
    }

    fn no_answer(&mut self, path: FilePath) {
        let reason = "the destination gave no answer".to_owned();
        self.differs(path, DifferenceKind::NotHashed { reason }, FailureClass::CouldNotHash);
    }

    fn unasked(&mut self, path: FilePath) {
        let reason = "the destination answered for a file that is not sealed, or twice, or out of order".to_owned();
        self.differs(path, DifferenceKind::NotHashed { reason }, FailureClass::CouldNotHash);
    }

    fn differs(&mut self, path: FilePath, kind: DifferenceKind, class: FailureClass) {
        if gravity(class) > gravity(self.class) {
            self.class = class;
        }
        self.total += 1;
        if self.differences.len() < DIFFERENCES_AT_MOST {
            self.differences.push(Difference { path, kind });
        }
    }
}

fn gravity(class: FailureClass) -> u8 {
    match class {
        FailureClass::DestinationForeign => 3,
        FailureClass::HashMismatch => 2,
        FailureClass::CouldNotHash => 1,
        _ => 0,
    }
}

/// Holds the record as it was sent against what the destination hashed; what differs. Nothing sent proves nothing.
pub fn verify_record(sent: &[RecordFile], hashed: &[Hashed]) -> Result<ProofLevel, Vec<Difference>> {
    let mut found = Found::default();
    for file in sent {
        let mut answers = hashed.iter().filter(|hashed| hashed.path == file.path);
        match (answers.next(), answers.next()) {
            (Some(answer), None) => {
                found.compare(file.as_sealed(), answer.outcome.clone());
            }
            (None, _) => found.no_answer(file.path.clone()),
            (Some(_), Some(_)) => found.unasked(file.path.clone()),
        }
    }
    for stray in hashed.iter().filter(|hashed| !sent.iter().any(|file| file.path == hashed.path)) {
        found.unasked(stray.path.clone());
    }
    match found.level {
        Some(level) if found.total == 0 => Ok(level),
        _ => Err(found.differences),
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
