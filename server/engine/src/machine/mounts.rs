//! What the system says of the mount that a file lies on: the one reader of `/proc/self/mountinfo`.

use rustix::fs::{AtFlags, StatxFlags};
use std::os::fd::AsFd;

/// One mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Its file system: `major:minor`.
    pub device: Vec<u8>,
    /// The folder inside the file system that is mounted.
    pub root: Vec<u8>,
    /// Where it is mounted.
    pub point: Vec<u8>,
    /// The kind of file system: `ext4`, `nfs4`, `fuse.sshfs`.
    pub kind: Vec<u8>,
}

/// The mount that an opened file lies on; `None` where the system does not say.
pub fn of(file: impl AsFd) -> Option<Mount> {
    let id = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?.stx_mnt_id;
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    mounts.split(|byte| *byte == b'\n').find_map(|line| read_line(line, id))
}

/// Reads a line where it is that of the wanted mount: id, parent, major:minor, root within the file system, mount
/// point, options, further ones up to a dash, kind.
fn read_line(line: &[u8], id: u64) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    if fields.next()? != id.to_string().as_bytes() {
        return None;
    }
    let device = fields.nth(1)?.to_vec();
    let (root, point) = (unescape_octal(fields.next()?), unescape_octal(fields.next()?));
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?.to_vec();
    Some(Mount { device, root, point, kind })
}

/// Blanks and the like are written as `\040`.
fn unescape_octal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(value) if *byte == b'\\' => {
                out.push(value);
                rest = &after[3..];
            }
            _ => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_where_it_is_that_of_the_mount() {
        let line = b"36 27 0:32 /data/my\\040lab /mnt/nas rw,relatime shared:1 master:2 - fuse.sshfs kim@nas:/data rw";
        let mount = Mount {
            device: b"0:32".to_vec(),
            root: b"/data/my lab".to_vec(),
            point: b"/mnt/nas".to_vec(),
            kind: b"fuse.sshfs".to_vec(),
        };
        assert_eq!(read_line(line, 36), Some(mount));
        assert_eq!(read_line(line, 3), None);
        assert_eq!(read_line(b"1 0 8:1 / / rw - ext4 /dev/vda rw", 1).unwrap().kind, b"ext4");
        assert_eq!(read_line(b"1 0 8:1 / / rw", 1), None, "cut off");
        assert_eq!(read_line(b"", 0), None);
    }

    #[test]
    fn the_mount_of_the_root_is_found() {
        assert!(of(std::fs::File::open("/proc").unwrap()).is_some_and(|mount| mount.kind == b"proc"));
    }
}
