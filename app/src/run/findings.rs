//! What the Pre-Sync Gate found, with the matched part marked; what operators let through; and files that came too
//! late.

use crate::parts::{Go, Icon, When};
use crate::words::{capitalised, counted};
use domain::api::{FileDifference, FindingCounts};
use domain::finding::{Finding, OffendingKind, Tier};
use domain::overrides::OverrideEntry;
use domain::timestamp::Timestamp;
use domain::units;
use leptos::prelude::*;

/// A text cut at every occurrence of `token`: plain, matched, plain, ... Nothing is ever parsed as HTML.
pub fn cut<'a>(text: &'a str, token: &str) -> Vec<(bool, &'a str)> {
    if token.is_empty() {
        return vec![(false, text)];
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(token) {
        parts.push((false, &rest[..at]));
        parts.push((true, &rest[at..at + token.len()]));
        rest = &rest[at + token.len()..];
    }
    parts.push((false, rest));
    parts.retain(|(_, part)| !part.is_empty());
    parts
}

/// A path with every occurrence of the token marked.
pub fn marked(text: &str, token: &str) -> impl IntoView + use<> {
    let parts: Vec<(bool, String)> =
        cut(text, token).into_iter().map(|(matched, part)| (matched, part.to_owned())).collect();
    let parts = parts
        .into_iter()
        .map(|(matched, part)| if matched { view! { <mark>{part}</mark> }.into_any() } else { part.into_any() });
    view! { <code class="path">{parts.collect_view()}</code> }
}

/// Findings written out on the page of their run.
const LISTED: usize = 50;

/// Findings, hard before soft.
#[component]
pub fn Findings(
    /// As the gate sorted them; of many, the first.
    findings: Vec<Finding>,
    counts: FindingCounts,
) -> impl IntoView {
    let blocking = u64::from(counts.blocking);
    let all = blocking + u64::from(counts.overridden) + u64::from(counts.soft);
    let more = all.saturating_sub(LISTED.min(findings.len()) as u64);
    let summary = if blocking == 0 {
        "None holds it back".to_owned()
    } else {
        counted(blocking, "holds it back", "hold it back")
    };
    let deal = findings.first().map(|finding| {
        let href = crate::lists::problem_query::of_run(&finding.run_path);
        view! {
            <p class="no-print">
                <Go href=href class="button small">"Override, revoke or mark in the list of problems"</Go>
            </p>
        }
    });
    (!findings.is_empty()).then(|| {
        view! {
            <section class="panel block" aria-labelledby="findings-title">
                <h2 id="findings-title">"Findings of the Pre-Sync Gate" <span class="muted">{format!(" · {summary}")}</span></h2>
                {deal}
                <ul class="findings">{findings.into_iter().take(LISTED).map(finding).collect_view()}</ul>
                {(more > 0).then(|| view! { <p class="muted">{format!("and {} more, in the list of problems", units::count(more))}</p> })}
            </section>
        }
    })
}

fn finding(finding: Finding) -> impl IntoView {
    let (icon, tone, weight) = match (finding.tier, finding.override_active) {
        (Tier::Hard, false) => ("blocked", "tone-bad", "Holds it back"),
        (Tier::Hard, true) => ("check", "tone-idle", "Overridden"),
        (Tier::Soft, _) => ("alert", "tone-warn", "Note"),
    };
    let kind = match finding.offending_kind {
        OffendingKind::DirectorySegment => "folder",
        OffendingKind::FileName => "file name",
        OffendingKind::FileContent => "content of",
    };
    view! {
        <li class=format!("finding {tone}")>
            <Icon name=icon />
            <div>
                <p>
                    <strong>{capitalised(&finding.rule.as_str().replace('_', " "))}</strong>
                    <span class="badge">{weight}</span>
                    {finding.synced_under_prior_policy.then(|| view! { <span class="badge">"synced before this was found"</span> })}
                </p>
                <p>
                    <span class="muted">{kind} " "</span>
                    {marked(&finding.offending_path, &finding.matched_token)}
                </p>
                <p class="muted">{finding.rule_detail}</p>
            </div>
        </li>
    }
}

/// Files that appeared or changed after the seal.
#[component]
pub fn LateFiles(files: Vec<FileDifference>, total: u64) -> impl IntoView {
    let more = total.saturating_sub(files.len() as u64);
    (!files.is_empty()).then(|| {
        view! {
            <section class="panel block" aria-labelledby="late-title">
                <h2 id="late-title">"Late files" <span class="muted">{format!(" · {}", counted(total, "file", "files"))}</span></h2>
                <p class="muted">"They are not on the NAS as they are here. Force a sync: they are sealed, sent and proven as the next generation."</p>
                <ul class="files" tabindex="0" aria-label="Late files">
                    {files
                        .into_iter()
                        .map(|file| {
                            view! {
                                <li>
                                    <code class="path">{file.path}</code>
                                    <span class="muted">" " {file.what}</span>
                                </li>
                            }
                        })
                        .collect_view()}
                </ul>
                {(more > 0).then(|| view! { <p class="muted">{format!("and {more} more")}</p> })}
            </section>
        }
    })
}

/// A recorded time as written, put into the reader's zone when it can be read.
fn recorded(at: Option<String>) -> AnyView {
    match at.as_deref().map(Timestamp::parse) {
        Some(Ok(time)) => view! { <When at=time /> }.into_any(),
        _ => at.unwrap_or_else(|| "time not recorded".to_owned()).into_any(),
    }
}

/// Overrides and the tombstones that revoke them, as recorded.
#[component]
pub fn Overrides(entries: Vec<OverrideEntry>) -> impl IntoView {
    (!entries.is_empty()).then(|| {
        view! {
            <section class="panel block" aria-labelledby="overrides-title">
                <h2 id="overrides-title">"Overrides"</h2>
                <ol class="records">{entries.into_iter().map(override_entry).collect_view()}</ol>
            </section>
        }
    })
}

fn override_entry(entry: OverrideEntry) -> impl IntoView {
    let head = match &entry.revokes {
        Some(_) => "Revoked".to_owned(),
        None => format!("Let through: {}", entry.problem_class.replace('_', " ")),
    };
    let expiry = entry.expires_at.clone().map(|at| view! { <span class="muted">" until " {recorded(Some(at))}</span> });
    view! {
        <li>
            <p>
                <strong>{head}</strong>
                {expiry}
            </p>
            <p>{entry.reason}</p>
            <p class="muted small">{entry.operator} " · " {recorded(entry.recorded_at)}</p>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::cut;
    use proptest::prelude::*;

    #[test]
    fn every_match_is_marked() {
        assert_eq!(cut("a<x>b<x>", "<x>"), [(false, "a"), (true, "<x>"), (false, "b"), (true, "<x>")]);
        assert_eq!(cut("abc", ""), [(false, "abc")]);
        assert_eq!(cut("ä<x>", "<x>"), [(false, "ä"), (true, "<x>")]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_added(text in ".{0,40}", token in ".{0,3}") {
            prop_assert_eq!(cut(&text, &token).into_iter().map(|(_, part)| part).collect::<String>(), text);
        }
    }
}
