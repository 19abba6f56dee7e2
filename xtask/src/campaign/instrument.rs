//! An instrument: pushes a run, and goes on to do with it what instruments and people do.

use super::books::{digest, digest_at};
use super::site::{SENTINEL, Site, equipment};
use fastrand::Rng;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const NAMES: [&str; 8] = [
    "raw/frame_0001.tif",
    "raw/frame_0002.tif",
    "raw/deep/er/stack.czi",
    "notes.txt",
    ".hidden",
    "Bild ä.tif",
    "meta data.csv",
    "raw/.index",
];

/// A run as its instrument knows it.
pub struct Run {
    /// Number of the trial.
    pub id: u64,
    /// Path below the staging root.
    pub name: String,
    /// Paths of its files, below the run.
    pub files: Vec<String>,
}

/// What became of what was written through a handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// It stands under a name, and is owed.
    Kept,
    /// The file has no name any more: whoever removed it did so while it was open for writing.
    IntoNothing,
    /// Nothing was written.
    Nothing,
}

impl Run {
    /// Writes the files of a run, without the signal.
    pub fn push(site: &Site, id: u64, rng: &mut Rng) -> io::Result<Run> {
        let instrument = rng.usize(..super::site::INSTRUMENTS);
        let name = format!("{}/Project {}/Runs/Run_{id}", equipment(instrument), rng.u8(1..4));
        let count = rng.usize(1..=NAMES.len());
        let run =
            Run { id, name, files: rng.choose_multiple(NAMES, count).into_iter().map(ToOwned::to_owned).collect() };
        site.books.named(id, &run.name);
        for file in &run.files {
            let content = content(rng);
            write_whole(&run.at(site, file), &content)?;
            site.books.owe(id, digest(&content), file);
        }
        Ok(run)
    }

    /// Where a file of it stands here.
    pub fn at(&self, site: &Site, file: &str) -> PathBuf {
        site.places.here(&self.name).join(file)
    }

    /// The signal: the run is complete.
    pub fn signal(&self, site: &Site) -> io::Result<()> {
        File::create(self.at(site, SENTINEL)).map(drop)
    }

    /// One of its files.
    pub fn any(&self, rng: &mut Rng) -> &str {
        rng.choice(&self.files).map_or("notes.txt", String::as_str)
    }

    /// Appends to a file and closes it. `None`: it was not there any more.
    pub fn append(&self, site: &Site, file: &str, rng: &mut Rng) -> Option<()> {
        let writer = OpenOptions::new().read(true).append(true).open(self.at(site, file)).ok()?;
        // Opened a moment ago: the file may be on its way out.
        matches!(self.write_on(site, file, writer, rng), Written::Kept).then_some(())
    }

    /// Appends through a handle that was opened earlier, and closes it.
    pub fn write_on(&self, site: &Site, file: &str, mut writer: File, rng: &mut Rng) -> Written {
        let Some(before) = read_back(&writer) else { return Written::Nothing };
        let after = [before.as_slice(), &content(rng)].concat();
        // From the first byte on the old content need not be kept any more; the new one must be, once it is closed.
        site.books.let_go(self.id, &digest(&before));
        let written = writer.write_all(&after[before.len()..]).is_ok();
        let is_named = is_named(&writer);
        drop(writer);
        let now = if written { Some(digest(&after)) } else { digest_at(&self.at(site, file)) };
        match now {
            _ if !is_named => Written::IntoNothing,
            Some(now) => {
                site.books.owe(self.id, now, file);
                Written::Kept
            }
            None => Written::Nothing,
        }
    }

    /// Writes other bytes of the same length into a file, and gives it the time that it had.
    pub fn rewrite(&self, site: &Site, file: &str, rng: &mut Rng) -> Option<()> {
        let mut writer = OpenOptions::new().read(true).write(true).open(self.at(site, file)).ok()?;
        let (before, time) = (read_back(&writer)?, writer.metadata().ok()?.modified().ok()?);
        let after: Vec<u8> = before.iter().map(|byte| byte ^ rng.u8(1..)).collect();
        site.books.let_go(self.id, &digest(&before));
        let written = writer.write_all(&after).is_ok();
        let _ = writer.set_times(FileTimes::new().set_modified(time));
        let is_named = is_named(&writer);
        drop(writer);
        if written && is_named {
            site.books.owe(self.id, digest(&after), file);
        }
        Some(())
    }

    /// A new file, behind the program's back.
    pub fn late(&self, site: &Site, file: &str, rng: &mut Rng) -> Option<()> {
        let content = content(rng);
        let path = self.at(site, file);
        // Not where the run no longer stands: that would be another run.
        fs::symlink_metadata(site.places.here(&self.name)).ok()?;
        let parent = path.parent()?;
        if parent != site.places.here(&self.name) {
            let _ = fs::create_dir(parent);
        }
        let mut writer = File::create_new(&path).ok()?;
        let written = writer.write_all(&content).is_ok();
        let is_named = is_named(&writer);
        drop(writer);
        if written && is_named {
            site.books.owe(self.id, digest(&content), file);
        }
        Some(())
    }
}

fn is_named(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|now| now.nlink() > 0)
}

fn read_back(file: &File) -> Option<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; usize::try_from(file.metadata().ok()?.len()).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes)
}

/// Bytes that are like no others.
pub fn content(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.u8(..10) {
        0 => 16,
        1..=7 => rng.usize(16..20_000),
        _ => rng.usize(20_000..400_000),
    };
    let mut bytes = vec![0; length];
    rng.fill(&mut bytes);
    bytes
}

fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, content)
}
