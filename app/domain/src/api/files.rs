//! The files of a run, a window at a time.

use serde::{Deserialize, Serialize};

/// Files of a page when nothing else is asked for.
pub const FILES_PER_PAGE: u32 = 100;

/// Which window of a run's files is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FilesQuery {
    /// Matching files before the window.
    pub offset: u64,
    /// Files of the window: 1 to 1,000.
    pub limit: u32,
    /// Words that must all occur in the path, whatever their case.
    pub text: String,
    /// Only files in this state.
    pub state: Option<FileState>,
}

impl Default for FilesQuery {
    fn default() -> Self {
        FilesQuery { offset: 0, limit: FILES_PER_PAGE, text: String::new(), state: None }
    }
}

/// How a file of a run stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// In the folder; the run is not sealed yet.
    Unsealed,
    /// Sealed, and not everything is sent.
    Sealed,
    /// Sent, and not proven.
    Sent,
    /// Proven on the destination.
    Proven,
    /// Arrived after it was sealed.
    Late,
    /// Is no longer what was sealed.
    Changed,
    /// Sealed, and no longer in the folder.
    Missing,
}

impl FileState {
    /// All, in the order of a file's life; what went wrong comes last.
    pub const ALL: [FileState; 7] = [
        FileState::Unsealed,
        FileState::Sealed,
        FileState::Sent,
        FileState::Proven,
        FileState::Late,
        FileState::Changed,
        FileState::Missing,
    ];

    /// As in addresses and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            FileState::Unsealed => "unsealed",
            FileState::Sealed => "sealed",
            FileState::Sent => "sent",
            FileState::Proven => "proven",
            FileState::Late => "late",
            FileState::Changed => "changed",
            FileState::Missing => "missing",
        }
    }

    /// Reads its text.
    pub fn from_text(text: &str) -> Option<FileState> {
        FileState::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// `GET /api/v1/runs/{run_path}/files`: one window. Late files come first, then the sealed ones in path order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunFiles {
    /// Relative to the staging root.
    pub run_path: String,
    /// The window.
    pub files: Vec<RunFile>,
    /// Matching files before it.
    pub offset: u64,
    /// Files that match.
    pub matching: u64,
    /// All files.
    pub total: u64,
    /// There are more than were looked at: the run is not sealed, and only its first files are listed.
    pub cut: bool,
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunFile {
    /// Inside the run, as shown text.
    pub path: String,
    /// How it stands.
    pub state: FileState,
    /// Size as sealed; of a file that is not sealed, as it is now. `None` when it cannot be asked.
    pub bytes: Option<u64>,
    /// Of its content, once it is sealed.
    pub sha256: Option<String>,
    /// What is with it, when something is.
    pub note: Option<String>,
}
