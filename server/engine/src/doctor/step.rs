//! One step over the network: ended when nothing moves any more, and by the operator; and what its failure means for
//! people.

use super::Exam;
use crate::machine::clock::Clock;
use crate::machine::local_time::local_time;
use crate::machine::progress::ProgressSink;
use crate::transport::{CallContext, TransportError};
use domain::job::{FailureClass, Side};
use std::sync::Arc;
use std::time::Duration;

/// A step in which nothing moves for this long is ended.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// A question takes less.
pub(super) const PATIENCE_FOR_AN_ANSWER: Duration = Duration::from_secs(20);
/// How often it is looked whether something moves.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Exam<'_> {
    /// Does one step. The transport's own timeouts come first; a mount that hangs has none.
    pub async fn step<T>(
        &self,
        patience: Duration,
        work: impl AsyncFnOnce(&CallContext) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let bandwidth =
            self.equipment.transport.as_ref().map(|transport| transport.bandwidth.clone()).unwrap_or_default();
        let clock = Clock::system();
        let context = CallContext {
            cancel: self.visit.cancel.child_token(),
            progress: ProgressSink::new(),
            limit: Arc::new(move || bandwidth.kib_per_second(local_time(clock.now()))),
        };
        let mut work = std::pin::pin!(work(&context));
        let mut gave_up = false;
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => {
                    return match outcome {
                        Err(error) if gave_up && error.class == FailureClass::Interrupted => {
                            let message = format!("nothing moved for {} s", patience.as_secs());
                            Err(TransportError::new(FailureClass::Network, Side::Destination, message))
                        }
                        outcome => outcome,
                    };
                }
                () = tokio::time::sleep(LOOK_EVERY) => {
                    if !gave_up && context.progress.idle_for() >= patience {
                        gave_up = true;
                        context.cancel.cancel();
                    }
                }
            }
        }
    }
}

/// What went wrong, and what to do, in one line.
pub(super) fn told(error: &TransportError) -> String {
    let advice = match error.class {
        FailureClass::Interrupted => return "interrupted".to_owned(),
        FailureClass::Authentication => "check the key, and what this account may do there",
        FailureClass::Configuration => {
            "correct this equipment's transport in the config, or what the destination allows"
        }
        FailureClass::Network => "check the network and the NAS",
        FailureClass::DestinationUnreachable => "mount or connect the NAS",
        FailureClass::DestinationForeign => "point this equipment at a folder of its own on the NAS",
        FailureClass::DestinationFull => "make room on the NAS",
        FailureClass::LocalFull => "make room for the state folder",
        FailureClass::LocalRead | FailureClass::LocalFileVanished | FailureClass::LocalFileChanged => {
            "let nobody else work in the state folder"
        }
        FailureClass::Conflict => "move what stands there aside",
        FailureClass::VerifySkippedOversize => "raise verify.max_stream_bytes",
        FailureClass::HashMismatch
        | FailureClass::CouldNotHash
        | FailureClass::BlockedByValidation
        | FailureClass::Unknown => "check the NAS, and look at its own log",
    };
    format!("{}; {advice}", error.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Visit;
    use crate::transport::mount::MountTransport;
    use domain::settings::{Equipment, Settings};
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn a_step_in_which_nothing_moves_is_ended() {
        let (settings, cancel) = (Settings::default(), CancellationToken::new());
        let visit = Visit { settings: &settings, state_folder: "/none".as_ref(), cancel: &cancel, tell: &|_| () };
        let equipment = Equipment {
            id: "E".into(),
            label: "E".into(),
            signal: None,
            settle_seconds: Some(0),
            open_files_wait_seconds: 0,
            synced_here: true,
            transport: None,
            staging_transport: "smb_mount".into(),
        };
        let transport = Arc::new(MountTransport::new("/none".into(), "/none".into()));
        let exam = Exam { visit: &visit, equipment: &equipment, transport, checks: Vec::new() };
        let hangs = async |context: &CallContext| -> Result<(), TransportError> {
            context.cancel.cancelled().await;
            Err(TransportError::interrupted())
        };
        let error = exam.step(Duration::ZERO, hangs).await.unwrap_err();
        assert_eq!((error.class, error.message.as_str()), (FailureClass::Network, "nothing moved for 0 s"));
        cancel.cancel();
        let error = exam.step(PATIENCE, hangs).await.unwrap_err();
        assert_eq!((error.class, told(&error).as_str()), (FailureClass::Interrupted, "interrupted"));
    }
}
