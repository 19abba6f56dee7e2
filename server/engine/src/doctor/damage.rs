//! The damages that a destination must notice, done to a copy on this computer before it is sent.

use super::sample::{FRAME_1, FRAME_2, ONE, STACK};
use crate::verify::{Verification, sentence};
use domain::proof::{Difference, DifferenceKind};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// One way of being wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Damage {
    FlippedBit,
    Truncated,
    Missing,
    Swapped,
    SameSizeAndTime,
    Appended,
}

/// What a verification must say of a damaged file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Missing,
    Size,
    Content,
}

/// What is to be thought of a destination after a damage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Judged {
    /// Exactly this damage was named.
    Noticed(String),
    /// Wrong bytes were called right: nothing that it says proves anything.
    Overlooked(String),
    /// It was not called right, but something else was said than what is.
    Unclear(String),
}

impl Damage {
    pub const ALL: [Damage; 6] = [
        Damage::FlippedBit,
        Damage::Truncated,
        Damage::Missing,
        Damage::Swapped,
        Damage::SameSizeAndTime,
        Damage::Appended,
    ];

    /// The check's name.
    pub fn check(self) -> &'static str {
        match self {
            Damage::FlippedBit => "damage: flipped byte",
            Damage::Truncated => "damage: truncated",
            Damage::Missing => "damage: missing",
            Damage::Swapped => "damage: swapped",
            Damage::SameSizeAndTime => "damage: same size and time",
            Damage::Appended => "damage: appended",
        }
    }

    /// As part of the run's name.
    pub fn slug(self) -> &'static str {
        match self {
            Damage::FlippedBit => "flipped",
            Damage::Truncated => "truncated",
            Damage::Missing => "missing",
            Damage::Swapped => "swapped",
            Damage::SameSizeAndTime => "same-size-and-time",
            Damage::Appended => "appended",
        }
    }

    /// The damaged files, in path order, and what must be said of each.
    fn files(self) -> &'static [(&'static str, Told)] {
        match self {
            Damage::FlippedBit => &[(STACK, Told::Content)],
            Damage::Truncated => &[(STACK, Told::Size)],
            Damage::Missing => &[(ONE, Told::Missing)],
            Damage::Swapped => &[(FRAME_1, Told::Content), (FRAME_2, Told::Content)],
            Damage::SameSizeAndTime => &[(FRAME_1, Told::Content)],
            Damage::Appended => &[(FRAME_2, Told::Size)],
        }
    }

    /// Does it to a copy of the run.
    pub fn apply(self, run: &Path) -> std::io::Result<()> {
        let open = |name: &str| File::options().read(true).write(true).open(run.join(name));
        match self {
            Damage::FlippedBit => flip(&open(STACK)?),
            Damage::Truncated => {
                let file = open(STACK)?;
                let size = file.metadata()?.len();
                file.set_len(size.saturating_sub(1))
            }
            Damage::Missing => std::fs::remove_file(run.join(ONE)),
            Damage::Swapped => {
                let (one, two, aside) = (run.join(FRAME_1), run.join(FRAME_2), run.join("aside"));
                std::fs::rename(&one, &aside)?;
                std::fs::rename(&two, &one)?;
                std::fs::rename(&aside, &two)
            }
            Damage::SameSizeAndTime => {
                let file = open(FRAME_1)?;
                let mtime = file.metadata()?.modified()?;
                flip(&file)?;
                file.set_modified(mtime)
            }
            Damage::Appended => File::options().append(true).open(run.join(FRAME_2))?.write_all(b"\0"),
        }
    }

    /// Holds what verification said against what was done.
    pub fn judge(self, found: &Verification) -> Judged {
        let named =
            |differences: &[Difference]| differences.iter().map(|d| d.path.to_string()).collect::<Vec<_>>().join(", ");
        let expected = self.files();
        let Verification::Differs { differences, total, .. } = found else {
            let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
            return Judged::Overlooked(format!(
                "the whole run was called proven, although damaged: {}",
                names.join(", ")
            ));
        };
        let overlooked =
            expected.iter().find(|(name, _)| !differences.iter().any(|d| d.path.as_bytes() == name.as_bytes()));
        if let Some((name, _)) = overlooked {
            return Judged::Overlooked(format!(
                "{name} is damaged, but was reported as right; reported as wrong: {}",
                named(differences)
            ));
        }
        if usize::try_from(*total) != Ok(expected.len()) {
            return Judged::Unclear(format!("more files were named than are damaged: {}", named(differences)));
        }
        for ((name, told), difference) in expected.iter().zip(differences) {
            let fits = match told {
                Told::Missing => matches!(difference.kind, DifferenceKind::Missing),
                Told::Size => matches!(difference.kind, DifferenceKind::Size { .. }),
                Told::Content => matches!(difference.kind, DifferenceKind::Hash { .. }),
            };
            if !fits {
                return Judged::Unclear(format!("{name} {}", sentence(&difference.kind)));
            }
        }
        let words = differences.iter().map(|d| format!("{} {}", d.path, sentence(&d.kind)));
        Judged::Noticed(words.collect::<Vec<_>>().join(", "))
    }
}

/// Flips one bit in the middle.
fn flip(file: &File) -> std::io::Result<()> {
    let at = file.metadata()?.len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1;
    file.write_all_at(&byte, at)
}

#[cfg(test)]
#[path = "damage_tests.rs"]
mod tests;
