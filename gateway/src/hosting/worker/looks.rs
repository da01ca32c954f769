//! Looks for what was left.

use std::collections::BTreeSet;
use std::sync::Arc;

use chain::identifier::DepartmentId;
use tokio::task::{JoinError, JoinSet};

use super::noted;
use crate::department::Peers;
use crate::hosting::Hosted;

/// Looks of one kind: at most one of a department at a time.
#[derive(Debug, Default)]
pub(super) struct Looks {
    pub(super) tasks: JoinSet<DepartmentId>,
    busy: BTreeSet<DepartmentId>,
}

impl Looks {
    /// Begins a look at every department that nobody looks at.
    pub(super) fn begin<P: Peers, F: Future<Output = ()> + Send + 'static>(
        &mut self,
        departments: &[Arc<Hosted<P>>],
        look: impl Fn(Arc<Hosted<P>>) -> F,
    ) {
        if self.tasks.is_empty() {
            self.busy.clear(); // also of those whose look did not come to its end
        }
        for hosted in departments {
            let id = *hosted.department.id();
            if self.busy.insert(id) {
                let look = look(Arc::clone(hosted));
                self.tasks.spawn(async move {
                    look.await;
                    id
                });
            }
        }
    }

    /// Notes the end of a look: the department is free again.
    pub(super) fn ended(&mut self, looked: Result<DepartmentId, JoinError>) {
        match looked {
            Ok(department) => {
                self.busy.remove(&department);
            }
            Err(error) => noted(Err(error)),
        }
    }
}
