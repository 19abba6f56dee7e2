//! Acts that this page started: what was asked, how far it is, and how it ended.

use super::Store;
use crate::api;
use crate::words::{bytes, counted};
use domain::api::{ActKind, ActView, ForceSyncRequest};
use domain::problem::Problem;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::time::Duration;

/// An act of this page.
#[derive(Clone, PartialEq, Debug)]
pub struct OwnAct {
    /// Counts from 1 within this page.
    pub number: u32,
    pub kind: ActKind,
    pub runs: Vec<String>,
    /// How far it is; `None` until the server has taken it.
    pub view: Option<ActView>,
    /// Why it was not taken.
    pub problem: Option<Problem>,
    /// Not to be shown among the outcomes (a dialog shows it, or it was dismissed).
    pub hidden: bool,
}

impl OwnAct {
    /// True once nothing more will come.
    pub fn is_over(&self) -> bool {
        self.problem.is_some() || self.view.as_ref().is_some_and(|view| view.finished_at.is_some())
    }

    /// Runs it failed on, when it is over.
    pub fn refused(&self) -> usize {
        self.view.as_ref().map_or(0, |view| view.results.iter().filter(|result| result.problem.is_some()).count())
    }

    /// Files and bytes freed so far, of a clear.
    pub fn freed(&self) -> (u64, u64) {
        let answers = self.view.iter().flat_map(|view| &view.results).filter_map(|result| result.answer.as_ref());
        answers.fold((0, 0), |(files, bytes), answer| {
            let number = |key: &str| answer.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
            (files + number("files_freed"), bytes + number("bytes_freed"))
        })
    }

    /// One sentence for the outcome, or for where it stands.
    pub fn sentence(&self) -> String {
        if let Some(problem) = &self.problem {
            return problem.message.clone();
        }
        let total = self.runs.len() as u64;
        let Some(view) = &self.view else { return format!("{}: asking…", title(self.kind)) };
        let refused = self.refused() as u64;
        let ended = view.results.len() as u64;
        if view.finished_at.is_none() {
            return format!("{}: {ended} of {} done", title(self.kind), counted(total, "run", "runs"));
        }
        if let (1, [result]) = (total, view.results.as_slice()) {
            return result.sentence.clone();
        }
        let done = counted(ended - refused, "run", "runs");
        let done = match self.kind {
            ActKind::Clear => format!("Cleared {done}, freed {}", bytes(self.freed().1)),
            ActKind::ForceSync => format!("Asked for a sync of {done}"),
            ActKind::Verify => format!("Verified {done}"),
            ActKind::Retry => format!("Retried {done}"),
            ActKind::CallOff => format!("Called off the clear of {done}"),
        };
        if refused == 0 {
            format!("{done}.")
        } else {
            format!("{done}; {} refused.", counted(refused, "run was", "runs were"))
        }
    }
}

/// Name of an act, as on its button.
pub fn title(kind: ActKind) -> &'static str {
    match kind {
        ActKind::ForceSync => "Force sync",
        ActKind::Clear => "Clear",
        ActKind::Verify => "Verify",
        ActKind::Retry => "Retry",
        ActKind::CallOff => "Call off",
    }
}

/// How long between two questions after an act whose events do not come.
const ASK_EVERY: Duration = Duration::from_millis(1_500);

impl Store {
    /// Asks for an act and follows it. Browser only. The number names it in [`Store::acts`].
    pub fn start(&self, kind: ActKind, runs: Vec<String>, request: ForceSyncRequest, hidden: bool) -> u32 {
        let store = *self;
        let number = store.acts.with_untracked(|acts| acts.iter().map(|act| act.number).max().unwrap_or(0)) + 1;
        store.acts.update(|acts| {
            // Outcomes that were seen and dismissed need not be kept.
            acts.retain(|act| !(act.hidden && act.is_over()));
            acts.push(OwnAct { number, kind, runs: runs.clone(), view: None, problem: None, hidden });
        });
        spawn_local(async move {
            match api::start_act(kind, runs, request).await {
                Ok(view) => {
                    let id = view.id.clone();
                    store.change(number, |act| act.view = Some(view));
                    store.follow(number, id);
                }
                Err(error) => store.change(number, |act| act.problem = Some(error.0)),
            }
        });
        number
    }

    /// An act of this page, by number. Reactive.
    pub fn act(&self, number: u32) -> Option<OwnAct> {
        self.acts.with(|acts| acts.iter().find(|act| act.number == number).cloned())
    }

    /// News of an act, from the event stream; acts of other pages are none of ours.
    pub fn take_act(&self, view: ActView) {
        let ours = self.acts.with_untracked(|acts| {
            acts.iter().find(|act| act.view.as_ref().is_some_and(|known| known.id == view.id)).map(|act| act.number)
        });
        if let Some(number) = ours {
            self.change(number, |act| {
                // An old event after a newer answer changes nothing.
                let known = act.view.as_ref().map_or(0, |known| known.results.len());
                if view.results.len() >= known && !act.is_over() {
                    act.view = Some(view);
                }
            });
        }
    }

    /// Takes an outcome off the screen.
    pub fn dismiss(&self, number: u32) {
        self.acts.update(|acts| acts.iter_mut().filter(|act| act.number == number).for_each(|act| act.hidden = true));
    }

    /// Shows an act among the outcomes again, e.g. when its dialog is closed before its end.
    pub fn reveal(&self, number: u32) {
        self.acts.update(|acts| acts.iter_mut().filter(|act| act.number == number).for_each(|act| act.hidden = false));
    }

    fn change(&self, number: u32, change: impl FnOnce(&mut OwnAct)) {
        let mut ended = None;
        self.acts.update(|acts| {
            if let Some(act) = acts.iter_mut().find(|act| act.number == number) {
                let was_over = act.is_over();
                change(act);
                ended = (act.is_over() && !was_over).then(|| act.sentence());
            }
        });
        if let Some(sentence) = ended {
            self.say(sentence);
        }
    }

    /// Asks how an act goes on until it is over: events usually say it first.
    fn follow(&self, number: u32, id: String) {
        let store = *self;
        set_timeout(
            move || {
                let over = store
                    .acts
                    .with_untracked(|acts| acts.iter().find(|act| act.number == number).is_none_or(OwnAct::is_over));
                if over {
                    return;
                }
                spawn_local(async move {
                    match api::act(id.clone()).await {
                        Ok(view) => store.take_act(view),
                        Err(error) if error.is_no_answer() => {}
                        Err(error) => store.change(number, |act| act.problem = Some(error.0)),
                    }
                    store.follow(number, id);
                });
            },
            ASK_EVERY,
        );
    }
}
