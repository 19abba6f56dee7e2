//! A read lease on a file: the system's own word on whether anybody has it open for writing, smbd and programs of other
//! accounts included. While it is held nobody begins to write unnoticed: who opens the file for writing waits until it
//! is given back, and it says so.
//!
//! No library wraps this call: this is one of two `unsafe` calls of the project; the other is in the server's `memory`.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// As Linux numbers it on every machine that Rust's `libc` knows but PA-RISC.
const F_SETSIG: libc::c_int = 10;

/// What asking for a lease tells.
pub(crate) enum Answer {
    /// Nobody has the file open for writing while this is held.
    Nobody(Lease),
    Somebody,
    /// This file system has no leases, or this account may take none on a file of another owner.
    Untold,
}

/// Held until dropped.
pub(crate) struct Lease(File);

impl Lease {
    /// Asks for a lease on a file that was opened for reading.
    pub fn ask(file: File) -> Answer {
        // The usual signal for a lease that somebody waits for would end the program; this one is ignored by default.
        if control(&file, F_SETSIG, libc::SIGURG).is_err() {
            return Answer::Untold;
        }
        match control(&file, libc::F_SETLEASE, libc::F_RDLCK) {
            Ok(_) => Answer::Nobody(Lease(file)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Answer::Somebody,
            Err(_) => Answer::Untold,
        }
    }

    /// True while nobody waits to write.
    pub fn stands(&self) -> bool {
        control(&self.0, libc::F_GETLEASE, 0).is_ok_and(|lease| lease == libc::F_RDLCK)
    }
}

#[allow(unsafe_code, reason = "no library has leases")]
fn control(file: &File, command: libc::c_int, argument: libc::c_int) -> io::Result<libc::c_int> {
    // SAFETY: these three commands take or answer a whole number and no pointer, and the descriptor is open while
    // `file` is borrowed.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        answer => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::os::unix::fs::OpenOptionsExt;

    #[test]
    fn d18_a_lease_tells_who_writes_and_who_wants_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "line").unwrap();
        let writer = OpenOptions::new().append(true).open(&path).unwrap();
        assert!(matches!(Lease::ask(File::open(&path).unwrap()), Answer::Somebody));
        drop(writer);
        let _reader = File::open(&path).unwrap();
        let Answer::Nobody(lease) = Lease::ask(File::open(&path).unwrap()) else { panic!("nobody writes") };
        assert!(lease.stands());
        // One that does not wait is refused, and is seen all the same.
        let refused = OpenOptions::new().append(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        assert!(!lease.stands());
        drop(lease);
        OpenOptions::new().append(true).open(&path).unwrap();
    }
}
