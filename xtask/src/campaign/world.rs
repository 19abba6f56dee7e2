//! Faults of the whole site: the program, its children, the NAS, the disks, the clock, the state. Each is over when its
//! call ends.

use super::disks::Disk;
use super::faults::has_children;
use super::site::{INSTRUMENTS, Site, Way, equipment};
use crate::process::{Call, Signal, descendants, signal};
use anyhow::{Context, Result, bail};
use fastrand::Rng;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long another copy of the program is watched.
const WATCHED: Duration = Duration::from_secs(4);

/// One fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum World {
    /// The program is killed, and started again.
    KillUs,
    /// One of its children is killed.
    KillChild,
    /// The program and all its children are killed.
    KillBoth,
    /// The program is asked to end, and started again.
    Terminate,
    /// The program stands still for a while.
    StopUs,
    /// A child stands still for a while.
    StopChild,
    /// All connections to the sshd are cut.
    ConnectionsCut,
    /// The marker of a NAS is gone for a while.
    MarkerGone,
    /// The NAS is gone for a while.
    NasGone,
    /// Not a byte is left on the NAS.
    FullNas,
    /// Not a byte is left for instruments.
    FullStaging,
    /// Not a byte is left for the program's state.
    FullState,
    /// The clock is set back two hours.
    ClockBack,
    /// The clock is set forward two hours: runs are cleared by themselves.
    ClockForward,
    /// The program is started a second time.
    SecondCopy,
    /// Another installation is started on the same staging tree.
    SecondInstallation,
    /// Killed, and the end of the database's log is gone.
    TornDatabase,
    /// Killed, and the database is gone.
    LostDatabase,
    /// The tools say that they did it, and do nothing.
    LyingTools,
}

impl World {
    /// All of them.
    pub const ALL: [World; 19] = [
        World::KillUs,
        World::KillChild,
        World::KillBoth,
        World::Terminate,
        World::StopUs,
        World::StopChild,
        World::ConnectionsCut,
        World::MarkerGone,
        World::NasGone,
        World::FullNas,
        World::FullStaging,
        World::FullState,
        World::ClockBack,
        World::ClockForward,
        World::SecondCopy,
        World::SecondInstallation,
        World::TornDatabase,
        World::LostDatabase,
        World::LyingTools,
    ];

    /// False where the site has not what it takes.
    pub fn is_possible(self, site: &Site) -> bool {
        match self {
            World::ConnectionsCut => site.way != Way::Mount,
            World::KillChild | World::StopChild | World::LyingTools => has_children(site),
            World::FullNas | World::FullStaging | World::FullState => site.disks.is_some(),
            World::ClockBack | World::ClockForward => site.has_clock(),
            _ => true,
        }
    }

    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            World::KillUs => "site: program killed",
            World::KillChild => "site: child killed",
            World::KillBoth => "site: program and children killed",
            World::Terminate => "site: program ended and started",
            World::StopUs => "site: program stopped a while",
            World::StopChild => "site: child stopped a while",
            World::ConnectionsCut => "site: ssh connections cut",
            World::MarkerGone => "site: marker gone",
            World::NasGone => "site: NAS gone",
            World::FullNas => "site: NAS full",
            World::FullStaging => "site: staging disk full",
            World::FullState => "site: state disk full",
            World::ClockBack => "site: clock set back",
            World::ClockForward => "site: clock set forward",
            World::SecondCopy => "site: program started twice",
            World::SecondInstallation => "site: another installation",
            World::TornDatabase => "site: database torn",
            World::LostDatabase => "site: database lost",
            World::LyingTools => "site: tools lie",
        }
    }

    /// Does it, waits, and undoes it.
    pub fn set(self, site: &Site, rng: &mut Rng) -> Result<()> {
        let _trouble = site.trouble();
        match self {
            World::KillUs => restart(site, || Ok(())),
            World::KillBoth => {
                let children = site.program().as_ref().map(|program| descendants(program.id())).unwrap_or_default();
                restart(site, || {
                    children.iter().for_each(|child| signal(*child, Signal::KILL));
                    Ok(())
                })
            }
            World::Terminate => {
                if let Some(mut program) = site.program().take() {
                    program.stop(Duration::from_secs(60))?;
                }
                site.start()
            }
            World::KillChild => {
                if let Some(child) = any_child(site, rng) {
                    signal(child, Signal::KILL);
                }
                Ok(())
            }
            World::StopUs => {
                let id = site.program().as_ref().map(crate::process::Running::id).context("no program")?;
                stand_still(id, rng.u64(200..3_000));
                Ok(())
            }
            World::StopChild => {
                if let Some(child) = any_child(site, rng) {
                    stand_still(child, rng.u64(200..5_000));
                }
                Ok(())
            }
            World::ConnectionsCut => {
                let children = site.sshd().as_ref().map(|sshd| descendants(sshd.id())).unwrap_or_default();
                children.into_iter().for_each(|child| signal(child, Signal::KILL));
                Ok(())
            }
            World::MarkerGone => {
                let marker = site.places.nas[0].join(equipment(rng.usize(..INSTRUMENTS))).join(".exlab-orchestrator");
                away(site, marker.clone(), marker.with_extension("away"), rng)
            }
            World::NasGone => away(site, site.places.nas[0].clone(), site.places.nas[1].clone(), rng),
            World::FullNas => full(site.disks.as_ref().map(|disks| &disks.nas), rng),
            World::FullStaging => full(site.disks.as_ref().map(|disks| &disks.staging), rng),
            World::FullState => full(site.disks.as_ref().map(|disks| &disks.state), rng),
            World::ClockBack => clock(site, "-7200", rng),
            World::ClockForward => clock(site, "+7200", rng),
            World::SecondCopy => another(site, site.at("state").join("exlab-orchestrator")),
            World::SecondInstallation => another(site, site.at("state of another one")),
            World::TornDatabase => {
                let cut = rng.f64();
                restart(site, || tear(site, cut))
            }
            World::LostDatabase => restart(site, || {
                for file in database(site) {
                    fs::remove_file(&file).with_context(|| format!("{} cannot be removed", file.display()))?;
                }
                Ok(())
            }),
            World::LyingTools => {
                fs::write(site.at("lie"), "")?;
                pause(rng.u64(200..3_000));
                Ok(fs::remove_file(site.at("lie"))?)
            }
        }
    }
}

fn restart(site: &Site, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
    if let Some(mut program) = site.program().take() {
        program.kill()?;
    }
    meanwhile()?;
    site.start()
}

fn any_child(site: &Site, rng: &mut Rng) -> Option<u32> {
    let children = descendants(site.program().as_ref()?.id());
    rng.choice(children)
}

/// A process stands still for a while.
pub fn stand_still(id: u32, milliseconds: u64) {
    signal(id, Signal::STOP);
    pause(milliseconds);
    signal(id, Signal::CONT);
}

fn away(site: &Site, path: PathBuf, to: PathBuf, rng: &mut Rng) -> Result<()> {
    fs::rename(&path, &to).with_context(|| format!("{} cannot be moved away", path.display()))?;
    pause(rng.u64(200..5_000));
    // If a folder has come into its place meanwhile, it shows what lies under a mount point: the program must not have
    // written there.
    let was_made = path.exists();
    if was_made {
        let aside = site.at(&format!("written without a NAS {}", site.strikes.count()));
        Call::new("mv").arg(&path).arg(&aside).read()?;
    }
    fs::rename(&to, &path).with_context(|| format!("{} cannot be moved back", path.display()))?;
    match (was_made, site.way) {
        (false, _) => Ok(()),
        // It makes folders by itself, and looks at no marker between its question and its copy.
        (true, Way::Rclone) => {
            site.verdicts.known_limit("rclone made folders where the NAS was away");
            Ok(())
        }
        (true, _) => bail!("{} was made while the NAS was away", path.display()),
    }
}

fn full(disk: Option<&Disk>, rng: &mut Rng) -> Result<()> {
    let disk = disk.context("no disk")?;
    disk.fill()?;
    pause(rng.u64(500..5_000));
    disk.empty()
}

fn clock(site: &Site, offset: &str, rng: &mut Rng) -> Result<()> {
    fs::write(site.at("clock"), format!("{offset}\n"))?;
    pause(rng.u64(1_000..6_000));
    Ok(fs::write(site.at("clock"), "+0\n")?)
}

/// Another copy beside the running one, with this state folder; ended after a while if it does not end by itself.
fn another(site: &Site, state: PathBuf) -> Result<()> {
    let log = OpenOptions::new().create(true).append(true).open(site.at("another.log"))?;
    let mut another = site.call(&["serve", "--listen", "127.0.0.1:0", "--state"]).arg(state).start(log)?;
    let begun = Instant::now();
    while another.ended()?.is_none() && begun.elapsed() < WATCHED {
        pause(50);
    }
    another.stop(Duration::from_secs(30)).map(drop)
}

fn database(site: &Site) -> Vec<PathBuf> {
    let entries = fs::read_dir(site.state()).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains(".db"))).collect()
}

/// The write-ahead log ends somewhere, as after a power cut.
fn tear(site: &Site, cut: f64) -> Result<()> {
    for log in database(site).into_iter().filter(|path| path.to_string_lossy().ends_with("-wal")) {
        let file = OpenOptions::new().write(true).open(&log)?;
        let length = file.metadata()?.len();
        file.set_len((length as f64 * cut) as u64)?;
    }
    Ok(())
}

/// Not waiting for anything: that much time passes for the program, too.
fn pause(milliseconds: u64) {
    let until = Instant::now() + Duration::from_millis(milliseconds);
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}
