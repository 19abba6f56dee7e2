//! Interruptions, changes at the source, and destinations that are not what they should be.

use crate::bench::{Bench, Make, file, files_below, marker, rewrite_keeping_mtime, write};
use domain::job::{FailureClass, Side};
use engine::files::hash::Hasher;
use engine::transport::Marker;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_util::sync::CancellationToken;

pub async fn finished_files_are_not_sent_again(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"b", b"2"), (b"sub/c", b"3")]);
    let listing = bench.list(&run);
    bench.push_listed(&run, &listing, "seal", None).await.unwrap();
    std::fs::remove_file(run.there.join("sub/c")).unwrap();
    let inodes = || ["a", "b"].map(|name| std::fs::metadata(run.there.join(name)).unwrap().ino());
    let before = inodes();
    bench.placed.lock().unwrap().clear();
    let seal = bench.push_listed(&run, &listing, "seal", None).await.unwrap();
    assert_eq!(inodes(), before);
    let placed: Vec<_> = bench.placed.lock().unwrap().iter().map(|(_, file)| file.clone()).collect();
    assert_eq!(placed, [file("sub/c")]);
    bench.assert_proven(&run, &seal).await;
}

pub async fn cancelled_leaves_nothing_half(make: Make) {
    let big = vec![9_u8; 3 << 20];
    // Cancelled at the first, the second, ... time that the limit is asked for.
    for at in [0, 1, 3, 5, 8, 13] {
        let mut bench = Bench::new(make).await;
        let run = bench.run("P/Runs/Run_1", &[(b"a", &big), (b"b", &big), (b"c", &big)]);
        let (asked, cancel) = (Arc::new(AtomicUsize::new(0)), bench.context.cancel.clone());
        bench.context.limit = Arc::new(move || {
            if asked.fetch_add(1, Ordering::Relaxed) == at {
                cancel.cancel();
            }
            Some(1 << 20)
        });
        let listing = bench.list(&run);
        match bench.push_listed(&run, &listing, "seal", None).await {
            Err(error) => assert_eq!(error.class, FailureClass::Interrupted, "{error}"),
            Ok(_) => assert!(at >= bench.destination.limit_is_asked_at_least(), "nothing asked for the limit"),
        }
        for name in files_below(&run.there) {
            assert!(std::fs::read(run.there.join(&name)).unwrap() == big, "{name:?} is half");
        }
        if !bench.destination.keeps_parts() {
            bench.assert_no_leftovers();
        }
        bench.context.cancel = CancellationToken::new();
        bench.context.limit = Arc::new(|| None);
        let seal = bench.push_listed(&run, &listing, "seal", None).await.unwrap();
        bench.assert_proven(&run, &seal).await;
        bench.assert_no_leftovers();
    }
}

pub async fn known_digests_are_used(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"sub/b", b"2"), (b"sub/c", b"3")]);
    let listing = bench.list(&run);
    let digest = |name: &str| {
        let stat = run.source.stat(&file(name)).unwrap();
        (stat, Hasher::new().local(&run.source, &file(name), &stat, &bench.context.cancel, &|_| ()).unwrap().digest)
    };
    // An earlier attempt had hashed two of three, long after they were written.
    let earlier = |wrong: bool| {
        let writer = bench.writer(&run, &listing, if wrong { "wrong" } else { "seal" });
        for name in ["a", "sub/b"] {
            let (stat, digest) = digest(name);
            let digest = if wrong { domain::proof::Digest([0; 32]) } else { digest };
            writer.put(&file(name), stat, digest, i64::MAX).unwrap();
        }
        writer.flush().unwrap();
    };
    earlier(false);
    for _ in 0..2 {
        let seal = bench.push_listed(&run, &listing, "seal", None).await.unwrap();
        bench.assert_proven(&run, &seal).await;
    }
    if bench.transport().hashes_while_pushing() {
        // What it reads while copying must be what was known.
        std::fs::remove_dir_all(&run.there).unwrap();
        earlier(true);
        let error = bench.push_listed(&run, &listing, "wrong", None).await.unwrap_err();
        assert_eq!(error.class, FailureClass::LocalFileChanged, "{error}");
    }
}

pub async fn changed_while_sending(make: Make) {
    let mut bench = Bench::new(make).await;
    if !bench.transport().hashes_while_pushing() {
        // Its bytes were hashed before: the destination's hash decides.
        return;
    }
    let run = bench.run("P/Runs/Run_1", &[(b"a", &vec![1; 3 << 20]), (b"b", &vec![1; 5 << 20])]);
    let (folder, asked) = (run.source.path().to_owned(), AtomicUsize::new(0));
    bench.context.limit = Arc::new(move || {
        if asked.fetch_add(1, Ordering::Relaxed) == 3 {
            for name in ["a", "b"] {
                let mut bytes = std::fs::read(folder.join(name)).unwrap();
                bytes[0] = 2;
                rewrite_keeping_mtime(&folder.join(name), &bytes);
            }
        }
        Some(1 << 20)
    });
    let error = bench.push(&run).await.unwrap_err();
    assert_eq!((error.class, error.side), (FailureClass::LocalFileChanged, Side::Source), "{error}");
    bench.assert_no_leftovers();
}

pub async fn changed_and_vanished_files(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"b", b"2")]);
    let listing = bench.list(&run);
    write(&run.source.path().join("a"), b"changed");
    let error = bench.push_listed(&run, &listing, "seal", None).await.unwrap_err();
    assert_eq!((error.class, error.side, error.files), (FailureClass::LocalFileChanged, Side::Source, vec![file("a")]));
    assert!(!run.there.join("a").exists());
    let listing = bench.list(&run);
    std::fs::remove_file(run.source.path().join("a")).unwrap();
    let error = bench.push_listed(&run, &listing, "other-seal", None).await.unwrap_err();
    assert_eq!(
        (error.class, error.side, error.files),
        (FailureClass::LocalFileVanished, Side::Source, vec![file("a")])
    );
    bench.assert_no_leftovers();
}

pub async fn missing_marker(make: Make) {
    let bench = Bench::new(make).await;
    assert_eq!(bench.transport().identify(&bench.context).await.unwrap(), marker());
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    let seal = bench.push_and_prove(&run).await;
    let own = bench.destination.root().join(".exlab-orchestrator/identity.json");
    std::fs::rename(&own, bench.dir.path().join("identity")).unwrap();
    let error = bench.transport().identify(&bench.context).await.unwrap_err();
    assert_eq!(error.class, FailureClass::DestinationUnreachable);
    let other = bench.run("P/Runs/Run_2", &[(b"a", b"1")]);
    assert_eq!(bench.push(&other).await.unwrap_err().class, FailureClass::DestinationUnreachable);
    assert!(!other.there.exists());
    let hashed = engine::verify::verify(bench.transport(), &run.path, &seal, None, &bench.context).await;
    assert_eq!(hashed.unwrap_err().class, FailureClass::DestinationUnreachable);
    std::fs::write(&own, "{}").unwrap();
    assert_eq!(
        bench.transport().identify(&bench.context).await.unwrap_err().class,
        FailureClass::DestinationUnreachable
    );
}

pub async fn marker_is_not_replaced_unasked(make: Make) {
    let bench = Bench::new(make).await;
    let other = Marker { installation: "another".to_owned(), ..marker() };
    let error = bench.transport().mark(&other, false, &bench.context).await.unwrap_err();
    assert_eq!(error.class, FailureClass::DestinationForeign);
    assert_eq!(bench.transport().identify(&bench.context).await.unwrap(), marker());
    // One's own is adopted as it is.
    let later = Marker { host: "renamed".to_owned(), ..marker() };
    bench.transport().mark(&later, false, &bench.context).await.unwrap();
    assert_eq!(bench.transport().identify(&bench.context).await.unwrap().host, "orch-01");
    bench.transport().mark(&other, true, &bench.context).await.unwrap();
    assert_eq!(bench.transport().identify(&bench.context).await.unwrap(), other);
}
