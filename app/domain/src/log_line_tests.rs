use super::*;
use proptest::prelude::*;
use rstest::rstest;

const GOLDEN: &str = include_str!("../tests/fixtures/logs/wizard.orch-01.log");

fn run() -> RunPath {
    RunPath::parse("CONFOCAL_01/Cortex Q3 Pilot/Runs/Run_2026-04-17T14-32").unwrap()
}

fn line<'a>(run: &'a RunPath, at: &str, level: Level, message: &'a str) -> LogLine<'a> {
    let kind = Some(RunKind::Experimental);
    LogLine {
        at: Timestamp::parse(at).unwrap(),
        level,
        host: Some("orch-01"),
        run: Some(run),
        project: Some("PROJ-0042"),
        kind,
        message,
    }
}

/// Splits a line as a reader with the documented expression does; `None` when the expression does not match.
fn read(line: &str) -> Option<(Vec<(&str, &str)>, &str)> {
    let (stamp, mut rest) = line.split_at_checked(20)?;
    Timestamp::parse(stamp).ok()?;
    rest = [" [INFO ]", " [WARN ]", " [ERROR]", " [DEBUG]"].iter().find_map(|level| rest.strip_prefix(level))?;
    let mut tags = Vec::new();
    while let Some((tag, after)) = rest.strip_prefix(" [").and_then(|rest| rest.split_once(']')) {
        match tag.split_once(':') {
            Some((name, value)) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()) => {
                tags.push((name, value))
            }
            _ => break,
        }
        rest = after;
    }
    Some((tags, rest.strip_prefix(' ')?))
}

#[test]
fn golden_lines_to_the_byte() {
    let run = run();
    let long = "x".repeat(3_000);
    let plain = |at, message| LogLine {
        host: None,
        run: None,
        project: None,
        kind: None,
        ..line(&run, at, Level::Info, message)
    };
    let cleared = "staging cleared: path=/staging/CONFOCAL_01/Cortex Q3 Pilot/Runs/Run_2026-04-17T14-32 files=145 bytes_freed=48293849001 host=orch-01";
    let lines = [
        line(&run, "2026-04-17T16:12:00Z", Level::Info, "run complete: files=142 bytes=48293847234"),
        line(&run, "2026-04-17T16:12:07Z", Level::Info, "NAS sync queued"),
        line(&run, "2026-04-17T16:12:14Z", Level::Warn, "sync retry 1 of 5: network"),
        line(&run, "2026-04-17T16:12:21Z", Level::Error, "hash mismatch: raw/frame_00001.tif"),
        line(&run, "2026-04-17T16:12:28Z", Level::Debug, "hashing raw/frame_00002.tif"),
        line(&run, "2026-04-17T16:12:35Z", Level::Info, cleared),
        plain("2026-04-17T16:12:42Z", "no tags at all"),
        line(&run, "2026-04-17T16:12:42Z", Level::Info, &long),
    ];
    let written: Vec<_> = lines.iter().map(LogLine::format).collect();
    let golden: Vec<_> = GOLDEN.lines().collect();
    assert_eq!(written, golden);
    assert!(GOLDEN.lines().all(|line| read(line).is_some()));
    assert_eq!(written[7].len(), MAX_LINE_BYTES, "the LF is not counted");
}

#[rstest]
#[case("a\n2026-04-17T16:12:00Z [INFO ] forged", "a\\n2026-04-17T16:12:00Z [INFO ] forged")]
#[case("a\r\tb", "a\\r\\tb")]
#[case("\u{1b}[2Jgone\u{7f}\0", "\\x1b[2Jgone\\x7f\\x00")]
#[case("a\u{2028}b\u{2029}c\u{85}d", "a\\u{2028}b\\u{2029}c\\u{85}d")]
#[case("exe\u{202e}fdp", "exe\\u{202e}fdp")]
#[case("[run:Run_other] cleared", "\\x5brun:Run_other] cleared")]
#[case("as it is: [x] \\n Ünï", "as it is: [x] \\n Ünï")]
fn s13_messages_cannot_forge(#[case] message: &str, #[case] shown: &str) {
    let run = run();
    let text = line(&run, "2026-04-17T16:12:00Z", Level::Info, message).format();
    let (tags, rest) = read(&text).unwrap();
    assert_eq!((tags.len(), rest), (5, shown));
}

#[test]
fn s13_tags_cannot_forge() {
    let run = RunPath::parse("E]\n/P/Runs/Run_1] [host:evil").unwrap();
    let mut forged = line(&run, "2026-04-17T16:12:00Z", Level::Warn, "m");
    forged.project = Some("P] [run:other");
    assert_eq!(
        forged.format(),
        "2026-04-17T16:12:00Z [WARN ] [host:orch-01] [equip:E\\x5d\\n] [proj:P\\x5d [run:other] [kind:experimental] [run:Run_1\\x5d [host:evil] m"
    );
}

#[test]
fn a_line_is_cut_between_characters() {
    let run = run();
    for blanks in 0..4 {
        let message = format!("{}{}", " ".repeat(blanks), "𝄞".repeat(400));
        let text = line(&run, "2026-04-17T16:12:00Z", Level::Info, &message).format();
        assert!(
            text.len() <= MAX_LINE_BYTES && text.len() > MAX_LINE_BYTES - 4 && text.ends_with("𝄞...[truncated]"),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn s13_one_event_is_one_line_of_the_documented_form(
        message in any::<String>(), host in any::<String>(), project in "[\\]\\[ a:\n\u{2028}]{0,300}", leaf in "[^/\0]{0,300}"
    ) {
        let run = RunPath::parse(&format!("E/P/Runs/Run_{leaf}")).unwrap();
        let at = Timestamp::from_unix_seconds(1_776_000_000);
        let line = LogLine { at, level: Level::Info, host: Some(&host), run: Some(&run), project: Some(&project), kind: None, message: &message };
        let text = line.format();
        prop_assert!(text.len() <= MAX_LINE_BYTES);
        prop_assert!(!text.contains(|c: char| c.is_control() || hides(c)));
        if !text.ends_with(CUT) {
            let names: Vec<_> = read(&text).unwrap().0.into_iter().map(|(name, _)| name).collect();
            prop_assert_eq!(names, ["host", "equip", "proj", "run"]);
        }
    }
}
