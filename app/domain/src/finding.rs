//! What the Pre-Sync Gate finds (docs/operation.md): the complete shape, shared by rows, REST and panel.

use crate::path::RunPath;
use serde::{Deserialize, Serialize};

/// A rule of the gate; also the `problem_class` of an override.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A character no target file system takes, a trailing dot or blank, or a name that is not UTF-8.
    IllegalFilesystemCharacter,
    /// `{{ .. }}` or `{% .. %}` left over from a template.
    LeftoverJinjaMarker,
    /// A link where equipment, a project, a shelf or a run would stand: not looked at.
    LinkedFolder,
    /// Front matter opens with `---` and never closes.
    MalformedYamlFrontMatter,
    /// Extended attributes (streams, labels) that are more than a run's record can carry: they hold the clear, not the
    /// sync.
    MetadataNotCarried,
    /// A field that README or creation.json must carry is missing.
    MissingRequiredField,
    /// Leaf prefix, parent folder and creation's `run_kind` disagree.
    ModePrefixMismatch,
    /// No creation.json.
    Orphan,
    /// A name Windows reserves for devices.
    ReservedFilesystemName,
    /// The equipment is not in the config, or not synced from here. No override.
    UnconfiguredEquipment,
    /// A folder above runs that cannot be read: nothing in it is seen.
    UnreadableFolder,
    /// A folder at run depth that is no run.
    UnrecognisedFolder,
    /// `<name>` left over from a template.
    UnresolvedPlaceholderToken,
    /// The project folder breaks the rules for project names.
    UnsafeProjectName,
    /// A link, FIFO, socket or device: nothing that can be sent.
    UnsupportedFileType,
    /// The completeness manifest cannot be used (docs/format.md).
    UnusableManifest,
    /// A file is larger than `verify.max_stream_bytes` and the destination cannot hash it (docs/proof.md).
    VerifySkippedOversize,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 17] = [
        Rule::IllegalFilesystemCharacter,
        Rule::LeftoverJinjaMarker,
        Rule::LinkedFolder,
        Rule::MalformedYamlFrontMatter,
        Rule::MetadataNotCarried,
        Rule::MissingRequiredField,
        Rule::ModePrefixMismatch,
        Rule::Orphan,
        Rule::ReservedFilesystemName,
        Rule::UnconfiguredEquipment,
        Rule::UnreadableFolder,
        Rule::UnrecognisedFolder,
        Rule::UnresolvedPlaceholderToken,
        Rule::UnsafeProjectName,
        Rule::UnsupportedFileType,
        Rule::UnusableManifest,
        Rule::VerifySkippedOversize,
    ];

    /// As written in REST and overrides.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::IllegalFilesystemCharacter => "illegal_filesystem_character",
            Rule::LeftoverJinjaMarker => "leftover_jinja_marker",
            Rule::LinkedFolder => "linked_folder",
            Rule::MalformedYamlFrontMatter => "malformed_yaml_front_matter",
            Rule::MetadataNotCarried => "metadata_not_carried",
            Rule::MissingRequiredField => "missing_required_field",
            Rule::ModePrefixMismatch => "mode_prefix_mismatch",
            Rule::Orphan => "orphan",
            Rule::ReservedFilesystemName => "reserved_filesystem_name",
            Rule::UnconfiguredEquipment => "unconfigured_equipment",
            Rule::UnreadableFolder => "unreadable_folder",
            Rule::UnrecognisedFolder => "unrecognised_folder",
            Rule::UnresolvedPlaceholderToken => "unresolved_placeholder_token",
            Rule::UnsafeProjectName => "unsafe_project_name",
            Rule::UnsupportedFileType => "unsupported_file_type",
            Rule::UnusableManifest => "unusable_manifest",
            Rule::VerifySkippedOversize => "verify_skipped_oversize",
        }
    }

    /// Reads REST's text.
    pub fn from_text(text: &str) -> Option<Rule> {
        Rule::ALL.into_iter().find(|rule| rule.as_str() == text)
    }

    /// Hard findings hold the run back; soft ones are shown.
    pub fn tier(self) -> Tier {
        match self {
            Rule::LinkedFolder
            | Rule::MalformedYamlFrontMatter
            | Rule::MetadataNotCarried
            | Rule::MissingRequiredField
            | Rule::Orphan
            | Rule::UnreadableFolder
            | Rule::UnrecognisedFolder
            | Rule::UnsafeProjectName
            | Rule::UnusableManifest
            | Rule::VerifySkippedOversize => Tier::Soft,
            _ => Tier::Hard,
        }
    }

    /// Whether an operator may let this class through.
    pub fn can_be_overridden(self) -> bool {
        (self.tier() == Tier::Hard && self != Rule::UnconfiguredEquipment) || self == Rule::MetadataNotCarried
    }
}

/// How much a finding weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Holds the run back until fixed or overridden.
    Hard,
    /// Shown, never blocks.
    Soft,
}

/// What carries the offending text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffendingKind {
    /// A folder on the run's path or inside the run.
    DirectorySegment,
    /// A file's name.
    FileName,
    /// Text inside a file that a template wrote.
    FileContent,
}

/// One thing the gate found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// Its weight.
    pub tier: Tier,
    /// The run; for `unrecognised_folder`, `linked_folder` and `unreadable_folder` the folder, relative to the staging
    /// root.
    pub run_path: String,
    /// The segment, or the file's path inside the run, as shown text.
    pub offending_path: String,
    /// What carries it.
    pub offending_kind: OffendingKind,
    /// The exact part that matched, for marking.
    pub matched_token: String,
    /// One sentence for people: what is wrong and what to do.
    pub rule_detail: String,
    /// The run was already verified when this was found.
    pub synced_under_prior_policy: bool,
    /// An active override lets this class through.
    pub override_active: bool,
}

impl Finding {
    /// A finding of `rule` on `run`, not overridden.
    pub fn new(
        rule: Rule,
        run: &RunPath,
        offending: (OffendingKind, String),
        matched_token: String,
        rule_detail: String,
    ) -> Finding {
        Finding {
            rule,
            tier: rule.tier(),
            run_path: run.as_str().to_owned(),
            offending_path: offending.1,
            offending_kind: offending.0,
            matched_token,
            rule_detail,
            synced_under_prior_policy: false,
            override_active: false,
        }
    }

    /// True when this finding holds its run back.
    pub fn blocks(&self) -> bool {
        self.tier == Tier::Hard && !self.override_active
    }
}

/// The order of all listings: hard before soft, then by run, rule, offending path, token.
pub fn order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    a.tier
        .cmp(&b.tier)
        .then_with(|| a.run_path.cmp(&b.run_path))
        .then_with(|| a.rule.as_str().cmp(b.rule.as_str()))
        .then_with(|| a.offending_path.cmp(&b.offending_path))
        .then_with(|| a.matched_token.cmp(&b.matched_token))
}

/// Sorts by [`order`]: the same input gives the same bytes.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(order);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_alike_everywhere_and_stand_in_order() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
            assert_eq!(Rule::from_text(rule.as_str()), Some(rule));
        }
        assert!(Rule::ALL.is_sorted() && Rule::ALL.is_sorted_by_key(|rule| rule.as_str()));
    }

    #[test]
    fn what_holds_something_back_can_be_overridden_but_unconfigured_equipment() {
        let refused: Vec<_> =
            Rule::ALL.into_iter().filter(|rule| rule.tier() == Tier::Hard && !rule.can_be_overridden()).collect();
        assert_eq!(refused, [Rule::UnconfiguredEquipment]);
        let soft: Vec<_> =
            Rule::ALL.into_iter().filter(|rule| rule.tier() == Tier::Soft && rule.can_be_overridden()).collect();
        assert_eq!(soft, [Rule::MetadataNotCarried], "it holds the clear");
    }
}
