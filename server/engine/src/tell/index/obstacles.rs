//! What would stop a clear, as it was last looked for.

/// What looking for obstacles to a clear of the run came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Obstacles {
    /// The first thing that would stop the run from being moved aside and deleted, as one sentence.
    pub first: Option<String>,
    /// That is a file which something has open for writing.
    pub written: bool,
    /// It could not be told of every file whether a program has it open for writing.
    pub writers_untold: bool,
}
