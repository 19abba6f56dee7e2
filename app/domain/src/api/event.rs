//! What changed: the events of `GET /api/v1/events`.

use super::ActView;
use super::PanelStatus;
use super::RunRow;
use serde::{Deserialize, Serialize};

/// One event of `GET /api/v1/events`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", try_from = "Wire")]
pub enum Event {
    /// A row is new or changed.
    Row {
        /// Sequence number.
        seq: u64,
        /// The whole row.
        row: Box<RunRow>,
    },
    /// A row is gone from the list.
    Gone {
        /// Sequence number.
        seq: u64,
        /// Its key.
        run_path: String,
    },
    /// The header changed.
    Status {
        /// Sequence number.
        seq: u64,
        /// The whole header.
        status: Box<PanelStatus>,
    },
    /// An act began, went on or ended.
    Act {
        /// Sequence number.
        seq: u64,
        /// The whole act.
        act: Box<ActView>,
    },
    /// Findings, overrides or marks changed: ask for the list of problems again.
    Problems {
        /// Sequence number.
        seq: u64,
        /// Findings that hold runs back now.
        blocking: u64,
        /// Of these, how many came since the last such event: to be announced once.
        new_blocking: u64,
    },
    /// The client is too far behind: load everything anew, then go on from `seq`.
    Reset {
        /// Sequence number.
        seq: u64,
    },
}

impl Event {
    /// Sequence number.
    pub fn seq(&self) -> u64 {
        match self {
            Event::Row { seq, .. }
            | Event::Gone { seq, .. }
            | Event::Status { seq, .. }
            | Event::Act { seq, .. }
            | Event::Problems { seq, .. }
            | Event::Reset { seq } => *seq,
        }
    }
}

/// An event as it is read. Read by its tag, everything in it would first become a tree, and each type would be compiled
/// once more to be read from trees: that is much to download.
#[derive(Deserialize)]
struct Wire {
    r#type: Kind,
    seq: u64,
    row: Option<Box<RunRow>>,
    run_path: Option<String>,
    status: Option<Box<PanelStatus>>,
    act: Option<Box<ActView>>,
    blocking: Option<u64>,
    new_blocking: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Row,
    Gone,
    Status,
    Act,
    Problems,
    Reset,
}

impl TryFrom<Wire> for Event {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Event, &'static str> {
        let Wire { seq, .. } = wire;
        Ok(match wire.r#type {
            Kind::Row => Event::Row { seq, row: wire.row.ok_or("missing field `row`")? },
            Kind::Gone => Event::Gone { seq, run_path: wire.run_path.ok_or("missing field `run_path`")? },
            Kind::Status => Event::Status { seq, status: wire.status.ok_or("missing field `status`")? },
            Kind::Act => Event::Act { seq, act: wire.act.ok_or("missing field `act`")? },
            Kind::Problems => Event::Problems {
                seq,
                blocking: wire.blocking.ok_or("missing field `blocking`")?,
                new_blocking: wire.new_blocking.ok_or("missing field `new_blocking`")?,
            },
            Kind::Reset => Event::Reset { seq },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_they_are_written() {
        let events = [
            Event::Gone { seq: 1, run_path: "EQ1/P/Run_1".to_owned() },
            Event::Problems { seq: 2, blocking: 3, new_blocking: 1 },
            Event::Reset { seq: 4 },
        ];
        for event in events {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
        }
        assert!(serde_json::from_str::<Event>(r#"{"type":"gone","seq":1}"#).is_err());
        assert!(serde_json::from_str::<Event>(r#"{"type":"newer","seq":1}"#).is_err());
    }
}
