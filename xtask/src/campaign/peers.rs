//! The same runs and faults against programs that move files: what labs use where nothing better is at hand. Each is started when the signal
//! of a run is there, and again while anything is left, as a script would do it.

use super::damage::Damaged;
use super::faults::{Fault, Moment};
use super::instrument::Run;
use super::places::{Places, files_below};
use super::site::Site;
use crate::process::Call;
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
    println!("{:<30} {:<42} {:>7} {:>18} {:>22}", "program", "fault", "trials", "runs with a loss", "others' files touched");
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
            all = Outcome { trials: all.trials + outcome.trials, lost: all.lost + outcome.lost, touched: all.touched + outcome.touched };
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
    // What hits one run: faults of the whole site have no program here to hit.
    let faults: Vec<Fault> = Fault::all().into_iter().filter(|fault| *fault != Fault::World).collect();
    let next = AtomicU64::new(1);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while Instant::now() < end && !crate::stop::requests().was_asked() {
                    let id = next.fetch_add(1, Ordering::Relaxed);
                    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(id));
                    let fault = rng.choice(&faults).copied().unwrap_or(Fault::None);
                    trial(site, words, id, fault, rng, outcomes);
                }
            });
        }
    });
}

fn trial(site: &Site, words: &[&str], id: u64, fault: Fault, mut rng: Rng, outcomes: &Outcomes) {
    // The clear of a mover is the move itself.
    let due = match fault.moment(&mut rng) {
        Moment::Pushing => Duration::ZERO,
        Moment::Signalled(ms) => Duration::from_millis(ms % 1_500),
        Moment::Verified(ms) | Moment::Clearing(ms) => Duration::from_millis(ms),
    };
    let Ok(mut run) = Run::push(site, id, &mut rng) else { return site.books.close(id) };
    let (mut held, mut was_set) = (None, false);
    if run.signal(site).is_err() {
        return site.books.close(id);
    }
    let begun = Instant::now();
    let mut set = |run: &mut Run, held: &mut Option<(String, fs::File)>| {
        if was_set || begun.elapsed() < due {
            return;
        }
        was_set = match fault {
            Fault::Source(source) => source.set(site, run, held, &mut rng).is_some(),
            Fault::There(damage) => !matches!(damage.set(site, run, &mut rng), Damaged::NotYet),
            Fault::None | Fault::World => true,
        };
    };
    for _ in 0..ATTEMPTS {
        let (from, to) = (site.places.here(&run.name), site.places.there(&run.name));
        if moved(&from) {
            break;
        }
        let Ok(log) = OpenOptions::new().create(true).append(true).open(site.at("movers.log")) else { break };
        let call = Call::new(words[0]).args(&words[1..]).arg(with_slash(&from)).arg(with_slash(&to));
        let made = to.parent().map(fs::create_dir_all);
        let (Some(Ok(())), Ok(mut mover)) = (made, call.start(log)) else { break };
        while mover.ended().is_ok_and(|ended| ended.is_none()) {
            set(&mut run, &mut held);
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let next = Instant::now() + BETWEEN_ATTEMPTS;
        while Instant::now() < next && !moved(&site.places.here(&run.name)) {
            set(&mut run, &mut held);
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
    set(&mut run, &mut held);
    if let Some((file, handle)) = held.take() {
        run.write_on(site, &file, handle, &mut Rng::with_seed(id));
    }
    let account = site.books.account(id);
    let (lost, touched) = (site.places.lost(&account).len(), Places::touched(&account).len());
    {
        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = outcomes.entry(fault.name()).or_default();
        outcome.trials += 1;
        outcome.lost += u64::from(lost > 0);
        outcome.touched += u64::from(touched > 0);
    }
    site.books.close(id);
    site.remove(&site.places.here(&run.name));
}

/// Nothing is left but empty folders.
fn moved(run: &Path) -> bool {
    files_below(run).is_empty()
}

fn with_slash(path: &Path) -> String {
    format!("{}/", path.display())
}
