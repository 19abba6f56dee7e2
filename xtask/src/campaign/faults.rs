//! The faults of a campaign: what may happen to one run, to its copy, or to the whole site.

use super::damage;
use super::instrument::Run;
use super::site::{Site, Way};
use fastrand::Rng;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::symlink;
use std::time::Duration;

/// What no look at the NAS can cover: between the answer to the last look and the removal that follows it the NAS may
/// still lose the file. Damage that is followed by the removal within this time is counted apart, and is no violation.
pub const INSTANT: Duration = Duration::from_millis(100);

/// One fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing happens but what always happens: other trials' faults.
    None,
    /// The instrument, or somebody at it, does something to the run.
    Source(Source),
    /// The copy on the NAS is damaged.
    There(damage::Damage),
    /// The whole site is hit, with all runs that are under way, by whatever comes next.
    World,
}

/// What is done to a run here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// More is written to a file.
    Append,
    /// A file is opened before and written to after.
    HeldOpen,
    /// Other bytes, same length, old time.
    Rewrite,
    /// A file gets another name.
    RenameFile,
    /// Somebody deletes a file.
    RemoveFile,
    /// A new file.
    Late,
    /// A new file with a name that begins with a dot.
    LateHidden,
    /// A new file in a new folder.
    LateBelow,
    /// The run gets another name.
    RenameRun,
    /// The run is moved away, and a link to somebody's folder stands in its place.
    SwapRun,
    /// The same with a folder of the run.
    SwapFolder,
}

/// When a fault is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// Before the signal.
    Pushing,
    /// So many milliseconds after the signal.
    Signalled(u64),
    /// So many milliseconds after it was seen verified.
    Verified(u64),
    /// So many milliseconds after the clear was asked for.
    Clearing(u64),
}

impl Fault {
    /// All that can be set.
    pub fn all() -> Vec<Fault> {
        use Source::*;
        let source = [
            Append, HeldOpen, Rewrite, RenameFile, RemoveFile, Late, LateHidden, LateBelow, RenameRun, SwapRun,
            SwapFolder,
        ];
        let mut all = vec![Fault::None];
        all.extend(source.map(Fault::Source));
        all.extend(damage::Damage::ALL.map(Fault::There));
        all.extend([Fault::World; 6]);
        all
    }

    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Fault::None => "nothing of its own",
            Fault::Source(source) => source.name(),
            Fault::There(damage) => damage.name(),
            Fault::World => "site",
        }
    }

    /// A moment for it.
    pub fn moment(self, rng: &mut Rng) -> Moment {
        match rng.u8(..10) {
            0 if !matches!(self, Fault::There(_)) => Moment::Pushing,
            1..=4 => Moment::Signalled(rng.u64(..4_000)),
            5..=6 => Moment::Verified(rng.u64(..300)),
            _ => Moment::Clearing(rng.u64(..60)),
        }
    }
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Source::Append => "here: appended to",
            Source::HeldOpen => "here: written through an open handle",
            Source::Rewrite => "here: rewritten, old time",
            Source::RenameFile => "here: file renamed",
            Source::RemoveFile => "here: file deleted",
            Source::Late => "here: late file",
            Source::LateHidden => "here: late hidden file",
            Source::LateBelow => "here: late file in a new folder",
            Source::RenameRun => "here: run renamed",
            Source::SwapRun => "here: link in the run's place",
            Source::SwapFolder => "here: link in a folder's place",
        }
    }

    /// Does it; `None` when what it is done to is not there any more.
    pub fn set(self, site: &Site, run: &mut Run, held: &mut Option<(String, File)>, rng: &mut Rng) -> Option<()> {
        let file = run.any(rng).to_owned();
        match self {
            Source::Append => run.append(site, &file, rng),
            Source::HeldOpen => {
                *held =
                    Some((file.clone(), OpenOptions::new().read(true).append(true).open(run.at(site, &file)).ok()?));
                Some(())
            }
            Source::Rewrite => run.rewrite(site, &file, rng),
            Source::RenameFile => fs::rename(run.at(site, &file), run.at(site, &file).with_extension("renamed")).ok(),
            Source::RemoveFile => {
                let content = super::books::digest_at(&run.at(site, &file))?;
                site.books.let_go(run.id, &content);
                fs::remove_file(run.at(site, &file)).ok()
            }
            Source::Late => run.late(site, "late.tif", rng),
            Source::LateHidden => run.late(site, ".late", rng),
            Source::LateBelow => run.late(site, "late folder/late.tif", rng),
            Source::RenameRun => {
                let to = format!("{} again", run.name);
                site.books.named(run.id, &to);
                fs::rename(site.places.here(&run.name), site.places.here(&to)).ok()?;
                run.name = to;
                Some(())
            }
            Source::SwapRun => {
                let (here, away) = (site.places.here(&run.name), format!("{} moved", run.name));
                let elsewhere = precious(site, run.id, rng)?;
                site.books.named(run.id, &away);
                fs::rename(&here, site.places.here(&away)).ok()?;
                let _ = symlink(elsewhere, here);
                run.name = away;
                Some(())
            }
            Source::SwapFolder => {
                let folder = run.at(site, "raw");
                let elsewhere = precious(site, run.id, rng)?;
                fs::rename(&folder, folder.with_file_name("raw moved")).ok()?;
                let _ = symlink(elsewhere, folder);
                Some(())
            }
        }
    }
}

/// A folder beside the staging tree that belongs to somebody else.
fn precious(site: &Site, id: u64, rng: &mut Rng) -> Option<std::path::PathBuf> {
    let (folder, content) = (site.at(&format!("elsewhere/{id}")), super::instrument::content(rng));
    fs::create_dir_all(folder.join("raw")).ok()?;
    for name in ["frame_0001.tif", "raw/frame_0001.tif"] {
        fs::write(folder.join(name), &content).ok()?;
        site.books.guard(id, folder.join(name), super::books::digest(&content));
    }
    Some(folder)
}

/// Undoes what only a person can undo: a link in the place of a folder of the run, somebody's file on the NAS.
pub fn heal(fault: Fault, site: &Site, run: &Run) {
    match fault {
        Fault::Source(Source::SwapFolder) => {
            let folder = run.at(site, "raw");
            if fs::symlink_metadata(&folder).is_ok_and(|found| found.is_symlink()) && fs::remove_file(&folder).is_ok() {
                let _ = fs::rename(folder.with_file_name("raw moved"), folder);
            }
        }
        Fault::There(damage::Damage::Foreign) => damage::remove_foreign(site, run),
        _ => {}
    }
}

/// True where the site sends through other programs.
pub fn has_children(site: &Site) -> bool {
    site.way != Way::Mount
}
