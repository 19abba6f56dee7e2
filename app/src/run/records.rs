//! What is written down of a run: its seal, its proofs, and the ledger that outlives its folder.

use crate::parts::{Icon, When};
use crate::store::SeenRow;
use crate::words::{bytes, capitalised, counted};
use domain::api::{LedgerEntry, ProofRecord, SealSummary};
use leptos::prelude::*;

/// What was sealed last.
#[component]
pub fn Seal(
    /// The seal, once there is one.
    seal: Option<SealSummary>,
    /// The run, for what it holds now.
    row: RwSignal<SeenRow>,
) -> impl IntoView {
    let differs = seal.as_ref().map(|seal| (seal.files, seal.bytes)).map(|sealed| {
        move || {
            row.with(|seen| {
                (seen.row.summary.file_count, seen.row.summary.byte_total) != sealed
                    && seen.row.summary.current_state != "cleared"
            })
        }
    });
    seal.map(|seal| {
        view! {
            <section class="panel block" aria-labelledby="seal-title">
                <h2 id="seal-title">"Seal"</h2>
                <dl class="facts">
                    <dt>"Sealed"</dt>
                    <dd>{format!("{} in {}", bytes(seal.bytes), counted(seal.files, "file", "files"))} <span class="muted">{format!(" · generation {}", seal.generation)}</span></dd>
                    <dt>"When"</dt>
                    <dd><When at=seal.sealed_at /></dd>
                    <dt>"SHA-256 of the list"</dt>
                    <dd><code>{seal.digest}</code></dd>
                </dl>
                {differs.map(|differs| view! {
                    <Show when=differs><p class="muted small">"The folder no longer holds what was sealed."</p></Show>
                })}
            </section>
        }
    })
}

/// Every proof attempt, newest first.
#[component]
pub fn Proofs(proofs: Vec<ProofRecord>) -> impl IntoView {
    (!proofs.is_empty()).then(|| {
        view! {
            <section class="panel block" aria-labelledby="proofs-title">
                <h2 id="proofs-title">"Proofs"</h2>
                <ol class="records">{proofs.into_iter().map(proof).collect_view()}</ol>
            </section>
        }
    })
}

fn proof(proof: ProofRecord) -> impl IntoView {
    let (icon, tone, word) =
        if proof.proven { ("shield", "tone-good", "Proven") } else { ("failed", "tone-bad", "Not proven") };
    view! {
        <li class=format!("record {tone}")>
            <Icon name=icon />
            <div>
                <p>
                    <strong>{format!("{word} · {}", proof.level)}</strong>
                    <span class="muted">{format!(" {}", proof.level.meaning())}</span>
                </p>
                {(!proof.detail.is_empty()).then(|| view! { <p class="path">{proof.detail}</p> })}
                <p class="muted small">
                    <When at=proof.at />
                    {format!(" · {} · {}, {} · generation {}", proof.method, counted(proof.files, "file", "files"), bytes(proof.bytes), proof.generation)}
                </p>
            </div>
        </li>
    }
}

/// Facts kept outside the folder.
#[component]
pub fn Ledger(entries: Vec<LedgerEntry>) -> impl IntoView {
    (!entries.is_empty()).then(|| {
        view! {
            <section class="panel block" aria-labelledby="ledger-title">
                <h2 id="ledger-title">
                    "Ledger" <span class="muted">" · kept outside the run, even after it is gone"</span>
                </h2>
                <div class="listing" tabindex="0" role="region" aria-label="Table of the ledger">
                    <table class="plain">
                        <thead>
                            <tr><th scope="col">"When"</th><th scope="col">"What"</th><th scope="col">"Detail"</th><th scope="col" class="number">"Life"</th></tr>
                        </thead>
                        <tbody>
                            {entries
                                .into_iter()
                                .map(|entry| {
                                    view! {
                                        <tr>
                                            <td class="nowrap"><When at=entry.at /></td>
                                            <td class="nowrap"><strong>{capitalised(&entry.kind.replace('_', " "))}</strong></td>
                                            <td class="path">{entry.detail}</td>
                                            <td class="number">{entry.life}</td>
                                        </tr>
                                    }
                                })
                                .collect_view()}
                        </tbody>
                    </table>
                </div>
            </section>
        }
    })
}
