//! What is to be done with a run's record at a destination, by what stands there and what is known to be ours. Only a
//! file that we put there ourselves is replaced: the digests of what was put last are kept at the root, in a folder of
//! our own. Such a list never says that something is proven; lost, it costs one needless moving aside.

use super::super::wire::{SizedFile, Wire};
use super::super::{HashOutcome, Hashed, RecordFile, TransportError};
use super::aside::Superseded;
use super::layout::{NOT_OF_ONE_LIFE, RECORDS, list_name};
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RECORD_FOLDER, RunPath};
use domain::proof::Digest;
use std::collections::HashSet;

/// The plan.
#[derive(Debug)]
struct Plan<'a> {
    /// What stands under names of the record, is not ours, and has to move aside first.
    strangers: Vec<SizedFile>,
    /// What counts as ours from now on: the old and the new while one takes the place of the other, and what is not
    /// asked about.
    ours: Vec<(FilePath, Digest)>,
    /// Files that are not there yet as they are to be. What is equal is not written: where nothing may be replaced, it
    /// need not be.
    to_write: Vec<&'a RecordFile>,
    /// A file of ours is to be replaced.
    replaces: bool,
}

impl<'a> Plan<'a> {
    /// `ours`: what is known to be ours. `there`: what the destination holds under the names of `files`. An error where
    /// that cannot be read.
    fn of(
        files: &'a [RecordFile],
        ours: &[(FilePath, Digest)],
        there: Vec<Hashed>,
    ) -> Result<Plan<'a>, TransportError> {
        let (mut replaced, mut strangers, mut equal) = (Vec::new(), Vec::new(), HashSet::new());
        for Hashed { path, outcome } in there {
            let wanted = files.iter().find(|file| file.path == path).map(|file| file.bytes.digest());
            match outcome {
                HashOutcome::Missing => {}
                HashOutcome::Digest { digest, size, .. } => {
                    let known = ours.iter().any(|(known, put)| *known == path && *put == digest);
                    if Some(digest) == wanted {
                        equal.insert(path);
                    } else if known {
                        replaced.push((path, digest));
                    } else {
                        strangers.push((path, size));
                    }
                }
                HashOutcome::Failed { reason } => {
                    let message = format!("{path} cannot be read at the destination: {reason}");
                    return Err(TransportError::new(FailureClass::Conflict, Side::Destination, message).naming(&path));
                }
                HashOutcome::SameFile => strangers.push((path, 0)),
                HashOutcome::Oversize { size } => strangers.push((path, size)),
            }
        }
        let replaces = !replaced.is_empty();
        let others = ours.iter().filter(|(path, _)| !files.iter().any(|file| file.path == *path)).cloned();
        let new = files.iter().map(|file| (file.path.clone(), file.bytes.digest()));
        let to_write = files.iter().filter(|file| !equal.contains(&file.path)).collect();
        Ok(Plan { strangers, ours: replaced.into_iter().chain(others).chain(new).collect(), to_write, replaces })
    }

    /// Whether the list of what is ours may stay as it was when it could not be written: where the destination refuses
    /// to replace anything, what has a name of its own may stand all the same; where nothing is written, nothing
    /// depends on it.
    fn list_may_stay(&self, refusal: &TransportError) -> bool {
        match refusal.class {
            FailureClass::Interrupted => false,
            FailureClass::Authentication => !self.replaces,
            _ => self.to_write.is_empty(),
        }
    }
}

/// More of a list is not read: some files of a record, two digests each.
const LIST_BYTES_AT_MOST: u64 = 1 << 20;

/// Everything that is put as a record must lie in its folder.
fn refuse_stray(files: &[RecordFile]) -> Result<(), TransportError> {
    match files.iter().find(|file| !file.path.is_record()) {
        None => Ok(()),
        Some(stray) => {
            let message = format!("{} does not belong to the record", stray.path);
            Err(TransportError::new(FailureClass::Unknown, Side::Here, message))
        }
    }
}

/// Puts a record: an earlier life's is kept, what is not ours moves aside, what is ours is replaced and listed before,
/// and the destination hashes what it holds then.
pub async fn put(
    wire: &dyn Wire,
    run: &RunPath,
    life: u64,
    files: &[RecordFile],
) -> Result<Vec<Hashed>, TransportError> {
    refuse_stray(files)?;
    let list = format!("{RECORDS}/{}", list_name(run));
    let read = wire.read_own(&list, LIST_BYTES_AT_MOST).await?.unwrap_or_default();
    let (listed_life, known) = read_list(&String::from_utf8_lossy(&read));
    // What is listed for this life has taken the place of the earlier one's.
    if life > 1 && listed_life != Some(life) {
        keep_earlier_life(wire, run, life - 1).await?;
    }
    if files.is_empty() {
        wire.sync().await?;
        return Ok(Vec::new());
    }
    let asked: Vec<SizedFile> = files.iter().map(|file| (file.path.clone(), file.bytes.size())).collect();
    let plan = Plan::of(files, &known, wire.hash_record(run, &asked).await?)?;
    Superseded::default().take(wire, run, &plan.strangers).await?;
    // A list that was lost is made again although nothing else is to be written.
    let lacks = listed_life != Some(life) || !plan.ours.iter().all(|entry| known.contains(entry));
    if !plan.to_write.is_empty() || lacks {
        match wire.write_own(run, &list, list_of(life, &plan.ours).into_bytes()).await {
            Err(refusal) if plan.list_may_stay(&refusal) => {}
            written => written?,
        }
    }
    if !plan.to_write.is_empty() {
        wire.replace(run, &plan.to_write).await?;
    }
    wire.sync().await?;
    wire.hash_record(run, &asked).await
}

/// Moves everything of the earlier life's record to `lives/<n>/`, once. It is gathered under another name before, so
/// that what broke off is gone on with and never mixed with a later life's.
async fn keep_earlier_life(wire: &dyn Wire, run: &RunPath, earlier: u64) -> Result<(), TransportError> {
    let lives = format!("{RECORD_FOLDER}/lives");
    let (done, moving) = (earlier.to_string(), format!("{earlier}.moving"));
    if wire.names_in(run, &lives).await?.iter().any(|name| *name == done.as_bytes()) {
        return Ok(());
    }
    let (done, moving_to) = (format!("{lives}/{done}"), format!("{lives}/{moving}"));
    wire.move_contents(run, RECORD_FOLDER, &NOT_OF_ONE_LIFE, &moving_to).await?;
    match wire.names_in(run, &lives).await?.iter().any(|name| *name == moving.as_bytes()) {
        true => wire.rename_folder(run, &moving_to, &done).await,
        false => Ok(()),
    }
}

/// What is ours of a life's record, as it is kept at a destination: a line with the life, then one with digest and name
/// for each file.
fn list_of(life: u64, entries: &[(FilePath, Digest)]) -> String {
    let lines = entries.iter().map(|(path, digest)| format!("{digest} {}\n", hex::encode(path.as_bytes())));
    format!("{LIFE}{life}\n{}", lines.collect::<String>())
}

/// Begins the line that names the life.
const LIFE: &str = "life ";

/// Reads that; unreadable lines are nothing known. Earlier versions named no life.
fn read_list(list: &str) -> (Option<u64>, Vec<(FilePath, Digest)>) {
    let life = list.lines().find_map(|line| line.strip_prefix(LIFE)?.parse().ok());
    let parse = |line: &str| -> Option<(FilePath, Digest)> {
        let (digest, path) = line.split_once(' ')?;
        Some((FilePath::new(hex::decode(path).ok()?).ok()?, Digest::parse(digest)?))
    };
    (life, list.lines().filter_map(parse).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::proof::ProofLevel;
    use rstest::rstest;

    fn file(text: &str) -> RecordFile {
        RecordFile { path: FilePath::new(".exlab-wizard/ingest.json").unwrap(), bytes: text.as_bytes().to_vec().into() }
    }

    fn holds(text: &str) -> HashOutcome {
        HashOutcome::Digest { digest: file(text).bytes.digest(), size: 0, level: ProofLevel::L2 }
    }

    #[rstest]
    #[case::absent(HashOutcome::Missing, "", (false, true, false))]
    #[case::equal_and_ours(holds("new"), "new", (false, false, false))]
    #[case::equal_and_not_ours(holds("new"), "", (false, false, false))]
    #[case::ours(holds("old"), "old", (false, true, true))]
    #[case::a_strangers(holds("old"), "other", (true, true, false))]
    #[case::the_very_file_here(HashOutcome::SameFile, "old", (true, true, false))]
    fn what_stands_there_decides(
        #[case] outcome: HashOutcome,
        #[case] ours: &str,
        #[case] expected: (bool, bool, bool),
    ) {
        let files = [file("new")];
        let elsewhere = (FilePath::new(".exlab-wizard/versions/1/ingest.json").unwrap(), Digest([1; 32]));
        let known = [(files[0].path.clone(), file(ours).bytes.digest()), elsewhere.clone()];
        let plan = Plan::of(&files, &known, vec![Hashed { path: files[0].path.clone(), outcome }]).unwrap();
        assert_eq!((!plan.strangers.is_empty(), !plan.to_write.is_empty(), plan.replaces), expected);
        assert!(
            plan.ours.contains(&(files[0].path.clone(), files[0].bytes.digest())),
            "the new one is ours before it is put"
        );
        assert!(plan.ours.contains(&elsewhere), "what is not asked about stays ours");
        assert_eq!(
            plan.ours.contains(&known[0]),
            plan.replaces || ours == "new",
            "the old one as long as it may stand there"
        );
        let refusal = |class| TransportError::new(class, Side::Destination, "");
        assert_eq!(plan.list_may_stay(&refusal(FailureClass::Authentication)), !plan.replaces);
        assert_eq!(plan.list_may_stay(&refusal(FailureClass::Network)), plan.to_write.is_empty());
        assert!(!plan.list_may_stay(&refusal(FailureClass::Interrupted)));
    }

    #[test]
    fn a_list_reads_back_and_so_does_an_earlier_versions() {
        let entries = vec![(file("").path, Digest([7; 32]))];
        assert_eq!(read_list(&list_of(3, &entries)), (Some(3), entries.clone()));
        let old = format!("{} {}\nnonsense\n", entries[0].1, hex::encode(entries[0].0.as_bytes()));
        assert_eq!((read_list(&old), read_list("")), ((None, entries), (None, Vec::new())));
    }

    #[test]
    fn what_cannot_be_read_there_is_a_conflict() {
        let files = [file("new")];
        let outcome = HashOutcome::Failed { reason: "it is a folder".to_owned() };
        let error = Plan::of(&files, &[], vec![Hashed { path: files[0].path.clone(), outcome }]).unwrap_err();
        assert_eq!((error.class, error.files), (FailureClass::Conflict, vec![files[0].path.clone()]));
    }
}
