//! A run that was proven and cleared and is pushed again: our ledger knows nothing of what an earlier life put there.

use crate::bench::{Bench, Make, TestRun, file, set_mtime, write};
use domain::job::FailureClass;
use engine::transport::RecordFile;
use engine::verify::Verification;

/// Another life begins: what an earlier one placed is forgotten, and every time is another.
fn begin_anew(bench: &Bench, run: &TestRun, files: &[&str], seconds: u64) {
    bench.placed.lock().unwrap().clear();
    for name in files {
        set_mtime(&run.source.path().join(name), seconds, 0);
    }
}

async fn put_record(bench: &Bench, run: &TestRun, life: u64) {
    let bytes = format!("record of life {life}").into_bytes().into();
    let files = [RecordFile { path: file(".exlab-wizard/ingest.json"), bytes }];
    bench.transport().put_record(&run.path, life, &files, &bench.context).await.unwrap();
}

/// Equal bytes are what they are, whatever their time, in a second and a third life.
pub async fn equal_is_equal(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1"), (b"empty", b""), (b"sub/b", b"2"), (b"sub/empty", b"")]);
    for life in 1..=3 {
        begin_anew(&bench, &run, &["a", "empty", "sub/b", "sub/empty"], 1_500_000_000 + life * 1_001);
        bench.push_and_prove(&run).await;
        put_record(&bench, &run, life).await;
        assert!(!run.there.join(".exlab-wizard/superseded").exists(), "nothing was moved in life {life}");
    }
    let record = std::fs::read(run.there.join(".exlab-wizard/ingest.json")).unwrap();
    assert_eq!(record, b"record of life 3");
    let earlier = std::fs::read(run.there.join(".exlab-wizard/lives/1/ingest.json")).unwrap();
    assert_eq!(earlier, b"record of life 1", "kept when the second life began");
    bench.assert_no_leftovers();
}

/// A later life of which nothing earlier is there keeps its own record, however often it is put.
pub async fn nothing_earlier_is_there(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    bench.push_and_prove(&run).await;
    for text in ["verified", "cleared"] {
        let files = [RecordFile { path: file(".exlab-wizard/ingest.json"), bytes: text.as_bytes().to_vec().into() }];
        bench.transport().put_record(&run.path, 2, &files, &bench.context).await.unwrap();
        assert_eq!(std::fs::read_to_string(run.there.join(".exlab-wizard/ingest.json")).unwrap(), text);
    }
    let earlier = run.there.join(".exlab-wizard/lives/1/ingest.json");
    assert!(!earlier.exists(), "{}", std::fs::read_to_string(&earlier).unwrap());
    bench.assert_no_leftovers();
}

/// What a later life adds is sent, what it lacks stays, and what differs is named, and nothing else is.
pub async fn what_differs_is_named(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench
        .run("P/Runs/Run_1", &[(b"equal", b"1"), (b"empty", b""), (b"lost", b"2"), (b"grown", b"3"), (b"filled", b"")]);
    bench.push_and_prove(&run).await;
    put_record(&bench, &run, 1).await;
    std::fs::remove_file(run.source.path().join("lost")).unwrap();
    write(&run.source.path().join("grown"), b"3 and more");
    write(&run.source.path().join("filled"), b"not empty");
    write(&run.source.path().join("sub/added"), b"4");
    write(&run.source.path().join("sub/added empty"), b"");
    begin_anew(&bench, &run, &["equal", "empty", "grown", "filled", "sub/added", "sub/added empty"], 1_600_000_001);
    let error = bench.push(&run).await.unwrap_err();
    assert_eq!((error.class, error.files), (FailureClass::Conflict, vec![file("filled"), file("grown")]));
    let read = |name: &str| std::fs::read(run.there.join(name)).unwrap();
    assert_eq!(
        (read("grown"), read("filled"), read("lost")),
        (b"3".to_vec(), Vec::new(), b"2".to_vec()),
        "theirs as it was"
    );
    assert_eq!((read("sub/added"), read("sub/added empty")), (b"4".to_vec(), Vec::new()), "everything else is sent");
    // The operator makes room; a third life finds what the second one sent, and one file of the same size with other
    // bytes.
    std::fs::remove_file(run.there.join("grown")).unwrap();
    std::fs::remove_file(run.there.join("filled")).unwrap();
    write(&run.there.join("equal"), b"!");
    begin_anew(&bench, &run, &["equal", "empty", "grown", "filled", "sub/added", "sub/added empty"], 1_700_000_001);
    let listing = bench.list(&run);
    let seal = bench.push_listed(&run, &listing, "third", None).await.unwrap();
    match bench.verify(&run, &seal).await {
        Verification::Differs { class: FailureClass::HashMismatch, total: 1, differences, .. } => {
            assert_eq!(differences[0].path, file("equal"));
        }
        other => panic!("{other:?}"),
    }
}
