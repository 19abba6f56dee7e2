//! What the destination tells before anything is sent: who it is, its free space, its clock.

use super::report::{Check, Outcome};
use super::step::{PATIENCE_FOR_AN_ANSWER, told};
use super::{Exam, here};
use crate::transport::Marker;
use domain::job::FailureClass;
use domain::settings::Target;
use domain::units;

pub(super) const IDENTITY: &str = "identity";
pub(super) const FREE_SPACE: &str = "free space";
const FREE_FILES: &str = "free files";
pub(super) const CLOCK: &str = "clock";

/// So few more files are worth a word.
const FEW_FILES: u64 = 10_000;

/// Clocks that differ by less are alike.
const SECONDS_APART: u64 = 5;
/// FAT knows even seconds only, and no time zone.
const SECONDS_APART_ON_FAT: u64 = 120;
/// `statfs` of FAT and exFAT.
const FAT: [u64; 2] = [0x4d44, 0x2011_bab0];

impl Exam<'_> {
    /// True when the destination carries our marker.
    pub async fn check_identity(&mut self, installation: &str) -> bool {
        self.tell("asks the destination who it is");
        let id = &self.equipment.id;
        let asked = self.step(PATIENCE_FOR_AN_ANSWER, async |context| self.transport.identify(context).await).await;
        let check = match asked {
            Ok(marker) if marker.installation == installation && marker.equipment == *id => {
                Check::new(IDENTITY, Outcome::Ok, format!("ours, marked {} by {}", marker.created_at, marker.host))
            }
            Ok(marker) => Check::new(IDENTITY, Outcome::Failed, foreign(&marker, installation, id)),
            Err(error) if error.class == FailureClass::DestinationUnreachable => {
                let message =
                    format!("{}; if this is a new destination: exlab-orchestrator nas init {id}", told(&error));
                Check::new(IDENTITY, Outcome::Failed, message)
            }
            Err(error) => Check::new(IDENTITY, Outcome::Failed, told(&error)),
        };
        let ours = check.outcome == Outcome::Ok;
        self.checks.push(check);
        ours
    }

    pub async fn check_free_space(&mut self) {
        let free =
            self.step(PATIENCE_FOR_AN_ANSWER, async |context| Ok(self.transport.free_bytes(context).await)).await;
        let check = match free.ok().flatten() {
            Some(bytes) => here::space(FREE_SPACE, bytes, "at the destination"),
            None => Check::new(FREE_SPACE, Outcome::Skipped, "this destination does not report it"),
        };
        self.checks.push(check);
    }

    pub async fn check_free_files(&mut self) {
        let free =
            self.step(PATIENCE_FOR_AN_ANSWER, async |context| Ok(self.transport.free_files(context).await)).await;
        let check = match free.ok().flatten() {
            Some((0, most)) => Check::new(
                FREE_FILES,
                Outcome::Failed,
                format!("no more files can be made there (0 of {} left)", units::count(most)),
            ),
            Some((left, most)) => {
                let outcome = if left < FEW_FILES { Outcome::Warn } else { Outcome::Ok };
                Check::new(FREE_FILES, outcome, format!("{} of {} left", units::count(left), units::count(most)))
            }
            // Most have no such limit, or no way to tell it.
            None => return,
        };
        self.checks.push(check);
    }

    pub async fn check_clock(&mut self) {
        let offset = self
            .step(PATIENCE_FOR_AN_ANSWER, async |context| Ok(self.transport.clock_offset_seconds(context).await))
            .await;
        let Some(offset) = offset.ok().flatten() else {
            return self.skip(&[CLOCK], "this destination does not report it");
        };
        let within = if self.is_on_fat().await { SECONDS_APART_ON_FAT } else { SECONDS_APART };
        self.checks.push(clock(offset, within));
    }

    async fn is_on_fat(&self) -> bool {
        let Some(Target::Mount { path }) = self.equipment.transport.as_ref().map(|transport| transport.target.clone())
        else {
            return false;
        };
        let kind = self
            .answer(move || rustix::fs::statfs(path.as_str()).ok().and_then(|fs| u64::try_from(fs.f_type).ok()))
            .await;
        kind.flatten().is_some_and(|kind| FAT.contains(&kind))
    }
}

fn foreign(marker: &Marker, installation: &str, equipment: &str) -> String {
    let Marker { installation: theirs, equipment: other, host, created_at, .. } = marker;
    format!(
        "it belongs to equipment {other} of installation {theirs}, marked {created_at} by {host}; this is {equipment} of installation \
         {installation}; point the config at another folder, or take it over: exlab-orchestrator nas init {equipment} --adopt"
    )
}

fn clock(offset: i64, within: u64) -> Check {
    let apart = offset.unsigned_abs();
    let value = match offset {
        0 => "the same".to_owned(),
        _ => format!(
            "{} {}",
            units::elapsed(i64::try_from(apart).unwrap_or(i64::MAX)),
            if offset > 0 { "ahead" } else { "behind" }
        ),
    };
    let check = if apart <= within {
        Check::new(CLOCK, Outcome::Ok, "same as this computer's")
    } else {
        Check::new(CLOCK, Outcome::Warn, "differs from this computer's: let both use the same time server")
    };
    check.measured(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_a_little() {
        assert_eq!((clock(0, 5).outcome, clock(0, 5).value.as_deref()), (Outcome::Ok, Some("the same")));
        assert_eq!(clock(-5, 5).outcome, Outcome::Ok);
        assert_eq!((clock(6, 5).outcome, clock(6, 5).value.as_deref()), (Outcome::Warn, Some("6s ahead")));
        assert_eq!((clock(-90, 5).outcome, clock(-90, 120).outcome), (Outcome::Warn, Outcome::Ok));
        assert_eq!(clock(i64::MIN, 5).outcome, Outcome::Warn);
    }
}
