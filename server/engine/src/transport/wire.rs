//! What a destination can do once it is opened, in small steps. What is done with them (how a record grows, what moves
//! aside, when a marker may be written) is decided above, once for all destinations, in `transport::rules`.

use super::{Hashed, RecordFile, TransportError};
use async_trait::async_trait;
use domain::path::{FilePath, RunPath};

/// A file of a run and how many bytes it holds there, or should hold.
pub type SizedFile = (FilePath, u64);

/// Takes what is read, piece by piece.
pub type Take<'a> = dyn FnMut(&[u8]) + Send + 'a;

/// An opened destination of one equipment. Names are relative: of a run to its folder at the destination, of our own
/// files to the equipment's root.
///
/// **The contract of every implementation**
/// - No folder of a run is followed where it is a link: that is [`domain::job::FailureClass::Conflict`].
/// - Only [`Wire::replace`] and [`Wire::write_own`] take the place of what stands under a name; what the first writes has
///   its name only once it is whole.
/// - Each ends soon after the context that the destination was opened with is cancelled, with
///   [`domain::job::FailureClass::Interrupted`].
#[async_trait]
pub trait Wire: Send + Sync {
    /// What the operator calls the destination.
    fn destination(&self) -> String;

    /// The marker's bytes as they were found when it was opened; empty where there is none.
    fn marker(&self) -> &[u8];

    /// Writes the marker; without `replace` never over another.
    async fn put_marker(&self, marker: &[u8], replace: bool) -> Result<(), TransportError>;

    /// Removes the marker that was put a moment ago; another one stays.
    async fn take_marker_back(&self, marker: &[u8]) -> Result<(), TransportError>;

    /// What stands directly in a folder of the run, in no order; nothing where it is not there.
    async fn names_in(&self, run: &RunPath, folder: &str) -> Result<Vec<Vec<u8>>, TransportError>;

    /// Those of the files under whose names something stands that is not a folder, with its bytes where it is a file.
    async fn standing(&self, run: &RunPath, files: &[FilePath]) -> Result<Vec<SizedFile>, TransportError>;

    /// Moves files of the run to below a folder of the run, which is made. The name of the first that something was in
    /// the way of; one that is not there is done.
    async fn move_files(
        &self,
        run: &RunPath,
        files: &[SizedFile],
        folder: &str,
    ) -> Result<Option<FilePath>, TransportError>;

    /// Moves everything that is directly in a folder of the run, but for the names in `except`, to another one, which
    /// is made where empty folders are kept, so that it can be seen later that this was done. Something in the way is a
    /// conflict.
    async fn move_contents(&self, run: &RunPath, from: &str, except: &[&str], to: &str) -> Result<(), TransportError>;

    /// Gives a folder of the run another name, which is free.
    async fn rename_folder(&self, run: &RunPath, from: &str, to: &str) -> Result<(), TransportError>;

    /// Removes folders of the run that hold no file. What holds one stays.
    async fn remove_empty_folders(&self, run: &RunPath, folders: &[FilePath]) -> Result<(), TransportError>;

    /// The first bytes of a file of our own, so many at most; `None` where it is not there.
    async fn read_own(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, TransportError>;

    /// Writes a file of our own about a run.
    async fn write_own(&self, run: &RunPath, name: &str, bytes: Vec<u8>) -> Result<(), TransportError>;

    /// Writes files of the run's record, each in the place of its earlier version, with the folders they need.
    async fn replace(&self, run: &RunPath, files: &[&RecordFile]) -> Result<(), TransportError>;

    /// Hashes what the destination holds for these files of the run's record, in the given order. The bytes that each
    /// should hold bound how long that may take.
    async fn hash_record(&self, run: &RunPath, files: &[SizedFile]) -> Result<Vec<Hashed>, TransportError>;

    /// Reads a file of the run back from its beginning, piece by piece; false where it could not be read to its end.
    async fn read(&self, run: &RunPath, file: &FilePath, take: &mut Take<'_>) -> Result<bool, TransportError>;

    /// Makes everything written so far durable, where the destination can be told to.
    async fn sync(&self) -> Result<(), TransportError>;
}
