//! The sections without a file of their own: orchestrator, nas_cleanup, sync, verify, validator, readme, logging,
//! server.

use super::node::Value;
use super::place;
use super::quantity::{self, BYTES_FORM, DURATION_FORM};
use super::section::Section;
use crate::environment::Environment;
use domain::proof::ProofLevel;
use domain::settings::{Logging, NasCleanup, Orchestrator, Settings, StagingCleanup, Sync, Validator, Verify};

const LEVELS: [(&str, ProofLevel); 3] = [("L2", ProofLevel::L2), ("L3", ProofLevel::L3), ("L4", ProofLevel::L4)];
const CLEANUP_MODES: [(&str, bool); 2] = [("manual", false), ("scheduled", true)];

/// What `orchestrator` says, before it is known whether it is on.
pub struct OrchestratorRead {
    /// `None`: off, or something that on needs is missing (and was reported).
    pub on: Option<Orchestrator>,
    /// Also known when off, for checks of targets.
    pub staging_root: Option<String>,
}

/// Reads `orchestrator`.
pub fn orchestrator(mut section: Section<'_>, environment: &Environment) -> OrchestratorRead {
    let enabled = section.flag("enabled");
    let label = section.text("label");
    let written = section.text("staging_root");
    let staging_root = written.as_ref().and_then(|text| match place::local_path(&text.value, environment) {
        Ok(path) if path == "/" => {
            section.mistake(text.at, "staging_root", "the whole disk cannot be the staging tree; write a folder");
            None
        }
        Ok(path) => Some(path),
        Err(what) => {
            section.mistake(text.at, "staging_root", what);
            None
        }
    });
    let staging_cleanup = staging_cleanup(section.section("staging_cleanup"));
    let on = enabled.unwrap_or(written.is_some());
    if on {
        section.required_text("label", "the orchestrator is on, so it needs a name for the panel");
        section
            .required_text("staging_root", "the orchestrator is on, so it needs the absolute path of the staging tree");
    }
    section.finish();
    let on = match (on, label, &staging_root) {
        (true, Some(label), Some(root)) => {
            Some(Orchestrator { label: label.value, staging_root: root.clone(), staging_cleanup })
        }
        _ => None,
    };
    OrchestratorRead { on, staging_root }
}

fn staging_cleanup(mut section: Section<'_>) -> StagingCleanup {
    let scheduled = section.word("mode", &CLEANUP_MODES).unwrap_or(false);
    let retain_hours = section.whole_u32("retain_hours", 1..=876_000).unwrap_or(24);
    if !scheduled {
        section.means_nothing("retain_hours", "nothing is cleared by itself (mode: manual)");
    }
    section.finish();
    if scheduled { StagingCleanup::Scheduled { retain_hours } } else { StagingCleanup::Manual }
}

/// Reads `nas_cleanup`.
pub fn nas_cleanup(mut section: Section<'_>) -> NasCleanup {
    let default = NasCleanup::default();
    let read = NasCleanup {
        enabled: section.flag("enabled").unwrap_or(default.enabled),
        min_verify_passes: section.whole_u32("min_verify_passes", 1..=1_000).unwrap_or(default.min_verify_passes),
        min_age_hours: section.whole_u32("min_age_hours", 0..=876_000).unwrap_or(default.min_age_hours),
        retain_cache: section.flag("retain_cache").unwrap_or(default.retain_cache),
    };
    section.finish();
    read
}

/// Reads `sync`.
pub fn sync(mut section: Section<'_>, environment: &Environment) -> Sync {
    let mut read = Sync::default();
    read.enabled = section.flag("enabled").unwrap_or(read.enabled);
    read.retry_attempts = section.whole_u32("retry_attempts", 0..=1_000);
    read.workers =
        section.whole("workers", 1..=64).and_then(|workers| usize::try_from(workers).ok()).unwrap_or(read.workers);
    let mut binaries = section.section("binaries");
    for (key, slot) in
        [("rclone", &mut read.binaries.rclone), ("rsync", &mut read.binaries.rsync), ("ssh", &mut read.binaries.ssh)]
    {
        let Some(text) = binaries.text(key) else { continue };
        match place::program(&text.value, environment) {
            Ok(program) => *slot = program,
            Err(what) => binaries.mistake(text.at, key, what),
        }
    }
    binaries.finish();
    section.finish();
    read
}

/// Reads `verify`.
pub fn verify(mut section: Section<'_>) -> Verify {
    let max_stream_bytes = section.quantity("max_stream_bytes", BYTES_FORM, quantity::bytes).map(|bytes| bytes.value);
    let mut read = Verify { max_stream_bytes, ..Verify::default() };
    if let Some(age) = section.quantity("max_proof_age", DURATION_FORM, quantity::seconds) {
        read.max_proof_age_seconds = age.value;
    }
    match section.text("clear_needs") {
        Some(text) if text.value == "L1" => {
            section.mistake(
                text.at,
                "clear_needs",
                "L1 does not show what the NAS holds, so nothing may be deleted on it; write L2, L3 or L4",
            );
        }
        _ => read.clear_needs = section.word("clear_needs", &LEVELS).unwrap_or(read.clear_needs),
    }
    if let Some(after) = section.quantity("reverify", DURATION_FORM, quantity::seconds) {
        read.reverify_seconds = after.value;
    }
    if let Some(after) = section.quantity("reverify_cleared", DURATION_FORM, quantity::seconds) {
        read.reverify_cleared_seconds = Some(after.value).filter(|seconds| *seconds > 0);
    }
    if let Some(rate) = section.quantity("bytes_per_second", BYTES_FORM, quantity::bytes) {
        if rate.value == 0 {
            section.mistake(rate.at, "bytes_per_second", "must be above 0");
        } else {
            read.bytes_per_second = rate.value;
        }
    }
    section.finish();
    read
}

/// Reads `validator`.
pub fn validator(mut section: Section<'_>) -> Validator {
    let mut read = Validator::default();
    read.content_scan_max_mib = section.whole("content_scan_max_mib", 1..=1_024).unwrap_or(read.content_scan_max_mib);
    if section.take("content_scan_extensions").is_some() {
        read.content_scan_extensions = Vec::new();
        for item in section.list("content_scan_extensions") {
            match &item.value {
                Value::Text(text) if text.trim().starts_with('.') => {
                    read.content_scan_extensions.push(text.trim().to_lowercase())
                }
                _ => section.mistake(item.at, "content_scan_extensions", "write extensions with their dot, e.g. .txt"),
            }
        }
    }
    section.finish();
    read
}

/// Reads `readme.defaults[].required`; everything else there is the Python system's own.
pub fn required_readme_fields(mut section: Section<'_>) -> Vec<String> {
    let (name, report) = (section.name("defaults"), section.report());
    let mut fields = Vec::new();
    for (index, item) in section.list("defaults").iter().enumerate() {
        let mut field = Section::new(format!("{name}[{index}]"), item.at, item, report);
        if field.flag("required").unwrap_or(false) {
            fields.extend(
                field.required_text("id", "a required field needs the name it has in README.md").map(|id| id.value),
            );
        }
    }
    fields
}

/// Reads `logging`.
pub fn logging(mut section: Section<'_>) -> Logging {
    let mut read = Logging::default();
    if let Some(level) = section.text("level") {
        match level.value.to_ascii_lowercase().as_str() {
            known @ ("error" | "warn" | "info" | "debug") => read.level = known.to_owned(),
            "warning" => read.level = "warn".to_owned(),
            _ => section.mistake(
                level.at,
                "level",
                format!("{:?} is not known; write one of: ERROR, WARN, INFO, DEBUG", level.value),
            ),
        }
    }
    read.central_log_max_mb = section.whole("central_log_max_mb", 1..=100_000).unwrap_or(read.central_log_max_mb);
    read.central_log_keep = section.whole_u32("central_log_keep", 1..=1_000).unwrap_or(read.central_log_keep);
    section.finish();
    read
}

/// Reads `server`: the address to listen on.
pub fn listen(mut section: Section<'_>) -> String {
    let written = section.text("listen");
    let address = written.and_then(|text| match place::listen_address(&text.value) {
        Ok(address) => Some(address.to_string()),
        Err(what) => {
            section.mistake(text.at, "listen", what);
            None
        }
    });
    section.finish();
    address.unwrap_or_else(|| Settings::default().listen)
}
