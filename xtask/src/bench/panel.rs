//! How the panel feels with 5,000 runs, in headless Chromium (end2end/measure/panel.mjs), and what it weighs on the
//! wire.

use super::scene::Scene;
use super::table::{Row, value};
use crate::process::Call;
use anyhow::{Context, Result};

/// Patches, scrolling, layout shifts, and the compressed size of what the first page loads; parts of other pages come
/// later.
pub fn measure(scene: &mut Scene) -> Result<Vec<Row>> {
    let folder = crate::machine::root().join("end2end");
    crate::packages::node_modules()?;
    let text = Call::new("node")
        .args(["measure/panel.mjs"])
        .arg(scene.lab.url(""))
        .cwd(&folder)
        .env("CHROMIUM", crate::packages::chromium()?)
        .read()?;
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let measured: serde_json::Value =
        serde_json::from_str(line).with_context(|| format!("measure/panel.mjs says {text:?}"))?;
    let number = |key: &str| measured[key].as_f64().with_context(|| format!("measure/panel.mjs does not say {key}"));
    let row = |what: &str, ours: f64, unit, target| Row {
        what: format!("panel with {} runs: {what}", scene.runs),
        ours: value(ours, unit),
        peer: String::new(),
        theirs: None,
        target,
    };
    let wasm = crate::machine::target_folder()?.join("site/pkg/exlab-orchestrator.wasm.br");
    let kilobytes =
        std::fs::metadata(&wasm).with_context(|| format!("cannot read {}", wasm.display()))?.len() as f64 / 1e3;
    Ok(vec![
        row("first row", number("first_row_ms")?, "ms", "before hydration"),
        row("hydrated", number("hydrated_ms")?, "ms", ""),
        row("event to painted patch, p50", number("patch_ms_p50")?, "ms", "<= 100 ms"),
        row("event to painted patch, slowest", number("patch_ms_max")?, "ms", "<= 100 ms"),
        row("scrolling", number("frames_per_second")?, "frames/s", ">= 50 frames/s"),
        row("layout shift", number("layout_shift")?, "", "< 0.02"),
        row("WebAssembly, compressed", kilobytes, "kB", "<= 350 kB"),
    ])
}
