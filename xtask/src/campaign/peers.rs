//! The same runs and faults against programs that move files: what labs use where nothing better is at hand. Each is
//! started when the signal of a run is there, and again while anything is left, as a script would do it.

use super::damage::Damaged;
use super::faults::{Fault, Moment};
use super::instrument::Run;
use super::places::{Places, files_below};
use super::site::Site;
use super::world::{self, World};
use crate::process::{Call, Running};
use crate::step::Step;
use anyhow::Result;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A peer: its name, and its words before the two folders.
const PEERS: [(&str, &[&str]); 3] = [
    ("rclone move", &["rclone", "move"]),
    ("rclone move --checksum", &["rclone", "move", "--checksum"]),
    ("rsync --remove-source-files", &["rsync", "-a", "--remove-source-files"]),
];
const AT_ONCE: usize = 12;
/// What can hit a mover, or all of them.
const HITS: [World; 5] = [World::KillUs, World::StopUs, World::SecondCopy, World::NasGone, World::FullNas];
/// How often a script begins again.
const ATTEMPTS: usize = 6;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(700);

#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    trials: u64,
    lost: u64,
    touched: u64,
}

type Outcomes = Mutex<BTreeMap<&'static str, Outcome>>;

/// Runs each for that long, and prints the table.
pub fn run(seed: u64, minutes: u64) -> Result<()> {
    println!("\nThe same against programs that move files:");
    println!(
        "{:<30} {:<42} {:>7} {:>18} {:>22}",
        "program", "fault", "trials", "runs with a loss", "others' files touched"
    );
    for (name, words) in PEERS {
        let step = Step::begin(format!("campaign: {name}, seed {seed}, {minutes} min"));
        let site = Site::without_program(seed)?;
        let outcomes = Outcomes::default();
        storm(&site, words, seed, minutes, &outcomes);
        step.end("");
        let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut all = Outcome::default();
        for (fault, outcome) in &outcomes {
            row(name, fault, outcome);
            all = Outcome {
                trials: all.trials + outcome.trials,
                lost: all.lost + outcome.lost,
                touched: all.touched + outcome.touched,
            };
        }
        row(name, "all", &all);
    }
    Ok(())
}

fn row(name: &str, fault: &str, outcome: &Outcome) {
    println!("{name:<30} {fault:<42} {:>7} {:>18} {:>22}", outcome.trials, outcome.lost, outcome.touched);
}

fn storm(site: &Site, words: &[&str], seed: u64, minutes: u64, outcomes: &Outcomes) {
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let hits: Vec<World> = HITS.into_iter().filter(|hit| hit.is_possible(site)).collect();
    let next = AtomicU64::new(1);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while Instant::now() < end && !crate::stop::requests().was_asked() {
                    let id = next.fetch_add(1, Ordering::Relaxed);
                    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(id));
                    let fault = rng.choice(Fault::all()).unwrap_or(Fault::None);
                    let hit = rng.choice(&hits).copied().filter(|_| fault == Fault::World);
                    Trial { site, words, id, fault, hit }.run(rng, outcomes);
                }
            });
        }
    });
}

struct Trial<'a> {
    site: &'a Site,
    words: &'a [&'a str],
    id: u64,
    fault: Fault,
    /// What hits the mover, or all of them.
    hit: Option<World>,
}

/// What a trial has set, and still holds.
#[derive(Default)]
struct Set {
    was_set: bool,
    held: Option<(String, fs::File)>,
    /// The second one of two movers at work on one run.
    second: Option<Running>,
}

impl Trial<'_> {
    fn run(&self, mut rng: Rng, outcomes: &Outcomes) {
        let Trial { site, id, fault, hit, .. } = *self;
        // The clear of a mover is the move itself.
        let due = match fault.moment(&mut rng) {
            Moment::Pushing => Duration::ZERO,
            Moment::Signalled(ms) => Duration::from_millis(ms % 1_500),
            Moment::Verified(ms) | Moment::Clearing(ms) => Duration::from_millis(ms),
        };
        let Ok(mut run) = Run::push(site, id, &mut rng) else { return site.books.close(id) };
        let mut set = Set::default();
        if run.signal(site).is_err() {
            return site.books.close(id);
        }
        {
            // The project's folder is there before, and on the NAS; what a mover makes without one is its own doing.
            let _calm = site.trouble();
            let there = site.places.there(&run.name);
            if there.parent().is_none_or(|project| fs::create_dir_all(project).is_err()) {
                return site.books.close(id);
            }
        }
        let begun = Instant::now();
        for _ in 0..ATTEMPTS {
            if moved(&site.places.here(&run.name)) {
                break;
            }
            let Some(mut mover) = self.mover(&run) else { break };
            while mover.ended().is_ok_and(|ended| ended.is_none()) {
                if begun.elapsed() >= due {
                    self.set(&mut run, &mut set, Some(&mut mover), &mut rng);
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
            let next = Instant::now() + BETWEEN_ATTEMPTS;
            while Instant::now() < next && !moved(&site.places.here(&run.name)) {
                if begun.elapsed() >= due && hit.is_none() {
                    self.set(&mut run, &mut set, None, &mut rng);
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
        if hit.is_none() {
            self.set(&mut run, &mut set, None, &mut rng);
        }
        if let Some(mut second) = set.second.take() {
            let _ = second.stop(Duration::from_secs(30));
        }
        if let Some((file, handle)) = set.held.take() {
            run.write_on(site, &file, handle, &mut Rng::with_seed(id));
        }
        let account = site.books.account(id);
        let (lost, touched) = {
            // While nobody takes the NAS away.
            let _calm = site.trouble();
            (site.places.lost(&account).len(), Places::touched(&account).len())
        };
        {
            let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = outcomes.entry(hit.map_or(fault.name(), World::name)).or_default();
            outcome.trials += 1;
            outcome.lost += u64::from(lost > 0);
            outcome.touched += u64::from(touched > 0);
        }
        site.books.close(id);
        site.remove(&site.places.here(&run.name));
    }

    /// Starts the mover on what stands here of the run.
    fn mover(&self, run: &Run) -> Option<Running> {
        let (from, to) = (self.site.places.here(&run.name), self.site.places.there(&run.name));
        let log = OpenOptions::new().create(true).append(true).open(self.site.at("movers.log")).ok()?;
        Call::new(self.words[0]).args(&self.words[1..]).arg(with_slash(&from)).arg(with_slash(&to)).start(log).ok()
    }

    /// Does what this trial is about, once; what hits the mover, while it is at work.
    fn set(&self, run: &mut Run, set: &mut Set, mover: Option<&mut Running>, rng: &mut Rng) {
        let Trial { site, fault, .. } = *self;
        if set.was_set {
            return;
        }
        set.was_set = match (fault, self.hit, mover) {
            (Fault::Source(source), ..) => source.set(site, run, &mut set.held, rng).is_some(),
            (Fault::There(damage), ..) => !matches!(damage.set(site, run, rng), Damaged::NotYet),
            (_, Some(World::KillUs), Some(mover)) => mover.kill().is_ok(),
            (_, Some(World::StopUs), Some(mover)) => {
                world::stand_still(mover.id(), rng.u64(200..3_000));
                true
            }
            (_, Some(World::SecondCopy), Some(_)) => {
                set.second = self.mover(run);
                true
            }
            // Writing where the NAS was not is what this trial is about, and no failure of the campaign.
            (_, Some(hit), Some(_)) => {
                let _ = hit.set(site, rng);
                true
            }
            _ => true,
        };
    }
}

/// Nothing is left but empty folders.
fn moved(run: &Path) -> bool {
    files_below(run).is_empty()
}

fn with_slash(path: &Path) -> String {
    format!("{}/", path.display())
}
