//! `checksums.sha256` of a seal, streamed.

use super::{SealError, SealReader};
use domain::checksums::write_line;
use std::io::{self, Write};

/// Writes one line per data file, in path order; answers how many bytes that were.
pub fn checksums_file(seal: &SealReader, out: &mut impl Write) -> io::Result<u64> {
    let mut line = Vec::with_capacity(256);
    let mut written = 0;
    for file in seal.files().map_err(as_io)? {
        let file = file.map_err(as_io)?;
        line.clear();
        write_line(&mut line, &file.digest, &file.path);
        out.write_all(&line)?;
        written += line.len() as u64;
    }
    Ok(written)
}

fn as_io(error: SealError) -> io::Error {
    io::Error::other(error)
}
