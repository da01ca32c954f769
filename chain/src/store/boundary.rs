//! The calls at which bytes leave the process, each through one small trait, so that tests can count them
//! and make each of them fail.

use std::fmt;
use std::io;

/// A call at which bytes leave the process, in the order of an append.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The transaction that holds a block with everything it adds: all of it or none.
    Commit,
    /// sled writes its buffers to its file. On Linux this does not reach the disk.
    Flush,
    /// `fsync` of sled's file.
    SyncStore,
    /// The mark is written.
    WriteMark,
    /// `fsync` of the mark.
    SyncMark,
}

impl Step {
    /// All steps of an append, in order.
    pub const ALL: [Self; 5] =
        [Self::Commit, Self::Flush, Self::SyncStore, Self::WriteMark, Self::SyncMark];

    /// Whether the step waits for the disk.
    pub const fn is_sync(self) -> bool {
        matches!(self, Self::SyncStore | Self::SyncMark)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commit => "commit",
            Self::Flush => "flush",
            Self::SyncStore => "sync of the store",
            Self::WriteMark => "write of the mark",
            Self::SyncMark => "sync of the mark",
        })
    }
}

/// Takes each step of an append across.
pub trait Boundary: fmt::Debug + Send + Sync {
    /// Runs `action`, the step's own call, and says how it went.
    ///
    /// # Errors
    /// The action's. The store then takes no further step: what is on the disk is unknown until it is
    /// opened again.
    fn cross(&self, step: Step, action: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}

/// Nothing between the store and the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct;

impl Boundary for Direct {
    fn cross(&self, _step: Step, action: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        action()
    }
}
