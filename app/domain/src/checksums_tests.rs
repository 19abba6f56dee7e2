use super::*;
use proptest::prelude::*;
use rstest::rstest;
use std::collections::BTreeMap;

const GOLDEN: &str = include_str!("../tests/fixtures/checksums/checksums.sha256");
const EMPTY_DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn line(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_line(&mut out, &Digest::parse(EMPTY_DIGEST).unwrap(), &FilePath::new(name).unwrap());
    out
}

#[test]
fn the_golden_file_is_read_and_written_to_the_byte() {
    let mut files: Vec<_> =
        GOLDEN.lines().map(|line| parse_line(line.as_bytes()).unwrap()).map(|(d, p)| (p, d)).collect();
    assert_eq!(files.len(), 4);
    files.reverse();
    files.sort();
    let mut written = Vec::new();
    files.iter().for_each(|(path, digest)| write_line(&mut written, digest, path));
    assert_eq!(written, GOLDEN.as_bytes());
}

#[test]
fn d7_the_golden_inputs_list_the_nested_record_folder_too() {
    let inputs: BTreeMap<String, String> =
        serde_json::from_str(include_str!("../tests/fixtures/checksums/inputs.json")).unwrap();
    let golden: Vec<_> =
        GOLDEN.lines().filter_map(|line| parse_line(line.as_bytes())).map(|(_, path)| path.to_string()).collect();
    let lacking: Vec<_> = inputs.keys().filter(|name| !golden.contains(name)).collect();
    assert_eq!(lacking, ["cam/.exlab-wizard/nested.raw"], "the existing system left it out");
    let nested = FilePath::new(lacking[0].as_bytes()).unwrap();
    assert!(!nested.is_record(), "it is data, so it is listed");
}

#[rstest]
#[case(b"a b", b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a b\n")]
#[case(b"a\nb", b"\\e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\\nb\n")]
#[case(b"a\\b\r", b"\\e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\\\\b\\r\n")]
#[case(b"\xff", b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  \xff\n")]
fn v9_odd_names(#[case] name: &[u8], #[case] expected: &[u8]) {
    assert_eq!(line(name), expected);
}

#[rstest]
#[case("")]
#[case("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
#[case("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  ")]
#[case("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 a")]
#[case("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g  a")]
#[case("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  /etc/passwd")]
#[case("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a/../b")]
#[case("\\e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\\")]
#[case("\\e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\\t")]
#[case("\\e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\\n/..")]
fn no_line(#[case] text: &str) {
    assert_eq!(parse_line(text.as_bytes()), None);
}

#[test]
fn lines_of_other_writers_are_read() {
    let upper = format!("{} *a\r", EMPTY_DIGEST.to_uppercase());
    let (digest, path) = parse_line(upper.as_bytes()).unwrap();
    assert_eq!((digest.to_string().as_str(), path.as_bytes()), (EMPTY_DIGEST, &b"a"[..]));
    let raw_backslash = format!("{EMPTY_DIGEST}  a\\nb");
    assert_eq!(
        parse_line(raw_backslash.as_bytes()).unwrap().1.as_bytes(),
        b"a\\nb",
        "without a leading backslash nothing is escaped"
    );
}

/// The judge of "what `sha256sum -c` accepts" is `sha256sum -c`.
#[cfg(unix)]
#[test]
fn v9_the_real_tool_accepts_odd_names() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let long = vec![b'x'; 255];
    let names: [&[u8]; 12] = [
        b" leading and trailing ",
        b"new\nline",
        b"\n",
        b"back\\slash",
        b"\\n",
        b"carriage\rreturn",
        b"ends in cr\r",
        b"\xff\xfe not utf-8",
        "Ünï\u{2028}code".as_bytes(),
        b"*star",
        b"# no comment",
        &long,
    ];
    let mut list = Vec::new();
    for name in names {
        std::fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), b"").unwrap();
        list.extend(line(name));
    }
    let list_file = folder.path().join("checksums.list");
    std::fs::write(&list_file, &list).unwrap();
    #[allow(clippy::disallowed_methods)] // a test needs the real tool
    let output = std::process::Command::new("sha256sum")
        .args(["--strict", "-c", "checksums.list"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let accepted = output.stdout.split(|byte| *byte == b'\n').filter(|line| line.ends_with(b": OK")).count();
    assert_eq!(accepted, names.len(), "{}", String::from_utf8_lossy(&output.stdout));

    #[allow(clippy::disallowed_methods)]
    let output = std::process::Command::new("sha256sum")
        .arg("--")
        .args(names.iter().map(|name| std::ffi::OsStr::from_bytes(name)))
        .current_dir(&folder)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&list), "and writes the same");
}

fn any_file_path() -> impl Strategy<Value = FilePath> {
    let odd = prop_oneof![4 => any::<u8>(), 1 => Just(b'\\'), 1 => Just(b'\n'), 1 => Just(b'\r'), 1 => Just(b'/'), 1 => Just(b' ')];
    proptest::collection::vec(odd, 1..40).prop_filter_map("no path", |bytes| FilePath::new(bytes).ok())
}

proptest! {
    #[test]
    fn what_is_written_reads_back(digest in any::<[u8; 32]>(), path in any_file_path()) {
        let mut out = Vec::new();
        write_line(&mut out, &Digest(digest), &path);
        prop_assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
        out.pop();
        prop_assert_eq!(parse_line(&out), Some((Digest(digest), path)));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = parse_line(&bytes);
    }
}
