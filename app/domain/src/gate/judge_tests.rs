use super::*;
use crate::finding::{Finding, OffendingKind, Rule, Tier};
use crate::path::FilePath;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NOW: &str = "2026-06-01T00:00:00Z";

#[derive(Debug)]
struct Scene {
    run: RunPath,
    creation: Option<Creation>,
    equipment: EquipmentStanding,
    validator: Validator,
    already_verified: bool,
}

fn scene() -> Scene {
    Scene {
        run: RunPath::parse("CONFOCAL_01/Cortex Q3 Pilot/Runs/Run_1").unwrap(),
        creation: Some(creation(json!([]))),
        equipment: EquipmentStanding::SyncedHere,
        validator: Validator::default(),
        already_verified: false,
    }
}

fn creation(overrides: Value) -> Creation {
    let document = json!({
        "schema_version": "1.9", "run_kind": "experimental", "lims_project": {"short_id": "P"},
        "plugins_applied": [{"files_affected": ["notes.txt", "notes.md"]}], "validation_overrides": overrides,
    });
    Creation::parse(document.to_string().as_bytes()).unwrap()
}

fn overriding(classes: &[&str]) -> Creation {
    let entries = classes
        .iter()
        .map(|class| json!({"id": format!("o-{class}"), "problem_class": class, "revoked": false, "expires_at": null}));
    creation(Value::Array(entries.collect()))
}

impl Scene {
    fn judge(&self) -> Judge<'_> {
        Judge::new(Circumstances {
            run: &self.run,
            creation: self.creation.as_ref(),
            equipment: self.equipment,
            validator: &self.validator,
            now: Timestamp::parse(NOW).unwrap(),
            already_verified: self.already_verified,
        })
    }

    fn verdict(&self, entries: &[(&[u8], EntryKind)]) -> Verdict {
        let mut judge = self.judge();
        entries.iter().for_each(|(path, kind)| judge.entry(&FilePath::new(*path).unwrap(), *kind));
        judge.finish()
    }
}

fn file(path: &str) -> (&[u8], EntryKind) {
    (path.as_bytes(), EntryKind::File { size: 1 })
}

fn brief(verdict: &Verdict) -> Vec<(&'static str, &str, &str)> {
    verdict.findings().iter().map(|f| (f.rule.as_str(), f.offending_path.as_str(), f.matched_token.as_str())).collect()
}

#[test]
fn an_ordinary_run_is_admitted() {
    let scene = scene();
    let verdict = scene.verdict(&[
        file("data.bin"),
        (b"raw", EntryKind::Folder),
        file("raw/Ünïcode name (1) <2 mM>.tif"),
        file("cam/.exlab-wizard/n.raw"),
        file(".exlab-wizard/a:b"),
    ]);
    assert_eq!(brief(&verdict), []);
    assert_eq!(verdict.admit().unwrap().run(), &scene.run);
}

#[test]
fn a_bad_folder_is_found_once_whether_or_not_it_comes_as_an_entry() {
    let expected = [
        ("illegal_filesystem_character", "raw/a:b", ":"),
        ("illegal_filesystem_character", "raw/a:b/c|d", "|"),
        ("illegal_filesystem_character", "raw/a:b/e?", "?"),
    ];
    let files = [file("raw/a:b/c|d/1"), file("raw/x/1"), file("raw/a:b/c|d/2"), file("raw/a:b/e?")];
    assert_eq!(brief(&scene().verdict(&files)), expected);
    let with_folders =
        [&[(&b"raw/a:b"[..], EntryKind::Folder), (b"raw/a:b/c|d", EntryKind::Folder)], &files[..]].concat();
    let verdict = scene().verdict(&with_folders);
    assert_eq!(brief(&verdict), expected);
    assert_eq!(verdict.findings()[0].offending_kind, OffendingKind::DirectorySegment);
    assert_eq!(verdict.findings()[2].offending_kind, OffendingKind::FileName);
    assert_eq!(
        brief(&scene().verdict(&[(b"CON", EntryKind::Folder)])),
        [("reserved_filesystem_name", "CON", "CON")],
        "folders too"
    );
}

#[test]
fn v9_a_name_that_is_not_utf8_is_shown_and_blocks() {
    let verdict = scene().verdict(&[(b"raw/a\xff.tif", EntryKind::File { size: 1 })]);
    assert_eq!(brief(&verdict), [("illegal_filesystem_character", "raw/a\\xff.tif", "\\xff")]);
    assert!(verdict.admit().is_err());
}

#[rstest]
#[case(EntryKind::Link)]
#[case(EntryKind::Fifo)]
#[case(EntryKind::Socket)]
#[case(EntryKind::Device)]
fn v12_v15_what_is_no_file_blocks_unless_overridden(#[case] kind: EntryKind) {
    let mut scene = scene();
    let entries = [(&b"raw/odd"[..], kind), (b".exlab-wizard", EntryKind::Folder)];
    let verdict = scene.verdict(&entries);
    assert_eq!(brief(&verdict), [("unsupported_file_type", "raw/odd", "odd")]);
    let detail = &verdict.findings()[0].rule_detail;
    assert!(!detail.contains("followed, which"), "{detail}");
    assert!(scene.verdict(&entries).admit().is_err());
    scene.creation = Some(overriding(&["unsupported_file_type"]));
    let verdict = scene.verdict(&entries);
    assert!(verdict.findings()[0].override_active && verdict.admit().is_ok(), "shown still, and let through");
    assert_eq!((verdict.counts().blocking, verdict.counts().overridden), (0, 1));
}

#[test]
fn v12_a_link_in_place_of_the_record_is_found() {
    assert_eq!(
        brief(&scene().verdict(&[(b".exlab-wizard", EntryKind::Link)])),
        [("unsupported_file_type", ".exlab-wizard", ".exlab-wizard")]
    );
}

#[rstest]
#[case(EquipmentStanding::Unconfigured, "is not in the config")]
#[case(EquipmentStanding::NotSyncedHere, "is not synced from here")]
fn no_override_lets_unconfigured_equipment_through(#[case] equipment: EquipmentStanding, #[case] says: &str) {
    let scene = Scene { equipment, creation: Some(overriding(&["unconfigured_equipment"])), ..scene() };
    let blocking = scene.verdict(&[]).admit().unwrap_err();
    assert_eq!(
        (blocking.len(), blocking[0].rule, blocking[0].matched_token.as_str()),
        (1, Rule::UnconfiguredEquipment, "CONFOCAL_01")
    );
    assert!(blocking[0].rule_detail.contains(says));
}

#[test]
fn an_orphan_is_shown_and_goes_through() {
    let verdict = Scene { creation: None, ..scene() }.verdict(&[file("data.bin")]);
    assert_eq!(brief(&verdict), [("orphan", "Run_1", "Run_1")]);
    assert!(verdict.admit().is_ok());
    let orphan = Scene { creation: None, run: RunPath::parse("E/P/TestRuns/Run_1").unwrap(), ..scene() };
    assert_eq!(
        brief(&orphan.verdict(&[])),
        [("mode_prefix_mismatch", "Run_1", "TestRuns"), ("orphan", "Run_1", "Run_1")]
    );
}

#[rstest]
#[case("1.4", json!(null), false)]
#[case("1.5", json!(null), true)]
#[case("1.9", json!("PROJ"), true)]
#[case("1.9", json!({}), false)]
fn lims_project_is_required_from_1_5(#[case] version: &str, #[case] project: Value, #[case] missing: bool) {
    let document = json!({"schema_version": version, "lims_project": project}).to_string();
    let scene = Scene { creation: Some(Creation::parse(document.as_bytes()).unwrap()), ..scene() };
    let expected = [("missing_required_field", ".exlab-wizard/creation.json", "lims_project")];
    assert_eq!(brief(&scene.verdict(&[])), expected[..usize::from(missing)]);
}

#[test]
fn required_readme_fields() {
    let validator = Validator { required_readme_fields: vec!["modality".into(), "irb".into()], ..Validator::default() };
    let scene = Scene { validator, ..scene() };
    let readme = FilePath::new("README.md").unwrap();
    let both = [("missing_required_field", "README.md", "irb"), ("missing_required_field", "README.md", "modality")];
    let unread = |size: Option<u64>| {
        let mut judge = scene.judge();
        if let Some(size) = size {
            judge.entry(&readme, EntryKind::File { size });
        }
        judge.finish()
    };
    for (size, says) in [
        (None, "has no README.md"),
        (Some(9), "could not be read"),
        (Some(6 << 20), "larger than validator.content_scan_max_mib"),
    ] {
        let verdict = unread(size);
        assert_eq!(brief(&verdict), both);
        assert!(verdict.findings()[0].rule_detail.contains(says) && verdict.admit().is_ok());
    }
    let mut judge = scene.judge();
    assert!(judge.wants_content(&readme, 40));
    judge.content(&readme, b"---\nmodality: confocal\nby: <operator>\n---\n<br>");
    judge.entry(&readme, EntryKind::File { size: 40 });
    assert_eq!(brief(&judge.finish()), [("unresolved_placeholder_token", "README.md", "<operator>"), both[0]]);
}

#[test]
fn contents_are_judged_only_where_a_template_wrote() {
    let scene = scene();
    let mut judge = scene.judge();
    for name in ["notes.txt", "notes.md", "instrument.xml"] {
        judge.content(&FilePath::new(name).unwrap(), b"---\n<tag>{{ x }}");
    }
    let expected = [
        ("leftover_jinja_marker", "notes.txt", "{{ x }}"),
        ("unresolved_placeholder_token", "notes.txt", "<tag>"),
        ("malformed_yaml_front_matter", "notes.md", "---"),
    ];
    let verdict = judge.finish();
    assert_eq!(brief(&verdict), expected);
    assert!(verdict.findings().iter().all(|finding| finding.offending_kind == OffendingKind::FileContent));
}

#[test]
fn the_golden_overrides_are_applied_by_class() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/fixtures/vectors/overrides.json")).unwrap();
    let scene = Scene {
        creation: Some(creation(vectors["entries"].clone())),
        run: RunPath::parse("E/P/TestRuns/Run_1").unwrap(),
        ..scene()
    };
    let verdict = scene.verdict(&[file("<name>"), file("a:b"), file("{{x}}"), file("CON")]);
    let active: Vec<_> =
        verdict.findings().iter().map(|finding| (finding.rule.as_str(), finding.override_active)).collect();
    let expected = [
        ("illegal_filesystem_character", false),
        ("leftover_jinja_marker", false),
        ("mode_prefix_mismatch", false),
        ("reserved_filesystem_name", true),
        ("unresolved_placeholder_token", true),
    ];
    assert_eq!(active, expected);
    assert_eq!(verdict.admit().unwrap_err().len(), 3);
}

#[test]
fn findings_made_elsewhere_are_weighed_here() {
    let scene = Scene { already_verified: true, ..scene() };
    let mut judge = scene.judge();
    judge.add(unusable_manifest(&scene.run, "m.json", "it is empty: list the files"));
    let offending = (OffendingKind::FileName, "x".to_owned());
    let forged = Finding::new(Rule::UnsupportedFileType, &scene.run, offending, "x".into(), "d".into());
    judge.add(Finding { tier: Tier::Soft, override_active: true, ..forged });
    let verdict = judge.finish();
    assert!(verdict.findings().iter().all(|finding| finding.synced_under_prior_policy && !finding.override_active));
    assert_eq!(verdict.admit().unwrap_err()[0].rule, Rule::UnsupportedFileType);
}

#[test]
fn a_run_full_of_odd_names_keeps_a_bounded_number_of_findings_and_stays_blocked() {
    let mut scene = scene();
    let count_all = |scene: &Scene| {
        let mut judge = scene.judge();
        for n in 0..12_000 {
            judge.entry(&FilePath::new(format!("raw/{n:05}:")).unwrap(), EntryKind::File { size: 1 });
        }
        judge.entry(&FilePath::new("zz").unwrap(), EntryKind::Fifo);
        judge.finish()
    };
    let verdict = count_all(&scene);
    assert_eq!(verdict.findings().len(), MAX_FINDINGS + 2, "one for each class left out");
    assert!(
        verdict
            .findings()
            .iter()
            .any(|finding| finding.rule_detail.starts_with("2,000 more findings of illegal_filesystem_character"))
    );
    scene.creation = Some(overriding(&["illegal_filesystem_character"]));
    let blocking = count_all(&scene).admit().unwrap_err();
    assert_eq!((blocking.len(), blocking[0].rule), (1, Rule::UnsupportedFileType), "the class left out blocks still");
}

fn any_entries() -> impl Strategy<Value = Vec<(Vec<u8>, EntryKind)>> {
    let segment = prop_oneof![
        3 => "[a-c]{1,2}".prop_map(String::into_bytes),
        2 => "[ab<>{}%:. ]{1,6}".prop_map(String::into_bytes),
        1 => Just(b"con.txt".to_vec()),
        1 => Just(b"README.md".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..4)
    ];
    let path = proptest::collection::vec(segment, 1..4).prop_map(|segments| segments.join(&b'/'));
    let kinds = vec![
        EntryKind::File { size: 1 },
        EntryKind::File { size: u64::MAX },
        EntryKind::Folder,
        EntryKind::Link,
        EntryKind::Fifo,
    ];
    proptest::collection::btree_map(path, proptest::sample::select(kinds), 0..25)
        .prop_map(|entries| entries.into_iter().filter(|(path, _)| FilePath::new(path.clone()).is_ok()).collect())
}

fn verdict_of(scene: &Scene, entries: &[(Vec<u8>, EntryKind)]) -> Verdict {
    let entries: Vec<_> = entries.iter().map(|(path, kind)| (path.as_slice(), *kind)).collect();
    scene.verdict(&entries)
}

fn any_scene() -> impl Strategy<Value = Scene> {
    let paths = vec!["E/P/Runs/Run_1", "E/P./TestRuns/Run_1", "E/{{ p }}/Run_<x>", "CON/P/TestRuns/TestRun_ "];
    let standing = vec![EquipmentStanding::SyncedHere, EquipmentStanding::SyncedHere, EquipmentStanding::Unconfigured];
    (proptest::sample::select(paths), proptest::sample::select(standing), any::<bool>()).prop_map(
        |(path, equipment, orphan)| {
            let creation = if orphan { None } else { Some(overriding(&[])) };
            let validator = Validator { required_readme_fields: vec!["f".into()], ..Validator::default() };
            Scene { run: RunPath::parse(path).unwrap(), creation, equipment, validator, already_verified: orphan }
        },
    )
}

proptest! {
    #[test]
    fn the_order_of_entries_does_not_matter(
        scene in any_scene(),
        (entries, shuffled) in any_entries().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        let text = |verdict: Verdict| serde_json::to_string(verdict.findings()).unwrap();
        prop_assert_eq!(text(verdict_of(&scene, &entries)), text(verdict_of(&scene, &shuffled)), "the same input, the same bytes");
    }

    #[test]
    fn a_run_is_admitted_exactly_when_nothing_blocks(scene in any_scene(), entries in any_entries()) {
        let verdict = verdict_of(&scene, &entries);
        let blocking = verdict.findings().iter().filter(|f| f.rule.tier() == Tier::Hard && !f.override_active).count();
        prop_assert_eq!(verdict.admit().is_ok(), blocking == 0);
        prop_assert_eq!(verdict.admit().err().map_or(0, |found| found.len()), blocking);
        let mut sorted = verdict.findings().to_vec();
        crate::finding::sort(&mut sorted);
        prop_assert_eq!(&sorted[..], verdict.findings());
        prop_assert!(verdict.findings().iter().all(|f| f.run_path == scene.run.as_str() && !f.rule_detail.is_empty()));
    }

    #[test]
    fn an_override_never_lets_another_class_through(
        scene in any_scene(), entries in any_entries(), classes in proptest::collection::btree_set(0..Rule::ALL.len(), 0..6)
    ) {
        let scene = Scene { creation: Some(overriding(&[])), ..scene };
        let blocking = |scene: &Scene| -> BTreeSet<_> { verdict_of(scene, &entries).admit().err().unwrap_or_default().into_iter().map(|f| f.rule).collect() };
        let before = blocking(&scene);
        let classes: Vec<Rule> = classes.into_iter().map(|n| Rule::ALL[n]).collect();
        let names: Vec<&str> = classes.iter().map(|rule| rule.as_str()).collect();
        let after = blocking(&Scene { creation: Some(overriding(&names)), ..scene });
        let expected: BTreeSet<_> = before.into_iter().filter(|rule| !classes.contains(rule) || *rule == Rule::UnconfiguredEquipment).collect();
        prop_assert_eq!(after, expected);
    }
}
