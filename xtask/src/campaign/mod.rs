//! `cargo xtask campaign`: the release binary in a storm of faults, and an oracle that knows by content what may not be
//! lost.
//!
//! Instruments push small runs, many at once; to each one fault is done, at a moment that a seed chooses: to the run
//! here, to its copy on the NAS, or to the whole site. Operators clear all the while. The oracle keeps books of its
//! own, and knows nothing of the program but what its users see: the disks, REST, the log.

mod books;
mod damage;
mod disks;
mod faults;
mod instrument;
mod judge;
mod peers;
mod places;
mod planted;
mod report;
mod site;
mod strikes;
mod trial;
mod verdicts;
mod world;

use crate::step::Step;
use anyhow::{Result, bail};
use clap::Args;
use fastrand::Rng;
use faults::Fault;
use judge::Class;
use places::Places;
use site::Site;
pub use site::Way;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use world::World;

/// Progress is told after so many trials.
const TOLD_EVERY: u64 = 100;

/// How long a campaign takes, and what it does.
#[derive(Args)]
pub struct Options {
    /// For each transport.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Chooses runs, faults and moments; what the machine makes of them differs from time to time.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this way to the NAS (may be repeated).
    #[arg(long, value_name = "WAY")]
    transport: Vec<Way>,
    /// Runs at once; by default what keeps the transport busy.
    #[arg(long)]
    at_once: Option<usize>,
    /// Only faults whose name contains this.
    #[arg(long, value_name = "TEXT")]
    fault: Option<String>,
    /// Not the program, but others that move files: the same runs, the same faults, the same oracle.
    #[arg(long)]
    peers: bool,
    /// Use the binary as it was built last.
    #[arg(long)]
    no_build: bool,
}

/// Plants violations, runs the campaign over each transport, and prints what came of it. An error when anything was
/// violated.
pub fn run(options: &Options) -> Result<()> {
    println!("The oracle sees {} of {0} planted violations.", planted::all_are_seen()?);
    if options.peers {
        return peers::run(options.seed, options.minutes);
    }
    let binary = if options.no_build { crate::machine::release_binary()? } else { crate::site::build()? };
    let ways = if options.transport.is_empty() {
        vec![Way::Mount, Way::RsyncSsh, Way::Rclone]
    } else {
        options.transport.clone()
    };
    let mut violations = 0;
    for way in ways {
        let step = Step::begin(format!("campaign: {way:?}, seed {}, {} min", options.seed, options.minutes));
        let site = Site::open(&binary, way, options.seed)?;
        let begun = Instant::now();
        storm(&site, options, &step);
        step.end("");
        report::print(way, options.seed, begun.elapsed(), &site.verdicts);
        let found: usize = site.verdicts.violations().values().sum();
        violations += found;
        if found > 0 {
            println!("Its folder is kept: {}", site.keep().display());
        }
        if crate::stop::requests().was_asked() {
            bail!("interrupted");
        }
    }
    if violations > 0 {
        bail!("{violations} violations");
    }
    Ok(())
}

fn storm(site: &Site, options: &Options, step: &Step) {
    let end = Instant::now() + Duration::from_secs(60 * options.minutes);
    let wanted = |name: &str| options.fault.as_ref().is_none_or(|text| name.contains(text.as_str()));
    let strikes: Vec<World> =
        World::ALL.into_iter().filter(|world| world.is_possible(site) && wanted(world.name())).collect();
    let possible = |fault: &Fault| if *fault == Fault::World { !strikes.is_empty() } else { wanted(fault.name()) };
    let faults: Vec<Fault> = Fault::all().into_iter().filter(possible).collect();
    let (next, over) = (AtomicU64::new(1), AtomicBool::new(false));
    let is_over = || over.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        let trials: Vec<_> = (0..options.at_once.unwrap_or(site.way.at_once()).max(1))
            .map(|_| {
                scope.spawn(|| {
                    while Instant::now() < end && !crate::stop::requests().was_asked() {
                        let id = next.fetch_add(1, Ordering::Relaxed);
                        // Each trial is its own: what it chooses depends on the seed and its number alone.
                        let mut rng = Rng::with_seed(options.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(id));
                        let fault = rng.choice(&faults).copied().unwrap_or(Fault::None);
                        trial::run(site, id, fault, rng);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !is_over() {
                site.read_rows();
                site.check_program();
                std::thread::park_timeout(Duration::from_millis(100));
            }
        });
        scope.spawn(|| {
            let mut rng = Rng::with_seed(options.seed);
            while !is_over() {
                if let Some(world) = rng.choice(&strikes).filter(|_| site.strikes.was_wanted()) {
                    site.strikes.begins(world.name());
                    if let Err(error) = world.set(site, &mut rng) {
                        site.verdicts.found(Class::Campaign, world.name(), &format!("{error:#}"));
                    }
                }
                std::thread::park_timeout(Duration::from_millis(10));
            }
        });
        scope.spawn(|| {
            while !is_over() {
                look_at_everything(site);
                std::thread::park_timeout(Duration::from_millis(300));
            }
        });
        let mut told = 0;
        while !trials.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::park_timeout(Duration::from_millis(200));
            let now = site.verdicts.trials();
            if now >= told + TOLD_EVERY {
                told = now;
                step.line(&format!("{now} trials"));
            }
        }
        for trial in trials {
            if trial.join().is_err() {
                site.verdicts.found(Class::Campaign, "a trial", "it panicked");
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

/// Everything that is owed is to stand somewhere, at every moment.
fn look_at_everything(site: &Site) {
    for (id, account) in site.books.accounts() {
        for path in Places::touched(&account) {
            site.verdicts.found(Class::Touched, &path.display().to_string(), "it is not what it was");
        }
        let lost = site.places.lost(&account);
        if lost.is_empty() {
            continue;
        }
        // What its owner destroyed, and what was damaged where no copy was left, has been taken from the books by now.
        std::thread::park_timeout(faults::INSTANT * 2);
        let now = site.books.account(id);
        for (digest, file) in site.places.lost(&now) {
            if lost.iter().any(|(known, _)| *known == digest) {
                let name = now.names.last().map_or("", String::as_str);
                site.verdicts.found(Class::Lost, name, &format!("{file}, seen while the trial went on"));
            }
        }
    }
}
