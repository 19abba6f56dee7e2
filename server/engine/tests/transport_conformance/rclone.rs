//! What only a destination behind rclone can meet; over real backends, with Debian's rclone and with the current one.

use crate::bench::{Bench, Destination, Make, file, files_below, marker, rewrite_keeping_mtime, write};
use crate::remotes::{
    CRYPT, CRYPT_CURRENT, DEBIAN, LOCAL, LOCAL_CURRENT, Made, SFTP, SFTP_CURRENT, SMB, SMB_CURRENT, crypt, current,
    local, push_over, sftp, write_program,
};
use domain::job::{FailureClass, Side};
use domain::proof::ProofLevel;
use engine::transport::rclone::RcloneTransport;
use engine::transport::{HashOutcome, Transport};
use engine::verify::Verification;
use std::path::PathBuf;
use std::process::Command;

fn level_and_method(verified: Verification) -> (ProofLevel, String) {
    match verified {
        Verification::Proven(manifest) => (manifest.level(), manifest.method().to_owned()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn v5_a_backend_without_hashes_is_read_back_and_never_passes_unread() {
    for (make, level) in [
        (SFTP, ProofLevel::L3),
        (SFTP_CURRENT, ProofLevel::L2),
        (LOCAL, ProofLevel::L1),
        (CRYPT_CURRENT, ProofLevel::L1),
    ] {
        let bench = Bench::new(make).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"content"), (b"sub/b", b"2")]);
        let seal = bench.push(&run).await.unwrap();
        let (found, method) = level_and_method(bench.verify(&run, &seal).await);
        assert_eq!(found, level, "{method}");
        assert_eq!(method.contains("`mount` proves more"), level == ProofLevel::L1, "{method}");
    }
    // A tool that gives no digests, and one that says a wrong word for them.
    for answer in ["exit 0", "sed 's/^/UNSUPPORTED  /'; exit 0", "cat >/dev/null; echo 'hash unsupported' >&2; exit 1"]
    {
        let bench = Bench::new(SFTP).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"content"), (b"b", b"other")]);
        let seal = bench.push(&run).await.unwrap();
        let wrapper = bench.dir.path().join("rclone");
        let case = format!("case $1 in hashsum) {answer};; cat) case \"$*\" in *identity*) ;; *) exit 1;; esac;; esac");
        write_program(&wrapper, &format!("#!/bin/sh\n{case}\nexec {DEBIAN} \"$@\"\n"));
        let behind = sftp(&wrapper.display().to_string(), bench.destination.root(), &bench.staging()).behind();
        let verified =
            engine::verify::verify(behind.transport(), &run.path, &seal, None, &bench.context).await.unwrap();
        assert!(
            matches!(verified, Verification::Differs { class: FailureClass::CouldNotHash, total: 2, .. }),
            "{answer}: {verified:?}"
        );
    }
}

#[tokio::test]
async fn v5_files_larger_than_the_bound_are_not_read_back() {
    let bench = Bench::new(SFTP).await;
    let run = bench.run("P/Runs/Run_1", &[(b"big", &[1; 5000]), (b"small", b"1")]);
    let seal = bench.push(&run).await.unwrap();
    let remote = sftp(DEBIAN, bench.destination.root(), &bench.staging()).remote();
    let bounded = RcloneTransport::new(remote, bench.staging(), Some(4096));
    let mut outcomes = Vec::new();
    bounded.hashes(&run.path, &seal, None, &mut |hashed| outcomes.push(hashed.outcome), &bench.context).await.unwrap();
    assert_eq!(outcomes[0], HashOutcome::Oversize { size: 5000 });
    assert!(matches!(outcomes[1], HashOutcome::Digest { size: 1, .. }));
}

#[tokio::test]
async fn v9_crypt_holds_odd_names_and_its_damage_is_found() {
    for make in [CRYPT, CRYPT_CURRENT] {
        let bench = Bench::new(make).await;
        let files: Vec<(&[u8], &[u8])> =
            vec![(b" lead ", b"1"), (b"back\\slash", b"2"), (b"new\nline", b"3"), (b"sub/#x", b"4")];
        let run = bench.run("P it's/Runs/Run_1", &files);
        let seal = bench.push_and_prove(&run).await;
        let folder = bench.destination.root();
        let data: Vec<PathBuf> = files_below(folder);
        // The marker and four files; their names say nothing.
        assert_eq!(data.len(), 5, "{data:?}");
        for name in data {
            let path = folder.join(&name);
            let mut bytes = std::fs::read(&path).unwrap();
            if bytes.len() > 60 {
                continue; // the marker
            }
            *bytes.last_mut().unwrap() ^= 1;
            rewrite_keeping_mtime(&path, &bytes);
        }
        assert!(matches!(bench.verify(&run, &seal).await, Verification::Differs { total: 4, .. }));
    }
}

#[tokio::test]
async fn one_run_over_smb_is_pushed_and_proven() {
    for make in [SMB, SMB_CURRENT] {
        let bench = Bench::new(make).await;
        let big = vec![5; 3 << 20];
        let run = bench
            .run("Project it's/Runs/Run_1", &[(b"a b", b"1"), (b"raw/big", &big), (b"empty", b""), (b"[x] {y}", b"2")]);
        std::fs::create_dir(run.source.path().join("void")).unwrap();
        let seal = bench.push(&run).await.unwrap();
        let (level, method) = level_and_method(bench.verify(&run, &seal).await);
        assert_eq!((level, method.as_str()), (ProofLevel::L3, "read back over the network by rclone"));
        assert!(std::fs::read(run.there.join("raw/big")).unwrap() == big && run.there.join("void").is_dir());
        bench.assert_no_leftovers();
        rewrite_keeping_mtime(&run.there.join("a b"), b"x");
        assert!(matches!(
            bench.verify(&run, &seal).await,
            Verification::Differs { class: FailureClass::HashMismatch, total: 1, .. }
        ));
    }
}

#[tokio::test]
async fn v7_a_lying_rclone_is_caught_every_time() {
    // Runs the true one, then spoils what it sent.
    let lies = [
        ("drops", "rm -f \"$d/a\""),
        ("truncates", "truncate -s 3 \"$d/a\""),
        (
            "truncates keeping the time",
            "touch -r \"$d/a\" \"$d/../r\"; truncate -s 3 \"$d/a\"; touch -r \"$d/../r\" \"$d/a\"; rm \"$d/../r\"",
        ),
        ("swaps", "mv \"$d/a\" \"$d/x\"; mv \"$d/b\" \"$d/a\"; mv \"$d/x\" \"$d/b\""),
        ("flips", "printf X | dd of=\"$d/a\" bs=1 conv=notrunc 2>/dev/null"),
        ("sends nothing", "rm -rf \"$d/a\" \"$d/b\" \"$d/sub\""),
        ("adds and replaces", "ln -sf /etc/passwd \"$d/a\"; echo >\"$d/more\""),
    ];
    for (name, lie) in lies {
        let bench = Bench::new(LOCAL).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"first content"), (b"b", b"other content"), (b"sub/c", b"3")]);
        let liar = bench.dir.path().join("rclone");
        let tmp = bench.destination.root().join(".exlab-orchestrator/tmp");
        let spoil = format!("[ \"$1\" = copy ] && for d in '{}'/*; do {lie}; done", tmp.display());
        write_program(&liar, &format!("#!/bin/sh\n{DEBIAN} \"$@\"; r=$?\n{spoil}\nexit $r\n"));
        let behind = local(&liar.display().to_string(), bench.destination.root(), &bench.staging()).behind();
        let seal = push_over(&behind, &bench, &run).await.unwrap();
        match engine::verify::verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context)
            .await
            .unwrap()
        {
            Verification::Differs { class, .. } => assert_eq!(class, FailureClass::HashMismatch, "{name}"),
            Verification::Proven(_) => panic!("{name} was not caught"),
        }
        assert!(!run.there.join("more").exists(), "{name}: only what is sealed is placed");
    }
}

#[tokio::test]
async fn v8_a_killed_rclone_leaves_no_half_file_under_a_final_name() {
    for program in [DEBIAN.to_owned(), current()] {
        let bench = Bench::new(LOCAL).await;
        let big: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"small"), (b"big", &big)]);
        let killed = bench.dir.path().join("rclone");
        // Ended in the midst of the file by a signal that it cannot hear.
        let tmp = bench.destination.root().join(".exlab-orchestrator/tmp");
        let kill = format!(
            "exec 3<&0; RCLONE_BWLIMIT=256k {program} \"$@\" <&3 & p=$!; \
             until [ \"$(find '{}' -name 'big*' -size +64k)\" ]; do kill -0 $p || exit 1; done; kill -9 $p; wait $p; kill -9 $$",
            tmp.display()
        );
        write_program(&killed, &format!("#!/bin/sh\nif [ \"$1\" = copy ]; then {kill}; fi\nexec {program} \"$@\"\n"));
        let behind = local(&killed.display().to_string(), bench.destination.root(), &bench.staging()).behind();
        let error = push_over(&behind, &bench, &run).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Network, "{error}");
        assert!(!run.there.join("big").exists());
        let behind = local(&program, bench.destination.root(), &bench.staging()).behind();
        let seal = push_over(&behind, &bench, &run).await.unwrap();
        bench.assert_proven(&run, &seal).await;
        bench.assert_no_leftovers();
    }
}

#[tokio::test]
async fn v8_an_older_rclone_is_refused_and_a_missing_one_named() {
    let bench = Bench::new(LOCAL).await;
    for (version, words) in [("echo 'rclone v1.53.3'", "too old"), ("echo bash", "is not rclone")] {
        let old = bench.dir.path().join("rclone");
        write_program(
            &old,
            &format!("#!/bin/sh\nif [ \"$1\" = version ]; then {version}; exit 0; fi\nexec {DEBIAN} \"$@\"\n"),
        );
        let behind = local(&old.display().to_string(), bench.destination.root(), &bench.staging()).behind();
        let error = behind.transport().identify(&bench.context).await.unwrap_err();
        assert_eq!((error.class, error.side), (FailureClass::Configuration, Side::Here), "{error}");
        assert!(error.message.contains(words), "{error}");
    }
    let behind = local("/no/such/rclone", bench.destination.root(), &bench.staging()).behind();
    let error = behind.transport().identify(&bench.context).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::Configuration, Side::Here), "{error}");
    assert!(error.message.contains("sync.binaries.rclone"), "{error}");
}

#[tokio::test]
async fn s8_real_failures_have_the_right_class() {
    for program in [DEBIAN.to_owned(), current()] {
        let dir = tempfile::tempdir().unwrap();
        let (staging, root) = (dir.path().join("staging"), dir.path().join("nas"));
        std::fs::create_dir(&staging).unwrap();
        let key = dir.path().join("id");
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap();
        assert!(made.success());
        let bench = Bench::unmarked(LOCAL);
        let good = sftp(&program, &root, &staging).config;
        let changed = |from: &str, to: String| {
            let line = good.lines().find(|line| line.starts_with(from)).unwrap();
            good.replace(line, &to)
        };
        let cases = [
            ("[other]\ntype = local\n".to_owned(), FailureClass::Configuration, Side::Here),
            ("[nas]\ntype = nonsense\n".to_owned(), FailureClass::Configuration, Side::Here),
            (changed("key_file", "key_file = /no/such/key".to_owned()), FailureClass::Configuration, Side::Here),
            (
                changed("key_file", format!("key_file = {}", key.display())),
                FailureClass::Authentication,
                Side::Destination,
            ),
            (changed("port", "port = 1".to_owned()), FailureClass::DestinationUnreachable, Side::Destination),
            (
                changed("host", "host = no-such-host.invalid".to_owned()),
                FailureClass::DestinationUnreachable,
                Side::Destination,
            ),
            // Nothing was ever marked there.
            (good.clone(), FailureClass::DestinationUnreachable, Side::Destination),
        ];
        for (config, class, side) in cases {
            let behind = Made { config: config.clone(), ..sftp(&program, &root, &staging) }.behind();
            let error = behind.transport().identify(&bench.context).await.unwrap_err();
            assert_eq!((error.class, error.side), (class, side), "{error}\n{config}");
        }
    }
}

#[tokio::test]
async fn s8_failures_while_sending_have_the_right_class() {
    let bench = Bench::new(LOCAL).await;
    let cases = [
        ("a: Failed to copy: write /x: no space left on device", FailureClass::DestinationFull, Side::Destination),
        ("a: Failed to copy: mkdir /x: read-only file system", FailureClass::DestinationUnreachable, Side::Destination),
        ("a: Failed to copy: connection lost", FailureClass::Network, Side::Destination),
        (
            "a: Failed to copy: failed to open source object: open a: permission denied",
            FailureClass::LocalRead,
            Side::Source,
        ),
    ];
    for (n, (words, class, side)) in cases.into_iter().enumerate() {
        let run = bench.run(&format!("P/Runs/Run_{n}"), &[(b"a", b"1")]);
        let wrapper = bench.dir.path().join("rclone");
        let fail = format!("echo '{{\"level\":\"error\",\"msg\":\"{words}\"}}' >&2; exit 1");
        write_program(&wrapper, &format!("#!/bin/sh\nif [ \"$1\" = copy ]; then {fail}; fi\nexec {DEBIAN} \"$@\"\n"));
        let behind = local(&wrapper.display().to_string(), bench.destination.root(), &bench.staging()).behind();
        let error = push_over(&behind, &bench, &run).await.unwrap_err();
        assert_eq!((error.class, error.side), (class, side), "{error}");
        assert!(!run.there.join("a").exists());
    }
}

/// A folder of the run whose rights went after it was sealed. Root reads everything, so rclone is run as one that does
/// not.
#[tokio::test]
async fn s24_a_folder_that_cannot_be_read_here_is_no_matter_of_the_destination() {
    use std::os::unix::fs::PermissionsExt;
    for program in [DEBIAN.to_owned(), current()] {
        let bench = Bench::new(LOCAL).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"sub/b", b"2")]);
        let (wrapper, powers) = (bench.dir.path().join("rclone"), "-dac_override,-dac_read_search,-fowner");
        let weak = format!(
            "if [ \"$(id -u)\" = 0 ]; then set -- setpriv --bounding-set={powers} --inh-caps={powers} -- {program} \
             \"$@\"; else set -- {program} \"$@\"; fi"
        );
        write_program(&wrapper, &format!("#!/bin/sh\n{weak}\nexec \"$@\"\n"));
        let behind = local(&wrapper.display().to_string(), bench.destination.root(), &bench.staging()).behind();
        let (listing, folder) = (bench.list(&run), run.source.path().join("sub"));
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o000)).unwrap();
        let error = bench.push_over(behind.transport(), &run, &listing, "seal", None).await.unwrap_err();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!((error.class, error.side), (FailureClass::LocalRead, Side::Source), "{error}");
    }
}

#[tokio::test]
async fn a_name_that_is_too_long_for_the_backend_is_said_and_the_rest_is_sent() {
    // Encrypted names are longer than plain ones.
    let bench = Bench::new(CRYPT).await;
    let run = bench.run("P/Runs/Run_1", &[(&[b'x'; 250], b"1"), (b"a", b"2")]);
    let error = bench.push(&run).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::Configuration, Side::Destination), "{error}");
    assert_eq!(error.files, [file([b'x'; 250])]);
    let only = bench.placed.lock().unwrap().iter().map(|(_, file)| file.clone()).collect::<Vec<_>>();
    assert_eq!(only, [file("a")]);
}

#[tokio::test]
async fn d12_the_staging_tree_behind_rclone_is_refused() {
    let bench = Bench::new(LOCAL).await;
    std::fs::create_dir_all(bench.staging().join("EQ_1/P/Runs/Run_1")).unwrap();
    for below in ["", "EQ_1", "EQ_1/P/Runs", "EQ_1/P/Runs/Run_1/raw"] {
        let root = bench.staging().join(below);
        let staging = bench.staging();
        let wrapped = Made {
            config: format!("[disk]\ntype = local\n[nas]\ntype = alias\nremote = disk:{}\n", root.display()),
            path: "inner".to_owned(),
            ..local(DEBIAN, &root, &staging)
        };
        for inside in [local(DEBIAN, &root, &staging), sftp(DEBIAN, &root, &staging), wrapped] {
            let inside = inside.behind();
            let error = inside.transport().mark(&marker(), false, &bench.context).await.unwrap_err();
            assert_eq!(error.class, FailureClass::DestinationForeign, "{below}: {error}");
            assert!(!root.join(".exlab-orchestrator/identity.json").exists(), "{below}");
        }
    }
    // A crypt over it shows no marker that one could read.
    let staging = bench.staging();
    let root = staging.join("EQ_1");
    let hidden = crypt(DEBIAN, &root, &staging);
    let error = hidden.transport().mark(&marker(), false, &bench.context).await.unwrap_err();
    assert_eq!(error.class, FailureClass::DestinationForeign, "{error}");
}

#[tokio::test]
async fn v12_a_link_at_the_destination_is_neither_written_nor_read() {
    for make in [LOCAL, LOCAL_CURRENT] {
        let bench = Bench::new(make).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"sub/b", b"2")]);
        let seal = bench.push_and_prove(&run).await;
        // D12: the very bytes of staging, by way of a link.
        std::fs::remove_file(run.there.join("a")).unwrap();
        std::os::unix::fs::symlink(run.source.path().join("a"), run.there.join("a")).unwrap();
        assert!(matches!(
            bench.verify(&run, &seal).await,
            Verification::Differs { class: FailureClass::CouldNotHash, total: 1, .. }
        ));
        let elsewhere = bench.dir.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        let other = bench.run("P/Runs/Run_2", &[(b"a", b"1"), (b"sub/b", b"2")]);
        std::fs::create_dir_all(&other.there).unwrap();
        std::os::unix::fs::symlink(&elsewhere, other.there.join("sub")).unwrap();
        std::os::unix::fs::symlink(elsewhere.join("none"), other.there.join("a")).unwrap();
        let error = bench.push(&other).await.unwrap_err();
        assert_eq!((error.class, error.files), (FailureClass::Conflict, vec![file("a"), file("sub/b")]));
        assert_eq!(files_below(&elsewhere), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn v1_a_name_taken_at_the_last_moment_is_a_conflict() {
    let bench = Bench::new(LOCAL).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"ours"), (b"b", b"ours"), (b"new\nline", b"ours")]);
    let late = bench.dir.path().join("rclone");
    write(&bench.dir.path().join("theirs"), b"theirs, another size");
    let appear = format!(
        "mkdir -p '{0}'; cp '{1}' '{0}/a'; cp '{1}' '{0}/new\nline'",
        run.there.display(),
        bench.dir.path().join("theirs").display()
    );
    write_program(&late, &format!("#!/bin/sh\ncase $1 in move|moveto) {appear};; esac\nexec {DEBIAN} \"$@\"\n"));
    let behind = local(&late.display().to_string(), bench.destination.root(), &bench.staging()).behind();
    let error = push_over(&behind, &bench, &run).await.unwrap_err();
    assert_eq!((error.class, error.files), (FailureClass::Conflict, vec![file("a"), file("new\nline")]));
    assert_eq!(std::fs::read(run.there.join("a")).unwrap(), b"theirs, another size");
    assert_eq!(std::fs::read(run.there.join("b")).unwrap(), b"ours");
}

/// The shell finds none of the files that SFTP shows: nothing fails, nothing is believed, and what the proof rests on
/// is read back (V18).
pub async fn v18_read_back_past_a_shell_that_sees_other_paths(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"sub/b", &vec![7; 300_000])]);
    let seal = bench.push(&run).await.unwrap();
    match bench.verify(&run, &seal).await {
        Verification::Proven(manifest) => {
            assert_eq!(manifest.level(), ProofLevel::L3, "{}", manifest.method());
            assert!(manifest.method().contains("read back"), "{}", manifest.method());
        }
        other => panic!("{other:?}"),
    }
}
