//! What a person reads when ssh cannot connect: every row made by a real ssh and a real sshd.

use crate::bench::{Bench, Destination};
use crate::remotes::write_program;
use crate::ssh_servers::{RSYNC_SSH, behind_own};
use crate::sshd::Sshd;
use domain::job::FailureClass::{self, Authentication, Configuration, DestinationUnreachable, Network};
use domain::settings::HostKeyPolicy;
use engine::transport::Transport;
use engine::transport::rsync_ssh::{RsyncSshTransport, Server};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Asks a server of its own that has these lines of configuration, reached in this way; the message must hold all these
/// words.
async fn says(lines: &str, class: FailureClass, words: &[&str], change: impl FnOnce(&mut Server, &Sshd)) -> String {
    let bench = Bench::unmarked(RSYNC_SSH);
    let sshd = Sshd::start_with(lines);
    let mut wanted = sshd.server();
    change(&mut wanted, &sshd);
    let behind = behind_own(sshd, bench.destination.root(), &bench.staging(), |server| *server = wanted);
    let error = behind.transport().identify(&bench.context).await.unwrap_err();
    assert_eq!(error.class, class, "{error}");
    assert!(!error.message.contains("@@"), "{error}");
    for word in words {
        assert!(error.message.contains(word), "{word:?} lacks in: {error}");
    }
    error.message
}

fn keygen(path: &Path) -> String {
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::read_to_string(path.with_extension("pub")).unwrap()
}

#[tokio::test]
async fn s17_a_changed_host_key_is_told_with_its_place() {
    let words = ["known_hosts, line 2", "(it shows SHA256:", "ssh-keygen -f '", "-R '[127.0.0.1]:"];
    says("", Authentication, &words, |server, sshd| {
        let other = keygen(&sshd.path("other"));
        std::fs::write(&server.known_hosts, format!("# first\n[127.0.0.1]:{} {other}", server.port)).unwrap();
    })
    .await;
}

/// The command that mends it names the file of the line that is wrong.
#[tokio::test]
async fn s17_a_host_key_that_changed_in_the_systems_file_is_told_with_that_file() {
    let place = Bench::unmarked(RSYNC_SSH);
    let (systems, ssh) = (place.dir.path().join("systems_hosts"), place.dir.path().join("ssh"));
    write_program(&ssh, &format!("#!/bin/sh\nexec ssh -oGlobalKnownHostsFile='{}' \"$@\"\n", systems.display()));
    let command = format!("ssh-keygen -f '{}' -R '[127.0.0.1]:", systems.display());
    says("", Authentication, &["systems_hosts, line 1", &command], |server, sshd| {
        let other = keygen(&sshd.path("other"));
        std::fs::write(&systems, format!("[127.0.0.1]:{} {other}", server.port)).unwrap();
        server.ssh = ssh.display().to_string();
    })
    .await;
}

/// Under `accept-new`: a key that cannot be kept would be taken from anybody, at every connection.
#[tokio::test]
async fn s17_a_host_key_that_cannot_be_kept_is_told_and_nothing_is_sent() {
    let words = ["the server's key cannot be kept in ", "/known_hosts: "];
    // Neither a folder can be made where a file stands, nor a file where a folder does; and a disk may be full.
    says("", Configuration, &words, |server, sshd| {
        std::fs::write(sshd.path("file"), "").unwrap();
        server.known_hosts = sshd.path("file").join("known_hosts");
    })
    .await;
    says("", Configuration, &words, |server, _| std::fs::create_dir(&server.known_hosts).unwrap()).await;
    let place = Bench::unmarked(RSYNC_SSH);
    let writes_nothing = place.dir.path().join("ssh");
    write_program(&writes_nothing, "#!/bin/sh\ntrap '' XFSZ\nulimit -f 0\nexec ssh \"$@\"\n");
    says("", Configuration, &words, |server, _| server.ssh = writes_nothing.display().to_string()).await;
    // Where the folder can be made it is, and a file that holds the key already may be what it likes.
    let bench = Bench::new(RSYNC_SSH).await;
    let sshd = Sshd::start();
    let known_hosts = sshd.path("new/folder/known_hosts");
    let behind = behind_own(sshd, bench.destination.root(), &bench.staging(), |server| {
        server.known_hosts.clone_from(&known_hosts);
    });
    behind.transport().identify(&bench.context).await.unwrap();
    assert_eq!(std::fs::read_to_string(&known_hosts).unwrap().lines().count(), 1);
    assert_eq!(known_hosts.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&known_hosts, PermissionsExt::from_mode(0o444)).unwrap();
    let server = Server { known_hosts: known_hosts.clone(), ..behind.server() };
    let again = RsyncSshTransport::new(server, bench.destination.root().display().to_string(), bench.staging(), None);
    again.identify(&bench.context).await.unwrap();
}

#[tokio::test]
async fn s17_an_unknown_host_key_is_told() {
    says(
        "",
        Authentication,
        &["is not in", "known_hosts", "it shows ssh-ed25519 SHA256:", "ssh-keyscan -p "],
        |server, _| server.host_keys = HostKeyPolicy::Strict,
    )
    .await;
}

#[tokio::test]
async fn s17_keys_that_do_not_serve_are_told() {
    says("", Authentication, &["refused the key", "/other", "ssh-copy-id -i '"], |server, sshd| {
        keygen(&sshd.path("other"));
        server.key = sshd.path("other");
    })
    .await;
    says("", Authentication, &["has expired there", "ssh-copy-id"], |_, sshd| {
        let key = std::fs::read_to_string(sshd.path("id.pub")).unwrap();
        std::fs::write(sshd.path("authorized_keys"), format!("expiry-time=\"20200101\" {key}")).unwrap();
    })
    .await;
    says("MaxAuthTries 1", Authentication, &["too many refused keys", "ssh-copy-id"], |server, sshd| {
        keygen(&sshd.path("other"));
        server.key = sshd.path("other");
    })
    .await;
    says("", Configuration, &["cannot be read", "/none", "ssh-keygen -t"], |server, sshd| {
        server.key = sshd.path("none")
    })
    .await;
    says("", Configuration, &["can be read by others", "chmod 600 '"], |server, _| {
        std::fs::set_permissions(&server.key, PermissionsExt::from_mode(0o644)).unwrap();
    })
    .await;
    says("", Configuration, &["cannot be used", "ssh-keygen -y"], |server, _| {
        std::fs::write(&server.key, "nonsense\n").unwrap()
    })
    .await;
}

#[tokio::test]
async fn s17_a_server_that_is_not_reached_is_told() {
    says("", DestinationUnreachable, &["nothing listens on port 1 of 127.0.0.1"], |server, _| server.port = 1).await;
    let unknown = ["no host is called no-such-host.invalid", "getent hosts"];
    says("", DestinationUnreachable, &unknown, |server, _| server.target = "kim@no-such-host.invalid".to_owned()).await;
    says("Ciphers 3des-cbc", Configuration, &["no matching cipher found", "3des-cbc"], |_, _| ()).await;
    // One that is not done with its greeting takes the only place.
    let mut held = None;
    says("MaxStartups 1:100:1", DestinationUnreachable, &["MaxStartups", "ssh -v"], |server, _| {
        held = Some(std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap());
    })
    .await;
}

#[tokio::test]
async fn s17_an_account_without_a_shell_is_told() {
    says("ForceCommand echo not for you", Configuration, &["\"not for you\"", "ForceCommand", "command="], |_, _| ())
        .await;
    let words = ["This account is currently not available", "login shell"];
    says("ForceCommand /usr/sbin/nologin", Configuration, &words, |_, _| ()).await;
}

#[tokio::test]
async fn s17_an_account_that_answers_with_nothing_is_told() {
    says("ForceCommand true", Configuration, &["it answers with nothing", "ForceCommand", "command="], |_, _| ()).await;
}

/// What sshd does with PAM, which needs an account of the system.
#[tokio::test]
async fn s17_a_password_that_has_expired_is_told() {
    let lines = "ForceCommand printf 'WARNING: Your password has expired.\\nPassword change required but no TTY available.\\n' >&2; exit 1";
    says(lines, Authentication, &["the password of ", "has expired", "ssh -t -p "], |_, _| ()).await;
}

#[tokio::test]
async fn s17_a_key_with_a_passphrase_is_told() {
    let words = ["is protected by a passphrase", "ssh-keygen -p -f '"];
    let message = says("", Configuration, &words, |server, _| {
        let locked = std::process::Command::new("ssh-keygen")
            .args(["-q", "-p", "-P", "", "-N", "secret words", "-f"])
            .arg(&server.key)
            .stdout(std::process::Stdio::null())
            .status();
        assert!(locked.unwrap().success());
    })
    .await;
    assert!(!message.contains("ssh-copy-id"), "{message}");
}

#[tokio::test]
async fn s17_a_server_that_grants_no_session_is_told() {
    says("Match all\nMaxSessions 0", Network, &["grants it no session", "`MaxSessions`"], |_, _| ()).await;
}

/// A server that says this and hangs up.
fn breaking_off(said: &'static [u8]) -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = std::io::Write::write_all(&mut stream, said);
            let _ = std::io::Read::read(&mut stream, &mut [0; 8]);
        }
    });
    port
}

#[tokio::test]
async fn s17_a_connection_that_is_broken_off_is_told() {
    let words = ["broke the connection", "ssh -v -p "];
    let message = says("", DestinationUnreachable, &words, |server, _| {
        server.port = breaking_off(b"SSH-2.0-OpenSSH_9.2\r\n");
    })
    .await;
    assert!(!message.contains("ssh: ssh:") && !message.contains("exit code"), "{message}");
}
