//! Whole files: the two flavours of the Python system, and a table of mistakes with the place each is shown at.

use super::*;
use domain::completeness::Signal;
use domain::proof::ProofLevel;
use domain::settings::{HostKeyPolicy, StagingCleanup, Target};
use rstest::rstest;

fn alex() -> Environment {
    Environment { home: Some("/home/alex".into()), ..Environment::default() }
}

fn settings(text: &str) -> Settings {
    check(text, &alex()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}")).settings
}

fn mistakes(text: &str) -> Vec<(u64, u64, String)> {
    let mistakes = check(text, &alex()).expect_err("a mistake");
    mistakes.into_iter().map(|mistake| (mistake.at.line, mistake.at.column, mistake.message)).collect()
}

#[rstest]
#[case("")]
#[case("{}")]
#[case("# nothing yet\n")]
#[case(include_str!("../../tests/fixtures/config/minimal.yaml"))]
fn an_empty_file_is_off_with_every_default(#[case] text: &str) {
    let settings = settings(text);
    assert!(settings.orchestrator.is_none() && settings.equipment.is_empty());
    assert!(settings.nas_cleanup.enabled && !settings.nas_cleanup.retain_cache);
    assert_eq!((settings.nas_cleanup.min_verify_passes, settings.nas_cleanup.min_age_hours), (2, 24));
    assert_eq!((settings.sync.enabled, settings.sync.workers, settings.sync.retry_attempts), (true, 4, None));
    assert_eq!((settings.verify.clear_needs, settings.verify.reverify_seconds), (ProofLevel::L2, 86_400));
    assert_eq!(settings.verify.reverify_cleared_seconds, Some(30 * 86_400));
    assert_eq!((settings.verify.max_stream_bytes, settings.verify.max_proof_age_seconds), (None, 0));
    assert_eq!(settings.verify.bytes_per_second, 50 << 20);
    assert_eq!((settings.validator.content_scan_max_mib, settings.validator.content_scan_extensions.len()), (5, 14));
    assert_eq!(
        (settings.logging.level.as_str(), settings.logging.central_log_max_mb, settings.logging.central_log_keep),
        ("info", 10, 5)
    );
    assert_eq!(settings.listen, "127.0.0.1:8080");
}

#[rstest]
#[case(include_str!("../../tests/fixtures/config/full_seed.yaml"), 2)]
#[case(include_str!("../../tests/fixtures/config/full_head.yaml"), 3)]
fn both_flavours_of_the_python_system_load_and_are_on(#[case] text: &str, #[case] count: usize) {
    let settings = settings(text);
    let on = settings.orchestrator.as_ref().unwrap();
    assert_eq!((on.label.as_str(), on.staging_root.as_str()), ("Lab Acquisition Station 01", "/staging"));
    assert_eq!(on.staging_cleanup, StagingCleanup::Scheduled { retain_hours: 48 });
    assert_eq!(settings.equipment.len(), count);
    let confocal = settings.equipment("CONFOCAL_01").unwrap();
    assert_eq!(confocal.signal, Some(Signal::SentinelFile { filename: "acquisition_complete.flag".into() }));
    let transport = confocal.transport.as_ref().unwrap();
    assert_eq!(
        transport.target,
        Target::Rclone { remote: "lab-nas".into(), path: "lab/CONFOCAL_01".into(), config: None }
    );
    assert_eq!((transport.bandwidth.upload_mbps, transport.bandwidth.schedule.len()), (Some(50.0), 1));
    let window = &transport.bandwidth.schedule[0];
    assert_eq!((window.days.len(), window.from_second, window.to_second), (5, 8 * 3_600, 18 * 3_600));
    let flow = settings.equipment("FLOW_01").unwrap();
    assert_eq!(flow.signal, Some(Signal::Manifest { filename: "run_manifest.json".into() }));
    let expected = Target::RsyncSsh {
        ssh_target: "labuser@nas01.lab.example".into(),
        path: "/srv/lab/FLOW_01".into(),
        port: 22,
        key_path: "/home/alex/.ssh/id_ed25519".into(),
        known_hosts: None,
        host_keys: HostKeyPolicy::AcceptNew,
    };
    assert_eq!(flow.transport.as_ref().unwrap().target, expected);
    assert!(settings.nas_cleanup.retain_cache);
    assert_eq!(settings.sync.retry_attempts, Some(3));
    assert_eq!(settings.validator.required_readme_fields, ["modality"]);
    if let Some(sequencer) = settings.equipment("SEQ_02") {
        assert!(!sequencer.synced_here && sequencer.transport.is_none());
        assert_eq!(sequencer.staging_transport, "smb_mount");
    }
}

#[test]
fn everything_of_ours_is_read() {
    let settings = settings(include_str!("../../tests/fixtures/config/ours.yaml"));
    let mount = settings.equipment("CONFOCAL_01").unwrap();
    assert_eq!((mount.settle_seconds, mount.staging_transport.as_str()), (Some(2), "file_transfer"));
    assert_eq!(mount.transport.as_ref().unwrap().target, Target::Mount { path: "/home/alex/nas/CONFOCAL_01".into() });
    assert_eq!(mount.transport.as_ref().unwrap().bandwidth.schedule[0].to_second, 86_400);
    let ssh = settings.equipment("FLOW_01").unwrap().transport.as_ref().unwrap();
    let expected = Target::RsyncSsh {
        ssh_target: "nas01".into(),
        path: "lab/FLOW_01".into(),
        port: 2222,
        key_path: "/etc/lab/key".into(),
        known_hosts: Some("/etc/lab/known_hosts".into()),
        host_keys: HostKeyPolicy::Strict,
    };
    assert_eq!(ssh.target, expected);
    assert_eq!((settings.sync.enabled, settings.sync.workers), (false, 2));
    assert_eq!(
        (settings.sync.binaries.rclone.as_str(), settings.sync.binaries.ssh.as_str()),
        ("/opt/rclone/rclone", "ssh")
    );
    assert_eq!((settings.verify.max_stream_bytes, settings.verify.max_proof_age_seconds), (Some(100 << 30), 900));
    assert_eq!((settings.verify.clear_needs, settings.verify.reverify_seconds), (ProofLevel::L3, 7 * 86_400));
    assert_eq!(settings.verify.reverify_cleared_seconds, Some(90 * 86_400));
    assert_eq!(settings.verify.bytes_per_second, 20_000_000);
    assert_eq!((settings.listen.as_str(), settings.logging.level.as_str()), ("[::1]:9000", "warn"));
}

#[test]
fn cleared_runs_that_are_read_again_after_0_are_never_read_again() {
    assert_eq!(settings("verify: {reverify_cleared: 0}\n").verify.reverify_cleared_seconds, None);
}

/// The orchestrator on, then one equipment whose transport is `{transport}`.
fn with_transport(transport: &str) -> String {
    format!("orchestrator: {{label: L, staging_root: /staging}}\nequipment:\n  - id: A\n    transport: {transport}\n")
}

#[rstest]
#[case("oops: 1\n", 1, 1, "oops: unknown key")]
#[case("orchestrator:\n  lable: x\n", 2, 3, "did you mean `label`?")]
#[case("orchestrator:\n  enabled: maybe\n", 2, 12, "expected true or false")]
#[case("orchestrator:\n  enabled: true\n  label: L\n", 1, 1, "orchestrator.staging_root: is missing")]
#[case("orchestrator:\n  staging_root: /staging\n", 1, 1, "orchestrator.label: is missing")]
#[case("orchestrator:\n  label: L\n  staging_root: staging\n", 3, 17, "not absolute")]
#[case("orchestrator:\n  label: L\n  staging_root: /\n", 3, 17, "whole disk")]
#[case("orchestrator:\n  label: L\n  staging_root: /a/../b\n", 3, 17, "`..`")]
#[case("orchestrator:\n  staging_cleanup:\n    retain_hours: 0\n", 3, 19, "from 1 to")]
#[case("orchestrator:\n  staging_cleanup:\n    mode: sometimes\n", 3, 11, "manual, scheduled")]
#[case("equipment: 5\n", 1, 12, "expected a list")]
#[case("equipment:\n  - id: confocal\n    sync_mode: stage\n", 2, 9, "not an equipment id")]
#[case("equipment:\n  - label: x\n    sync_mode: stage\n", 2, 5, "equipment[0].id: is missing")]
#[case("equipment:\n  - id: A\n", 2, 5, "transport: is missing")]
#[case("equipment:\n  - {id: A, sync_mode: stage}\n  - {id: A, sync_mode: stage}\n", 3, 10, "already used in line 2")]
#[case(
    "equipment:\n  - id: A\n    sync_mode: stage\n    completeness_signal: manifest\n",
    2,
    5,
    "manifest_filename: is missing"
)]
#[case(
    "equipment:\n  - id: A\n    sync_mode: stage\n    sentinel_filename: x\n",
    2,
    5,
    "completeness_signal: is missing"
)]
#[case("equipment:\n  - id: A\n    sync_mode: stage\n    settle_seconds: 0\n", 4, 21, "out of range")]
#[case("nas_cleanup: {min_verify_passes: 0}\n", 1, 34, "out of range")]
#[case("sync: {retry_attempts: three}\n", 1, 24, "expected a whole number, found text")]
#[case("sync:\n  binaries:\n    ssh: -oProxyCommand=x\n", 3, 10, "begins with `-`")]
#[case("verify: {max_stream_bytes: 5M}\n", 1, 28, "expected a size")]
#[case("verify: {reverify: tomorrow}\n", 1, 20, "expected a duration")]
#[case("verify: {reverify_cleared: never}\n", 1, 28, "expected a duration")]
#[case("verify: {clear_needs: L1}\n", 1, 23, "nothing may be deleted on it")]
#[case("verify: {clear_needs: L9}\n", 1, 23, "L2, L3, L4")]
#[case("server: {listen: \"0.0.0.0:8080\"}\n", 1, 18, "no authentication yet")]
#[case("logging: {level: loud}\n", 1, 18, "ERROR, WARN, INFO, DEBUG")]
#[case("validator: {content_scan_extensions: [txt]}\n", 1, 39, "with their dot")]
#[case("readme:\n  defaults:\n    - {required: true, label: x}\n", 3, 7, "id: is missing")]
#[case("a: [1\n", 1, 4, "is not YAML")]
#[case("just text\n", 1, 1, "expected a block of keys, found text")]
fn a_mistake_is_shown_where_it_stands(#[case] text: &str, #[case] line: u64, #[case] column: u64, #[case] words: &str) {
    let found = mistakes(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].0, found[0].1), (line, column), "{found:#?}");
    assert!(found[0].2.contains(words), "{found:#?}");
}

#[rstest]
#[case("{type: mount}", 4, 5, "transport.path: is missing")]
#[case("{type: mount, path: nas}", 4, 36, "not absolute")]
#[case("{type: mount, path: /staging/nas}", 4, 5, "inside one another")]
#[case("{type: mount, path: /}", 4, 5, "inside one another")]
#[case("{path: /mnt/nas}", 4, 5, "transport.type: is missing")]
#[case("{type: ftp}", 4, 23, "mount, rclone, rsync_ssh")]
#[case("{type: mount, path: /mnt/nas, ssh_port: 22}", 4, 46, "ssh_port: unknown key")]
#[case("{type: mount, path: /mnt/nas, password: x}", 4, 46, "secrets do not belong")]
#[case("{type: rsync_ssh, ssh_target: nas, remote_path: /x, password: x}", 4, 68, "secrets do not belong")]
#[case("{type: rclone, rclone_remote: \":sftp,host=x:\", rclone_remote_path: x}", 4, 46, "connection string")]
#[case("{type: rclone, rclone_remote: \"nas,user=x\", rclone_remote_path: x}", 4, 46, "carries options")]
#[case("{type: rclone, rclone_remote: -v, rclone_remote_path: x}", 4, 46, "begins with `-`")]
#[case("{type: rclone, rclone_remote: nas, rclone_remote_path: -x}", 4, 71, "begins with `-`")]
#[case("{type: rsync_ssh, ssh_target: -oProxyCommand=x, remote_path: /x}", 4, 46, "begins with `-`")]
#[case("{type: rsync_ssh, ssh_target: nas, remote_path: /x, ssh_port: 70000}", 4, 78, "out of range")]
#[case("{type: rsync_ssh, ssh_target: nas, remote_path: /x, host_key_policy: no}", 4, 85, "expected text")]
#[case("{type: mount, path: /mnt/nas, bandwidth: {upload_mbps: 0}}", 4, 71, "above 0")]
#[case(
    "{type: mount, path: /mnt/nas, bandwidth: {schedule: [{days: [mon], from: \"22:00\", to: \"06:00\"}]}}",
    4,
    89,
    "over midnight"
)]
#[case(
    "{type: mount, path: /mnt/nas, bandwidth: {schedule: [{days: [mo], from: \"08:00\", to: \"09:00\"}]}}",
    4,
    77,
    "mon, tue"
)]
#[case(
    "{type: mount, path: /mnt/nas, bandwidth: {schedule: [{days: [mon], from: \"8\", to: \"09:00\"}]}}",
    4,
    89,
    "HH:MM"
)]
fn v11_d12_a_transport_that_must_not_be(
    #[case] transport: &str,
    #[case] line: u64,
    #[case] column: u64,
    #[case] words: &str,
) {
    let found = mistakes(&with_transport(transport));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].0, found[0].1), (line, column), "{found:#?}");
    assert!(found[0].2.contains(words), "{found:#?}");
}

#[test]
fn v13_two_equipments_with_one_target_are_refused() {
    let text = "equipment:\n  - {id: A, transport: {type: mount, path: /mnt/nas}}\n  - {id: B, transport: {type: mount, path: /mnt/nas/}}\n";
    let found = mistakes(text);
    assert_eq!((found.len(), found[0].0, found[0].1), (1, 3, 13), "{found:#?}");
    assert!(found[0].2.contains("already belongs to A"), "{found:#?}");
}

#[test]
fn from_reads_with_and_without_its_underscore() {
    let text = |key: &str| {
        with_transport(&format!(
            "{{type: mount, path: /mnt/nas, bandwidth: {{schedule: [{{days: [sat], {key}: \"08:00\", to: \"09:00\"}}]}}}}"
        ))
    };
    for key in ["from", "from_"] {
        let read = settings(&text(key));
        assert_eq!(read.equipment[0].transport.as_ref().unwrap().bandwidth.schedule[0].from_second, 28_800);
    }
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let text = "oops: 1\norchestrator:\n  staging_root: here\n  colour: red\nequipment:\n  - id: a\n    sync_mode: stage\nsync: {enabled: 1}\n";
    let places: Vec<_> = mistakes(text).into_iter().map(|(line, column, _)| (line, column)).collect();
    assert_eq!(places, [(1, 1), (2, 1), (3, 17), (4, 3), (6, 9), (8, 17)]);
}

#[test]
fn a_file_that_cannot_be_used_says_which_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    assert!(
        load(&file, &alex()).unwrap_err().to_string().starts_with(&format!("{}:1:1: cannot be read", file.display()))
    );
    std::fs::write(&file, b"paths: {}\nlims: {endpoint: \"\xff\"}\n").unwrap();
    assert_eq!(
        load(&file, &alex()).unwrap_err().to_string(),
        format!("{}:2:19: is not UTF-8 from here on; save the file as UTF-8", file.display())
    );
}

#[rstest]
#[case(
    "equipment:\n  - id: A\n    sync_mode: stage\n    transport: {type: mount, path: /nas/A}\n",
    4,
    5,
    "another workstation"
)]
#[case(
    "equipment:\n  - {id: A, sync_mode: stage, completeness_signal: manifest, manifest_filename: m.json, sentinel_filename: x}\n",
    2,
    89,
    "the signal is manifest"
)]
fn what_means_nothing_where_it_stands_is_a_warning(
    #[case] text: &str,
    #[case] line: u64,
    #[case] column: u64,
    #[case] words: &str,
) {
    let checked = check(text, &alex()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let warned: Vec<_> = checked.warnings.iter().map(|warning| (warning.at.line, warning.at.column)).collect();
    assert_eq!(warned, [(line, column)], "{:?}", checked.warnings);
    assert!(checked.warnings[0].message.contains(words), "{:?}", checked.warnings);
}

#[test]
fn what_is_noted_in_the_record_is_no_key_without_an_effect() {
    let text = "equipment:\n  - id: A\n    transport: {type: mount, path: /nas/A}\n    orchestrator_staging_transport: {type: file_transfer}\n";
    let checked = check(text, &alex()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    assert!(checked.warnings.is_empty(), "{:?}", checked.warnings);
    assert_eq!(checked.settings.equipment[0].staging_transport, "file_transfer");
}

#[rstest]
#[case("final_summary_*.txt")]
#[case("done?.flag")]
fn s19_a_pattern_is_refused_with_the_form_that_works(#[case] name: &str) {
    let text = format!(
        "equipment:\n  - id: A\n    sync_mode: stage\n    completeness_signal: sentinel_file\n    sentinel_filename: '{name}'\n"
    );
    let found = mistakes(&text);
    assert!(
        matches!(&found[..], [(5, 24, message)] if message.contains("taken literally") && message.contains("manifest")),
        "{found:?}"
    );
}
