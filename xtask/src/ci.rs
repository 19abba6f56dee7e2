//! `cargo xtask ci`: what a CI machine calls from a fresh clone. All stages of `cargo xtask test`, nothing left out,
//! after saying on what machine they ran.

use crate::process::{self, Call};
use crate::test;
use anyhow::Result;

/// Runs everything.
pub fn run() -> Result<()> {
    let said = |call: Call| {
        call.read().map_or_else(|error| format!("{error:#}"), |text| text.lines().next().unwrap_or_default().to_owned())
    };
    println!("{}", said(process::cargo().arg("--version")));
    println!("{}", said(Call::new("rustc").arg("--version")));
    println!("node {}", said(Call::new("node").arg("--version")));
    println!("{} CPUs", std::thread::available_parallelism().map_or(0, std::num::NonZero::get));
    test::run(&test::Choice::default())
}
