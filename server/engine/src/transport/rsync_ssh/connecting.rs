//! Making the shared connection: how ssh is started, whose key it takes, and why it does not stand.
//!
//! It is a child of ours and never a daemon: it ends with this program, also when that is killed. Its socket lies in a
//! private folder with a short path, since such paths must be shorter than 100 bytes.
//!
//! Only known host keys count. Where unknown ones are taken (`accept-new`) the first connection does nothing but have
//! the key written down, and another one must find it there: a key that cannot be kept would be taken from anybody, at
//! every connection, without a word.

use super::private_folder::PrivateFolder;
use super::server::Server;
use super::{ciphers, classify, ssh_words};
use crate::machine::child::{Ended, Running, Tool, run};
use crate::transport::TransportError;
use domain::job::{FailureClass, Side};
use domain::settings::HostKeyPolicy;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether the connection stands.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A tool of this computer answers sooner.
const ASKING_AT_MOST: Duration = Duration::from_secs(5);

/// Becomes what follows, which gets a `TERM` once our end of the standard input is closed, as the system does when this
/// program ends, however it ends. Whoever waits for that only speaks to the process it was started by.
const ENDS_WITH_US: &str = "exec 3<&0
watch() { read x; read a b c parent rest </proc/self/stat; [ \"$parent\" != \"$1\" ] || kill -TERM \"$1\"; }
watch $$ <&3 3<&- >/dev/null 2>&1 &
exec \"$@\" </dev/null 3<&-";

/// The ssh that the others share.
#[derive(Debug)]
pub(super) struct Master {
    pub running: Running,
    pub folder: PrivateFolder,
}

/// What is done with the key of a host that stands in no file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum UnknownKey {
    Refused,
    /// And written down, where that can be done.
    Taken,
}

/// Connects, to a server whose key is kept.
pub(super) async fn connect(server: &Server) -> Result<Master, TransportError> {
    let key = &server.key;
    if let Err(error) = std::fs::File::open(key) {
        let message = format!(
            "the key {0} cannot be read: {error}; check `ssh_key_path`, or make one with `ssh-keygen -t ed25519 -f \
             '{0}'`",
            key.display()
        );
        return Err(TransportError::new(FailureClass::Configuration, Side::Here, message));
    }
    let refused = match attempt(server, "ERROR", UnknownKey::Refused).await? {
        Ok(master) => return Ok(master),
        Err(ended) => ended,
    };
    if server.host_keys == HostKeyPolicy::Strict || !ssh_words::is_unknown_key(&refused.stderr) {
        return explained(server, refused).await;
    }
    let could_write = make_room_for_keys(server);
    match attempt(server, "ERROR", UnknownKey::Taken).await? {
        Ok(mut master) => master.running.end().await,
        Err(ended) => return explained(server, ended).await,
    }
    match attempt(server, "ERROR", UnknownKey::Refused).await? {
        Ok(master) => Ok(master),
        Err(ended) if ssh_words::is_unknown_key(&ended.stderr) => Err(not_kept(server, could_write)),
        Err(ended) => explained(server, ended).await,
    }
}

/// The folder and the file that the keys of hosts are to be kept in.
fn make_room_for_keys(server: &Server) -> std::io::Result<()> {
    if let Some(folder) = server.known_hosts.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    std::fs::File::options().append(true).create(true).mode(0o600).open(&server.known_hosts).map(drop)
}

fn not_kept(server: &Server, could_write: std::io::Result<()>) -> TransportError {
    let why = could_write.map_or_else(|error| error.to_string(), |()| "it does not stand there after all".to_owned());
    let message = format!(
        "the server's key cannot be kept in {}: {why}; make this file writable for this program, or put the key there \
         and leave it as it is: \
         without it anybody could pass for {}",
        server.known_hosts.display(),
        server.parts().1
    );
    TransportError::new(FailureClass::Configuration, Side::Here, message)
}

/// Why it does not stand. Some reasons are no errors to ssh, but news, and the fingerprint of a key that it does not
/// know is not even that: it says them only to who asks for more.
async fn explained(server: &Server, mut ended: Ended) -> Result<Master, TransportError> {
    if ended.stderr.trim().is_empty() {
        match attempt(server, "INFO", UnknownKey::Refused).await? {
            Ok(master) => return Ok(master),
            Err(more) => ended = more,
        }
    } else if ssh_words::is_unknown_key(&ended.stderr) {
        match attempt(server, "DEBUG1", UnknownKey::Refused).await? {
            Ok(master) => return Ok(master),
            Err(more) if ssh_words::is_unknown_key(&more.stderr) => ended = more,
            Err(_) => {}
        }
    }
    if ssh_words::is_refused_key(&ended.stderr) && needs_passphrase(server).await {
        let key = server.key.display();
        let message = format!(
            "ssh: the key {key} is protected by a passphrase, which nobody can type here; take it off with \
             `ssh-keygen -p -f '{key}'`, or make a key of \
             its own for this program"
        );
        return Err(TransportError::new(FailureClass::Configuration, Side::Here, message));
    }
    Err(ssh_words::failure(&ended, true, server))
}

/// The key cannot be read without a passphrase. ssh itself says only that the server refused it: it never showed it.
async fn needs_passphrase(server: &Server) -> bool {
    let tool = Tool::new("ssh-keygen").args(["-y", "-P", "", "-f"]).arg(&server.key);
    let never = CancellationToken::new();
    let asked = tokio::time::timeout(ASKING_AT_MOST, run(&tool, &[], &mut |_| (), &never)).await;
    matches!(asked, Ok(Ok(ended)) if ended.stderr.contains("incorrect passphrase"))
}

/// Starts the shared connection once; how ssh ended when it does not stand.
async fn attempt(server: &Server, level: &str, unknown: UnknownKey) -> Result<Result<Master, Ended>, TransportError> {
    let folder = PrivateFolder::make()?;
    let socket = folder.socket();
    let mut options = server.options(&socket);
    options.retain(|option| option != "-oControlMaster=no" && !option.starts_with("-oLogLevel="));
    options.push(format!("-oLogLevel={level}"));
    if unknown == UnknownKey::Taken {
        options.retain(|option| !option.starts_with("-oStrictHostKeyChecking="));
        options.push("-oStrictHostKeyChecking=accept-new".to_owned());
    }
    options.extend(ciphers::of(server).await.map(|ciphers| format!("-oCiphers={ciphers}")));
    let tool = Tool::new("sh").args(["-c", ENDS_WITH_US, "sh", &server.ssh]).args(options).args([
        "-M",
        "-N",
        "-T",
        "--",
        &server.for_ssh(),
    ]);
    let mut running = Running::start(&tool).map_err(classify::child)?;
    loop {
        if socket.exists() {
            return Ok(Ok(Master { running, folder }));
        }
        if !running.is_running() {
            let ended = running.last_words().await.map_err(classify::child)?;
            if let Some(126 | 127) = ended.code {
                let message = format!("{} cannot be run here: {}", server.ssh, ended.stderr.trim());
                return Err(TransportError::new(FailureClass::Configuration, Side::Here, message));
            }
            return Ok(Err(ended));
        }
        // ssh itself gives up after `ConnectTimeout`.
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
