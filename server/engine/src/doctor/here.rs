//! What this computer must have: the staging tree, the state folder, and the tools that the transport starts.

use super::Exam;
use super::report::{Check, Outcome};
use super::scratch::Scratch;
use super::step::PATIENCE_FOR_AN_ANSWER;
use crate::keep::state_folder::installation;
use crate::machine::blocking::blocking;
use crate::machine::child::{Ended, Tool, run};
use crate::machine::clock::Clock;
use crate::observe::Scan;
use domain::gate::OTHER_DISK;
use domain::settings::Target;
use domain::units;
use rustix::fs::Access;

const STAGING: &str = "staging root";
const STATE: &str = "state folder";
const NOT_LOOKED_AT: &str = "not looked at";
/// Less free space than this is said.
const LITTLE: u64 = 1 << 30;
/// The oldest rclone that is driven.
const RCLONE: (u64, u64) = (1, 60);

/// What everything else needs.
pub(super) struct Prepared {
    pub installation: String,
    pub scratch: Scratch,
}

const OPEN_FILES: &str = "open files";

/// Links and folders named in one line at most.
const NAMED: usize = 5;

impl Exam<'_> {
    /// The answer of something that may hang on a dead mount; `None` when it does not come, or the visit ends.
    pub async fn answer<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        tokio::select! {
            biased;
            () = self.visit.cancel.cancelled() => None,
            answer = tokio::time::timeout(PATIENCE_FOR_AN_ANSWER, blocking(work)) => answer.ok(),
        }
    }

    /// True when it is there.
    pub async fn check_staging(&mut self, staging_root: &str) -> bool {
        self.tell("looks at this computer");
        let path = staging_root.to_owned();
        let looked = self.answer(move || {
            if !std::fs::metadata(&path)?.is_dir() {
                return Err(std::io::Error::other("it is not a folder"));
            }
            let may_write = rustix::fs::access(path.as_str(), Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK);
            let space = rustix::fs::statvfs(path.as_str())?;
            let scan = crate::observe::scan(std::path::Path::new(&path)).unwrap_or_default();
            Ok((may_write, space.f_bavail.saturating_mul(space.f_frsize), scan))
        });
        let check = match looked.await {
            None => Check::new(STAGING, Outcome::Failed, format!("{staging_root} does not answer; mount its disk")),
            Some(Err(error)) => {
                Check::new(STAGING, Outcome::Failed, format!("{staging_root}: {error}; mount or make it"))
            }
            Some(Ok((Err(errno), free, _))) => {
                let error = std::io::Error::from(errno);
                let message = format!(
                    "{staging_root} cannot be written to: {error}; runs could be synced, but not recorded or cleared"
                );
                let check =
                    Check::new(STAGING, Outcome::Failed, message).measured(format!("{} free", units::bytes_u64(free)));
                self.checks.push(check);
                return true;
            }
            Some(Ok((Ok(()), free, scan))) => {
                self.checks.push(space(STAGING, free, staging_root));
                self.checks.extend(not_looked_at(&scan));
                return true;
            }
        };
        let there = check.outcome != Outcome::Failed;
        self.checks.push(check);
        there
    }

    /// Whether files that a program still has open for writing can be seen: what it writes after a clear would be lost.
    pub async fn check_open_files(&mut self, staging_root: &str) {
        let path = staging_root.to_owned();
        let looked = self.answer(move || {
            let shared = std::fs::File::open(path).is_ok_and(crate::machine::writers::is_shared);
            (shared, crate::machine::writers::Writers::now().blind())
        });
        let (outcome, message) = match looked.await {
            None => return,
            Some((true, _)) => (
                Outcome::Warn,
                "staging is a share of another computer, or shows another folder: which files there are open for \
                 writing cannot be seen here; raise settle_seconds",
            ),
            Some((_, true)) => (
                Outcome::Warn,
                "programs of other accounts cannot be inspected: the files that they write to are not seen \
                 (CAP_SYS_PTRACE would allow it)",
            ),
            Some((false, false)) => (Outcome::Ok, "the files that programs of this computer write to can all be seen"),
        };
        self.checks.push(Check::new(OPEN_FILES, outcome, message));
    }

    /// Makes the folder for made-up runs: the surest sign that it can be written to.
    pub async fn check_state_folder(&mut self) -> Option<Prepared> {
        let path = self.visit.state_folder.to_owned();
        let made = self.answer(move || {
            let installation = installation(&path).map_err(|error| error.to_string())?;
            let scratch = Scratch::make(&path, Clock::system().now_ms()).map_err(|error| error.to_string())?;
            let free =
                rustix::fs::statvfs(&path).map(|space| space.f_bavail.saturating_mul(space.f_frsize)).unwrap_or(0);
            Ok::<_, String>((Prepared { installation, scratch }, free))
        });
        let shown = self.visit.state_folder.display().to_string();
        match made.await {
            None => self.note(STATE, Outcome::Failed, format!("{shown} does not answer")),
            Some(Err(error)) => {
                self.note(STATE, Outcome::Failed, format!("{shown}: {error}; let this account write there"))
            }
            Some(Ok((prepared, free))) => {
                self.checks.push(space(STATE, free, &shown));
                return Some(prepared);
            }
        }
        None
    }

    /// True when every tool that the transport starts is there.
    pub async fn check_tools(&mut self) -> bool {
        let binaries = self.visit.settings.sync.binaries.clone();
        let tools = match self.equipment.transport.as_ref().map(|transport| &transport.target) {
            Some(Target::RsyncSsh { .. }) => vec![("rsync", binaries.rsync, "--version"), ("ssh", binaries.ssh, "-V")],
            Some(Target::Rclone { .. }) => vec![("rclone", binaries.rclone, "version")],
            Some(Target::Mount { .. }) | None => {
                self.note("tools", Outcome::Ok, "none are needed for a mounted NAS");
                return true;
            }
        };
        let mut all_there = true;
        for (name, program, argument) in tools {
            let check = self.check_tool(name, &program, argument).await;
            all_there &= check.outcome == Outcome::Ok;
            self.checks.push(check);
        }
        all_there
    }

    async fn check_tool(&self, name: &str, program: &str, argument: &str) -> Check {
        let mut said = Vec::new();
        let mut take = |bytes: &[u8]| said.extend_from_slice(bytes);
        let tool = Tool::new(program).arg(argument);
        // A child that is given up is ended with all it started.
        let ended = tokio::time::timeout(PATIENCE_FOR_AN_ANSWER, run(&tool, &[], &mut take, self.visit.cancel)).await;
        match ended {
            Ok(Ok(ended)) if ended.success() => version(name, program, &said, &ended),
            Ok(Ok(ended)) => {
                let words = ended.stderr.lines().next().unwrap_or_default().to_owned();
                Check::new(name, Outcome::Failed, format!("{program} {argument} fails: {words}; install it anew"))
            }
            Ok(Err(error)) => {
                Check::new(name, Outcome::Failed, format!("{error}; install it, or name it in sync.binaries.{name}"))
            }
            Err(_) => Check::new(
                name,
                Outcome::Failed,
                format!("{program} {argument} does not end; name another program in sync.binaries.{name}"),
            ),
        }
    }
}

/// The first line a tool says of itself, wherever it says it.
fn version(name: &str, program: &str, said: &[u8], ended: &Ended) -> Check {
    let said = String::from_utf8_lossy(said);
    let line =
        said.lines().chain(ended.stderr.lines()).map(str::trim).find(|line| !line.is_empty()).unwrap_or("says nothing");
    let line: String = line.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(80).collect();
    let check = match (name, rclone_version(&line)) {
        ("rclone", Some(found)) if found < RCLONE => Check::new(
            name,
            Outcome::Failed,
            format!("{program} is older than {}.{}; install a newer one", RCLONE.0, RCLONE.1),
        ),
        _ => Check::new(name, Outcome::Ok, program),
    };
    check.measured(line)
}

/// Of `rclone v1.60.1-DEV`.
fn rclone_version(line: &str) -> Option<(u64, u64)> {
    let mut parts = line.strip_prefix("rclone v")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What stands in the staging tree and is not looked at.
fn not_looked_at(scan: &Scan) -> Vec<Check> {
    let links: Vec<&str> = scan.linked.iter().map(|link| link.path.as_str()).collect();
    let closed: Vec<String> = scan.unreadable.iter().map(|(path, why)| format!("{path} ({why})")).collect();
    let closed: Vec<&str> = closed.iter().map(String::as_str).collect();
    let told = |names: &[&str], one: &str, many: &str, advice: &str| {
        let what = if names.len() == 1 { one } else { many };
        Check::new(NOT_LOOKED_AT, Outcome::Warn, format!("{} {what}: {advice}", listed(names)))
    };
    let closed = (!closed.is_empty()).then(|| {
        let advice = "let the account of this program read it (chmod, chown)";
        told(&closed, "cannot be read", "cannot be read", advice)
    });
    let links = (!links.is_empty())
        .then(|| told(&links, "is a link and is not looked at", "are links and are not looked at", OTHER_DISK));
    links.into_iter().chain(closed).collect()
}

/// The first few names, and how many more there are.
fn listed(names: &[&str]) -> String {
    let first = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A place with its free space.
pub(super) fn space(name: &str, free: u64, place: &str) -> Check {
    let check = if free < LITTLE {
        Check::new(name, Outcome::Warn, format!("{place}: little is left; make room"))
    } else {
        Check::new(name, Outcome::Ok, place)
    };
    check.measured(format!("{} free", units::bytes_u64(free)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_closed_folders_are_told_with_how_many_more_there_are() {
        let link = |n: usize| crate::observe::Link {
            path: format!("L{n}"),
            target: "/d".into(),
            leads: domain::gate::Leads::Nowhere,
        };
        let unreadable = vec![("E/P".into(), "Permission denied".into())];
        let scan = Scan { linked: (1..=9).map(link).collect(), unreadable, ..Scan::default() };
        let checks = not_looked_at(&scan);
        assert!(checks.iter().all(|check| check.outcome == Outcome::Warn));
        assert!(checks[0].message.starts_with("L1, L2, L3, L4, L5 and 4 more are links"), "{}", checks[0].message);
        assert!(checks[1].message.starts_with("E/P (Permission denied) cannot be read: "), "{}", checks[1].message);
        assert!(not_looked_at(&Scan::default()).is_empty());
    }

    #[test]
    fn an_old_rclone_is_refused() {
        let ended = Ended { code: Some(0), signal: None, stderr: String::new() };
        let found = |line: &str| version("rclone", "rclone", line.as_bytes(), &ended).outcome;
        assert_eq!(found("rclone v1.59.2\n- os"), Outcome::Failed);
        assert_eq!(found("rclone v1.60.1-DEV\n- os"), Outcome::Ok);
        assert_eq!(found("rclone v2.0\n"), Outcome::Ok);
    }

    #[test]
    fn a_version_is_found_on_either_stream() {
        let ended = Ended { code: Some(0), signal: None, stderr: "OpenSSH_9.2p1 Debian-2, OpenSSL 3.0\n".into() };
        assert_eq!(version("ssh", "ssh", b"", &ended).value.as_deref(), Some("OpenSSH_9.2p1 Debian-2, OpenSSL 3.0"));
        let said = b"rsync  version 3.2.7  protocol version 31\nCopyright";
        assert_eq!(
            version("rsync", "rsync", said, &ended).value.as_deref(),
            Some("rsync version 3.2.7 protocol version 31")
        );
    }
}
