//! Carries a plan out on disk. Every file is made anew in a folder made anew; nothing that was there is touched.

use super::SimulateError;
use super::equipment::Instrument;
use super::plan::{Deed, Flavour, Plan, PlannedFile, PlannedRun, Step};
use domain::completeness::Signal;
use domain::path::RunKind;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Tries for a folder name that is not taken.
const MOST_NAMES: u32 = 10_000;

/// Knows what was made.
pub struct Pusher<'a> {
    staging: &'a Path,
    instruments: &'a [Instrument],
    plan: &'a Plan,
    begun: Vec<Option<Begun>>,
}

/// A run whose folder was made here.
struct Begun {
    folder: PathBuf,
    open: Option<Growing>,
}

/// A file that grows.
struct Growing {
    file: usize,
    handle: File,
    written: u64,
    content: Content,
}

/// Bytes that differ from file to file and from block to block, the same however they are cut, and cheap to make.
struct Content(Box<[u8; BLOCK]>);

const BLOCK: usize = 64 << 10;

impl Content {
    fn new(seed: u64) -> Content {
        let mut block = Box::new([0; BLOCK]);
        StdRng::seed_from_u64(seed).fill_bytes(&mut block[..]);
        Content(block)
    }

    /// Bytes from `offset` to the end of its block, at most `most`.
    fn at(&mut self, offset: u64, most: u64) -> &[u8] {
        let (number, start) = (offset / BLOCK as u64, (offset % BLOCK as u64) as usize);
        self.0[..8].copy_from_slice(&number.to_le_bytes());
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(BLOCK - start);
        &self.0[start..start + length]
    }
}

impl<'a> Pusher<'a> {
    /// Nothing is made yet.
    pub fn new(staging: &'a Path, instruments: &'a [Instrument], plan: &'a Plan) -> Pusher<'a> {
        Pusher { staging, instruments, plan, begun: plan.runs.iter().map(|_| None).collect() }
    }

    /// Does one thing; gives a line for whoever watches.
    pub fn carry_out(&mut self, step: &Step) -> Result<Option<String>, SimulateError> {
        let run = &self.plan.runs[step.run];
        if step.deed == Deed::Begin {
            let begun = self.begin(run)?;
            let line = format!("pushing   {}{}", self.name(&begun.folder), note(run));
            self.begun[step.run] = Some(begun);
            return Ok(Some(line));
        }
        let signal = &self.instruments[run.instrument].signal;
        let Some(begun) = &mut self.begun[step.run] else { return Ok(None) };
        match step.deed {
            Deed::Begin => Ok(None),
            Deed::Append { file, up_to } => {
                begun.append(file, &run.files[file], up_to)?;
                let late = run.flavour == Flavour::Late && file + 1 == run.files.len() && up_to == run.files[file].size;
                let folder = begun.folder.clone();
                Ok(late.then(|| format!("late file {}", self.name(&folder))))
            }
            Deed::Signal => {
                begun.open = None;
                give_signal(&begun.folder, signal, promised(run))?;
                let folder = begun.folder.clone();
                Ok(Some(format!("complete  {}", self.name(&folder))))
            }
        }
    }

    fn begin(&self, run: &PlannedRun) -> Result<Begun, SimulateError> {
        let shelf = if run.kind() == RunKind::Test { "TestRuns" } else { "Runs" };
        let instrument = &self.instruments[run.instrument];
        let parent = self.staging.join(&instrument.id).join(run.project).join(shelf);
        fs::create_dir_all(&parent).map_err(|source| SimulateError::Write { path: parent.clone(), source })?;
        let folder = new_folder(&parent, &run.leaf())?;
        let record = creation(run, instrument, &folder);
        write_new(&folder.join(".exlab-wizard/creation.json"), record.to_string().as_bytes())?;
        write_new(&folder.join("README.md"), readme(run).as_bytes())?;
        Ok(Begun { folder, open: None })
    }

    fn name(&self, folder: &Path) -> String {
        folder.strip_prefix(self.staging).unwrap_or(folder).display().to_string()
    }
}

fn note(run: &PlannedRun) -> &'static str {
    match run.flavour {
        Flavour::Usual => "",
        Flavour::Test => "   (a test run)",
        Flavour::Big => "   (a big one)",
        Flavour::Late => "   (a file will come late)",
    }
}

impl Begun {
    fn append(&mut self, index: usize, planned: &PlannedFile, up_to: u64) -> Result<(), SimulateError> {
        let path = self.folder.join(&planned.path);
        let failed = |source| SimulateError::Write { path: path.clone(), source };
        let mut growing = match self.open.take().filter(|open| open.file == index) {
            Some(growing) => growing,
            None => Growing {
                file: index,
                handle: create_new(&path).map_err(failed)?,
                written: 0,
                content: Content::new(planned.seed),
            },
        };
        while growing.written < up_to {
            let bytes = growing.content.at(growing.written, up_to - growing.written);
            growing.handle.write_all(bytes).map_err(failed)?;
            growing.written += bytes.len() as u64;
        }
        if up_to < planned.size {
            self.open = Some(growing);
        }
        Ok(())
    }
}

/// What the instrument promises: all but what comes late.
fn promised(run: &PlannedRun) -> &[PlannedFile] {
    match run.flavour {
        Flavour::Late => run.files.split_last().map_or(&[], |(_, before)| before),
        _ => &run.files,
    }
}

fn give_signal(folder: &Path, signal: &Signal, files: &[PlannedFile]) -> Result<(), SimulateError> {
    match signal {
        Signal::SentinelFile { filename } => write_new(&folder.join(filename), b""),
        Signal::Manifest { filename } => {
            let files: Vec<_> = files.iter().map(|file| json!({"path": file.path, "size": file.size})).collect();
            write_new(&folder.join(filename), json!({ "files": files }).to_string().as_bytes())
        }
    }
}

/// Makes a folder that was not there: the leaf, or the leaf with a number.
fn new_folder(parent: &Path, leaf: &str) -> Result<PathBuf, SimulateError> {
    let mut taken = io::Error::from(io::ErrorKind::AlreadyExists);
    for number in 1..MOST_NAMES {
        let folder = parent.join(if number == 1 { leaf.to_owned() } else { format!("{leaf}-{number}") });
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
            Err(source) => return Err(SimulateError::Write { path: folder, source }),
        }
    }
    Err(SimulateError::Write { path: parent.join(leaf), source: taken })
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), SimulateError> {
    let written = create_new(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|source| SimulateError::Write { path: path.to_owned(), source })
}

fn create_new(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn creation(run: &PlannedRun, instrument: &Instrument, folder: &Path) -> serde_json::Value {
    let leaf = folder.file_name().unwrap_or_default().to_string_lossy();
    let place = format!("{}/{}/{leaf}", instrument.id, run.project);
    json!({
        "schema_version": "1.9",
        "created_at": run.created_at,
        "created_by": run.operator,
        "level": "run",
        "run_kind": run.kind(),
        "lims_project": {"uid": "8c7e9d2f-1a4b-4e6c-9b3d-7f2a1e5d8c4b", "short_id": "PROJ-0042", "name_at_creation": run.project},
        "template": {"name": "simulated_run", "version": "1.0", "source_path": "templates/simulated_run", "run_scope": "both"},
        "variables": {"project_name": run.project, "operator": run.operator, "run_date": run.created_at},
        "paths": {"local": format!("/data/lab/{place}"), "nas": format!("//nas01/lab/{place}")},
        "plugins_applied": [{
            "plugin": "xlsx_field_filler", "version": "0.3.1", "files_affected": ["metadata.xlsx"], "status": "success",
            "isolation": {"duration_ms": 412, "exit_code": 0, "peak_memory_mb": 38}
        }],
        "orchestrator": {"enabled": true, "host": "simulator", "label": "Simulated workstation"}
    })
}

fn readme(run: &PlannedRun) -> String {
    format!(
        "---\nproject: {}\noperator: {}\nmodality: confocal\nrun_date: {}\n---\n\nA run of the simulator: its data is random.\n",
        run.project, run.operator, run.created_at
    )
}
