//! Both ways of listing, and what they make of tools that fail.

use super::super::session::HashTool;
use super::*;
use crate::machine::child::{Tool, run};
use tokio_util::sync::CancellationToken;

#[test]
fn v9_both_ways_of_listing_are_read_whatever_the_names_are() {
    let seen = |kind, size, mtime_seconds, fraction, mtime_ns, ctime_ns, inode| {
        let stat = FileStat { size, mtime_ns, ctime_ns, inode };
        Seen { kind, size, mtime_seconds, fraction, stat }
    };
    let said = b"f 12 1500000000.1234567890 1600000000.5000000000 77 ./a b\n c\0d 0 7.0000000000 8.0 1 ./sub\0\
        l 3 -1.7500000000 9.25 2 ./x\x0081a4 5 9 10 3 ./\xff\0.";
    let found = read(said, b".").unwrap();
    assert_eq!(
        found[b"a b\n c".as_slice()],
        seen(Kind::File, 12, 1_500_000_000, true, 1_500_000_000_123_456_789, 1_600_000_000_500_000_000, 77)
    );
    assert_eq!(found[b"sub".as_slice()], seen(Kind::Folder, 0, 7, false, 7_000_000_000, 8_000_000_000, 1));
    assert_eq!(found[b"x".as_slice()], seen(Kind::Other, 3, -2, true, -1_750_000_000, 9_250_000_000, 2));
    assert_eq!(found[b"\xff".as_slice()], seen(Kind::File, 5, 9, false, 9_000_000_000, 10_000_000_000, 3));
    assert_eq!(read(b"f 12 1.0 2.0 3 ./a\0", b"."), None, "cut off");
    assert_eq!(read(b"garbage\0.", b"."), None);
}

#[tokio::test]
async fn each_way_of_listing_tells_the_same_and_what_is_missing_is_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..1_500 {
        std::fs::write(folder.path().join(format!("frame {n}.tif")), vec![0; n]).unwrap();
    }
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let mut names: Vec<Vec<u8>> = (0..1_500).map(|n| format!("frame {n}.tif").into_bytes()).collect();
    names.extend([b"sub".to_vec(), b"-gone".to_vec()]);
    let mut told = Vec::new();
    for (find_prints, find_reads, function) in
        [(true, true, "look_lines"), (true, false, "look_lines"), (true, false, "look"), (false, false, "look")]
    {
        let can = Abilities { hash_tool: HashTool::None, find_prints, find_reads, unpacks: false };
        let mut script = functions(can).into_bytes();
        match function {
            "look" => call(&mut script, "look", names.iter().map(Vec::as_slice)),
            lines => call_lines(&mut script, lines, names.iter().map(Vec::as_slice)),
        }
        script.extend_from_slice(b"printf '.'\n");
        let mut said = Vec::new();
        let tool = Tool::new("sh").arg("-s").in_folder(folder.path().to_owned());
        let ended = run(&tool, &script, &mut |bytes: &[u8]| said.extend_from_slice(bytes), &CancellationToken::new())
            .await
            .unwrap();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{find_prints} {find_reads} {function}");
        let mut seen: Vec<_> = read(&said, END)
            .unwrap()
            .into_iter()
            .map(|(name, seen)| (name, seen.kind, seen.size, seen.mtime_seconds))
            .collect();
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        told.push(seen);
    }
    assert_eq!(told[0].len(), 1_501);
    let files = |told: &Vec<(Vec<u8>, Kind, u64, i64)>| {
        told.iter().filter(|seen| seen.1 == Kind::File).cloned().collect::<Vec<_>>()
    };
    assert!(told.iter().all(|other| files(other) == files(&told[0])));
}

#[tokio::test]
async fn v21_a_find_that_was_killed_has_told_of_nothing_and_that_is_trouble() {
    for find_reads in [true, false] {
        let can = Abilities { hash_tool: HashTool::None, find_prints: true, find_reads, unpacks: false };
        let folder = tempfile::tempdir().unwrap();
        let killed = folder.path().join("find");
        std::fs::write(&killed, "#!/bin/sh\nkill -9 $$\n").unwrap();
        std::fs::set_permissions(&killed, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut script = [b"PATH=.:$PATH\n", functions(can).as_bytes()].concat();
        call_lines(&mut script, "look_lines", [b"find".as_slice()]);
        script.extend_from_slice(b"printf '.'\n");
        let tool = Tool::new("sh").arg("-s").in_folder(folder.path().to_owned());
        let ended = run(&tool, &script, &mut |_: &[u8]| (), &CancellationToken::new()).await.unwrap();
        assert_eq!(ended.code, Some(0));
        assert!(classify::trouble(&ended).is_some_and(|trouble| trouble.class == FailureClass::Network), "{ended:?}");
    }
}

#[tokio::test]
async fn a_shell_that_cannot_hold_the_names_has_looked_at_nothing() {
    let mut script = b"count() { wc -l; true; }\n".to_vec();
    let names: Vec<Vec<u8>> = (0..9_000).map(|n| format!("folder/frame_{n}.tif").into_bytes()).collect();
    call_lines(&mut script, "count", names.iter().map(Vec::as_slice));
    script.extend_from_slice(b"echo done\n");
    // bash keeps them in a file; dash does not.
    for (shell, expected) in [
        ("exec bash -s", (Some(0), "9000\ndone\n")),
        ("exec sh -s", (Some(0), "9000\ndone\n")),
        ("ulimit -f 1; exec bash -s", (Some(1), "")),
    ] {
        let mut said = Vec::new();
        let mut take = |bytes: &[u8]| said.extend_from_slice(bytes);
        let ended =
            run(&Tool::new("bash").args(["-c", shell]), &script, &mut take, &CancellationToken::new()).await.unwrap();
        assert_eq!((ended.code, std::str::from_utf8(&said).unwrap()), expected, "{shell}");
    }
}

#[test]
fn folders_above_a_file() {
    let path = FilePath::new("a/b/c").unwrap();
    assert_eq!(folders_above(&path).collect::<Vec<_>>(), [b"a".as_slice(), b"a/b"]);
}
