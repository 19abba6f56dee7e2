//! The lifecycle as it was written down: each state with its time, its host, and what was recorded with it; then what
//! is still to come.

use crate::parts::{Icon, When};
use crate::words;
use domain::api::HistoryView;
use domain::lifecycle::RunState;
use leptos::prelude::*;

/// States that still lie ahead of `state`; none when it is not known.
fn to_come(state: &str) -> Vec<&'static str> {
    let Some(now) = RunState::from_text(state) else { return Vec::new() };
    RunState::ALL.into_iter().filter(|later| *later > now).map(RunState::as_str).collect()
}

/// What is still to come, for people: nothing of it has happened yet.
fn when(state: &str) -> &'static str {
    match state {
        "staging" => "While the instrument pushes files.",
        "complete" => "When the instrument has finished, and nothing changes any more.",
        "sync_queued" => "When the Pre-Sync Gate lets it through; then it is sent to the NAS.",
        "sync_verified" => "When every byte is proven on the NAS.",
        "cleared" => "When you, or the policy, let the local copy go.",
        _ => "",
    }
}

/// The timeline.
#[component]
pub fn Timeline(
    history: Vec<HistoryView>,
    /// Where the run stands.
    state: String,
) -> impl IntoView {
    let ahead = to_come(&state);
    let none = history.is_empty();
    view! {
        <section class="panel block" aria-labelledby="history-title">
            <h2 id="history-title">"History"</h2>
            {none.then(|| view! { <p class="muted">"Nothing is recorded yet."</p> })}
            <ol class="timeline">
                {history.into_iter().map(past).collect_view()}
                {ahead
                    .into_iter()
                    .map(|state| {
                        let word = words::state(state);
                        view! {
                            <li class="event event-ahead">
                                <Icon name=word.icon />
                                <div>
                                    <p>
                                        {word.text}
                                        <span class="sr-only">" (still to come)"</span>
                                    </p>
                                    <p class="muted small">{when(state)}</p>
                                </div>
                            </li>
                        }
                    })
                    .collect_view()}
            </ol>
        </section>
    }
}

fn past(entry: HistoryView) -> impl IntoView {
    let word = words::state(&entry.state);
    view! {
        <li class=format!("event {}", word.tone.class())>
            <Icon name=word.icon />
            <div>
                <p class="event-head">
                    <strong>{word.text}</strong>
                    <span>{entry.at.map_or_else(|| "time not readable".into_any(), |at| view! { <When at=at /> }.into_any())}</span>
                    {entry.host.map(|host| view! { <span class="muted">{format!("on {host}")}</span> })}
                </p>
                {(!entry.notes.is_empty())
                    .then(|| {
                        view! { <ul class="notes">{entry.notes.into_iter().map(|note| view! { <li class="path">{note}</li> }).collect_view()}</ul> }
                    })}
            </div>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::to_come;

    #[test]
    fn what_lies_ahead_is_only_later_states() {
        assert_eq!(to_come("sync_queued"), ["sync_verified", "cleared"]);
        assert!(to_come("cleared").is_empty());
        assert!(to_come("hibernating").is_empty());
    }
}
