//! The table of a campaign.

use super::site::Way;
use super::verdicts::Verdicts;
use std::collections::BTreeMap;
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
    let mut kept: BTreeMap<&str, u64> = BTreeMap::new();
    for (why, count) in tallies.values().flat_map(|tally| &tally.kept) {
        *kept.entry(why).or_default() += count;
    }
    let mut kept: Vec<(&str, u64)> = kept.into_iter().collect();
    kept.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if !kept.is_empty() {
        println!("kept, because:");
    }
    for (why, count) in kept {
        println!("{count:>7} {why}");
    }
    for (what, count) in verdicts.known_limits() {
        println!("known limit: {count} times {what}");
    }
    let violations = verdicts.violations();
    if violations.is_empty() {
        println!("violations: none");
    }
    for (class, count) in violations {
        println!("VIOLATIONS: {count} {}", class.name());
    }
}
