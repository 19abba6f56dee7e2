//! The run that a URL names: cut from the raw path, decoded once, and refused when it is not plain. Nothing is
//! normalised.
//!
//! Only the text is judged here; whether it names a run, and which, is the backend's matter. The order matters: the act
//! is split off before decoding, so that an encoded slash cannot move it.

use domain::address::decode_strictly;
use domain::problem::{ErrorCode, Problem};

/// Splits `RUN/act` at its last plain slash.
pub fn split_act(raw: &str) -> Option<(&str, &str)> {
    raw.rsplit_once('/')
}

/// Decodes `%XX` once and refuses what is not a plain relative or absolute path.
pub fn decode(raw: &str) -> Result<String, Problem> {
    let text = decode_strictly(raw).map_err(|why| refused(raw, &format!("{why}.")))?;
    require_plain(&text)?;
    Ok(text)
}

/// Refuses a path with an empty, `.` or `..` segment, an outer slash at its end, or a NUL.
pub fn require_plain(text: &str) -> Result<(), Problem> {
    let relative = text.strip_prefix('/').unwrap_or(text);
    let plain = |segment: &str| !segment.is_empty() && segment != "." && segment != ".." && !segment.contains('\0');
    match relative.split('/').all(plain) {
        true => Ok(()),
        false => Err(refused(
            text,
            "is not plain: empty, `.` and `..` segments, a trailing slash and NUL are refused. Give the row's `path` or `run_path` as it is.",
        )),
    }
}

fn refused(path: &str, why: &str) -> Problem {
    Problem::new(ErrorCode::BadPath, format!("The run path {path:?} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    proptest! {
        #[test]
        fn d1_what_is_let_through_is_plain_whatever_was_sent(raw in "[a-zA-Z0-9%./_ -]{0,40}") {
            if let Ok(text) = decode(&raw) {
                let relative = text.strip_prefix('/').unwrap_or(&text);
                prop_assert!(relative.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
            }
        }

        #[test]
        fn every_plain_path_survives_its_url(segments in prop::collection::vec("[^/\0]{1,12}", 1..5)) {
            let path = segments.join("/");
            prop_assume!(require_plain(&path).is_ok());
            prop_assert_eq!(decode(&domain::address::encode_path(&path)).unwrap(), path);
        }
    }

    #[rstest]
    #[case("EQ/p/Runs/Run_1", "EQ/p/Runs/Run_1")]
    #[case("EQ%2Fp%2fRuns/Run_1", "EQ/p/Runs/Run_1")]
    #[case("EQ/My%20project/Runs/Run_1", "EQ/My project/Runs/Run_1")]
    #[case("/data/staging/EQ/p/Run_1", "/data/staging/EQ/p/Run_1")]
    #[case("%2Fdata%2Fstaging/EQ/p/Run_1", "/data/staging/EQ/p/Run_1")]
    #[case("EQ/p/Runs/Run_%2541", "EQ/p/Runs/Run_%41")]
    #[case("EQ/p/Runs/Run_a+b", "EQ/p/Runs/Run_a+b")]
    #[case("EQ/p/Runs/Run_%C3%A4", "EQ/p/Runs/Run_ä")]
    fn plain_paths_are_decoded_once(#[case] raw: &str, #[case] expected: &str) {
        assert_eq!(decode(raw).unwrap(), expected);
    }

    #[rstest]
    #[case("")]
    #[case("/")]
    #[case("//EQ/p/Run_1")]
    #[case("EQ//Run_1")]
    #[case("EQ/p/Run_1/")]
    #[case("EQ/p/Run_1%2F")]
    #[case("..")]
    #[case("EQ/../../etc")]
    #[case("EQ/%2e%2e/x")]
    #[case("EQ%2F..%2Fx")]
    #[case("%2E%2E%2Fbait")]
    #[case("EQ/./x")]
    #[case("EQ/%2e/x")]
    #[case("EQ/p/Run_%00")]
    #[case("EQ/p/Run_%ff")]
    #[case("EQ/p/Run_%4")]
    #[case("EQ/p/Run_%zz")]
    #[case("EQ/p/Run_%+1")]
    fn d1_what_is_not_plain_is_refused(#[case] raw: &str) {
        assert_eq!(decode(raw).unwrap_err().code, ErrorCode::BadPath);
    }

    #[test]
    fn the_act_is_split_off_before_decoding() {
        assert_eq!(split_act("EQ/p/Run_1/clear"), Some(("EQ/p/Run_1", "clear")));
        assert_eq!(split_act("EQ/p/Run_1%2Fclear"), Some(("EQ/p", "Run_1%2Fclear")));
        assert_eq!(split_act("/clear"), Some(("", "clear")));
        assert_eq!(split_act("clear"), None);
    }
}
