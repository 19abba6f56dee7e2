//! Whether a run lies where its kind belongs: leaf prefix, parent folder and creation's `run_kind` must agree.

use crate::path::{RunKind, Shelf};

/// Where a run lies, by its last segments. Not a [`crate::path::RunPath`], which cannot hold every leaf that this rule
/// knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) shelf: Shelf,
    /// The folder the leaf lies in: the shelf, or the project.
    pub(super) parent: &'a str,
    pub(super) leaf: &'a str,
}

/// One token and sentence per disagreement. `documented` is creation's kind: `None` without a creation.json, the text
/// when this version does not know it.
pub(super) fn disagreements(place: Place<'_>, documented: Option<Result<RunKind, &str>>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let claimed = RunKind::of_leaf(place.leaf);
    let kind = match documented {
        Some(Ok(kind)) => kind,
        Some(Err(text)) => {
            let detail = format!(
                "creation.json says run_kind {text:?}, which is not known here, so it cannot agree with the folder's name: correct it, \
                 or override this class."
            );
            found.push((text.to_owned(), detail));
            claimed.unwrap_or(RunKind::Experimental)
        }
        None => claimed.unwrap_or(RunKind::Experimental),
    };
    let (prefix, folder) = home(kind);
    let what = match documented {
        Some(Ok(_)) => format!("creation.json says this is {}", article(kind)),
        _ => format!("By its name this is {}", article(kind)),
    };
    if claimed != Some(kind) {
        let detail = format!(
            "{what}, but its folder does not begin with {prefix}: rename it, or correct run_kind, or override this class."
        );
        found.push((place.leaf.to_owned(), detail));
    }
    if place.shelf.folder() != Some(folder) {
        let lies = match place.shelf {
            Shelf::Direct => "directly in its project folder".to_owned(),
            Shelf::Runs | Shelf::TestRuns => format!("in {}", place.parent),
        };
        let detail = format!("{what}, but it lies {lies}: move it to {folder}, or override this class.");
        found.push((place.parent.to_owned(), detail));
    }
    found
}

/// Prefix and folder of a kind's runs.
fn home(kind: RunKind) -> (&'static str, &'static str) {
    match kind {
        RunKind::Experimental => ("Run_", "Runs"),
        RunKind::Test => ("TestRun_", "TestRuns"),
    }
}

fn article(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Experimental => "an experimental run",
        RunKind::Test => "a test run",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const EXPERIMENTAL: Option<Result<RunKind, &str>> = Some(Ok(RunKind::Experimental));
    const TEST: Option<Result<RunKind, &str>> = Some(Ok(RunKind::Test));

    #[rstest]
    #[case(Shelf::Runs, "Runs", "Run_1", EXPERIMENTAL, &[])]
    #[case(Shelf::TestRuns, "TestRuns", "TestRun_1", TEST, &[])]
    #[case(Shelf::TestRuns, "TestRuns", "TestRun_1", EXPERIMENTAL, &["TestRun_1", "TestRuns"])]
    #[case(Shelf::Runs, "Runs", "Run_1", TEST, &["Run_1", "Runs"])]
    #[case(Shelf::TestRuns, "TestRuns", "Run_1", EXPERIMENTAL, &["TestRuns"])]
    #[case(Shelf::TestRuns, "TestRuns", "Run_1", TEST, &["Run_1"])]
    #[case(Shelf::Runs, "Runs", "Exp_1", EXPERIMENTAL, &["Exp_1"])]
    #[case(Shelf::Runs, "Runs", "Run_1", None, &[])]
    #[case(Shelf::Runs, "Runs", "TestRun_1", None, &["Runs"])]
    #[case(Shelf::Direct, "Cortex", "Run_1", EXPERIMENTAL, &["Cortex"])]
    #[case(Shelf::Direct, "Runs", "Run_1", EXPERIMENTAL, &["Runs"])]
    #[case(Shelf::Runs, "Runs", "Run_1", Some(Err("calibration")), &["calibration"])]
    fn table(
        #[case] shelf: Shelf,
        #[case] parent: &str,
        #[case] leaf: &str,
        #[case] documented: Option<Result<RunKind, &str>>,
        #[case] tokens: &[&str],
    ) {
        let found: Vec<_> =
            disagreements(Place { shelf, parent, leaf }, documented).into_iter().map(|(token, _)| token).collect();
        assert_eq!(found, tokens);
    }

    #[test]
    fn sentences() {
        let misplaced = Place { shelf: Shelf::Direct, parent: "P", leaf: "Run_1" };
        assert_eq!(
            disagreements(misplaced, EXPERIMENTAL)[0].1,
            "creation.json says this is an experimental run, but it lies directly in its project folder: move it to Runs, or override this class."
        );
    }
}
