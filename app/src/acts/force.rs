//! Taking a run as complete although its signal is missing: asks who says so and why, because both are recorded.

use crate::parts::{Icon, Modal};
use crate::store::use_store;
use crate::words::leaf;
use domain::api::{ActKind, ForceSyncRequest};
use leptos::prelude::*;

/// Bounds of a reason, in characters after trimming (docs/rest.md).
const REASON: std::ops::RangeInclusive<usize> = 10..=500;

/// Key in the browser's storage: who works here, so that it need not be typed each time.
pub const OPERATOR_KEY: &str = "exlab-operator";

/// What is still lacking; `None` when it can be sent.
fn lacking(operator: &str, reason: &str) -> Option<String> {
    let length = reason.trim().chars().count();
    if operator.trim().is_empty() {
        Some("Say who you are.".to_owned())
    } else if length < *REASON.start() {
        Some(format!("Say why: {} more characters at least.", REASON.start() - length))
    } else if length > *REASON.end() {
        Some(format!("{} characters too many.", length - REASON.end()))
    } else {
        None
    }
}

/// The dialog of the run named in `run`; closed while there is none.
#[component]
pub fn ForceDialog(
    /// Which run; set to open, emptied when closed.
    run: RwSignal<Option<String>>,
) -> impl IntoView {
    let store = use_store();
    let operator = RwSignal::new(String::new());
    let reason = RwSignal::new(String::new());
    Effect::new(move |_: Option<()>| {
        if run.with(Option::is_some) {
            let kept = window()
                .local_storage()
                .ok()
                .flatten()
                .and_then(|storage| storage.get_item(OPERATOR_KEY).ok().flatten());
            operator.set(kept.unwrap_or_default());
            reason.set(String::new());
        }
    });
    let open = Signal::derive(move || run.with(Option::is_some));
    let title = Signal::derive(move || {
        format!("Sync {} although unfinished", run.with(|run| run.as_deref().map(leaf).unwrap_or_default().to_owned()))
    });
    let why = Memo::new(move |_| operator.with(|operator| reason.with(|reason| lacking(operator, reason))));
    let close = move || run.set(None);
    let send = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let Some(named) = run.get_untracked() else { return };
        if why.with_untracked(Option::is_some) || store.link.get_untracked().is_broken() {
            return;
        }
        let (operator, reason) = (operator.get_untracked().trim().to_owned(), reason.get_untracked().trim().to_owned());
        if let Ok(Some(storage)) = window().local_storage() {
            // A browser that keeps nothing asks again next time.
            let _ = storage.set_item(OPERATOR_KEY, &operator);
        }
        let request = ForceSyncRequest { assume_complete: true, operator: Some(operator), reason: Some(reason) };
        store.start(ActKind::ForceSync, vec![named], request, false);
        close();
    };
    view! {
        <Modal open=open title=title id="force-dialog" on_close=close>
            <form on:submit=send>
                <div class="modal-body">
                    <p>
                        "The instrument has not said that this run is complete. What is there now is sealed, sent and proven; what comes later has to be synced again."
                    </p>
                    <label class="labelled">
                        "Operator"
                        <input
                            type="text"
                            autocomplete="username"
                            maxlength="100"
                            prop:value=move || operator.get()
                            on:input:target=move |event| operator.set(event.target().value())
                        />
                    </label>
                    <label class="labelled">
                        "Reason"
                        <textarea
                            rows="3"
                            aria-describedby="force-lacking"
                            prop:value=move || reason.get()
                            on:input:target=move |event| reason.set(event.target().value())
                        ></textarea>
                    </label>
                    <p class="muted small" id="force-lacking" aria-live="polite">
                        {move || why.get().unwrap_or_else(|| "Both are recorded in the run's history.".to_owned())}
                    </p>
                </div>
                <div class="modal-foot">
                    <button type="button" class="button" on:click=move |_| close()>"Cancel"</button>
                    <button type="submit" class="button primary" aria-disabled=move || why.with(Option::is_some).then_some("true")>
                        <Icon name="sync" />
                        "Take as complete and sync"
                    </button>
                </div>
            </form>
        </Modal>
    }
}

#[cfg(test)]
mod tests {
    use super::lacking;

    #[test]
    fn operator_and_reason_are_asked_for() {
        assert!(lacking(" ", "ten characters").is_some());
        assert!(lacking("kim", "  too short ").is_some());
        assert!(lacking("kim", &"x".repeat(501)).is_some());
        assert_eq!(lacking("kim", "ten charac"), None);
        assert_eq!(lacking("kim", &"ä".repeat(500)), None);
    }
}
