//! The made-up run: a few files of telling sizes with content that no earlier visit sent, and names that not every
//! destination can hold.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

pub(super) const EMPTY: &str = "empty.dat";
pub(super) const ONE: &str = "one.dat";
pub(super) const FRAME_1: &str = "raw/frame_1.bin";
pub(super) const FRAME_2: &str = "raw/frame_2.bin";
pub(super) const STACK: &str = "raw/stack.bin";

/// Names and sizes; the two frames have the same.
const FILES: [(&str, usize); 5] = [(EMPTY, 0), (ONE, 1), (FRAME_1, 64 << 10), (FRAME_2, 64 << 10), (STACK, 3 << 20)];

/// The usual names that a destination may refuse or change, and what is odd about them.
pub(super) const ODD: [(&str, &str, &[&[u8]]); 6] = [
    ("blanks", "blanks at both ends", &[b" two  blanks "]),
    ("quotes", "quotes", &[b"it's \"quoted\".dat"]),
    ("unicode", "letters of all alphabets", &["Gr\u{f6}\u{df}e-\u{416}-\u{65e5}\u{672c}-e\u{301}.dat".as_bytes()]),
    ("case", "names that differ in upper and lower case only", &[b"Frame.dat", b"frame.dat"]),
    ("backslash", "a backslash", &[b"back\\slash.dat"]),
    ("newline", "a line break", &[b"new\nline.dat"]),
];

/// Writes the run. The same seed gives the same bytes and times: every damaged run begins as a copy.
pub(super) fn write(run: &Path, seed: u64) -> std::io::Result<()> {
    std::fs::create_dir_all(run.join("raw"))?;
    for (index, (name, size)) in (0..).zip(FILES) {
        let path = run.join(name);
        std::fs::write(&path, bytes(seed.wrapping_add(index), size))?;
        set_mtime(&path, seed, index)?;
    }
    Ok(())
}

/// Gives a file the time that it has in every copy.
fn set_mtime(path: &Path, seed: u64, index: u64) -> std::io::Result<()> {
    // A whole second of the past, an even one: every file system can hold it.
    let seconds = (seed / 1000).saturating_sub(3600 + index) & !1;
    File::options().write(true).open(path)?.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Writes the files of an odd name; each holds its own name.
pub(super) fn write_odd(run: &Path, names: &[&[u8]]) -> std::io::Result<()> {
    std::fs::create_dir_all(run)?;
    names.iter().try_for_each(|name| std::fs::write(run.join(OsStr::from_bytes(name)), name))
}

/// Bytes without a pattern (xorshift64*); nothing secret.
pub(super) fn bytes(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(size + 8);
    while out.len() < size {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        out.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    out.truncate(size);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_alike_and_visits_are_not() {
        let dir = tempfile::tempdir().unwrap();
        for (name, seed) in [("a", 1_700_000_000_000), ("b", 1_700_000_000_000), ("c", 1_700_000_000_001)] {
            write(&dir.path().join(name), seed).unwrap();
        }
        let look = |run: &str, name: &str| {
            let path = dir.path().join(run).join(name);
            (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().modified().unwrap())
        };
        for (name, size) in FILES {
            assert_eq!(look("a", name), look("b", name), "{name}");
            assert_eq!(look("a", name).0.len(), size);
        }
        assert_ne!(look("a", STACK).0, look("c", STACK).0);
        assert_ne!(look("a", FRAME_1).0, look("a", FRAME_2).0);
    }
}
