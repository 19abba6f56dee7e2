//! The state diagrams in docs/lifecycle.md show exactly what `apply` allows: nothing more, nothing less.

use domain::job::{self, JobEvent, JobState};
use domain::lifecycle::{self, RunEvent, RunState};
use std::collections::BTreeSet;

/// From, event, to; `[*]` is "no record yet".
type Arrow = (String, String, String);

const JOB_EVENTS: [JobEvent; 10] = [
    JobEvent::Claimed,
    JobEvent::Sent,
    JobEvent::Proven,
    JobEvent::Postponed,
    JobEvent::GaveUp,
    JobEvent::Rearmed,
    JobEvent::BecameEligible,
    JobEvent::LostEligibility,
    JobEvent::Disproven,
    JobEvent::Cleaned,
];

/// Stops compiling when an event is added, so that nobody forgets the lists above.
fn every_event_is_listed(run: RunEvent, job: JobEvent) {
    match run {
        RunEvent::Seen | RunEvent::Completed | RunEvent::Queued | RunEvent::Proven => {}
        RunEvent::Cleared | RunEvent::NewLife | RunEvent::ClearTakenBack | RunEvent::Renamed => {}
    }
    match job {
        JobEvent::Claimed | JobEvent::Sent | JobEvent::Proven | JobEvent::Postponed | JobEvent::GaveUp => {}
        JobEvent::Rearmed
        | JobEvent::BecameEligible
        | JobEvent::LostEligibility
        | JobEvent::Disproven
        | JobEvent::Cleaned => {}
    }
}

/// The arrows of the diagram below the comment that names `function`.
fn drawn(function: &str) -> BTreeSet<Arrow> {
    let page = include_str!("../../../docs/lifecycle.md");
    let (_, rest) =
        page.split_once(&format!("<!-- checked against {function} -->")).expect("the comment above the diagram");
    let diagram =
        rest.trim_start().strip_prefix("```mermaid").and_then(|rest| rest.split("```").next()).expect("a diagram");
    let mut lines = diagram.lines().map(str::trim).filter(|line| !line.is_empty());
    assert_eq!(lines.next(), Some("stateDiagram-v2"));
    let mut arrows = BTreeSet::new();
    for line in lines {
        let (from, rest) = line.split_once(" --> ").unwrap_or_else(|| panic!("no arrow: {line}"));
        let (to, event) = rest.split_once(": ").unwrap_or_else(|| panic!("no event: {line}"));
        assert!(arrows.insert((from.into(), event.into(), to.into())), "drawn twice: {line}");
    }
    arrows
}

#[test]
fn the_life_of_a_run_is_drawn_as_it_is() {
    let states = std::iter::once(None).chain(RunState::ALL.map(Some));
    let allowed: BTreeSet<Arrow> = states
        .flat_map(|state| RunEvent::ALL.map(|event| (state, event)))
        .filter_map(|(state, event)| {
            let to = lifecycle::apply(state, event).ok()?;
            Some((state.map_or("[*]", RunState::as_str).into(), format!("{event:?}"), to.as_str().into()))
        })
        .collect();
    assert_eq!(drawn("domain::lifecycle::apply"), allowed);
}

#[test]
fn the_life_of_a_job_is_drawn_as_it_is() {
    let allowed: BTreeSet<Arrow> = JobState::ALL
        .into_iter()
        .flat_map(|state| JOB_EVENTS.map(|event| (state, event)))
        .filter_map(|(state, event)| {
            Some((state.as_str().into(), format!("{event:?}"), job::apply(state, event)?.as_str().into()))
        })
        .collect();
    assert_eq!(drawn("domain::job::apply"), allowed);
}

#[test]
fn all_events_are_known_here() {
    for (index, run) in RunEvent::ALL.into_iter().enumerate() {
        assert!(!RunEvent::ALL[..index].contains(&run));
        every_event_is_listed(run, JOB_EVENTS[0]);
    }
    for (index, job) in JOB_EVENTS.into_iter().enumerate() {
        assert!(!JOB_EVENTS[..index].contains(&job));
        every_event_is_listed(RunEvent::ALL[0], job);
    }
}
