//! The main job over a real sshd, configured as an operator would: a run lands, is proven on the NAS, and is cleared.

#![allow(clippy::disallowed_methods, reason = "the server of the test is a process of its own")]

#[path = "real_servers/sshd.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod sshd;
mod support;

use domain::lifecycle::RunState;
use domain::proof::ProofLevel;
use domain::settings::Target;
use sshd::Sshd;
use support::{Lab, files_below, run, until_record_sent, until_state};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_proven_over_ssh_and_cleared() {
    let mut lab = Lab::new();
    let sshd = Sshd::start();
    let server = sshd.server();
    let transport = lab.settings.equipment[0].transport.as_mut().unwrap();
    transport.target = Target::RsyncSsh {
        ssh_target: server.target,
        path: lab.folder.path().join("nas/SCOPE_01").display().to_string(),
        port: server.port,
        key_path: server.key.display().to_string(),
        known_hosts: None,
        host_keys: server.host_keys,
    };
    let engine = lab.start().await;
    let run = run("Run_2026-04-17T14-32");
    lab.push_usual(&run);
    let data: Vec<_> = files_below(&lab.staging(run.as_str())).into_iter().filter(|(path, _)| !path.starts_with(".exlab-wizard")).collect();
    until_state(&engine, &run, RunState::SyncVerified).await;
    until_record_sent(&engine, &run).await;
    assert!(lab.path("state/known_hosts").exists(), "the server's key is kept in a file of our own");

    let detail = engine.run_detail(run.as_str()).await.unwrap();
    let proof = detail.row.proof.as_ref().unwrap();
    assert_eq!((proof.level, proof.method.as_str()), (ProofLevel::L2, "openssl at the server"));
    for (path, bytes) in &data {
        assert_eq!(&std::fs::read(lab.nas(&run).join(path)).unwrap(), bytes, "{}", path.display());
    }
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(files_below(&lab.path("staging")), [], "nothing stays behind");
    let on_nas = std::fs::read_to_string(lab.nas(&run).join(".exlab-wizard/ingest.json")).unwrap();
    assert!(on_nas.contains(r#""current_state":"cleared""#), "d10: the NAS has the whole history: {on_nas}");
    assert!(engine.verify(run.as_str()).await.unwrap().proven, "it can be proven long after it is gone");
    engine.stop().await;
}
