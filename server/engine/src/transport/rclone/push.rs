//! Sending the sealed files, some thousands at a time: let rclone carry what is not there yet, look at what arrived,
//! give it its names.
//!
//! What the run's folder holds is listed once, before anything is sent. A portion that stands under its names is not
//! sent again, and neither is what an interrupted attempt left whole in our temporary folder.

use super::Place;
use super::capacity;
use super::look::{self, Kind, Seen};
use super::moves::move_files;
use super::opened::RcloneWire;
use super::private_folder::PrivateFolder;
use super::refusal::takes_a_file;
use super::send::{CopyCall, Unsent, send};
use super::session::Session;
use super::there::There;
use crate::files::hash::HashError;
use crate::transport::portions::{
    Met, Portion, Portions, Problems, Size, Sorted, Wanted, changed, folders_above, sort_out,
};
use crate::transport::rules::aside::Superseded;
use crate::transport::rules::fate::{Standing, has_appeared, no_folder};
use crate::transport::rules::layout::temporary_of;
use crate::transport::{CallContext, FILES_NAMED_AT_MOST, Push, TransportError};
use domain::api::Phase;
use domain::job::{FailureClass, Side};
use domain::path::FilePath;
use domain::proof::FileStat;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;

/// What one rclone is given at most.
const PORTION: Size = Size { files: 10_000, bytes: 16 << 30 };

/// Sends everything.
pub(super) async fn push(place: &Arc<Place>, push: Push<'_>, context: &CallContext) -> Result<(), TransportError> {
    let session = Session::open_marked(place, context).await?;
    let totals = push.listing.totals();
    match push.again {
        None => context.progress.begin(Phase::Sending, totals.files, totals.bytes),
        Some(files) => context.progress.begin(Phase::Sending, files.len() as u64, 0),
    }
    let folder = session.in_run(push.run, b"");
    let there = look::everything(&session, &folder, context).await?;
    let mut portions = Portions::new(push.listing, push.again, PORTION)?;
    let mut pushing = Pushing {
        temporary: temporary_of(push.run).into_bytes(),
        is_new: there.is_none(),
        there: there.unwrap_or_default(),
        folder,
        session,
        push,
        context,
        aside: Superseded::default(),
        problems: Problems::default(),
    };
    while let Some(portion) = portions.next().await? {
        if context.cancel.is_cancelled() {
            return Err(TransportError::interrupted());
        }
        pushing.portion(&portion).await?;
    }
    pushing.finish().await
}

struct Pushing<'a> {
    session: Session,
    /// The run's folder, below the root.
    folder: Vec<u8>,
    temporary: Vec<u8>,
    push: Push<'a>,
    context: &'a CallContext,
    aside: Superseded,
    problems: Problems,
    /// What the run's folder held before anything was sent.
    there: There,
    /// It is not known yet to be there.
    is_new: bool,
}

impl Pushing<'_> {
    async fn portion(&mut self, portion: &Portion) -> Result<(), TransportError> {
        let mut met = Vec::with_capacity(portion.files.len());
        for wanted in &portion.files {
            met.push((wanted.clone(), self.met(wanted).await?));
        }
        let Sorted { send, aside } = sort_out(&self.push, met, &mut self.problems, &self.context.progress);
        let wire = RcloneWire { session: self.session.clone(), context: self.context.clone() };
        self.aside.take(&wire, self.push.run, &aside).await?;
        if !send.is_empty() {
            self.send(&send).await?;
        }
        self.make_folders(&portion.empty_folders).await
    }

    /// What the run held under the name of a file.
    async fn met(&self, (path, stat): &Wanted) -> Result<Met, TransportError> {
        if let Some(folder) = self.blocked_above(path)? {
            return Ok(Met::NoFolder(folder.to_vec()));
        }
        let seen = look::one(&self.session, &self.folder, path.as_bytes(), &self.there, self.context).await?;
        Ok(seen.map_or(Met::Under(Standing::Nothing, 0), |seen| Met::Under(self.standing(&seen, stat), seen.size)))
    }

    /// Where no times are kept, every time is the same. rclone moves no links.
    fn standing(&self, seen: &Seen, sealed: &FileStat) -> Standing {
        let same_time = match (seen.mtime_ns, self.session.backend.precision_ns) {
            (Some(there), Some(precision)) => {
                // Cut to whole units, or rounded to the nearest.
                let apart = (there - i128::from(sealed.mtime_ns)).abs();
                apart < i128::from(precision).max(1)
            }
            _ => true,
        };
        match seen.kind {
            Kind::File => Standing::File { same_size: seen.size == sealed.size, same_time },
            Kind::Folder | Kind::Other => Standing::Folder,
        }
    }

    fn blocked_above<'p>(&self, path: &'p FilePath) -> Result<Option<&'p [u8]>, TransportError> {
        for folder in folders_above(path) {
            if self.is_blocked(folder)? {
                return Ok(Some(folder));
            }
        }
        Ok(None)
    }

    fn is_blocked(&self, folder: &[u8]) -> Result<bool, TransportError> {
        Ok(self.there.plain(folder)?.is_some_and(|seen| seen.kind != Kind::Folder))
    }

    async fn send(&mut self, files: &[Wanted]) -> Result<(), TransportError> {
        let names: Vec<&[u8]> = files.iter().map(|(path, _)| path.as_bytes()).collect();
        let sending = CopyCall {
            session: &self.session,
            source: self.push.source,
            data: &self.temporary,
            names: &names,
            bytes: files.iter().map(|(_, stat)| stat.size).sum(),
            again: self.push.again.is_some(),
            context: self.context,
        };
        let failed = send(&sending).await?;
        let changed = changed(self.push.source, files.to_vec()).await?;
        let arrived = self.arrived(files).await?;
        let whole: Vec<&Wanted> =
            files.iter().filter(|(path, _)| arrived.contains(path) && !changed.contains(path)).collect();
        self.place(&whole).await?;
        if let Some(first) = changed.first() {
            self.session.purge(&self.temporary, self.context).await?;
            let error = TransportError::from(HashError::Changed { path: first.clone() });
            return Err(TransportError { files: changed.into_iter().take(FILES_NAMED_AT_MOST).collect(), ..error });
        }
        match failed {
            None => Ok(()),
            Some(unsent) => {
                let lacking: Vec<&Wanted> = files.iter().filter(|(path, _)| !arrived.contains(path)).collect();
                let bytes = lacking.iter().map(|(_, stat)| stat.size).sum();
                let files = lacking.iter().take(FILES_NAMED_AT_MOST).map(|(path, _)| path.clone()).collect();
                Err(TransportError { files, ..self.full_or(unsent, bytes).await })
            }
        }
    }

    /// Not every server says that its disk is full: where one gives no reason and has less room than what is lacking,
    /// this is it. Where it tells no room either and takes a small file, it may be.
    async fn full_or(&self, Unsent { error, may_be_full }: Unsent, lacking: u64) -> TransportError {
        if error.class != FailureClass::Unknown {
            return error;
        }
        let place = &self.session.place;
        let why = match capacity::free_bytes(place, self.context).await {
            Some(free) if free < lacking => format!("{free} bytes are free there, and {lacking} are to be sent"),
            None if may_be_full && takes_a_file(place, self.context).await => {
                "the server gives no reason and tells no room: its disk may be full, or it refuses these files"
                    .to_owned()
            }
            _ => return error,
        };
        let message = format!("{}; {why}", error.message);
        TransportError::new(FailureClass::DestinationFull, Side::Destination, message)
    }

    /// Which files lie in our temporary folder with their sizes.
    async fn arrived<'w>(&self, files: &'w [Wanted]) -> Result<BTreeSet<&'w FilePath>, TransportError> {
        let Some(found) = look::everything(&self.session, &self.temporary, self.context).await? else {
            return Ok(BTreeSet::new());
        };
        let mut arrived = BTreeSet::new();
        for (path, stat) in files {
            let seen = look::one(&self.session, &self.temporary, path.as_bytes(), &found, self.context).await?;
            if seen.is_some_and(|seen| (seen.kind, seen.size) == (Kind::File, stat.size)) {
                arrived.insert(path);
            }
        }
        Ok(arrived)
    }

    /// Gives files their names.
    async fn place(&mut self, files: &[&Wanted]) -> Result<(), TransportError> {
        if files.is_empty() {
            return Ok(());
        }
        let names: Vec<&[u8]> = files.iter().map(|(path, _)| path.as_bytes()).collect();
        let largest = files.iter().map(|(_, stat)| stat.size).max().unwrap_or(0);
        let what = format!("placing files in {}", self.session.place.describe());
        let taken =
            move_files(&self.session, &self.temporary, &self.folder, &names, largest, &what, self.context).await?;
        self.is_new = false;
        for (path, _) in files {
            if taken.contains(path.as_bytes()) {
                self.problems.add(path, has_appeared(path));
            } else {
                (self.push.placed)(path);
            }
            self.context.progress.add_file();
        }
        Ok(())
    }

    /// Makes empty folders, all of a portion with one call: as a tree here, which is copied.
    async fn make_folders(&mut self, folders: &[FilePath]) -> Result<(), TransportError> {
        if folders.is_empty() || !self.session.backend.empty_folders {
            return Ok(());
        }
        let mut tree = PrivateFolder::make()?;
        for folder in folders {
            if self.blocked_above(folder)?.is_some() || self.is_blocked(folder.as_bytes())? {
                self.problems.add(folder, no_folder(self.push.run, folder.as_bytes()));
            } else {
                tree.folder(folder.as_bytes())?;
            }
        }
        let places = [OsString::from("."), self.session.at(&self.folder)];
        let call = self.session.write("copy", "making empty folders").arg("--create-empty-src-dirs");
        call.operands(places).in_folder(tree.path().to_owned()).ask(self.context).await?;
        self.is_new = false;
        Ok(())
    }

    async fn finish(self) -> Result<(), TransportError> {
        // Also the folder of an empty run: it is there, and proves nothing.
        if self.is_new && self.session.backend.empty_folders {
            let call = self.session.call("mkdir", "making the run's folder").operands([self.session.at(&self.folder)]);
            call.ask(self.context).await?;
        }
        self.session.purge(&self.temporary, self.context).await?;
        self.problems.into_result()
    }
}
