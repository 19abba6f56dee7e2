use super::*;
use proptest::prelude::*;
use rstest::rstest;

fn listed(manifest: &Manifest) -> Vec<(String, u64)> {
    manifest.files.iter().map(|(path, size)| (path.to_string(), *size)).collect()
}

#[test]
fn the_golden_manifest() {
    let manifest = Manifest::parse(include_bytes!("../tests/fixtures/manifest/run_manifest.json")).unwrap();
    assert_eq!(listed(&manifest), [("a.bin".into(), 5), ("raw/b.tif".into(), 10)]);
}

#[rstest]
#[case(r#"{"files":[{"path":"a","size":0}]}"#)]
#[case(r#"{"version":{"x":[1]},"files":[{"sha256":null,"path":"a","size":0,"x":{}}],"z":1}"#)]
#[case("\u{feff}{\"files\":[{\"path\":\"a\",\"size\":0}]}")]
fn usable(#[case] text: &str) {
    assert_eq!(listed(&Manifest::parse(text.as_bytes()).unwrap()), [("a".into(), 0)]);
}

#[test]
fn the_record_and_the_manifest_itself_may_be_listed() {
    let text = br#"{"files":[{"path":".exlab-wizard/creation.json","size":1},{"path":"run_manifest.json","size":18446744073709551615}]}"#;
    assert_eq!(Manifest::parse(text).unwrap().files[1].1, u64::MAX);
}

#[rstest]
#[case("", "not JSON")]
#[case("{\"files\":[{\"path\":\"a\",\"size\":1}", "not JSON")]
#[case("{\"files\":[{\"path\":\"a\",\"size\":1}]} x", "not JSON")]
#[case("[]", "an object with `files`")]
#[case("{}", "has no `files`")]
#[case(r#"{"Files":[{"path":"a","size":1}]}"#, "has no `files`")]
#[case(r#"{"files":[]}"#, "`files` is empty")]
#[case(r#"{"files":{}}"#, "a list of files")]
#[case(r#"{"files":null}"#, "a list of files")]
#[case(r#"{"files":"a"}"#, "a list of files")]
#[case(r#"{"files":[{"path":"a","size":1}],"files":[]}"#, "`files` twice")]
#[case(r#"{"files":[{"path":"a","size":1},"b"]}"#, "files[1] is a text: it must be an object")]
#[case(r#"{"files":[["a",1]]}"#, "files[0] is a list")]
#[case(r#"{"files":[{"size":1}]}"#, "files[0] has no `path`")]
#[case(r#"{"files":[{"path":["a"],"size":1}]}"#, "has a list as `path`")]
#[case(r#"{"files":[{"path":"a"}]}"#, "files[0] (\"a\") has no `size`")]
#[case(
    r#"{"files":[{"path":"a","size":1},{"path":"b","size":-1}]}"#,
    "files[1] (\"b\") has a negative number as `size`"
)]
#[case(r#"{"files":[{"path":"a","size":1.0}]}"#, "not whole")]
#[case(r#"{"files":[{"path":"a","size":1e3}]}"#, "not whole")]
#[case(r#"{"files":[{"path":"a","size":18446744073709551616}]}"#, "not whole")]
#[case(r#"{"files":[{"path":"a","size":"1"}]}"#, "has a text as `size`")]
#[case(r#"{"files":[{"path":"a","size":true}]}"#, "has a boolean as `size`")]
#[case(r#"{"files":[{"path":"a","size":null}]}"#, "has null as `size`")]
#[case(r#"{"files":[{"path":"a","size":1,"size":2}]}"#, "a key twice")]
#[case(r#"{"files":[{"path":"/etc/passwd","size":1}]}"#, "absolute path \"/etc/passwd\"")]
#[case(r#"{"files":[{"path":"C:\\data\\a","size":1}]}"#, "absolute path")]
#[case(r#"{"files":[{"path":"\\\\nas\\a","size":1}]}"#, "absolute path")]
#[case(r#"{"files":[{"path":"../a","size":1}]}"#, "has the path \"../a\"")]
#[case(r#"{"files":[{"path":"a/../b","size":1}]}"#, "has the path")]
#[case(r#"{"files":[{"path":"./a","size":1}]}"#, "has the path")]
#[case(r#"{"files":[{"path":"a/","size":1}]}"#, "has the path")]
#[case(r#"{"files":[{"path":"","size":1}]}"#, "has the path")]
#[case(r#"{"files":[{"path":"raw\\..\\raw\\a.bin","size":1}]}"#, "has the path")]
#[case(r#"{"files":[{"path":"..\\a.bin","size":1}]}"#, "has the path")]
#[case(r#"{"files":[{"path":"raw/..\\..\\a.bin","size":1}]}"#, "has the path")]
#[case(r#"{"files":[{"path":".\\","size":1}]}"#, "has the path")]
#[case("{\"files\":[{\"path\":\"a\\u0000\",\"size\":1}]}", "has the path")]
#[case(
    r#"{"files":[{"path":"a","size":1},{"path":"b","size":1},{"path":"a","size":1}]}"#,
    "files[2] lists a a second time"
)]
fn unusable(#[case] text: &str, #[case] says: &str) {
    let sentence = Manifest::parse(text.as_bytes()).unwrap_err();
    assert!(sentence.contains(says), "{sentence}");
}

#[rstest]
#[case("acquisition_complete.flag", true)]
#[case(".done", true)]
#[case("run finished", true)]
#[case("Ünï.json", true)]
#[case("", false)]
#[case(".", false)]
#[case("..", false)]
#[case("../done", false)]
#[case("/done", false)]
#[case("raw/done", false)]
#[case("raw\\done", false)]
#[case("done\n", false)]
#[case("done\0", false)]
#[case(".exlab-wizard", false)]
fn d1_a_signal_is_one_name_inside_the_run(#[case] name: &str, #[case] accepted: bool) {
    for signal in [Signal::sentinel(name), Signal::manifest(name)] {
        assert_eq!(signal.is_ok(), accepted, "{signal:?}");
        if let Ok(signal) = signal {
            assert_eq!(signal.file().unwrap().segments().count(), 1);
        }
    }
}

fn pushed(signal: Option<&str>, sentinel: Option<&str>, manifest: Option<&str>) -> Option<Result<Signal, String>> {
    let own = |text: Option<&str>| text.map(str::to_owned);
    let (sentinel_filename, manifest_filename) = (own(sentinel), own(manifest));
    Signal::from_pushed(&PushedSignal { completeness_signal: own(signal), sentinel_filename, manifest_filename })
}

#[test]
fn pushed_signals() {
    assert_eq!(pushed(None, Some("done"), None), None);
    assert_eq!(pushed(Some("sentinel_file"), Some("done"), Some("m")).unwrap(), Signal::sentinel("done"));
    assert_eq!(pushed(Some("manifest"), Some("done"), Some("m")).unwrap(), Signal::manifest("m"));
    for refused in [
        pushed(Some("sentinel_file"), None, Some("m")),
        pushed(Some("manifest"), None, Some("../m")),
        pushed(Some("vibes"), None, None),
    ] {
        let sentence = refused.unwrap().unwrap_err();
        assert!(sentence.contains(": "), "says what to do: {sentence}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Manifest::parse(&bytes).is_err());
    }

    #[test]
    fn what_is_promised_is_read(files in proptest::collection::btree_map("[a-zü \\\\]{1,8}(/[a-z.]{3,8}x)?", any::<u64>(), 1..20)) {
        let list: Vec<_> = files.iter().map(|(path, size)| serde_json::json!({"path": path, "size": size})).collect();
        let text = serde_json::json!({ "files": list }).to_string();
        match Manifest::parse(text.as_bytes()) {
            Ok(manifest) => prop_assert_eq!(listed(&manifest), files.into_iter().collect::<Vec<_>>()),
            Err(sentence) => prop_assert!(files.keys().any(|path| path.starts_with("\\\\") || path == "\\"), "{}", sentence),
        }
    }
}
