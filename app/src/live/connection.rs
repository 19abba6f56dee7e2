//! What the live connection does next: a state machine that knows no browser. It is fed what happened, and answers what
//! is to be done; times are seconds since the page came alive.
//!
//! While a list is being fetched, events wait and are applied after it: an event older than the list is only repeated,
//! one newer is never lost.

use crate::lists::select::Shift;
use crate::store::Link;
use domain::api::{Event, PanelStatus};

/// Seconds before the first, second, ... try; the last one repeats.
const BACKOFF: [u32; 6] = [1, 2, 4, 8, 15, 30];
/// Seconds before a list that was refused is asked for again.
const ASK_LIST_AGAIN: i64 = 3;
/// Seconds of silence before the server is asked whether it is still there.
const SILENCE: i64 = 25;
/// Seconds within which the stream must reach the number that the server has come to.
const MUST_COME_WITHIN: i64 = 3;

/// Something happened.
pub enum Input {
    /// The page is alive; the header that came with it, if any.
    Started(Option<(u64, String)>),
    /// A page shows the list from now on; whether all of it is here.
    ListWanted { is_whole: bool },
    /// The list is to be loaded once more.
    Reload,
    /// Somebody does not want to wait for the next try, or the network is back.
    RetryNow,
    /// The stream of this try is open.
    Opened(u32),
    /// It brought this.
    Heard(u32, Box<Event>),
    /// It brought something that is not understood: a sign of life.
    Noise(u32),
    /// It broke.
    Broken(u32),
    /// Where the server stands, as asked by this try; nothing when it did not answer.
    Status(u32, Option<Box<PanelStatus>>),
    /// The same, as asked because of a silence of this try.
    Checked(u32, Option<u64>),
    /// The list that was asked for last came, or there was no answer, or it was refused.
    List(ListAnswer),
    /// What had to be applied is to be applied now.
    Frame,
    /// It was applied: what it means for the order on the screen, and whether everything is to be asked anew.
    Applied { shift: Shift, reset: bool },
    /// A second has passed; until when the order on the screen is held.
    Second { order_held_until: i64 },
}

/// How asking for the list ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListAnswer {
    Came,
    NoAnswer,
    Refused,
}

/// Something is to be done.
#[derive(PartialEq, Debug)]
pub enum Effect {
    /// Open the stream behind this number; what it tells is told with this try's number.
    Open { since: u64, try_number: u32 },
    /// Close it, if there is one.
    Close,
    /// Ask where the server stands, for this try.
    AskStatus(u32),
    /// Ask where the server stands, because this try is silent.
    CheckSilence(u32),
    /// Ask for the header alone.
    AskHeader,
    /// Ask for the list.
    AskList,
    /// Feed [`Input::Frame`] when the browser next draws.
    AskFrame,
    /// Apply these to the store, then feed [`Input::Applied`].
    Apply(Vec<Event>),
    /// Show this header; everything that pages watch may have changed.
    TakeStatus(Box<PanelStatus>),
    /// The server is another version than this page.
    Outdated(bool),
    /// Order what is on the screen anew.
    Reselect,
    /// The connection is as it should be.
    ShowLive,
    /// It is not; tried again in so many seconds.
    ShowBroken(u32),
    /// Say this to who listens to the page.
    Say(&'static str),
}

/// The connection of one page.
#[derive(Default)]
pub struct Connection {
    is_open: bool,
    is_broken: bool,
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
    try_number: u32,
    heard_at: i64,
    last_seq: u64,
    /// The server has come to this number; unless we hear it by then, the stream is dead.
    expected: Option<(u64, i64)>,
    first_version: String,
}

impl Connection {
    /// Takes what happened at this time, and answers what is to be done, in this order.
    pub fn step(&mut self, now: i64, input: Input) -> Vec<Effect> {
        match input {
            Input::Started(Some((seq, version))) => {
                (self.last_seq, self.first_version) = (seq, version);
                vec![self.open(now)]
            }
            Input::Started(None) => self.connect(),
            Input::ListWanted { is_whole } => {
                self.wants_list = true;
                if is_whole || self.loading { Vec::new() } else { vec![self.load_list()] }
            }
            Input::Reload => vec![self.load_list()],
            Input::RetryNow if self.is_open => Vec::new(),
            Input::RetryNow => self.connect(),
            Input::Opened(of) if of == self.try_number => self.opened(now),
            Input::Heard(of, event) if of == self.try_number => self.heard(now, *event),
            Input::Noise(of) if of == self.try_number => {
                self.heard_at = now;
                Vec::new()
            }
            Input::Broken(of) if of == self.try_number => self.lost(),
            Input::Status(of, status) if of == self.try_number => match status {
                Some(status) => self.found(now, status),
                None => self.lost(),
            },
            Input::Checked(of, Some(seq)) if of == self.try_number => {
                self.expected = (seq > self.last_seq).then_some((seq, now + MUST_COME_WITHIN));
                Vec::new()
            }
            Input::Checked(of, None) if of == self.try_number => self.lost(),
            // Of a try that was given up.
            Input::Opened(_)
            | Input::Heard(..)
            | Input::Noise(_)
            | Input::Broken(_)
            | Input::Status(..)
            | Input::Checked(..) => Vec::new(),
            Input::List(answer) => {
                self.loading = false;
                if answer == ListAnswer::Refused {
                    self.ask_list_at = Some(now + ASK_LIST_AGAIN);
                }
                self.frame()
            }
            Input::Frame => self.frame(),
            Input::Applied { shift, reset } => self.applied(shift, reset),
            Input::Second { order_held_until } => self.second(now, order_held_until),
        }
    }

    fn open(&mut self, now: i64) -> Effect {
        self.try_number += 1;
        (self.is_open, self.heard_at, self.expected) = (true, now, None);
        Effect::Open { since: self.last_seq, try_number: self.try_number }
    }

    fn load_list(&mut self) -> Effect {
        (self.loading, self.ask_list_at) = (true, None);
        Effect::AskList
    }

    /// Asks where the server stands, then opens the stream from there and loads the list anew.
    fn connect(&mut self) -> Vec<Effect> {
        self.try_number += 1;
        self.countdown = None;
        let shown = self.is_broken.then_some(Effect::ShowBroken(0));
        shown.into_iter().chain([Effect::AskStatus(self.try_number)]).collect()
    }

    fn found(&mut self, now: i64, status: Box<PanelStatus>) -> Vec<Effect> {
        self.last_seq = status.seq;
        self.queue.clear();
        if self.first_version.is_empty() {
            self.first_version.clone_from(&status.version);
        }
        let outdated = Effect::Outdated(self.first_version != status.version);
        let mut effects = vec![outdated, Effect::TakeStatus(status), self.open(now)];
        if self.wants_list {
            effects.push(self.load_list());
        }
        effects
    }

    fn opened(&mut self, now: i64) -> Vec<Effect> {
        (self.heard_at, self.countdown, self.is_broken) = (now, None, false);
        let again = std::mem::take(&mut self.attempt) > 0;
        let said = again.then_some(Effect::Say("Connected again."));
        [Effect::ShowLive].into_iter().chain(said).collect()
    }

    fn heard(&mut self, now: i64, event: Event) -> Vec<Effect> {
        self.heard_at = now;
        self.last_seq = match event {
            Event::Reset { seq } => seq,
            _ => self.last_seq.max(event.seq()),
        };
        self.queue.push(event);
        let asked = std::mem::replace(&mut self.frame_asked, true);
        if asked { Vec::new() } else { vec![Effect::AskFrame] }
    }

    fn frame(&mut self) -> Vec<Effect> {
        self.frame_asked = false;
        let events = if self.loading { Vec::new() } else { std::mem::take(&mut self.queue) };
        if events.is_empty() { Vec::new() } else { vec![Effect::Apply(events)] }
    }

    fn applied(&mut self, shift: Shift, reset: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        match shift {
            Shift::Membership => {
                self.order_pending = false;
                effects.push(Effect::Reselect);
            }
            Shift::Order => self.order_pending = true,
            Shift::None => {}
        }
        if reset {
            if self.wants_list {
                effects.push(self.load_list());
            }
            effects.push(Effect::AskHeader);
        }
        effects
    }

    fn lost(&mut self) -> Vec<Effect> {
        (self.is_open, self.expected) = (false, None);
        self.try_number += 1;
        let seconds = BACKOFF[self.attempt.min(BACKOFF.len() - 1)];
        self.attempt += 1;
        self.countdown = Some(seconds);
        let was_broken = std::mem::replace(&mut self.is_broken, true);
        let said = Effect::Say("Connection lost. Nothing can be started until it is back.");
        [Effect::Close, Effect::ShowBroken(seconds)].into_iter().chain((!was_broken).then_some(said)).collect()
    }

    fn second(&mut self, now: i64, order_held_until: i64) -> Vec<Effect> {
        let mut effects = Vec::new();
        let connect_now = match &mut self.countdown {
            Some(0) => true,
            Some(seconds) => {
                *seconds -= 1;
                *seconds == 0
            }
            None => false,
        };
        if self.is_broken {
            effects.push(Effect::ShowBroken(self.countdown.unwrap_or(0)));
        }
        if connect_now {
            effects.extend(self.connect());
        }
        if self.ask_list_at.is_some_and(|at| at <= now) && self.is_open {
            effects.push(self.load_list());
        }
        if self.order_pending && order_held_until <= now {
            self.order_pending = false;
            effects.push(Effect::Reselect);
        }
        if self.expected.is_some_and(|(seq, _)| self.last_seq >= seq) {
            self.expected = None;
        }
        if self.expected.is_some_and(|(_, by)| now > by) {
            effects.extend(self.lost());
        } else if self.is_open && now - self.heard_at > SILENCE {
            self.heard_at = now;
            effects.push(Effect::CheckSilence(self.try_number));
        }
        effects
    }
}

/// How the link is shown while it is broken.
pub fn broken_link(seconds: u32, online: bool) -> Link {
    if online { Link::Retrying { seconds } } else { Link::Offline }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
