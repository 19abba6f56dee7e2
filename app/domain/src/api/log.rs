//! The end of a run's own log.

use crate::log_line::Level;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Lines when nothing else is asked for.
pub const LOG_TAIL: u32 = 200;

/// Which lines are asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogQuery {
    /// The last so many that match: 1 to 5,000.
    pub tail: u32,
    /// Only lines of this weight and above.
    pub level: Option<Level>,
    /// Words that must all occur in the line, whatever their case.
    pub text: String,
}

impl Default for LogQuery {
    fn default() -> Self {
        LogQuery { tail: LOG_TAIL, level: None, text: String::new() }
    }
}

/// `GET /api/v1/runs/{run_path}/log`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RunLog {
    /// Relative to the staging root.
    pub run_path: String,
    /// Name of the file in the record; `None` when there is none here.
    pub file: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// The last lines that match, oldest first.
    pub lines: Vec<LogEntry>,
    /// There are older lines that were not looked at, or matched too.
    pub cut: bool,
}

/// One line as read back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogEntry {
    /// When, where the line says so.
    pub at: Option<Timestamp>,
    /// Weight, where the line says so.
    pub level: Option<Level>,
    /// The rest of the line; of a line of another form, all of it.
    pub text: String,
}

impl LogEntry {
    /// Reads a line as [`crate::log_line::LogLine`] writes it; any other line is kept as its text.
    pub fn parse(line: &str) -> LogEntry {
        let known = || {
            let (at, rest) = line.split_once(' ')?;
            let (level, text) = rest.strip_prefix('[')?.split_once(']')?;
            Some(LogEntry {
                at: Some(Timestamp::parse(at).ok()?),
                level: Some(Level::from_text(level)?),
                text: text.trim_start().to_owned(),
            })
        };
        known().unwrap_or_else(|| LogEntry { at: None, level: None, text: line.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn our_lines_are_read_back_and_others_kept() {
        let entry = LogEntry::parse("2026-04-17T14:32:00Z [WARN ] [host:pc] [run:Run_1] sync retry 1 of 3");
        assert_eq!(entry.at.unwrap().to_string(), "2026-04-17T14:32:00Z");
        assert_eq!((entry.level, entry.text.as_str()), (Some(Level::Warn), "[host:pc] [run:Run_1] sync retry 1 of 3"));
        for other in ["", "Traceback (most recent call last):", "2026-04-17T14:32:00Z [LOUD ] x", "x [INFO ] y"] {
            assert_eq!(LogEntry::parse(other), LogEntry { at: None, level: None, text: other.to_owned() });
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in ".{0,80}") {
            let _ = LogEntry::parse(&line);
        }
    }
}
