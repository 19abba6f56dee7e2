//! The reader of one block: kinds, limits, unknown keys.

use super::*;
use crate::config::node::parse;

#[test]
fn a_reader_collects_every_mistake_in_the_files_order() {
    let node = parse("enable: true\nlabel: 12\nhours: -1\nother: x\nlist: {a: 1}\n").unwrap();
    let report = Report::default();
    let mut section = Section::new("orchestrator", Position::START, &node, &report);
    assert_eq!(section.flag("enabled"), None);
    assert_eq!(section.text("label"), None);
    assert_eq!(section.whole("hours", 1..=u64::MAX), None);
    assert!(section.list("list").is_empty());
    section.finish();
    let lines: Vec<_> = report.into_found().0.into_iter().map(|m| (m.at.line, m.at.column, m.message)).collect();
    assert_eq!(
        lines,
        [
            (1, 1, "orchestrator.enable: unknown key; did you mean `enabled`?".to_owned()),
            (2, 8, "orchestrator.label: expected text; put the value in quotes".to_owned()),
            (3, 8, "orchestrator.hours: -1 is out of range; write a number at least 1".to_owned()),
            (4, 1, "orchestrator.other: unknown key; known here: enabled, hours, label, list".to_owned()),
            (5, 7, "orchestrator.list: expected a list, found a block of keys".to_owned()),
        ]
    );
}

#[test]
fn keys_that_are_known_are_named_once_each_and_what_is_refused_is_not() {
    let node = parse("colour: x\n").unwrap();
    let report = Report::default();
    let mut section = Section::new("transport", Position::START, &node, &report);
    assert!(section.take_refused("password").is_none());
    for key in ["type", "path", "type"] {
        assert_eq!(section.text(key), None);
    }
    section.finish();
    let (mistakes, _) = report.into_found();
    assert_eq!(mistakes[0].message, "transport.colour: unknown key; known here: path, type");
}
