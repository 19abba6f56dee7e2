//! Findings that the watcher and the transports make and the gate only passes on: they know the facts, and the wording
//! is here.

use crate::finding::{Finding, OffendingKind, Rule};
use crate::path::arriving_name;
use crate::path::{FilePath, RunPath};
use crate::units;

/// A folder at run depth that is no run: `path` is relative to the staging root, as shown text.
pub fn unrecognised_folder(path: &str, files: u64, bytes: u64) -> Finding {
    let leaf = path.rsplit('/').next().unwrap_or(path);
    let size = format!("({}, {})", units::counted(files, "file"), units::bytes_u64(bytes));
    let detail = match arriving_name(leaf) {
        Some(token) => format!(
            "This folder is still arriving, as the {token} in its name says {size}: nothing in it is sent or cleared until it is renamed to \
             Run_... or TestRun_...."
        ),
        None => format!(
            "This folder is not a run, so nothing in it is sent or cleared {size}: rename it to Run_... or TestRun_... if it holds a run."
        ),
    };
    of_a_folder(Rule::UnrecognisedFolder, path, detail)
}

/// Where a link leads now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leads {
    /// To a folder, in which runs may stand.
    ToAFolder,
    /// What it names is not there, as behind a disk that is not mounted.
    Nowhere,
    /// Back to itself, by whatever way.
    Around,
    /// This account may not see where.
    Unseen,
}

/// A link to a folder, or to nothing, where equipment, a project, a shelf or a run would stand. Links are never
/// followed, so nothing behind it is seen. `path` and `target` as shown text.
pub fn linked_folder(path: &str, target: &str, leads: Leads) -> Finding {
    let now = match leads {
        Leads::ToAFolder => "",
        Leads::Nowhere => " that leads to nothing now (is its disk mounted?)",
        Leads::Around => " that leads back to itself",
        Leads::Unseen => " whose target this program may not see",
    };
    let detail = format!(
        "This is a link (to {target}){now}. It is not looked at, so nothing behind it is sent or cleared: {}.",
        OTHER_DISK
    );
    of_a_folder(Rule::LinkedFolder, path, detail)
}

/// What to do with runs on another disk than the staging tree. A folder that is mounted into the tree is synced, and
/// its runs can never be cleared: a run is moved aside within one mount.
pub const OTHER_DISK: &str = "move the folder itself here, or give its disk a staging root and an installation of its \
                              own (runs of a folder that is mounted here are sent and never cleared)";

/// A folder of equipment, a project or a shelf that cannot be listed: no run below it is seen. `why`: the system's
/// words.
pub fn unreadable_folder(path: &str, why: &str) -> Finding {
    let detail = format!(
        "This folder cannot be read ({why}), so nothing in it is seen, sent or cleared: let the account of this program \
         read it (chmod, chown), or move it out of the staging tree if it holds no runs."
    );
    of_a_folder(Rule::UnreadableFolder, path, detail)
}

fn of_a_folder(rule: Rule, path: &str, rule_detail: String) -> Finding {
    let leaf = path.rsplit('/').next().unwrap_or(path).to_owned();
    Finding {
        rule,
        tier: rule.tier(),
        run_path: path.to_owned(),
        offending_path: leaf.clone(),
        offending_kind: OffendingKind::DirectorySegment,
        matched_token: leaf,
        rule_detail,
        synced_under_prior_policy: false,
        override_active: false,
    }
}

/// The completeness manifest cannot be used: `why` is the sentence of [`crate::completeness::Manifest::parse`].
pub fn unusable_manifest(run: &RunPath, filename: &str, why: &str) -> Finding {
    let detail = format!("The completeness manifest {filename} cannot be used, so the run is not complete: {why}.");
    Finding::new(
        Rule::UnusableManifest,
        run,
        (OffendingKind::FileContent, filename.to_owned()),
        filename.to_owned(),
        detail,
    )
}

/// A file would have to be read back and is larger than `verify.max_stream_bytes`.
pub fn verify_skipped_oversize(run: &RunPath, file: &FilePath, size: u64, limit: u64) -> Finding {
    let name = file.to_string();
    let detail = format!(
        "{name} has {}, more than verify.max_stream_bytes ({}), and its destination cannot hash it, so the run is not verified: raise \
         verify.max_stream_bytes, or let the destination hash by itself.",
        units::bytes_u64(size),
        units::bytes_u64(limit)
    );
    Finding::new(Rule::VerifySkippedOversize, run, (OffendingKind::FileName, name.clone()), name, detail)
}

/// Extended attributes that the record of a run could not take. `first`: one of their files, as shown text.
pub fn metadata_not_carried(run: &RunPath, attributes: u64, bytes: u64, first: &str) -> Finding {
    let detail = format!(
        "{} (streams, labels; {}) are more than the run's record can carry, first of {first}: the NAS has its bytes and not these, so it is not \
         cleared. Remove what nobody needs, or override this class to let them go with the local copy.",
        units::counted(attributes, "extended attribute"),
        units::bytes_u64(bytes)
    );
    Finding::new(Rule::MetadataNotCarried, run, (OffendingKind::FileName, first.to_owned()), first.to_owned(), detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_say_where_they_lead_and_a_way_out_that_ends_in_a_clear() {
        for (leads, says) in [
            (Leads::ToAFolder, "(to /mnt/d). It is not looked at"),
            (Leads::Nowhere, "leads to nothing now (is its disk mounted?)"),
            (Leads::Around, "leads back to itself"),
            (Leads::Unseen, "may not see"),
        ] {
            let finding = linked_folder("E", "/mnt/d", leads);
            assert!(finding.rule_detail.contains(says), "{}", finding.rule_detail);
            assert!(finding.rule_detail.contains("an installation of its own"), "{}", finding.rule_detail);
            assert!(!finding.rule_detail.contains("mount --bind"), "its runs could never be cleared");
        }
        let finding = unreadable_folder("E/P", "Permission denied");
        assert_eq!((finding.run_path.as_str(), finding.blocks()), ("E/P", false));
        assert!(finding.rule_detail.contains("Permission denied") && finding.rule_detail.contains("chmod"));
    }

    #[test]
    fn they_are_soft_and_say_what_and_where() {
        let run = RunPath::parse("E/P/Runs/Run_1").unwrap();
        let file = FilePath::new("raw/big.tif").unwrap();
        let findings = [
            unrecognised_folder("E/P/Runs/Other", 1, 2_048),
            unusable_manifest(
                &run,
                "run_manifest.json",
                "the manifest's `files` is empty: it must list every file of the run",
            ),
            verify_skipped_oversize(&run, &file, 12 << 30, 10 << 30),
            metadata_not_carried(&run, 1, 2_048, "raw/a.tif"),
        ];
        assert!(findings.iter().all(|finding| !finding.blocks()));
        assert_eq!((findings[0].run_path.as_str(), findings[0].offending_path.as_str()), ("E/P/Runs/Other", "Other"));
        assert!(findings[0].rule_detail.contains("(1 file, 2.0 KiB)"));
        assert_eq!(findings[1].rule_detail.matches(": ").count(), 2);
        assert!(
            findings[2]
                .rule_detail
                .starts_with("raw/big.tif has 12.0 GiB, more than verify.max_stream_bytes (10.0 GiB)")
        );
    }
}
