//! One name, of a folder on the run's path or of anything inside the run, against the rules that hold for every name.

use super::tokens;
use crate::finding::{OffendingKind, Rule};
use std::collections::BTreeSet;

/// Something wrong with a name or a text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Fault {
    pub(super) rule: Rule,
    /// The exact part, as shown.
    pub(super) token: String,
    /// One sentence.
    pub(super) detail: String,
}

/// Everything wrong with a name: one fault per rule and distinct part.
pub(super) fn faults(name: &[u8], kind: OffendingKind) -> Vec<Fault> {
    let mut faults: Vec<_> =
        tokens::leftovers(name).into_iter().map(|(rule, token)| leftover(rule, token, kind)).collect();
    faults.extend(illegal(name, kind));
    faults.extend(reserved(name, kind));
    faults
}

/// The sentence for a template's leftover, in a name or in a text.
pub(super) fn leftover(rule: Rule, token: String, kind: OffendingKind) -> Fault {
    let what = match rule {
        Rule::LeftoverJinjaMarker => "a template marker that was never rendered",
        _ => "a placeholder that was never filled in",
    };
    let detail = format!(
        "{} holds {token:?}, {what}: {}, or override this class if it is meant so.",
        subject(kind),
        remedy(kind)
    );
    Fault { rule, token, detail }
}

fn subject(kind: OffendingKind) -> &'static str {
    match kind {
        OffendingKind::DirectorySegment => "The folder's name",
        OffendingKind::FileName => "The file's name",
        OffendingKind::FileContent => "The file's text",
    }
}

fn remedy(kind: OffendingKind) -> &'static str {
    match kind {
        OffendingKind::DirectorySegment | OffendingKind::FileName => "rename it",
        OffendingKind::FileContent => "correct it",
    }
}

/// True for what no target file system takes inside a name, controls left out.
pub(super) fn is_illegal(c: char) -> bool {
    matches!(c, ':' | '"' | '/' | '\\' | '|' | '?' | '*')
}

fn illegal(name: &[u8], kind: OffendingKind) -> Vec<Fault> {
    let fault = |token: String, what: String| {
        let detail =
            format!("{} {what}: rename it, or override this class if the NAS takes such names.", subject(kind));
        Fault { rule: Rule::IllegalFilesystemCharacter, token, detail }
    };
    let mut found = Vec::new();
    if let Some(byte) = name.utf8_chunks().find_map(|chunk| chunk.invalid().first()) {
        let token = format!("\\x{byte:02x}");
        let what = format!("is not UTF-8 (at byte {token}), so other systems cannot show or store it");
        found.push(fault(token, what));
    }
    let distinct: BTreeSet<char> = name
        .utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars())
        .filter(|c| is_illegal(*c) || c.is_control())
        .collect();
    found.extend(distinct.into_iter().map(|c| {
        let what = if c.is_control() {
            format!("holds the control character {}, which Windows and most NAS shares refuse", c.escape_default())
        } else {
            format!("holds {c}, which Windows and most NAS shares refuse")
        };
        fault(c.to_string(), what)
    }));
    match name.last() {
        Some(b'.') => found.push(fault(".".into(), "ends in a dot, which Windows and many NAS shares drop".into())),
        Some(b' ') => found.push(fault(" ".into(), "ends in a blank, which Windows and many NAS shares drop".into())),
        _ => {}
    }
    found
}

/// The device name that Windows takes this name for, whatever its extension.
pub(super) fn reserved_base(name: &[u8]) -> Option<String> {
    let base = name.split(|byte| *byte == b'.').next().filter(|base| matches!(base.len(), 3 | 4))?.to_ascii_uppercase();
    let is_reserved = match base.as_slice() {
        b"CON" | b"PRN" | b"AUX" | b"NUL" => true,
        [b'C', b'O', b'M', n] | [b'L', b'P', b'T', n] => (b'1'..=b'9').contains(n),
        _ => false,
    };
    if is_reserved { String::from_utf8(base).ok() } else { None }
}

fn reserved(name: &[u8], kind: OffendingKind) -> Option<Fault> {
    let base = reserved_base(name)?;
    let what = subject(kind);
    let detail = format!(
        "{what} is {base} to Windows, which keeps it for a device: rename it, or override this class if no Windows share is used."
    );
    Some(Fault { rule: Rule::ReservedFilesystemName, token: base, detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn found(name: &[u8]) -> Vec<(Rule, String)> {
        faults(name, OffendingKind::FileName).into_iter().map(|fault| (fault.rule, fault.token)).collect()
    }

    #[rstest]
    #[case(b"ok-name (1).tif", &[])]
    #[case("Ünïcode name 日本.txt".as_bytes(), &[])]
    #[case(b".hidden", &[])]
    #[case(b" leading", &[])]
    #[case(b"<", &[])]
    #[case(b"a<2 mM>.csv", &[])]
    #[case(b"nul .x", &[])]
    #[case(b"COM0", &[])]
    #[case(b"COM10", &[])]
    #[case(b"CONSOLE", &[])]
    #[case(b"a:b:c", &[":"])]
    #[case(b"a\\b|c", &["\\", "|"])]
    #[case(b"tab\there\n", &["\t", "\n"])]
    #[case("c1\u{85}".as_bytes(), &["\u{85}"])]
    #[case(b"\x7f", &["\x7f"])]
    #[case(b"trail.", &["."])]
    #[case(b"trail ", &[" "])]
    #[case(b"\xff\xfe:", &["\\xff", ":"])]
    #[case(b"cut\xe2\x82", &["\\xe2"])]
    #[case(b"con.txt", &["CON"])]
    #[case(b"Lpt9.log.gz", &["LPT9"])]
    #[case(b"aux.", &[".", "AUX"])]
    fn v9_names(#[case] name: &[u8], #[case] tokens: &[&str]) {
        assert_eq!(found(name).into_iter().map(|(_, token)| token).collect::<Vec<_>>(), tokens);
    }

    #[test]
    fn sentences_say_what_and_what_to_do() {
        let details: Vec<_> =
            faults(b"<x>\t\xff.", OffendingKind::DirectorySegment).into_iter().map(|fault| fault.detail).collect();
        assert_eq!(
            details,
            [
                "The folder's name holds \"<x>\", a placeholder that was never filled in: rename it, or override this class if it is meant so.",
                "The folder's name is not UTF-8 (at byte \\xff), so other systems cannot show or store it: rename it, or override this class if the NAS takes such names.",
                "The folder's name holds the control character \\t, which Windows and most NAS shares refuse: rename it, or override this class if the NAS takes such names.",
                "The folder's name ends in a dot, which Windows and many NAS shares drop: rename it, or override this class if the NAS takes such names.",
            ]
        );
    }

    proptest! {
        #[test]
        fn plain_names_pass_and_every_token_is_part_of_the_shown_name(name in proptest::collection::vec(any::<u8>(), 1..60)) {
            let shown = crate::path::escape_bytes(&name);
            for (rule, token) in found(&name) {
                let part = if rule == Rule::ReservedFilesystemName { shown.to_ascii_uppercase().contains(&token) } else { shown.contains(&token) };
                prop_assert!(part, "{:?} in {:?}", token, shown);
            }
        }

        #[test]
        fn ordinary_names_pass(name in "[A-Za-z0-9_][A-Za-z0-9_ ()+,-]{5,60}[A-Za-z0-9_]") {
            prop_assert!(found(name.as_bytes()).is_empty());
        }
    }
}
