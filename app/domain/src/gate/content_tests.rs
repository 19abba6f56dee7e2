use super::*;
use rstest::rstest;

fn path(text: &str) -> FilePath {
    FilePath::new(text).unwrap()
}

fn validator() -> Validator {
    Validator { required_readme_fields: vec!["modality".into()], ..Validator::default() }
}

fn creation(files: &[&str]) -> Creation {
    let document =
        serde_json::json!({"schema_version": "1.9", "plugins_applied": [{"plugin": "x", "files_affected": files}]});
    Creation::parse(document.to_string().as_bytes()).unwrap()
}

#[rstest]
#[case("README.md", 10, true)]
#[case("README.md", 5 << 20, true)]
#[case("README.md", (5 << 20) + 1, false)]
#[case("raw/README.md", 10, false)]
#[case("notes.txt", 10, true)]
#[case("meta/SAMPLE.CSV", 10, true)]
#[case("abs.ini", 10, true)]
#[case("win/path.json", 10, true)]
#[case("metadata.xlsx", 10, false)]
#[case("instrument.xml", 10, false)]
#[case(".txt", 10, false)]
#[case("notes.txt", u64::MAX, false)]
fn which_contents_are_asked_for(#[case] file: &str, #[case] size: u64, #[case] wanted: bool) {
    let files = [
        "./notes.txt",
        "meta/SAMPLE.CSV",
        "/data/E/P/Runs/Run_1/abs.ini",
        "Run_1\\win\\path.json",
        "metadata.xlsx",
        ".txt",
    ];
    let (validator, creation) = (validator(), creation(&files));
    assert_eq!(Wanted::new(&validator, Some(&creation), "Run_1").wants(&path(file), size), wanted);
}

#[test]
fn a_file_that_is_not_utf8_is_the_instruments() {
    let (validator, creation) = (validator(), creation(&["a\u{fffd}.txt"]));
    assert!(
        !Wanted::new(&validator, Some(&creation), "Run_1").wants(&FilePath::new(b"a\xff.txt".to_vec()).unwrap(), 1)
    );
}

#[rstest]
#[case("notes.txt", "name: <operator>\n{{ date }}", &["{{ date }}", "<operator>"])]
#[case("notes.txt", "a < b > c, 2 <3>", &[])]
#[case("notes.md", "---\na: <x>\n---\n<b>bold</b>", &["<x>"])]
#[case("notes.md", "no front matter <b>", &[])]
#[case("notes.md", "---\na: <x>", &["---"])]
#[case("README.md", "---\nmodality: {{ modality }}\n---\n", &["{{ modality }}"])]
#[case("README.md", "---\nmodality: confocal\n---\n<b>", &[])]
#[case("README.md", "---\nother: confocal\n---\n", &["modality"])]
#[case("README.md", "# Title", &["modality"])]
#[case("README.md", "", &["modality"])]
#[case("README.md", "---\nmodality: confocal", &["---"])]
#[case("README.md", "\0---\nmodality: confocal\n---\n", &["modality"])]
#[case("notes.txt", "\0<x>", &[])]
fn contents(#[case] file: &str, #[case] text: &str, #[case] tokens: &[&str]) {
    let found: Vec<_> =
        faults(&path(file), text.as_bytes(), &validator()).into_iter().map(|fault| fault.token).collect();
    assert_eq!(found, tokens);
}

#[test]
fn a_nul_counts_only_in_the_first_8_kib() {
    let text = |blanks: usize| format!("{}\0<x>", " ".repeat(blanks));
    assert_eq!(faults(&path("a.txt"), text(8_191).as_bytes(), &validator()).len(), 0);
    assert_eq!(faults(&path("a.txt"), text(8_192).as_bytes(), &validator()).len(), 1);
}

#[test]
fn a_text_that_is_not_utf8_is_scanned_too() {
    assert_eq!(faults(&path("a.txt"), b"\xff<x>\xfe", &validator())[0].token, "<x>");
}
