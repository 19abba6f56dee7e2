//! Keeps the store up to date in the browser.
//!
//! One event stream, reconnected by an own timer, and patches applied once per frame. What follows from what is decided
//! by `connection`; here it is done. Nothing here runs on the server.

mod connection;
mod source;

use crate::api;
use crate::lists::select::Shift;
use crate::store::{Link, Loaded, Store};
use connection::{Connection, Effect, Input, ListAnswer, broken_link};
use domain::api::Event;
use leptos::prelude::*;
use leptos::task::spawn_local;
use source::{Heard, Source};
use std::cell::RefCell;
use std::time::Duration;

/// Seconds between two ticks of the ages on the screen.
const TICK_EVERY: i64 = 10;

struct Live {
    store: Store,
    source: Option<Source>,
    connection: Connection,
    /// Lists that were asked for.
    lists_asked: u32,
    zero: f64,
}

thread_local! {
    static LIVE: RefCell<Option<Live>> = const { RefCell::new(None) };
}

fn with<R>(act: impl FnOnce(&mut Live) -> R) -> Option<R> {
    LIVE.with(|live| live.borrow_mut().as_mut().map(act))
}

fn milliseconds() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}

impl Live {
    fn now(&self) -> i64 {
        ((milliseconds() - self.zero) / 1_000.0) as i64
    }
}

/// Seconds since [`start`], finer than the store's tick.
pub fn now() -> i64 {
    with(|live| live.now()).unwrap_or(0)
}

/// Starts keeping the store up to date; a second call does nothing. Call it once hydrated.
pub fn start(store: Store) {
    let fresh = LIVE.with(|live| {
        let mut live = live.borrow_mut();
        let fresh = live.is_none();
        if fresh {
            *live = Some(Live {
                store,
                source: None,
                connection: Connection::default(),
                lists_asked: 0,
                zero: milliseconds(),
            });
        }
        fresh
    });
    if !fresh {
        return;
    }
    let known =
        store.status.with_untracked(|status| status.as_ref().map(|status| (status.seq, status.version.clone())));
    feed(Input::Started(known));
    set_interval(every_second, Duration::from_secs(1));
    let _ = window_event_listener_untyped("online", |_| feed(Input::RetryNow));
}

/// The whole list is wanted from now on: a page shows it.
pub fn want_list() {
    if let Some(loaded) = with(|live| live.store.loaded.get_untracked()) {
        feed(Input::ListWanted { is_whole: loaded == Loaded::Whole });
    }
}

/// Tries to connect without waiting any longer.
pub fn retry_now() {
    feed(Input::RetryNow);
}

/// Loads the list once more, e.g. after a problem.
pub fn reload() {
    feed(Input::Reload);
}

fn every_second() {
    let Some((store, now)) = with(|live| (live.store, live.now())) else { return };
    if now - store.tick.get_untracked() >= TICK_EVERY {
        store.tick.set(now);
    }
    feed(Input::Second { order_held_until: store.hold_order_until.get_value() });
}

/// Tells the connection what happened, and does what follows.
fn feed(input: Input) {
    let stepped = with(|live| {
        let now = live.now();
        (live.store, live.connection.step(now, input))
    });
    let Some((store, effects)) = stepped else { return };
    effects.into_iter().for_each(|effect| carry_out(store, effect));
}

fn carry_out(store: Store, effect: Effect) {
    match effect {
        Effect::Open { since, try_number } => {
            let source = Source::open(&format!("/api/v1/events?since={since}"), move |heard| hear(try_number, heard));
            if source.is_none() {
                set_timeout(move || feed(Input::Broken(try_number)), Duration::ZERO);
            }
            with(|live| live.source = source);
        }
        Effect::Close => drop(with(|live| live.source.take())),
        Effect::AskStatus(of) => spawn_local(async move {
            feed(Input::Status(of, api::status().await.ok().map(Box::new)));
        }),
        Effect::CheckSilence(of) => spawn_local(async move {
            feed(Input::Checked(of, api::status().await.ok().map(|status| status.seq)));
        }),
        Effect::AskHeader => spawn_local(async move {
            if let Ok(status) = api::status().await {
                store.status.set(Some(status));
            }
        }),
        Effect::AskList => spawn_local(async move {
            let Some(asked) = with(|live| {
                live.lists_asked += 1;
                live.lists_asked
            }) else {
                return;
            };
            let answer = api::staging().await;
            // Of two requests under way the later one counts: the other's answer may be older than events heard since.
            if with(|live| live.lists_asked) != Some(asked) {
                return;
            }
            feed(Input::List(match answer {
                Ok(list) => {
                    store.take_list(list.runs);
                    ListAnswer::Came
                }
                Err(error) if error.is_no_answer() => ListAnswer::NoAnswer,
                Err(error) => {
                    store.problem.set(Some(error.0));
                    ListAnswer::Refused
                }
            }));
        }),
        // Frames stop in a hidden tab; its list must not pile up.
        Effect::AskFrame if document().hidden() => set_timeout(|| feed(Input::Frame), Duration::from_millis(500)),
        Effect::AskFrame => {
            request_animation_frame(|| feed(Input::Frame));
        }
        Effect::Apply(events) => {
            let (shift, reset) = apply(store, events);
            feed(Input::Applied { shift, reset });
        }
        Effect::TakeStatus(status) => {
            store.status.set(Some(*status));
            store.watched_changes.update(|n| *n += 1);
            store.problems_changes.update(|n| *n += 1);
        }
        Effect::Outdated(outdated) => store.outdated.set(outdated),
        Effect::Reselect => store.reselect(),
        Effect::ShowLive => store.link.set(Link::Live),
        Effect::ShowBroken(seconds) => store.link.set(broken_link(seconds, window().navigator().on_line())),
        Effect::Say(text) => store.say(text),
    }
}

fn hear(try_number: u32, heard: Heard) {
    match heard {
        Heard::Open => feed(Input::Opened(try_number)),
        Heard::Message(data) => feed(match serde_json::from_str::<Event>(&data) {
            Ok(event) => Input::Heard(try_number, Box::new(event)),
            // An event of a newer version that is not understood is followed by a row or status that is.
            Err(_) => Input::Noise(try_number),
        }),
        // Dropping the source from its own callback is put off to the next turn.
        Heard::Broken => set_timeout(move || feed(Input::Broken(try_number)), Duration::ZERO),
    }
}

/// Applies events to the store: what they mean for the order on the screen, and whether everything is to be asked anew.
fn apply(store: Store, events: Vec<Event>) -> (Shift, bool) {
    let mut shift = Shift::None;
    let mut reset = false;
    let watched = store.watched.get_untracked();
    let mut watched_changed = false;
    let heard = events.iter().any(|event| !matches!(event, Event::Act { .. }));
    for event in events {
        match event {
            Event::Row { row, .. } => shift = widest(shift, store.take_row(*row)),
            Event::Gone { run_path, .. } => {
                watched_changed |= watched.as_deref() == Some(run_path.as_str());
                shift = widest(shift, store.drop_row(&run_path));
            }
            Event::Status { status, .. } => store.status.set(Some(*status)),
            Event::Act { act, .. } => store.take_act(*act),
            Event::Problems { blocking, new_blocking, .. } => store.take_problems(blocking, new_blocking),
            Event::Reset { .. } => reset = true,
        }
    }
    if watched_changed || reset {
        store.watched_changes.update(|n| *n += 1);
    }
    if reset {
        store.problems_changes.update(|n| *n += 1);
    }
    if heard {
        store.heard.update(|n| *n = n.wrapping_add(1));
    }
    (shift, reset)
}

fn widest(a: Shift, b: Shift) -> Shift {
    match (a, b) {
        (Shift::Membership, _) | (_, Shift::Membership) => Shift::Membership,
        (Shift::Order, _) | (_, Shift::Order) => Shift::Order,
        _ => Shift::None,
    }
}
