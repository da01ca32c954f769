use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::faults::{Breakable, Fault, copy};
use super::*;
use crate::contract::Network;
use crate::time::Timestamp;

mod opening;

/// A chain folder, and what was acknowledged of it.
struct World {
    network: Network,
    folder: TempDir,
    acknowledged: Vec<CertifiedBlock>,
    /// The block after those, if it was tried and may be stored.
    tried: Option<CertifiedBlock>,
    written: u64,
}

struct Open {
    store: Store,
    replica: Replica,
}

impl World {
    fn new() -> Self {
        Self {
            network: Network::new(3),
            folder: tempfile::tempdir().unwrap(),
            acknowledged: Vec::new(),
            tried: None,
            written: 0,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("chain")
    }

    fn synced(&self) -> PathBuf {
        self.folder.path().join("synced")
    }

    fn boundary(&self) -> Arc<Breakable> {
        Arc::new(Breakable::new(&self.path(), &self.synced()))
    }

    fn open_with(&self, boundary: Arc<dyn Boundary>) -> Open {
        let (store, replica) = Store::open(&self.path(), self.network.genesis(), boundary).unwrap();
        Open { store, replica }
    }

    fn open(&self) -> Open {
        self.open_with(Arc::new(Direct))
    }

    /// Why the folder does not open.
    fn refusal(&self) -> &'static str {
        match Store::open(&self.path(), self.network.genesis(), Arc::new(Direct)) {
            Ok(_) => "ok",
            Err(error) => error.code(),
        }
    }

    /// Appends a block of `entries` requests nobody made before.
    fn append(&mut self, open: &mut Open, entries: u64) -> Result<(), StoreError> {
        let request = |number| self.network.request(0, &format!("request {number}"));
        let entries: Vec<_> = (self.written..self.written + entries).map(request).collect();
        self.written += entries.len() as u64;
        let block = Network::block(&open.replica, &entries, &Documents::default());
        let mut replica = open.replica.clone();
        let accepted = replica.accept(block.clone(), &Documents::default()).unwrap();
        self.tried = Some(block);
        open.store.append(&accepted, &Documents::default())?;
        open.replica = replica;
        self.acknowledged.extend(self.tried.take());
        Ok(())
    }

    /// Opens again after whatever happened, and checks that no acknowledged block is lost and no other
    /// stands in its place. At most the one block that was tried may be there besides.
    fn reopen(&mut self) -> Open {
        let open = self.open();
        let tip = open.replica.tip().height;
        let blocks: Vec<_> =
            (1..=tip).map(|height| open.store.reader().block(height).unwrap().unwrap()).collect();
        if blocks.len() > self.acknowledged.len() {
            self.acknowledged.extend(self.tried.take());
        }
        assert!(blocks == self.acknowledged, "{tip} of {}", self.acknowledged.len());
        let marked = open.store.mark();
        assert_eq!((marked.height, marked.block), (tip, open.replica.tip().block));
        self.tried = None;
        open
    }
}

#[test]
fn an_append_syncs_the_store_before_the_mark_and_both_before_it_returns() {
    let mut world = World::new();
    let boundary = world.boundary();
    let mut open = world.open_with(boundary.clone());
    let syncs = open.store.sync_count();
    for count in 1..=3 {
        world.append(&mut open, 2).unwrap();
        assert_eq!(boundary.crossed(), Step::ALL);
        assert_eq!(syncs.load(Ordering::Relaxed), 2 * count);
    }
    assert_eq!(Step::ALL.iter().filter(|step| step.is_sync()).count(), 2);
}

#[test]
fn no_acknowledged_block_is_lost_whatever_fails() {
    let mut rows = 0;
    for step in Step::ALL {
        for fault in Fault::ALL {
            for power_cut in [false, true] {
                survives(step, fault, power_cut);
                rows += 1;
            }
        }
    }
    assert_eq!(rows, 30);
}

fn survives(step: Step, fault: Fault, power_cut: bool) {
    let row = format!("{step}, {fault:?}, power cut: {power_cut}");
    let mut world = World::new();
    drop(world.open());
    let boundary = world.boundary();
    boundary.sync_all();
    let mut open = world.open_with(boundary.clone());
    for _ in 0..2 {
        world.append(&mut open, 2).unwrap();
    }
    boundary.plan(step, fault);
    let result = world.append(&mut open, 2);
    // Only when nothing was left to do is a block acknowledged before the end.
    let acknowledged = (step, fault) == (Step::SyncMark, Fault::CrashAfter);
    assert_eq!(result.is_ok(), acknowledged, "{row}");
    if !acknowledged {
        let next = open.replica.draft(Timestamp::default()).seal(Network::validator_id());
        let certificate = Network::certificate(next.block().header(), 200);
        let (accepted, _) = next.certify(certificate);
        let again = open.store.append(&accepted, &Documents::default());
        assert_eq!(again, Err(StoreError::Stopped), "{row}");
    }
    drop(open);
    if power_cut {
        copy(&world.synced(), &world.path());
    }
    // Recovered, it goes on, and what it then has is kept too.
    let mut open = world.reopen();
    world.append(&mut open, 1).unwrap();
    drop(open);
    world.reopen();
}

#[test]
fn recovery_may_fail_and_be_tried_again() {
    for step in &Step::ALL[1..] {
        for fault in Fault::ALL {
            let row = format!("{step}, {fault:?}");
            let mut world = World::new();
            drop(world.open());
            let boundary = world.boundary();
            boundary.sync_all();
            let mut open = world.open_with(boundary.clone());
            world.append(&mut open, 1).unwrap();
            boundary.plan(Step::Flush, Fault::CrashAfter);
            assert!(world.append(&mut open, 1).is_err(), "{row}");
            drop(open);

            // The second block is committed and not marked.
            let boundary = world.boundary();
            boundary.plan(*step, fault);
            let (path, genesis) = (world.path(), world.network.genesis());
            let opened = Store::open(&path, genesis, boundary.clone()).map(|_| ());
            let finished = (*step, fault) == (Step::SyncMark, Fault::CrashAfter);
            assert_eq!(opened.is_ok(), finished, "{row}");
            let mut open = world.reopen();
            assert_eq!(open.replica.tip().height, 2, "{row}");
            world.append(&mut open, 1).unwrap();
            drop(open);
            world.reopen();
        }
    }
}

#[test]
fn a_block_that_does_not_follow_is_refused_and_stops_nothing() {
    let mut world = World::new();
    let mut open = world.open();
    let early = open.replica.clone();
    world.append(&mut open, 1).unwrap();
    let second = Network::block(&early, &[world.network.request(1, "x")], &Documents::default());
    let accepted = early.clone().accept(second, &Documents::default()).unwrap();
    assert_eq!(
        open.store.append(&accepted, &Documents::default()),
        Err(StoreError::NotNext { last: 1, got: 1 })
    );
    world.append(&mut open, 1).unwrap();
}

#[test]
fn one_process_at_a_time_writes_a_folder() {
    let world = World::new();
    let open = world.open();
    assert_eq!(world.refusal(), "store-locked");
    drop(open);
    assert_eq!(world.refusal(), "ok");
}

#[test]
fn a_peer_s_block_is_compared_with_the_stored_one() {
    let mut world = World::new();
    let mut open = world.open();
    world.append(&mut open, 1).unwrap();
    let parent = open.replica.clone();
    world.append(&mut open, 1).unwrap();
    let verified = |block: &CertifiedBlock| {
        let header = crate::receipt::CertifiedHeader {
            header: *block.block.header(),
            certificate: block.certificate.clone(),
            hand_overs: vec![],
        };
        header.verify(&world.network.genesis()).unwrap()
    };
    let higher = Network::block(&open.replica, &[], &Documents::default());
    let other = Network::block(&parent, &[], &Documents::default());
    let expect = |block: &CertifiedBlock| {
        let result = open.store.reader().expect_tip(&verified(block));
        result.map_or_else(|error| error.code(), |()| "ok")
    };
    assert_eq!(expect(&world.acknowledged[0]), "ok");
    assert_eq!(expect(&world.acknowledged[1]), "ok");
    assert_eq!(expect(&higher), "tip-behind");
    assert_eq!(expect(&other), "tip-conflict");
}

/// What happens to a store, over and over.
#[derive(Clone, Debug)]
enum Event {
    Append(u64),
    Restart,
    Break(Step, Fault, bool),
}

fn arb_event() -> impl Strategy<Value = Event> {
    let step = prop::sample::select(&Step::ALL[..]);
    let fault = prop::sample::select(&Fault::ALL[..]);
    prop_oneof![
        3 => (0_u64..4).prop_map(Event::Append),
        1 => Just(Event::Restart),
        2 => (step, fault, any::<bool>()).prop_map(|(s, f, cut)| Event::Break(s, f, cut)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_appends_restarts_and_failures_keeps_what_was_acknowledged(
        events in prop::collection::vec(arb_event(), 1..12)
    ) {
        let mut world = World::new();
        drop(world.open());
        let mut boundary = world.boundary();
        boundary.sync_all();
        let mut open = world.open_with(boundary.clone());
        for event in events {
            let cut = match event {
                Event::Append(entries) => {
                    world.append(&mut open, entries).unwrap();
                    continue;
                }
                Event::Restart => false,
                Event::Break(step, fault, cut) => {
                    boundary.plan(step, fault);
                    let _ = world.append(&mut open, 1);
                    cut
                }
            };
            drop(open);
            if cut {
                copy(&world.synced(), &world.path());
            }
            drop(world.reopen());
            boundary = world.boundary();
            boundary.sync_all();
            open = world.open_with(boundary.clone());
        }
    }
}

#[test]
fn nobody_else_can_open_a_folder_s_lock() {
    use std::os::unix::fs::PermissionsExt as _;
    let network = Network::new(3);
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let open = |path: &Path| drop(Store::open(path, network.genesis(), Arc::new(Direct)).unwrap());
    let (made, found) = (folder.path().join("made"), folder.path().join("found"));
    std::fs::create_dir(&found).unwrap();
    std::fs::set_permissions(&found, std::fs::Permissions::from_mode(0o755)).unwrap();
    for path in [made, found] {
        open(&path);
        let modes = ["", "lock", "mark"].map(|name| mode(&path.join(name)));
        assert_eq!(modes, [0o700, 0o600, 0o600], "{}", path.display());
    }
}
