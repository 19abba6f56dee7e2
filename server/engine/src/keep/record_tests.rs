use super::*;
use cap_std::ambient_authority;

fn run() -> (tempfile::TempDir, Dir) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temporary.path(), ambient_authority()).unwrap();
    (temporary, dir)
}

#[test]
fn a_document_is_replaced_whole_and_nothing_else_stays() {
    let (temporary, dir) = run();
    let record = RecordFolder::open_or_create(&dir).unwrap();
    record.rewrite("ingest.json", |old| Ok(old.map_or_else(|| b"one".to_vec(), |_| b"two".to_vec()))).unwrap();
    let first = record.stamp("ingest.json");
    record.rewrite("ingest.json", |old| Ok(old.map_or_else(|| b"one".to_vec(), |_| b"two".to_vec()))).unwrap();
    assert_eq!(record.read("ingest.json").unwrap().unwrap(), b"two");
    assert_ne!(record.stamp("ingest.json"), first);
    let names: Vec<_> =
        std::fs::read_dir(temporary.path().join(RECORD_FOLDER)).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_str().unwrap().ends_with(".tmp")), "{names:?}");
    assert_eq!(record.files().unwrap().len(), 1, "locks are not part of the record");
}

#[test]
fn a_refused_change_writes_nothing() {
    let (_temporary, dir) = run();
    let record = RecordFolder::open_or_create(&dir).unwrap();
    record.replace("ingest.json", b"kept").unwrap();
    assert!(record.rewrite("ingest.json", |_| Err(RecordError::Stale("moved on".into()))).is_err());
    assert_eq!(record.read("ingest.json").unwrap().unwrap(), b"kept");
}

#[test]
fn two_writers_do_not_lose_a_change() {
    let (temporary, dir) = run();
    RecordFolder::open_or_create(&dir).unwrap().replace("n", b"0").unwrap();
    let add = |path: std::path::PathBuf| {
        move || {
            let dir = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
            let record = RecordFolder::open(&dir).unwrap().unwrap();
            for _ in 0..20 {
                record
                    .rewrite("n", |old| {
                        let n: u32 = String::from_utf8(old.unwrap()).unwrap().parse().unwrap();
                        Ok((n + 1).to_string().into_bytes())
                    })
                    .unwrap();
            }
        }
    };
    let other = std::thread::spawn(add(temporary.path().to_owned()));
    add(temporary.path().to_owned())();
    other.join().unwrap();
    assert_eq!(RecordFolder::open(&dir).unwrap().unwrap().read("n").unwrap().unwrap(), b"40");
}

#[test]
fn what_a_pusher_writes_without_the_lock_is_read_again_and_not_lost() {
    let (temporary, dir) = run();
    let record = RecordFolder::open_or_create(&dir).unwrap();
    record.replace("creation.json", b"first").unwrap();
    let theirs = temporary.path().join(".exlab-wizard/creation.json");
    let mut asked = 0;
    let in_between = |old: Option<Vec<u8>>| {
        asked += 1;
        if asked == 1 {
            std::fs::write(&theirs, "pushed anew").unwrap();
        }
        Ok([old.unwrap(), b" and ours".to_vec()].concat())
    };
    record.rewrite("creation.json", in_between).unwrap();
    assert_eq!((record.read("creation.json").unwrap().unwrap(), asked), (b"pushed anew and ours".to_vec(), 2));
    let mut count = 0;
    let always = |_| {
        count += 1;
        std::fs::write(&theirs, "x".repeat(count)).unwrap();
        Ok(b"ours".to_vec())
    };
    assert!(matches!(record.rewrite("creation.json", always), Err(RecordError::Stale(_))));
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "x".repeat(REWRITE_TRIES), "theirs stands");
    let names: Vec<_> =
        std::fs::read_dir(temporary.path().join(RECORD_FOLDER)).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_str().unwrap().ends_with(".tmp")), "{names:?}");
}

#[test]
fn d9_a_record_folder_that_is_a_link_is_an_error_and_its_target_is_untouched() {
    let (temporary, dir) = run();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), temporary.path().join(RECORD_FOLDER)).unwrap();
    assert!(RecordFolder::open(&dir).is_err());
    assert!(RecordFolder::open_or_create(&dir).is_err());
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn v15_a_document_that_is_a_fifo_or_a_link_does_not_hang_and_is_refused() {
    let (temporary, dir) = run();
    let record = RecordFolder::open_or_create(&dir).unwrap();
    rustix::fs::mknodat(record.dir(), "ingest.json", FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert!(record.read("ingest.json").is_err());
    std::os::unix::fs::symlink("/etc/hostname", temporary.path().join(".exlab-wizard/creation.json")).unwrap();
    assert!(record.read("creation.json").is_err());
    assert!(record.files().is_err());
}

#[test]
fn leftovers_of_a_crash_are_removed_and_nothing_else() {
    let (_temporary, dir) = run();
    let record = RecordFolder::open_or_create(&dir).unwrap();
    let ours = ["ingest.json.lock", "ingest.json.0123456789abcdef0123456789abcdef.tmp"];
    let others = ["ingest.json", "notes.txt", "creation.json.tmp", "scratch.tmp", "device.lock"];
    for name in ours.into_iter().chain(others) {
        record.replace(name, b"x").unwrap();
    }
    record.rewrite("creation.json", |_| Ok(b"{}".to_vec())).unwrap();
    let held = record.lock("creation.json").unwrap();
    record.remove_leftovers().unwrap();
    let mut names: Vec<_> =
        record.dir().entries().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let kept = [
        "creation.json",
        "creation.json.lock",
        "creation.json.tmp",
        "device.lock",
        "ingest.json",
        "notes.txt",
        "scratch.tmp",
    ];
    assert_eq!(names, kept);
    drop(held);
    let sent: Vec<_> = record.files().unwrap().into_iter().map(|(path, _)| path.to_string()).collect();
    assert!(
        sent.contains(&".exlab-wizard/scratch.tmp".to_owned()),
        "what somebody else wrote is sent, not deleted unproven: {sent:?}"
    );
    assert!(!sent.contains(&".exlab-wizard/creation.json.lock".to_owned()));
}

#[test]
fn an_ended_life_moves_aside_and_repeating_it_is_harmless() {
    let (_temporary, dir) = run();
    let record = RecordFolder::open_or_create(&dir).unwrap();
    record.replace("ingest.json", b"old").unwrap();
    record.move_to_lives(1, &["ingest.json", "checksums.sha256"]).unwrap();
    record.move_to_lives(1, &["ingest.json", "checksums.sha256"]).unwrap();
    assert_eq!(record.read("ingest.json").unwrap(), None);
    let files = record.files().unwrap();
    assert_eq!(files[0].0.to_string(), ".exlab-wizard/lives/1/ingest.json");
    assert_eq!(files[0].1, b"old".to_vec().into());
    // Something stands under the name: both are kept.
    record.replace("ingest.json", b"older").unwrap();
    record.move_to_lives(1, &["ingest.json"]).unwrap();
    let names: Vec<String> = record.files().unwrap().into_iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(names, [".exlab-wizard/lives/1/ingest.json", ".exlab-wizard/lives/1/ingest.json.2"]);
}

#[test]
fn what_a_kill_left_of_any_document_of_ours_is_known_as_ours() {
    let id = "0123456789abcdef0123456789abcdef";
    for name in ["ingest.json", "checksums.sha256", "metadata.json", "unsent.json", "metadata_not_carried.json"] {
        assert!(is_ours(&format!("{name}.{id}.tmp")), "{name}");
    }
    for name in
        ["scratch.0123456789abcdef0123456789abcdef.tmp", "metadata.json.tmp", "metadata.json.lock", "unsent.json"]
    {
        assert!(!is_ours(name), "{name}");
    }
}

#[test]
fn the_lists_of_a_run_of_millions_of_files_belong_to_its_record() {
    let (temporary, dir) = run();
    let record = RecordFolder::open_or_create(&dir).unwrap();
    let large = |name: &str| {
        let file = std::fs::File::create(temporary.path().join(RECORD_FOLDER).join(name)).unwrap();
        file.set_len(DOCUMENT_LIMIT + 1).unwrap();
    };
    large("checksums.sha256");
    assert_eq!(record.files().unwrap()[0].1.size(), DOCUMENT_LIMIT + 1);
    large("creation.json");
    assert!(matches!(record.files(), Err(RecordError::TooLarge { .. })), "no document is that large");
}

#[test]
fn what_people_can_mend_says_how() {
    for (kind, says) in
        [(std::io::ErrorKind::PermissionDenied, "chmod"), (std::io::ErrorKind::NotADirectory, "a folder belongs there")]
    {
        let error = RecordError::Io { what: ".exlab-wizard".into(), source: kind.into() };
        assert!(error.to_string().contains(says), "{error}");
    }
}
