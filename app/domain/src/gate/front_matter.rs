//! YAML front matter of a Markdown file: where it is, and which top-level fields have a value.
//!
//! Not a YAML reader: a template writes one `key: value` per line, and the only question is whether a required one is
//! filled in.

/// What stands at the beginning of a Markdown file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FrontMatter<'a> {
    /// It does not open with `---`.
    None,
    /// It opens and never closes.
    Unclosed,
    /// The lines between.
    Closed(&'a [u8]),
}

/// Finds the front matter. A byte order mark is passed over; blanks and CR behind the dashes too. `...` closes as in
/// YAML.
pub(super) fn find(bytes: &[u8]) -> FrontMatter<'_> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let Some(opening) = lines.next().filter(|line| line.trim_ascii_end() == b"---") else {
        return FrontMatter::None;
    };
    let mut length = 0;
    for line in lines {
        if matches!(line.trim_ascii_end(), b"---" | b"...") {
            return FrontMatter::Closed(&bytes[opening.len()..opening.len() + length]);
        }
        length += line.len();
    }
    FrontMatter::Unclosed
}

/// True when the top-level `field` is there with a value: on its line, or on indented or listed lines below it.
pub(super) fn has_value(front_matter: &[u8], field: &str) -> bool {
    let mut lines = front_matter.split(|byte| *byte == b'\n').filter(|line| !is_blank_or_comment(line));
    while let Some(line) = lines.next() {
        let Some(value) = value_of(line, field) else { continue };
        return match value {
            b"" | b"|" | b">" | b"|-" | b">-" => {
                lines.next().is_some_and(|next| matches!(next.first(), Some(b' ' | b'\t' | b'-')))
            }
            b"~" | b"null" | b"Null" | b"NULL" | b"\"\"" | b"''" | b"[]" | b"{}" => false,
            _ => true,
        };
    }
    false
}

fn is_blank_or_comment(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.is_empty() || line.starts_with(b"#")
}

/// What stands behind `field:` on its line, comment and blanks left out; `None` on any other line.
fn value_of<'a>(line: &'a [u8], field: &str) -> Option<&'a [u8]> {
    let plain = |line: &'a [u8]| line.strip_prefix(field.as_bytes());
    let quoted = |mark: &[u8]| plain(line.strip_prefix(mark)?)?.strip_prefix(mark);
    let rest = plain(line).or_else(|| quoted(b"\"")).or_else(|| quoted(b"'"))?;
    let value = rest.trim_ascii_start().strip_prefix(b":")?;
    if !value.first().is_none_or(u8::is_ascii_whitespace) {
        return None;
    }
    let comment = value.windows(2).position(|pair| pair[0].is_ascii_whitespace() && pair[1] == b'#');
    Some(value[..comment.unwrap_or(value.len())].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", FrontMatter::None)]
    #[case("# Title\n---\n", FrontMatter::None)]
    #[case(" ---\na: 1\n---\n", FrontMatter::None)]
    #[case("----\n", FrontMatter::None)]
    #[case("---", FrontMatter::Unclosed)]
    #[case("---\na: 1\n", FrontMatter::Unclosed)]
    #[case("---\na: 1\n ---\n", FrontMatter::Unclosed)]
    #[case("---\n---", FrontMatter::Closed(b""))]
    #[case("---\na: 1\n---\nbody <b>", FrontMatter::Closed(b"a: 1\n"))]
    #[case("\u{feff}--- \r\na: 1\r\n---\r\n", FrontMatter::Closed(b"a: 1\r\n"))]
    #[case("---\na: 1\n...\n---\n", FrontMatter::Closed(b"a: 1\n"))]
    fn finding(#[case] text: &str, #[case] expected: FrontMatter<'_>) {
        assert_eq!(find(text.as_bytes()), expected);
    }

    #[rstest]
    #[case("modality: confocal", true)]
    #[case("a: 1\nmodality:\tconfocal # comment\r\n", true)]
    #[case("\"modality\": x", true)]
    #[case("'modality' : x", true)]
    #[case("modality: 0", true)]
    #[case("modality: \"#1\"", true)]
    #[case("modality:\n  - confocal", true)]
    #[case("modality:\n- confocal", true)]
    #[case("modality: |\n\n  long text", true)]
    #[case("", false)]
    #[case("modality:", false)]
    #[case("modality:\nnext: 1", false)]
    #[case("modality: # to be filled in\n", false)]
    #[case("modality: \"\"", false)]
    #[case("modality: null\r", false)]
    #[case("modality: ~", false)]
    #[case("modality_2: x", false)]
    #[case("nested:\n  modality: x", false)]
    #[case("# modality: x", false)]
    #[case("modality:x", false)]
    fn values(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(has_value(text.as_bytes(), "modality"), expected);
    }
}
