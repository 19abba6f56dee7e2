//! What rclone says on standard error: JSON lines with messages and its own counting, and plain lines before and after
//! those.

use crate::machine::child::Ended;
use serde::Deserialize;

/// rclone's own counting within one call.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stats {
    pub bytes: u64,
    checks: u64,
    transfers: u64,
    deletes: u64,
    renames: u64,
    listed: u64,
}

/// One line of its log.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Line {
    level: String,
    msg: String,
    object: String,
    stats: Option<Stats>,
}

/// Cuts what comes into lines and reads the counting in them.
#[derive(Default)]
pub(super) struct Lines {
    line: Vec<u8>,
}

/// Longer lines are not read.
const LINE_AT_MOST: usize = 64 << 10;

impl Lines {
    /// Some more of standard error: its counting, and everything else it says.
    pub fn take(&mut self, bytes: &[u8], stats: &mut dyn FnMut(&Stats), message: &dyn Fn(&str)) {
        for byte in bytes {
            if *byte == b'\n' {
                match serde_json::from_slice(&self.line) {
                    Ok(Line { stats: Some(found), .. }) => stats(&found),
                    Ok(Line { msg, .. }) => message(&msg),
                    Err(_) => {}
                }
                self.line.clear();
            } else if self.line.len() < LINE_AT_MOST {
                self.line.push(*byte);
            }
        }
    }
}

/// How a call ended, and what it complained of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CallOutput {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The complaints, as one would read them, in their order; nothing secret is left in them.
    pub complaints: Vec<String>,
}

impl CallOutput {
    pub fn new(ended: Ended) -> CallOutput {
        CallOutput {
            code: ended.code,
            complaints: ended.stderr.lines().filter_map(complaint).map(|line| scrub(&line)).collect(),
        }
    }

    /// Exit code 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// rclone's word for a place or a file that is not there.
    pub fn not_there(&self) -> bool {
        matches!(self.code, Some(3 | 4))
    }

    /// The one that tells most: the first about an object, else the last.
    pub fn telling(&self) -> &str {
        self.complaints.last().map_or("it said nothing", String::as_str)
    }
}

/// A line as one would read it; `None` for what is no complaint.
fn complaint(line: &str) -> Option<String> {
    let Ok(line) = serde_json::from_str::<Line>(line) else {
        // `2026/11/25 03:24:19 Failed to ...`
        let words = line
            .splitn(3, ' ')
            .nth(2)
            .filter(|_| line.starts_with(|first: char| first.is_ascii_digit()))
            .unwrap_or(line)
            .trim();
        let telling = !words.is_empty()
            && !words.starts_with("NOTICE: Config file")
            && !words.contains("Replacing invalid UTF-8");
        return telling.then(|| words.strip_prefix("NOTICE: ").unwrap_or(words).to_owned());
    };
    let grave = matches!(line.level.as_str(), "error" | "critical" | "fatal" | "panic" | "emergency" | "alert");
    // The newer versions give their very last words as a notice.
    let last_words = line.stats.is_none() && line.msg.starts_with("Failed to ");
    if (!grave && !last_words) || line.msg.starts_with("Attempt ") {
        return None;
    }
    Some(if line.object.is_empty() { line.msg } else { format!("{}: {}", line.object, line.msg) })
}

/// Words after which a secret may stand.
const SECRETS: [&str; 8] = ["pass=", "password=", "token=", "secret=", "key=", "pass:", "password:", "Authorization:"];

/// Takes out what may be a secret.
fn scrub(line: &str) -> String {
    let mut out = line.to_owned();
    for word in SECRETS {
        let mut from = 0;
        while let Some(at) = out[from..].to_ascii_lowercase().find(&word.to_ascii_lowercase()) {
            let begin = from + at + word.len();
            let blank = out[begin..].len() - out[begin..].trim_start().len();
            let value = begin + blank;
            let end = out[value..].find([' ', ',', '&', '"', '\'', ';']).map_or(out.len(), |length| value + length);
            out.replace_range(value..end, "***");
            from = (value + 3).min(out.len());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stderr: &str) -> Vec<String> {
        CallOutput::new(Ended { code: Some(1), signal: None, stderr: stderr.to_owned() }).complaints
    }

    #[test]
    fn both_versions_complaints_are_read() {
        let old = "{\"level\":\"error\",\"msg\":\"Failed to copy: open /x: is a directory\",\"object\":\"b\",\"objectType\":\"*local.Object\"}\n\
                   {\"level\":\"error\",\"msg\":\"Attempt 1/1 failed with 1 errors and: x\"}\n\
                   {\"level\":\"warning\",\"msg\":\"Transferred: 0\",\"stats\":{\"bytes\":7,\"eta\":null}}\n\
                   2026/11/25 03:24:19 Failed to move: open /x: is a directory\n";
        assert_eq!(
            said(old),
            ["b: Failed to copy: open /x: is a directory", "Failed to move: open /x: is a directory"]
        );
        let new = "{\"level\":\"critical\",\"msg\":\"Failed to create file system for \\\"nope:\\\": didn't find section\"}\n\
                   {\"level\":\"notice\",\"msg\":\"Failed to lsjson: x\"}\n{\"level\":\"notice\",\"msg\":\"No host key validation\"}\n";
        assert_eq!(
            said(new),
            ["Failed to create file system for \"nope:\": didn't find section", "Failed to lsjson: x"]
        );
    }

    #[test]
    fn counting_is_read_however_it_is_cut() {
        let (mut lines, mut bytes) = (Lines::default(), Vec::new());
        for piece in b"{\"msg\":\"x\",\"stats\":{\"bytes\":70,\"eta\":null,\"speed\":1.5}}\nplain\n".chunks(9) {
            lines.take(piece, &mut |found| bytes.push(found.bytes), &|_| ());
        }
        assert_eq!(bytes, [70]);
    }

    #[test]
    fn secrets_are_taken_out() {
        assert_eq!(scrub("user=a pass=geheim, x"), "user=a pass=***, x");
        assert_eq!(scrub("https://h/?token=abc&b=1 Password: x1 y"), "https://h/?token=***&b=1 Password: *** y");
        assert_eq!(scrub("nothing of that kind"), "nothing of that kind");
    }
}
