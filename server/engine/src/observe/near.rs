//! Names that look like the one that is waited for: in another case, in another Unicode form (macOS writes `u` and two
//! dots for `ü`), or with the `.txt` that Windows hides. They are named to people and never taken as meant.

use crate::files::source::RunFolder;
use unicode_normalization::UnicodeNormalization;

/// A name or path as people see it.
pub fn seen(name: &str) -> String {
    name.nfc().collect::<String>().to_lowercase()
}

/// The entry of the run's folder itself that may be meant by `name`. Blocking.
pub fn in_folder(folder: &RunFolder, name: &str) -> Option<String> {
    let entries = folder.dir().entries().ok()?.filter_map(Result::ok);
    near(name, entries.filter_map(|entry| entry.file_name().into_string().ok()))
}

fn near(name: &str, stands: impl Iterator<Item = String>) -> Option<String> {
    let meant = seen(name);
    let with_ending = format!("{meant}.txt");
    stands.filter(|other| other != name && [&meant, &with_ending].contains(&&seen(other))).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("done.flag", &["raw", "Done.Flag"], Some("Done.Flag"))]
    #[case("done.flag", &["done.flag.txt"], Some("done.flag.txt"))]
    #[case("gepr\u{fc}ft", &["gepru\u{308}ft"], Some("gepru\u{308}ft"))]
    #[case("done.flag", &["done", "notdone.flag"], None)]
    fn what_looks_like_it_is_named(#[case] name: &str, #[case] stands: &[&str], #[case] found: Option<&str>) {
        assert_eq!(near(name, stands.iter().map(ToString::to_string)).as_deref(), found);
    }
}
