//! The dialog of acts: nothing goes without having been shown first. One run to clear in full, many runs as a list;
//! then how it goes and ends.

use super::many::Many;
use super::one::One;
use super::working::Working;
use crate::parts::Modal;
use crate::store::acts::title;
use crate::store::use_store;
use crate::words::{counted, leaf};
use domain::api::{ActKind, ForceSyncRequest};
use leptos::prelude::*;

/// An act that waits for its confirmation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    pub kind: ActKind,
    /// On which runs; at least one.
    pub runs: Vec<String>,
}

impl Asked {
    /// Clearing one run.
    pub fn clear(run: String) -> Asked {
        Asked { kind: ActKind::Clear, runs: vec![run] }
    }

    /// Title of its dialog.
    fn title(&self) -> String {
        match self.runs.as_slice() {
            [run] => format!("{} {}", title(self.kind), leaf(run)),
            runs => format!("{} {}", title(self.kind), counted(runs.len() as u64, "run", "runs")),
        }
    }
}

/// The dialog of what is asked; closed while nothing is.
#[component]
pub fn ActDialog(
    /// Set to open, emptied when closed.
    asked: RwSignal<Option<Asked>>,
) -> impl IntoView {
    let store = use_store();
    let working = RwSignal::new(None::<u32>);
    let open = Signal::derive(move || asked.with(Option::is_some));
    let title = Signal::derive(move || asked.with(|asked| asked.as_ref().map_or_else(String::new, Asked::title)));
    let close = move || {
        if let Some(number) = working.get_untracked() {
            // What still goes on, or was refused, is not lost with the dialog.
            let quiet = store.acts.with_untracked(|acts| {
                acts.iter()
                    .find(|act| act.number == number)
                    .is_some_and(|act| act.is_over() && act.refused() == 0 && act.problem.is_none())
            });
            if !quiet {
                store.reveal(number);
            }
        }
        working.set(None);
        asked.set(None);
    };
    let confirm = move |confirmed: Vec<String>| {
        let Some(kind) = asked.with_untracked(|asked| asked.as_ref().map(|asked| asked.kind)) else { return };
        working.set(Some(store.start(kind, confirmed, ForceSyncRequest::default(), true)));
    };
    view! {
        <Modal open=open title=title id="act-dialog" on_close=close>
            {move || match (working.get(), asked.get()) {
                (Some(number), _) => view! { <Working number=number close=close /> }.into_any(),
                (None, Some(Asked { kind, runs })) => {
                    match (kind, <[String; 1]>::try_from(runs)) {
                        (ActKind::Clear, Ok([run])) => view! { <One run=run confirm=confirm close=close /> }.into_any(),
                        (_, Ok([run])) => view! { <Many kind=kind runs=vec![run] confirm=confirm close=close /> }.into_any(),
                        (_, Err(runs)) => view! { <Many kind=kind runs=runs confirm=confirm close=close /> }.into_any(),
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
