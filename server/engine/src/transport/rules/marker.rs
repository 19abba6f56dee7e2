//! The marker at an equipment's root: without it nothing is written there, and one of another installation is not
//! replaced unasked.

use super::super::{CallContext, Transport, TransportError};
use super::layout::MARKER;
use domain::job::{FailureClass, Side};
use serde::{Deserialize, Serialize};

/// A marker is some hundred bytes; no more than this is read.
pub const BYTES_AT_MOST: u64 = 64 << 10;

/// Names installation and equipment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Marker {
    /// `exlab-orchestrator destination`, so that the file explains itself.
    pub what: String,
    /// UUID of the installation (made once in the state folder).
    pub installation: String,
    pub equipment: String,
    /// When it was made.
    pub created_at: domain::timestamp::Timestamp,
    pub host: String,
}

impl Marker {
    /// Reads one; `destination` as the operator calls it.
    pub(in crate::transport) fn read(bytes: &[u8], destination: &str) -> Result<Marker, TransportError> {
        serde_json::from_slice(bytes).map_err(|error| {
            let message = format!("{destination}/{MARKER} is not a valid marker: {error}");
            TransportError::new(FailureClass::DestinationUnreachable, Side::Destination, message)
        })
    }

    /// As it is written.
    fn text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    fn is_of_the_same(&self, other: &Marker) -> bool {
        (&self.installation, &self.equipment) == (&other.installation, &other.equipment)
    }

    /// Whether it has to be written where `found` stands (empty: none does). An error where that is another's, and
    /// nobody adopted it.
    fn must_be_written(&self, found: &[u8], replace: bool, destination: &str) -> Result<bool, TransportError> {
        if found.is_empty() || replace {
            return Ok(true);
        }
        self.stands(found, destination).map(|()| false)
    }

    /// That what stands there is this one: another may have been quicker.
    fn stands(&self, found: &[u8], destination: &str) -> Result<(), TransportError> {
        let found = Marker::read(found, destination)?;
        if found.is_of_the_same(self) {
            return Ok(());
        }
        let Marker { equipment, installation, host, .. } = found;
        let message =
            format!("{destination} belongs to equipment {equipment} of installation {installation} on {host}");
        Err(TransportError::new(FailureClass::DestinationForeign, Side::Destination, message))
    }
}

/// Whose the destination is to be: every call that finds another's marker ends there, also when it was ours a moment
/// ago.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarkedFor {
    /// UUID of the installation.
    pub installation: String,
    pub equipment: String,
}

impl MarkedFor {
    /// That this marker is ours.
    pub(in crate::transport) fn owns(&self, marker: &[u8], destination: &str) -> Result<(), TransportError> {
        self.has(&Marker::read(marker, destination)?, destination)
    }

    /// The same of one that was read.
    pub(in crate::transport) fn has(&self, found: &Marker, destination: &str) -> Result<(), TransportError> {
        if (&found.installation, &found.equipment) == (&self.installation, &self.equipment) {
            return Ok(());
        }
        let message = format!(
            "{destination} is marked for equipment {} of another installation or equipment (host {}, {}); `nas init {} --adopt` takes it over",
            found.equipment, found.host, found.created_at, self.equipment
        );
        Err(TransportError::new(FailureClass::DestinationForeign, Side::Destination, message))
    }
}

/// Writes the marker of a destination, and looks at what stands there then: another may have been quicker, and only now
/// can be seen whether a server exports this computer's own staging tree.
pub async fn mark(
    transport: &(impl Transport + ?Sized),
    marker: &Marker,
    replace: bool,
    context: &CallContext,
) -> Result<(), TransportError> {
    let wire = transport.open_to_mark(true, context).await?;
    if !marker.must_be_written(wire.marker(), replace, &wire.destination())? {
        return Ok(());
    }
    wire.put_marker(&marker.text(), replace).await?;
    match transport.open_to_mark(false, context).await {
        Ok(there) => marker.stands(there.marker(), &there.destination()),
        Err(error) => {
            if wire.marker().is_empty() && error.class == FailureClass::DestinationForeign {
                wire.take_marker_back(&marker.text()).await?;
            }
            Err(error)
        }
    }
}

/// There is none.
pub fn no_marker(destination: &str) -> TransportError {
    let message = format!("{destination} holds no marker: the NAS is not mounted there, or `nas init` was never run");
    TransportError::new(FailureClass::DestinationUnreachable, Side::Destination, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(installation: &str, host: &str) -> Marker {
        let created_at = domain::timestamp::Timestamp::from_unix_seconds(0);
        Marker {
            what: String::new(),
            installation: installation.into(),
            equipment: "EQ_1".into(),
            created_at,
            host: host.into(),
        }
    }

    #[test]
    fn v13_only_what_is_nobodys_is_written_unasked() {
        let (ours, again, theirs) = (marker("a", "one"), marker("a", "two").text(), marker("b", "one").text());
        let must = |found: &[u8], replace| ours.must_be_written(found, replace, "/nas").map_err(|error| error.class);
        assert_eq!(must(b"", false), Ok(true));
        assert_eq!(must(&again, false), Ok(false), "it is the same, wherever it was written");
        assert_eq!(must(&theirs, false), Err(FailureClass::DestinationForeign));
        assert_eq!(must(b"{", false), Err(FailureClass::DestinationUnreachable));
        assert_eq!((must(&theirs, true), must(b"{", true)), (Ok(true), Ok(true)), "adopted");
    }
}
