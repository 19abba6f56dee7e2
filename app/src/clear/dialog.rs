//! The clear dialog: nothing goes without having been shown first. One run in full, many as a list, then how it goes and ends.

use super::many::Many;
use super::one::One;
use super::working::Working;
use crate::parts::Modal;
use crate::store::use_store;
use crate::words::{counted, leaf};
use domain::api::{ActKind, ForceSyncRequest};
use leptos::prelude::*;

/// The dialog of the runs named in `runs`; closed while there are none.
#[component]
pub fn ClearDialog(
    /// Which runs; set to open, emptied when closed.
    runs: RwSignal<Option<Vec<String>>>,
) -> impl IntoView {
    let store = use_store();
    let working = RwSignal::new(None::<u32>);
    let open = Signal::derive(move || runs.with(Option::is_some));
    let title = Signal::derive(move || {
        runs.with(|runs| match runs.as_deref() {
            Some([run]) => format!("Clear {}", leaf(run)),
            Some(runs) => format!("Clear {}", counted(runs.len() as u64, "run", "runs")),
            None => "Clear".to_owned(),
        })
    });
    let close = move || {
        if let Some(number) = working.get_untracked() {
            // What still goes on, or was refused, is not lost with the dialog.
            let quiet = store.acts.with_untracked(|acts| {
                acts.iter().find(|act| act.number == number).is_some_and(|act| act.is_over() && act.refused() == 0 && act.problem.is_none())
            });
            if !quiet {
                store.reveal(number);
            }
        }
        working.set(None);
        runs.set(None);
    };
    let confirm = move |confirmed: Vec<String>| {
        working.set(Some(store.start(ActKind::Clear, confirmed, ForceSyncRequest::default(), true)));
    };
    view! {
        <Modal open=open title=title id="clear-dialog" on_close=close>
            {move || match (working.get(), runs.get()) {
                (Some(number), _) => view! { <Working number=number close=close /> }.into_any(),
                (None, Some(named)) => {
                    match <[String; 1]>::try_from(named) {
                        Ok([run]) => view! { <One run=run confirm=confirm close=close /> }.into_any(),
                        Err(named) => view! { <Many runs=named confirm=confirm close=close /> }.into_any(),
                    }
                }
                (None, None) => ().into_any(),
            }}
        </Modal>
    }
}

/// What clearing does, in every form of the dialog.
pub fn promise() -> impl IntoView {
    view! {
        <p class="note">
            <crate::parts::Icon name="shield" />
            <span>"The NAS is asked again before anything is deleted: every file is proven once more, and whatever is not proven stays. The history is kept."</span>
        </p>
    }
}
