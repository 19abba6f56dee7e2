use super::*;
use proptest::prelude::*;
use rstest::rstest;

#[rstest]
#[case("CONFOCAL_01/Cortex Q3 Pilot/Runs/Run_2026-04-17T14-32", Shelf::Runs, RunKind::Experimental)]
#[case("E/P/TestRuns/TestRun_1", Shelf::TestRuns, RunKind::Test)]
#[case("E/P/Run_legacy", Shelf::Direct, RunKind::Experimental)]
#[case("E/Runs/Run_1", Shelf::Direct, RunKind::Experimental)]
#[case("E/P/Runs/TestRun_wrong", Shelf::Runs, RunKind::Test)]
fn run_shapes(#[case] text: &str, #[case] shelf: Shelf, #[case] kind: RunKind) {
    let run = RunPath::parse(text).unwrap();
    assert_eq!((run.shelf(), run.kind(), run.as_str()), (shelf, kind, text));
    assert_eq!(format!("{}/{}", run.equipment(), run.below_equipment()), text);
    assert!(text.ends_with(run.leaf()));
}

#[rstest]
#[case("Run_1", None)]
#[case("Run_1.tmp", Some(".tmp"))]
#[case("Run_1.TMP", Some(".tmp"))]
#[case("Run_1.part", Some(".part"))]
#[case("Run_1.partial", Some(".partial"))]
#[case("Run_1.tif.filepart", Some(".filepart"))]
#[case("Run_1.crdownload", Some(".crdownload"))]
#[case("~Run_1", Some("~"))]
#[case("Run_~1", None)]
#[case("Run_1.tmp.old", None)]
#[case("Run_part", None)]
#[case("Run_µ", None)]
#[case("", None)]
fn s16_names_of_what_is_not_finished(#[case] name: &str, #[case] expected: Option<&str>) {
    assert_eq!(arriving_name(name), expected);
}

#[rstest]
#[case("")]
#[case("/")]
#[case("E")]
#[case("E/P")]
#[case("E/P/Runs")]
#[case("E/P/Runs/")]
#[case("E/P/Runs/Run_1/")]
#[case("/E/P/Runs/Run_1")]
#[case("E//Runs/Run_1")]
#[case("E/P/./Run_1")]
#[case("E/P/../Run_1")]
#[case("../E/P/Run_1")]
#[case("E/P/Runs/Run_1/raw")]
#[case("E/P/Other/Run_1")]
#[case("E/P/Runs/.Run_1")]
#[case(".trash/P/Runs/Run_1")]
#[case("E/P/Runs/run_1")]
#[case("E/P/Runs/Run_\0")]
fn d1_no_run(#[case] text: &str) {
    assert!(RunPath::parse(text).is_err(), "{text:?}");
}

#[rstest]
#[case("/staging/E/P/Runs/Run_1", true)]
#[case("E/P/Runs/Run_1", true)]
#[case("/staging2/E/P/Runs/Run_1", false)]
#[case("/staging", false)]
#[case("/staging//E/P/Runs/Run_1", false)]
#[case("/staging/../staging/E/P/Runs/Run_1", false)]
fn d1_requests_stay_below_the_root(#[case] text: &str, #[case] accepted: bool) {
    assert_eq!(RunPath::parse_request(text, "/staging").is_ok(), accepted);
    assert_eq!(RunPath::parse_request(text, "/staging/").is_ok(), accepted);
}

#[rstest]
#[case("/elsewhere/\0", PathError::NotPlain("/elsewhere/\0".into()))]
#[case("/elsewhere/", PathError::NotPlain("/elsewhere/".into()))]
#[case("/", PathError::NotPlain("/".into()))]
#[case("", PathError::NotPlain(String::new()))]
#[case("/elsewhere", PathError::Outside("/elsewhere".into()))]
#[case("/staging/E", PathError::NotARun("E".into()))]
fn d1_what_is_not_plain_is_told_from_what_is_unknown(#[case] text: &str, #[case] error: PathError) {
    assert_eq!(RunPath::parse_request(text, "/staging"), Err(error));
}

#[test]
fn bytes_are_shown() {
    assert_eq!(FilePath::new(b"a/\xff\xfeb".to_vec()).unwrap().to_string(), "a/\\xff\\xfeb");
}

proptest! {
    #[test]
    fn a_run_path_cannot_escape(text in "[A-Za-z_./\\\\ \0]{0,40}") {
        if let Ok(run) = RunPath::parse(&text) {
            prop_assert!(run.segments().all(|s| !s.is_empty() && !s.starts_with('.') && !s.contains('\0')));
            prop_assert!((3..=4).contains(&run.segments().count()));
            prop_assert!(!run.as_str().starts_with('/'));
        }
    }

    #[test]
    fn a_file_path_cannot_escape(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
        if let Ok(file) = FilePath::new(bytes) {
            prop_assert!(file.segments().all(|s| !s.is_empty() && s != b"." && s != b".." && !s.contains(&0)));
        }
    }
}
