//! Links of the panel: percent-encoding and the addresses of its pages.
//!
//! Own coding, because the router decodes parameters once more than was encoded: a run called `a%41` would lead to another run.

/// Encodes everything but unreserved characters and `/`.
pub fn encode_path(text: &str) -> String {
    encode(text, b"-._~/")
}

/// Encodes everything but unreserved characters, for one value of a query.
pub fn encode_value(text: &str) -> String {
    encode(text, b"-._~")
}

fn encode(text: &str, plain: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// Decodes `%XX` once; what is no escape stays as it is, what is no UTF-8 becomes U+FFFD.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Keys and decoded values of a query string, with or without `?`.
pub fn pairs(search: &str) -> impl Iterator<Item = (String, String)> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(&value.replace('+', " ")))
    };
    search.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()).map(pair)
}

/// The page of a run.
pub fn run_page(run_path: &str) -> String {
    format!("/runs/{}", encode_path(run_path))
}

/// The run a page's path names; `None` when it is no run page.
pub fn run_of_page(pathname: &str) -> Option<String> {
    pathname.strip_prefix("/runs/").map(decode)
}

/// The certificate of a run.
pub fn certificate_page(run_path: &str) -> String {
    format!("/certificate/{}", encode_path(run_path))
}

/// The run a certificate's path names; `None` when it is no certificate.
pub fn run_of_certificate(pathname: &str) -> Option<String> {
    pathname.strip_prefix("/certificate/").map(decode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_run_path_survives_its_address(path in ".{0,60}") {
            prop_assert_eq!(run_of_page(&run_page(&path)), Some(path));
        }

        #[test]
        fn any_text_decodes(text in ".{0,60}") {
            let _ = decode(&text);
        }
    }

    #[test]
    fn only_whole_escapes_are_decoded() {
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("100%2"), "100%2");
        assert_eq!(decode("%zz%20x"), "%zz x");
        assert_eq!(decode("a%2541"), "a%41");
        assert_eq!(encode_path("EQ/My project/Runs/Run_1"), "EQ/My%20project/Runs/Run_1");
    }
}
