//! Every law of a destination is asked over every transport. Tests only.

use crate::machine;
use std::fs;
use std::path::PathBuf;

/// Laws that cannot be asked of every destination, and why.
const OF_SOME: [(&str, &str); 6] = [
    ("faithful::closed_folders", "what a server makes of modes is its own over rclone"),
    ("faithful::labels", "rclone carries no labels, and some servers take none"),
    ("faithful::labels_that_nothing_takes", "of a server that takes none"),
    ("faithful::modes_and_holes", "what a server makes of modes and holes is its own over rclone"),
    ("gap::more_than_is_named", "a thousand files over SFTP take minutes, and counting comes before any transport"),
    (
        "rclone::v18_read_back_past_a_shell_that_sees_other_paths",
        "of an account whose shell sees other paths than SFTP",
    ),
];

fn suite() -> PathBuf {
    machine::root().join("server/engine/tests/transport_conformance")
}

/// `module::function` of every law: a public function that takes a destination's maker.
fn laws() -> Vec<String> {
    let mut laws = Vec::new();
    for entry in fs::read_dir(suite()).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let named = text.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.strip_suffix("(make: Make) {"));
        laws.extend(named.map(|name| format!("{module}::{name}")));
    }
    laws.sort();
    laws
}

fn main_of_suite() -> String {
    fs::read_to_string(suite().join("main.rs")).unwrap()
}

#[test]
fn every_law_is_asked_over_all_transports_or_says_why_not() {
    let (laws, main) = (laws(), main_of_suite());
    assert!(laws.len() > 20, "{laws:?}");
    let all = main.split_once("macro_rules! all_laws").unwrap().1.split_once("\n}\n").unwrap().0;
    let asked = |text: &str, law: &str| text.contains(&format!("crate::{law} as "));
    let left_out: Vec<_> = laws.iter().filter(|law| !asked(all, law)).map(String::as_str).collect();
    assert_eq!(left_out, OF_SOME.map(|(law, _)| law), "ask it in all_laws!, or say here why it cannot be asked");
    for (law, why) in OF_SOME {
        assert!(asked(&main, law) && why.len() > 20, "{law} is asked nowhere, or nobody says why");
    }
}

#[test]
fn every_kind_of_transport_is_asked_all_laws() {
    let main = main_of_suite();
    let settings = fs::read_to_string(machine::root().join("server/engine/src/transport/of_settings.rs")).unwrap();
    let kinds: Vec<&str> =
        settings.split("Target::").skip(1).filter_map(|rest| rest.split([' ', '{']).next()).collect();
    assert_eq!(
        kinds,
        ["Mount", "RsyncSsh", "Rclone"],
        "another transport needs an all_laws! of its own, and a line here"
    );
    for asked in ["all_laws!(mount, ", "all_laws!(over_rsync_ssh, ", "all_laws!(over_rclone_current, "] {
        assert!(main.contains(asked), "{asked}");
    }
}
