//! The calls at which a store's changes leave the process, each through one small trait, so that tests
//! can count them and make each of them fail.

use std::fmt;
use std::io;

/// A call at which a change leaves the process.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// sled takes a batch: all of it or nothing. After a kill it is there, after a power cut perhaps.
    Apply,
    /// sled writes its buffers to its file. On Linux this does not reach the disk.
    Flush,
    /// `fsync` of sled's file: what was applied before survives a power cut.
    Sync,
}

impl Step {
    /// All steps, in the order in which a commit takes them.
    pub const ALL: [Self; 3] = [Self::Apply, Self::Flush, Self::Sync];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apply => "batch",
            Self::Flush => "flush",
            Self::Sync => "sync",
        })
    }
}

/// Takes each step across.
pub trait Boundary: fmt::Debug + Send + Sync {
    /// Runs `action`, the step's own call, and says how it went.
    ///
    /// # Errors
    /// The action's. The store then takes no further change: what is on the disk is unknown until it is
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
