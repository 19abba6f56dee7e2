//! Looking at files at the server: kind, size and time of those asked for, or of everything in a folder of ours.

use super::session::{Abilities, Session};
use super::{Place, classify, session};
use crate::machine::child::Ended;
pub(super) use crate::transport::portions::folders_above;
use crate::transport::{CallContext, TransportError};
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
use domain::proof::FileStat;
use std::collections::HashMap;
use std::sync::Arc;

/// Names of one command at most, and their bytes: well below what any system takes.
const NAMES: usize = 250;
const NAME_BYTES: usize = 60_000;

/// What something at the server is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    File,
    Folder,
    /// A link, a device, a socket.
    Other,
}

/// What is known of something at the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub kind: Kind,
    pub size: u64,
    pub mtime_seconds: i64,
    /// False where the time holds whole seconds only.
    pub fraction: bool,
    /// With its times in nanoseconds.
    pub stat: FileStat,
}

/// What is there of what was looked for, by relative path.
pub(super) type Looked = HashMap<Vec<u8>, Seen>;

/// Ends the names that a script holds line by line; no name is this, since each begins with `./`.
const END_OF_NAMES: &[u8] = b"exlab-end-of-names";

/// The shell functions `look`, for names, `look_lines`, for names line by line (GNU only), and `all`, for everything
/// below the current folder that is no folder.
pub(super) fn functions(can: Abilities) -> String {
    if !can.find_prints {
        return r#"look() { for f; do if [ -e "$f" ] || [ -L "$f" ]; then printf '%s %s\0' "$(stat -c '%f %s %Y %Z %i' -- "$f")" "$f"; fi; done; }
all() { find . ! -type d -exec sh -c 'for f; do printf "%s %s\0" "$(stat -c "%f %s %Y %Z %i" -- "$f")" "$f"; done' sh {} + </dev/null; }
"#
        .to_owned();
    }
    // Starting programs is most of the work on small files: one for all names where find reads them, else as many names
    // for each as the system takes. Code: that of a find that missed something. That something is not there is no
    // trouble; everything else that find says is.
    let (finds, missed) = match can.find_reads {
        true => (r#"find -files0-from - -maxdepth 0 -printf "$told""#, 1),
        false => (r#"told="$told" xargs -0 -r -s 1000000 sh -c 'exec find "$@" -maxdepth 0 -printf "$told"' sh"#, 123),
    };
    format!(
        r#"told='%y %s %T@ %C@ %i %p\0'
look() {{ {{ find "$@" -maxdepth 0 -printf "$told" 2>&1 1>&3 </dev/null | grep -v 'No such file or directory' >&2; }} 3>&1; }}
look_lines() {{ {{ {{ tr '\n' '\000' | {finds} || [ $? = {missed} ] || echo 'find: was stopped' >&2; }} 2>&1 1>&3 |
grep -v 'No such file or directory' >&2; }} 3>&1; true; }}
all() {{ find . ! -type d -printf "$told" </dev/null; }}
"#
    )
}

/// Calls `function` of a script for these names, some hundred at a time; they are relative to the current folder.
pub(super) fn call<'a>(script: &mut Vec<u8>, function: &str, names: impl IntoIterator<Item = &'a [u8]>) {
    let (mut count, mut bytes) = (0, 0);
    for name in names {
        if count == 0 {
            script.extend_from_slice(function.as_bytes());
        }
        script.push(b' ');
        let word = word_here(name);
        bytes += word.len();
        script.extend(word);
        count += 1;
        if count >= NAMES || bytes >= NAME_BYTES {
            script.push(b'\n');
            (count, bytes) = (0, 0);
        }
    }
    if count > 0 {
        script.push(b'\n');
    }
}

/// Adds a look at these names to a script. GNU's tools take them line by line, thousands at a time: a shell and its
/// children are slow to start for every few hundred.
pub(super) fn call_look<'a>(script: &mut Vec<u8>, session: &Session, names: impl IntoIterator<Item = &'a [u8]>) {
    if !session.can.find_prints {
        return call(script, "look", names);
    }
    let (odd, plain): (Vec<&[u8]>, Vec<&[u8]>) = names.into_iter().partition(|name| name.contains(&b'\n'));
    call_lines(script, "look_lines", plain);
    call(script, "look", odd);
}

/// Calls `function` of a script with these names on its standard input, one a line; none holds a line's end. It must
/// end well, whatever it found.
pub(super) fn call_lines<'a>(script: &mut Vec<u8>, function: &str, names: impl IntoIterator<Item = &'a [u8]>) {
    let mut names = names.into_iter().peekable();
    if names.peek().is_none() {
        return;
    }
    // The end is quoted, so that the shell takes every byte of a name for itself. Some shells keep the names in a file
    // meanwhile: where that cannot be written, nothing was looked at.
    script.extend([function.as_bytes(), b" <<'", END_OF_NAMES, b"' || exit 1\n"].concat());
    for name in names {
        script.extend([b"./", name, b"\n"].concat());
    }
    script.extend([END_OF_NAMES, b"\n"].concat());
}

/// A relative name as a word that is never taken for an option.
pub(super) fn word_here(name: &[u8]) -> Vec<u8> {
    super::quote::shell_word(&[b"./", name].concat())
}

/// What is told of files of the run, in their order, and the session that it was asked in.
pub(super) async fn stats(
    place: &Arc<Place>,
    run: &RunPath,
    files: &[FilePath],
    context: &CallContext,
) -> Result<(Session, Result<Vec<Option<FileStat>>, TransportError>), TransportError> {
    let script = |session: &Session| looking(session, run, Vec::new(), files.iter().map(FilePath::as_bytes));
    let (session, ended, said) = Session::open_marked_and(place, script, context).await?;
    let stats = answered(&session, run, &ended, &said).map(|there| {
        let there = there.unwrap_or_default();
        let told =
            |path: &FilePath| there.get(path.as_bytes()).filter(|seen| seen.kind == Kind::File).map(|seen| seen.stat);
        files.iter().map(told).collect()
    });
    Ok((session, stats))
}

/// Looks at names inside the run; `None` when the run's folder is not there.
pub(super) async fn in_run<'a>(
    session: &Session,
    run: &RunPath,
    names: impl IntoIterator<Item = &'a [u8]>,
    context: &CallContext,
) -> Result<Option<Looked>, TransportError> {
    looked(session, run, Vec::new(), names, context).await.map(|(_, looked)| looked)
}

/// The same, and whether a folder of ours (absolute) is there.
pub(super) async fn at_first<'a>(
    session: &Session,
    run: &RunPath,
    own: &[u8],
    names: impl IntoIterator<Item = &'a [u8]>,
    context: &CallContext,
) -> Result<(bool, Option<Looked>), TransportError> {
    let word = super::quote::shell_word(own);
    looked(session, run, [b"if [ -d ", word.as_slice(), b" ]; then printf 'own\\0'; fi\n"].concat(), names, context)
        .await
}

async fn looked<'a>(
    session: &Session,
    run: &RunPath,
    first: Vec<u8>,
    names: impl IntoIterator<Item = &'a [u8]>,
    context: &CallContext,
) -> Result<(bool, Option<Looked>), TransportError> {
    let (ended, said) =
        session::collect(&session.place.connection, &looking(session, run, first, names), context).await?;
    let (own, said) = said.strip_prefix(b"own\0").map_or((false, said.as_slice()), |rest| (true, rest));
    Ok((own, answered(session, run, &ended, said)?))
}

/// The script that looks at names inside the run.
fn looking<'a>(session: &Session, run: &RunPath, first: Vec<u8>, names: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut script = [first, session.enter_run(run)].concat();
    script.extend_from_slice(functions(session.can).as_bytes());
    call_look(&mut script, session, names);
    script.extend_from_slice(b"printf '.'");
    script
}

/// What it said; `None` when the run's folder is not there.
fn answered(session: &Session, run: &RunPath, ended: &Ended, said: &[u8]) -> Result<Option<Looked>, TransportError> {
    match ended.code {
        Some(session::NOT_PLAIN) => {
            let message = format!("{}/{} is not a plain folder", session.place.describe(), run.below_equipment());
            return Err(TransportError::new(FailureClass::Conflict, Side::Destination, message));
        }
        Some(0) if said == b"missing" => return Ok(None),
        Some(0) => {}
        _ => return Err(classify::script(ended, "looking at files there")),
    }
    if let Some(trouble) = classify::trouble(ended) {
        return Err(trouble);
    }
    read(said, END).map(Some).ok_or_else(|| garbled("looking at files there"))
}

/// Everything in a folder of ours, absolute, that is no folder; it is made when it is not there.
pub(super) async fn below(
    session: &Session,
    folder: &[u8],
    what: &str,
    context: &CallContext,
) -> Result<Looked, TransportError> {
    let said = session.ask(&[enter_own(session, folder), all_here(session)].concat(), what, context).await?;
    read(&said, END).ok_or_else(|| garbled(what))
}

/// Ends what [`all_here`] says.
pub(super) const END: &[u8] = b".";

/// The part of a script that says what is in the current folder.
pub(super) fn all_here(session: &Session) -> Vec<u8> {
    [functions(session.can).as_bytes(), b"all || exit 1\nprintf '.'\n"].concat()
}

/// The part of a script that goes to a folder of ours, absolute, and makes it when it is not there.
pub(super) fn enter_own(session: &Session, folder: &[u8]) -> Vec<u8> {
    let word = super::quote::shell_word(folder);
    [session.make(&[folder]), b"cd -- ".to_vec(), word, b" || exit 1\n".to_vec()].concat()
}

/// Everything that `functions` said, when its last word is there too.
pub(super) fn read(said: &[u8], last: &[u8]) -> Option<Looked> {
    let said = said.strip_suffix(last)?;
    let mut found = Looked::new();
    for line in said.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let (name, seen) = parse(line)?;
        found.insert(name, seen);
    }
    Some(found)
}

/// `kind size mtime ctime inode ./name`
fn parse(line: &[u8]) -> Option<(Vec<u8>, Seen)> {
    let mut parts = line.splitn(6, |byte| *byte == b' ');
    let kind = parts.next()?;
    let mut word = || std::str::from_utf8(parts.next()?).ok();
    let (size, mtime, ctime, inode) =
        (word()?.parse().ok()?, Time::parse(word()?)?, Time::parse(word()?)?, word()?.parse().ok()?);
    let name = parts.next()?;
    let kind = match kind {
        b"f" => Kind::File,
        b"d" => Kind::Folder,
        [_] => Kind::Other,
        mode => match u32::from_str_radix(std::str::from_utf8(mode).ok()?, 16).ok()? & 0o170_000 {
            0o100_000 => Kind::File,
            0o040_000 => Kind::Folder,
            _ => Kind::Other,
        },
    };
    let name = name.strip_prefix(b"./").unwrap_or(name).to_vec();
    let stat = FileStat { size, mtime_ns: mtime.nanoseconds(), ctime_ns: ctime.nanoseconds(), inode };
    Some((name, Seen { kind, size, mtime_seconds: mtime.seconds, fraction: mtime.part > 0, stat }))
}

/// Seconds since the epoch, rounded down, and nanoseconds.
struct Time {
    seconds: i64,
    part: i64,
}

impl Time {
    fn parse(text: &str) -> Option<Time> {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let (whole, part) = (seconds.parse::<i64>().ok()?, digits.parse::<i64>().ok()?);
        // `find` writes -1.5 for what is second -2 and a half.
        match seconds.starts_with('-') && part > 0 {
            true => Some(Time { seconds: whole - 1, part: 1_000_000_000 - part }),
            false => Some(Time { seconds: whole, part }),
        }
    }

    fn nanoseconds(&self) -> i64 {
        self.seconds.saturating_mul(1_000_000_000).saturating_add(self.part)
    }
}

/// The server said something else than was agreed.
pub(super) fn garbled(what: &str) -> TransportError {
    TransportError::new(FailureClass::Network, Side::Destination, format!("{what}: the answer is incomplete"))
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
