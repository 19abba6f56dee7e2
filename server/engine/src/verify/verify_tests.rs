//! What counts as a proof, with a destination that says whatever the test wants.

use super::*;
use crate::files::source::StagingRoot;
use crate::keep::seal::{Listing, SealWriter};
use crate::machine::progress::ProgressSink;
use crate::transport::{Push, Wire};
use domain::proof::{FileStat, FirstDifference};
use rstest::rstest;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Answers from a list; where the bytes differ it looks for as long as it is let.
struct Oracle(Vec<Hashed>);

#[async_trait::async_trait]
impl Transport for Oracle {
    fn describe(&self) -> String {
        "oracle".to_owned()
    }
    fn method(&self) -> String {
        "asked".to_owned()
    }
    async fn open(&self, _: &CallContext) -> Result<Box<dyn Wire>, TransportError> {
        Err(TransportError::interrupted())
    }
    async fn open_to_mark(&self, _: bool, _: &CallContext) -> Result<Box<dyn Wire>, TransportError> {
        Err(TransportError::interrupted())
    }
    fn hashes_while_pushing(&self) -> bool {
        false
    }
    async fn push(&self, _: Push<'_>, _: &CallContext) -> Result<(), TransportError> {
        Err(TransportError::interrupted())
    }
    async fn hashes(
        &self,
        _: &RunPath,
        _: &SealReader,
        _: Option<&RunFolder>,
        found: &mut (dyn FnMut(Hashed) + Send),
        _: &CallContext,
    ) -> Result<(), TransportError> {
        self.0.iter().cloned().for_each(found);
        Ok(())
    }
    async fn first_difference(
        &self,
        _: &RunPath,
        _: &FilePath,
        _: &RunFolder,
        context: &CallContext,
    ) -> Option<FirstDifference> {
        context.cancel.cancelled().await;
        None
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn path(name: &str) -> FilePath {
    FilePath::new(name).unwrap()
}

fn digest_of(name: &str) -> Digest {
    Digest(Sha256::digest(name.as_bytes()).into())
}

/// The right answer for a file that holds its own name.
fn right(name: &str, level: ProofLevel) -> Hashed {
    Hashed {
        path: path(name),
        outcome: HashOutcome::Digest { digest: digest_of(name), size: name.len() as u64, level },
    }
}

fn with(name: &str, outcome: HashOutcome) -> Hashed {
    Hashed { path: path(name), outcome }
}

fn sealed(dir: &tempfile::TempDir, names: &[&str]) -> SealReader {
    let folder = dir.path().join("staging/E/P/Runs/Run_1");
    std::fs::create_dir_all(&folder).unwrap();
    names.iter().for_each(|name| std::fs::write(folder.join(name), name).unwrap());
    let run = StagingRoot::open(&dir.path().join("staging")).unwrap().run_at("E/P/Runs/Run_1").unwrap();
    let listing = Listing::of_run(&run, &dir.path().join("listing"), 0, |_| ()).unwrap();
    let writer = SealWriter::open(&listing, &dir.path().join("seal")).unwrap();
    for name in names {
        let stat: FileStat = run.stat(&path(name)).unwrap();
        writer.put(&path(name), stat, digest_of(name), 0).unwrap();
    }
    writer.finish(0).unwrap()
}

async fn ask(names: &[&str], answers: Vec<Hashed>) -> Verification {
    let dir = tempfile::tempdir().unwrap();
    let seal = sealed(&dir, names);
    let context =
        CallContext { cancel: CancellationToken::new(), progress: ProgressSink::new(), limit: Arc::new(|| None) };
    verify(&Oracle(answers), &RunPath::parse("E/P/Runs/Run_1").unwrap(), &seal, None, &context).await.unwrap()
}

/// Verifies after `told` was heard while the run was sent.
async fn ask_rest(told: &[(&str, &str)], answers: Vec<Hashed>) -> Verification {
    let dir = tempfile::tempdir().unwrap();
    let seal = sealed(&dir, &NAMES);
    let early = crate::keep::seal::EarlyHashes::begin(&dir.path().join("early")).unwrap();
    told.iter().for_each(|(name, content)| early.put(&path(name), content.len() as u64, digest_of(content)));
    let early = early.finish(&seal).unwrap();
    let context =
        CallContext { cancel: CancellationToken::new(), progress: ProgressSink::new(), limit: Arc::new(|| None) };
    let run = RunPath::parse("E/P/Runs/Run_1").unwrap();
    let verified = verify_rest(&Oracle(answers), &run, &seal, early.as_ref(), None, &context).await.unwrap();
    drop(early);
    assert!(!dir.path().join("early").exists() && !dir.path().join("early.rest").exists(), "told once, used once");
    verified
}

#[tokio::test]
async fn what_was_told_early_is_not_asked_again_and_counts_like_any_answer() {
    for told in [&[("a", "a")][..], &[("b", "b"), ("c", "c")], &[("a", "a"), ("b", "b"), ("c", "c")]] {
        let rest = NAMES
            .iter()
            .filter(|name| !told.iter().any(|(told, _)| told == *name))
            .map(|name| right(name, ProofLevel::L3))
            .collect();
        match ask_rest(told, rest).await {
            Verification::Proven(manifest) => {
                assert_eq!(
                    (manifest.level(), manifest.totals()),
                    (ProofLevel::L2, Totals { files: 3, bytes: 3 }),
                    "{told:?}"
                );
            }
            other => panic!("{told:?}: {other:?}"),
        }
    }
    // Wrong when told early is as wrong as ever; so is what nobody answers for, and an answer too many.
    for (told, answers, class) in [
        (&[("a", "x")][..], vec![right("b", ProofLevel::L3), right("c", ProofLevel::L3)], FailureClass::HashMismatch),
        (&[("a", "a")], vec![right("b", ProofLevel::L3)], FailureClass::CouldNotHash),
        (&[("a", "a")], all_right(), FailureClass::CouldNotHash),
    ] {
        assert!(
            matches!(ask_rest(told, answers).await, Verification::Differs { class: found, total: 1, .. } if found == class),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn what_was_told_early_of_files_that_are_not_sealed_is_worth_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let seal = sealed(&dir, &NAMES);
    let told = |names: &[&str]| {
        let early = crate::keep::seal::EarlyHashes::begin(&dir.path().join("early")).unwrap();
        names.iter().for_each(|name| early.put(&path(name), 1, digest_of(name)));
        early.finish(&seal)
    };
    assert!(told(&["a", "d"]).unwrap().is_none());
    assert!(told(&["a", "aa", "b"]).unwrap().is_none());
    assert!(told(&[]).unwrap().is_none());
    assert!(told(&["b", "a"]).is_err(), "out of order");
    assert_eq!(told(&["a", "c"]).unwrap().unwrap().rest().totals(), Totals { files: 1, bytes: 1 });
}

#[tokio::test]
async fn s30_where_the_bytes_differ_is_looked_for_no_longer_than_a_message_is_worth() {
    let dir = tempfile::tempdir().unwrap();
    sealed(&dir, &NAMES);
    let run = StagingRoot::open(&dir.path().join("staging")).unwrap().run_at("E/P/Runs/Run_1").unwrap();
    let context =
        CallContext { cancel: CancellationToken::new(), progress: ProgressSink::new(), limit: Arc::new(|| None) };
    let differs = |name| Difference {
        path: path(name),
        kind: DifferenceKind::Hash { sealed: digest_of(name), found: digest_of("x"), first_difference: None },
    };
    let mut differences = NAMES.map(differs);
    let (oracle, path) = (Oracle(Vec::new()), RunPath::parse("E/P/Runs/Run_1").unwrap());
    find_first_bytes(&oracle, &path, &run, &mut differences, Duration::from_millis(20), &context).await;
    assert!(
        differences
            .iter()
            .all(|difference| matches!(difference.kind, DifferenceKind::Hash { first_difference: None, .. }))
    );
    assert!(!context.cancel.is_cancelled(), "what follows goes on");
}

fn all_right() -> Vec<Hashed> {
    NAMES.iter().map(|name| right(name, ProofLevel::L3)).collect()
}

#[tokio::test]
async fn equal_everywhere_is_proven_at_the_lowest_level() {
    let mut answers = all_right();
    answers[1] = right("b", ProofLevel::L1);
    match ask(&NAMES, answers).await {
        Verification::Proven(manifest) => {
            assert_eq!((manifest.level(), manifest.method()), (ProofLevel::L1, "asked"));
            assert_eq!(manifest.totals(), Totals { files: 3, bytes: 3 });
        }
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::v7_left_out(|a: &mut Vec<Hashed>| drop(a.remove(1)), FailureClass::CouldNotHash, 1)]
#[case::v7_last_left_out(|a: &mut Vec<Hashed>| drop(a.pop()), FailureClass::CouldNotHash, 1)]
#[case::nothing_said(|a: &mut Vec<Hashed>| a.clear(), FailureClass::CouldNotHash, 3)]
#[case::twice(|a: &mut Vec<Hashed>| a.insert(1, a[0].clone()), FailureClass::CouldNotHash, 1)]
#[case::one_too_many(|a: &mut Vec<Hashed>| a.push(right("d", ProofLevel::L3)), FailureClass::CouldNotHash, 1)]
#[case::v7_swapped(|a: &mut Vec<Hashed>| { let b = a[1].outcome.clone(); a[1].outcome = a[0].outcome.clone(); a[0].outcome = b }, FailureClass::HashMismatch, 2)]
#[case::missing(|a: &mut Vec<Hashed>| a[0].outcome = HashOutcome::Missing, FailureClass::HashMismatch, 1)]
#[case::v5_not_hashed(|a: &mut Vec<Hashed>| a[0] = with("a", HashOutcome::Failed { reason: "EIO".into() }), FailureClass::CouldNotHash, 1)]
#[case::d12_same_file(|a: &mut Vec<Hashed>| { a[0].outcome = HashOutcome::SameFile; a[1].outcome = HashOutcome::Missing }, FailureClass::DestinationForeign, 2)]
#[case::oversize(|a: &mut Vec<Hashed>| a[2].outcome = HashOutcome::Oversize { size: 1 }, FailureClass::VerifySkippedOversize, 1)]
#[case::size(|a: &mut Vec<Hashed>| a[2].outcome = HashOutcome::Digest { digest: digest_of("c"), size: 2, level: ProofLevel::L3 }, FailureClass::HashMismatch, 1)]
#[tokio::test]
async fn anything_else_is_no_proof(
    #[case] damage: fn(&mut Vec<Hashed>),
    #[case] class: FailureClass,
    #[case] total: u64,
) {
    let mut answers = all_right();
    damage(&mut answers);
    match ask(&NAMES, answers).await {
        Verification::Differs { class: found, total: count, differences, reason } => {
            assert_eq!((found, count, differences.len() as u64), (class, total, total), "{differences:?}");
            assert!(!reason.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn v6_an_empty_seal_is_never_proven() {
    assert!(matches!(ask(&[], Vec::new()).await, Verification::Differs { class: FailureClass::CouldNotHash, .. }));
}

#[test]
fn the_record_is_proven_file_by_file() {
    let sent: Vec<RecordFile> = [".exlab-wizard/a", ".exlab-wizard/b"]
        .into_iter()
        .map(|name| RecordFile { path: path(name), bytes: name.as_bytes().to_vec().into() })
        .collect();
    let hashed: Vec<Hashed> = sent.iter().map(|file| right(file.path.as_utf8().unwrap(), ProofLevel::L2)).collect();
    assert_eq!(verify_record(&sent, &hashed), Ok(ProofLevel::L2));
    assert!(verify_record(&sent, &hashed[..1]).is_err());
    assert!(verify_record(&sent[..1], &hashed).is_err());
    assert!(verify_record(&[], &[]).is_err());
    let twice = [hashed.clone(), hashed[..1].to_vec()].concat();
    assert!(verify_record(&sent, &twice).is_err());
    let mut wrong = hashed;
    wrong[0].outcome = HashOutcome::Missing;
    assert_eq!(verify_record(&sent, &wrong).unwrap_err()[0].kind, DifferenceKind::Missing);
}
