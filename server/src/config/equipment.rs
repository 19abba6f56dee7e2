//! `equipment[]`: what is pushed here, when it is complete, and where it goes.

use super::node::Node;
use super::section::{Located, Report, Section};
use super::transport::{self, PlacedTarget};
use crate::environment::Environment;
use domain::completeness::Signal;
use domain::settings::{Equipment, Transport};

#[derive(Clone, Copy)]
enum SignalKind {
    Sentinel,
    Manifest,
}

const SIGNALS: [(&str, SignalKind); 2] = [("sentinel_file", SignalKind::Sentinel), ("manifest", SignalKind::Manifest)];
const STAGING_TRANSPORTS: [(&str, &str); 2] = [("smb_mount", "smb_mount"), ("file_transfer", "file_transfer")];
/// `nas`: synced from here. `stage`: another workstation syncs it.
const SYNC_MODES: [(&str, bool); 2] = [("nas", true), ("stage", false)];

/// Reads all equipment and what they must not have in common.
pub fn read_all(root: &mut Section<'_>, staging_root: Option<&str>, environment: &Environment) -> Vec<Equipment> {
    let report = root.report();
    let mut read: Vec<(Located<Equipment>, Option<Located<()>>)> = Vec::new();
    for (index, node) in root.list("equipment").iter().enumerate() {
        let Some((equipment, transport_at)) = read_one(index, node, report, environment) else { continue };
        if let Some(twin) = read.iter().find(|(other, _)| other.value.id == equipment.value.id) {
            let (id, line) = (&equipment.value.id, twin.0.at.line);
            report.add(
                equipment.at,
                format!("equipment[{index}].id: {id} is already used in line {line}; every equipment needs its own id"),
            );
        }
        read.push((equipment, transport_at));
    }
    let placed: Vec<PlacedTarget<'_>> = read
        .iter()
        .filter_map(|(equipment, at)| {
            let target = &equipment.value.transport.as_ref()?.target;
            Some(PlacedTarget { equipment: &equipment.value.id, at: at.as_ref()?.at, target })
        })
        .collect();
    check_places(&placed, staging_root, report);
    read.into_iter().map(|(equipment, _)| equipment.value).collect()
}

fn read_one(
    index: usize,
    node: &Node,
    report: &Report,
    environment: &Environment,
) -> Option<(Located<Equipment>, Option<Located<()>>)> {
    let mut section = Section::new(format!("equipment[{index}]"), node.at, node, report);
    let id = read_id(&mut section);
    let label = section.text("label").map(|label| label.value);
    let signal = read_signal(&mut section);
    let settle_seconds = section.whole("settle_seconds", 1..=86_400);
    let open_files_wait_seconds = section.whole("open_files_wait_seconds", 0..=604_800).unwrap_or(3_600);
    let synced_here = section.word("sync_mode", &SYNC_MODES).unwrap_or(true);
    let transport = read_transport(&mut section, synced_here, environment);
    let staging_transport = read_staging_transport(&mut section);
    if !synced_here {
        section.means_nothing("transport", "another workstation sends its runs (sync_mode: stage)");
    }
    // Folders of the Python system's other duties.
    section.ignore(&["local_root", "nas_root"]);
    section.finish();
    let id = id?;
    let (transport, at) = match transport {
        Some(Located { at, value }) => (Some(value), Some(Located { at, value: () })),
        None => (None, None),
    };
    let label = label.unwrap_or_else(|| id.value.clone());
    let equipment = Equipment {
        id: id.value,
        label,
        signal,
        settle_seconds,
        open_files_wait_seconds,
        synced_here,
        transport,
        staging_transport,
    };
    Some((Located { at: id.at, value: equipment }, at))
}

fn read_id(section: &mut Section<'_>) -> Option<Located<String>> {
    let id = section.required_text("id", "write the folder name below the staging root, e.g. CONFOCAL_01")?;
    if is_equipment_id(&id.value) {
        return Some(id);
    }
    section.mistake(
        id.at,
        "id",
        format!(
            "{:?} is not an equipment id; write 1-32 of A-Z, 0-9 and _, beginning with a letter, e.g. CONFOCAL_01",
            id.value
        ),
    );
    None
}

/// `^[A-Z][A-Z0-9_]*$`, 1-32 characters (docs/format.md).
fn is_equipment_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    text.len() <= 32 && text.starts_with(|c: char| c.is_ascii_uppercase()) && text.bytes().all(allowed)
}

fn read_signal(section: &mut Section<'_>) -> Option<Signal> {
    let kind = section.word("completeness_signal", &SIGNALS);
    let unset = section.take("completeness_signal").is_none();
    let sentinel = section.text("sentinel_filename");
    let manifest = section.text("manifest_filename");
    if unset && (sentinel.is_some() || manifest.is_some()) {
        section.missing("completeness_signal", "write sentinel_file or manifest");
    }
    let (key, what, name) = match kind? {
        SignalKind::Sentinel => {
            ("sentinel_filename", "write the name of the file that says the run is complete", sentinel)
        }
        SignalKind::Manifest => {
            ("manifest_filename", "write the name of the file that lists the run's files", manifest)
        }
    };
    if name.is_none() {
        section.required_text(key, what);
    }
    match kind? {
        SignalKind::Sentinel => section.means_nothing("manifest_filename", "the signal is sentinel_file"),
        SignalKind::Manifest => section.means_nothing("sentinel_filename", "the signal is manifest"),
    }
    let name = name?;
    let signal = match kind? {
        SignalKind::Sentinel => Signal::sentinel(&name.value),
        SignalKind::Manifest => Signal::manifest(&name.value),
    };
    signal.map_err(|sentence| section.mistake(name.at, key, sentence)).ok()
}

fn read_transport(
    section: &mut Section<'_>,
    synced_here: bool,
    environment: &Environment,
) -> Option<Located<Transport>> {
    if section.take("transport").is_some() {
        return transport::read(section.section("transport"), environment);
    }
    if synced_here {
        section.missing(
            "transport",
            "say where its runs go, or write `sync_mode: stage` when another workstation sends them",
        );
    }
    None
}

fn read_staging_transport(section: &mut Section<'_>) -> String {
    let mut hop = section.section("orchestrator_staging_transport");
    let kind = hop.word("type", &STAGING_TRANSPORTS).unwrap_or("smb_mount");
    hop.ignore(&["mount_point", "staging_subpath"]);
    hop.finish();
    kind.to_owned()
}

fn check_places(placed: &[PlacedTarget<'_>], staging_root: Option<&str>, report: &Report) {
    for (index, this) in placed.iter().enumerate() {
        let name = format!("transport of {}", this.equipment);
        let key = transport::place_key(this.target);
        if let Some(Err(what)) = staging_root.map(|root| transport::apart_from_staging(this.target, root)) {
            report.add(this.at, format!("{name}: {key}: {what}"));
        }
        let place = transport::shared_place(this.target);
        if let Some(twin) = placed[..index].iter().find(|other| transport::shared_place(other.target) == place) {
            report.add(
                this.at,
                format!(
                    "{name}: {} already belongs to {}; give every equipment a folder of its own",
                    this.target.describe(),
                    twin.equipment
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equipment_ids_as_the_python_system_judges_them() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../app/domain/tests/fixtures/vectors/names.json")).unwrap();
        let cases = vectors["equipment_id"].as_object().unwrap();
        for (text, accepted) in cases {
            assert_eq!(is_equipment_id(text), accepted.as_bool().unwrap(), "{text:?}");
        }
        assert!(cases.len() > 5);
    }
}
