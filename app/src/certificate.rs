//! `/certificate/{run_path}`: the certificate of custody.
//!
//! One page for the shelf: what was received, sealed, proven, and where it is.

use crate::api;
use crate::href;
use crate::parts::{Go, Icon, When};
use crate::run::records::{Ledger, Proofs};
use crate::words::{self, bytes, counted, leaf};
use domain::api::{Certificate, HistoryView};
use domain::problem::{ErrorCode, Problem};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_location;

/// The page.
#[component]
pub fn CertificatePage() -> impl IntoView {
    let pathname = use_location().pathname;
    let run = Memo::new(move |before: Option<&String>| {
        pathname.with(|path| href::run_of_certificate(path)).or_else(|| before.cloned()).unwrap_or_default()
    });
    let certificate = Resource::new_blocking(move || run.get(), |run| async move { api::certificate(run).await });
    let title = move || run.with(|run| format!("Certificate · {}", leaf(run)));
    let back = Signal::derive(move || run.with(|run| href::run_page(run)));
    view! {
        <Title text=title />
        <nav class="crumbs no-print" aria-label="Breadcrumb">
            <Go href=back>
                <Icon name="back" />
                "The run"
            </Go>
        </nav>
        <Transition fallback=|| view! { <p class="empty" role="status">"Loading…"</p> }>
            {move || Suspend::new(async move {
                match certificate.await {
                    Ok(certificate) => view! { <Sheet certificate=certificate /> }.into_any(),
                    Err(error) => refused(error.0, run.get_untracked()).into_any(),
                }
            })}
        </Transition>
    }
    .into_any()
}

#[component]
fn Sheet(certificate: Certificate) -> impl IntoView {
    let (tone, icon, verdict) = match certificate.damage() {
        _ if certificate.is_proven() => ("tone-good", "shield", "Every sealed byte was proven on the NAS.".to_owned()),
        Some(damage) => {
            let verdict = format!(
                "Not proven any more. Since the local copy was cleared, this was found on the NAS: {}",
                damage.message
            );
            ("tone-bad", "alert", verdict)
        }
        None => {
            let verdict = "Not proven: this page shows how far the run has come, and vouches for nothing.";
            ("tone-warn", "alert", verdict.to_owned())
        }
    };
    let Certificate { issued_at, installation, label, host, version, equipment_label, cleared, run } = certificate;
    let summary = run.row.summary;
    let nas = cleared.as_ref().map(|cleared| cleared.nas_path.clone()).filter(|path| !path.is_empty());
    let nas = nas
        .or_else(|| run.row.job.as_ref().and_then(|job| job.nas_path.clone()))
        .unwrap_or_else(|| "Only here so far".to_owned());
    let kind = if summary.run_kind == "test" { "Test run" } else { "Experimental run" };
    let seal = run.seal.map(|seal| {
        view! {
            <dt>"Sealed"</dt>
            <dd>
                {format!("{}, {} ({} bytes)", counted(seal.files, "file", "files"), bytes(seal.bytes), domain::units::count(seal.bytes))}
                <span class="muted">{format!(" · generation {}, ", seal.generation)} <When at=seal.sealed_at /></span>
            </dd>
            <dt>"Digest of the seal"</dt>
            <dd>
                <code>{seal.digest}</code>
                <p class="muted small">"SHA-256 of the sorted list of all files, each with its size and its own SHA-256."</p>
            </dd>
        }
    });
    let copy = match cleared {
        Some(cleared) => view! {
            "Cleared " <When at=cleared.cleared_at />
            {format!(": {}, {} freed", counted(cleared.files_freed, "file", "files"), bytes(cleared.bytes_freed))}
        }
        .into_any(),
        None => view! { "Still here: " <code>{summary.path}</code> }.into_any(),
    };
    view! {
        <article class="certificate">
            <header class="panel block">
                <p class="muted">"Certificate of custody"</p>
                <div class="run-head">
                    <h1>{leaf(&run.row.run_path).to_owned()}</h1>
                    <button
                        type="button"
                        class="button needs-script no-print"
                        on:click=|_| {
                            let _ = window().print();
                        }
                    >
                        <Icon name="print" />
                        "Print"
                    </button>
                </div>
                <p class=format!("now {tone}")>
                    <Icon name=icon />
                    <strong class="now-text">{verdict}</strong>
                </p>
                <dl class="facts">
                    <dt>"Run"</dt>
                    <dd><code>{run.row.run_path}</code> {(run.row.life > 1).then(|| format!(" (life {} of this path)", run.row.life))}</dd>
                    <dt>"Kind"</dt>
                    <dd>{kind}</dd>
                    <dt>"Project"</dt>
                    <dd>{summary.project_name}</dd>
                    <dt>"Equipment"</dt>
                    <dd>{summary.equipment_id} {(!equipment_label.is_empty()).then(|| format!(", {equipment_label}"))}</dd>
                    {seal}
                    <dt>"The data is at"</dt>
                    <dd><code>{nas}</code></dd>
                    <dt>"Local copy"</dt>
                    <dd>{copy}</dd>
                    <dt>"Vouched for by"</dt>
                    <dd>{format!("{label} on {host}, ExLab Orchestrator {version}")} <p class="muted small">"Installation " <code>{installation}</code></p></dd>
                    <dt>"Made out"</dt>
                    <dd><When at=issued_at /></dd>
                </dl>
            </header>
            <Steps history=run.history />
            <Proofs proofs=run.proofs />
            <Ledger entries=run.ledger />
        </article>
    }
}

/// Who wrote down which step, and when.
#[component]
fn Steps(history: Vec<HistoryView>) -> impl IntoView {
    let step = |entry: HistoryView| {
        view! {
            <tr>
                <td class="nowrap" data-label="When">
                    {entry.at.map_or_else(|| "not readable".into_any(), |at| view! { <When at=at /> }.into_any())}
                </td>
                <td data-label="Step">
                    <strong>{words::state(&entry.state).text}</strong>
                </td>
                <td class="path" data-label="By">{entry.host.unwrap_or_else(|| "not recorded".to_owned())}</td>
                <td class="path" data-label="With">{entry.notes.join("; ")}</td>
            </tr>
        }
    };
    view! {
        <section class="panel block" aria-labelledby="steps-title">
            <h2 id="steps-title">"Steps of its life"</h2>
            <div class="listing" tabindex="0" role="region" aria-label="Table of the steps">
                <table class="plain stacked">
                    <thead>
                        <tr>
                            <th scope="col">"When"</th>
                            <th scope="col">"Step"</th>
                            <th scope="col">"Written by"</th>
                            <th scope="col">"With"</th>
                        </tr>
                    </thead>
                    <tbody>{history.into_iter().map(step).collect_view()}</tbody>
                </table>
            </div>
        </section>
    }
}

fn refused(problem: Problem, run: String) -> impl IntoView {
    let unknown = matches!(problem.code, ErrorCode::NotFound | ErrorCode::BadPath);
    #[cfg(feature = "ssr")]
    if let (true, Some(response)) = (unknown, use_context::<leptos_axum::ResponseOptions>()) {
        response.set_status(axum::http::StatusCode::NOT_FOUND);
    }
    let title = if unknown { "This run is not known here" } else { "The certificate cannot be made out now" };
    view! {
        <div class="panel empty" role="alert">
            <Icon name="alert" />
            <h1 class="empty-title">{title}</h1>
            <p class="path">
                <code>{run}</code>
            </p>
            <p>{problem.message}</p>
        </div>
    }
}
