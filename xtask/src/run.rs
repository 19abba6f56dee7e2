//! `cargo xtask run`: builds, then runs the program on a throw-away demo, or on a real config. Ctrl-C ends everything.

use crate::demo::Demo;
use crate::process::{Call, Running};
use crate::{machine, packages, site, stop};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How to run.
#[derive(Args)]
pub struct Options {
    /// A real config instead of the demo.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

const USUAL_PORT: u16 = 8080;

/// How long the program may take until it listens, and until it ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// Builds and runs until Ctrl-C.
pub fn run(options: &Options) -> Result<()> {
    // The panel is half as large by wasm-opt, which comes with the npm packages; without them it works as well.
    if machine::find_tool("npm").is_some()
        && let Err(error) = packages::node_modules()
    {
        println!("    the npm packages are not here, so the panel stays larger: {error:#}");
    }
    let binary = site::build()?;
    match &options.config {
        Some(config) => real(&binary, config),
        None => demo(&binary),
    }
}

fn real(binary: &Path, config: &Path) -> Result<()> {
    println!("\nexlab-orchestrator serve --config {}   (Ctrl-C ends it)", config.display());
    let call = Call::new(binary).args(["serve", "--config"]).arg(config);
    let outcome = call.stream(|line| println!("{line}"));
    if stop::requests().was_asked() { Ok(()) } else { outcome }
}

fn demo(binary: &Path) -> Result<()> {
    let port = free_port()?;
    let demo = Demo::new(&format!("127.0.0.1:{port}"))?;
    demo.init(binary)?;
    let log = |name: &str| File::create(demo.log(name)).with_context(|| format!("cannot make the log of `{name}`"));
    let serve = Call::new(binary).args(["serve", "--config"]).arg(demo.config());
    let mut server = serve.env("XDG_STATE_HOME", demo.state_home()).start(log("serve")?)?;
    let address = format!("http://127.0.0.1:{port}");
    wait_until_it_answers(&mut server, &address, &demo)?;
    let mut simulator =
        Call::new(binary).args(["simulate", "--staging"]).arg(demo.staging()).start(log("simulate")?)?;

    println!();
    if port != USUAL_PORT {
        println!("(port {USUAL_PORT} is taken, so it is another one)");
    }
    println!("The panel:      {address}");
    println!("Staging tree:   {}", demo.staging().display());
    println!("Pretended NAS:  {}", demo.nas("").display());
    println!("Logs:           {} and simulate.log", demo.log("serve").display());
    println!("Ctrl-C ends it and removes all of this.");
    watch(&mut server, &mut simulator, &demo)
}

/// Until Ctrl-C, or until one of them ends by itself.
fn watch(server: &mut Running, simulator: &mut Running, demo: &Demo) -> Result<()> {
    let mut simulator_done = false;
    while !stop::requests().was_asked() {
        if let Some(status) = server.ended()? {
            show_end_of(&demo.log("serve"));
            bail!("the program ended by itself with {status}");
        }
        if !simulator_done && let Some(status) = simulator.ended()? {
            simulator_done = true;
            if !status.success() {
                show_end_of(&demo.log("simulate"));
                bail!("the simulator ended with {status}");
            }
            println!("The simulator has pushed all its runs.");
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    println!("\nEnding the simulator (process {}) and the program (process {}) ...", simulator.id(), server.id());
    simulator.stop(PATIENCE)?;
    let status = server.stop(PATIENCE)?;
    if !status.success() {
        show_end_of(&demo.log("serve"));
        bail!("the program ended with {status}");
    }
    println!("Done; the demo's folder is removed.");
    Ok(())
}

fn wait_until_it_answers(server: &mut Running, address: &str, demo: &Demo) -> Result<()> {
    let begun = Instant::now();
    while ureq::get(format!("{address}/healthz")).call().is_err() {
        if let Some(status) = server.ended()? {
            show_end_of(&demo.log("serve"));
            bail!("the program ended with {status} before it listened");
        }
        if begun.elapsed() > PATIENCE || stop::requests().was_asked() {
            show_end_of(&demo.log("serve"));
            bail!("the program does not answer at {address}");
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    Ok(())
}

fn show_end_of(log: &Path) {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(20)).for_each(|line| eprintln!("    {line}"));
}

/// The usual port, or any free one.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", USUAL_PORT)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)));
    Ok(listener.context("no port of 127.0.0.1 is free")?.local_addr()?.port())
}
