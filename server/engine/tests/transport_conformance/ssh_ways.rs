//! Ways to a server that people really have: an address of IPv6, a command in the account's own ssh_config.

use crate::bench::{Bench, Destination};
use crate::remotes::write_program;
use crate::ssh_servers::{RSYNC_SSH, behind, behind_own, push_with};
use crate::sshd::Sshd;
use engine::verify::{Verification, verify};

#[tokio::test]
async fn an_address_of_ipv6_with_and_without_brackets_leads_there() {
    for host in ["::1", "[::1]"] {
        let bench = Bench::new(RSYNC_SSH).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"sub/b", b"2")]);
        let sshd = Sshd::start_with("ListenAddress ::1");
        let behind = behind_own(sshd, bench.destination.root(), &bench.staging(), |server| {
            server.target = server.target.replace("127.0.0.1", host);
        });
        let seal = push_with(&behind, &bench, &run, "seal").await.unwrap();
        let proof = verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context).await.unwrap();
        assert!(matches!(proof, Verification::Proven(_)), "{host}");
    }
}

#[tokio::test]
async fn a_command_in_the_accounts_own_ssh_config_is_not_run() {
    let bench = Bench::new(RSYNC_SSH).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    let (config, ssh) = (bench.dir.path().join("config"), bench.dir.path().join("ssh"));
    std::fs::write(&config, "Host *\n  RemoteCommand tmux attach\n  RequestTTY force\n").unwrap();
    write_program(&ssh, &format!("#!/bin/sh\nexec ssh -F '{}' \"$@\"\n", config.display()));
    let behind = behind(bench.destination.root(), &bench.staging(), |server| server.ssh = ssh.display().to_string());
    let seal = push_with(&behind, &bench, &run, "seal").await.unwrap();
    bench.assert_proven(&run, &seal).await;
}
