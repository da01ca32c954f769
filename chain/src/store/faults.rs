//! A boundary that breaks, for tests.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::boundary::{Boundary, Step};

/// How a step goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, and did nothing.
    FailedNotStored,
    /// It fails, and did all it should.
    FailedButStored,
    /// It succeeds, and then the process ends.
    CrashAfter,
}

impl Fault {
    pub(crate) const ALL: [Self; 3] =
        [Self::FailedNotStored, Self::FailedButStored, Self::CrashAfter];
}

#[derive(Debug, Default)]
struct Inner {
    crossed: Vec<Step>,
    plan: Option<(Step, Fault)>,
    dead: bool,
}

/// Counts steps, breaks one as planned, and keeps what a power cut would leave.
#[derive(Debug)]
pub(crate) struct Breakable {
    inner: Mutex<Inner>,
    folder: PathBuf,
    synced: PathBuf,
}

impl Breakable {
    /// Keeps a copy of each file of `folder` in `synced`, as it was when it was last synced.
    pub(crate) fn new(folder: &Path, synced: &Path) -> Self {
        let inner = Mutex::default();
        Self { inner, folder: folder.to_owned(), synced: synced.to_owned() }
    }

    /// Copies everything, as if all had been synced.
    pub(crate) fn sync_all(&self) {
        copy(&self.folder, &self.synced);
    }

    /// Breaks the next crossing of `step`.
    pub(crate) fn plan(&self, step: Step, fault: Fault) {
        self.inner.lock().unwrap().plan = Some((step, fault));
    }

    /// The steps that succeeded since the last time this was asked.
    pub(crate) fn crossed(&self) -> Vec<Step> {
        std::mem::take(&mut self.inner.lock().unwrap().crossed)
    }
}

impl Boundary for Breakable {
    fn cross(&self, step: Step, action: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap();
        if inner.dead {
            return Err(io::Error::other("the process has ended"));
        }
        let fault = inner.plan.filter(|(planned, _)| *planned == step).map(|(_, fault)| fault);
        if fault.is_some() {
            inner.plan = None;
        }
        if fault == Some(Fault::FailedNotStored) {
            return Err(io::Error::other("failed, not stored"));
        }
        action()?;
        match step {
            Step::SyncStore => copy(&self.folder.join("sled"), &self.synced.join("sled")),
            Step::SyncMark => copy(&self.folder.join("mark"), &self.synced.join("mark")),
            Step::Commit | Step::Flush | Step::WriteMark => {}
        }
        if fault == Some(Fault::FailedButStored) {
            return Err(io::Error::other("failed, but stored"));
        }
        inner.crossed.push(step);
        inner.dead = fault == Some(Fault::CrashAfter);
        Ok(())
    }
}

/// Copies a file, or a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        copy(&file.path(), &to.join(file.file_name()));
    }
}
