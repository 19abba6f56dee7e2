use super::*;
use domain::gate::EntryKind;
use proptest::prelude::*;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

const RUN: &str = "EQ_1/Project X/Runs/Run_1";

fn tree() -> (tempfile::TempDir, PathBuf, RunPath) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(RUN);
    std::fs::create_dir_all(&folder).unwrap();
    (dir, folder, RunPath::parse(RUN).unwrap())
}

fn opened(dir: &tempfile::TempDir, run: &RunPath) -> RunFolder {
    StagingRoot::open(dir.path()).unwrap().run(run).unwrap()
}

fn file(path: &str) -> FilePath {
    FilePath::new(path).unwrap()
}

#[test]
fn d9_a_run_behind_a_link_is_refused() {
    let (dir, _, run) = tree();
    let project = dir.path().join("EQ_1/Project X");
    std::fs::rename(&project, dir.path().join("elsewhere")).unwrap();
    symlink(dir.path().join("elsewhere"), &project).unwrap();
    let root = StagingRoot::open(dir.path()).unwrap();
    assert!(matches!(root.run(&run), Err(SourceError::Run { .. })));
    let gone = RunPath::parse("EQ_1/None/Runs/Run_1").unwrap();
    assert!(matches!(root.run(&gone), Err(SourceError::RunGone { .. })));
}

#[test]
fn v12_v15_links_fifos_sockets_and_folders_are_no_files() {
    let (dir, folder, run) = tree();
    symlink("/etc/passwd", folder.join("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.join("fifo"), Mode::RUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    std::fs::create_dir(folder.join("folder")).unwrap();
    let run = opened(&dir, &run);
    for name in ["link", "fifo", "socket", "folder"] {
        assert!(matches!(run.open_file(&file(name)), Err(SourceError::NotRegular { .. })), "{name}");
    }
    assert!(matches!(run.open_file(&file("none")), Err(SourceError::Vanished { .. })));
    let kinds: Vec<EntryKind> = run.walk().unwrap().map(|entry| entry.unwrap().kind).collect();
    assert_eq!(kinds, [EntryKind::Fifo, EntryKind::Folder, EntryKind::Link, EntryKind::Socket]);
}

#[test]
fn v12_a_folder_that_is_exchanged_between_two_files_leads_nowhere_else() {
    let (dir, folder, run) = tree();
    let write = |path: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "1234").unwrap();
    };
    for path in ["a/1", "a/2", "b/1", "top"] {
        write(path);
    }
    let run = opened(&dir, &run);
    let mut files = InOrder::new(&run);
    for name in ["a/1", "a/2", "b/1", "top"] {
        assert_eq!(files.open_file(&file(name)).unwrap().1, run.stat(&file(name)).unwrap(), "{name}");
        assert_eq!(files.stat(&file(name)).unwrap(), run.stat(&file(name)).unwrap(), "{name}");
    }
    // Another folder under the same name: what is new in it is found.
    files.stat(&file("a/1")).unwrap();
    std::fs::rename(folder.join("a"), folder.join("away")).unwrap();
    write("a/3");
    assert_eq!(files.open_file(&file("a/3")).unwrap().1, run.stat(&file("a/3")).unwrap());
    // A link under the same name: nothing behind it is.
    let outside = dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "x").unwrap();
    std::fs::rename(folder.join("a"), folder.join("away 2")).unwrap();
    symlink(&outside, folder.join("a")).unwrap();
    assert!(files.open_file(&file("a/secret")).is_err());
    assert!(files.stat(&file("a/secret")).is_err());
    assert!(matches!(files.open_file(&file("b")), Err(SourceError::NotRegular { .. })));
}

#[test]
fn d7_only_the_record_directly_in_the_run_is_no_data() {
    let (dir, folder, run) = tree();
    for name in [".exlab-wizard/ingest.json", "raw/.exlab-wizard/data", ".hidden", "a.tif"] {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "1234").unwrap();
    }
    std::fs::create_dir(folder.join("empty")).unwrap();
    let run = opened(&dir, &run);
    let mut seen = Vec::new();
    let found = survey(&run, |entry| seen.push((entry.path.to_string(), entry.is_data_file()))).unwrap();
    assert_eq!((found.files, found.bytes, found.empty_folders, found.unsupported), (3, 12, 1, 0));
    assert!(seen.contains(&("raw/.exlab-wizard/data".to_owned(), true)));
    assert!(seen.contains(&(".exlab-wizard/ingest.json".to_owned(), false)));
}

#[test]
fn the_fingerprint_sees_data_and_not_the_record() {
    let (dir, folder, run) = tree();
    std::fs::create_dir(folder.join(".exlab-wizard")).unwrap();
    std::fs::write(folder.join("a"), "1").unwrap();
    let run = opened(&dir, &run);
    let print = || survey(&run, |_| ()).unwrap().fingerprint;
    let first = print();
    std::fs::write(folder.join(".exlab-wizard/ingest.json"), "{}").unwrap();
    assert_eq!(print(), first);
    // The same bytes in a new file: another inode.
    std::fs::write(folder.join("b"), "1").unwrap();
    std::fs::rename(folder.join("b"), folder.join("a")).unwrap();
    assert_ne!(print(), first);
    let second = print();
    symlink("a", folder.join("late link")).unwrap();
    assert_ne!(print(), second);
}

#[test]
fn s8_what_cannot_be_read_is_named() {
    let (dir, _, run) = tree();
    let run = opened(&dir, &run);
    // Root reads everything, so permission bits cannot make a file unreadable in every test; too long a name can.
    let long = FilePath::new(vec![b'x'; 300]).unwrap();
    match run.open_file(&long) {
        Err(SourceError::Unreadable { path, .. }) => assert_eq!(path, ShownPath(Some(long))),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_walk_is_in_byte_order_of_whole_paths(names in proptest::collection::btree_set("[a!/0\\-.]{1,6}", 1..25)) {
        let (dir, folder, run) = tree();
        for name in &names {
            let Ok(path) = FilePath::new(name.as_bytes()) else { continue };
            let path = folder.join(std::ffi::OsStr::from_bytes(path.as_bytes()));
            if std::fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.exists() {
                std::fs::write(path, "x").unwrap();
            }
        }
        let files: Vec<FilePath> =
            opened(&dir, &run).walk().unwrap().map(Result::unwrap).filter(Entry::is_data_file).map(|entry| entry.path).collect();
        prop_assert!(files.is_sorted());
    }
}
