//! Ways to a server that people really have: an address of IPv6, a command in the account's own ssh_config.

use crate::bench::{Bench, Destination, file, files_below};
use crate::remotes::write_program;
use crate::ssh_servers::{RSYNC_SSH, behind, behind_own, push_with, which};
use crate::sshd::Sshd;
use domain::job::{FailureClass, Side};
use engine::transport::rsync_ssh::RsyncSshTransport;
use engine::transport::{RecordFile, Transport};
use engine::verify::{Verification, verify, verify_record};

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

/// Processes of this computer, other than zombies, with these words in their command line: their ids and command lines.
fn processes_with(words: &str) -> Vec<(String, String)> {
    let of = |entry: std::fs::DirEntry| {
        let line = String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).ok()?).replace('\0', " ");
        Some((entry.file_name().into_string().ok()?, line))
    };
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter_map(of);
    all.filter(|(_, line)| line.contains(words)).collect()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

/// Tells the program that is to be killed where it connects to: the folder of an sshd, and its port.
const TO_BE_KILLED: &str = "EXLAB_TEST_TO_BE_KILLED";

#[tokio::test]
async fn v8_no_connection_outlives_a_program_that_is_killed() {
    let name = "ssh_ways::v8_no_connection_outlives_a_program_that_is_killed";
    if let Ok(told) = std::env::var(TO_BE_KILLED) {
        let (folder, port) = told.rsplit_once(':').unwrap();
        let folder = std::path::PathBuf::from(folder);
        let mut server = Sshd::shared().server();
        (server.port, server.key, server.known_hosts) =
            (port.parse().unwrap(), folder.join("id"), folder.join("known_hosts"));
        let transport = RsyncSshTransport::new(server, folder.display().to_string(), folder.join("staging"), None);
        let _ = transport.identify(&Bench::unmarked(RSYNC_SSH).context).await;
        std::fs::write(folder.join("connected"), "").unwrap();
        return std::future::pending().await;
    }
    let sshd = Sshd::start();
    let told = format!("{}:{}", sshd.folder.path().display(), sshd.port);
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let mut program = command.args(["--exact", name]).env(TO_BE_KILLED, told).spawn().unwrap();
    wait_until("it connected", || sshd.path("connected").exists());
    let words = sshd.path("known_hosts").display().to_string();
    assert!(!processes_with(&words).is_empty(), "the shared connection stands");
    program.kill().unwrap();
    program.wait().unwrap();
    wait_until("the shared connection ended", || processes_with(&words).is_empty());
}

#[tokio::test]
async fn v16_a_login_that_greets_is_no_part_of_any_answer() {
    let greets = "ForceCommand echo 'Welcome to the lab'; eval \"$SSH_ORIGINAL_COMMAND\"; r=$?; echo Bye; exit $r";
    let bench = Bench::new(RSYNC_SSH).await;
    let behind = behind_own(Sshd::start_with(greets), bench.destination.root(), &bench.staging(), |_| ());
    behind.transport().identify(&bench.context).await.unwrap();
    // Many small files go as a stream, which is framed.
    let names: Vec<String> = (0..400).map(|n| format!("f{n}")).collect();
    let files: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), name.as_bytes())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    let seal = push_with(&behind, &bench, &run, "seal").await.unwrap();
    let proof = verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context).await.unwrap();
    assert!(matches!(proof, Verification::Proven(_)), "{proof:?}");
    // rsync cannot be framed.
    let run = bench.run("P/Runs/Run_2", &[(b"a", &vec![7; 3 << 20])]);
    let error = push_with(&behind, &bench, &run, "seal").await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::Configuration, Side::Destination), "{error}");
    for words in ["prints text before the answer", "Welcome to the lab", "~/.bashrc"] {
        assert!(error.message.contains(words), "{error}");
    }
}

/// What an account prints on standard error is no error of ours, and does not hide one.
#[tokio::test]
async fn v16_a_login_that_complains_fails_nothing_and_hides_nothing() {
    let complains = "ForceCommand echo 'Permission denied to guests.' >&2; eval \"$SSH_ORIGINAL_COMMAND\"; r=$?; \
                     echo 'No space left on device? call 1234' >&2; exit $r";
    let bench = Bench::new(RSYNC_SSH).await;
    let root = bench.destination.root().to_owned();
    let behind = behind_own(Sshd::start_with(complains), &root, &bench.staging(), |_| ());
    let (names, big): (Vec<String>, _) = ((0..40).map(|n| format!("f{n}")).collect(), vec![7; 2 << 20]);
    let mut files: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), name.as_bytes())).collect();
    // By rsync.
    files.push((b"big", &big));
    let run = bench.run("P/Runs/Run_1", &files);
    let seal = push_with(&behind, &bench, &run, "seal").await.unwrap();
    let proof = verify(behind.transport(), &run.path, &seal, Some(&run.source), &bench.context).await.unwrap();
    assert!(matches!(proof, Verification::Proven(_)), "{proof:?}");
    for _ in 0..3 {
        let told = behind.transport().look(&run.path, &[file("big"), file("none")], &bench.context).await.unwrap();
        assert_eq!(told.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    }
    let record = [RecordFile { path: file(".exlab-wizard/ingest.json"), bytes: b"{}".to_vec().into() }];
    let hashed = behind.transport().put_record(&run.path, 1, &record, &bench.context).await.unwrap();
    verify_record(&record, &hashed).unwrap();
    // What is really wrong is said: first the marker is gone, then the root.
    let marker = root.join(".exlab-orchestrator");
    std::fs::rename(&marker, bench.dir.path().join("away")).unwrap();
    for _ in 0..2 {
        let error = behind.transport().look(&run.path, &[file("big")], &bench.context).await.unwrap_err();
        assert_eq!(error.class, FailureClass::DestinationUnreachable, "{error}");
    }
    std::fs::rename(&root, bench.dir.path().join("gone")).unwrap();
    let error = behind.transport().look(&run.path, &[file("big")], &bench.context).await.unwrap_err();
    assert_eq!(error.class, FailureClass::DestinationUnreachable, "{error}");
    assert!(!error.message.contains("guests") && !error.message.contains("1234"), "{error}");
}

/// A write that fails behind such an account fails for its own reason.
#[tokio::test]
async fn v16_a_login_that_complains_is_not_named_where_the_server_cannot_write() {
    let complains = "ForceCommand echo 'Disk quota exceeded: see the wiki' >&2; eval \"$SSH_ORIGINAL_COMMAND\"";
    for bytes in [10, 2 << 20] {
        let bench = Bench::new(RSYNC_SSH).await;
        let root = bench.destination.root().to_owned();
        let behind = behind_own(Sshd::start_with(complains), &root, &bench.staging(), |_| ());
        let run = bench.run("P/Runs/Run_1", &[(b"a", &vec![7; bytes])]);
        std::fs::write(root.join(".exlab-orchestrator/tmp"), "in the way").unwrap();
        let error = push_with(&behind, &bench, &run, "seal").await.unwrap_err();
        assert_ne!(error.class, FailureClass::DestinationFull, "{error}");
        assert!(!error.message.contains("wiki") && error.message.contains("tmp"), "{error}");
    }
}

/// Before the call of ssh with this number the NAS's disk is unmounted. Under its mount point nothing is made, at
/// whatever step that is.
#[tokio::test]
async fn v10_nothing_is_made_where_the_nas_went_after_its_marker_was_seen() {
    for call in 1..=40 {
        let bench = Bench::new(RSYNC_SSH).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"sub/b", b"2")]);
        std::fs::create_dir(bench.staging().join("EQ_1/P/Runs/Run_1/empty")).unwrap();
        let (root, away) = (bench.destination.root().to_owned(), bench.dir.path().join("away"));
        let (count, ssh) = (bench.dir.path().join("count"), bench.dir.path().join("ssh"));
        let words = format!(
            "#!/bin/sh\nn=$(cat '{0}' 2>/dev/null || echo 0); n=$((n + 1)); echo $n > '{0}'\n[ $n = {call} ] && mv '{1}' '{2}'\nexec ssh \"$@\"\n",
            count.display(),
            root.display(),
            away.display()
        );
        write_program(&ssh, &words);
        let behind = behind(&root, &bench.staging(), |server| server.ssh = ssh.display().to_string());
        let record = [RecordFile { path: file(".exlab-wizard/ingest.json"), bytes: b"{}".to_vec().into() }];
        let pushed = push_with(&behind, &bench, &run, "seal").await;
        let hashed = match pushed {
            Ok(_) => behind.transport().put_record(&run.path, 1, &record, &bench.context).await,
            Err(refused) => Err(refused),
        };
        let proven = hashed.as_ref().is_ok_and(|hashed| verify_record(&record, hashed).is_ok());
        if !away.exists() {
            assert!(proven && call > 6, "{hashed:?} before call {call}");
            return;
        }
        assert!(!root.exists(), "call {call}: {:?}", files_below(&root));
        // What is proven had arrived before.
        let arrived = files_below(&away.join("P/Runs/Run_1")).len();
        assert!(!proven || arrived == 3, "call {call}: {hashed:?}");
    }
    panic!("a push makes more calls than that");
}

/// The same between the look at the marker and the making of a folder, which are two programs at the server.
#[tokio::test]
async fn v10_nothing_is_made_where_the_nas_goes_between_its_marker_and_a_folder() {
    for call in 1..=40 {
        let bench = Bench::new(RSYNC_SSH).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"sub/b", b"2")]);
        std::fs::create_dir(bench.staging().join("EQ_1/P/Runs/Run_1/empty")).unwrap();
        let (root, away) = (bench.destination.root().to_owned(), bench.dir.path().join("away"));
        let (count, tools) = (bench.dir.path().join("count"), bench.dir.path().join("tools"));
        std::fs::create_dir(&tools).unwrap();
        let words = format!(
            "#!/bin/sh\nn=$(cat '{0}' 2>/dev/null || echo 0); n=$((n + 1)); echo $n > '{0}'\n[ $n = {call} ] && mv '{1}' '{2}'\nexec {3} \"$@\"\n",
            count.display(),
            root.display(),
            away.display(),
            which("mkdir").display()
        );
        write_program(&tools.join("mkdir"), &words);
        let sshd = Sshd::start_with(&format!("SetEnv PATH={}:/usr/bin:/bin", tools.display()));
        let behind = behind_own(sshd, &root, &bench.staging(), |_| ());
        let record = [RecordFile { path: file(".exlab-wizard/ingest.json"), bytes: b"{}".to_vec().into() }];
        let pushed = push_with(&behind, &bench, &run, "seal").await;
        let hashed = match pushed {
            Ok(_) => behind.transport().put_record(&run.path, 1, &record, &bench.context).await,
            Err(refused) => Err(refused),
        };
        if !away.exists() {
            assert!(hashed.is_ok_and(|hashed| verify_record(&record, &hashed).is_ok()) && call > 5);
            return;
        }
        assert!(!root.exists(), "call {call}: {:?}", files_below(&root));
    }
    panic!("a push makes fewer folders than that");
}

#[tokio::test]
async fn v20_a_server_that_takes_no_more_files_says_so_although_it_has_room() {
    if !crate::mount_only::in_own_mounts_of(
        "ssh_ways",
        "v20_a_server_that_takes_no_more_files_says_so_although_it_has_room",
    ) {
        return;
    }
    let bench = Bench::new(|root, staging| {
        crate::mount_only::mount(&["-t", "tmpfs", "-o", "size=20m,nr_inodes=60", "none"], root);
        RSYNC_SSH(root, staging)
    })
    .await;
    let names: Vec<String> = (0..90).map(|n| format!("raw/{n:02}")).collect();
    let files: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), &b"x"[..])).collect();
    let error = bench.push(&bench.run("P/Runs/Run_1", &files)).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::DestinationFull, Side::Destination), "{error}");
    assert!(error.message.starts_with("no more files can be made there (0 of 60 left)"), "{error}");
}

#[tokio::test]
async fn v10_what_a_connection_knows_of_the_root_is_asked_for_again_with_every_look() {
    let bench = Bench::new(RSYNC_SSH).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"b", b"2")]);
    bench.push_and_prove(&run).await;
    let (root, other) = (bench.destination.root().to_owned(), bench.dir.path().join("another disk"));
    let link = bench.dir.path().join("link");
    std::os::unix::fs::symlink(&root, &link).unwrap();
    let behind = behind(&link, &bench.staging(), |_| ());
    let files = [file("a"), file("b")];
    let look = async || behind.transport().look(&run.path, &files, &bench.context).await;
    let is_there = |told: Vec<Option<domain::proof::FileStat>>| told.iter().map(Option::is_some).collect::<Vec<_>>();
    for _ in 0..2 {
        assert_eq!(is_there(look().await.unwrap()), [true, true]);
    }
    // The path leads to another disk now, whose copy lacks a file.
    let copied = std::process::Command::new("cp").arg("-a").arg(&root).arg(&other).status().unwrap();
    assert!(copied.success());
    std::fs::remove_file(other.join(run.path.below_equipment()).join("b")).unwrap();
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    for _ in 0..2 {
        assert_eq!(is_there(look().await.unwrap()), [true, false]);
    }
    std::fs::rename(other.join(".exlab-orchestrator/identity.json"), other.join("away.json")).unwrap();
    let error = look().await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::DestinationUnreachable, Side::Destination), "{error}");
    std::fs::remove_file(&link).unwrap();
    let error = look().await.unwrap_err();
    assert_eq!(error.class, FailureClass::DestinationUnreachable, "{error}");
}

/// The shell that waits for the next look is ended, by whoever it is, and a server grants one session at a time: the
/// look after it is answered.
#[tokio::test]
async fn the_look_after_one_whose_shell_has_ended_is_answered_too() {
    for lines in ["", "MaxSessions 1"] {
        let bench = Bench::new(RSYNC_SSH).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
        bench.push_and_prove(&run).await;
        let behind = behind_own(Sshd::start_with(lines), bench.destination.root(), &bench.staging(), |_| ());
        let key = behind.server().key.display().to_string();
        let waiting =
            || processes_with(&key).into_iter().find(|(_, line)| line.trim_end().ends_with("sh -s")).map(|(id, _)| id);
        let look = async || {
            let told = behind.transport().look(&run.path, &[file("a"), file("b")], &bench.context).await.unwrap();
            assert_eq!(told.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
        };
        // What was started a moment ago is not yet what it is to become.
        let other_than = |before: &Option<String>| {
            wait_until("a shell waits for the next look", || waiting().is_some() && waiting() != *before);
            waiting()
        };
        assert_eq!(waiting(), None);
        look().await;
        look().await;
        let first = other_than(&None);
        look().await;
        let second = other_than(&first).unwrap();
        assert!(std::process::Command::new("kill").arg("-9").arg(&second).status().unwrap().success());
        wait_until("it has ended", || waiting().is_none());
        look().await;
        other_than(&None);
        behind.transport().identify(&bench.context).await.unwrap();
        assert_eq!(waiting(), None, "other calls leave none behind");
    }
}

/// A call may take hours, and nobody else may call meanwhile.
#[tokio::test]
async fn v21_a_connection_without_other_calls_is_not_idle_while_one_call_goes_on() {
    let mut bench = Bench::new(RSYNC_SSH).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", &[7; 6 << 20])]);
    let known_hosts = bench.dir.path().join("known here alone");
    let behind = behind(bench.destination.root(), &bench.staging(), |server| {
        server.idle = std::time::Duration::from_millis(300);
        server.known_hosts.clone_from(&known_hosts);
    });
    // Some two seconds.
    bench.context.limit = std::sync::Arc::new(|| Some(3_000));
    push_with(&behind, &bench, &run, "seal").await.unwrap();
    let ended = async {
        while !processes_with("known here alone").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), ended).await.expect("it ends once nobody calls");
    behind.transport().identify(&bench.context).await.unwrap();
}

#[tokio::test]
async fn v19_what_a_broken_call_placed_meanwhile_is_no_conflict() {
    let bench = Bench::new(RSYNC_SSH).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"b", b"22"), (b"sub/c", b"3")]);
    let wrapper = bench.dir.path().join("rsync");
    let place = |extra: &str| {
        let script =
            format!("mkdir -p '{0}/sub'; cp a sub/c '{0}'; mv '{0}/c' '{0}/sub/c'; {extra}", run.there.display());
        write_program(&wrapper, &format!("#!/bin/sh\n{script}\nexec rsync \"$@\"\n"));
    };
    place("");
    let behind =
        behind(bench.destination.root(), &bench.staging(), |server| server.rsync = wrapper.display().to_string());
    let seal = push_with(&behind, &bench, &run, "seal").await.unwrap();
    bench.assert_proven(&run, &seal).await;
    bench.assert_no_leftovers();
    // Of another size it is, and of the same size it is found by what it holds.
    std::fs::remove_dir_all(&run.there).unwrap();
    bench.placed.lock().unwrap().clear();
    place(&format!("echo other >'{}/a'", run.there.display()));
    let error = push_with(&behind, &bench, &run, "second").await.unwrap_err();
    assert_eq!((error.class, error.files), (FailureClass::Conflict, vec![file("a")]));
    std::fs::remove_dir_all(&run.there).unwrap();
    bench.placed.lock().unwrap().clear();
    place(&format!("printf x >'{}/a'", run.there.display()));
    let seal = push_with(&behind, &bench, &run, "third").await.unwrap();
    assert!(matches!(
        bench.verify(&run, &seal).await,
        Verification::Differs { class: FailureClass::HashMismatch, total: 1, .. }
    ));
}
