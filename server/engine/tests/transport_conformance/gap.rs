//! Damage that falls between the proof of a clear and the moment its files are unlinked (D16).

use crate::bench::{Bench, Make, file, marker, rewrite_keeping_mtime, write};
use domain::job::FailureClass;
use domain::path::FilePath;
use domain::proof::SealedFile;
use engine::keep::seal::SealReader;
use engine::machine::progress::ProgressSink;
use engine::prove::last_look::{LastLook, note};
use engine::transport::{CallContext, Marker};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// So late that nothing counts as changed a moment ago.
const MUCH_LATER_NS: i64 = 4_000_000_000_000_000_000;

/// Another change must be able to show: waits until the disk's clock has gone on since these files were last changed. A
/// file that is sent within the tick in which it was made changes there at the very time it bears, and that shows
/// nothing.
async fn until_the_clock_ticks(folder: &Path) {
    let changed = |path: &Path| std::fs::metadata(path).map(|seen| (seen.ctime(), seen.ctime_nsec())).unwrap();
    let latest = crate::bench::files_below(folder).iter().map(|path| changed(&folder.join(path))).max().unwrap();
    let probe = folder.parent().unwrap().join("tick");
    loop {
        write(&probe, b"");
        let now = changed(&probe);
        std::fs::remove_file(&probe).unwrap();
        if now > latest {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// A context that counts the bytes that are read by themselves.
fn counted(bench: &Bench) -> (CallContext, impl Fn() -> u64) {
    let progress = ProgressSink::new();
    let told = progress.clone();
    (CallContext { progress, ..bench.context.clone() }, move || told.snapshot().bytes_done)
}

fn sealed(seal: &SealReader) -> Vec<SealedFile> {
    seal.files().unwrap().map(Result::unwrap).collect()
}

/// Whatever happens to a file there is seen, also where size and time are as they were; equal bytes are equal, and what
/// nobody touched stays proven.
pub async fn damage_is_seen(make: Make) {
    let bench = Bench::new(make).await;
    let names =
        ["cut", "flipped", "grown", "removed", "replaced", "sub/flipped", "sub/untouched", "touched", "untouched"];
    let content = b"what the instrument wrote";
    let files: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), content.as_slice())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    until_the_clock_ticks(&bench.staging().join(run.path.as_str())).await;
    let seal = bench.push(&run).await.unwrap();
    until_the_clock_ticks(&run.there).await;
    let noted = note(bench.transport(), &run.path, &seal, MUCH_LATER_NS, &bench.context).await.unwrap();
    bench.assert_proven(&run, &seal).await;
    noted.keep();

    let all = sealed(&seal);
    let (destination, source) = (bench.ours(), &run.source);
    let (context, read) = counted(&bench);
    let looked = LastLook::of(&seal).at(&destination, &run.path, all.clone(), source, &context).await.unwrap();
    assert!(looked.lost.is_none() && looked.files.iter().all(Result::is_ok), "{looked:?}");
    if bench.destination.tells_changes() {
        assert_eq!(read(), 0, "what looks as it did is not read again");
    }

    let there = |name: &str| run.there.join(name);
    rewrite_keeping_mtime(&there("flipped"), b"What the instrument wrote");
    rewrite_keeping_mtime(&there("sub/flipped"), b"what the instrument wrotE");
    rewrite_keeping_mtime(&there("touched"), content);
    write(&there("cut"), &content[..3]);
    write(&there("grown"), b"what the instrument wrote, and more");
    std::fs::remove_file(there("removed")).unwrap();
    let time = std::fs::metadata(there("replaced")).unwrap().modified().unwrap();
    write(&there("another"), b"WHAT THE INSTRUMENT WROTE");
    std::fs::File::options().write(true).open(there("another")).unwrap().set_modified(time).unwrap();
    std::fs::rename(there("another"), there("replaced")).unwrap();

    let mut look = LastLook::of(&seal);
    let mut unproven: Vec<FilePath> = Vec::new();
    // In two batches, as a clear of many files asks.
    for batch in all.chunks(5) {
        let looked = look.at(&destination, &run.path, batch.to_vec(), source, &bench.context).await.unwrap();
        unproven.extend(looked.files.into_iter().filter_map(Result::err).map(|(path, _)| path));
    }
    assert_eq!(unproven, ["cut", "flipped", "grown", "removed", "replaced", "sub/flipped"].map(file));
}

/// A NAS that loses more files at once than are ever named: none of them counts as proven.
pub async fn more_than_is_named(make: Make) {
    let bench = Bench::new(make).await;
    let names: Vec<String> = (0..1_500).map(|n| format!("{n:04}")).collect();
    let files: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), b"x".as_slice())).collect();
    let run = bench.run("P/Runs/Run_1", &files);
    let seal = bench.push_and_prove(&run).await;
    names[..1_400].iter().for_each(|name| std::fs::remove_file(run.there.join(name)).unwrap());
    let looked =
        LastLook::of(&seal).at(&bench.ours(), &run.path, sealed(&seal), &run.source, &bench.context).await.unwrap();
    assert_eq!(looked.lost.unwrap().total, 1_400);
    let proven: Vec<FilePath> = looked.files.into_iter().flatten().map(|proven| proven.file().path.clone()).collect();
    assert!(proven.iter().all(|path| path.to_string().as_str() >= "1400"), "{proven:?}");
}

/// A NAS that lost its marker, or shows another's, meanwhile: nothing there counts as proven, and it is told why.
pub async fn another_destination(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a.tif", b"a"), (b"sub/b.tif", b"b")]);
    let seal = bench.push_and_prove(&run).await;
    let destination = bench.ours();
    let mut look = LastLook::of(&seal);
    // The second time its connection is known.
    for _ in 0..2 {
        let looked = look.at(&destination, &run.path, sealed(&seal), &run.source, &bench.context).await.unwrap();
        assert!(looked.files.iter().all(Result::is_ok), "{looked:?}");
    }
    let theirs = Marker { installation: "another".to_owned(), ..marker() };
    bench.transport().mark(&theirs, true, &bench.context).await.unwrap();
    let failure = look.at(&destination, &run.path, sealed(&seal), &run.source, &bench.context).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::DestinationForeign, "{failure:?}");
    std::fs::remove_dir_all(bench.destination.root().join(".exlab-orchestrator")).unwrap();
    let failure = look.at(&destination, &run.path, sealed(&seal), &run.source, &bench.context).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::DestinationUnreachable, "{failure:?}");
}
