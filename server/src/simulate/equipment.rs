//! An instrument as the command line names it.

use domain::completeness::Signal;
use std::str::FromStr;

/// A made-up instrument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instrument {
    /// Equipment id: its folder in the staging tree.
    pub id: String,
    /// How it says that a run is complete.
    pub signal: Signal,
}

impl FromStr for Instrument {
    type Err = String;

    fn from_str(text: &str) -> Result<Instrument, String> {
        let form =
            || format!("{text:?}: write ID:sentinel=NAME or ID:manifest=NAME, e.g. CONFOCAL_01:sentinel=done.flag");
        let (id, signal) = text.split_once(':').ok_or_else(form)?;
        let (kind, name) = signal.split_once('=').ok_or_else(form)?;
        if id.is_empty() || id.starts_with('.') || id.contains('/') {
            return Err(form());
        }
        let signal = match kind {
            "sentinel" => Signal::sentinel(name)?,
            "manifest" => Signal::manifest(name)?,
            _ => return Err(form()),
        };
        Ok(Instrument { id: id.to_owned(), signal })
    }
}

/// What `cargo xtask run` configures.
pub fn of_the_demo() -> Vec<Instrument> {
    let sentinel = |id: &str, filename: &str| Instrument {
        id: id.into(),
        signal: Signal::SentinelFile { filename: filename.into() },
    };
    vec![
        sentinel("CONFOCAL_01", "acquisition_complete.flag"),
        Instrument { id: "FLOW_01".into(), signal: Signal::Manifest { filename: "run_manifest.json".into() } },
        sentinel("SEQ_01", "RTAComplete.txt"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("A:sentinel=done.flag", true)]
    #[case("A:manifest=m.json", true)]
    #[case("A:manifest=../m.json", false)]
    #[case("../A:sentinel=x", false)]
    #[case(".A:sentinel=x", false)]
    #[case("A:flag=x", false)]
    #[case("A", false)]
    fn instruments(#[case] text: &str, #[case] accepted: bool) {
        assert_eq!(text.parse::<Instrument>().is_ok(), accepted);
    }
}
