//! `cargo xtask test`: every check there is, in stages, with a summary that says what was really run.
//!
//! A stage that fails does not stop the others, unless they need what it makes. Nothing is skipped without being named.

use crate::counts::Counts;
use crate::machine;
use crate::packages;
use crate::process::{self, Call};
use crate::site;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use std::fs;
use std::path::Path;
use std::time::Instant;

/// Which stages; all of them unless a developer says otherwise.
#[derive(Args, Default)]
pub struct Choice {
    /// Only this stage (may be repeated).
    #[arg(long, value_name = "STAGE")]
    only: Vec<Stage>,
    /// Not this stage (may be repeated).
    #[arg(long, value_name = "STAGE")]
    skip: Vec<Stage>,
    /// Given to Playwright as it is, e.g. a file name or `-g "late file"`.
    #[arg(last = true)]
    playwright: Vec<String>,
}

/// A part of the tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Stage {
    /// Install what lacks.
    Prepare,
    /// Formatting.
    Format,
    /// Lints, native and for the browser.
    Clippy,
    /// Unit, property and integration tests.
    Unit,
    /// Documentation without warnings.
    Docs,
    /// The panel and the release binary.
    Build,
    /// The tests' own types, then the binary in a browser.
    EndToEnd,
}

impl Stage {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// The packages that are compiled for this machine.
const NATIVE: [&str; 10] = ["-p", "domain", "-p", "engine", "-p", "server", "-p", "app", "-p", "xtask"];

/// Runs the chosen stages; an error when one failed.
pub fn run(choice: &Choice) -> Result<()> {
    let mut lines = Vec::new();
    let mut failed: Vec<Stage> = Vec::new();
    for stage in Stage::value_variants().iter().copied() {
        let unwanted = (!choice.only.is_empty() && !choice.only.contains(&stage)) || choice.skip.contains(&stage);
        let lacks = failed.iter().find(|earlier| needs(stage, **earlier));
        if unwanted {
            lines.push(format!("{:<12} not asked for", stage.name()));
        } else if let Some(earlier) = lacks {
            lines.push(format!("{:<12} NOT RUN: it needs `{}`", stage.name(), earlier.name()));
            failed.push(stage);
        } else {
            println!("\n=== {} ===", stage.name());
            let begun = Instant::now();
            let (outcome, counts) = one(stage, choice);
            let counts = counts.map_or_else(String::new, |counts| counts.to_string());
            let word = if outcome.is_ok() { "ok" } else { "FAILED" };
            lines.push(format!("{:<12} {word:<8} {:>7.1} s  {counts}", stage.name(), begun.elapsed().as_secs_f64()));
            if let Err(error) = outcome {
                eprintln!("{}: {error:#}", stage.name());
                lines.push(format!("{:<12}   {error:#}", ""));
                failed.push(stage);
            }
        }
        if crate::stop::requests().was_asked() {
            break;
        }
    }
    println!("\n=== summary ===");
    lines.iter().for_each(|line| println!("{line}"));
    if !failed.is_empty() {
        bail!("failed: {}", failed.iter().map(|stage| stage.name()).collect::<Vec<_>>().join(", "));
    }
    Ok(())
}

/// Whether `stage` cannot mean anything after `earlier` failed.
fn needs(stage: Stage, earlier: Stage) -> bool {
    matches!((stage, earlier), (Stage::EndToEnd, Stage::Build | Stage::Prepare))
}

fn one(stage: Stage, choice: &Choice) -> (Result<()>, Option<Counts>) {
    match stage {
        Stage::Prepare => (packages::ensure(), None),
        Stage::Format => (print(process::cargo().args(["fmt", "--all", "--check"])), None),
        Stage::Clippy => (clippy(), None),
        Stage::Unit => {
            let mut counts = Counts::default();
            let call = process::cargo().arg("test").args(NATIVE).args(["--features", "app/ssr", "--no-fail-fast"]);
            let outcome = call.stream(|line| {
                println!("{line}");
                counts.add_cargo_line(line);
            });
            (outcome.and_then(|()| some_ran(counts)), Some(counts))
        }
        Stage::Docs => {
            let call = process::cargo().args(["doc", "--no-deps", "--document-private-items"]).args(NATIVE).args(["--features", "app/ssr"]);
            (print(call.env("RUSTDOCFLAGS", "-D warnings")), None)
        }
        Stage::Build => (site::build().map(drop), None),
        Stage::EndToEnd => match end_to_end(choice) {
            Ok((outcome, counts)) => (outcome.and_then(|()| some_ran(counts)), Some(counts)),
            Err(error) => (Err(error), None),
        },
    }
}

fn some_ran(counts: Counts) -> Result<()> {
    if counts.passed == 0 { bail!("no test ran") } else { Ok(()) }
}

fn print(call: Call) -> Result<()> {
    call.stream(|line| println!("{line}"))
}

/// Twice, as the code is compiled twice: `ssr` and `hydrate` exclude each other.
fn clippy() -> Result<()> {
    let strict = ["--", "-D", "warnings"];
    print(process::cargo().arg("clippy").args(NATIVE).args(["--features", "app/ssr", "--all-targets"]).args(strict))?;
    print(
        process::cargo()
            .args(["clippy", "-p", "frontend", "-p", "app", "--features", "app/hydrate", "--target", site::WASM_TARGET])
            .args(strict),
    )
}

/// Playwright, against a copy of the binary that stands alone in a folder: whatever it needs of the checkout would lack there.
fn end_to_end(choice: &Choice) -> Result<(Result<()>, Counts)> {
    let folder = machine::root().join("end2end");
    let alone = tempfile::Builder::new().prefix("exlab-binary-").tempdir().context("cannot make a folder for the binary")?;
    let binary = alone.path().join("exlab-orchestrator");
    fs::copy(machine::release_binary()?, &binary).context("there is no binary: `cargo xtask build` makes it")?;
    print(Call::new("npx").args(["--no-install", "tsc", "--noEmit"]).cwd(&folder))?;
    let report = folder.join("test-results/report.json");
    remove_old(&report)?;
    let call = Call::new("npx")
        .args(["--no-install", "playwright", "test"])
        .args(&choice.playwright)
        .cwd(&folder)
        .env("EXLAB_BINARY", &binary)
        .env("CHROMIUM", packages::chromium()?)
        .env("PLAYWRIGHT_JSON_OUTPUT_FILE", &report);
    let outcome = print(call);
    Ok((outcome, Counts::of_playwright(&report)?))
}

fn remove_old(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}
