//! Acts that operators started: each goes on as a task of its own, whoever hangs up, over one run or many.

use crate::machine::clock::Clock;
use crate::tell::events::Events;
use domain::api::{ActKind, ActResult, ActView, Event};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

const KEPT: usize = 500;

/// Acts in work and the newest ended ones. Cheap to clone.
#[derive(Clone)]
pub struct Acts {
    kept: Arc<Mutex<VecDeque<ActView>>>,
    events: Events,
    clock: Clock,
}

impl Acts {
    /// None yet.
    pub fn new(events: Events, clock: Clock) -> Acts {
        Acts { kept: Arc::default(), events, clock }
    }

    /// Registers an act over `runs_total` runs.
    pub fn begin(&self, kind: ActKind, runs_total: usize) -> ActView {
        let act = ActView {
            id: uuid::Uuid::new_v4().to_string(),
            kind,
            started_at: self.clock.now(),
            finished_at: None,
            runs_total: runs_total as u64,
            results: Vec::new(),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT
            && let Some(ended) = kept.iter().position(|act| act.finished_at.is_some())
        {
            kept.remove(ended);
        }
        kept.push_back(act.clone());
        drop(kept);
        self.publish(&act);
        act
    }

    /// Notes how one run ended; the last one ends the act.
    pub fn ended(&self, id: &str, result: ActResult) {
        let now = self.clock.now();
        let act = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(act) = kept.iter_mut().find(|act| act.id == id) else { return };
            act.results.push(Arc::new(result));
            if act.results.len() as u64 == act.runs_total {
                act.finished_at = Some(now);
            }
            // An act over many runs tells of its way in a hundred steps, not in thousands of growing ones.
            let step = (act.runs_total / 100).max(1);
            if act.finished_at.is_none() && !(act.results.len() as u64).is_multiple_of(step) {
                return;
            }
            act.clone()
        };
        self.publish(&act);
    }

    /// An act by id.
    pub fn get(&self, id: &str) -> Option<ActView> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|act| act.id == id).cloned()
    }

    fn publish(&self, act: &ActView) {
        self.events.publish(|seq| Event::Act { seq, act: Box::new(act.clone()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::timestamp::Timestamp;
    use tokio_util::sync::CancellationToken;

    #[test]
    fn an_act_ends_with_its_last_run_and_stays_readable() {
        let acts = Acts::new(Events::new(0, CancellationToken::new()), Clock::manual(Timestamp::default()));
        let act = acts.begin(ActKind::Clear, 2);
        let result =
            |run: &str| ActResult { run_path: run.into(), sentence: "done".into(), answer: None, problem: None };
        acts.ended(&act.id, result("E/P/Runs/Run_1"));
        assert_eq!(acts.get(&act.id).unwrap().finished_at, None);
        acts.ended(&act.id, result("E/P/Runs/Run_2"));
        assert_eq!(acts.get(&act.id).unwrap().finished_at, Some(Timestamp::default()));
    }

    #[test]
    fn only_ended_acts_are_forgotten() {
        let acts = Acts::new(Events::new(0, CancellationToken::new()), Clock::manual(Timestamp::default()));
        let first = acts.begin(ActKind::Verify, 1);
        for _ in 0..KEPT {
            let act = acts.begin(ActKind::Verify, 1);
            acts.ended(
                &act.id,
                ActResult { run_path: String::new(), sentence: String::new(), answer: None, problem: None },
            );
        }
        assert!(acts.get(&first.id).is_some());
        assert!(acts.kept.lock().unwrap().len() <= KEPT);
    }
}
