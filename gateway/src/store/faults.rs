//! A boundary that counts and breaks, for tests.
//!
//! ```text
//! let boundary = Arc::new(Breakable::new(folder, synced));
//! let store = Store::open_with(folder, &key, rng, boundary.clone())?;
//! boundary.plan(2, Some(Step::Sync), Fault::FailedButStored);
//! … what is tested …
//! drop(store);                            // as after a kill: `folder` has all that was applied
//! Store::open(synced, …)                  // as after a power cut: `synced` has what was synced
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};

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
    /// How many more crossings go well, which ones count, and what happens then.
    plan: Option<(usize, Option<Step>, Fault)>,
    dead: bool,
}

/// Counts steps, breaks one as planned, and keeps what a power cut would leave.
#[derive(Debug)]
pub(crate) struct Breakable {
    inner: Mutex<Inner>,
    folder: PathBuf,
    synced: Option<PathBuf>,
}

impl Breakable {
    /// Keeps in `synced` a copy of the store's folder as it was when it was last synced.
    pub(crate) fn new(folder: &Path, synced: &Path) -> Self {
        let synced = Some(synced.to_owned());
        Self { inner: Mutex::default(), folder: folder.to_owned(), synced }
    }

    /// Counts and breaks, and keeps no copy.
    pub(crate) fn counting() -> Self {
        Self { inner: Mutex::default(), folder: PathBuf::new(), synced: None }
    }

    /// Copies everything, as if all had been synced.
    pub(crate) fn sync_all(&self) {
        if let Some(synced) = &self.synced {
            copy(&self.folder, synced);
        }
    }

    /// Breaks a crossing: the one of that step, or of any, after `good` others of the same went well.
    pub(crate) fn plan(&self, good: usize, step: Option<Step>, fault: Fault) {
        self.inner.lock().unwrap().plan = Some((good, step, fault));
    }

    /// Whether the plan is still to be carried out.
    pub(crate) fn is_planned(&self) -> bool {
        self.inner.lock().unwrap().plan.is_some()
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
        let mut fault = None;
        if let Some((good, planned, then)) = inner.plan
            && planned.is_none_or(|planned| planned == step)
        {
            inner.plan = good.checked_sub(1).map(|good| (good, planned, then));
            fault = inner.plan.is_none().then_some(then);
        }
        if fault == Some(Fault::FailedNotStored) {
            return Err(io::Error::other("failed, not stored"));
        }
        action()?;
        if step == Step::Sync {
            self.sync_all();
        }
        if fault == Some(Fault::FailedButStored) {
            return Err(io::Error::other("failed, but stored"));
        }
        inner.crossed.push(step);
        inner.dead = fault == Some(Fault::CrashAfter);
        Ok(())
    }
}

/// A boundary at which whoever flushes waits while it is closed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Whether it is closed, and how many flushes came to it.
    inner: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    /// From now on flushes wait, and are counted anew; until what is returned is dropped, also by a test
    /// that fails.
    pub(crate) fn close(&self) -> Closed<'_> {
        *self.inner.lock().unwrap() = (true, 0);
        Closed(self)
    }

    /// The flushes that came since it was closed.
    pub(crate) fn flushes(&self) -> usize {
        self.inner.lock().unwrap().1
    }

    /// Waits until so many flushes came.
    pub(crate) fn wait_for(&self, flushes: usize) {
        let inner = self.inner.lock().unwrap();
        drop(self.changed.wait_while(inner, |(_, came)| *came < flushes).unwrap());
    }
}

/// A gate that is closed.
#[derive(Debug)]
pub(crate) struct Closed<'g>(&'g Gate);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.inner.lock().unwrap().0 = false;
        self.0.changed.notify_all();
    }
}

impl Boundary for Gate {
    fn cross(&self, step: Step, action: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        if step == Step::Flush {
            let mut inner = self.inner.lock().unwrap();
            inner.1 += 1;
            self.changed.notify_all();
            drop(self.changed.wait_while(inner, |(closed, _)| *closed).unwrap());
        }
        action()
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
