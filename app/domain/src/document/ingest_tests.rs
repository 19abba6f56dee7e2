use super::*;
use proptest::prelude::*;
use rstest::rstest;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/fixtures/ingest/", $name))
    };
}

#[rstest]
#[case(fixture!("staging.json"), "staging", 1)]
#[case(fixture!("complete.json"), "complete", 2)]
#[case(fixture!("sync_queued.json"), "sync_queued", 3)]
#[case(fixture!("sync_verified.json"), "sync_verified", 4)]
#[case(fixture!("cleared.json"), "cleared", 5)]
#[case(fixture!("older_minor.json"), "sync_verified", 4)]
#[case(fixture!("unknown_fields.json"), "sync_verified", 4)]
fn golden_documents_are_read_and_written_to_the_byte(
    #[case] bytes: &[u8],
    #[case] state: &str,
    #[case] entries: usize,
) {
    let ingest = Ingest::parse(bytes).unwrap();
    assert_eq!(ingest.current_state().as_str(), state);
    let history = ingest.history();
    assert_eq!(history.len(), entries);
    assert!(history.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert_eq!(ingest.to_bytes(), bytes);
}

#[test]
fn a_test_run() {
    let ingest = Ingest::parse(fixture!("test_run.json")).unwrap();
    assert_eq!(ingest.run_kind(), Some(RunKind::Test));
}

#[test]
fn the_first_document_is_the_golden_one() {
    let run = RunPath::parse("CONFOCAL_01/Cortex Q3 Pilot/Runs/Run_2026-04-17T14-32").unwrap();
    let first = Ingest::first(&FirstIngest {
        project_name: "Cortex Q3 Pilot",
        run_kind: RunKind::Experimental,
        run: &run,
        transport: "smb_mount",
        at: Timestamp::parse("2026-04-17T14:35:00Z").unwrap(),
        host: "orch-01",
        rest_of: None,
    });
    assert_eq!(first.to_bytes(), fixture!("staging.json"));
}

#[test]
fn appending_gives_the_golden_document() {
    let mut ingest = Ingest::parse(fixture!("staging.json")).unwrap();
    let Value::Object(extra) = json!({"files_received": 142, "bytes_received": 48293847234_u64}) else {
        unreachable!()
    };
    ingest.append(RunState::Complete, Timestamp::parse("2026-04-17T16:12:00Z").unwrap(), "orch-01", extra);
    assert_eq!(ingest.to_bytes(), fixture!("complete.json"));
}

#[test]
fn unknown_fields_survive_a_write_and_a_newer_minor_is_kept() {
    let mut ingest = Ingest::parse(fixture!("unknown_fields.json")).unwrap();
    ingest.append(RunState::Cleared, Timestamp::default(), "h", Map::new());
    let written: Value = serde_json::from_slice(&ingest.to_bytes()).unwrap();
    assert_eq!(written["schema_version"], "1.7");
    assert_eq!(written["x_future"], json!({"a": 1}));
    assert!(written["history"].as_array().unwrap()[..4].iter().all(|entry| entry["x_note"] == "keep me"));
}

#[test]
fn an_older_minor_is_raised_by_the_next_write() {
    let mut ingest = Ingest::parse(fixture!("older_minor.json")).unwrap();
    ingest.append(RunState::Cleared, Timestamp::default(), "h", Map::new());
    assert!(ingest.to_bytes().starts_with(br#"{"schema_version":"1.1""#));
}

#[test]
fn another_major_is_refused() {
    let error = Ingest::parse(fixture!("major_2.json")).unwrap_err();
    assert_eq!(
        error,
        DocumentError::SchemaMajorMismatch { document: "ingest.json", expected_major: 1, found: "2.0".into() }
    );
}

#[rstest]
#[case(fixture!("truncated.json"))]
#[case(b"")]
#[case(b"[]")]
#[case(b"{\"schema_version\":\"1.1\"}")]
#[case(b"{\"schema_version\":\"1.1\",\"current_state\":\"staging\",\"history\":[1]}")]
fn s7_an_unreadable_document_is_an_error_not_a_default(#[case] bytes: &[u8]) {
    assert_eq!(Ingest::parse(bytes).unwrap_err().code(), "document_unreadable");
}

#[test]
fn an_unknown_state_of_a_newer_minor_is_read() {
    let ingest = Ingest::parse(br#"{"schema_version":"1.4","current_state":"archived","history":[]}"#).unwrap();
    assert_eq!(ingest.current_state(), &StateText::Unknown("archived".into()));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        ".{0,8}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-z_]{1,6}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn documents_round_trip_with_anything_in_them(extra in any_json(), note in any_json()) {
        let document = json!({"schema_version": "1.3", "current_state": "staging", "x": extra, "history": [{"state": "staging", "n": note}]});
        let mut ingest = Ingest::parse(document.to_string().as_bytes()).unwrap();
        ingest.append(RunState::Complete, Timestamp::default(), "h", Map::new());
        let written: Value = serde_json::from_slice(&ingest.to_bytes()).unwrap();
        prop_assert_eq!(&written["x"], &document["x"]);
        prop_assert_eq!(&written["history"][0], &document["history"][0]);
        prop_assert_eq!(written["schema_version"].as_str(), Some("1.3"));
    }
}
