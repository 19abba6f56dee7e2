//! One trial: an instrument pushes a run, one fault is set, and an operator clears as soon as it may be done.

use super::damage::Damaged;
use super::faults::{Fault, Moment, heal};
use super::instrument::{Run, Written};
use super::judge::{self, Class, End};
use super::places::files_below;
use super::site::Site;
use super::world::World;
use fastrand::Rng;
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

/// From its fault on a run may take this long before it is to say why it does not end.
const PATIENCE: Duration = Duration::from_secs(60);
/// And this long before it counts as stuck.
const LAST_PATIENCE: Duration = Duration::from_secs(240);
/// How often a trial looks around; faults that are to come with a clear are set while it is asked for, and wait for no
/// look.
const LOOKS_EVERY: Duration = Duration::from_millis(60);
/// What only a person can undo is undone then.
const HEALED_AFTER: Duration = Duration::from_secs(4);
/// Between two acts of an operator who is refused.
const BETWEEN_ACTS: Duration = Duration::from_millis(2_500);

/// A trial that goes on.
struct Trial<'a> {
    site: &'a Site,
    run: Run,
    fault: Fault,
    moment: Moment,
    rng: Rng,
    was_set: bool,
    /// What the report counts it as, once that is known.
    name: &'static str,
    /// How often the site had been hit when this one came to wait for it.
    strikes_before: Option<usize>,
    /// How often it had been hit when the run was pushed.
    strikes_at_push: usize,
    set_at: Option<Instant>,
    held: Option<(String, File)>,
    signalled: Instant,
    seen_verified: Option<Instant>,
    /// When the clear was last asked for.
    asked_clear: Option<Instant>,
    history: Vec<Value>,
    /// Presses *Clear* whatever the panel says, now and then.
    is_impatient: bool,
}

/// Runs one to its end.
pub fn run(site: &Site, id: u64, fault: Fault, mut rng: Rng) {
    let moment = fault.moment(&mut rng);
    let Ok(run) = Run::push(site, id, &mut rng) else {
        // The disk is full: nothing was finished, and nothing is owed.
        let name = site.books.account(id).names.pop();
        site.books.close(id);
        if let Some(name) = name {
            site.remove(&site.places.here(&name));
        }
        return;
    };
    let is_impatient = rng.u8(..10) == 0;
    let now = Instant::now();
    let mut trial = Trial {
        site,
        run,
        fault,
        moment,
        rng,
        was_set: false,
        name: fault.name(),
        strikes_before: None,
        strikes_at_push: site.strikes.count(),
        set_at: None,
        held: None,
        signalled: now,
        seen_verified: None,
        asked_clear: None,
        history: Vec::new(),
        is_impatient,
    };
    trial.until_its_end();
}

impl Trial<'_> {
    fn until_its_end(&mut self) {
        if self.moment == Moment::Pushing {
            self.set();
        }
        while self.run.signal(self.site).is_err() {
            // The staging disk is full: the instrument tries again.
            if crate::stop::requests().was_asked() || !self.site.places.here(&self.run.name).exists() {
                return self.close(None);
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
        self.signalled = Instant::now();
        let (mut last_act, mut last_asked, mut looks) = (None::<Instant>, self.signalled, 0_u64);
        let end = loop {
            std::thread::park_timeout(LOOKS_EVERY);
            if crate::stop::requests().was_asked() {
                return self.close(None);
            }
            if !self.was_set && self.is_due() {
                self.set();
            }
            if self.set_at.is_some_and(|at| at.elapsed() > HEALED_AFTER) {
                heal(self.fault, self.site, &self.run);
            }
            self.write_what_is_held();
            looks += 1;
            if looks % 4 == 0 {
                self.note_history();
            }
            if self.is_cleared() {
                break End::Cleared;
            }
            if last_act.is_none_or(|last| last.elapsed() > BETWEEN_ACTS) && self.act(last_act.is_some()) {
                last_act = Some(Instant::now());
            }
            let waited = self.set_at.unwrap_or(self.signalled).elapsed();
            if waited > PATIENCE && last_asked.elapsed() > BETWEEN_ACTS {
                last_asked = Instant::now();
                match judge::end(self.detail().as_ref()) {
                    End::Stuck(_) | End::UnderWay if waited < LAST_PATIENCE => {}
                    end => break end,
                }
            }
        };
        self.close(Some(end));
    }

    fn row(&self) -> Option<Value> {
        self.site.rows().get(&self.run.name).cloned()
    }

    fn route(&self) -> String {
        self.run.name.replace(' ', "%20")
    }

    fn detail(&self) -> Option<Value> {
        let (status, body) = self.site.ask("GET", &format!("/api/v1/runs/{}", self.route()))?;
        (status == 200).then_some(body)
    }

    fn is_due(&self) -> bool {
        let after =
            |since: Option<Instant>, ms: u64| since.is_some_and(|since| since.elapsed() >= Duration::from_millis(ms));
        match self.moment {
            Moment::Pushing => true,
            Moment::Signalled(ms) => after(Some(self.signalled), ms),
            Moment::Verified(ms) => after(self.seen_verified, ms),
            Moment::Clearing(ms) => after(self.asked_clear, ms),
        }
    }

    fn set(&mut self) {
        let done = match self.fault {
            Fault::None => true,
            Fault::Source(source) => source.set(self.site, &mut self.run, &mut self.held, &mut self.rng).is_some(),
            Fault::There(damage) => match damage.set(self.site, &self.run, &mut self.rng) {
                // It comes to it when something is there; what is not there by then will not come, such as a second
                // file to swap with.
                Damaged::NotYet if self.seen_verified.is_some_and(|at| at.elapsed() > HEALED_AFTER) => false,
                Damaged::NotYet => return,
                Damaged::Done => true,
                Damaged::InTheInstant => {
                    self.site.verdicts.in_the_instant(self.name);
                    true
                }
            },
            Fault::World => {
                let before = *self.strikes_before.get_or_insert_with(|| self.site.strikes.count());
                let Some(name) = self.site.strikes.since(before).first().copied() else {
                    return self.site.strikes.want();
                };
                self.name = name;
                true
            }
        };
        if !done {
            // What it was to be done to has gone: too late for this run.
            self.fault = Fault::None;
            self.name = self.fault.name();
        }
        self.was_set = true;
        self.set_at = Some(Instant::now());
    }

    /// A file that was opened is written to once the clear is asked for, or somewhat later.
    fn write_what_is_held(&mut self) {
        let jitter = Duration::from_millis(self.rng.u64(..400));
        let asked = self.asked_clear.is_some_and(|asked| asked.elapsed() > jitter);
        // While it is open the clear is not even offered.
        let is_time = asked || self.set_at.is_some_and(|at| at.elapsed() > HEALED_AFTER);
        if is_time {
            self.let_go_of_what_is_held();
        }
    }

    /// Writes, and closes it. Nobody may have removed a file that was open before its clear was asked for; who opens it
    /// later may come into the instant before it goes.
    fn let_go_of_what_is_held(&mut self) {
        let Some((file, handle)) = self.held.take() else { return };
        if self.run.write_on(self.site, &file, handle, &mut self.rng) != Written::IntoNothing {
            return;
        }
        match (self.set_at, self.asked_clear) {
            (Some(opened), Some(asked)) if opened >= asked => self.site.verdicts.in_the_instant(self.name),
            _ => {
                let what = format!("{file} was removed while it was open for writing");
                self.site.verdicts.found(Class::Lost, &self.run.name, &what);
            }
        }
    }

    /// What an operator does now; false when there is nothing to do.
    fn act(&mut self, was_refused: bool) -> bool {
        let Some(row) = self.row() else {
            // Not listed: not seen yet, or gone.
            return false;
        };
        let may = |action: &str| row["actions"][action]["allowed"] == true;
        let is_verified = row["current_state"] == "sync_verified";
        if is_verified && self.seen_verified.is_none() {
            self.seen_verified = Some(Instant::now());
            self.hold_against_the_nas();
        }
        let waits_for_its_fault = !self.was_set && !matches!(self.moment, Moment::Clearing(_));
        if may("retry") && self.was_set {
            return self.ask("retry");
        }
        if (may("clear") && !waits_for_its_fault) || (self.is_impatient && self.rng.u8(..4) == 0) {
            return self.clear();
        }
        let is_verified_and_cannot_go = is_verified && !may("clear");
        if (was_refused || is_verified_and_cannot_go) && may("force_sync") && self.was_set {
            return self.ask("force-sync");
        }
        false
    }

    fn ask(&self, act: &str) -> bool {
        self.site.ask("POST", &format!("/api/v1/staging/{}/{act}", self.route())).is_some()
    }

    /// Asks for it, and sets the fault meanwhile when it is to come then.
    fn clear(&mut self) -> bool {
        let route = format!("/api/v1/staging/{}/clear", self.route());
        self.asked_clear = Some(Instant::now());
        let site = self.site;
        std::thread::scope(|scope| {
            let asked = scope.spawn(move || site.ask("POST", &route));
            while !asked.is_finished() {
                if !self.was_set && self.is_due() {
                    self.set();
                }
                self.write_what_is_held();
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
        true
    }

    /// A run that nobody touched, and that is called verified, stands on the NAS as it was written.
    fn hold_against_the_nas(&self) {
        if !matches!(self.fault, Fault::None | Fault::World) {
            return;
        }
        // Looked at again, since the NAS may be moved away at this very moment.
        let wrong = || judge::verified(&self.site.places, &self.site.books.account(self.run.id));
        let always = (0..4).map_while(|_| {
            std::thread::park_timeout(Duration::from_millis(50));
            wrong()
        });
        if let Some(wrong) = always.enumerate().filter(|(n, _)| *n == 3).map(|(_, wrong)| wrong).next() {
            self.site.verdicts.found(Class::FalselyVerified, &self.run.name, &wrong);
        }
    }

    /// The record here is only ever appended to.
    fn note_history(&mut self) {
        let folder = self.site.places.here(&self.run.name);
        let Some(now) = history_at(&folder) else { return };
        self.judge_history(&folder, &now, "here");
        if now.len() >= self.history.len() {
            self.history = now;
        }
    }

    /// Where the database was lost, or the end of it, and with it the clear that was under way, the run may be a new
    /// life: its record is kept as it was.
    fn judge_history(&self, folder: &Path, now: &[Value], place: &str) {
        let Some(wrong) = judge::history(&self.history, now) else { return };
        let losses = [World::LostDatabase.name(), World::TornDatabase.name()];
        let lost_its_state = self.site.strikes.since(self.strikes_at_push).iter().any(|strike| losses.contains(strike));
        // Here, or on its way to the NAS.
        let folders =
            [folder.to_owned(), self.site.places.here(&self.run.name), self.site.places.there(&self.run.name)];
        let lives = || folders.iter().flat_map(|folder| files_below(&folder.join(".exlab-wizard/lives")));
        let is_kept =
            || lives().filter_map(|life| entries_of(&life)).any(|life| judge::history(&self.history, &life).is_none());
        if !(lost_its_state && is_kept()) {
            self.site.verdicts.found(
                Class::History,
                &format!("{} {place}", self.run.name),
                &format!("{wrong} ({})", self.name),
            );
        }
    }

    /// Nothing stands here, and the record on the NAS says so.
    fn is_cleared(&mut self) -> bool {
        if fs::symlink_metadata(self.site.places.here(&self.run.name)).is_ok() {
            return false;
        }
        let Some(now) = history_at(&self.site.places.there(&self.run.name)) else { return false };
        // The link that was put in its place is no run.
        if now.last().is_none_or(|entry| entry["state"] != "cleared") {
            return false;
        }
        // The row goes once all is done.
        if self.row().is_some() {
            return false;
        }
        self.judge_history(&self.site.places.there(&self.run.name), &now, "on the NAS");
        true
    }

    fn close(&mut self, end: Option<End>) {
        self.let_go_of_what_is_held();
        let account = self.site.books.account(self.run.id);
        for (_, file) in self.site.places.lost(&account) {
            self.site.verdicts.found(Class::Lost, &self.run.name, &format!("{file} ({})", self.name));
        }
        if let Some(End::Stuck(state)) = &end {
            self.site.verdicts.found(Class::Stuck, &self.run.name, &format!("{state} ({})", self.name));
        }
        if end.is_some() {
            self.site.verdicts.ended(self.name, self.was_set, end.as_ref());
        }
        // What is kept is done with: the next ones need the room.
        if matches!(end, Some(End::Kept(_) | End::UnderWay)) {
            self.site.remove(&self.site.places.here(&self.run.name));
        }
        self.site.books.close(self.run.id);
    }
}

/// The lifecycle in the record of a run's folder.
fn history_at(folder: &Path) -> Option<Vec<Value>> {
    entries_of(&folder.join(".exlab-wizard/ingest.json"))
}

fn entries_of(record: &Path) -> Option<Vec<Value>> {
    let bytes = fs::read(record).ok()?;
    let record: Value = serde_json::from_slice(&bytes).ok()?;
    record["history"].as_array().cloned()
}
