//! What "the NAS has it" means: digests, sealed files, and levels of proof (docs/proof.md).

use crate::path::FilePath;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A SHA-256. Shown and stored as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads 64 hex digits of either case.
    pub fn parse(text: &str) -> Option<Digest> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return None;
        }
        let nibble = |b: u8| char::from(b).to_digit(16);
        let mut digest = [0_u8; 32];
        for (slot, pair) in digest.iter_mut().zip(bytes.chunks_exact(2)) {
            *slot = u8::try_from(nibble(pair[0])? * 16 + nibble(pair[1])?).ok()?;
        }
        Some(Digest(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digest::parse(&text).ok_or_else(|| serde::de::Error::custom("expected 64 hex digits"))
    }
}

/// What `stat` says of a file; two equal values with unequal inodes are two files. Times in nanoseconds since the
/// epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FileStat {
    /// Bytes.
    pub size: u64,
    /// Modification time.
    pub mtime_ns: i64,
    /// Change time: cannot be set back by `touch`.
    pub ctime_ns: i64,
    /// Inode number.
    pub inode: u64,
}

/// A file whose change time is younger than this when it is looked at may change once more within one tick of its
/// clock, unseen.
const SETTLED_NS: i64 = 2_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

impl FileStat {
    /// True when any later change of the file's bytes must show in its stat, looked at at `now_ns`. For that its inode
    /// and change time must be known, and the change time must be finer than a second, differ from the modification
    /// time (which anybody may set), and be old enough that another change cannot have the same one.
    pub fn shows_changes(&self, now_ns: i64) -> bool {
        let fine = self.ctime_ns % SECOND_NS != 0 && self.ctime_ns != self.mtime_ns;
        self.inode != 0 && fine && self.ctime_ns < now_ns.saturating_sub(SETTLED_NS)
    }
}

/// One data file as listed when its run was sealed; `digest` is set once the file has been read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedFile {
    /// Path inside the run.
    pub path: FilePath,
    /// `stat`, equal before and after hashing.
    pub stat: FileStat,
    /// SHA-256 of the bytes between the two.
    pub digest: Digest,
}

/// What a seal holds in all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Data files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Totals {
    /// Adds one file.
    pub fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// How strong a proof is (docs/proof.md). Ordered: a later one satisfies an earlier one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ProofLevel {
    /// Sizes only, or read back through our own cache.
    L1,
    /// Hash made by the destination.
    L2,
    /// Read back past our cache.
    L3,
    /// L2 or L3, repeated at least `verify.reverify` later.
    L4,
}

impl ProofLevel {
    /// `L1` to `L4`.
    pub fn as_str(self) -> &'static str {
        match self {
            ProofLevel::L1 => "L1",
            ProofLevel::L2 => "L2",
            ProofLevel::L3 => "L3",
            ProofLevel::L4 => "L4",
        }
    }

    /// Reads `L1` to `L4`.
    pub fn from_text(text: &str) -> Option<ProofLevel> {
        [ProofLevel::L1, ProofLevel::L2, ProofLevel::L3, ProofLevel::L4]
            .into_iter()
            .find(|level| level.as_str() == text)
    }

    /// One phrase for people.
    pub fn meaning(self) -> &'static str {
        match self {
            ProofLevel::L1 => "read back, maybe from this computer's own cache",
            ProofLevel::L2 => "hashed by the NAS itself",
            ProofLevel::L3 => "read back past this computer's cache",
            ProofLevel::L4 => "proven again later",
        }
    }

    /// The level of a proof of this level that repeats one made `seconds_between` before, given `verify.reverify`.
    pub fn repeated(self, first: Option<ProofLevel>, seconds_between: i64, reverify_seconds: i64) -> ProofLevel {
        let both_strong = self >= ProofLevel::L2 && first.is_some_and(|level| level >= ProofLevel::L2);
        if both_strong && seconds_between >= reverify_seconds { ProofLevel::L4 } else { self }
    }
}

impl fmt::Display for ProofLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How one sealed file and the destination disagree.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    /// Path inside the run.
    pub path: FilePath,
    /// In what way.
    pub kind: DifferenceKind,
}

/// Where a destination file begins to differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FirstDifference {
    /// Offset of the first differing byte.
    pub at: u64,
    /// So many zero bytes stand there in a row, as far as was looked: a hole where a write was lost, rather than damage
    /// to a byte.
    pub zeros: u64,
}

impl FirstDifference {
    /// Fewer zeros may be chance.
    const HOLE: u64 = 512;

    /// At this offset; `there`: what the destination holds from there on, as far as it was read.
    pub fn new(at: u64, there: &[u8]) -> FirstDifference {
        FirstDifference { at, zeros: there.iter().take_while(|byte| **byte == 0).count() as u64 }
    }

    /// A write seems to be lost.
    pub fn is_hole(self) -> bool {
        self.zeros >= Self::HOLE
    }
}

/// In what way a destination file differs from its seal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DifferenceKind {
    /// Not there.
    Missing,
    /// Other size.
    Size {
        /// Sealed bytes.
        sealed: u64,
        /// Bytes found.
        found: u64,
    },
    /// Same size, other bytes.
    Hash {
        /// Sealed digest.
        sealed: Digest,
        /// Digest found.
        found: Digest,
        /// Where they begin to differ, when both could be read.
        first_difference: Option<FirstDifference>,
    },
    /// It is the very file in staging (same device and inode): no copy at all (D12).
    SameFile,
    /// There, but could not be hashed.
    NotHashed {
        /// Why.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_round_trip() {
        let text = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        assert_eq!(Digest::parse(text).unwrap().to_string(), text);
        assert_eq!(Digest::parse(&text[1..]), None);
        assert_eq!(Digest::parse(&text.replace('5', "g")), None);
    }

    #[test]
    fn d16_what_shows_no_change_is_not_relied_on() {
        let now_ns = 1_800_000_000 * SECOND_NS;
        let usual =
            FileStat { size: 1, mtime_ns: 1_700_000_000_123_456_789, ctime_ns: 1_799_999_000_123_456_789, inode: 7 };
        let cases = [
            ("a usual one", usual, true),
            ("no inode", FileStat { inode: 0, ..usual }, false),
            ("no change time", FileStat { ctime_ns: 0, ..usual }, false),
            ("whole seconds", FileStat { ctime_ns: 1_799_999_000 * SECOND_NS, ..usual }, false),
            ("the modification time again", FileStat { ctime_ns: usual.mtime_ns, ..usual }, false),
            ("changed a moment ago", FileStat { ctime_ns: now_ns - 1_999_999_999, ..usual }, false),
            ("changed before that", FileStat { ctime_ns: now_ns - 2_000_000_001, ..usual }, true),
            ("a clock that is ahead", FileStat { ctime_ns: now_ns + 3_600 * SECOND_NS + 1, ..usual }, false),
        ];
        for (name, stat, expected) in cases {
            assert_eq!(stat.shows_changes(now_ns), expected, "{name}");
        }
    }

    #[test]
    fn only_a_late_repetition_of_a_strong_proof_is_l4() {
        let day = 86_400;
        assert_eq!(ProofLevel::L3.repeated(Some(ProofLevel::L3), day, day), ProofLevel::L4);
        assert_eq!(ProofLevel::L3.repeated(Some(ProofLevel::L3), day - 1, day), ProofLevel::L3);
        assert_eq!(ProofLevel::L3.repeated(None, day, day), ProofLevel::L3);
        assert_eq!(ProofLevel::L1.repeated(Some(ProofLevel::L1), day, day), ProofLevel::L1);
        assert_eq!(ProofLevel::L2.repeated(Some(ProofLevel::L1), day, day), ProofLevel::L2);
    }
}
