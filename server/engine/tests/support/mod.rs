//! A laboratory for tests: a staging tree, a folder standing for the mounted NAS, a state folder, and a running engine.

#![allow(dead_code, reason = "each test program uses its own part")]

use domain::api::RunRow;
use domain::completeness::Signal;
use domain::job::JobState;
use domain::lifecycle::RunState;
use domain::path::RunPath;
use domain::problem::Problem;
use domain::settings::{Equipment, Orchestrator, Settings, StagingCleanup, Target, Transport};
use engine::keep::staging_owner::OWNER_FILE;
use engine::machine::checkpoint::{Checkpoint, Checkpoints};
use engine::{Engine, Options};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The equipment of every test.
pub const EQUIPMENT: &str = "SCOPE_01";
/// The name that ends a run.
pub const SENTINEL: &str = "done.flag";

/// How long anything may take before a test gives it up: long, since it only costs when something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Folders of one test, removed with it.
pub struct Lab {
    pub folder: tempfile::TempDir,
    pub settings: Settings,
}

impl Lab {
    pub fn new() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        for name in ["staging", "nas/SCOPE_01", "state"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let settings = settings(folder.path());
        Lab { folder, settings }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn staging(&self, below: &str) -> PathBuf {
        self.path("staging").join(below)
    }

    /// Where a run's data is to be on the NAS.
    pub fn nas(&self, run: &RunPath) -> PathBuf {
        self.path("nas").join(run.as_str())
    }

    pub async fn mark(&self) {
        engine::mark_destination(&self.settings, EQUIPMENT, &self.path("state"), "lab-pc", false).await.unwrap();
    }

    pub fn options(&self) -> Options {
        Lab::options_in(self.folder.path())
    }

    /// For a laboratory that another process made.
    pub fn options_in(folder: &Path) -> Options {
        let mut options = Options::new(folder.join("state"), "lab-pc".into());
        options.poll_interval = Duration::from_millis(200);
        options
    }

    /// Marked and running.
    pub async fn start(&self) -> Engine {
        self.start_with(Checkpoints::default()).await
    }

    pub async fn start_with(&self, checkpoints: Checkpoints) -> Engine {
        self.mark().await;
        let mut options = self.options();
        options.checkpoints = checkpoints;
        Engine::start(self.settings.clone(), options).await.unwrap()
    }

    /// Writes a run's files; the sentinel is one of them where it is meant to be complete.
    pub fn push(&self, run: &RunPath, files: &[(&str, &[u8])]) {
        for (name, bytes) in files {
            let path = self.staging(run.as_str()).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// An override as the existing system writes it: under the document's lock.
    pub fn override_as_the_existing_system(&self, run: &RunPath, class: &str) {
        let lock = std::fs::File::create(self.staging(run.as_str()).join(".exlab-wizard/creation.json.lock")).unwrap();
        lock.lock().unwrap();
        self.push(run, &[(".exlab-wizard/creation.json", &creation_with_override(class))]);
    }

    /// A usual run, complete.
    pub fn push_usual(&self, run: &RunPath) {
        let creation = include_bytes!("../../../../app/domain/tests/fixtures/creation/experimental.json");
        self.push(
            run,
            &[
                (".exlab-wizard/creation.json", creation),
                ("raw/frame_1.tif", &[7; 70_000]),
                ("raw/frame_2.tif", &[8; 1_000]),
                ("notes.txt", b"as planned"),
                ("empty.dat", b""),
                (SENTINEL, b""),
            ],
        );
    }
}

pub fn settings(folder: &Path) -> Settings {
    Settings {
        orchestrator: Some(Orchestrator {
            label: "Test bench".into(),
            staging_root: folder.join("staging").display().to_string(),
            staging_cleanup: StagingCleanup::Manual,
        }),
        equipment: vec![equipment(EQUIPMENT, &folder.join("nas").join(EQUIPMENT))],
        ..Settings::default()
    }
}

pub fn equipment(id: &str, root: &Path) -> Equipment {
    Equipment {
        id: id.into(),
        label: format!("{id} of the tests"),
        signal: Some(Signal::sentinel(SENTINEL).unwrap()),
        settle_seconds: Some(0),
        open_files_wait_seconds: 3_600,
        synced_here: true,
        transport: Some(Transport {
            target: Target::Mount { path: root.display().to_string() },
            bandwidth: Default::default(),
        }),
        staging_transport: "smb_mount".into(),
    }
}

pub fn run(name: &str) -> RunPath {
    RunPath::parse(&format!("{EQUIPMENT}/Cortex Q3 Pilot/Runs/{name}")).unwrap()
}

/// Waits until `holds`, looking again at every event and at least every 20 ms; tells what it waited for when it never
/// does.
pub async fn until<T>(what: &str, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = holds().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for a run's state; what its row says when it never comes.
pub async fn until_state(engine: &Engine, run: &RunPath, state: RunState) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while engine.core().index.look(run, |facts| facts.state()).flatten() != Some(state) {
        let row = engine.core().index.row(run);
        assert!(tokio::time::Instant::now() < deadline, "{run} never became {state}: {row:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the record has reached the NAS too.
pub async fn until_record_sent(engine: &Engine, run: &RunPath) {
    until(&format!("the record of {run} on the NAS"), async || {
        engine
            .core()
            .index
            .look(run, |facts| facts.job.as_ref().is_some_and(|job| job.record_sent))
            .filter(|sent| *sent)
    })
    .await;
}

/// Every regular file below a folder: path and content. The engine may write documents at the same time, through
/// temporary names: a file that goes between listing and reading makes it start over.
pub fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    loop {
        let listed = walkdir::WalkDir::new(folder)
            .into_iter()
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_file());
        // Room that the program keeps back for clearing, and whose tree it is.
        let own = [".exlab-reserve", OWNER_FILE];
        let is_own = |name: &str| own.iter().any(|own| name.starts_with(own));
        let listed = listed.filter(|entry| !entry.file_name().to_str().is_some_and(is_own));
        let read: std::io::Result<Vec<_>> = listed
            .map(|entry| Ok((entry.path().strip_prefix(folder).unwrap().to_owned(), std::fs::read(entry.path())?)))
            .collect();
        match read {
            Ok(mut files) => {
                files.sort();
                return files;
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
        }
    }
}

/// Waits inside a step: the thread that takes it waits, and what else it had to do goes on elsewhere.
pub fn hold_up<T>(wait: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(wait)
}

/// Does something once, when a step is reached for the first time.
pub fn once(step: Checkpoint, act: impl FnOnce() + Send + 'static) -> Checkpoints {
    nth(step, 1, act)
}

/// Does something once, when a step is reached for the nth time.
pub fn nth(step: Checkpoint, nth: usize, act: impl FnOnce() + Send + 'static) -> Checkpoints {
    let (left, act) = (AtomicUsize::new(nth), Mutex::new(Some(act)));
    Checkpoints::listening(move |taken| {
        if taken == step && left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let act = act.lock().unwrap().take();
            if let Some(act) = act {
                act();
            }
        }
    })
}

/// Counts how often a step is reached.
pub fn counting(step: Checkpoint) -> (Checkpoints, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let checkpoints = Checkpoints::listening(move |taken| {
        if taken == step {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    (checkpoints, count)
}

/// The data of a run's folder: everything but its record.
pub fn data_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files_below(folder).into_iter().filter(|(path, _)| !path.starts_with(".exlab-wizard")).collect()
}

/// Waits until a run is verified and its record sent: nothing is in work on it any more.
pub async fn until_verified(engine: &Engine, run: &RunPath) {
    until_state(engine, run, RunState::SyncVerified).await;
    until_record_sent(engine, run).await;
}

/// Waits until every clear has ended: its row may say what became of it a moment before its intent is closed.
pub async fn until_no_clear_is_open(engine: &Engine) {
    let open = async || engine.core().store.open_intents().await;
    until("every clear has ended", async || open().await.is_ok_and(|open| open.is_empty()).then_some(())).await;
}

/// Waits until the run's job is in a state; what its row says when it never comes.
pub async fn until_job(engine: &Engine, run: &RunPath, state: JobState) {
    let what = format!("job of {run} {state}");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while engine.core().index.look(run, |facts| facts.job.as_ref().map(|job| job.state)).flatten() != Some(state) {
        let row = engine.core().index.row(run);
        assert!(tokio::time::Instant::now() < deadline, "never came: {what}: {row:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A run's row as it is now, if it has one.
pub fn shown(engine: &Engine, run: &RunPath) -> Option<RunRow> {
    engine.core().index.row(run).map(|row| (*row).clone())
}

/// Waits until a run's row is as wanted; what it was when it never comes.
pub async fn until_row(engine: &Engine, run: &RunPath, what: &str, wanted: impl Fn(&RunRow) -> bool) -> RunRow {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let row = shown(engine, run);
        if let Some(row) = row.clone().filter(|row| wanted(row)) {
            return row;
        }
        assert!(tokio::time::Instant::now() < deadline, "never came: {what}: {row:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The row of a run as the list answers it.
pub async fn row(engine: &Engine, run: &RunPath) -> RunRow {
    let list = engine.list_staged_runs().await.unwrap();
    list.runs.into_iter().find(|row| row.run_path == run.as_str()).unwrap_or_else(|| panic!("{run} is not in the list"))
}

/// The files a problem names.
pub fn files_of(problem: &Problem) -> Vec<String> {
    let files = problem.details.get("files").and_then(|files| files.as_array()).cloned().unwrap_or_default();
    files.iter().filter_map(|file| file.as_str().map(str::to_owned)).collect()
}

/// States of an ingest.json.
pub fn history_of(ingest: &Path) -> Vec<String> {
    let ingest: serde_json::Value = serde_json::from_slice(&std::fs::read(ingest).unwrap()).unwrap();
    ingest["history"].as_array().unwrap().iter().map(|entry| entry["state"].as_str().unwrap().to_owned()).collect()
}

/// `sync_status` as the producer reads it.
pub fn sync_status(run_folder: &Path) -> String {
    let bytes = std::fs::read(run_folder.join(".exlab-wizard/creation.json")).unwrap();
    let creation: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    creation["sync_status"].as_str().unwrap_or("pending").to_owned()
}

/// A creation.json that lets one class of findings through.
pub fn creation_with_override(class: &str) -> Vec<u8> {
    let bytes = include_bytes!("../../../../app/domain/tests/fixtures/creation/experimental.json");
    let mut creation: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    creation["validation_overrides"] = serde_json::json!([{
        "id": "11111111-1111-4111-8111-111111111111", "problem_class": class, "operator": "asmith",
        "recorded_at": "2026-04-18T09:14:22Z", "reason": "Left out on purpose.", "revoked": false, "expires_at": null,
    }]);
    creation.to_string().into_bytes()
}

/// Copies a folder as `cp -a` does: times and modes too.
pub fn copy_folder(from: &Path, to: &Path) {
    command("cp", &["-a", from.to_str().unwrap(), to.to_str().unwrap()]).unwrap();
}

/// Runs a tool of the system: what it prints, or its words when it fails.
#[allow(clippy::disallowed_methods, reason = "a test asks the system's own tools")]
pub fn command(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output =
        std::process::Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            Err(format!("{program} {arguments:?}: {out}{err}"))
        }
    }
}

/// Takes away what [`fill`] made.
pub fn free(folder: &Path) {
    std::fs::remove_file(folder.join(".filler")).unwrap();
}

/// Takes all space that is left below a folder.
pub fn fill(folder: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::options().create(true).append(true).open(folder.join(".filler")).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Removes a folder and everything in it, as a person does.
#[allow(clippy::disallowed_methods, reason = "a test plays a person")]
pub fn remove(folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
}

/// A mount that is taken away with this.
pub struct Mounted(PathBuf);

impl Mounted {
    /// A file system of its own, of this size.
    pub fn tmpfs(at: &Path, size: &str) -> Mounted {
        Mounted::mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "exlab-test", at.to_str().unwrap()], at)
    }

    /// The folder `from`, seen at `at` too.
    pub fn bind(from: &Path, at: &Path) -> Mounted {
        Mounted::mount(&["--bind", from.to_str().unwrap(), at.to_str().unwrap()], at)
    }

    fn mount(arguments: &[&str], at: &Path) -> Mounted {
        command("mount", arguments).unwrap_or_else(|error| panic!("{MOUNTS}: {error}"));
        Mounted(at.to_owned())
    }
}

const MOUNTS: &str = "this test mounts: run it as root, or as `unshare --map-root-user --mount cargo test -p engine`";

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = command("umount", &["--lazy", self.0.to_str().unwrap()]) {
            eprintln!("{error}");
        }
    }
}
