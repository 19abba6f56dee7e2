//! One workstation with its instruments and its NAS, and the release binary at work on it, which may be killed at any
//! time.

use super::books::Books;
use super::disks::Disk;
use super::judge::{self, Class};
use super::places::Places;
use super::strikes::Strikes;
use super::verdicts::Verdicts;
use crate::process::{Call, Running};
use crate::sshd::Sshd;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Instruments of a site, each with a folder of its own on the NAS.
pub const INSTRUMENTS: usize = 6;
/// The signal of a finished run.
pub const SENTINEL: &str = "acquisition_complete.flag";
/// How long the program may take to be ready.
const STARTS_WITHIN: Duration = Duration::from_secs(90);
/// How long after a fault of the whole site "not now" is still an answer.
const AFTERMATH: Duration = Duration::from_secs(10);
const DISK_BYTES: u64 = 3 << 30;
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Ways to the NAS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub enum Way {
    /// A mounted path.
    #[value(name = "mount")]
    Mount,
    /// rsync over ssh, to an sshd of the campaign's own.
    #[value(name = "rsync_ssh")]
    RsyncSsh,
    /// rclone by SFTP to the same.
    #[value(name = "rclone")]
    Rclone,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Way::Mount => "mount",
            Way::RsyncSsh => "rsync_ssh",
            Way::Rclone => "rclone",
        })
    }
}

impl Way {
    /// Runs at once that keep the way busy and do not only wait for their turn.
    pub fn at_once(self) -> usize {
        match self {
            Way::Mount => 96,
            Way::RsyncSsh => 16,
            Way::Rclone => 10,
        }
    }
}

/// The disks of the site.
pub struct Disks {
    /// What instruments push to.
    pub staging: Disk,
    /// The NAS.
    pub nas: Disk,
    /// The program's own state.
    pub state: Disk,
}

/// The site.
pub struct Site {
    // Dropped in this order: the program ends before its disks go, and those before their folder.
    program: Mutex<Option<Running>>,
    sshd: Mutex<Option<Sshd>>,
    /// `None` where this account may not mount images.
    pub disks: Option<Disks>,
    /// What is owed.
    pub books: Books,
    /// Where it may stand.
    pub places: Places,
    /// What was found wrong.
    pub verdicts: Verdicts,
    /// The way to the NAS.
    pub way: Way,
    rows: Mutex<Arc<HashMap<String, Value>>>,
    world: Mutex<()>,
    /// How often the whole site was hit, and by what.
    pub strikes: Strikes,
    /// Milliseconds since `begun`, plus one; `u64::MAX`: now.
    trouble: AtomicU64,
    begun: Instant,
    binary: PathBuf,
    port: u16,
    folder: TempDir,
}

impl Site {
    /// Folders, disks, config, markers, and the program, ready.
    pub fn open(binary: &Path, way: Way, seed: u64) -> Result<Site> {
        let site = Site::prepare(binary, way, seed)?;
        for instrument in 0..INSTRUMENTS {
            fs::create_dir_all(site.places.nas[0].join(equipment(instrument)))?;
            site.call(&["nas", "init", &equipment(instrument)]).read()?;
        }
        site.start()?;
        Ok(site)
    }

    /// Folders and disks alone.
    pub fn without_program(seed: u64) -> Result<Site> {
        Site::prepare(Path::new("none"), Way::Mount, seed)
    }

    fn prepare(binary: &Path, way: Way, seed: u64) -> Result<Site> {
        let folder = tempfile::Builder::new().prefix("campaign-").tempdir_in(crate::bench::lab_home()?)?;
        let at = |name: &str| folder.path().join(name);
        for name in ["staging", "nas", "state", "bin"] {
            fs::create_dir_all(at(name))?;
        }
        let disk = |name: &str| Disk::mount(&at(&format!("{name}.img")), &at(name), DISK_BYTES);
        let mounted =
            (|| Ok::<_, anyhow::Error>(Disks { staging: disk("staging")?, nas: disk("nas")?, state: disk("state")? }))(
            );
        let disks = mounted.map_err(|error| eprintln!("xtask: disks are not filled in this campaign: {error:#}")).ok();
        let sshd = if way == Way::Mount { None } else { Some(Sshd::start()?) };
        // Below the disk's own root, which cannot be renamed.
        let nas = [at("nas").join("lab"), at("nas").join("away")];
        let site = Site {
            books: Books::default(),
            places: Places { staging: at("staging"), nas },
            verdicts: Verdicts::new(seed),
            disks,
            way,
            sshd: Mutex::new(sshd),
            program: Mutex::default(),
            rows: Mutex::default(),
            world: Mutex::default(),
            strikes: Strikes::default(),
            trouble: AtomicU64::new(0),
            begun: Instant::now(),
            binary: binary.to_owned(),
            port: TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port(),
            folder,
        };
        fs::write(site.at("clock"), "+0\n")?;
        site.write_tools()?;
        fs::write(site.at("config.yaml"), site.config()?)?;
        Ok(site)
    }

    /// Below the site's own folder.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// True where the clock of the program can be set.
    pub fn has_clock(&self) -> bool {
        Path::new(FAKETIME).exists()
    }

    /// Tools that do what the real ones do, unless a file says that they lie.
    fn write_tools(&self) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        for tool in ["rclone", "rsync", "ssh"] {
            let Some(real) = crate::machine::find_tool(tool) else { continue };
            let (path, lie) = (self.at("bin").join(tool), self.at("lie"));
            let words = format!("#!/bin/sh\n[ -e '{}' ] && exit 0\nexec '{}' \"$@\"\n", lie.display(), real.display());
            fs::write(&path, words)?;
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
        }
        Ok(())
    }

    fn config(&self) -> Result<String> {
        let mut config = format!(
            "orchestrator: {{label: Campaign, staging_root: '{}', staging_cleanup: {{mode: scheduled, retain_hours: 1}}}}\n\
             nas_cleanup: {{min_verify_passes: 1, min_age_hours: 1}}\nserver: {{listen: '127.0.0.1:{}'}}\nlogging: {{level: info}}\n\
             sync: {{workers: {INSTRUMENTS}, binaries: {{rclone: '{bin}/rclone', rsync: '{bin}/rsync', ssh: '{bin}/ssh'}}}}\nequipment:\n",
            self.places.staging.display(),
            self.port,
            bin = self.at("bin").display(),
        );
        if self.way == Way::Rclone {
            fs::write(self.at("rclone.conf"), lock(&self.sshd).as_ref().context("no sshd")?.remote())?;
        }
        for instrument in 0..INSTRUMENTS {
            let (id, path) = (equipment(instrument), self.places.nas[0].join(equipment(instrument)));
            let transport = match self.way {
                Way::Mount => format!("{{type: mount, path: '{}'}}", path.display()),
                Way::Rclone => format!(
                    "{{type: rclone, rclone_remote: nas, rclone_remote_path: '{}', rclone_config: '{}'}}",
                    path.display(),
                    self.at("rclone.conf").display()
                ),
                Way::RsyncSsh => lock(&self.sshd).as_ref().context("no sshd")?.transport(&path),
            };
            config.push_str(&format!(
                "  - {{id: {id}, completeness_signal: sentinel_file, sentinel_filename: {SENTINEL}, settle_seconds: 1, \
                 open_files_wait_seconds: 5, transport: {transport}}}\n"
            ));
        }
        Ok(config)
    }

    /// The binary with these words, on this site.
    pub fn call(&self, words: &[&str]) -> Call {
        let call = Call::new(&self.binary).args(words).arg("--config").arg(self.at("config.yaml"));
        let call = call.env("XDG_STATE_HOME", self.at("state"));
        if !self.has_clock() {
            return call;
        }
        call.env("LD_PRELOAD", FAKETIME)
            .env("FAKETIME_TIMESTAMP_FILE", self.at("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1")
    }

    /// Starts the program and waits until its first scan has ended.
    pub fn start(&self) -> Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(self.at("serve.log"))?;
        *lock(&self.program) = Some(self.call(&["serve"]).start(log)?);
        let begun = Instant::now();
        while self.ask("GET", "/readyz").is_none_or(|(status, _)| status != 200) {
            if begun.elapsed() > STARTS_WITHIN || crate::stop::requests().was_asked() {
                bail!("the program is not ready after {} s", begun.elapsed().as_secs());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The running program, or nothing while it is down.
    pub fn program(&self) -> MutexGuard<'_, Option<Running>> {
        lock(&self.program)
    }

    /// The sshd of the site, where there is one.
    pub fn sshd(&self) -> MutexGuard<'_, Option<Sshd>> {
        lock(&self.sshd)
    }

    /// Where the program keeps its state.
    pub fn state(&self) -> PathBuf {
        self.at("state").join("exlab-orchestrator")
    }

    /// One fault of the whole site at a time; until it is dropped the site is in trouble.
    pub fn trouble(&self) -> Trouble<'_> {
        let guard = lock(&self.world);
        self.trouble.store(u64::MAX, Ordering::SeqCst);
        Trouble { site: self, _guard: guard }
    }

    /// True while the whole site is in trouble, and shortly after.
    pub fn is_troubled(&self) -> bool {
        let since = self.trouble.load(Ordering::SeqCst);
        since == u64::MAX || (since > 0 && self.begun.elapsed() < Duration::from_millis(since) + AFTERMATH)
    }

    /// Asks the program; nothing when nobody answers. Every answer is judged.
    pub fn ask(&self, method: &str, route: &str) -> Option<(u16, Value)> {
        let url = format!("http://127.0.0.1:{}{route}", self.port);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(120)))
            .build();
        let agent = ureq::Agent::new_with_config(config);
        let was_troubled = self.is_troubled();
        let answer = match method {
            "POST" => agent.post(&url).header("content-type", "application/json").send("{}"),
            _ => agent.get(&url).call(),
        };
        let mut answer = answer.ok()?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(1 << 28).read_to_vec().ok()?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        // Whether it is ready is what is asked there.
        if route != "/readyz"
            && let Some(wrong) = judge::answer(status, &body, was_troubled || self.is_troubled())
        {
            self.verdicts.found(Class::ServerError, &format!("{method} {route}"), &wrong);
        }
        Some((status, body))
    }

    /// The list as it was read last, by path.
    pub fn rows(&self) -> Arc<HashMap<String, Value>> {
        Arc::clone(&lock(&self.rows))
    }

    /// Reads the list.
    pub fn read_rows(&self) {
        let Some((200, body)) = self.ask("GET", "/api/v1/staging") else { return };
        let rows = body["runs"].as_array().into_iter().flatten();
        let named = rows.filter_map(|row| Some((row["run_path"].as_str()?.to_owned(), row.clone()))).collect();
        *lock(&self.rows) = Arc::new(named);
    }

    /// Judges the log and, where nobody ended it, that the program runs.
    pub fn check_program(&self) {
        let log = fs::read(self.at("serve.log")).unwrap_or_default();
        if let Some(line) = judge::log(&String::from_utf8_lossy(&log)) {
            self.verdicts.found(Class::Panic, "serve.log", &line);
        }
        if self.is_troubled() {
            return;
        }
        let ended = || self.program().as_mut().and_then(|program| program.ended().ok().flatten());
        if ended().is_none() {
            return;
        }
        // Whoever ends it on purpose has started it again by now.
        let _trouble = self.trouble();
        if let Some(status) = ended() {
            self.verdicts.found(Class::Panic, "the program", &format!("ended by itself with {status}"));
            if let Err(error) = self.start() {
                self.verdicts.found(Class::Campaign, "the program", &format!("{error:#}"));
            }
        }
    }

    /// Removes what a trial is done with. What stays only takes room.
    pub fn remove(&self, path: &Path) {
        let _ = Call::new("rm").args(["-rf", "--"]).arg(path).read();
    }

    /// Keeps the site's folder for whoever looks into what was found.
    pub fn keep(self) -> PathBuf {
        let Site { program, mut folder, disks, .. } = self;
        drop(program);
        // Images stay, and can be mounted again.
        drop(disks);
        folder.disable_cleanup(true);
        folder.path().to_owned()
    }
}

/// The id of an instrument.
pub fn equipment(instrument: usize) -> String {
    format!("SCOPE_{:02}", instrument + 1)
}

/// The whole site is in trouble until this goes.
pub struct Trouble<'a> {
    site: &'a Site,
    _guard: MutexGuard<'a, ()>,
}

impl Drop for Trouble<'_> {
    fn drop(&mut self) {
        let now = u64::try_from(self.site.begun.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.site.trouble.store(now + 1, Ordering::SeqCst);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
