//! The end of a run's own log, read from behind: a log of any size opens at once. Opened beneath the run's handle,
//! through no link.

use super::Engine;
use super::answers::{FIRST_SCAN_PATIENCE, store_problem};
use crate::core::Core;
use crate::files::source::SourceError;
use crate::machine::blocking::blocking;
use domain::api::{LogEntry, LogQuery, RunLog};
use domain::path::{FilePath, RECORD_FOLDER, RunPath};
use domain::problem::{ErrorCode, Problem};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Most lines that are answered.
const LARGEST_TAIL: u32 = 5_000;
/// What is read first, from the end.
const FIRST_LOOK: u64 = 64 << 10;
/// So much is looked at in all: lines that match may be rare.
const LOOKED_AT_MOST: u64 = 8 << 20;
/// A line is shown up to here: ours are shorter, others write into this folder too.
const LINE_SHOWN: usize = 4 << 10;

/// A log to be sent as it is.
#[derive(Debug)]
pub struct LogFile {
    pub name: String,
    /// Its size when it was opened: what is sent, however it grows.
    pub bytes: u64,
    /// Opened for reading, at its start.
    pub file: File,
}

impl Engine {
    /// The last lines of a run's log that match.
    pub async fn run_log(&self, run: &str, query: LogQuery) -> Result<RunLog, Problem> {
        let run = self.parse_known(run).await?;
        let core = self.core.clone();
        blocking(move || {
            let run_path = run.as_str().to_owned();
            let Some(log) = open(&core, &run)? else { return Ok(RunLog { run_path, ..RunLog::default() }) };
            let (lines, cut) = tail(&log.file, log.bytes, &query).map_err(|error| unreadable(&error))?;
            Ok(RunLog { run_path, file: Some(log.name), bytes: log.bytes, lines, cut })
        })
        .await
    }

    /// The whole log of a run.
    pub async fn log_file(&self, run: &str) -> Result<LogFile, Problem> {
        let run = self.parse_known(run).await?;
        let core = self.core.clone();
        let none = Problem::new(
            ErrorCode::NotFound,
            format!("{run} has no log here; once it is proven, its log is on the NAS, with its record"),
        );
        blocking(move || open(&core, &run)?.ok_or(none)).await
    }

    /// A run that stands here or once did.
    async fn parse_known(&self, run: &str) -> Result<RunPath, Problem> {
        self.ready(FIRST_SCAN_PATIENCE).await?;
        let run = self.parse(run)?;
        if self.core.index.look(&run, |_| ()).is_some()
            || self.core.store.last_ended_life(&run).await.map_err(store_problem)?.is_some()
        {
            return Ok(run);
        }
        Err(Problem::new(ErrorCode::NotFound, format!("{run} is not in staging and was never known")))
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(ErrorCode::StagingUnavailable, format!("the run's log cannot be read: {error}"))
}

/// `None` when there is none, or something else than a file stands in its place.
fn open(core: &Core, run: &RunPath) -> Result<Option<LogFile>, Problem> {
    let name = core.site.log_name();
    let path = FilePath::new(format!("{RECORD_FOLDER}/{name}")).map_err(|error| unreadable(&error))?;
    let folder = match core.staging.run(run) {
        Ok(folder) => folder,
        Err(SourceError::RunGone { .. }) => return Ok(None),
        Err(error) => return Err(unreadable(&error)),
    };
    match folder.open_file(&path) {
        Ok((file, stat)) => Ok(Some(LogFile { name, bytes: stat.size, file })),
        Err(SourceError::Vanished { .. } | SourceError::NotRegular { .. }) => Ok(None),
        Err(error) => Err(unreadable(&error)),
    }
}

/// The last matching lines, oldest first, and whether there are more before them. Looks further back until there are
/// enough.
fn tail(file: &File, size: u64, query: &LogQuery) -> io::Result<(Vec<LogEntry>, bool)> {
    let mut look = FIRST_LOOK;
    loop {
        let from = size.saturating_sub(look);
        let (lines, more) = matching(&read(file, from, size)?, from > 0, query);
        if more || from == 0 || look >= LOOKED_AT_MOST {
            return Ok((lines, more || from > 0));
        }
        look = (look * 8).min(LOOKED_AT_MOST);
    }
}

/// What stands between; less when the file was cut meanwhile.
fn read(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(0)];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, from + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The last `tail` matching lines, and whether more matched. The first line is left out when it may be torn.
fn matching(bytes: &[u8], torn: bool, query: &LogQuery) -> (Vec<LogEntry>, bool) {
    let words: Vec<String> = query.text.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let most = query.tail.clamp(1, LARGEST_TAIL) as usize;
    let mut kept = VecDeque::new();
    let mut more = false;
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines = whole.split(|byte| *byte == b'\n').skip(usize::from(torn)).filter(|line| !line.is_empty());
    for line in lines {
        let line = domain::path::escape_bytes(line.get(..LINE_SHOWN).unwrap_or(line));
        let entry = LogEntry::parse(&line);
        let heavy = query.level.is_none_or(|least| entry.level.is_some_and(|level| level >= least));
        if !heavy || !contains(&line, &words) {
            continue;
        }
        if kept.len() == most {
            kept.pop_front();
            more = true;
        }
        kept.push_back(entry);
    }
    (kept.into(), more)
}

fn contains(line: &str, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let line = line.to_lowercase();
    words.iter().all(|word| line.contains(word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::log_line::Level;
    use std::io::Write;

    fn log(lines: usize) -> (File, u64) {
        let mut file = tempfile::tempfile().unwrap();
        let mut text = String::new();
        for n in 0..lines {
            let level = if n % 1_000 == 0 { "ERROR" } else { "INFO " };
            text.push_str(&format!(
                "2026-04-17T14:32:00Z [{level}] [host:pc] line {n} of the log, which goes on for a while\n"
            ));
        }
        file.write_all(text.as_bytes()).unwrap();
        (file, text.len() as u64)
    }

    fn texts(lines: &[LogEntry]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn only_the_end_is_read() {
        let (file, size) = log(1_000_000);
        assert!(size > LOOKED_AT_MOST * 8);
        let (lines, cut) = tail(&file, size, &LogQuery::default()).unwrap();
        assert_eq!((lines.len(), cut), (200, true));
        assert!(lines.last().unwrap().text.contains("line 999999 "));
        let rare = LogQuery { level: Some(Level::Error), tail: 5, ..LogQuery::default() };
        let (lines, cut) = tail(&file, size, &rare).unwrap();
        assert_eq!((lines.len(), cut), (5, true));
        assert!(lines[4].text.contains("line 999000 "), "{lines:?}");
        let absent = LogQuery { text: "no such words".into(), ..LogQuery::default() };
        assert_eq!(tail(&file, size, &absent).unwrap(), (vec![], true), "what was not looked at may hold it");
    }

    #[test]
    fn a_small_log_is_read_whole() {
        let (file, size) = log(3);
        let (lines, cut) = tail(&file, size, &LogQuery { text: "error LINE".into(), ..LogQuery::default() }).unwrap();
        assert_eq!((texts(&lines).len(), cut), (1, false));
        let (lines, cut) = tail(&file, size, &LogQuery { tail: 1, ..LogQuery::default() }).unwrap();
        assert!(cut && lines[0].text.contains("line 2 "));
        assert_eq!(tail(&file, 0, &LogQuery::default()).unwrap(), (vec![], false));
    }

    #[test]
    fn what_others_write_into_it_is_shown_as_text() {
        let mut long = vec![b'x'; 1 << 20];
        long.extend_from_slice(b"\n\xff\x1b[31mred\n<script>\nlast without end");
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&long).unwrap();
        let (lines, _) = tail(&file, long.len() as u64, &LogQuery::default()).unwrap();
        assert_eq!(lines[0].text.len(), LINE_SHOWN);
        assert!(lines[1].text.starts_with("\\xff"), "{:?}", lines[1]);
        assert_eq!(texts(&lines[2..]), ["<script>", "last without end"]);
        let (lines, _) = tail(&file, long.len() as u64 + 500, &LogQuery { tail: 1, ..LogQuery::default() }).unwrap();
        assert_eq!(texts(&lines), ["last without end"], "a log that was cut meanwhile is read as far as it goes");
    }
}
