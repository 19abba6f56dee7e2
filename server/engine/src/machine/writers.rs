//! Who has files open for writing on this computer. Acquisition programs keep a log open and are quiet for minutes:
//! what they write after the last look goes into a file that is unlinked and is gone. The system tells it in
//! `/proc/*/fd`, with the program; where this account may not look into every process, each file is asked for a lease
//! instead.
//!
//! What is open on another computer (a share served by it, NFS, CIFS, sshfs) cannot be told here.

use crate::machine::lease::{Answer, Lease};
use crate::machine::mounts;
use rustix::fs::FileType;
use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Stands for a writer that no open file of a process shows.
pub const UNNAMED: &str =
    "what cannot be named here (a program of another account, a mapped file, a disk image in use)";

/// A file: its device and inode.
pub type FileId = (u64, u64);

/// File systems that other computers write to as well: NFS, both of SMB, Ceph, 9P.
const SHARED: [u64; 5] = [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x00c3_6400, 0x0102_1997];
/// All that a program serves, here or on the host of a virtual machine.
const FUSE: u64 = 0x6573_5546;
/// Of those, a disk of this computer: NTFS and the like.
const OF_A_DISK: &[u8] = b"fuseblk";

/// True where files may be open for writing elsewhere, which nobody here is told: on another computer (NFS, SMB,
/// sshfs), or beneath a file system that only shows another one (bindfs, mergerfs).
pub fn is_shared(on: impl AsFd) -> bool {
    let Some(kind) = rustix::fs::fstatfs(&on).ok().and_then(|told| u64::try_from(told.f_type).ok()) else {
        return false;
    };
    SHARED.contains(&kind) || kind == FUSE && mounts::of(on).is_none_or(|mount| mount.kind != OF_A_DISK)
}

/// Who has a file open for writing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Writing {
    Nobody,
    By(String),
    /// It cannot be told here.
    Untold,
}

/// Files open for writing, as one look at all processes saw them.
#[derive(Debug, Default)]
pub struct Writers {
    open: HashMap<FileId, String>,
    blind: bool,
    asks_each: bool,
}

impl Writers {
    /// Looks at every process but this one. Blocking: some milliseconds.
    pub fn now() -> Writers {
        let mut writers = Writers::default();
        let ourselves = std::process::id().to_string();
        let Ok(processes) = fs::read_dir("/proc") else { return Writers { blind: true, ..writers } };
        for process in processes.filter_map(Result::ok) {
            let name = process.file_name();
            let Some(id) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
                continue;
            };
            if id != ourselves {
                writers.look_into(&process.path(), id);
            }
        }
        writers
    }

    /// The same, and every file is asked besides: a mapped file, or a disk image in use, is open and in no process's
    /// list.
    pub fn now_and_each_file() -> Writers {
        Writers { asks_each: true, ..Writers::now() }
    }

    fn look_into(&mut self, process: &Path, id: &str) {
        let files = match fs::read_dir(process.join("fd")) {
            Ok(files) => files,
            Err(error) => {
                self.blind |= error.kind() == std::io::ErrorKind::PermissionDenied;
                return;
            }
        };
        for file in files.filter_map(Result::ok) {
            let path = file.path();
            // Sockets, pipes and whatever else has no path belong to no run.
            let has_path = fs::read_link(&path).is_ok_and(|target| target.as_os_str().as_bytes().starts_with(b"/"));
            let Some(stat) = has_path.then(|| fs::metadata(&path).ok()).flatten() else { continue };
            let is_file = FileType::from_raw_mode(stat.mode()).is_file();
            if is_file && is_for_writing(&process.join("fdinfo").join(file.file_name())) {
                let program = fs::read_to_string(process.join("comm")).unwrap_or_default();
                self.open.insert((stat.dev(), stat.ino()), format!("{} (process {id})", program.trim()));
            }
        }
    }

    /// Who has this file open for writing. `open` opens it for reading, where the file itself is asked.
    pub fn writing(&self, file: FileId, open: impl FnOnce() -> Option<File>) -> Writing {
        if let Some(program) = self.of(file) {
            return Writing::By(program.to_owned());
        }
        if !self.blind && !self.asks_each {
            return Writing::Nobody;
        }
        match open().filter(|file| !is_shared(file)).map(Lease::ask) {
            Some(Answer::Nobody(_)) => Writing::Nobody,
            Some(Answer::Somebody) => Writing::By(UNNAMED.to_owned()),
            Some(Answer::Untold) | None => Writing::Untold,
        }
    }

    /// The program that has this file open for writing, where it may be looked into.
    pub fn of(&self, file: FileId) -> Option<&str> {
        self.open.get(&file).map(String::as_str)
    }

    /// Some processes could not be looked into: what they have open is not seen.
    pub fn blind(&self) -> bool {
        self.blind
    }
}

/// The line `flags:` holds octal digits; the last two bits are the way a file was opened.
fn is_for_writing(info: &Path) -> bool {
    let text = fs::read_to_string(info).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 0o3 != 0)
}

/// The last look at all processes, shared by those who need no newer one.
#[derive(Default)]
pub struct LastLook(Mutex<Option<(Duration, Arc<Writers>)>>);

impl LastLook {
    /// Looks anew where the last look is older than this; `now` is monotonic. Blocking. What an older look says is open
    /// may be closed by now, and another file may bear its inode: whoever acts on it looks [anew](Self::anew).
    pub fn no_older_than(&self, age: Duration, now: Duration) -> Arc<Writers> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last {
            Some((at, writers)) if now.saturating_sub(at) <= age => writers,
            _ => self.anew(now),
        }
    }

    /// Looks now. Blocking.
    pub fn anew(&self, now: Duration) -> Arc<Writers> {
        let writers = Arc::new(Writers::now());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, writers.clone()));
        writers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[allow(clippy::disallowed_methods, reason = "another program that holds a file open")]
    #[test]
    fn d18_a_file_that_another_program_has_open_for_writing_is_told_with_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let (written, read) = (dir.path().join("log"), dir.path().join("image"));
        fs::write(&read, "pixels").unwrap();
        let script = format!("exec 3>>'{}' 4<'{}'; echo open; read line", written.display(), read.display());
        let mut child =
            Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        let id = |path: &Path| fs::metadata(path).map(|stat| (stat.dev(), stat.ino())).unwrap();
        let writers = Writers::now();
        let program = writers.of(id(&written)).expect("it is open for writing");
        assert!(program.contains(&format!("process {}", child.id())), "{program}");
        assert_eq!(writers.of(id(&read)), None, "reading takes nothing away");
        // Where processes may not be looked into, the file itself is asked.
        let asked =
            |path: &Path, blind| Writers { blind, ..Writers::default() }.writing(id(path), || File::open(path).ok());
        assert_eq!(asked(&written, true), Writing::By(UNNAMED.to_owned()));
        assert_eq!((asked(&read, true), asked(&written, false)), (Writing::Nobody, Writing::Nobody));
        assert_eq!(Writers { blind: true, ..Writers::default() }.writing(id(&read), || None), Writing::Untold);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(Writers::now().of(id(&written)), None);
    }
}
