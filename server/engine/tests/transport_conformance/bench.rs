//! A staging tree, a destination that can be tampered with, and the steps a worker takes between them.

use domain::path::{FilePath, RunPath};
use engine::files::source::{RunFolder, StagingRoot};
use engine::keep::seal::{Listing, SealReader, SealWriter};
use engine::machine::progress::ProgressSink;
use engine::transport::{CallContext, Hashed, Marker, Push, Transport, TransportError, hash_all};
use engine::verify::{Verification, verify};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// A destination under test: the transport, and where its bytes lie for a tamperer.
pub trait Destination: Send + Sync {
    /// What is tested.
    fn shared(&self) -> &Arc<dyn Transport>;
    fn transport(&self) -> &dyn Transport {
        &**self.shared()
    }
    /// The equipment's root as a local folder.
    fn root(&self) -> &Path;
    /// True when an interrupted push leaves parts of files in its temporary folder, to go on with them.
    fn keeps_parts(&self) -> bool {
        false
    }
    /// How often a push of some files asks for the limit at least; others ask before every piece.
    fn limit_is_asked_at_least(&self) -> usize {
        9
    }
    /// True where it is told when a file was changed last, finely: then nothing that looks as it did is hashed again.
    fn tells_changes(&self) -> bool {
        false
    }
    /// False for names that this destination cannot hold; the gate must refuse those.
    fn holds(&self, _name: &[u8]) -> bool {
        true
    }
}

/// Makes a destination: its root (not yet there), and the staging root.
pub type Make = fn(&Path, &Path) -> Box<dyn Destination>;

/// Everything a test needs.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub destination: Box<dyn Destination>,
    pub context: CallContext,
    pub placed: Arc<Mutex<BTreeSet<(String, FilePath)>>>,
    seals: AtomicU64,
}

/// A run in staging and on the NAS.
pub struct TestRun {
    pub path: RunPath,
    pub source: RunFolder,
    pub there: PathBuf,
}

pub fn file(name: impl AsRef<[u8]>) -> FilePath {
    FilePath::new(name.as_ref()).unwrap()
}

pub fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

pub fn marker() -> Marker {
    Marker {
        what: "exlab-orchestrator destination".to_owned(),
        installation: "6d0f1f3e-3a55-4a6e-8a39-2b1a0a4e5f10".to_owned(),
        equipment: "EQ_1".to_owned(),
        created_at: domain::timestamp::Timestamp::from_unix_seconds(1_700_000_000),
        host: "orch-01".to_owned(),
    }
}

impl Bench {
    /// A marked destination and an empty staging tree.
    pub async fn new(make: Make) -> Bench {
        let bench = Bench::unmarked(make);
        bench.transport().mark(&marker(), false, &bench.context).await.unwrap();
        bench
    }

    pub fn unmarked(make: Make) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("staging")).unwrap();
        let destination = make(&dir.path().join("nas/EQ_1"), &dir.path().join("staging"));
        let context =
            CallContext { cancel: CancellationToken::new(), progress: ProgressSink::new(), limit: Arc::new(|| None) };
        Bench { dir, destination, context, placed: Arc::default(), seals: AtomicU64::new(0) }
    }

    pub fn transport(&self) -> &dyn Transport {
        self.destination.transport()
    }

    /// The destination as the engine has it, marked as [`marker`] says.
    pub fn ours(&self) -> engine::transport::destination::Destination {
        let equipment = domain::settings::Equipment {
            id: marker().equipment,
            label: String::new(),
            signal: None,
            settle_seconds: None,
            open_files_wait_seconds: 0,
            synced_here: true,
            transport: None,
            staging_transport: "smb_mount".to_owned(),
        };
        let clock = engine::machine::clock::Clock::system();
        engine::transport::destination::Destination::new(
            equipment,
            self.destination.shared().clone(),
            marker().installation,
            clock,
        )
    }

    pub fn staging(&self) -> PathBuf {
        self.dir.path().join("staging")
    }

    /// Makes a run; `below` is e.g. `P/Runs/Run_1`.
    pub fn run(&self, below: &str, files: &[(&[u8], &[u8])]) -> TestRun {
        let path = RunPath::parse(&format!("EQ_1/{below}")).unwrap();
        let folder = self.staging().join(path.as_str());
        std::fs::create_dir_all(&folder).unwrap();
        for (name, content) in files {
            write(&folder.join(os(name)), content);
        }
        let source = StagingRoot::open(&self.staging()).unwrap().run(&path).unwrap();
        TestRun { there: self.destination.root().join(below), path, source }
    }

    fn state(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn list(&self, run: &TestRun) -> Listing {
        let path = self.state(&format!("listing-{}", self.seals.fetch_add(1, Ordering::Relaxed)));
        Listing::of_run(&run.source, &path, 0, |_| ()).unwrap()
    }

    fn seal_path(&self, run: &TestRun, seal: &str) -> PathBuf {
        self.state(&format!("{seal}-{}", run.path.below_equipment().replace('/', "-")))
    }

    /// A seal in the making, as `push_listed` opens it.
    pub fn writer(&self, run: &TestRun, listing: &Listing, seal: &str) -> SealWriter {
        SealWriter::open(listing, &self.seal_path(run, seal)).unwrap()
    }

    /// Lists, sends, seals.
    pub async fn push(&self, run: &TestRun) -> Result<SealReader, TransportError> {
        let listing = self.list(run);
        self.push_listed(run, &listing, "seal", None).await
    }

    /// Sends a listing; `seal` names the seal's file, so that another attempt can go on with it.
    pub async fn push_listed(
        &self,
        run: &TestRun,
        listing: &Listing,
        seal: &str,
        again: Option<&[FilePath]>,
    ) -> Result<SealReader, TransportError> {
        self.push_over(self.transport(), run, listing, seal, again).await
    }

    /// The same over a transport that is not the bench's own.
    pub async fn push_over(
        &self,
        transport: &dyn Transport,
        run: &TestRun,
        listing: &Listing,
        seal: &str,
        again: Option<&[FilePath]>,
    ) -> Result<SealReader, TransportError> {
        let path = self.seal_path(run, seal);
        let writer = SealWriter::open(listing, &path).unwrap();
        if !transport.hashes_while_pushing() {
            let (source, listing, writer, context) =
                (run.source.clone(), listing.clone(), writer.clone(), self.context.clone());
            tokio::task::spawn_blocking(move || hash_all(&source, &listing, &writer, &context)).await.unwrap()?;
        }
        self.push_sealing(transport, run, listing, &writer, again).await?;
        if again.is_some() {
            return Ok(SealReader::open(&path).unwrap());
        }
        Ok(writer.finish(1).unwrap())
    }

    /// Sends a listing whose files were hashed before.
    pub async fn push_hashed(
        &self,
        run: &TestRun,
        listing: &Listing,
        writer: &SealWriter,
    ) -> Result<(), TransportError> {
        self.push_sealing(self.transport(), run, listing, writer, None).await
    }

    async fn push_sealing(
        &self,
        transport: &dyn Transport,
        run: &TestRun,
        listing: &Listing,
        writer: &SealWriter,
        again: Option<&[FilePath]>,
    ) -> Result<(), TransportError> {
        let key = run.path.as_str().to_owned();
        let push = Push {
            run: &run.path,
            source: &run.source,
            listing,
            seal: writer,
            again,
            placed_by_us: &|file| self.placed.lock().unwrap().contains(&(key.clone(), file.clone())),
            placed: &|file| {
                self.placed.lock().unwrap().insert((key.clone(), file.clone()));
            },
            hashed: &|_| (),
        };
        transport.push(push, &self.context).await
    }

    /// Sends everything; also what the destination said of files while others were still sent.
    pub async fn push_and_listen(
        &self,
        transport: &dyn Transport,
        run: &TestRun,
        listing: &Listing,
        seal: &str,
    ) -> (SealReader, Vec<Hashed>) {
        let writer = SealWriter::open(listing, &self.seal_path(run, seal)).unwrap();
        let (source, copy, hashing, context) =
            (run.source.clone(), listing.clone(), writer.clone(), self.context.clone());
        tokio::task::spawn_blocking(move || hash_all(&source, &copy, &hashing, &context)).await.unwrap().unwrap();
        let told = Mutex::new(Vec::new());
        let push = Push {
            run: &run.path,
            source: &run.source,
            listing,
            seal: &writer,
            again: None,
            placed_by_us: &|_| true,
            placed: &|_| (),
            hashed: &|hashed| told.lock().unwrap().push(hashed),
        };
        transport.push(push, &self.context).await.unwrap();
        (writer.finish(1).unwrap(), told.into_inner().unwrap())
    }

    pub async fn verify(&self, run: &TestRun, seal: &SealReader) -> Verification {
        verify(self.transport(), &run.path, seal, Some(&run.source), &self.context).await.unwrap()
    }

    pub async fn assert_proven(&self, run: &TestRun, seal: &SealReader) {
        match self.verify(run, seal).await {
            Verification::Proven(manifest) => assert_eq!(manifest.totals(), seal.totals()),
            other => panic!("{other:?}"),
        }
    }

    pub async fn push_and_prove(&self, run: &TestRun) -> SealReader {
        let seal = self.push(run).await.unwrap();
        self.assert_proven(run, &seal).await;
        seal
    }

    /// Nothing of a transfer is left but what has its final name.
    pub fn assert_no_leftovers(&self) {
        let left: Vec<PathBuf> = files_below(&self.destination.root().join(".exlab-orchestrator/tmp"));
        assert_eq!(left, Vec::<PathBuf>::new());
    }
}

pub fn write(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Regular files below a folder, relative, sorted.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().strip_prefix(folder).unwrap().to_owned())
        .collect();
    found.sort();
    found
}

pub fn set_mtime(path: &Path, seconds: u64, nanoseconds: u32) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(seconds, nanoseconds);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Rewrites a file and gives it its old mtime.
pub fn rewrite_keeping_mtime(path: &Path, content: &[u8]) {
    let mtime = std::fs::metadata(path).unwrap().modified().unwrap();
    std::fs::write(path, content).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_modified(mtime).unwrap();
}
