//! `cargo xtask bench`: what the release binary costs, beside what does the same work elsewhere.
//!
//! Peers marked `reference` are the figures of the Python system this program replaces, measured once on a two-core
//! machine; all other peers are run here, in turn with ours, and medians are shown. Only measurements: nothing here
//! passes or fails.

mod dead_nas;
mod hash;
mod http;
mod idle;
mod lab;
mod large_run;
mod listing;
mod memory;
mod over_ssh;
mod panel;
mod queue;
mod reading;
mod scene;
mod small_files;
mod table;

use crate::campaign::Way;
use crate::site;
use anyhow::Result;
use clap::{Args, ValueEnum};
use scene::Scene;
use std::path::Path;
use table::Table;

/// What to measure; everything unless a developer says otherwise.
#[derive(Args)]
pub struct Choice {
    /// Only this (may be repeated).
    #[arg(long, value_name = "NAME")]
    only: Vec<Measure>,
    /// Use the binary as it was built last.
    #[arg(long)]
    no_build: bool,
    /// How many files the large run has.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    files: usize,
    /// How the large run goes to the NAS.
    #[arg(long, value_enum, default_value_t = Way::Mount)]
    over: Way,
}

/// A measurement.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Measure {
    /// GET /staging with 1,000 runs of 20 files.
    #[value(name = "listing-1000")]
    Listing1000,
    /// GET /staging with 5,000 runs of 20 files, and whether anything else waits meanwhile.
    #[value(name = "listing-5000")]
    Listing5000,
    /// Processor time of the idle program with 5,000 verified runs.
    Idle,
    /// Memory of the same.
    Memory,
    /// Memory while a run of very many files is sealed, sent, proven and cleared.
    LargeRun,
    /// The panel with the same in headless Chromium: patches, scrolling, layout shifts, size.
    Panel,
    /// Hashing one big file.
    Hash,
    /// 10,000 small files from complete to verified on a mount.
    SmallFiles,
    /// Large files from complete to verified over ssh on the loopback.
    OverSshLarge,
    /// Small files, the same.
    OverSshSmall,
    /// Seven equipments at work while the NAS of an eighth is dead.
    DeadNas,
    /// How often a run's bytes are read from the disks.
    Reading,
    /// The queue alone.
    Queue,
}

/// Runs in the order of the table, prints each part as it is known and the whole table at the end.
pub fn run(choice: &Choice) -> Result<()> {
    let binary = if choice.no_build { crate::machine::release_binary()? } else { site::build()? };
    let wanted = |measure: Measure| choice.only.is_empty() || choice.only.contains(&measure);
    let mut table = Table::default();
    if wanted(Measure::Listing1000) {
        table.add(listing::measure(&mut Scene::open(&binary, 1_000)?, &listing::THOUSAND));
    }
    if [Measure::Listing5000, Measure::Idle, Measure::Memory, Measure::Panel].into_iter().any(wanted) {
        five_thousand(&binary, &wanted, &mut table)?;
    }
    if wanted(Measure::LargeRun) {
        table.add(large_run::measure(&binary, choice.files, choice.over));
    }
    if wanted(Measure::Hash) {
        table.add(hash::measure());
    }
    if wanted(Measure::SmallFiles) {
        table.add(small_files::measure(&binary));
    }
    if wanted(Measure::OverSshLarge) {
        table.add(over_ssh::measure(&binary, &over_ssh::LARGE));
    }
    if wanted(Measure::OverSshSmall) {
        table.add(over_ssh::measure(&binary, &over_ssh::SMALL));
    }
    if wanted(Measure::DeadNas) {
        table.add(dead_nas::measure(&binary));
    }
    if wanted(Measure::Reading) {
        table.add(reading::measure(&binary));
    }
    if wanted(Measure::Queue) {
        table.add(queue::measure());
    }
    table.print();
    Ok(())
}

/// The measurements that share one staging tree, which takes a while to fill.
fn five_thousand(binary: &Path, wanted: &impl Fn(Measure) -> bool, table: &mut Table) -> Result<()> {
    let mut scene = Scene::open(binary, 5_000)?;
    if wanted(Measure::Idle) {
        table.add(idle::measure(&mut scene));
    }
    if wanted(Measure::Listing5000) {
        table.add(listing::measure(&mut scene, &listing::FIVE_THOUSAND));
    }
    if wanted(Measure::Memory) {
        table.add(memory::measure(&mut scene));
    }
    if wanted(Measure::Panel) {
        table.add(panel::measure(&mut scene));
    }
    Ok(())
}

/// Where measurements make their folders: on the disk that holds the build, not in a /tmp that may be memory.
pub fn lab_home() -> Result<std::path::PathBuf> {
    let folder = crate::machine::target_folder()?.join("xtask/bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
