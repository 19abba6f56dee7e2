//! `checksums.sha256` as `sha256sum -c` accepts it (docs/format.md): sorted by path, GNU escaping of `\` and newline.
//!
//! Lines only: sorting is the caller's matter ([`FilePath`] orders as the file does), and so is the file itself. Names
//! are bytes, not text, so that a name that is not UTF-8 is checked too.

use crate::path::FilePath;
use crate::proof::Digest;
use std::io::Write as _;

/// Appends one line, LF included.
///
/// A name with `\`, LF or CR is escaped and its line starts with `\`. CR counts because a check drops it at a line's
/// end.
pub fn write_line(out: &mut Vec<u8>, digest: &Digest, path: &FilePath) {
    let name = path.as_bytes();
    let escaped = name.iter().any(|byte| matches!(byte, b'\\' | b'\n' | b'\r'));
    if escaped {
        out.push(b'\\');
    }
    // Writing to a `Vec` cannot fail.
    let _ = write!(out, "{digest}  ");
    for byte in name {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            plain => out.push(*plain),
        }
    }
    out.push(b'\n');
}

/// Reads one line without its LF; `None` when it is not a line of such a file.
///
/// Takes text (two blanks) and binary (` *`) lines, either case of hex, and one CR at the end, as `sha256sum -c` does.
/// A path that is absolute or has `.`, `..` or empty segments is no line of ours.
pub fn parse_line(line: &[u8]) -> Option<(Digest, FilePath)> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (escaped, rest) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (hex, rest) = rest.split_at_checked(64)?;
    let digest = Digest::parse(std::str::from_utf8(hex).ok()?)?;
    let name = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *"))?;
    let name = if escaped { unescape(name)? } else { name.to_vec() };
    Some((digest, FilePath::new(name).ok()?))
}

fn unescape(name: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            plain => *plain,
        });
    }
    Some(out)
}

#[cfg(test)]
#[path = "checksums_tests.rs"]
mod tests;
