//! Disks of the site's own, small enough to be filled: images that are mounted for the time of the campaign.

use crate::process::Call;
use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What does not fit is asked for in pieces of this many bytes, and at last of one block.
const PIECES: [usize; 3] = [8 << 20, 256 << 10, 4 << 10];
const BALLAST: &str = ".campaign-ballast";

/// One mounted image. Dropping it unmounts it.
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Makes an image of this size and mounts it. An error where this account may not.
    pub fn mount(image: &Path, at: &Path, bytes: u64) -> Result<Disk> {
        File::create(image)?.set_len(bytes)?;
        fs::create_dir_all(at)?;
        Call::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(image).read()?;
        // What a power cut would leave is not tried here; without barriers many more trials fit into an hour.
        Call::new("mount")
            .args(["-o", "loop,barrier=0"])
            .arg(image)
            .arg(at)
            .read()
            .context("images cannot be mounted here")?;
        Ok(Disk { at: at.to_owned() })
    }

    /// Takes every byte that is left.
    pub fn fill(&self) -> Result<()> {
        let mut ballast = OpenOptions::new().create(true).append(true).open(self.at.join(BALLAST))?;
        for piece in PIECES.map(|size| vec![0_u8; size]) {
            while ballast.write_all(&piece).is_ok() {}
        }
        // What is only promised would be taken back.
        let _ = ballast.sync_all();
        Ok(())
    }

    /// Gives it back.
    pub fn empty(&self) -> Result<()> {
        fs::remove_file(self.at.join(BALLAST)).context("the ballast cannot be removed")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = Call::new("umount").arg("-l").arg(&self.at).read() {
            eprintln!("xtask: {} stays mounted: {error:#}", self.at.display());
        }
    }
}
