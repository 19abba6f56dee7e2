//! A destination of one equipment as the rest of the engine sees it: its transport, whether it is ours, and its health.

use super::{CallContext, Failure, MarkedFor, Marker, Transport, TransportError};
use crate::machine::clock::Clock;
use domain::api::{DestinationHealth, DestinationView};
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
use domain::proof::FileStat;
use domain::retry::probe_wait_seconds;
use domain::settings::Equipment;
use domain::timestamp::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a destination may take to show its identity before it counts as unreachable.
const IDENTITY_PATIENCE: Duration = Duration::from_secs(20);

/// How long it may take to show its identity and tell of some thousand files, which a busy disk may have to look for.
const LOOK_PATIENCE: Duration = Duration::from_secs(120);

/// One equipment's destination.
pub struct Destination {
    pub equipment: Equipment,
    /// The way to it.
    pub transport: Arc<dyn Transport>,
    owner: MarkedFor,
    clock: Clock,
    health: Mutex<Health>,
    /// Held while the identity is asked: a destination that hangs is asked by one thread only.
    asking: Arc<tokio::sync::Mutex<()>>,
    /// How often it was asked and said something.
    answered: Arc<AtomicU64>,
}

#[derive(Clone, Debug, Default)]
struct Health {
    known: Option<Result<(), Failure>>,
    asked_at: Option<Timestamp>,
    failed_probes: u32,
    /// How often in a row it showed its identity and then took nothing: the wait grows with it.
    refused: u32,
    next_probe: Duration,
    /// It could not be reached, and rows were built that say so.
    rows_say_so: bool,
}

impl Destination {
    /// Not asked yet.
    pub fn new(equipment: Equipment, transport: Arc<dyn Transport>, installation: String, clock: Clock) -> Destination {
        let owner = MarkedFor { installation, equipment: equipment.id.clone() };
        Destination {
            equipment,
            transport,
            owner,
            clock,
            health: Mutex::default(),
            asking: Arc::default(),
            answered: Arc::default(),
        }
    }

    /// Asks the destination who it is, now. Nothing is written, verified or cleared without this having answered `Ok`.
    pub async fn prove_identity(&self, context: &CallContext) -> Result<(), Failure> {
        let outcome = self.ask(context).await;
        if !matches!(&outcome, Err(failure) if failure.class == FailureClass::Interrupted) {
            self.note(outcome.clone());
        }
        outcome
    }

    /// Who it is, and what can be told of these files of the run without reading them, now: in one call where the
    /// transport has one for both. Nothing is told where something else stands in the run's place: whoever reads there
    /// says so.
    pub async fn prove_identity_and_look(
        &self,
        run: &RunPath,
        files: &[FilePath],
        context: &CallContext,
    ) -> Result<Vec<Option<FileStat>>, Failure> {
        let asked = tokio::time::timeout(LOOK_PATIENCE, self.transport.identify_and_look(run, files, context)).await;
        let seen = match asked.unwrap_or_else(|_| Err(self.unanswered(LOOK_PATIENCE))) {
            Ok(Some((marker, seen))) => {
                let ours = self.check(&marker);
                self.note(ours.clone());
                ours.map(|()| seen)?
            }
            Ok(None) => {
                self.prove_identity(context).await?;
                self.transport.look(run, files, context).await
            }
            Err(error) => {
                let failure = Failure::from(error);
                if failure.class != FailureClass::Interrupted {
                    self.note(Err(failure.clone()));
                }
                return Err(failure);
            }
        };
        match seen {
            Err(error) if error.class == FailureClass::Conflict => Ok(vec![None; files.len()]),
            Err(error) => {
                let failure = error.into();
                self.note_failure(&failure);
                Err(failure)
            }
            Ok(seen) => Ok(seen),
        }
    }

    fn unanswered(&self, patience: Duration) -> TransportError {
        let message = format!("{} did not answer within {} s", self.transport.describe(), patience.as_secs());
        TransportError::new(FailureClass::DestinationUnreachable, Side::Destination, message)
    }

    async fn ask(&self, context: &CallContext) -> Result<(), Failure> {
        let unanswered = || Failure::from(self.unanswered(IDENTITY_PATIENCE));
        // Others may ask, and are answered, before it is our turn; only where none is answered is there nobody.
        let one_asks = loop {
            let answered = self.answered.load(Ordering::Relaxed);
            match tokio::time::timeout(IDENTITY_PATIENCE, self.asking.clone().lock_owned()).await {
                Ok(turn) => break turn,
                Err(_) if self.answered.load(Ordering::Relaxed) == answered => return Err(unanswered()),
                Err(_) => {}
            }
        };
        let deadline = tokio::time::Instant::now() + IDENTITY_PATIENCE;
        let answers = self.answered.clone();
        let transport = self.transport.clone();
        let call = context.clone();
        // A task of its own keeps the lock until a hung mount lets go, so that threads do not pile up behind it.
        let asked = tokio::spawn(async move {
            let marker = transport.identify(&call).await;
            answers.fetch_add(1, Ordering::Relaxed);
            drop(one_asks);
            marker
        });
        match tokio::time::timeout_at(deadline, asked).await {
            Err(_) => Err(unanswered()),
            Ok(Err(_)) => Err(Failure {
                class: FailureClass::Unknown,
                side: Side::Here,
                message: "asking the destination's identity failed inside this program".into(),
            }),
            Ok(Ok(Err(error))) => Err(error.into()),
            Ok(Ok(Ok(marker))) => self.check(&marker),
        }
    }

    fn check(&self, marker: &Marker) -> Result<(), Failure> {
        self.owner.has(marker, &self.transport.describe()).map_err(Failure::from)
    }

    fn note(&self, outcome: Result<(), Failure>) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.asked_at = Some(self.clock.now());
        health.failed_probes = if outcome.is_ok() { 0 } else { health.failed_probes.saturating_add(1) };
        let wait = probe_wait_seconds(health.failed_probes.saturating_sub(1));
        health.next_probe = self.clock.monotonic() + Duration::from_secs(wait);
        health.rows_say_so |= outcome.is_err();
        health.known = Some(outcome);
    }

    /// Whether rows still say that it cannot be reached, although it can; asked once after it came back.
    pub fn take_recovered(&self) -> bool {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(health.known, Some(Ok(()))) && std::mem::take(&mut health.rows_say_so)
    }

    /// A call failed in a way that says the destination is gone: it is probed again before anything else is tried.
    pub fn note_failure(&self, failure: &Failure) {
        if matches!(failure.class, FailureClass::DestinationUnreachable | FailureClass::DestinationForeign) {
            self.note(Err(failure.clone()));
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            health.next_probe = self.clock.monotonic() + Duration::from_secs(probe_wait_seconds(health.refused));
            health.refused = health.refused.saturating_add(1);
        }
    }

    /// Something was written and proven there: it takes what it is given.
    pub fn took_something(&self) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).refused = 0;
    }

    /// An operator acted: the next probe is due at once.
    pub fn probe_now(&self) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).next_probe = Duration::ZERO;
    }

    /// How long until an unreachable destination is asked again; `None` when it is not known to be unreachable.
    pub fn until_probe(&self) -> Option<Duration> {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        match &health.known {
            Some(Err(_)) => Some(health.next_probe.saturating_sub(self.clock.monotonic())),
            _ => None,
        }
    }

    /// Last known: reachable and ours, or why not. Not asked yet counts as reachable: every act asks for itself.
    pub fn last_known(&self) -> Result<(), String> {
        match &self.health.lock().unwrap_or_else(PoisonError::into_inner).known {
            Some(Err(failure)) => Err(failure.message.clone()),
            _ => Ok(()),
        }
    }

    /// For the panel's header.
    pub fn view(&self) -> DestinationView {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (word, detail) = match health.known {
            None => (DestinationHealth::Unknown, None),
            Some(Ok(())) => (DestinationHealth::Reachable, None),
            Some(Err(failure)) if failure.class == FailureClass::DestinationForeign => {
                (DestinationHealth::Foreign, Some(failure.message))
            }
            Some(Err(failure)) => (DestinationHealth::Unreachable, Some(failure.message)),
        };
        DestinationView {
            equipment_id: self.equipment.id.clone(),
            label: self.equipment.label.clone(),
            transport: self.equipment.transport.as_ref().map_or("none", |transport| transport.target.kind()).to_owned(),
            target: self.transport.describe(),
            health: word,
            detail,
            asked_at: health.asked_at,
            read_again_by: None,
        }
    }
}
