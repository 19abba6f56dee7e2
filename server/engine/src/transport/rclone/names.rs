//! Names and how rclone writes them.
//!
//! Its file lists cannot carry a newline, drop a carriage return at the end, and its listings show control characters
//! and what is not UTF-8 as other characters. Files with such names are handled one by one, with the name as an
//! argument, which carries all.

/// True for names that rclone's lists or listings do not give back as they are.
pub(super) fn is_odd(name: &[u8]) -> bool {
    match std::str::from_utf8(name) {
        Err(_) => true,
        Ok(text) => text
            .chars()
            .any(|c| c.is_control() || ('\u{2400}'..='\u{243f}').contains(&c) || matches!(c, '\u{201b}' | '\u{fffd}')),
    }
}

/// Where the names of odd files meet: as written here and as rclone's listings show them.
pub(super) fn fold(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\0'..='\u{1f}' => out.extend(char::from_u32(0x2400 + c as u32)),
                '\u{7f}' => out.push('\u{2421}'),
                // What rclone puts before a character that it would take for one of its own making.
                '\u{201b}' => {}
                other => out.push(other),
            }
        }
        out.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    out
}

/// For `--files-from-raw`; odd names must not be among them.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    names.into_iter().flat_map(|name| [name, b"\n"].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v9_names_that_lists_cannot_carry() {
        for odd in [b"a\nb".as_slice(), b"a\r", b"\xff", "a\u{240d}".as_bytes(), "\u{201b}x".as_bytes(), b"tab\t"] {
            assert!(is_odd(odd), "{odd:?}");
        }
        for plain in [b" a ".as_slice(), b"#x", b"a\\b", "e\u{301}".as_bytes(), "\u{ff0f}".as_bytes(), b"--x"] {
            assert!(!is_odd(plain), "{plain:?}");
        }
        assert_eq!(fold(b"a\r\xff"), fold("a\u{240d}\u{fffd}".as_bytes()));
        assert_eq!(fold("\u{201b}\u{240d}".as_bytes()), "\u{240d}");
        assert_eq!(list([b"a".as_slice(), b" b "]), b"a\n b \n");
    }
}
