//! What the live connection does every second: ages tick, tries to connect fall due, and silence is looked into.

use super::{connect, load_list, lost, show_countdown, with};
use crate::api;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Seconds between two ticks of the ages on the screen.
const TICK_EVERY: i64 = 10;
/// Seconds of silence before the server is asked whether it is still there.
const SILENCE: i64 = 25;

pub fn every_second() {
    let Some((store, now, connect_now, ask_list, reorder, check)) = with(|live| {
        let now = live.now();
        let connect_now = match &mut live.countdown {
            Some(0) => true,
            Some(seconds) => {
                *seconds -= 1;
                *seconds == 0
            }
            None => false,
        };
        let ask_list = live.ask_list_at.is_some_and(|at| at <= now) && live.source.is_some();
        let reorder = live.order_pending && live.store.hold_order_until.get_value() <= now;
        if reorder {
            live.order_pending = false;
        }
        let silent = live.source.is_some() && now - live.heard_at > SILENCE;
        if silent {
            live.heard_at = now;
        }
        if live.expected.is_some_and(|(seq, _)| live.last_seq >= seq) {
            live.expected = None;
        }
        let dead = live.expected.is_some_and(|(_, by)| now > by);
        (live.store, now, connect_now, ask_list, reorder, (silent, dead))
    }) else {
        return;
    };
    if now - store.tick.get_untracked() >= TICK_EVERY {
        store.tick.set(now);
    }
    if store.link.get_untracked().is_broken() {
        show_countdown();
    }
    if connect_now {
        connect();
    }
    if ask_list {
        load_list();
    }
    if reorder {
        store.reselect();
    }
    match check {
        (_, true) => lost(),
        (true, _) => spawn_local(check_silence()),
        _ => {}
    }
}

/// A stream that is silent may be dead: a sleeping laptop's connection breaks without a word.
async fn check_silence() {
    match api::status().await {
        Ok(status) => {
            with(|live| live.expected = (status.seq > live.last_seq).then(|| (status.seq, live.now() + 3)));
        }
        Err(_) => lost(),
    }
}
