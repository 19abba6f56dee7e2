//! `/cleared`: runs whose local copy is gone, newest first. The history outlives the folder.

use crate::api;
use crate::href;
use crate::parts::{Go, Icon, When, WordTag};
use crate::words::{self, bytes, counted, leaf};
use domain::address;
use domain::api::{ClearedRun, ClearedRuns, JobError};
use domain::proof::ProofLevel;
use domain::timestamp::Timestamp;
use domain::units;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_location;

/// The `before` of an address.
fn before(search: &str) -> Option<u64> {
    address::pairs(search).find(|(key, _)| key == "before").and_then(|(_, value)| value.parse().ok())
}

/// The page.
#[component]
pub fn ClearedPage() -> impl IntoView {
    let location = use_location();
    let (path, search) = (location.pathname, location.search);
    let from = Memo::new(move |known: Option<&Option<u64>>| {
        let ours = path.with(|path| path == "/cleared");
        known.filter(|_| !ours).copied().unwrap_or_else(|| search.with(|search| before(search)))
    });
    let runs = Resource::new_blocking(move || from.get(), |before| async move { api::cleared_runs(before).await });
    view! {
        <Title text="Cleared" />
        <div class="page-head">
            <h1>"Cleared runs"</h1>
            <p class="muted">
                "The local copies are gone. Every byte was proven on the NAS before; the copy there, the only one, is \
                proven again from time to time."
            </p>
        </div>
        <Transition fallback=|| view! { <p class="empty" role="status">"Loading…"</p> }>
            {move || Suspend::new(async move {
                match runs.await {
                    Ok(page) if page.runs.is_empty() => view! { <Nothing /> }.into_any(),
                    Ok(page) => {
                        let damaged = page.damaged.clone();
                        view! {
                            <Damaged runs=damaged />
                            <Page page=page first=from.get_untracked().is_none() />
                        }
                            .into_any()
                    }
                    Err(error) => {
                        view! {
                            <div class="panel empty" role="alert">
                                <Icon name="alert" />
                                <p class="empty-title">"The history cannot be shown now"</p>
                                <p>{error.0.message}</p>
                            </div>
                        }
                            .into_any()
                    }
                }
            })}
        </Transition>
    }
    .into_any()
}

#[component]
fn Nothing() -> impl IntoView {
    view! {
        <div class="panel empty">
            <Icon name="cleared" />
            <p class="empty-title">"Nothing was cleared yet"</p>
            <p>"Runs that are proven on the NAS can be cleared from the staging table; they are listed here for good."</p>
        </div>
    }
}

/// Runs whose last copy is damaged: listed first, on the first page.
#[component]
fn Damaged(runs: Vec<ClearedRun>) -> impl IntoView {
    (!runs.is_empty()).then(|| {
        view! {
            <section class="panel damaged" aria-labelledby="damaged-title">
                <div class="block-head">
                    <h2 id="damaged-title">"Damaged on the NAS, or not provable any more"</h2>
                </div>
                <Listing runs=runs />
            </section>
        }
    })
}

#[component]
fn Listing(runs: Vec<ClearedRun>) -> impl IntoView {
    view! {
        <div class="listing" tabindex="0" role="region" aria-label="Table of cleared runs">
            <table class="plain cleared">
                <thead>
                    <tr>
                        <th scope="col">"Cleared"</th>
                        <th scope="col">"Run"</th>
                        <th scope="col">"The data is at"</th>
                        <th scope="col">"Last proven"</th>
                        <th scope="col" class="number">"Files"</th>
                        <th scope="col" class="number">"Freed"</th>
                        <th scope="col">"Seal"</th>
                        <th scope="col">"Certificate"</th>
                    </tr>
                </thead>
                <tbody>{runs.into_iter().map(line).collect_view()}</tbody>
            </table>
        </div>
    }
}

#[component]
fn Page(
    page: ClearedRuns,
    /// True on the first page.
    first: bool,
) -> impl IntoView {
    let freed: u64 = page.runs.iter().map(|run| run.bytes_freed).sum();
    let shown = format!("{}, {} freed", counted(page.runs.len() as u64, "run", "runs"), bytes(freed));
    let older = page.next_before.map(|before| format!("/cleared?before={before}"));
    view! {
        <section class="panel" aria-label="Cleared runs">
            <Listing runs=page.runs />
            <div class="pager">
                <span class="muted">{shown}</span>
                {(!first).then(|| view! { <Go href="/cleared".to_owned() class="button">"Newest"</Go> })}
                {older.map(|href| view! { <Go href=href class="button">"Older"</Go> })}
            </div>
        </section>
    }
}

fn line(run: ClearedRun) -> impl IntoView {
    let certificate = href::certificate_page(&run.run_path);
    let about = format!(" of {}", leaf(&run.run_path));
    let folder = run.run_path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    view! {
        <tr>
            <td class="nowrap" data-label="Cleared">
                <When at=run.cleared_at />
            </td>
            <td data-label="Run">
                <Go href=href::run_page(&run.run_path) class="run-link">{leaf(&run.run_path).to_owned()}</Go>
                {(run.life > 1).then(|| view! { <span class="badge">{format!("life {}", run.life)}</span> })}
                <span class="muted small path block-line">{folder}</span>
            </td>
            <td class="path" data-label="The data is at">
                <code>{run.nas_path}</code>
            </td>
            <td data-label="Last proven">{proof(run.proven_at, run.proof_level, run.damage)}</td>
            <td class="number" data-label="Files">{units::count(run.files_freed)}</td>
            <td class="number" data-label="Freed">{bytes(run.bytes_freed)}</td>
            <td data-label="Seal">
                <code title=run.seal.clone()>{run.seal.chars().take(8).collect::<String>()}</code>
            </td>
            <td data-label="Certificate">
                <Go href=certificate>
                    "Certificate"
                    <span class="sr-only">{about}</span>
                </Go>
            </td>
        </tr>
    }
}

/// When its copy was last proven and how, and what was found since.
fn proof(at: Option<Timestamp>, level: Option<ProofLevel>, damage: Option<JobError>) -> impl IntoView {
    let found = damage.map(|error| {
        view! {
            <WordTag word=Signal::stored(words::damage(&error)) />
            <span class="path block-line">{error.message}</span>
            <span class="muted small block-line">{error.remedy}</span>
        }
    });
    let proven = match at {
        Some(at) => {
            let level = level.map(|level| view! { <span class="badge" title=level.meaning()>{level.as_str()}</span> });
            view! { <span class="nowrap"><When at=at /> {level}</span> }.into_any()
        }
        None => view! { <span class="muted">"Not recorded"</span> }.into_any(),
    };
    (found, proven)
}

#[cfg(test)]
mod tests {
    use super::before;

    #[test]
    fn pages_are_addresses() {
        assert_eq!(before("?before=42"), Some(42));
        assert_eq!(before("x=1&before=7"), Some(7));
        assert_eq!(before("before=x"), None);
        assert_eq!(before(""), None);
    }
}
