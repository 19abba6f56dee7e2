//! What one call knows of its destination: that the marker is there, where the root really lies, and what the server
//! can do.

use super::connection::Connection;
use super::look::word_here;
use super::quote::shell_word;
use super::{Place, classify, ssh_words};
use crate::machine::blocking::blocking;
use crate::machine::child::Ended;
use crate::transport::modes_here::modes_here;
use crate::transport::rules::layout::{MARKER, OWN_FOLDER};
use crate::transport::rules::marker::no_marker;
use crate::transport::{CallContext, TransportError, same_host};
use domain::job::{FailureClass, Side};
use domain::path::RunPath;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// Exit code of our scripts: the root is not there.
const NO_ROOT: i32 = 60;
/// Exit code of our scripts: a folder of the run is a link, or leads elsewhere.
pub(super) const NOT_PLAIN: i32 = 62;
/// Exit code of our scripts: the marker is gone.
pub(super) const NO_MARKER: i32 = 63;
/// Begins what the first script says, so that a greeting of the server's shell is told apart.
const HELLO: &[u8] = b"exlab-1\0";

/// How the server hashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HashTool {
    /// `openssl dgst -sha256 -r`
    Openssl,
    /// `sha256sum`
    Sha256sum,
    /// It cannot: its bytes are read back over the connection.
    None,
}

/// What the server can do: asked once for every connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Abilities {
    pub hash_tool: HashTool,
    /// `find` knows `-printf`, and `xargs` takes its names; else `stat -c` is used, once per file.
    pub find_prints: bool,
    /// And it reads the names to look at by itself.
    pub find_reads: bool,
    /// `tar` and `dd` do what a stream needs.
    pub unpacks: bool,
}

/// What this connection knows of the server since it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub can: Abilities,
    /// The equipment's root, absolute, without links.
    pub root: Vec<u8>,
}

impl Abilities {
    /// From what [`ABILITIES`] says.
    fn read(said: &[u8]) -> Option<Abilities> {
        let [tool, find, tar] = <[&[u8]; 3]>::try_from(said.split(|byte| *byte == 0).collect::<Vec<_>>()).ok()?;
        let hash_tool = match tool {
            b"openssl" => HashTool::Openssl,
            b"sha256sum" => HashTool::Sha256sum,
            _ => HashTool::None,
        };
        let (find_prints, find_reads) = (find.starts_with(b"find"), find == b"find reads");
        Some(Abilities { hash_tool, find_prints, find_reads, unpacks: tar == b"tar" })
    }
}

/// An opened destination.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub place: Arc<Place>,
    /// The equipment's root, absolute, without links.
    pub root: Vec<u8>,
    /// The marker's bytes; empty when there is none.
    pub marker: Vec<u8>,
    pub can: Abilities,
}

impl Session {
    /// Connects and looks at the root, whatever it holds; `None` when there is no such folder.
    pub async fn open(place: &Arc<Place>, context: &CallContext) -> Result<Option<Session>, TransportError> {
        let known = place.connection.known();
        let abilities = if known.is_none() { ABILITIES } else { "" };
        let (ended, said) = collect(&place.connection, &opening(place, abilities.as_bytes()), context).await?;
        let Some(Opened { root, marker, rest }) = opened(place, &ended, &said)? else { return Ok(None) };
        let known = known.map(|known| known.can).or_else(|| Abilities::read(rest));
        let Some(can) = known else { return Err(no_shell(place, &ended, b"")) };
        place.connection.note_known(Known { can, root: root.to_vec() });
        let session = Session { place: place.clone(), root: root.to_vec(), marker: marker.to_vec(), can };
        session.refuse_staging().await?;
        Ok(Some(session))
    }

    /// Opens a marked destination and runs the script that `more` makes for it, which must only look: how it ended, and
    /// what it said. With one call where this connection has been there before, the marker first.
    pub async fn open_marked_and(
        place: &Arc<Place>,
        more: impl Fn(&Session) -> Vec<u8>,
        context: &CallContext,
    ) -> Result<(Session, Ended, Vec<u8>), TransportError> {
        if let Some(Known { can, root }) = place.connection.known() {
            let expected = Session { place: place.clone(), root, marker: Vec::new(), can };
            let mut said = Vec::new();
            let mut take = |bytes: &[u8]| said.extend_from_slice(bytes);
            let ended = place.connection.looking_script(&opening(place, &more(&expected)), &mut take, context).await?;
            if let Some(Opened { root, marker, rest }) = opened(place, &ended, &said)?
                && root == expected.root
                && !marker.is_empty()
            {
                let session = Session { marker: marker.to_vec(), ..expected };
                session.refuse_staging().await?;
                place.is_ours(&session.marker)?;
                return Ok((session, ended, rest.to_vec()));
            }
        }
        let session = Session::open_marked(place, context).await?;
        let (ended, said) = collect(&place.connection, &more(&session), context).await?;
        Ok((session, ended, said))
    }

    /// Connects and shows that this is a destination: the marker is there, and the staging tree does not see it.
    pub async fn open_marked(place: &Arc<Place>, context: &CallContext) -> Result<Session, TransportError> {
        let session = Session::open(place, context).await?;
        let session = session.ok_or_else(|| {
            let message = format!(
                "{} is not there: the NAS's disk is not mounted, or `nas init` was never run",
                place.describe()
            );
            TransportError::new(FailureClass::DestinationUnreachable, Side::Destination, message)
        })?;
        if session.marker.is_empty() {
            return Err(no_marker(&place.describe()));
        }
        place.is_ours(&session.marker)?;
        Ok(session)
    }

    /// Makes the root, which is not there, and opens it.
    pub async fn make_root(place: &Arc<Place>, context: &CallContext) -> Result<Session, TransportError> {
        let script = [b"mkdir -p -- ".to_vec(), shell_word(&place.root_word())].concat();
        let (ended, _) = collect(&place.connection, &script, context).await?;
        let failed = || classify::script(&ended, &format!("making {}", place.describe()));
        Session::open(place, context).await?.ok_or_else(failed)
    }

    async fn refuse_staging(&self) -> Result<(), TransportError> {
        if self.marker.is_empty() {
            return Ok(());
        }
        let (root, marker, place) = (self.root.clone(), self.marker.clone(), self.place.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let local = Path::new(OsStr::from_bytes(&root));
            same_host::refuse(&place.describe(), Some(local), &place.staging, &marker)
        })
        .await;
        looked.map_err(|error| {
            TransportError::new(FailureClass::Unknown, Side::Here, format!("a fault in this program: {error}"))
        })?
    }

    /// Something below the root, as a word for a script.
    pub fn word(&self, below: &[u8]) -> Vec<u8> {
        shell_word(&self.path(below))
    }

    /// Something below the root, absolute.
    pub fn path(&self, below: &[u8]) -> Vec<u8> {
        let mut path = if self.root == b"/" { Vec::new() } else { self.root.clone() };
        path.push(b'/');
        path.extend_from_slice(below);
        path
    }

    /// A script that goes to the run's folder, which must be plain, and says `missing` and ends when it is not there.
    pub fn enter_run(&self, run: &RunPath) -> Vec<u8> {
        let word = self.word(run.below_equipment().as_bytes());
        let mut script = b"run=".to_vec();
        script.extend(word);
        script.extend_from_slice(ENTER.as_bytes());
        script
    }

    /// The part of a script that makes folders, given as absolute paths below the root; nothing without the marker,
    /// which may have gone since this session began: what lies under a mount point is no destination. They are made
    /// from within the root that shows the marker: where the NAS goes right after, they are made on it or not at all.
    pub fn make(&self, folders: &[&[u8]]) -> Vec<u8> {
        let mut script = [
            b"( cd -- ".to_vec(),
            shell_word(&self.root),
            format!(" && [ -f {MARKER} ] || exit {NO_MARKER}\nmkdir -p").into_bytes(),
        ]
        .concat();
        let root = self.root.strip_suffix(b"/").unwrap_or(&self.root);
        for folder in folders {
            let below = folder.strip_prefix(root).and_then(|below| below.strip_prefix(b"/")).unwrap_or(folder);
            script.push(b' ');
            script.extend(word_here(below));
        }
        script.extend_from_slice(b" || exit 1 ) || exit $?\n");
        script
    }

    /// The part of a script that makes the run's folder and those above it, each no more open to others than it is
    /// here and than the server's umask lets it be.
    pub async fn make_run(&self, run: &RunPath) -> Vec<u8> {
        let (staging, owned) = (self.place.staging.clone(), run.clone());
        let modes = blocking(move || modes_here(&staging, &owned)).await;
        let mut script = [
            b"( cd -- ".to_vec(),
            shell_word(&self.root),
            format!(" && [ -f {MARKER} ] || exit {NO_MARKER}\n").into_bytes(),
        ]
        .concat();
        modes.iter().for_each(|(folder, mode)| script.extend(make_closed(folder.as_bytes(), *mode)));
        script.extend_from_slice(b") || exit $?\n");
        script
    }

    /// The run's folder, absolute.
    pub fn run(&self, run: &RunPath) -> Vec<u8> {
        self.path(run.below_equipment().as_bytes())
    }

    /// Runs a script that answers with little; an exit code other than 0 is a failure.
    pub async fn ask(&self, script: &[u8], what: &str, context: &CallContext) -> Result<Vec<u8>, TransportError> {
        let (ended, said) = collect(&self.place.connection, script, context).await?;
        match ended.code {
            Some(0) => Ok(said),
            Some(NOT_PLAIN) => {
                let message =
                    format!("{what}: a folder of the run is a link or no folder in {}", self.place.describe());
                Err(TransportError::new(FailureClass::Conflict, Side::Destination, message))
            }
            _ => Err(classify::script(&ended, what)),
        }
    }

    /// The part of a script that makes everything written so far durable: one call for the whole destination.
    pub fn syncing(&self) -> Vec<u8> {
        [b"sync -f ".to_vec(), self.word(OWN_FOLDER.as_bytes()), b" 2>/dev/null || sync || exit 1\n".to_vec()].concat()
    }

    /// Makes everything written so far durable.
    pub async fn sync(&self, context: &CallContext) -> Result<(), TransportError> {
        self.ask(&self.syncing(), "making the destination durable", context).await.map(drop)
    }
}

/// The part of a script that lets what is made from here on be no more open to others than `mode`, and than the
/// server's umask lets it be.
pub(super) fn closing(mode: u32) -> String {
    format!("umask \"$(printf %o \"$((0$(umask) | 0{:o}))\")\"", !mode & 0o077)
}

/// The part of a script that makes a folder, no more open to others than `mode`.
pub(super) fn make_closed(folder: &[u8], mode: u32) -> Vec<u8> {
    let (word, closed) = (word_here(folder), format!(" ] || ( {}; mkdir ", closing(mode)));
    [b"[ -d ", word.as_slice(), closed.as_bytes(), &word, b" ) || [ -d ", &word, b" ] || exit 1\n"].concat()
}

/// Goes to the root, then says where it is, and the marker.
const OPEN: &str = r#" || exit 60
printf 'exlab-1\0'
pwd -P
printf '\0'
if [ -f .exlab-orchestrator/identity.json ]; then head -c 65536 .exlab-orchestrator/identity.json; fi
printf '\0'
"#;

/// Says how the server can hash, list, and unpack: each is tried on nothing.
const ABILITIES: &str = r#"
if printf '' | openssl dgst -sha256 -r >/dev/null 2>&1; then printf openssl
elif printf '' | sha256sum >/dev/null 2>&1; then printf sha256sum
else printf none; fi
printf '\0'
if find / -maxdepth 0 -printf '' >/dev/null 2>&1 && echo a | tr '\n' '\000' | xargs -0 -r -s 1000000 true >/dev/null 2>&1; then printf find
printf '/\0' | find -files0-from - -maxdepth 0 -printf '' >/dev/null 2>&1 && printf ' reads'
else printf stat; fi
printf '\0'
if [ "$(printf 'ab' | { dd bs=1 count=1 2>/dev/null >/dev/null; cat; })" = b ] &&
head -c 1024 /dev/zero | (unset TAR_OPTIONS; tar -xob 256 -f -) >/dev/null 2>&1; then printf tar; fi
"#;

/// Enters `$run`.
const ENTER: &str = r#"
if [ ! -e "$run" ] && [ ! -L "$run" ]; then printf 'missing'; exit 0; fi
cd -- "$run" || exit 62
[ "$(pwd -P)" = "$run" ] || exit 62
"#;

/// Goes to the root, says what is there, and goes on with more.
fn opening(place: &Place, more: &[u8]) -> Vec<u8> {
    [b"cd -- ".to_vec(), shell_word(&place.root_word()), OPEN.as_bytes().to_vec(), more.to_vec()].concat()
}

/// What was said of a root.
struct Opened<'s> {
    /// Where it really lies.
    root: &'s [u8],
    marker: &'s [u8],
    rest: &'s [u8],
}

/// `None` when it is not there.
fn opened<'s>(place: &Place, ended: &Ended, said: &'s [u8]) -> Result<Option<Opened<'s>>, TransportError> {
    let Some(answer) = after_hello(said) else {
        return match ended.code {
            Some(NO_ROOT) if ended.stderr.contains("ermission denied") => {
                Err(classify::script(ended, &place.describe()))
            }
            Some(NO_ROOT) => Ok(None),
            _ => Err(no_shell(place, ended, said)),
        };
    };
    let mut parts = answer.splitn(3, |byte| *byte == 0);
    let (Some(root), Some(marker), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(no_shell(place, ended, b""));
    };
    Ok(Some(Opened { root: root.strip_suffix(b"\n").unwrap_or(root), marker, rest }))
}

fn after_hello(said: &[u8]) -> Option<&[u8]> {
    let at = said.windows(HELLO.len()).position(|window| window == HELLO)?;
    Some(&said[at + HELLO.len()..])
}

/// The account answers with something else than a shell's answer: `said`.
fn no_shell(place: &Place, ended: &Ended, said: &[u8]) -> TransportError {
    let said = String::from_utf8_lossy(said);
    if let Some(error) = ssh_words::expired_password(&format!("{said}\n{}", ended.stderr), place.connection.server()) {
        return error;
    }
    let words: String = format!("{} {}", said.trim(), ended.stderr.trim()).trim().chars().take(300).collect();
    let answer = match (words.is_empty(), said.trim().is_empty()) {
        (true, _) => Some("it answers with nothing"),
        (false, false) => Some("this is what it answers"),
        (false, true) => None,
    };
    let why = answer.map_or_else(String::new, |answer| {
        format!(
            " (it has no login shell, or a fixed command stands in the server's sshd_config (ForceCommand) or before \
             the key in its authorized_keys \
             (command=): {answer}, whatever is asked for)"
        )
    });
    let words = if words.is_empty() { String::new() } else { format!(": {words:?}") };
    let message = format!(
        "{}: the account cannot run `sh` at the server, which rsync_ssh needs; allow it, or reach the NAS over `rclone` with a remote of type \
         sftp{words}{why}",
        place.describe()
    );
    TransportError::new(FailureClass::Configuration, Side::Destination, message)
}

/// Runs a script and keeps what it says.
pub(super) async fn collect(
    connection: &Connection,
    script: &[u8],
    context: &CallContext,
) -> Result<(Ended, Vec<u8>), TransportError> {
    let mut said = Vec::new();
    let ended = connection.script(script, &mut |bytes: &[u8]| said.extend_from_slice(bytes), context).await?;
    Ok((ended, said))
}
