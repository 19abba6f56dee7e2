//! The bytes of one file of a run's record, as they stood when it was read. Documents are held. A list of very many
//! files stays in its open file, which keeps its bytes whatever takes its name meanwhile: a run of a million files
//! costs no more memory than one of ten.

use domain::proof::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

/// What is larger stays on the disk.
const HELD: u64 = 1 << 20;
/// One read of it.
const PIECE: usize = 256 << 10;

/// Size, SHA-256, and a way to the bytes. Two are equal when size and digest are.
#[derive(Clone, Debug)]
pub struct RecordBytes {
    kept: Kept,
    size: u64,
    digest: Digest,
    /// Permissions of the file that they were read from.
    mode: u32,
}

#[derive(Clone, Debug)]
enum Kept {
    Held(Arc<[u8]>),
    OnDisk(Arc<File>),
}

impl RecordBytes {
    /// Reads a file from its beginning; what is appended meanwhile is no part of it. Blocking.
    pub fn of(file: File) -> io::Result<RecordBytes> {
        let (size, mode) = (file.metadata()?.len(), file.metadata()?.mode() & 0o666);
        if size <= HELD {
            let mut bytes = Vec::new();
            file.take(HELD).read_to_end(&mut bytes)?;
            return Ok(RecordBytes { mode, ..bytes.into() });
        }
        let mut bytes = RecordBytes { kept: Kept::OnDisk(Arc::new(file)), size, digest: Digest([0; 32]), mode };
        let (mut reader, mut hasher, mut space) = (bytes.reader(), Sha256::new(), vec![0; PIECE]);
        loop {
            match reader.read(&mut space)? {
                0 => break,
                n => hasher.update(&space[..n]),
            }
        }
        bytes.digest = Digest(hasher.finalize().into());
        Ok(bytes)
    }

    /// How many.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Of all of them.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Permissions of the file that they were read from: nowhere are they to be more open to others.
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// From the first to the last. Where somebody rewrote the file in place since, its digest tells so.
    pub fn reader(&self) -> impl Read + Send + use<> {
        Reader { kept: self.kept.clone(), size: self.size, at: 0 }
    }
}

impl From<Vec<u8>> for RecordBytes {
    fn from(bytes: Vec<u8>) -> RecordBytes {
        let digest = Digest(Sha256::digest(&bytes).into());
        RecordBytes { size: bytes.len() as u64, kept: Kept::Held(bytes.into()), digest, mode: 0o666 }
    }
}

impl PartialEq for RecordBytes {
    fn eq(&self, other: &RecordBytes) -> bool {
        (self.size, self.digest) == (other.size, other.digest)
    }
}

impl Eq for RecordBytes {}

struct Reader {
    kept: Kept,
    size: u64,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX).min(space.len());
        let space = &mut space[..left];
        let read = match &self.kept {
            Kept::Held(bytes) => {
                let from = usize::try_from(self.at).map_err(io::Error::other)?;
                space.copy_from_slice(&bytes[from..from + left]);
                left
            }
            Kept::OnDisk(file) => file.read_at(space, self.at)?,
        };
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &RecordBytes) -> Vec<u8> {
        let mut read = Vec::new();
        bytes.reader().read_to_end(&mut read).unwrap();
        read
    }

    #[test]
    fn they_stay_what_they_were_when_they_were_read_held_or_on_the_disk() {
        for size in [0, 1, HELD - 1, HELD, HELD + 1, 3 * HELD + 5] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("list");
            let written: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            std::fs::write(&path, &written).unwrap();
            let bytes = RecordBytes::of(File::open(&path).unwrap()).unwrap();
            assert_eq!((bytes.size(), bytes.digest()), (size, Digest(Sha256::digest(&written).into())));
            assert_eq!(bytes, written.clone().into());
            // Appended to, then replaced and gone.
            std::io::Write::write_all(&mut File::options().append(true).open(&path).unwrap(), b"more").unwrap();
            assert!(read(&bytes) == written, "{size}");
            std::fs::write(folder.path().join("other"), b"other").unwrap();
            std::fs::rename(folder.path().join("other"), &path).unwrap();
            assert!(read(&bytes) == written, "{size}");
        }
    }
}
