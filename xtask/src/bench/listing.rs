//! GET /staging over loopback: median and 99th percentile; and what a health check waits meanwhile.

use super::http::Client;
use super::scene::Scene;
use super::table::{Row, percentile, value};
use anyhow::{Result, bail};
use std::sync::atomic::{AtomicBool, Ordering};

const REQUESTS: usize = 300;
const WARM_UP: usize = 20;

/// What the Python system needs, in ms, and what ours is designed for.
pub struct Reference {
    p50: f64,
    p99: Option<f64>,
    targets: [&'static str; 2],
    beside: bool,
}

/// 1,000 runs.
pub const THOUSAND: Reference = Reference { p50: 158.0, p99: Some(215.0), targets: ["", "<= 5 ms"], beside: false };

/// 5,000 runs.
pub const FIVE_THOUSAND: Reference = Reference { p50: 820.0, p99: None, targets: ["", "<= 20 ms"], beside: true };

/// Times the requests.
pub fn measure(scene: &mut Scene, reference: &Reference) -> Result<Vec<Row>> {
    let url = scene.lab.url("/staging");
    let client = Client::new();
    let listed = client.json(&url)?["runs"].as_array().map_or(0, Vec::len);
    if listed != scene.runs {
        bail!("GET /staging lists {listed} runs, not {}", scene.runs);
    }
    let ended = AtomicBool::new(false);
    let (samples, beside) = std::thread::scope(|scope| {
        let health = scope.spawn(|| health_meanwhile(&scene.lab.url("/healthz"), &ended));
        let samples = sample(&client, &url);
        ended.store(true, Ordering::Relaxed);
        (samples, health.join())
    });
    let samples = samples?;
    let what = |which: &str| format!("GET /staging, {} x {} files, {which}", scene.runs, super::scene::FILES_PER_RUN);
    let row = |which: &str, share: f64, theirs: Option<f64>, target: &'static str| Row {
        what: what(which),
        ours: value(percentile(&samples, share), "ms"),
        peer: "Python system (reference)".into(),
        theirs: theirs.map(|number| value(number, "ms")),
        target,
    };
    let mut rows = vec![
        row("p50", 0.5, Some(reference.p50), reference.targets[0]),
        row("p99", 0.99, reference.p99, reference.targets[1]),
    ];
    if reference.beside {
        let beside = beside.map_err(|_| anyhow::anyhow!("the health checks panicked"))??;
        rows.push(Row {
            what: "  GET /healthz meanwhile, p99".into(),
            ours: value(percentile(&beside, 0.99), "ms"),
            peer: "Python system (reference)".into(),
            theirs: Some(value(reference.p50, "ms")),
            target: "nothing waits",
        });
    }
    Ok(rows)
}

fn sample(client: &Client, url: &str) -> Result<Vec<f64>> {
    for _ in 0..WARM_UP {
        client.get(url)?;
    }
    (0..REQUESTS).map(|_| client.time(url)).collect()
}

fn health_meanwhile(url: &str, ended: &AtomicBool) -> Result<Vec<f64>> {
    let client = Client::new();
    let mut samples = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        samples.push(client.time(url)?);
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    Ok(samples)
}
