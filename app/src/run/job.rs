//! What the run is doing now: progress, attempts, the failure and the way out, and where its data goes.

use crate::parts::story;
use crate::parts::{Ago, Icon, When, progress};
use crate::store::{SeenRow, use_store};
use crate::words::{self, bytes, counted};
use domain::api::{JobView, RunRow};
use domain::timestamp::Timestamp;
use domain::units;
use leptos::leptos_dom::helpers::{IntervalHandle, set_interval_with_handle};
use leptos::prelude::*;
use std::time::Duration;

/// The run's present.
#[component]
pub fn Job(row: RwSignal<SeenRow>) -> impl IntoView {
    let store = use_store();
    let told = Memo::new(move |_| row.with(|seen| story::tell(seen, store.tick.get())));
    let quiet = Signal::derive(move || row.with(|seen| seen.quiet_seconds(store.tick.get())));
    let changed = Signal::derive(move || row.with(|seen| seen.row.summary.last_activity_at.clone()));
    let job = Memo::new(move |_| row.with(|seen| seen.row.job.clone()));
    let facts = Memo::new(move |_| row.with(|seen| facts(&seen.row)));
    view! {
        <section class="panel block" aria-labelledby="now-title">
            <h2 id="now-title">"Now"</h2>
            {move || {
                told.with(|told| {
                    let bar = told.bar.map(|permille| {
                        view! { <progress class="bar" max="1000" value=permille aria-label=told.head.text.clone()></progress> }
                    });
                    view! {
                        <div class=format!("now {}", told.head.tone.class())>
                            <Icon name=told.head.icon />
                            <div class="now-text">
                                <p class="now-head">{told.head.text.clone()}</p>
                                {bar}
                                <p class="muted">{told.detail.clone()}</p>
                            </div>
                        </div>
                    }
                })
            }}
            <dl class="facts">
                {move || facts.get().into_iter().map(|(name, value)| view! { <dt>{name}</dt><dd class="path">{value}</dd> }).collect_view()}
                <dt>"Last change"</dt>
                <dd>
                    <Ago seconds=quiet at=changed />
                    " ago"
                </dd>
                {move || job.get().map(|job| job_facts(&job, row))}
            </dl>
        </section>
    }
}

fn facts(row: &RunRow) -> Vec<(&'static str, String)> {
    let summary = &row.summary;
    vec![
        ("Data", format!("{} in {}", bytes(summary.byte_total), counted(summary.file_count, "file", "files"))),
        ("Local folder", summary.path.clone()),
    ]
}

fn job_facts(job: &JobView, row: RwSignal<SeenRow>) -> impl IntoView + use<> {
    let attempts = match (job.attempts, job.hash_retries) {
        (0, 0) => None,
        (attempts, 0) => Some(counted(u64::from(attempts), "retry", "retries")),
        (attempts, again) => {
            let again =
                counted(u64::from(again), "second push after a hash mismatch", "second pushes after hash mismatches");
            Some(format!("{}, {again}", counted(u64::from(attempts), "retry", "retries")))
        }
    };
    let failure = job.error.clone().map(|error| {
        view! {
            <dt>"Last failure"</dt>
            <dd>
                <p>{error.message}</p>
                <p class="muted">{error.remedy}</p>
                <p class="muted small">
                    {format!("Class {}, on the side of the ", error.code)} {match error.side {
                        domain::job::Side::Source => "staging tree",
                        domain::job::Side::Destination => "NAS",
                        domain::job::Side::Here => "program",
                    }}
                </p>
            </dd>
        }
    });
    let record = if job.record_sent { "On the NAS" } else { "Not on the NAS yet" };
    view! {
        {job.nas_path.clone().map(|path| view! { <dt>"On the NAS"</dt><dd><code>{path}</code></dd> })}
        <dt>"Job"</dt>
        <dd>
            {words::capitalised(&job.state.as_str().replace('_', " "))}
            <span class="muted">{format!(" · generation {} · {}", job.generation, counted(u64::from(job.verify_passes), "proof", "proofs"))}</span>
        </dd>
        {attempts.map(|attempts| view! { <dt>"Tried again"</dt><dd>{attempts}</dd> })}
        {job.next_attempt_at.map(|at| view! { <dt>"Next try"</dt><dd><Countdown at=at row=row /> <span class="muted">" · " <When at=at /></span></dd> })}
        {failure}
        {job.progress.as_ref().map(|now| view! { <dt>"Rate"</dt><dd>{units::rate(now.bytes_per_second)} " " <span class="muted">{progress::percent(now)}</span></dd> })}
        <dt>"Record"</dt>
        <dd>{record}</dd>
    }
}

/// How long until the next try, second by second, from the server's clock as the row told it when it came.
#[component]
fn Countdown(
    /// When it is due.
    at: Timestamp,
    row: RwSignal<SeenRow>,
) -> impl IntoView {
    let wait = row.with_untracked(|seen| seen.seconds_since(at, seen.seen_at)).map_or(0, |seconds| -seconds);
    let passed = RwSignal::new(0_i64);
    let ticking = StoredValue::new(None::<IntervalHandle>);
    Effect::new(move |_: Option<()>| {
        let tick = move || passed.update(|seconds| *seconds += 1);
        ticking.set_value(set_interval_with_handle(tick, Duration::from_secs(1)).ok());
    });
    on_cleanup(move || {
        if let Some(handle) = ticking.try_update_value(Option::take).flatten() {
            handle.clear();
        }
    });
    move || match wait - passed.get() {
        left @ 1.. => format!("in {}", units::elapsed(left)),
        _ => "now".to_owned(),
    }
}
