//! The run's own log: its last lines, by weight and text, followed while something works on the run, and as a file.

use super::view::{List, RunView};
use crate::api;
use crate::parts::{Choice, Icon, ListForm, When};
use crate::store::use_store;
use crate::words::{bytes, counted};
use domain::api::{LogEntry, LogQuery, RunLog};
use domain::log_line::Level;
use domain::problem::ErrorCode;
use leptos::leptos_dom::helpers::{IntervalHandle, set_interval_with_handle};
use leptos::prelude::*;
use std::time::Duration;

/// How often a followed log is fetched anew while something works on the run.
const FOLLOW_EVERY: Duration = Duration::from_secs(2);

/// A level for people, its class and its icon.
fn look(level: Level) -> (&'static str, &'static str, &'static str) {
    match level {
        Level::Debug => ("Debug", "tone-idle", "more"),
        Level::Info => ("Info", "tone-idle", "check"),
        Level::Warn => ("Warning", "tone-warn", "alert"),
        Level::Error => ("Error", "tone-bad", "failed"),
    }
}

/// The section.
#[component]
pub fn Log(
    run: Memo<String>,
    view: Memo<RunView>,
    /// Grows when the run has changed.
    changes: RwSignal<u32>,
) -> impl IntoView {
    let store = use_store();
    let query = Memo::new(move |_| view.with(|view| view.log.clone()));
    let log = Resource::new_blocking(
        move || (run.get(), query.get(), changes.get()),
        |(run, query, _)| async move { api::run_log(run, query).await },
    );
    let follow = RwSignal::new(true);
    // Only while something works on the run; every other change of it is told by `changes`.
    let in_work = Memo::new(move |_| {
        store.watched.track();
        store
            .row(&run.get())
            .is_some_and(|row| row.with(|seen| seen.row.job.as_ref().is_some_and(|job| job.progress.is_some())))
    });
    let ticking = StoredValue::new(None::<IntervalHandle>);
    let stop = move || {
        if let Some(handle) = ticking.try_update_value(Option::take).flatten() {
            handle.clear();
        }
    };
    Effect::new(move |_: Option<()>| {
        stop();
        if follow.get() && in_work.get() {
            ticking.set_value(set_interval_with_handle(move || log.refetch(), FOLLOW_EVERY).ok());
        }
    });
    on_cleanup(stop);
    view! {
        <section class="panel run-log" aria-labelledby="log-title">
            <div class="block-head">
                <h2 id="log-title">"Log"</h2>
                <Search run=run view=view />
                <label class="check needs-script no-print">
                    <input type="checkbox" prop:checked=move || follow.get() checked=true on:change:target=move |event| follow.set(event.target().checked()) />
                    "Follow while it is worked on"
                </label>
            </div>
            <Transition fallback=|| view! { <p class="block muted" role="status">"Loading…"</p> }>
                {move || Suspend::new(async move {
                    match log.await {
                        Ok(log) => lines(log, run.get_untracked(), &query.get_untracked()).into_any(),
                        // The page says it already.
                        Err(error) if matches!(error.0.code, ErrorCode::NotFound | ErrorCode::BadPath) => ().into_any(),
                        Err(error) => {
                            view! {
                                <p class="block path" role="alert">
                                    <strong>"The log cannot be read now. "</strong>
                                    {error.0.message}
                                </p>
                            }
                                .into_any()
                        }
                    }
                })}
            </Transition>
        </section>
    }
}

#[component]
fn Search(run: Memo<String>, view: Memo<RunView>) -> impl IntoView {
    let with = move |log: LogQuery| view.get_untracked().with_log(log).href(&run.get_untracked());
    let text = Memo::new(move |_| view.with(|view| view.log.text.clone()));
    let chosen = Memo::new(move |_| view.with(|view| view.log.level.map(|level| level.as_str().to_owned())));
    let levels = [(Level::Info, "Info and above"), (Level::Warn, "Warnings and errors"), (Level::Error, "Errors only")];
    let levels = levels.map(|(level, text)| (level.as_str().to_owned(), text.to_owned())).to_vec();
    let to_level = move |level: Option<String>| {
        with(LogQuery { level: level.as_deref().and_then(Level::from_text), ..view.get_untracked().log })
    };
    view! {
        <ListForm
            label="Search the log"
            placeholder="Search lines"
            name="log"
            text=text
            to=Callback::new(move |text| with(LogQuery { text, ..view.get_untracked().log }))
            kept=Signal::derive(move || view.with(|view| view.of_other(List::Log)))
        >
            <Choice
                label="Level"
                name="level"
                all="All levels"
                options=Signal::stored(levels)
                chosen=chosen
                to=Callback::new(to_level)
            />
        </ListForm>
    }
}

fn lines(log: RunLog, run: String, query: &LogQuery) -> AnyView {
    let Some(file) = log.file else {
        return view! {
            <p class="block muted">
                "There is no log here. The log of a run that is gone is on the NAS, with its record."
            </p>
        }
        .into_any();
    };
    let filtered = query.level.is_some() || !query.text.trim().is_empty();
    let none = log.lines.is_empty();
    let count = counted(log.lines.len() as u64, "line", "lines");
    let told = match (filtered, log.cut) {
        (true, true) => format!("The last {count} that match; older lines were not searched"),
        (true, false) => format!("{count} of the whole log"),
        (false, true) => format!("The last {count}"),
        (false, false) => format!("All {count}"),
    };
    let download = format!("/api/v1/runs/{}/log?download=1", domain::address::encode_path(&run));
    view! {
        {none.then(|| view! { <p class="block muted">{if filtered { "No line matches." } else { "The log is empty." }}</p> })}
        {(!none)
            .then(|| {
                view! {
                    <div class="listing log-lines" tabindex="0" role="region" aria-label="Lines of the log">
                        <table class="plain stacked">
                            <thead>
                                <tr>
                                    <th scope="col">"When"</th>
                                    <th scope="col">"Level"</th>
                                    <th scope="col">"Line"</th>
                                </tr>
                            </thead>
                            <tbody>{log.lines.into_iter().map(line).collect_view()}</tbody>
                        </table>
                    </div>
                }
            })}
        <div class="pager">
            <span class="muted">{told}</span>
            <a class="button no-print" href=download download=file.clone() rel="external">
                {format!("Download {file}")}
                <span class="muted">{format!(" {}", bytes(log.bytes))}</span>
            </a>
        </div>
    }
    .into_any()
}

fn line(entry: LogEntry) -> impl IntoView {
    let level = entry.level.map(|level| {
        let (text, tone, icon) = look(level);
        view! {
            <span class=format!("word {tone}")>
                <Icon name=icon />
                <span class="word-text">{text}</span>
            </span>
        }
    });
    view! {
        <tr>
            <td class="nowrap" data-label="When">{entry.at.map(|at| view! { <When at=at /> })}</td>
            <td data-label="Level">{level}</td>
            <td class="path" data-label="Line">
                <code>{entry.text}</code>
            </td>
        </tr>
    }
}
