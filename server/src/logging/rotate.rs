//! A log file that is set aside when it has grown: `x.log` becomes `x.log.1`, that `x.log.2`, and the oldest goes.
//!
//! A full disk must not end the program that warns of it: what cannot be written is lost, and said once on standard
//! error.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// The file and its aside ones.
pub struct RotatingFile(Mutex<State>);

struct State {
    path: PathBuf,
    file: File,
    written: u64,
    max_bytes: u64,
    keep: u32,
    complained: bool,
}

impl RotatingFile {
    /// Appends to what is there.
    pub fn open(path: &Path, max_bytes: u64, keep: u32) -> io::Result<RotatingFile> {
        let file = append(path)?;
        let written = file.metadata()?.len();
        Ok(RotatingFile(Mutex::new(State { path: path.to_owned(), file, written, max_bytes, keep, complained: false })))
    }
}

impl<'a> MakeWriter<'a> for RotatingFile {
    type Writer = Writer<'a>;

    fn make_writer(&'a self) -> Writer<'a> {
        Writer(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The right to write one event.
pub struct Writer<'a>(MutexGuard<'a, State>);

impl Write for Writer<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.0.append(event)
            && !std::mem::replace(&mut self.0.complained, true)
        {
            eprintln!("The log {} cannot be written: {error}", self.0.path.display());
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    fn append(&mut self, event: &[u8]) -> io::Result<()> {
        let length = event.len() as u64;
        if self.written > 0 && self.written + length > self.max_bytes {
            self.rotate()?;
        }
        self.file.write_all(event)?;
        self.written += length;
        self.complained = false;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            rename_if_there(&aside(&self.path, number), &aside(&self.path, number + 1))?;
        }
        rename_if_there(&self.path, &aside(&self.path, 1))?;
        self.file = append(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(log: &RotatingFile, text: &str) {
        log.make_writer().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn it_rotates_by_size_and_keeps_so_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let log = RotatingFile::open(&path, 10, 2).unwrap();
        ["one 67890", "two 67890", "three 890", "four 7890"].iter().for_each(|text| write(&log, text));
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(read("x.log").as_deref(), Some("four 7890"));
        assert_eq!(read("x.log.1").as_deref(), Some("three 890"));
        assert_eq!(read("x.log.2").as_deref(), Some("two 67890"));
        assert_eq!(read("x.log.3"), None);
    }

    #[test]
    fn it_goes_on_where_the_last_start_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        write(&RotatingFile::open(&path, 10, 1).unwrap(), "before\n");
        write(&RotatingFile::open(&path, 10, 1).unwrap(), "after\n");
        assert_eq!(fs::read_to_string(folder.path().join("x.log.1")).unwrap(), "before\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
    }

    #[test]
    fn a_log_that_cannot_be_written_ends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let log = RotatingFile::open(&path, 4, 1).unwrap();
        // A folder stands where the next rotation would put the file.
        fs::create_dir_all(aside(&path, 1).join("in the way")).unwrap();
        ["long enough\n", "to rotate\n"].iter().for_each(|text| write(&log, text));
        assert_eq!(fs::read_to_string(&path).unwrap(), "long enough\n");
    }
}
