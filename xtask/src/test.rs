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
    /// The pure rules: what fails here fails within a minute.
    Domain,
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
    /// Only when asked for: format, lints and tests of the packages that differ from the last commit, and of those that
    /// use them.
    Changed,
}

impl Stage {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// The packages that are compiled for this machine.
const NATIVE: [&str; 12] =
    ["-p", "domain", "-p", "engine", "-p", "engine-bench", "-p", "server", "-p", "app", "-p", "xtask"];
/// Those that the stage before them has not tested.
const OUTSIDE_DOMAIN: [&str; 8] = ["-p", "engine", "-p", "server", "-p", "app", "-p", "xtask"];

/// Runs the chosen stages; an error when one failed.
pub fn run(choice: &Choice) -> Result<()> {
    let mut lines = Vec::new();
    let mut failed: Vec<Stage> = Vec::new();
    for stage in Stage::value_variants().iter().copied() {
        if stage == Stage::Changed && !choice.only.contains(&stage) {
            continue;
        }
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
        Stage::Domain => tests(&["-p", "domain"]),
        Stage::Unit => tests(&[OUTSIDE_DOMAIN.as_slice(), &["--features", "app/ssr"]].concat()),
        Stage::Changed => changed(),
        Stage::Docs => {
            let call = process::cargo()
                .args(["doc", "--no-deps", "--document-private-items"])
                .args(NATIVE)
                .args(["--features", "app/ssr"]);
            (print(call.env("RUSTDOCFLAGS", "-D warnings")), None)
        }
        Stage::Build => (site::build().map(drop), None),
        Stage::EndToEnd => match end_to_end(choice) {
            Ok((outcome, counts)) => (outcome.and_then(|()| some_ran(counts)), Some(counts)),
            Err(error) => (Err(error), None),
        },
    }
}

/// Runs the tests of these packages, all of them.
fn tests(packages: &[&str]) -> (Result<()>, Option<Counts>) {
    let mut counts = Counts::default();
    let call = process::cargo().arg("test").args(packages).arg("--no-fail-fast");
    let outcome = call.stream(|line| {
        println!("{line}");
        counts.add_cargo_line(line);
    });
    (outcome.and_then(|()| some_ran(counts)), Some(counts))
}

/// What differs from the last commit, and whatever is built on it.
fn changed() -> (Result<()>, Option<Counts>) {
    let packages = match changed_files() {
        Ok(files) => packages_of(files.iter().map(String::as_str)),
        Err(error) => return (Err(error), None),
    };
    let mut arguments: Vec<&str> = packages.iter().flat_map(|package| ["-p", package]).collect();
    println!("{}", arguments.join(" "));
    if packages.contains(&"app") {
        arguments.extend(["--features", "app/ssr"]);
    }
    let lints = print(process::cargo().args(["fmt", "--all", "--check"])).and_then(|()| {
        print(process::cargo().arg("clippy").args(&arguments).args(["--all-targets", "--", "-D", "warnings"]))
    });
    match lints {
        Ok(()) => tests(&arguments),
        Err(error) => (Err(error), None),
    }
}

/// Paths that differ from the last commit, and those that git does not know yet.
fn changed_files() -> Result<Vec<String>> {
    let asked = |arguments: &[&str]| Call::new("git").args(arguments).cwd(machine::root()).read();
    let text =
        [asked(&["diff", "--name-only", "HEAD"])?, asked(&["ls-files", "--others", "--exclude-standard"])?].join("\n");
    Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// The packages of these files and those that are built on them. The checks of texts are xtask's tests, whatever was
/// changed.
fn packages_of<'f>(files: impl Iterator<Item = &'f str>) -> Vec<&'static str> {
    /// Where each lies, and what is built on it. The first that a path lies in counts.
    const BUILT_ON: [(&str, &[&str]); 7] = [
        ("app/domain/", &["domain", "engine", "engine-bench", "app", "server"]),
        ("app/", &["app", "server"]),
        ("server/engine/", &["engine", "engine-bench", "server"]),
        ("server/bench/", &["engine-bench"]),
        ("server/", &["server"]),
        ("xtask/", &[]),
        ("Cargo.", &["domain", "engine", "engine-bench", "app", "server"]),
    ];
    let of = |file: &str| {
        BUILT_ON.iter().find(|(folder, _)| file.starts_with(folder)).map_or(&[][..], |(_, packages)| *packages)
    };
    let packages: std::collections::BTreeSet<&str> = files.flat_map(of).copied().chain(["xtask"]).collect();
    packages.into_iter().collect()
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

/// Playwright, against a copy of the binary that stands alone in a folder: whatever it needs of the checkout would lack
/// there.
fn end_to_end(choice: &Choice) -> Result<(Result<()>, Counts)> {
    let folder = machine::root().join("end2end");
    let alone =
        tempfile::Builder::new().prefix("exlab-binary-").tempdir().context("cannot make a folder for the binary")?;
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

#[cfg(test)]
mod tests_of_choices {
    use super::packages_of;

    #[test]
    fn what_is_built_on_a_changed_package_is_tested_too() {
        let of = |files: &[&str]| packages_of(files.iter().copied());
        assert_eq!(of(&["docs/rest.md"]), ["xtask"]);
        assert_eq!(of(&["server/src/main.rs"]), ["server", "xtask"]);
        assert_eq!(of(&["app/domain/src/job.rs"]), ["app", "domain", "engine", "engine-bench", "server", "xtask"]);
        assert_eq!(of(&["app/src/words.rs", "server/bench/Cargo.toml"]), ["app", "engine-bench", "server", "xtask"]);
    }
}
