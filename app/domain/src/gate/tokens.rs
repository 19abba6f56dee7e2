//! Leftovers of templates in names and texts: `<[A-Za-z_][A-Za-z0-9_]*>`, `\{\{[^}]*\}\}` and `\{%[^%]*%\}`.
//!
//! Scanned by hand in one pass: the panel compiles this crate too and carries no expression engine, and a hostile name
//! or text must not cost more than its length. Bytes, because a text need not be UTF-8; every match begins and ends in
//! ASCII.

use crate::finding::Rule;
use crate::path::escape_bytes;
use std::collections::BTreeSet;

/// Longest token shown; a longer match is cut, so that a finding stays small and is still an exact part of its text.
const MAX_TOKEN_BYTES: usize = 120;

/// Every distinct leftover, as shown text, with its rule.
pub(super) fn leftovers(bytes: &[u8]) -> BTreeSet<(Rule, String)> {
    let placeholders = placeholders(bytes).map(|token| (Rule::UnresolvedPlaceholderToken, token));
    let markers = jinja_markers(bytes).map(|token| (Rule::LeftoverJinjaMarker, token));
    placeholders.chain(markers).map(|(rule, token)| (rule, shown(token))).collect()
}

fn shown(token: &[u8]) -> String {
    let mut text = escape_bytes(token);
    text.truncate(text.floor_char_boundary(MAX_TOKEN_BYTES));
    text
}

/// `<name>`, leftmost first, not overlapping.
fn placeholders(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + bytes.get(at..)?.iter().position(|byte| *byte == b'<')?;
            let rest = bytes.get(start + 1..)?;
            let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
            // What was passed over holds no `<`, so the search goes on behind it.
            at = start + 1 + length;
            let named = length > 0 && !rest[0].is_ascii_digit();
            if named && rest.get(length) == Some(&b'>') {
                at += 1;
                return Some(&bytes[start..at]);
            }
        }
    })
}

/// `{{ .. }}` and `{% .. %}`, expressions before statements.
fn jinja_markers(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    marked(bytes, *b"{{", *b"}}").chain(marked(bytes, *b"{%", *b"%}"))
}

/// `open`, anything but the first byte of `close`, `close`: leftmost first, not overlapping.
fn marked(bytes: &[u8], open: [u8; 2], close: [u8; 2]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + bytes.get(at..)?.windows(2).position(|pair| *pair == open)?;
            let inside = start + 2;
            // Without a closing byte no later opening can be closed either.
            let end = inside + bytes.get(inside..)?.iter().position(|byte| *byte == close[0])?;
            if bytes.get(end + 1) == Some(&close[1]) {
                at = end + 2;
                return Some(&bytes[start..at]);
            }
            // Every opening up to here meets the same byte that does not close. Only one that ends in it is still
            // possible: `{%`.
            at = end - 1;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn found(text: &str) -> Vec<String> {
        leftovers(text.as_bytes()).into_iter().map(|(_, token)| token).collect()
    }

    #[rstest]
    #[case("<name>.txt", &["<name>"])]
    #[case("a<2 mM>.csv", &[])]
    #[case("<1a><_x9><a-b><>", &["<_x9>"])]
    #[case("<a<b>>", &["<b>"])]
    #[case("<a><a>", &["<a>"])]
    #[case("<é>", &[])]
    #[case("<name", &[])]
    #[case("x{{y}}.md", &["{{y}}"])]
    #[case("{{}}{%%}", &["{%%}", "{{}}"])]
    #[case("{{ a } {{ b }}", &["{{ b }}"])]
    #[case("{{{x}}}", &["{{{x}}"])]
    #[case("{% a {% b %}", &["{% b %}"])]
    #[case("{%%%}", &[])]
    #[case("{%{%}", &["{%{%}"])]
    #[case("{% raw %}{{ <x> }}", &["<x>", "{% raw %}", "{{ <x> }}"])]
    #[case("{{ a\n\tb }}", &["{{ a\n\tb }}"])]
    #[case("{{ open", &[])]
    #[case("{ {a} }", &[])]
    fn tricky(#[case] text: &str, #[case] tokens: &[&str]) {
        let mut found = found(text);
        found.sort();
        assert_eq!(found, tokens);
    }

    #[test]
    fn a_long_token_is_cut_to_an_exact_part_of_the_text() {
        let text = format!("{{{{ {} }}}}", "é".repeat(4_000));
        let token = found(&text).remove(0);
        assert!(token.len() <= MAX_TOKEN_BYTES && token.len() > MAX_TOKEN_BYTES - 4 && text.contains(&token));
    }

    #[test]
    fn hostile_texts_cost_no_more_than_their_length() {
        for unit in ["{{", "{%", "<", "{{ }", "{% %", "<a", "{"] {
            assert!(leftovers(unit.repeat(1 << 20).as_bytes()).is_empty());
        }
    }

    /// The expressions word for word: every start, every end.
    fn naive(bytes: &[u8], fits: impl Fn(&[u8]) -> bool) -> Vec<&[u8]> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            match (at + 1..=bytes.len()).find(|end| fits(&bytes[at..*end])) {
                Some(end) => {
                    found.push(&bytes[at..end]);
                    at = end;
                }
                None => at += 1,
            }
        }
        found
    }

    fn fits_marked(token: &[u8], open: &[u8], close: &[u8]) -> bool {
        token.len() >= 4
            && token.starts_with(open)
            && token.ends_with(close)
            && !token[2..token.len() - 2].contains(&close[0])
    }

    fn fits_placeholder(token: &[u8]) -> bool {
        let [b'<', name @ .., b'>'] = token else { return false };
        let word = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        word && name.first().is_some_and(|byte| !byte.is_ascii_digit())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn one_pass_finds_what_the_expressions_find(text in "[<>{}%a1_ é]{0,24}") {
            let bytes = text.as_bytes();
            prop_assert_eq!(placeholders(bytes).collect::<Vec<_>>(), naive(bytes, fits_placeholder));
            let expressions: Vec<_> = marked(bytes, *b"{{", *b"}}").collect();
            prop_assert_eq!(expressions, naive(bytes, |token| fits_marked(token, b"{{", b"}}")));
            let statements: Vec<_> = marked(bytes, *b"{%", *b"%}").collect();
            prop_assert_eq!(statements, naive(bytes, |token| fits_marked(token, b"{%", b"%}")));
        }
    }
}
