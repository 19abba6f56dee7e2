//! One step of a build as people see it: a spinner where somebody watches, plain lines elsewhere.

use crate::process::Call;
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// A step in work.
pub struct Step {
    name: String,
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Step {
    /// Begins it and says so.
    pub fn begin(name: impl Into<String>) -> Step {
        let name = name.into();
        let bar = crate::machine::is_watched().then(|| {
            let bar = ProgressBar::new_spinner().with_message(name.clone());
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} [{elapsed}]") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        if bar.is_none() {
            println!("--> {name}");
        }
        Step { name, begun: Instant::now(), bar }
    }

    /// What it is at.
    pub fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(format!("{}: {}", self.name, cut(line.trim(), 80))),
            None => println!("    {line}"),
        }
    }

    /// Runs a call within it. What it prints is shown line by line, and in full when it fails.
    pub fn run(&self, call: Call) -> Result<()> {
        let mut kept = Vec::new();
        let outcome = call.stream(|line| {
            self.line(line);
            if self.bar.is_some() {
                kept.push(line.to_owned());
            }
        });
        if let (Err(_), Some(bar)) = (&outcome, &self.bar) {
            bar.suspend(|| kept.iter().for_each(|line| eprintln!("{line}")));
        }
        outcome
    }

    /// Ends it and says what came of it.
    pub fn end(self, outcome: &str) {
        let line = format!("{:<44} {outcome:<28} {:>6.1} s", self.name, self.begun.elapsed().as_secs_f64());
        match &self.bar {
            Some(bar) => {
                bar.finish_and_clear();
                println!("{line}");
            }
            None => println!("    {line}"),
        }
    }
}

/// At most `limit` characters, none of which is cut in half.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit { text.to_owned() } else { text.chars().take(limit - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(super::cut("kurz", 8), "kurz");
        assert_eq!(super::cut("ääääääääää", 8), "äääääää…");
    }
}
