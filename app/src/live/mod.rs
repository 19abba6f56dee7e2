//! Keeps the store up to date in the browser.
//!
//! One event stream, reconnected by an own timer, and patches applied once per frame.
//!
//! While a list is being fetched, events wait and are applied after it: an event older than the list is only repeated,
//! one newer is never lost. Nothing here runs on the server.

mod pulse;
mod source;

use crate::api;
use crate::lists::select::Shift;
use crate::store::{Link, Loaded, Store};
use domain::api::Event;
use leptos::prelude::*;
use leptos::task::spawn_local;
use pulse::every_second;
use source::{Heard, Source};
use std::cell::RefCell;
use std::time::Duration;

/// Seconds before the first, second, ... try; the last one repeats.
const BACKOFF: [u32; 6] = [1, 2, 4, 8, 15, 30];
/// Seconds before a list that was refused is asked for again.
const ASK_LIST_AGAIN: i64 = 3;

struct Live {
    store: Store,
    source: Option<Source>,
    queue: Vec<Event>,
    frame_asked: bool,
    /// A list is on its way: events wait.
    loading: bool,
    wants_list: bool,
    ask_list_at: Option<i64>,
    order_pending: bool,
    attempt: usize,
    /// Seconds until the next try to connect.
    countdown: Option<u32>,
    /// Tells answers of given-up tries from the current one.
    epoch: u32,
    heard_at: i64,
    last_seq: u64,
    /// The server has come to this number; unless we hear it by then, the stream is dead.
    expected: Option<(u64, i64)>,
    first_version: String,
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
            let (last_seq, first_version) = store
                .status
                .with_untracked(|status| status.as_ref().map_or_else(Default::default, |s| (s.seq, s.version.clone())));
            *live = Some(Live {
                store,
                source: None,
                queue: Vec::new(),
                frame_asked: false,
                loading: false,
                wants_list: false,
                ask_list_at: None,
                order_pending: false,
                attempt: 0,
                countdown: None,
                epoch: 0,
                heard_at: 0,
                last_seq,
                expected: None,
                first_version,
                zero: milliseconds(),
            });
        }
        fresh
    });
    if !fresh {
        return;
    }
    if store.status.with_untracked(Option::is_some) {
        open();
    } else {
        connect();
    }
    set_interval(every_second, Duration::from_secs(1));
    let _ = window_event_listener_untyped("online", |_| retry_now());
}

/// The whole list is wanted from now on: a page shows it.
pub fn want_list() {
    let ask = with(|live| {
        live.wants_list = true;
        live.store.loaded.get_untracked() != Loaded::Whole && !live.loading
    });
    if ask == Some(true) {
        load_list();
    }
}

/// Tries to connect without waiting any longer.
pub fn retry_now() {
    if with(|live| live.source.is_none()) == Some(true) {
        connect();
    }
}

/// Loads the list once more, e.g. after a problem.
pub fn reload() {
    load_list();
}

fn open() {
    with(|live| {
        live.epoch += 1;
        let epoch = live.epoch;
        let url = format!("/api/v1/events?since={}", live.last_seq);
        live.source = Source::open(&url, move |heard| {
            // Dropping the source from its own callback is put off to the next turn.
            if with(|live| live.epoch == epoch) == Some(true) {
                hear(heard);
            }
        });
        live.heard_at = live.now();
        live.expected = None;
    });
}

fn hear(heard: Heard) {
    match heard {
        Heard::Open => {
            let again = with(|live| {
                live.heard_at = live.now();
                live.countdown = None;
                std::mem::take(&mut live.attempt) > 0
            });
            if let Some(store) = with(|live| live.store) {
                store.link.set(Link::Live);
                if again == Some(true) {
                    store.say("Connected again.");
                }
            }
        }
        Heard::Message(data) => {
            with(|live| live.heard_at = live.now());
            // An event of a newer version that is not understood is followed by a row or status that is.
            if let Ok(event) = serde_json::from_str::<Event>(&data) {
                let frame = with(|live| {
                    live.last_seq = live.last_seq.max(event.seq());
                    if let Event::Reset { seq } = event {
                        live.last_seq = seq;
                    }
                    live.queue.push(event);
                    !std::mem::replace(&mut live.frame_asked, true)
                });
                if frame == Some(true) {
                    ask_for_frame();
                }
            }
        }
        Heard::Broken => set_timeout(lost, Duration::ZERO),
    }
}

/// Frames stop in a hidden tab; its list must not pile up.
fn ask_for_frame() {
    if document().hidden() { set_timeout(apply, Duration::from_millis(500)) } else { request_animation_frame(apply) }
}

fn apply() {
    let Some((store, events)) = with(|live| {
        live.frame_asked = false;
        (live.store, if live.loading { Vec::new() } else { std::mem::take(&mut live.queue) })
    }) else {
        return;
    };
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
    match shift {
        Shift::Membership => {
            with(|live| live.order_pending = false);
            store.reselect();
        }
        Shift::Order => {
            with(|live| live.order_pending = true);
        }
        Shift::None => {}
    }
    if reset {
        refresh();
    }
}

fn widest(a: Shift, b: Shift) -> Shift {
    match (a, b) {
        (Shift::Membership, _) | (_, Shift::Membership) => Shift::Membership,
        (Shift::Order, _) | (_, Shift::Order) => Shift::Order,
        _ => Shift::None,
    }
}

/// Header and list anew, the stream stays.
fn refresh() {
    if with(|live| live.wants_list) == Some(true) {
        load_list();
    }
    spawn_local(async {
        if let (Ok(status), Some(store)) = (api::status().await, with(|live| live.store)) {
            store.status.set(Some(status));
        }
    });
}

fn load_list() {
    with(|live| {
        live.loading = true;
        live.ask_list_at = None;
    });
    spawn_local(async {
        let answer = api::staging().await;
        let Some(store) = with(|live| live.store) else { return };
        match answer {
            Ok(list) => store.take_list(list.runs),
            Err(error) if error.is_no_answer() => {}
            Err(error) => {
                store.problem.set(Some(error.0));
                with(|live| live.ask_list_at = Some(live.now() + ASK_LIST_AGAIN));
            }
        }
        with(|live| live.loading = false);
        apply();
    });
}

fn lost() {
    let Some(store) = with(|live| {
        live.source = None;
        live.epoch += 1;
        let seconds = BACKOFF[live.attempt.min(BACKOFF.len() - 1)];
        live.attempt += 1;
        live.countdown = Some(seconds);
        live.store
    }) else {
        return;
    };
    let was_broken = store.link.get_untracked().is_broken();
    show_countdown();
    if !was_broken {
        store.say("Connection lost. Nothing can be started until it is back.");
    }
}

fn show_countdown() {
    if let Some((store, seconds)) = with(|live| (live.store, live.countdown)) {
        let online = window().navigator().on_line();
        store.link.set(if online { Link::Retrying { seconds: seconds.unwrap_or(0) } } else { Link::Offline });
    }
}

/// Asks where the server stands, then opens the stream from there and loads the list anew.
fn connect() {
    let Some(epoch) = with(|live| {
        live.epoch += 1;
        live.countdown = None;
        live.epoch
    }) else {
        return;
    };
    if with(|live| live.store.link.get_untracked().is_broken()) == Some(true) {
        show_countdown();
    }
    spawn_local(async move {
        let answer = api::status().await;
        if with(|live| live.epoch) != Some(epoch) {
            return;
        }
        match answer {
            Ok(status) => {
                let Some((store, wants_list)) = with(|live| {
                    live.last_seq = status.seq;
                    live.queue.clear();
                    if live.first_version.is_empty() {
                        live.first_version.clone_from(&status.version);
                    }
                    live.store.outdated.set(live.first_version != status.version);
                    (live.store, live.wants_list)
                }) else {
                    return;
                };
                store.status.set(Some(status));
                store.watched_changes.update(|n| *n += 1);
                store.problems_changes.update(|n| *n += 1);
                open();
                if wants_list {
                    load_list();
                }
            }
            Err(_) => lost(),
        }
    });
}
