//! Rows and header as events: what changed goes out soon, and not too often.

use super::Engine;
use domain::api::Event;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How soon a change goes out.
const TICK: Duration = Duration::from_millis(50);
/// Every so many ticks rows in work are rebuilt for their progress.
const PROGRESS_EVERY: u32 = 5;
/// Every so many ticks the list of problems may change.
const PROBLEMS_EVERY: u32 = 4;
/// Every so many ticks the header is built.
const STATUS_EVERY: u32 = 40;
/// Every so many ticks what moved is kept, if anything did: a minute.
const KEEP_EVERY: u32 = 1_200;

/// Publishes until the engine stops.
pub async fn publish_loop(engine: Engine) {
    let core = engine.core.clone();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0_u32;
    let mut asking: Option<JoinHandle<()>> = None;
    loop {
        tokio::select! {
            () = core.site.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        count = count.wrapping_add(1);
        if count.is_multiple_of(PROGRESS_EVERY) {
            for run in core.index.in_work() {
                core.change(&run, |_| {});
            }
        }
        for row in core.index.take_marked(core.site.clock.monotonic()) {
            core.tell.events.publish(|seq| Event::Row { seq, row: Box::new((*row).clone()) });
        }
        // Before the first scan has ended, runs that are not seen yet would pass for gone.
        if count.is_multiple_of(PROBLEMS_EVERY) && core.desk.is_ready() && core.index.take_problems_changed() {
            core.follow_problems().await;
        }
        if count == 1 || count.is_multiple_of(STATUS_EVERY) {
            // A disk that hangs is asked once, and holds up nothing that is told.
            let mut asked = asking.take().unwrap_or_else(|| {
                let engine = engine.clone();
                tokio::spawn(async move { engine.refresh_disk().await })
            });
            if tokio::time::timeout(TICK, &mut asked).await.is_err() {
                asking = Some(asked);
            }
            publish_status(&engine);
        }
        if count.is_multiple_of(KEEP_EVERY) {
            engine.keep_tally().await;
        }
    }
}

fn publish_status(engine: &Engine) {
    let mut status = engine.status();
    status.seq = 0;
    let mut published = engine.published.lock().unwrap_or_else(PoisonError::into_inner);
    if published.as_ref() != Some(&status) {
        *published = Some(status.clone());
        engine.core.tell.events.publish(|seq| {
            status.seq = seq;
            Event::Status { seq, status: Box::new(status) }
        });
    }
}
