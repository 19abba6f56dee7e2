//! One line of `wizard.<hostname>.log` (docs/format.md): one event, one line, whatever the names contain.
//!
//! Names come from instruments and must not be able to end the line, to hide in it, or to pass for a tag (S13). A log
//! is for reading, so a plain backslash stays as it is; what is escaped becomes `\n`, `\r`, `\t`, `\xNN` or `\u{NNNN}`.

use crate::path::{RunKind, RunPath};
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Longest line in bytes, its LF left out.
pub const MAX_LINE_BYTES: usize = 1024;

const CUT: &str = "...[truncated]";

/// Weight of a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// All, lightest first.
    pub const ALL: [Level; 4] = [Level::Debug, Level::Info, Level::Warn, Level::Error];

    /// As in addresses and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }

    /// Reads its text as in an address or in a line, padding and case aside.
    pub fn from_text(text: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| text.trim().eq_ignore_ascii_case(level.as_str()))
    }

    /// As in a line: always five characters.
    fn padded(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO ",
            Level::Warn => "WARN ",
            Level::Error => "ERROR",
        }
    }
}

/// A line before it is written. Tags left out when unset.
#[derive(Clone, Debug)]
pub struct LogLine<'a> {
    /// When.
    pub at: Timestamp,
    /// Weight.
    pub level: Level,
    /// `[host:..]`
    pub host: Option<&'a str>,
    /// `[equip:..]` and `[run:..]`
    pub run: Option<&'a RunPath>,
    /// `[proj:..]`
    pub project: Option<&'a str>,
    /// `[kind:..]`
    pub kind: Option<RunKind>,
    /// The event.
    pub message: &'a str,
}

impl LogLine<'_> {
    /// The line without its LF: control characters escaped, at most 1024 bytes, a cut one ends in `...[truncated]`.
    pub fn format(&self) -> String {
        let mut line = format!("{} [{}]", self.at, self.level.padded());
        let tags = [
            ("host", self.host),
            ("equip", self.run.map(RunPath::equipment)),
            ("proj", self.project),
            ("kind", self.kind.map(RunKind::as_str)),
            ("run", self.run.map(RunPath::leaf)),
        ];
        for (name, value) in tags {
            if let Some(value) = value {
                line.push_str(&format!(" [{name}:"));
                push_escaped(&mut line, value, Place::Tag);
                line.push(']');
            }
        }
        line.push(' ');
        push_escaped(&mut line, self.message, Place::Message);
        cut(line)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Tag,
    Message,
}

fn push_escaped(line: &mut String, text: &str, place: Place) {
    for (at, c) in text.char_indices() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            // A bracket would end the tag early; one at the message's start would read as a further tag.
            ']' if place == Place::Tag => line.push_str("\\x5d"),
            '[' if place == Place::Message && at == 0 => line.push_str("\\x5b"),
            c if c.is_ascii_control() => line.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if hides(c) => line.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => line.push(c),
        }
    }
}

/// Controls beyond ASCII, separators that viewers break lines at, and marks that turn the writing direction around.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn cut(mut line: String) -> String {
    if line.len() > MAX_LINE_BYTES {
        line.truncate(line.floor_char_boundary(MAX_LINE_BYTES - CUT.len()));
        line.push_str(CUT);
    }
    line
}

#[cfg(test)]
#[path = "log_line_tests.rs"]
mod tests;
