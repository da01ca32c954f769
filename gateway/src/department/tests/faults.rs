//! A department whose store fails or whose process ends at any one of its calls: what was acknowledged
//! stays, what was not can be done again, and nothing happens twice.

mod exchange;
mod payload;

use super::*;
use crate::store::faults::{Breakable, Fault, Gate, copy};

/// What goes wrong, where and how it ends.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// How many calls go well before.
    good: usize,
    fault: Fault,
    /// Only what was synced is left.
    power_cut: bool,
}

/// A network in which one department's store can be broken.
struct Breaking {
    network: Network,
    citizen: Citizen,
    /// Whose store.
    side: &'static str,
    boundary: Arc<Breakable>,
}

impl Breaking {
    async fn new(side: &'static str) -> Self {
        let network = Network::new(0).await;
        let citizen = Citizen::new(CURTIS);
        network.enrol(&citizen).await;
        let boundary = Arc::new(Breakable::counting());
        let mut breaking = Self { network, citizen, side, boundary };
        breaking.start();
        breaking
    }

    /// What a power cut leaves of the store.
    fn synced(&self) -> std::path::PathBuf {
        self.network.folder.path().join("synced")
    }

    /// Opens the store, with nothing planned. Payloads are beside it: they are no part of it.
    fn start(&mut self) {
        let folder = self.network.folder.path().join(self.side);
        self.boundary = Arc::new(Breakable::new(&folder, &self.synced()));
        let boundary = Arc::clone(&self.boundary);
        self.network.start_over(self.side, self.payloads(self.side), boundary);
        self.boundary.sync_all();
    }

    /// Where a department's payloads are.
    fn payloads(&self, name: &str) -> PayloadStore {
        let folder = self.network.folder.path();
        let folder = if name == self.side {
            folder.join("payloads").join(name)
        } else {
            folder.join(name).join("payloads")
        };
        PayloadStore::local(&folder).unwrap()
    }

    /// The process ends, and begins anew with what is left.
    fn restart(&mut self, power_cut: bool) {
        self.network.stop(self.side);
        if power_cut {
            copy(&self.synced(), &self.network.folder.path().join(self.side));
        }
        self.start();
    }

    /// Both gateways look for what is left to do; whether the broken one could do its part.
    async fn look(&self) -> bool {
        let mut done = true;
        for name in ["welfare", "tax"] {
            let looked = self.network.department(name).resume(&self.network.peers).await;
            assert!(looked.is_ok() || name == self.side, "{name}: {looked:?}");
            done &= looked.is_ok();
        }
        done
    }

    /// Goes through with `calls`, of which one meets the fault of `plan`; whether one did.
    ///
    /// Whoever made the call that failed makes it again, once the process has begun anew. Until then it
    /// fails again, and so does the look for what is left; or, if it is told to be done, it is done.
    async fn go_through<C: Calls>(&mut self, plan: Plan, calls: &mut C) -> bool {
        let Plan { good, fault, power_cut } = plan;
        self.boundary.crossed();
        self.boundary.plan(good, None, fault);
        let mut met = false;
        for (call, at) in C::CALLS {
            let mut outcome = calls.make(self, *call).await;
            if !met && !self.boundary.is_planned() {
                met = true;
                if fault != Fault::CrashAfter {
                    // Nobody else notices more than that this side is not reached.
                    assert_eq!(outcome.is_err(), *at == self.side, "{plan:?} {call:?} {outcome:?}");
                    if outcome.is_err() {
                        outcome = calls.make(self, *call).await;
                    }
                    self.look().await;
                }
                self.restart(power_cut);
                // By then nobody waits any longer before it tries this side again.
                self.network.clock.advance(60);
                assert!(self.look().await, "{plan:?} {call:?}");
                if outcome.is_err() {
                    outcome = calls.make(self, *call).await;
                }
            }
            assert!(outcome.is_ok(), "{plan:?} {call:?}: {outcome:?}");
        }
        met
    }

    /// Breaks each call in each of its ways, up to one that is not made any more: the number of calls.
    async fn break_each<C: Calls>(&mut self, begin: impl Fn(&Self, Plan) -> C) -> usize {
        let mut good = 0;
        loop {
            for (fault, power_cut) in C::ways(good) {
                let plan = Plan { good, fault, power_cut };
                let mut calls = begin(self, plan);
                let met = self.go_through(plan, &mut calls).await;
                calls.check(self, plan).await;
                if !met {
                    self.restart(false);
                    return good;
                }
            }
            good += 1;
        }
    }
}

/// A fault, and whether the process ends with what was synced only or with all that it wrote.
type Way = (Fault, bool);

/// Each fault with either end.
fn every_way() -> Vec<Way> {
    Fault::ALL.into_iter().flat_map(|fault| [(fault, false), (fault, true)]).collect()
}

/// Each fault with one end, which changes from call to call and from fault to fault.
fn every_fault(good: usize) -> Vec<Way> {
    (good..).zip(Fault::ALL).map(|(place, fault)| (fault, place % 2 == 0)).collect()
}

/// What clients do one after the other.
trait Calls {
    type Call: Copy + std::fmt::Debug + 'static;

    /// The calls, and whose store each changes first.
    const CALLS: &'static [(Self::Call, &'static str)];

    /// How the store fails after so many calls that went well.
    fn ways(_good: usize) -> Vec<Way> {
        every_way()
    }

    /// Makes a call for the first time, or again.
    async fn make(&mut self, at: &Breaking, call: Self::Call) -> Result<(), String>;

    /// Checks what has come of it.
    async fn check(self, at: &Breaking, plan: Plan);
}
