//! Qualifying a destination: a run that must be proven, names that it may not hold, and damages that it must notice.

use super::damage::{Damage, Judged};
use super::report::{Check, Outcome};
use super::scratch::Scratch;
use super::step::told;
use super::trial::{Left, Trial};
use super::{Exam, sample};
use crate::transport::TransportError;
use crate::verify::Verification;
use domain::job::FailureClass;
use domain::path::RunPath;
use domain::proof::ProofLevel;
use domain::units;
use std::time::Instant;

const WRITE: &str = "write";
const READ_BACK: &str = "read back";
const LEVEL: &str = "level of proof";
const ODD_NAMES: &str = "odd names";
const LEFT: &str = "left behind";

impl Exam<'_> {
    /// Says of everything in this file that it was not tried.
    pub fn skip_qualification(&mut self, why: &str) {
        self.skip(&[WRITE, READ_BACK, LEVEL, ODD_NAMES], why);
        self.skip(&Damage::ALL.map(Damage::check), why);
    }

    /// True when the destination is qualified.
    pub async fn qualify(&mut self, scratch: Scratch) -> bool {
        let mut left = Left::default();
        let qualified = self.try_everything(&scratch, &mut left).await;
        if let Some(check) = self.left(&left) {
            self.checks.push(check);
        }
        // Its files are some ten megabytes: removing them is no work for this thread.
        crate::machine::blocking::blocking(move || drop(scratch)).await;
        qualified
    }

    async fn try_everything(&mut self, scratch: &Scratch, left: &mut Left) -> bool {
        let Some(control) = self.write(scratch, left).await else {
            self.skip(&[READ_BACK, LEVEL, ODD_NAMES], "nothing could be written");
            self.skip(&Damage::ALL.map(Damage::check), "nothing could be written");
            return false;
        };
        let Some(strong_enough) = self.read_back(&control).await else {
            let why = "the undamaged run was not proven, so damaged ones would show nothing";
            self.skip(&[LEVEL, ODD_NAMES], why);
            self.skip(&Damage::ALL.map(Damage::check), why);
            return false;
        };
        self.odd_names(scratch, left).await;
        let mut all_noticed = true;
        for damage in Damage::ALL {
            all_noticed &= self.damage(damage, &control, scratch, left).await;
        }
        strong_enough && all_noticed
    }

    async fn write(&mut self, scratch: &Scratch, left: &mut Left) -> Option<Trial> {
        self.tell("sends a made-up run");
        let (began, seed) = (Instant::now(), scratch.seed);
        match self.send(scratch, "control", left, move |run| sample::write(run, seed)).await {
            Ok(trial) => {
                let totals = trial.seal.totals();
                let value = format!("{} in {:.1} s", units::bytes_u64(totals.bytes), began.elapsed().as_secs_f64());
                let durable = if self.transport.makes_durable() { "sent, made durable," } else { "sent" };
                let message = format!("{} {durable} and under their names", units::counted(totals.files, "file"));
                self.checks.push(Check::new(WRITE, Outcome::Ok, message).measured(value));
                Some(trial)
            }
            Err(error) => {
                self.note(WRITE, Outcome::Failed, told(&error));
                None
            }
        }
    }

    /// `None`: not proven. Else whether the proof is as strong as clearing needs.
    async fn read_back(&mut self, control: &Trial) -> Option<bool> {
        self.tell("has the destination prove it");
        match self.hold(&control.run, &control.seal, Some(&control.source)).await {
            Ok(Verification::Proven(manifest)) => {
                let proven = units::counted(manifest.totals().files, "file");
                let check = Check::new(READ_BACK, Outcome::Ok, format!("{proven} proven byte by byte"));
                self.checks.push(check.measured(manifest.method()));
                let (check, enough) = level(manifest.level(), self.visit.settings.verify.clear_needs);
                self.checks.push(check);
                Some(enough)
            }
            Ok(Verification::Differs { reason, .. }) => {
                let message = format!(
                    "{reason}; the NAS does not hold what was sent: check its disks and memory, and the way to it"
                );
                self.note(READ_BACK, Outcome::Failed, message);
                None
            }
            Err(error) => {
                self.note(READ_BACK, Outcome::Failed, told(&error));
                None
            }
        }
    }

    async fn odd_names(&mut self, scratch: &Scratch, left: &mut Left) {
        self.tell("tries odd names");
        let (mut held, mut not_held) = (0_u64, Vec::new());
        for (slug, what, names) in sample::ODD {
            match self.holds_name(scratch, slug, names, left).await {
                Ok(None) => held += 1,
                Ok(Some(reason)) => not_held.push(format!("{what} ({reason})")),
                Err(error) => return self.note(ODD_NAMES, Outcome::Failed, told(&error)),
            }
        }
        let value = format!("{held} of {} kinds", sample::ODD.len());
        let check = if not_held.is_empty() {
            Check::new(ODD_NAMES, Outcome::Ok, "all arrive as they are")
        } else {
            let advice =
                "a run with such names will fail there: rename at the instrument, or choose another destination";
            Check::new(
                ODD_NAMES,
                Outcome::Warn,
                format!("this destination cannot hold {}; {advice}", not_held.join(", ")),
            )
        };
        self.checks.push(check.measured(value));
    }

    /// `Some`: it cannot, and why. An error says nothing about the name.
    async fn holds_name(
        &self,
        scratch: &Scratch,
        slug: &str,
        names: &'static [&'static [u8]],
        left: &mut Left,
    ) -> Result<Option<String>, TransportError> {
        let sent = self.send(scratch, &format!("name-{slug}"), left, move |run| sample::write_odd(run, names)).await;
        let outcome = match sent {
            Ok(trial) => self.hold(&trial.run, &trial.seal, Some(&trial.source)).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(Verification::Proven(_)) => Ok(None),
            Ok(Verification::Differs { reason, .. }) => Ok(Some(short(&reason))),
            Err(error) if says_nothing_of_names(error.class) => Err(error),
            Err(error) => Ok(Some(short(&error.message))),
        }
    }

    async fn damage(&mut self, damage: Damage, control: &Trial, scratch: &Scratch, left: &mut Left) -> bool {
        if self.visit.cancel.is_cancelled() {
            self.skip(&[damage.check()], "interrupted");
            return false;
        }
        self.tell(&format!("shows it a damaged run ({})", damage.slug()));
        let seed = scratch.seed;
        let sent = self
            .send(scratch, damage.slug(), left, move |run| {
                sample::write(run, seed)?;
                damage.apply(run)
            })
            .await;
        let outcome = match sent {
            // The seal of the undamaged run, at the place of the damaged one.
            Ok(trial) => self.hold(&trial.run, &control.seal, None).await,
            Err(error) => Err(error),
        };
        let (outcome, message) = match outcome.map(|found| damage.judge(&found)) {
            Ok(Judged::Noticed(what)) => (Outcome::Ok, format!("noticed: {what}")),
            Ok(Judged::Overlooked(what)) => {
                let advice = "the destination, or a tool on the way, does not look at what it holds: trust no proof of it, and clear nothing";
                (Outcome::Failed, format!("NOT NOTICED: {what}; {advice}"))
            }
            Ok(Judged::Unclear(what)) => {
                (Outcome::Failed, format!("reported wrongly: {what}; check the NAS and its tools"))
            }
            Err(error) => (Outcome::Failed, told(&error)),
        };
        self.note(damage.check(), outcome, message);
        outcome == Outcome::Ok
    }

    /// Names what the operator may remove.
    fn left(&self, left: &Left) -> Option<Check> {
        let first: &RunPath = left.runs.first()?;
        let place = self.transport.place_of(first);
        let common = place.rsplit_once('-').map_or(place.as_str(), |(common, _)| common);
        let runs = units::counted(left.runs.len() as u64, "made-up run");
        // Some transports keep parts, so that a real run would go on with them.
        let parts = if left.unfinished > 0 { ", and perhaps parts below .exlab-orchestrator/tmp" } else { "" };
        let message = format!("{common}-*: {runs}{parts}; remove them there when you like");
        Some(Check::new(LEFT, Outcome::Ok, message).measured(units::bytes_u64(left.totals.bytes)))
    }
}

/// Whether a proof of this level lets a run be cleared.
fn level(reached: ProofLevel, needed: ProofLevel) -> (Check, bool) {
    let name = |level: ProofLevel| format!("{level}, {}", level.meaning());
    // L4 is L2 or L3, and again later.
    let by_repetition = needed == ProofLevel::L4 && reached >= ProofLevel::L2;
    let (outcome, message) = if reached >= needed {
        (Outcome::Ok, format!("{}; clearing needs {needed}", reached.meaning()))
    } else if by_repetition {
        (
            Outcome::Ok,
            format!("{}; clearing needs L4, which is the same again, verify.reverify later", reached.meaning()),
        )
    } else {
        let advice =
            "nothing would ever be cleared: lower verify.clear_needs, or choose another transport or destination";
        let advice = if needed <= ProofLevel::L2 {
            "nothing would ever be cleared: choose another transport or destination"
        } else {
            advice
        };
        (Outcome::Failed, format!("{}; clearing needs {}; {advice}", reached.meaning(), name(needed)))
    };
    (Check::new(LEVEL, outcome, message).measured(reached.as_str()), outcome == Outcome::Ok)
}

/// The destination went away, or the operator: nothing is known of the name.
fn says_nothing_of_names(class: FailureClass) -> bool {
    matches!(
        class,
        FailureClass::Interrupted
            | FailureClass::DestinationUnreachable
            | FailureClass::DestinationForeign
            | FailureClass::DestinationFull
            | FailureClass::LocalFull
    )
}

fn short(words: &str) -> String {
    const ENOUGH: usize = 160;
    words.chars().take(ENOUGH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(ProofLevel::L1, ProofLevel::L2, false)]
    #[case(ProofLevel::L2, ProofLevel::L2, true)]
    #[case(ProofLevel::L3, ProofLevel::L2, true)]
    #[case(ProofLevel::L2, ProofLevel::L3, false)]
    #[case(ProofLevel::L2, ProofLevel::L4, true)]
    #[case(ProofLevel::L1, ProofLevel::L4, false)]
    fn what_clearing_needs(#[case] reached: ProofLevel, #[case] needed: ProofLevel, #[case] enough: bool) {
        let (check, found) = level(reached, needed);
        assert_eq!((found, check.outcome == Outcome::Ok), (enough, enough), "{check:?}");
    }
}
