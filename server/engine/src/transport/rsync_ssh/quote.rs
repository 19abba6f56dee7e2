//! Words for shells: the one quoting function for the remote shell, and one for the option in which rsync is told its
//! ssh.
//!
//! Almost everything goes to the server as a script on standard input, so that no name is ever part of a command line
//! there.

/// One word of a POSIX shell, whatever its bytes are. NUL cannot be in it, and is in no path.
pub(super) fn shell_word(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    out.push(b'\'');
    for byte in bytes {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            other => out.push(*other),
        }
    }
    out.push(b'\'');
    out
}

/// One word of rsync's `-e` option, which splits at blanks, and reads a doubled quote inside quotes as one.
pub(super) fn rsync_shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The value of an ssh option that is a path: quoted against blanks, its percent signs doubled against expansion.
pub(super) fn ssh_path(path: &str) -> String {
    format!("\"{}\"", path.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::child::{Tool, run};
    use proptest::prelude::*;
    use tokio_util::sync::CancellationToken;

    fn through_shell(word: &[u8]) -> Vec<u8> {
        let mut script = b"printf '%s' ".to_vec();
        script.extend(shell_word(word));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut out = Vec::new();
        let mut take = |bytes: &[u8]| out.extend_from_slice(bytes);
        let ended =
            runtime.block_on(run(&Tool::new("sh").arg("-s"), &script, &mut take, &CancellationToken::new())).unwrap();
        assert!(ended.success(), "{ended:?}");
        out
    }

    #[test]
    fn v14_a_shell_reads_back_what_was_quoted() {
        for word in [
            &b"it's $(touch /tmp/pwned) `id` \"x\" \\ ; & | \n two\n"[..],
            b"",
            b"'",
            b"''",
            b"-n",
            b"\xff\xfe~*?[a]{b}!",
            b"\\'",
        ] {
            assert_eq!(through_shell(word), word);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn v14_any_bytes_pass_through_a_shell(word in proptest::collection::vec(1_u8..=255, 0..40)) {
            prop_assert_eq!(through_shell(&word), word);
        }
    }
}
