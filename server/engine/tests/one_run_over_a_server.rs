//! The main job over a real sshd, configured as an operator would, by rsync and by rclone: a run lands, is proven on the NAS, and is
//! cleared.

#![allow(clippy::disallowed_methods, reason = "the server of the test is a process of its own")]

#[path = "real_servers/sshd.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod sshd;
mod support;

use domain::lifecycle::RunState;
use domain::proof::ProofLevel;
use domain::settings::Target;
use sshd::Sshd;
use support::{Lab, data_below, files_below, run, until_record_sent, until_state};

#[tokio::test(flavor = "multi_thread")]
async fn v2_a_run_is_proven_over_ssh_and_cleared() {
    let (lab, sshd) = (Lab::new(), Sshd::start());
    let server = sshd.server();
    let target = Target::RsyncSsh {
        ssh_target: server.target,
        path: lab.folder.path().join("nas/SCOPE_01").display().to_string(),
        port: server.port,
        key_path: server.key.display().to_string(),
        known_hosts: None,
        host_keys: server.host_keys,
    };
    let lab = proven_and_cleared(lab, target, "openssl at the server").await;
    assert!(lab.path("state/known_hosts").exists(), "the server's key is kept in a file of our own");
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_a_run_is_proven_over_rclone_and_cleared() {
    let (lab, sshd) = (Lab::new(), Sshd::start());
    let server = sshd.server();
    let (user, host) = server.target.split_once('@').unwrap();
    let config = format!(
        "[nas]\ntype = sftp\nhost = {host}\nuser = {user}\nport = {}\nkey_file = {}\nshell_type = unix\nmd5sum_command = md5sum\n\
         sha1sum_command = sha1sum\nsha256sum_command = sha256sum\nhashes = md5,sha1,sha256\n",
        server.port,
        server.key.display()
    );
    std::fs::write(lab.path("rclone.conf"), config).unwrap();
    let target = Target::Rclone {
        remote: "nas".into(),
        path: lab.folder.path().join("nas/SCOPE_01").display().to_string(),
        config: Some(lab.path("rclone.conf").display().to_string()),
    };
    proven_and_cleared(lab, target, "rclone").await;
}

/// `method`: part of how the proof says it was made.
async fn proven_and_cleared(mut lab: Lab, target: Target, method: &str) -> Lab {
    lab.settings.equipment[0].transport.as_mut().unwrap().target = target;
    let engine = lab.start().await;
    let run = run("Run_2026-04-17T14-32");
    lab.push_usual(&run);
    let data = data_below(&lab.staging(run.as_str()));
    until_state(&engine, &run, RunState::SyncVerified).await;
    until_record_sent(&engine, &run).await;

    let detail = engine.run_detail(run.as_str()).await.unwrap();
    let proof = detail.row.proof.as_ref().unwrap();
    assert!(proof.level >= ProofLevel::L2 && proof.method.contains(method), "{proof:?}");
    assert_eq!(data_below(&lab.nas(&run)), data, "the run's folder itself, and none inside it");
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(files_below(&lab.path("staging")), [], "nothing stays behind");
    let on_nas = std::fs::read_to_string(lab.nas(&run).join(".exlab-wizard/ingest.json")).unwrap();
    assert!(on_nas.contains(r#""current_state":"cleared""#), "d10: the NAS has the whole history: {on_nas}");
    assert!(engine.verify(run.as_str()).await.unwrap().proven, "it can be proven long after it is gone");
    engine.stop().await;
    lab
}
