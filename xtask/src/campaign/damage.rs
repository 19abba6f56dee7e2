//! Damage to the copy of one run on the NAS.

use super::books::{Digest, digest_at};
use super::faults::INSTANT;
use super::instrument::Run;
use super::site::Site;
use fastrand::Rng;
use std::fs::{self, FileTimes, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One kind of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// One bit of a file.
    Flip,
    /// The end of a file.
    Cut,
    /// A file is gone.
    Remove,
    /// Two files stand in each other's place.
    Swap,
    /// Another file of the same size and time stands in a file's place.
    SameSizeAndTime,
    /// Somebody's file stands under a name before ours comes.
    Foreign,
}

/// What damaging came to.
pub enum Damaged {
    /// There is nothing to damage yet.
    NotYet,
    /// Done. Content of which no copy was left here no longer has to be kept.
    Done,
    /// The same, and this went here within the instant that no look can cover.
    InTheInstant,
}

impl Damage {
    /// All of them.
    pub const ALL: [Damage; 6] =
        [Damage::Flip, Damage::Cut, Damage::Remove, Damage::Swap, Damage::SameSizeAndTime, Damage::Foreign];

    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Damage::Flip => "NAS: bit flipped",
            Damage::Cut => "NAS: file cut",
            Damage::Remove => "NAS: file removed",
            Damage::Swap => "NAS: files swapped",
            Damage::SameSizeAndTime => "NAS: replaced, same size and time",
            Damage::Foreign => "NAS: somebody's file under a name of ours",
        }
    }

    /// Does it to files of the run that the NAS has.
    pub fn set(self, site: &Site, run: &Run, rng: &mut Rng) -> Damaged {
        let account = site.books.account(run.id);
        let there = |name: &String, file: &String| site.places.there(name).join(file);
        if self == Damage::Foreign {
            let path = there(&run.name, &run.any(rng).to_owned());
            let made = folders_to(&path);
            // Only before ours is there: what is ours is damaged in other ways.
            return if made && write_new(&path) { Damaged::Done } else { Damaged::NotYet };
        }
        let names = &account.names;
        let mut copies: Vec<(Digest, PathBuf)> = account
            .owed
            .iter()
            .flat_map(|(digest, file)| names.iter().map(move |name| (*digest, there(name, file))))
            .filter(|(digest, path)| digest_at(path).as_ref() == Some(digest))
            .collect();
        rng.shuffle(&mut copies);
        let Some((digest, path)) = copies.first() else { return Damaged::NotYet };
        let hit = match (self, copies.get(1)) {
            (Damage::Swap, None) => return Damaged::NotYet,
            (Damage::Swap, Some((other, at))) => {
                swap(path, at);
                vec![*digest, *other]
            }
            _ => {
                self.hit(path, rng);
                vec![*digest]
            }
        };
        watch(site, run, &hit)
    }

    fn hit(self, path: &Path, rng: &mut Rng) {
        // Where this fails nothing was damaged, and the copy is judged as undamaged.
        let _ = match self {
            Damage::Cut => {
                OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(file.metadata()?.len() / 2))
            }
            Damage::Remove => fs::remove_file(path),
            Damage::SameSizeAndTime => fs::read(path).and_then(|mut bytes| {
                let time = fs::metadata(path)?.modified()?;
                rng.fill(&mut bytes);
                let beside = path.with_extension("beside");
                fs::write(&beside, bytes)?;
                OpenOptions::new().write(true).open(&beside)?.set_times(FileTimes::new().set_modified(time))?;
                fs::rename(&beside, path)
            }),
            _ => fs::read(path).and_then(|bytes| {
                use std::os::unix::fs::FileExt;
                let at = rng.usize(..bytes.len().max(1));
                let flipped = [bytes.get(at).copied().unwrap_or_default() ^ 1 << rng.u8(..8)];
                let file = OpenOptions::new().write(true).open(path)?;
                let time = file.metadata()?.modified()?;
                file.write_all_at(&flipped, at as u64)?;
                file.set_times(FileTimes::new().set_modified(time))
            }),
        };
    }
}

/// Makes the folders above a file, and never one that stands for the NAS itself while that is away.
fn folders_to(path: &Path) -> bool {
    let Some(folder) = path.parent() else { return false };
    if folder.exists() {
        return true;
    }
    let is_below_a_run = folder.ancestors().any(|above| above.file_name().is_some_and(|name| name == "Runs"));
    let equipment = folder
        .ancestors()
        .find(|above| above.file_name().is_some_and(|name| name == "Runs"))
        .and_then(|runs| runs.parent()?.parent());
    // One by one from the equipment's folder on, which is not made.
    let below = equipment.and_then(|equipment| {
        folder.strip_prefix(equipment).ok().map(|below| (equipment.to_owned(), below.to_owned()))
    });
    let Some((mut at, below)) = below.filter(|_| is_below_a_run) else { return false };
    below.iter().all(|part| {
        at.push(part);
        at.is_dir() || fs::create_dir(&at).is_ok() || at.is_dir()
    })
}

const FOREIGN: &[u8] = b"somebody else's";

fn write_new(path: &Path) -> bool {
    use std::io::Write;
    OpenOptions::new().create_new(true).write(true).open(path).and_then(|mut file| file.write_all(FOREIGN)).is_ok()
}

/// Somebody takes the file away that stood in our way.
pub fn remove_foreign(site: &Site, run: &Run) {
    for file in &run.files {
        let path = site.places.there(&run.name).join(file);
        if fs::read(&path).is_ok_and(|found| found == FOREIGN) {
            let _ = fs::remove_file(path);
        }
    }
}

fn swap(one: &Path, other: &Path) {
    let between = one.with_extension("between");
    let _ = fs::rename(one, &between).and_then(|()| fs::rename(other, one)).and_then(|()| fs::rename(&between, other));
}

/// From now on only what stands here can be kept.
fn watch(site: &Site, run: &Run, hit: &[Digest]) -> Damaged {
    let begun = Instant::now();
    let mut outcome = Damaged::Done;
    for digest in hit {
        let mut stood = false;
        loop {
            let account = site.books.account(run.id);
            let lost = site.places.lost(&account).iter().any(|(lost, _)| lost == digest);
            if lost {
                site.books.let_go(run.id, digest);
                if stood {
                    outcome = Damaged::InTheInstant;
                }
                break;
            }
            stood = stood || site.places.stands_here(&account, digest);
            if begun.elapsed() > INSTANT {
                break;
            }
        }
    }
    outcome
}
