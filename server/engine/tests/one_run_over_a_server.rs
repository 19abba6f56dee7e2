//! The main job over a real sshd, configured as an operator would, by rsync and by rclone: a run lands, is proven on
//! the NAS, and is cleared.

#![allow(clippy::disallowed_methods, reason = "the server of the test is a process of its own")]

#[path = "real_servers/servers.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod servers;
#[path = "real_servers/sshd.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod sshd;
mod support;

use domain::lifecycle::RunState;
use domain::proof::ProofLevel;
use domain::settings::Target;
use domain::timestamp::Timestamp;
use engine::machine::clock::Clock;
use engine::{Engine, Options};
use sshd::Sshd;
use std::io::Write;
use support::{EQUIPMENT, Lab, data_below, files_below, run, until, until_record_sent, until_state, until_verified};

#[tokio::test(flavor = "multi_thread")]
async fn v2_a_run_is_proven_over_ssh_and_cleared() {
    let (lab, sshd) = (Lab::new(), Sshd::start());
    let target = over_ssh(&lab, &sshd);
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

fn over_ssh(lab: &Lab, sshd: &Sshd) -> Target {
    let server = sshd.server();
    Target::RsyncSsh {
        ssh_target: server.target,
        path: lab.folder.path().join("nas/SCOPE_01").display().to_string(),
        port: server.port,
        key_path: server.key.display().to_string(),
        known_hosts: None,
        host_keys: server.host_keys,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_send_does_not_wait_for_a_long_proof_of_a_cleared_run() {
    let mut lab = Lab::new();
    // A server that takes as long as the file `gate` is there to hash the first run.
    let (tools, gate, begun) = (lab.path("tools"), lab.path("gate"), lab.path("begun"));
    std::fs::create_dir(&tools).unwrap();
    let wait = format!(
        "#!/bin/sh\ncase \"$(pwd)\" in */Run_1) while [ -e '{}' ]; do touch '{}'; sleep 0.05; done;; esac\nexec /usr/bin/openssl \"$@\"\n",
        gate.display(),
        begun.display()
    );
    std::fs::write(tools.join("openssl"), wait).unwrap();
    std::fs::set_permissions(tools.join("openssl"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let sshd = Sshd::start_with(&format!("SetEnv PATH={}:/usr/bin:/bin", tools.display()));
    lab.settings.equipment[0].transport.as_mut().unwrap().target = over_ssh(&lab, &sshd);
    let clock = Clock::manual(Timestamp::parse("2026-04-17T14:32:00Z").unwrap());
    lab.mark().await;
    let options = Options { clock: clock.clone(), ..lab.options() };
    let engine = Engine::start(lab.settings.clone(), options).await.unwrap();
    let (first, second) = (run("Run_1"), run("Run_2"));
    lab.push_usual(&first);
    engine.watcher().poll_once().await;
    until_verified(&engine, &first).await;
    engine.clear(first.as_str()).await.unwrap();

    std::fs::write(&gate, "").unwrap();
    clock.advance(std::time::Duration::from_secs(31 * 86_400));
    until("the cleared run is being proven", async || {
        clock.advance(std::time::Duration::from_secs(61));
        engine.core().destinations.work_now(EQUIPMENT);
        begun.exists().then_some(())
    })
    .await;
    lab.push_usual(&second);
    engine.watcher().poll_once().await;
    until_verified(&engine, &second).await;
    assert!(gate.exists());
    let passes = async || engine.run_detail(first.as_str()).await.unwrap().row.job.unwrap().verify_passes;
    let before = passes().await;
    std::fs::remove_file(&gate).unwrap();
    until("the cleared run is proven again", async || (passes().await > before).then_some(())).await;
    engine.stop().await;
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

/// A client of a share that has begun to write a file and not ended.
struct Writing(std::process::Child);

impl Writing {
    fn begin(lab: &Lab, server: &servers::Smbd, file: &str) -> Writing {
        let obscured = std::process::Command::new("rclone").args(["obscure", &server.password]).output().unwrap();
        let config = lab.path("share.conf");
        let (port, user, pass) = (server.port, &server.user, String::from_utf8(obscured.stdout).unwrap());
        std::fs::write(
            &config,
            format!("[share]\ntype = smb\nhost = 127.0.0.1\nport = {port}\nuser = {user}\npass = {pass}\n"),
        )
        .unwrap();
        let mut client = std::process::Command::new("rclone");
        client
            .args(["rcat", "--quiet", "--streaming-upload-cutoff=0", "--config"])
            .arg(config)
            .arg(format!("share:share/{file}"));
        let mut client = client.stdin(std::process::Stdio::piped()).spawn().unwrap();
        client.stdin.as_mut().unwrap().write_all(b"begun, ").unwrap();
        Writing(client)
    }

    fn ends(mut self) {
        self.0.stdin.take().unwrap().write_all(b"ended").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d18_a_file_that_a_client_of_a_share_keeps_open_is_waited_for_and_never_cleared() {
    for waits in [true, false] {
        let (mut lab, run) = (Lab::new(), run("Run_1"));
        if !waits {
            lab.settings.equipment[0].open_files_wait_seconds = 0;
        }
        let server = servers::Smbd::start(&lab.path("staging"));
        lab.push(&run, &[("raw/frame_1.tif", b"pixels")]);
        let engine = lab.start().await;
        let client = Writing::begin(&lab, &server, &format!("{}/raw/camera.log", run.as_str()));
        let log = lab.staging(run.as_str()).join("raw/camera.log");
        until("the client has begun", async || log.exists().then_some(())).await;
        lab.push(&run, &[(support::SENTINEL, b"")]);
        if waits {
            let told = |row: &domain::api::RunRow| {
                row.waiting_for.as_ref().is_some_and(|what| what.contains("raw/camera.log") && what.contains("smbd"))
            };
            support::until_row(&engine, &run, "it says what it waits for", told).await;
            client.ends();
            until_verified(&engine, &run).await;
            assert_eq!(std::fs::read(lab.nas(&run).join("raw/camera.log")).unwrap(), b"begun, ended");
            engine.clear(run.as_str()).await.unwrap();
        } else {
            until_verified(&engine, &run).await;
            let refused = engine.clear(run.as_str()).await.unwrap_err();
            assert!(refused.message.contains("raw/camera.log is open for writing by smbd"), "{refused:?}");
            client.ends();
            assert_eq!(std::fs::read(&log).unwrap(), b"begun, ended");
        }
        engine.stop().await;
    }
}
