//! Text in addresses: what is percent-encoded, and the pairs of a query. Panel, REST and command line code alike.

use form_urlencoded::parse;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands for itself in a value of a query.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same in a path, where slashes part its segments.
const PATH: &AsciiSet = &VALUE.remove(b'/');

/// Percent-encodes a path; slashes stay.
pub fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// Percent-encodes one value of a query.
pub fn encode_value(text: &str) -> String {
    utf8_percent_encode(text, VALUE).to_string()
}

/// Decodes `%XX` once; what is no escape stays as it is, what is no UTF-8 becomes U+FFFD.
pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Why a text is refused as percent-encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotEncoded {
    /// An escape is cut off, or none.
    #[error("holds a `%` that is not followed by two hex digits")]
    Escape,
    /// Its bytes are no text.
    #[error("is not UTF-8 once decoded")]
    Utf8,
}

/// Decodes `%XX` once, and refuses what was not encoded well.
pub fn decode_strictly(text: &str) -> Result<String, NotEncoded> {
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(is_escape) {
        return Err(NotEncoded::Escape);
    }
    percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| NotEncoded::Utf8)
}

/// Keys and decoded values of a query, with or without its `?`, as a form sends them: `+` is a space. What is badly
/// encoded stays as it is.
pub fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    parse(query.strip_prefix('?').unwrap_or(query).as_bytes()).into_owned()
}

/// The same, where a value that is badly encoded is refused with its key.
pub fn pairs_strictly(query: &str) -> Result<Vec<(String, String)>, (String, NotEncoded)> {
    let mut strict =
        query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    strict.try_for_each(|(key, value)| decode_strictly(value).map(drop).map_err(|why| (decode(key), why)))?;
    Ok(pairs(query).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    proptest! {
        #[test]
        fn any_text_survives_its_address(text in ".{0,60}") {
            prop_assert_eq!(decode_strictly(&encode_path(&text)), Ok(text.clone()));
            prop_assert_eq!(decode(&encode_value(&text)), text.clone());
            let query = format!("?q={}&x=1", encode_value(&text));
            prop_assert_eq!(pairs(&query).next(), Some(("q".to_owned(), text)));
        }

        #[test]
        fn any_text_decodes(text in ".{0,60}") {
            let _ = (decode(&text), pairs_strictly(&text), pairs(&text).count());
        }
    }

    #[test]
    fn only_whole_escapes_are_decoded_and_only_once() {
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("100%2"), "100%2");
        assert_eq!(decode("%zz%20x"), "%zz x");
        assert_eq!(decode("a%2541"), "a%41");
        assert_eq!(encode_path("EQ/My project/Runs/Run_1"), "EQ/My%20project/Runs/Run_1");
        assert_eq!(encode_value("a/b~c-d._e+f"), "a%2Fb~c-d._e%2Bf");
    }

    #[rstest]
    #[case("a+b%2Bc", Ok("a b+c"))]
    #[case("%C3%A4", Ok("ä"))]
    #[case("%4", Err(NotEncoded::Escape))]
    #[case("%zz", Err(NotEncoded::Escape))]
    #[case("%+1", Err(NotEncoded::Escape))]
    #[case("%ff", Err(NotEncoded::Utf8))]
    fn what_is_badly_encoded_is_refused(#[case] value: &str, #[case] expected: Result<&str, NotEncoded>) {
        let read = pairs_strictly(&format!("x=1&&q={value}"));
        let expected = expected.map(|value| vec![("x".to_owned(), "1".to_owned()), ("q".to_owned(), value.to_owned())]);
        assert_eq!(read, expected.map_err(|why| ("q".to_owned(), why)));
    }
}
