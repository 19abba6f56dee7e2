//! What files hold besides their bytes: extended attributes of the name space `user`, where Samba keeps alternate data
//! streams and labels (`user.DosStream.*`), macOS its resource forks and Finder information, and other programs their
//! own. `user.DOSATTRIB` is left out: it says what Windows shows of mode and times.

use super::{RunFolder, SourceError};
use domain::path::FilePath;
use domain::proof::Digest;
use rustix::fd::AsFd;
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

const NAME_SPACE: &[u8] = b"user.";
const LEFT_OUT: &[u8] = b"user.DOSATTRIB";
/// The kernel gives no more of one file.
const MOST: usize = 64 << 10;

/// One attribute.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Attribute {
    /// With its name space: `user.DosStream.Zone.Identifier:$DATA`.
    pub name: Vec<u8>,
    pub value: Vec<u8>,
}

/// The attributes of an opened file or folder, sorted by name; none where the file system has none.
pub fn attributes_of(file: impl AsFd) -> Result<Vec<Attribute>, Errno> {
    let mut names = [0_u8; 1_024];
    let listed = match flistxattr(file.as_fd(), &mut names) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Ok(length) => names[..length].to_vec(),
        Err(Errno::RANGE) => {
            let mut names = vec![0; MOST];
            let length = flistxattr(file.as_fd(), &mut names)?;
            names.truncate(length);
            names
        }
        Err(errno) => return Err(errno),
    };
    let mut found = Vec::new();
    for name in listed.split(|byte| *byte == 0).filter(|name| name.starts_with(NAME_SPACE) && *name != LEFT_OUT) {
        match value_of(file.as_fd(), name) {
            Ok(value) => found.push(Attribute { name: name.to_vec(), value }),
            // It went meanwhile.
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(errno),
        }
    }
    found.sort();
    Ok(found)
}

/// Gives a file these attributes and reads them back; what reads otherwise is taken away again. Not every file system
/// takes every one; none is lost by that, since the record has them all.
pub fn carry(attributes: &[Attribute], to: impl AsFd) -> Result<(), Errno> {
    for Attribute { name, value } in attributes {
        fsetxattr(to.as_fd(), name.as_slice(), value, XattrFlags::empty())?;
        if value_of(to.as_fd(), name).as_ref() != Ok(value) {
            fremovexattr(to.as_fd(), name.as_slice())?;
        }
    }
    Ok(())
}

/// The value of one attribute.
pub fn value_of(file: impl AsFd, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; MOST];
    let length = fgetxattr(file, name, &mut value)?;
    value.truncate(length);
    Ok(value)
}

/// SHA-256 over names and digests of the values; `None` of a file that has none.
pub fn digest_of(attributes: &[Attribute]) -> Option<Digest> {
    if attributes.is_empty() {
        return None;
    }
    let mut hash = Sha256::new();
    for Attribute { name, value } in attributes {
        hash.update(name);
        hash.update([0]);
        hash.update(Sha256::digest(value));
    }
    Some(Digest(hash.finalize().into()))
}

impl RunFolder {
    /// What a regular file of the run holds besides its bytes.
    pub fn attributes(&self, file: &FilePath) -> Result<Vec<Attribute>, SourceError> {
        let (opened, _) = self.open_file(file)?;
        attributes_of(&opened).map_err(|errno| SourceError::at(file, errno))
    }
}
