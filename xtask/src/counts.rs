//! How many tests passed and failed, as their own runners say it.

use anyhow::{Context, Result};
use std::fmt;
use std::fs;
use std::path::Path;

/// Sums over all reports of a stage.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Passed.
    pub passed: u64,
    /// Failed.
    pub failed: u64,
    /// Left out by the tests themselves.
    pub skipped: u64,
}

impl Counts {
    /// Adds what a line of `cargo test` says, if it is a result.
    pub fn add_cargo_line(&mut self, line: &str) {
        let Some(rest) = line.trim().strip_prefix("test result:") else { return };
        let Some((_, numbers)) = rest.split_once(". ") else { return };
        for part in numbers.split(';') {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next().and_then(|word| word.parse::<u64>().ok()), words.next())
            else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }

    /// What Playwright's JSON report says.
    pub fn of_playwright(report: &Path) -> Result<Counts> {
        let text =
            fs::read_to_string(report).with_context(|| format!("Playwright left no report at {}", report.display()))?;
        let report: serde_json::Value = serde_json::from_str(&text).context("Playwright's report is no JSON")?;
        let number = |name: &str| {
            report["stats"][name].as_u64().with_context(|| format!("Playwright's report has no stats.{name}"))
        };
        Ok(Counts {
            passed: number("expected")? + number("flaky")?,
            failed: number("unexpected")?,
            skipped: number("skipped")?,
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} left out", self.skipped) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_cargo_add_up() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            "test a::test_result ... ok",
        ] {
            counts.add_cargo_line(line);
        }
        assert_eq!(counts, Counts { passed: 15, failed: 2, skipped: 1 });
        assert_eq!(counts.to_string(), "15 passed, 2 failed, 1 left out");
    }

    #[test]
    fn a_missing_report_is_an_error_and_a_real_one_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        assert!(Counts::of_playwright(&file).is_err());
        fs::write(&file, r#"{"stats":{"expected":7,"unexpected":1,"flaky":1,"skipped":0}}"#).unwrap();
        assert_eq!(Counts::of_playwright(&file).unwrap(), Counts { passed: 8, failed: 1, skipped: 0 });
    }
}
