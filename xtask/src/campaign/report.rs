//! The table of a campaign.

use super::site::Way;
use super::verdicts::{Tally, Verdicts};
use std::time::Duration;

/// By fault: how often it was set, how its runs ended, and all that was violated.
pub fn print(way: Way, seed: u64, took: Duration, verdicts: &Verdicts) {
    let tallies = verdicts.tallies();
    println!("\n{way:?}, seed {seed}: {} trials in {} min", verdicts.trials(), took.as_secs() / 60);
    println!("{:<40} {:>7} {:>8} {:>6} {:>15}", "fault", "trials", "cleared", "kept", "in the instant");
    for (fault, tally) in &tallies {
        let kept: u64 = tally.kept.values().sum();
        println!("{fault:<40} {:>7} {:>8} {kept:>6} {:>15}", tally.trials, tally.cleared, tally.in_the_instant);
    }
    let mut kept: Vec<(&str, &str, u64)> = tallies.iter().flat_map(|(fault, tally)| reasons(fault, tally)).collect();
    kept.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    if !kept.is_empty() {
        println!("kept, because:");
    }
    for (fault, why, count) in kept {
        println!("{count:>7} {fault}: {why}");
    }
    let violations = verdicts.violations();
    if violations.is_empty() {
        println!("violations: none");
    }
    for (class, count) in violations {
        println!("VIOLATIONS: {count} {}", class.name());
    }
}

fn reasons<'a>(fault: &'a str, tally: &'a Tally) -> impl Iterator<Item = (&'a str, &'a str, u64)> {
    tally.kept.iter().map(move |(why, count)| (fault, why.as_str(), *count))
}
