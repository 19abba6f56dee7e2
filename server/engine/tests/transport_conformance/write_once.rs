//! Write-once storage: nothing that stands there is replaced, moved or removed any more; new names may be made.

use crate::bench::{Bench, Make, TestRun, file, files_below};
use engine::send::{SentRecord, put_record};
use engine::transport::{CallContext, RecordFile};
use std::path::Path;
use std::process::Command;

/// All files below a folder are immutable until this is dropped.
struct Frozen<'a>(&'a Path);

fn freeze(folder: &Path) -> Frozen<'_> {
    assert!(
        chattr("+i", folder),
        "this test needs a file system that knows immutable files, such as ext4, and the right to make some"
    );
    Frozen(folder)
}

fn chattr(how: &str, folder: &Path) -> bool {
    files_below(folder)
        .iter()
        .all(|name| Command::new("chattr").arg(how).arg(folder.join(name)).status().unwrap().success())
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        chattr("-i", self.0);
    }
}

fn document(name: &str, text: &str) -> RecordFile {
    RecordFile { path: file(format!(".exlab-wizard/{name}")), bytes: text.as_bytes().to_vec().into() }
}

async fn put(bench: &Bench, run: &TestRun, life: u64, files: &[RecordFile], context: &CallContext) -> Vec<SentRecord> {
    put_record(bench.transport(), &run.path, life, files.to_vec(), context).await.unwrap()
}

/// What is equal is not written; what has grown, and what a later life says, stands beside; what stood there stays.
pub async fn records_go_beside(make: Make) {
    let bench = Bench::new(make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    bench.push_and_prove(&run).await;
    let documents = |text: &str| [document("checksums.sha256", "sums"), document("ingest.json", text)];
    let sent = put(&bench, &run, 1, &documents("verified"), &bench.context).await;
    assert!(sent.iter().all(|sent| !sent.is_beside()));
    let frozen = freeze(bench.destination.root());
    for (life, text) in [(1, "verified, cleared"), (2, "another life")] {
        let expected = [&documents(text)[..], &[document("creation.json", "new")]].concat();
        // Twice: the second time it stands there already.
        for _ in 0..2 {
            let sent = put(&bench, &run, life, &expected, &bench.context).await;
            for (sent, wanted) in sent.iter().zip(&expected) {
                assert_eq!(&sent.file, wanted);
                let there = std::fs::read_to_string(run.there.join(sent.there.as_utf8().unwrap())).unwrap();
                let wanted = match wanted.path.as_utf8().unwrap() {
                    ".exlab-wizard/ingest.json" => text,
                    ".exlab-wizard/creation.json" => "new",
                    _ => "sums",
                };
                assert_eq!(there, wanted, "{}", sent.there);
            }
            let beside: Vec<_> =
                sent.iter().filter(|sent| sent.is_beside()).map(|sent| sent.file.path.to_string()).collect();
            assert!(beside.contains(&".exlab-wizard/ingest.json".to_owned()), "{beside:?}");
            assert!(life > 1 || beside.len() == 1, "{beside:?}");
        }
    }
    assert_eq!(std::fs::read_to_string(run.there.join(".exlab-wizard/ingest.json")).unwrap(), "verified");
    drop(frozen);
}

/// An account that may write, and not rename: told as that, with what is missing.
#[tokio::test]
async fn v20_an_account_that_may_not_rename_is_told_so() {
    let bench = Bench::new(crate::MOUNT).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    let tmp = bench.destination.root().join(".exlab-orchestrator/tmp");
    std::fs::create_dir_all(&tmp).unwrap();
    // Names may be made in a folder that is only appended to, and none be taken away.
    let mark = |how: &str| Command::new("chattr").arg(how).arg(&tmp).status().unwrap().success();
    assert!(
        mark("+a"),
        "this test needs a file system that knows append-only folders, such as ext4, and the right to make some"
    );
    let error = bench.push(&run).await.unwrap_err();
    assert!(mark("-a"));
    assert_eq!(error.class, domain::job::FailureClass::Authentication);
    assert!(error.message.contains("may not rename there"), "{error}");
}
