//! What is pushed when. Pure: the same seed, count, instruments and start give the same plan.

use super::equipment::Instrument;
use domain::path::RunKind;
use domain::timestamp::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// A new run begins after so long, in milliseconds.
const BETWEEN_RUNS: u64 = 5_000;

/// A growing file is appended to this often, in milliseconds.
const BETWEEN_APPENDS: u64 = 250;

/// A late file comes so long after the signal, in milliseconds: when the run is verified already.
const LATE_AFTER: u64 = 30_000;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What kind of trouble a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flavour {
    /// Nothing special.
    Usual,
    /// A test run.
    Test,
    /// Hundreds of MiB.
    Big,
    /// A file comes after the signal.
    Late,
}

/// A file to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedFile {
    /// Path inside the run.
    pub path: String,
    /// Bytes in the end.
    pub size: u64,
    /// Seed of its content.
    pub seed: u64,
}

/// A run to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedRun {
    /// Index of its instrument.
    pub instrument: usize,
    /// Its special nature.
    pub flavour: Flavour,
    /// Project folder.
    pub project: &'static str,
    /// Made when, as its name says.
    pub created_at: Timestamp,
    /// Who made it.
    pub operator: &'static str,
    /// Its data, the late file last.
    pub files: Vec<PlannedFile>,
}

impl PlannedRun {
    /// `experimental` or `test`.
    pub fn kind(&self) -> RunKind {
        if self.flavour == Flavour::Test { RunKind::Test } else { RunKind::Experimental }
    }

    /// Folder name, unless it is taken: `Run_2026-04-17T14-32`.
    pub fn leaf(&self) -> String {
        let prefix = if self.kind() == RunKind::Test { "TestRun" } else { "Run" };
        let text = self.created_at.to_string();
        format!("{prefix}_{}", text.get(..16).unwrap_or(&text).replace(':', "-"))
    }
}

/// What happens to a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Folder and creation.json.
    Begin,
    /// More bytes of a file, up to this size.
    Append {
        /// Index in the run's files.
        file: usize,
        /// Size afterwards.
        up_to: u64,
    },
    /// The completeness signal.
    Signal,
}

/// One thing at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Since the start, at pace 1.
    pub at: Duration,
    /// Index of the run.
    pub run: usize,
    /// What is done.
    pub deed: Deed,
}

/// Runs and everything that happens to them, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The runs.
    pub runs: Vec<PlannedRun>,
    /// Sorted by time.
    pub steps: Vec<Step>,
}

const PROJECTS: [&str; 4] =
    ["Cortex Q3 Pilot", "PROJ-0042 Immune panel", "Zebrafish development", "UCR-000-I-D_WHEELDON"];
const OPERATORS: [&str; 3] = ["asmith", "jlee", "mkumar"];

impl Plan {
    /// Names its runs by the minutes before `start`, one each.
    pub fn new(seed: u64, count: u32, instruments: &[Instrument], start: Timestamp) -> Plan {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut plan = Plan { runs: Vec::new(), steps: Vec::new() };
        for index in 0..count {
            let flavour = match index {
                1 => Flavour::Test,
                2 => Flavour::Big,
                3 => Flavour::Late,
                n if n > 3 && n % 5 == 4 => Flavour::Test,
                _ => Flavour::Usual,
            };
            let created_at = start.plus_seconds(-60 * i64::from(count - index));
            let run = PlannedRun {
                instrument: index as usize % instruments.len().max(1),
                flavour,
                project: PROJECTS[dice.random_range(0..PROJECTS.len())],
                created_at,
                operator: OPERATORS[dice.random_range(0..OPERATORS.len())],
                files: files(flavour, &mut dice),
            };
            let begin = u64::from(index) * BETWEEN_RUNS + dice.random_range(0..BETWEEN_RUNS / 2);
            plan.add(run, begin, &mut dice);
        }
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    fn add(&mut self, run: PlannedRun, begin: u64, dice: &mut StdRng) {
        let index = self.runs.len();
        let mut at = begin;
        let mut steps = vec![(at, Deed::Begin)];
        let late = run.files.len() - usize::from(run.flavour == Flavour::Late);
        let rate = if run.flavour == Flavour::Big { 24 * MIB } else { dice.random_range(2 * MIB..6 * MIB) };
        for (file, planned) in run.files.iter().enumerate() {
            if file == late {
                at = signal(&mut steps, at) + LATE_AFTER;
            }
            at = grow(&mut steps, at, file, planned.size, rate);
        }
        if late == run.files.len() {
            signal(&mut steps, at);
        }
        self.steps.extend(steps.into_iter().map(|(at, deed)| Step { at: Duration::from_millis(at), run: index, deed }));
        self.runs.push(run);
    }
}

fn signal(steps: &mut Vec<(u64, Deed)>, at: u64) -> u64 {
    let at = at + 500;
    steps.push((at, Deed::Signal));
    at
}

/// Appends at `rate` bytes per second; gives the time afterwards.
fn grow(steps: &mut Vec<(u64, Deed)>, mut at: u64, file: usize, size: u64, rate: u64) -> u64 {
    let per_append = (rate * BETWEEN_APPENDS / 1_000).max(1);
    let mut written = 0;
    loop {
        let chunk = per_append.min(size - written);
        written += chunk;
        steps.push((at, Deed::Append { file, up_to: written }));
        at += (chunk * 1_000 / rate.max(1)).max(20);
        if written == size {
            return at;
        }
    }
}

fn files(flavour: Flavour, dice: &mut StdRng) -> Vec<PlannedFile> {
    let (count, sizes) = match flavour {
        Flavour::Usual | Flavour::Late => (dice.random_range(8..24), 256 * KIB..3 * MIB),
        Flavour::Test => (dice.random_range(2..5), 16 * KIB..256 * KIB),
        Flavour::Big => (24, 12 * MIB..20 * MIB),
    };
    let mut files: Vec<PlannedFile> =
        (0..count).map(|n| file(format!("raw/stack_{n:03}.tif"), dice.random_range(sizes.clone()), dice)).collect();
    files.push(file("metadata.xlsx".into(), dice.random_range(8 * KIB..24 * KIB), dice));
    files.push(file("logs/acquisition log.txt".into(), dice.random_range(KIB..8 * KIB), dice));
    if flavour == Flavour::Late {
        files.push(file("raw/late/stack_after_the_flag.tif".into(), MIB, dice));
    }
    files
}

fn file(path: String, size: u64, dice: &mut StdRng) -> PlannedFile {
    PlannedFile { path, size, seed: dice.random() }
}
