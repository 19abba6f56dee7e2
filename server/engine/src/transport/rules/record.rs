//! What is to be done with a run's record at a destination, by what stands there and what is known to be ours. Only a
//! file that we put there ourselves is replaced: the digests of what was put last are kept at the root, in a folder of
//! our own. Such a list never says that something is proven; lost, it costs one needless moving aside.

use super::super::{HashOutcome, Hashed, RecordFile, TransportError};
use domain::job::{FailureClass, Side};
use domain::path::FilePath;
use domain::proof::Digest;
use std::collections::HashSet;

/// The plan.
#[derive(Debug)]
pub struct Plan<'a> {
    /// What stands under names of the record, is not ours, and has to move aside first.
    pub strangers: Vec<FilePath>,
    /// What counts as ours from now on: the old and the new while one takes the place of the other, and what is not
    /// asked about.
    pub ours: Vec<(FilePath, Digest)>,
    /// Files that are not there yet as they are to be. What is equal is not written: where nothing may be replaced, it
    /// need not be.
    pub to_write: Vec<&'a RecordFile>,
    /// A file of ours is to be replaced.
    pub replaces: bool,
}

impl<'a> Plan<'a> {
    /// `ours`: what is known to be ours. `there`: what the destination holds under the names of `files`. An error where
    /// that cannot be read.
    pub fn of(
        files: &'a [RecordFile],
        ours: &[(FilePath, Digest)],
        there: Vec<Hashed>,
    ) -> Result<Plan<'a>, TransportError> {
        let (mut replaced, mut strangers, mut equal) = (Vec::new(), Vec::new(), HashSet::new());
        for Hashed { path, outcome } in there {
            let wanted = files.iter().find(|file| file.path == path).map(|file| file.bytes.digest());
            match outcome {
                HashOutcome::Missing => {}
                HashOutcome::Digest { digest, .. } => {
                    let known = ours.iter().any(|(known, put)| *known == path && *put == digest);
                    if Some(digest) == wanted {
                        equal.insert(path);
                    } else if known {
                        replaced.push((path, digest));
                    } else {
                        strangers.push(path);
                    }
                }
                HashOutcome::Failed { reason } => {
                    let message = format!("{path} cannot be read at the destination: {reason}");
                    return Err(TransportError::new(FailureClass::Conflict, Side::Destination, message).naming(&path));
                }
                HashOutcome::SameFile | HashOutcome::Oversize { .. } => strangers.push(path),
            }
        }
        let replaces = !replaced.is_empty();
        let others = ours.iter().filter(|(path, _)| !files.iter().any(|file| file.path == *path)).cloned();
        let new = files.iter().map(|file| (file.path.clone(), file.bytes.digest()));
        let to_write = files.iter().filter(|file| !equal.contains(&file.path)).collect();
        Ok(Plan { strangers, ours: replaced.into_iter().chain(others).chain(new).collect(), to_write, replaces })
    }

    /// Whether the list of what is ours may stay as it was when the destination refuses to replace it: where it
    /// replaces nothing, what has a name of its own may stand all the same.
    pub fn list_may_stay(&self, refusal: &TransportError) -> bool {
        refusal.class == FailureClass::Authentication && !self.replaces
    }
}

/// More of a list is not read: some files of a record, two digests each.
pub const LIST_BYTES_AT_MOST: u64 = 1 << 20;

/// Everything that is put as a record must lie in its folder.
pub fn refuse_stray(files: &[RecordFile]) -> Result<(), TransportError> {
    match files.iter().find(|file| !file.path.is_record()) {
        None => Ok(()),
        Some(stray) => {
            let message = format!("{} does not belong to the record", stray.path);
            Err(TransportError::new(FailureClass::Unknown, Side::Here, message))
        }
    }
}

/// What is ours as it is kept at a destination: a line with digest and name for each.
pub fn list_of(entries: &[(FilePath, Digest)]) -> String {
    entries.iter().map(|(path, digest)| format!("{digest} {}\n", hex::encode(path.as_bytes()))).collect()
}

/// Reads that; unreadable lines are nothing known.
pub fn entries_of(list: &str) -> Vec<(FilePath, Digest)> {
    let parse = |line: &str| -> Option<(FilePath, Digest)> {
        let (digest, path) = line.split_once(' ')?;
        Some((FilePath::new(hex::decode(path).ok()?).ok()?, Digest::parse(digest)?))
    };
    list.lines().filter_map(parse).collect()
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
        assert!(!plan.list_may_stay(&refusal(FailureClass::Network)));
    }

    #[test]
    fn what_cannot_be_read_there_is_a_conflict() {
        let files = [file("new")];
        let outcome = HashOutcome::Failed { reason: "it is a folder".to_owned() };
        let error = Plan::of(&files, &[], vec![Hashed { path: files[0].path.clone(), outcome }]).unwrap_err();
        assert_eq!((error.class, error.files), (FailureClass::Conflict, vec![files[0].path.clone()]));
    }
}
