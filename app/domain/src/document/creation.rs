//! `creation.json` 1.9: written by the producer; ours are only `sync_status` and `validation_overrides`
//! (docs/format.md).

use super::{DocumentError, parse_object, raise_minor, text};
use crate::overrides::OverrideEntry;
use crate::path::RunKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const NAME: &str = "creation.json";
const MINOR: u64 = 9;

/// `sync_status`: what the producer's side is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncStatus {
    /// Not sent yet; the default.
    Pending,
    /// Proven at the destination.
    Synced,
    /// Proven, and the local copy is gone.
    Cleaned,
    /// The job gave up.
    Failed,
    /// The gate holds it.
    BlockedByValidation,
}

/// A readable `creation.json` with everything that was in it.
#[derive(Clone, PartialEq, Debug)]
pub struct Creation {
    object: Map<String, Value>,
    minor: u64,
}

/// The completeness signal a producer pushed for equipment unknown here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PushedSignal {
    /// `sentinel_file` or `manifest`, as written.
    pub completeness_signal: Option<String>,
    /// Name of the sentinel inside the run.
    pub sentinel_filename: Option<String>,
    /// Name of the manifest inside the run.
    pub manifest_filename: Option<String>,
}

impl Creation {
    /// Reads the document; other majors, a missing version and unreadable ones are errors.
    pub fn parse(bytes: &[u8]) -> Result<Creation, DocumentError> {
        let (object, minor) = parse_object(NAME, bytes)?;
        Ok(Creation { object, minor })
    }

    /// Compact JSON, as the existing system writes it.
    pub fn to_bytes(&self) -> Vec<u8> {
        Value::Object(self.object.clone()).to_string().into_bytes()
    }

    /// Minor version as found.
    pub fn minor(&self) -> u64 {
        self.minor
    }

    /// Kind as the producer says; `experimental` when absent, `None` when it is a text this version does not know.
    pub fn run_kind(&self) -> Option<RunKind> {
        match text(&self.object, "run_kind") {
            None | Some("experimental") => Some(RunKind::Experimental),
            Some("test") => Some(RunKind::Test),
            Some(_) => None,
        }
    }

    /// `run_kind` as written, when it is a text.
    pub fn run_kind_text(&self) -> Option<&str> {
        text(&self.object, "run_kind")
    }

    /// `lims_project.name_at_creation`, else `lims_project.short_id`.
    pub fn project_name(&self) -> Option<&str> {
        let project = self.object.get("lims_project")?.as_object()?;
        text(project, "name_at_creation").or_else(|| text(project, "short_id"))
    }

    /// `lims_project.short_id`, for the log line.
    pub fn project_short_id(&self) -> Option<&str> {
        text(self.object.get("lims_project")?.as_object()?, "short_id")
    }

    /// True when `lims_project` is an object.
    pub fn has_lims_project(&self) -> bool {
        self.object.get("lims_project").is_some_and(Value::is_object)
    }

    /// `lims_project.source`; `live` when absent.
    pub fn lims_source(&self) -> &str {
        self.object.get("lims_project").and_then(Value::as_object).and_then(|p| text(p, "source")).unwrap_or("live")
    }

    /// Who created the run.
    pub fn created_by(&self) -> Option<&str> {
        text(&self.object, "created_by")
    }

    /// Files that templates or plugins wrote: the only contents the gate may read (docs/operation.md).
    pub fn files_written_by_plugins(&self) -> Vec<&str> {
        let plugins = self.object.get("plugins_applied").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        plugins
            .iter()
            .filter_map(|plugin| plugin.get("files_affected")?.as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// The `orchestrator` block's signal; `None` without a block.
    pub fn pushed_signal(&self) -> Option<PushedSignal> {
        let block = self.object.get("orchestrator")?.as_object()?;
        let own = |key| text(block, key).map(str::to_owned);
        Some(PushedSignal {
            completeness_signal: own("completeness_signal"),
            sentinel_filename: own("sentinel_filename"),
            manifest_filename: own("manifest_filename"),
        })
    }

    /// What the producer's side was told; `pending` when absent. An unknown text is kept and read as `None`.
    pub fn sync_status(&self) -> Option<SyncStatus> {
        match self.object.get("sync_status") {
            None | Some(Value::Null) => Some(SyncStatus::Pending),
            Some(value) => serde_json::from_value(value.clone()).ok(),
        }
    }

    /// Sets `sync_status`; the next write carries minor 9 or the newer one found.
    pub fn set_sync_status(&mut self, status: SyncStatus) {
        raise_minor(&mut self.object, self.minor, MINOR);
        self.object.insert("sync_status".into(), json!(status));
    }

    /// Override entries and tombstones, oldest first. Entries that are no objects are left out here and kept in the
    /// file.
    pub fn overrides(&self) -> Vec<OverrideEntry> {
        let entries = self.object.get("validation_overrides").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        entries.iter().filter_map(Value::as_object).map(OverrideEntry::read).collect()
    }

    /// Gives every override without an id one of `new_id`, so that a tombstone can name it; true when there was any.
    ///
    /// Minors before 1.6 wrote none. The ids last only once the document is written, which the next append does.
    pub fn fill_override_ids(&mut self, mut new_id: impl FnMut() -> String) -> bool {
        let Some(Value::Array(entries)) = self.object.get_mut("validation_overrides") else { return false };
        let mut filled = false;
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            if text(entry, "id").is_none_or(str::is_empty) {
                entry.insert("id".into(), new_id().into());
                filled = true;
            }
        }
        filled
    }

    /// Appends an override or a tombstone; what is there is never touched.
    pub fn append_override(&mut self, entry: &OverrideEntry) {
        raise_minor(&mut self.object, self.minor, MINOR);
        let written = Value::Object(entry.to_object());
        match self.object.get_mut("validation_overrides") {
            Some(Value::Array(entries)) => entries.push(written),
            None | Some(Value::Null) => {
                self.object.insert("validation_overrides".into(), json!([written]));
            }
            // No list, against the schema: kept as the first entry rather than lost.
            Some(other) => *other = json!([other.take(), written]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    macro_rules! fixture {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/fixtures/creation/", $name))
        };
    }

    #[rstest]
    #[case(fixture!("experimental.json"), SyncStatus::Pending, RunKind::Experimental)]
    #[case(fixture!("test.json"), SyncStatus::Pending, RunKind::Test)]
    #[case(fixture!("relay.json"), SyncStatus::Pending, RunKind::Experimental)]
    #[case(fixture!("offline_lims.json"), SyncStatus::Pending, RunKind::Experimental)]
    #[case(fixture!("status_synced.json"), SyncStatus::Synced, RunKind::Experimental)]
    #[case(fixture!("status_cleaned.json"), SyncStatus::Cleaned, RunKind::Experimental)]
    #[case(fixture!("status_failed.json"), SyncStatus::Failed, RunKind::Experimental)]
    #[case(fixture!("status_blocked_by_validation.json"), SyncStatus::BlockedByValidation, RunKind::Experimental)]
    fn golden_documents(#[case] bytes: &[u8], #[case] status: SyncStatus, #[case] kind: RunKind) {
        let creation = Creation::parse(bytes).unwrap();
        assert_eq!(creation.sync_status(), Some(status));
        assert_eq!(creation.run_kind(), Some(kind));
        assert_eq!(creation.to_bytes(), bytes, "rewriting changes nothing that was not asked for");
    }

    #[test]
    fn the_relay_carries_its_own_signal() {
        let signal = Creation::parse(fixture!("relay.json")).unwrap().pushed_signal().unwrap();
        assert_eq!(signal.completeness_signal.as_deref(), Some("manifest"));
        assert_eq!(signal.manifest_filename.as_deref(), Some("run_manifest.json"));
        assert!(Creation::parse(fixture!("offline_lims.json")).unwrap().pushed_signal().is_none());
    }

    #[test]
    fn an_old_minor_is_read_and_raised_by_the_next_write() {
        let mut creation = Creation::parse(fixture!("old_minor_1_5.json")).unwrap();
        assert_eq!(creation.minor(), 5);
        assert_eq!(creation.lims_source(), "live");
        let overrides = creation.overrides();
        assert_eq!((overrides.len(), overrides[0].id.as_str()), (1, ""), "an override without an id is read");
        assert!(creation.fill_override_ids(|| "fresh".into()) && !creation.fill_override_ids(|| "again".into()));
        assert_eq!(creation.overrides()[0].id, "fresh", "now it can be revoked");
        creation.set_sync_status(SyncStatus::Synced);
        assert!(creation.to_bytes().starts_with(br#"{"schema_version":"1.9""#));
    }

    #[rstest]
    #[case(fixture!("major_2.json"), "2.0")]
    #[case(fixture!("no_version.json"), "none")]
    fn other_majors_are_refused(#[case] bytes: &[u8], #[case] version: &str) {
        let Err(DocumentError::SchemaMajorMismatch { expected_major, found, .. }) = Creation::parse(bytes) else {
            panic!("accepted");
        };
        assert_eq!((expected_major, found.as_str()), (1, version));
    }

    #[rstest]
    #[case("null", 1)]
    #[case("[]", 1)]
    #[case("[7]", 2)]
    #[case("\"text\"", 2)]
    #[case("{\"id\":\"a\",\"problem_class\":\"orphan\"}", 2)]
    fn appending_an_override_loses_nothing(#[case] before: &str, #[case] entries: usize) {
        let document = format!(r#"{{"schema_version":"1.9","validation_overrides":{before},"x":1}}"#);
        let mut creation = Creation::parse(document.as_bytes()).unwrap();
        creation.append_override(&OverrideEntry::read(&Map::new()));
        let written: Value = serde_json::from_slice(&creation.to_bytes()).unwrap();
        assert_eq!(written["validation_overrides"].as_array().unwrap().len(), entries);
        assert_eq!(written["x"], 1);
    }

    #[test]
    fn plugins_name_the_files_they_wrote() {
        assert_eq!(
            Creation::parse(fixture!("experimental.json")).unwrap().files_written_by_plugins(),
            ["metadata.xlsx"]
        );
    }
}
