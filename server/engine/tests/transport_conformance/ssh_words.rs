//! What a person reads when ssh cannot connect: every row made by a real ssh and a real sshd.

use crate::bench::{Bench, Destination};
use crate::ssh_servers::{RSYNC_SSH, behind_own};
use crate::sshd::Sshd;
use domain::job::FailureClass::{self, Authentication, Configuration, DestinationUnreachable};
use domain::settings::HostKeyPolicy;
use engine::transport::rsync_ssh::Server;
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
