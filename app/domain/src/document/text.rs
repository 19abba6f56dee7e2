//! The text of a document as people's programs write it: with a byte order mark, in UTF-16, or empty after a crash.
//! What can mean only one thing is read as that; any other fault is named as what it is, not as what a JSON reader
//! stumbled over.

use std::borrow::Cow;

/// The text without its byte order mark. A mark of UTF-16 (PowerShell, Windows' editors) means that the whole text is
/// UTF-16, and it is decoded.
pub(crate) fn as_meant(bytes: &[u8]) -> Cow<'_, [u8]> {
    let of_two = |order: fn([u8; 2]) -> u16, text: &[u8]| {
        let (units, rest) = text.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|unit| order(*unit)).collect();
        String::from_utf16(&units).ok().filter(|_| rest.is_empty()).map(|text| Cow::Owned(text.into_bytes()))
    };
    let meant = match bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => Some(Cow::Borrowed(text)),
        [0xff, 0xfe, text @ ..] => of_two(u16::from_le_bytes, text),
        [0xfe, 0xff, text @ ..] => of_two(u16::from_be_bytes, text),
        _ => None,
    };
    meant.unwrap_or(Cow::Borrowed(bytes))
}

/// Why a text is no JSON, where one look at it tells: a phrase that follows its name; else what the reader says.
pub(crate) fn no_json(bytes: &[u8], reader: &dyn std::fmt::Display) -> String {
    let told = if bytes.iter().all(u8::is_ascii_whitespace) {
        "it is empty: its writer did not finish, or the disk was full"
    } else if bytes.iter().all(|byte| *byte == 0) {
        "it holds zeros only, as after a crash of the computer that wrote it"
    } else if bytes.contains(&0) || std::str::from_utf8(bytes).is_err() {
        "it is not UTF-8 text: save it as UTF-8"
    } else {
        return reader.to_string();
    };
    format!("{told} ({reader})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(order).collect()
    }

    #[test]
    fn s24_marks_of_byte_order_say_how_a_text_is_meant() {
        let text = "{\"a\": \"Proben \u{e9} \u{1f9ea}\"}";
        for bytes in [
            text.into(),
            format!("\u{feff}{text}").into_bytes(),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
        ] {
            assert_eq!(as_meant(&bytes), text.as_bytes());
        }
        // Half a character is nothing that anybody meant.
        for torn in [&b"\xff\xfe{"[..], b"\xff\xfe\x00\xd8"] {
            assert_eq!(as_meant(torn), torn);
        }
    }

    #[rstest]
    #[case(b"", "it is empty")]
    #[case(b" \r\n", "it is empty")]
    #[case(&[0; 4096], "zeros only")]
    #[case(b"{\"a\": \"\xe9\"}", "not UTF-8 text")]
    #[case(b"\xff\xfe{", "not UTF-8 text")]
    #[case(b"{", "EOF at line 1")]
    fn s24_what_is_no_json_is_named_by_what_it_is(#[case] bytes: &[u8], #[case] says: &str) {
        let told = no_json(bytes, &"EOF at line 1");
        assert!(told.starts_with(says) || told.contains(says), "{told}");
    }
}
