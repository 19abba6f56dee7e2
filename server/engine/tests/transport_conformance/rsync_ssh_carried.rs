//! What rsync is told to carry over ssh, a folder at a time, and accounts that may do little; over a real sshd.

use crate::bench::{Bench, Destination, file, files_below, write};
use crate::rsync_ssh::{RSYNC_SSH, behind, behind_own, push_with, which, write_program};
use crate::sshd::Sshd;
use domain::job::{FailureClass, Side};
use domain::proof::ProofLevel;
use engine::transport::{HashOutcome, RecordFile};
use engine::verify::Verification;
use std::path::PathBuf;
use std::sync::Arc;

/// Forty files in each of some folders, one below another.
fn many() -> Vec<(Vec<u8>, Vec<u8>)> {
    let file = |folder: &str, n: usize| (format!("{folder}frame {n:02}.tif").into_bytes(), format!("{folder}{n}").into_bytes());
    ["", "raw/", "raw/sub/", "raw/sub/# deep/"].iter().flat_map(|folder| (0..40).map(|n| file(folder, n))).collect()
}

#[tokio::test]
async fn whole_folders_hold_exactly_what_was_sealed() {
    let bench = Bench::new(RSYNC_SSH).await;
    let many = many();
    let files: Vec<(&[u8], &[u8])> = many.iter().map(|(name, bytes)| (name.as_slice(), bytes.as_slice())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    write(&run.source.path().join(".exlab-wizard/ingest.json"), b"{}");
    bench.push_and_prove(&run).await;
    assert_eq!(files_below(&run.there).len(), many.len(), "the record is not sent with the data");
    // Nothing is left of what was on its way.
    let own = bench.destination.root().join(".exlab-orchestrator/tmp");
    assert_eq!(files_below(&own), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn v2_what_appears_in_a_folder_while_it_is_sent_stays_here() {
    let bench = Bench::new(RSYNC_SSH).await;
    let many = many();
    let files: Vec<(&[u8], &[u8])> = many.iter().map(|(name, bytes)| (name.as_slice(), bytes.as_slice())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    let late = bench.dir.path().join("rsync");
    let here = run.source.path().display().to_string();
    write_program(&late, &format!("#!/bin/sh\necho late >'{here}/raw/late'\necho late >'{here}/raw/sub/# deep/late'\nexec rsync \"$@\"\n"));
    let behind = behind(bench.destination.root(), &bench.staging(), |server| server.rsync = late.display().to_string());
    let seal = push_with(&behind, &bench, &run, "seal").await.unwrap();
    let verified = engine::verify::verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context).await.unwrap();
    assert!(matches!(verified, Verification::Proven(_)), "{verified:?}");
    assert!(run.source.path().join("raw/late").exists());
    assert_eq!(files_below(&run.there).len(), many.len(), "exactly the sealed files");
}

/// An account that may run only what lies in one folder, where nothing hashes.
#[tokio::test]
async fn behind_a_restricted_shell_what_is_there_is_read_back() {
    let bench = Bench::new(RSYNC_SSH).await;
    let tools = bench.dir.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    for name in ["sh", "cat", "find", "grep", "head", "ln", "ls", "mkdir", "mv", "rm", "rsync", "stat", "sync", "tail", "tr", "xargs"] {
        std::os::unix::fs::symlink(which(name), tools.join(name)).unwrap();
    }
    let lines = format!("ForceCommand exec {} -r -c \"$SSH_ORIGINAL_COMMAND\"\nSetEnv PATH={}", which("bash").display(), tools.display());
    let behind = behind_own(Sshd::start_with(&lines), bench.destination.root(), &bench.staging(), |_| ());
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"new\nline", b"2"), (b"sub/b c", b"3")]);
    let seal = push_with(&behind, &bench, &run, "seal").await.unwrap();
    match engine::verify::verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context).await.unwrap() {
        Verification::Proven(manifest) => assert_eq!((manifest.level(), manifest.method()), (ProofLevel::L3, "read back over ssh")),
        other => panic!("{other:?}"),
    }
    write(&run.there.join("sub/b c"), b"4");
    let verified = engine::verify::verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context).await.unwrap();
    assert!(matches!(verified, Verification::Differs { class: FailureClass::HashMismatch, total: 1, .. }), "{verified:?}");
    let record = [RecordFile { path: file(".exlab-wizard/ingest.json"), bytes: Arc::from(&b"{}"[..]) }];
    let hashed = behind.transport().put_record(&run.path, 1, &record, &bench.context).await.unwrap();
    assert!(matches!(hashed[0].outcome, HashOutcome::Digest { level: ProofLevel::L3, .. }), "{hashed:?}");
}

/// One that may run nothing but rsync, or nothing at all, is told what it lacks.
#[tokio::test]
async fn an_account_without_a_shell_is_refused_with_the_way_out() {
    for forced in ["false", "echo this account may not log in", "rsync --server --daemon ."] {
        let bench = Bench::new(RSYNC_SSH).await;
        let sshd = Sshd::start_with(&format!("ForceCommand {forced}"));
        let behind = behind_own(sshd, bench.destination.root(), &bench.staging(), |_| ());
        let error = behind.transport().identify(&bench.context).await.unwrap_err();
        assert_eq!((error.class, error.side), (FailureClass::Configuration, Side::Destination), "{forced}: {error}");
        assert!(error.message.contains("type sftp"), "{error}");
    }
}
