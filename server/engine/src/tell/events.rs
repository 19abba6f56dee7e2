//! What changed, for everyone who watches: one numbered sequence, a ring of the newest, and a stream that never blocks
//! a writer.

use domain::api::Event;
use futures::stream::Stream;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const KEPT: usize = 4096;

/// The sequence of events. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    ring: Arc<Mutex<Ring>>,
    newest: watch::Sender<u64>,
    ended: CancellationToken,
}

struct Ring {
    newest: u64,
    events: VecDeque<Arc<Event>>,
}

impl Events {
    /// Starts at a number that no earlier start of the program has reached (its start in milliseconds), so that a
    /// client that comes back after a restart is told to load everything anew.
    pub fn new(start: u64, ended: CancellationToken) -> Events {
        let ring = Ring { newest: start, events: VecDeque::with_capacity(KEPT) };
        Events { ring: Arc::new(Mutex::new(ring)), newest: watch::Sender::new(start), ended }
    }

    /// Number of the newest event.
    pub fn seq(&self) -> u64 {
        *self.newest.borrow()
    }

    /// Appends what `make` builds with its number.
    pub fn publish(&self, make: impl FnOnce(u64) -> Event) {
        let seq = {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            ring.newest += 1;
            let event = Arc::new(make(ring.newest));
            if ring.events.len() == KEPT {
                ring.events.pop_front();
            }
            ring.events.push_back(event);
            ring.newest
        };
        self.newest.send_replace(seq);
    }

    /// Events after `since` (from now on without it); a `Reset` where the client is too far behind or from another life
    /// of the program. Ends when the program stops.
    pub fn subscribe(&self, since: Option<u64>) -> impl Stream<Item = Event> + Send + use<> {
        let position = since.unwrap_or_else(|| self.seq());
        let state = (self.clone(), position, VecDeque::new(), self.newest.subscribe());
        futures::stream::unfold(state, |(events, mut position, mut batch, mut newest)| async move {
            loop {
                if let Some(event) = batch.pop_front() {
                    let event: Arc<Event> = event;
                    position = event.seq();
                    return Some(((*event).clone(), (events, position, batch, newest)));
                }
                newest.mark_unchanged();
                match events.after(position) {
                    Ok(found) if !found.is_empty() => batch = found,
                    Ok(_) => {
                        tokio::select! {
                            () = events.ended.cancelled() => return None,
                            changed = newest.changed() => if changed.is_err() { return None },
                        }
                    }
                    Err(seq) => return Some((Event::Reset { seq }, (events, seq, batch, newest))),
                }
            }
        })
    }

    /// Events after a number, or the number to go on from when some of them are no longer kept.
    fn after(&self, position: u64) -> Result<VecDeque<Arc<Event>>, u64> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let kept_from = ring.newest - ring.events.len() as u64;
        if position < kept_from || position > ring.newest {
            return Err(ring.newest);
        }
        let skip = usize::try_from(position - kept_from).unwrap_or(0);
        Ok(ring.events.iter().skip(skip).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    fn gone(seq: u64) -> Event {
        Event::Gone { seq, run_path: "E/P/Runs/Run_1".into() }
    }

    #[tokio::test]
    async fn a_client_gets_what_it_missed_then_what_comes() {
        let events = Events::new(1000, CancellationToken::new());
        events.publish(gone);
        events.publish(gone);
        let mut stream = Box::pin(events.subscribe(Some(1001)));
        assert_eq!(stream.next().await.unwrap().seq(), 1002);
        events.publish(gone);
        assert_eq!(stream.next().await.unwrap().seq(), 1003);
    }

    #[tokio::test]
    async fn a_client_too_far_behind_or_of_another_start_is_reset() {
        let events = Events::new(1000, CancellationToken::new());
        for _ in 0..=KEPT {
            events.publish(gone);
        }
        for since in [5, 1000, 999_999] {
            let mut stream = Box::pin(events.subscribe(Some(since)));
            let Event::Reset { seq } = stream.next().await.unwrap() else { panic!("no reset from {since}") };
            assert_eq!(seq, events.seq());
        }
    }

    #[tokio::test]
    async fn streams_end_when_the_program_stops() {
        let ended = CancellationToken::new();
        let events = Events::new(1, ended.clone());
        let mut stream = Box::pin(events.subscribe(None));
        ended.cancel();
        assert!(stream.next().await.is_none());
    }
}
