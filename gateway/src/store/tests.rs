use super::boundary::Step;
use super::faults::{Breakable, Fault, Gate};
use super::tile::TileAt;
use super::versions::Place;
use super::*;
use circuits::Fr;
use circuits::tree::{self, NodeStore as _, Position};
use crypto::Digest;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tempfile::TempDir;

const KEY: Secret<32> = Secret::new([3; 32]);

fn open(folder: &TempDir) -> Store {
    Store::open(folder.path(), &KEY, Box::new(UnwrapErr(SysRng))).unwrap()
}

fn put(store: &Store, table: Table, key: &[u8], value: &str) {
    let mut batch = Batch::default();
    batch.put(table, key, &value);
    store.commit(batch).unwrap();
}

/// Puts a node of generation `at`.
fn put_node(store: &Store, batch: &mut Batch, at: u64, position: Position, node: u64) {
    store.nodes(tree_name(), at).put(&[(position, Fr::from(node))], at, batch).unwrap();
}

fn tree_name() -> Digest {
    Digest::of(b"tree")
}

#[test]
fn a_batch_survives_reopening() {
    let folder = TempDir::new().unwrap();
    let tree = tree_name();
    {
        let store = open(&folder);
        let mut batch = Batch::default();
        batch.put(Table::Records, b"a", &"one");
        batch.put(Table::Asked, b"a", &"two");
        put_node(&store, &mut batch, 1, Position::ROOT, 5);
        assert_eq!(batch.len(), 3);
        store.commit(batch).unwrap();
        let mut batch = Batch::default();
        batch.delete(Table::Asked, b"a");
        store.commit(batch).unwrap();
    }
    let store = open(&folder);
    assert_eq!(store.get(Table::Records, b"a").unwrap(), Some("one".to_owned()));
    assert_eq!(store.get::<String>(Table::Asked, b"a").unwrap(), None);
    assert_eq!(store.nodes(tree, 1).node(Position::ROOT).unwrap(), Some(Fr::from(5)));
    assert_eq!(store.nodes(Digest::of(b"other"), 1).node(Position::ROOT).unwrap(), None);
}

#[test]
fn the_newest_version_up_to_a_generation_counts() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let series = Digest::of(b"series");
    let place = |number| Place::row(Table::Records, &series, number);
    let mut batch = Batch::default();
    for (number, generation) in [(7, 2), (7, 5), (8, 1), (u32::MAX, 9)] {
        let value = format!("{number}, {generation}");
        batch.put_version(Table::Records, &place(number), generation, &value);
    }
    let beside = Place::tile(&series, TileAt { band: 1, number: 7 });
    batch.put_version(Table::Payloads, &beside, 4, &"a tile's key is another");
    store.commit(batch).unwrap();
    let read = |number, at| {
        let found: Option<(u64, String)> =
            store.version(Table::Records, &place(number), at).unwrap();
        found.map(|(generation, value)| {
            assert_eq!(value, format!("{number}, {generation}"));
            generation
        })
    };
    assert_eq!(
        [1, 2, 4, 5, u64::MAX].map(|at| read(7, at)),
        [None, Some(2), Some(2), Some(5), Some(5)]
    );
    assert_eq!((read(8, 0), read(8, 3), read(9, 3)), (None, Some(1), None));
    assert_eq!((read(u32::MAX, 9), read(6, 9)), (Some(9), None));
    let before = |before| store.version_before(&place(7), before).unwrap();
    assert_eq!([0, 2, 3, 5, 6].map(before), [None, None, Some(2), Some(2), Some(5)]);
    let all: Vec<_> = store.versions_from(place(7)).map(Result::unwrap).collect();
    assert_eq!(all, [(7, 2), (7, 5), (8, 1), (u32::MAX, 9)]);
    let mut batch = Batch::default();
    batch.delete_version(&place(7), 5);
    store.commit(batch).unwrap();
    assert_eq!(read(7, 9), Some(2));
}

#[test]
fn a_version_moved_to_another_generation_does_not_open() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let place = Place::row(Table::Records, &Digest::of(b"series"), 0);
    let mut batch = Batch::default();
    batch.put_version(Table::Records, &place, 1, &"old");
    store.commit(batch).unwrap();
    let old = store.tree.get(place.version(1)).unwrap().unwrap();
    store.tree.insert(place.version(2), old).unwrap();
    let moved = store.version::<String>(Table::Records, &place, 2);
    assert!(matches!(moved, Err(StoreError::Open { .. })), "{moved:?}");
    let unmoved = store.version::<String>(Table::Records, &place, 1).unwrap();
    assert_eq!(unmoved, Some((1, "old".to_owned())));
}

#[test]
fn a_tree_of_tiles_is_the_tree() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let mut model = std::collections::BTreeMap::new();
    for (generation, indices) in [(1, vec![0, 1, 63, 64, 5_000]), (2, vec![63, u32::MAX])] {
        let leaf =
            |index: u32| tree::Leaf::record(Fr::from(u64::from(index) + generation)).unwrap();
        let leaves = indices.iter().map(|&index| (index, leaf(index))).collect();
        let nodes = store.nodes(tree_name(), generation);
        let update = tree::update_many(&nodes, &leaves).unwrap();
        let mut batch = Batch::default();
        nodes.put(&update.writes, generation, &mut batch).unwrap();
        store.commit(batch).unwrap();
        let expected = tree::update_many(&model, &leaves).unwrap();
        assert_eq!(update, expected);
        model.extend(expected.writes);
        for index in [0, 2, 63, 64, 5_000, u32::MAX] {
            let nodes = store.nodes(tree_name(), generation);
            assert_eq!(tree::path(&nodes, index).unwrap(), tree::path(&model, index).unwrap());
        }
    }
    let old = tree::root(&store.nodes(tree_name(), 1)).unwrap();
    assert_ne!(old, tree::root(&store.nodes(tree_name(), 2)).unwrap());
    // In place: the versions that count are changed, and no others are made.
    let keys = store.tree.len();
    let nodes = store.nodes(tree_name(), 2);
    let writes = tree::climb(&nodes, vec![(Position::leaf(5_000), Fr::from(1))], 11).unwrap();
    let mut batch = Batch::default();
    nodes.put_in_place(&writes, &mut batch).unwrap();
    store.commit(batch).unwrap();
    assert_eq!(store.tree.len(), keys);
    let root = tree::root(&store.nodes(tree_name(), 2)).unwrap();
    assert_eq!(root, writes.last().unwrap().1);
}

#[test]
fn a_commit_is_applied_then_flushed_then_synced() {
    let folder = TempDir::new().unwrap();
    let boundary = Arc::new(Breakable::counting());
    let rng = Box::new(UnwrapErr(SysRng));
    let store = Store::open_with(folder.path(), &KEY, rng, boundary.clone()).unwrap();
    assert_eq!(boundary.crossed(), Step::ALL, "a new store gets its canary");
    put(&store, Table::Asked, b"a", "one");
    assert_eq!(boundary.crossed(), Step::ALL);
    store.commit(Batch::default()).unwrap();
    assert_eq!(boundary.crossed(), [], "nothing to do");
    let mut batch = Batch::default();
    batch.put(Table::Asked, b"b", &"two");
    store.stage(batch).unwrap();
    assert_eq!(boundary.crossed(), [Step::Apply]);
    store.sync().unwrap();
    assert_eq!(boundary.crossed(), [Step::Flush, Step::Sync]);
}

#[test]
fn what_is_read_before_it_is_on_the_disk_can_be_waited_for_and_commits_wait_together() {
    let folder = TempDir::new().unwrap();
    drop(open(&folder));
    let gate = Arc::new(Gate::default());
    let rng = Box::new(UnwrapErr(SysRng));
    let store = Store::open_with(folder.path(), &KEY, rng, gate.clone()).unwrap();
    let has = |key: &[u8]| store.get::<String>(Table::Asked, key).unwrap().is_some();
    assert!(store.is_settled());
    std::thread::scope(|scope| {
        let closed = gate.close();
        scope.spawn(|| put(&store, Table::Asked, b"a", "one"));
        gate.wait_for(1);
        assert!(has(b"a") && !store.is_settled(), "it can be read, and may yet be lost");
        let settled = scope.spawn(|| store.settle().unwrap());
        for key in [b"b", b"c", b"d"] {
            let store = &store;
            scope.spawn(move || put(store, Table::Asked, key, "another"));
        }
        while !(has(b"b") && has(b"c") && has(b"d")) {
            std::thread::yield_now();
        }
        assert!(!settled.is_finished());
        drop(closed);
    });
    assert!(store.is_settled());
    assert_eq!(gate.flushes(), 2, "one of the first, one of all others");
}

#[test]
fn whatever_fails_the_store_stops_and_has_the_old_or_the_new_value() {
    let mut rows = 0;
    for step in Step::ALL {
        for fault in Fault::ALL {
            for power_cut in [false, true] {
                survives(step, fault, power_cut);
                rows += 1;
            }
        }
    }
    assert_eq!(rows, 18);
}

fn survives(step: Step, fault: Fault, power_cut: bool) {
    let row = format!("{step}, {fault:?}, power cut: {power_cut}");
    let (folder, synced) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    put(&open(&folder), Table::Asked, b"a", "old");
    let boundary = Arc::new(Breakable::new(folder.path(), synced.path()));
    boundary.sync_all();
    let rng = || Box::new(UnwrapErr(SysRng));
    let store = Store::open_with(folder.path(), &KEY, rng(), boundary.clone()).unwrap();
    boundary.plan(0, Some(step), fault);
    let mut batch = Batch::default();
    batch.put(Table::Asked, b"a", &"new");
    let result = store.commit(batch);
    assert!(!boundary.is_planned(), "{row}");
    // Only when nothing was left to do is the batch acknowledged before the end.
    let acknowledged = (step, fault) == (Step::Sync, Fault::CrashAfter);
    assert_eq!(result.is_ok(), acknowledged, "{row}");
    let mut batch = Batch::default();
    batch.put(Table::Asked, b"b", &"more");
    let again = store.commit(batch);
    match (fault, acknowledged) {
        (Fault::CrashAfter, true) => {
            assert!(matches!(again, Err(StoreError::Step { .. })), "{row}")
        }
        _ => assert!(matches!(again, Err(StoreError::Stopped)), "{row}"),
    }
    // What was tried may be in memory and not on the disk, so that nobody is told of it.
    assert!(matches!(store.get::<String>(Table::Asked, b"a"), Err(StoreError::Stopped)), "{row}");
    let scans: [Option<Result<String, StoreError>>; 2] =
        [store.scan(Table::Asked).next(), store.scan_after(Table::Asked, None).next()];
    for read in scans {
        assert!(matches!(read, Some(Err(StoreError::Stopped))), "{row}");
    }
    assert!(matches!(store.check(), Err(StoreError::Stopped)), "{row}: and it shows");
    assert!(!store.is_settled() && store.settle().is_err(), "{row}: nor does anything rest on it");
    drop(store);
    let left = if power_cut { synced.path() } else { folder.path() };
    let store = Store::open(left, &KEY, rng()).unwrap();
    let value: String = store.get(Table::Asked, b"a").unwrap().unwrap();
    if acknowledged {
        assert_eq!(value, "new", "{row}");
    } else if (step, fault) == (Step::Apply, Fault::FailedNotStored) {
        assert_eq!(value, "old", "{row}");
    } else {
        assert!(["old", "new"].contains(&value.as_str()), "{row}");
    }
    assert_eq!(store.get::<String>(Table::Asked, b"b").unwrap(), None, "{row}");
    put(&store, Table::Asked, b"b", "it goes on");
}

#[test]
fn a_scan_sees_its_own_table_only() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    // The canaries' has a row from the beginning.
    let tables = || Table::ALL.into_iter().filter(|table| *table != Table::Canary);
    for table in tables() {
        put(&store, table, b"k1", table.name());
        put(&store, table, b"k2", table.name());
    }
    for table in tables() {
        let rows: Vec<String> = store.scan(table).collect::<Result<_, _>>().unwrap();
        assert_eq!(rows, [table.name(), table.name()]);
    }
}

#[test]
fn the_files_hold_neither_keys_nor_values() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    put(&store, Table::Records, b"194891460900", "Kenneth Arias");
    drop(store);
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let content = std::fs::read(path).unwrap();
            bytes += content.len();
            for needle in [&b"194891460900"[..], b"Kenneth", b"Arias"] {
                assert!(!content.windows(needle.len()).any(|window| window == needle));
            }
        }
    }
    assert!(bytes > 0);
}

#[test]
fn another_storage_key_is_refused_and_opens_nothing() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    put(&store, Table::Records, b"a", "one");
    drop(store);
    let other = Secret::new([4; 32]);
    let open_with = |key| Store::open(folder.path(), key, Box::new(UnwrapErr(SysRng)));
    let refused = open_with(&other).unwrap_err();
    assert!(matches!(refused, StoreError::OtherKey), "{refused}");
    let mut store = open_with(&KEY).unwrap();
    store.keys = Table::ALL.iter().map(|t| TableKey::derive(&other, t.name())).collect();
    assert_eq!(store.get::<String>(Table::Records, b"a").unwrap(), None, "keys are hidden");
    let row = store.scan::<String>(Table::Records).next().unwrap();
    assert!(matches!(row, Err(StoreError::Open { table: Table::Records, .. })), "{row:?}");
    assert!(matches!(store.check(), Err(StoreError::Canary)));
}

#[test]
fn a_check_finds_the_canary_and_misses_it() {
    let folder = TempDir::new().unwrap();
    assert!(open(&folder).check().is_ok(), "a new store");
    let store = open(&folder);
    assert!(store.check().is_ok(), "an old one");
    assert_eq!(store.scan::<String>(Table::Canary).count(), 1, "the same one");
    let mut batch = Batch::default();
    batch.delete(Table::Canary, b"canary");
    store.commit(batch).unwrap();
    assert!(matches!(store.check(), Err(StoreError::Canary)));
}

#[test]
fn a_value_moved_to_another_key_does_not_open() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    put(&store, Table::Budgets, b"spent", "all");
    put(&store, Table::Budgets, b"fresh", "none");
    let fresh = store.tree.get(store.hidden(Table::Budgets, b"fresh")).unwrap().unwrap();
    store.tree.insert(store.hidden(Table::Budgets, b"spent"), fresh).unwrap();
    let moved = store.get::<String>(Table::Budgets, b"spent");
    assert!(matches!(moved, Err(StoreError::Open { .. })), "{moved:?}");
    assert_eq!(store.get(Table::Budgets, b"fresh").unwrap(), Some("none".to_owned()));
}

#[test]
fn another_format_is_refused() {
    let folder = TempDir::new().unwrap();
    {
        let store = open(&folder);
        store.tree.insert(FORMAT_KEY, &7u32.to_be_bytes()).unwrap();
        store.db.flush().unwrap();
    }
    let error = Store::open(folder.path(), &KEY, Box::new(UnwrapErr(SysRng))).unwrap_err();
    assert!(matches!(error, StoreError::Format { got: 7 }), "{error}");
}

#[test]
fn a_node_that_is_no_field_element_is_refused() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let at = TileAt::above_leaf(0, 5);
    let key = Place::tile(&tree_name(), at).version(0);
    store.tree.insert(key, vec![0xfe; 72 * 32]).unwrap();
    let node = store.nodes(tree_name(), 0).node(Position::ROOT);
    assert!(matches!(node, Err(StoreError::Node)));
    store.tree.insert(key, vec![0; 32]).unwrap();
    let short = store.nodes(tree_name(), 0).node(Position::ROOT);
    assert!(matches!(short, Err(StoreError::Node)));
}

#[test]
fn a_scan_goes_on_after_any_place_also_one_that_is_gone() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    for key in 0..20u8 {
        put(&store, Table::Payloads, &[key], &key.to_string());
        put(&store, Table::Nonces, &[key], "of the table before");
    }
    let all: Vec<String> = store.scan(Table::Payloads).map(Result::unwrap).collect();
    let (mut seen, mut after) = (Vec::new(), None::<[u8; 1]>);
    loop {
        let page = store.scan_after::<String>(Table::Payloads, after.as_ref().map(|it| &it[..]));
        let page: Vec<_> = page.take(3).map(Result::unwrap).collect();
        let Some(last) = page.last() else { break };
        let key: u8 = last.parse().unwrap();
        let mut gone = Batch::default();
        gone.delete(Table::Payloads, &[key]);
        store.commit(gone).unwrap();
        after = Some([key]);
        seen.extend(page);
    }
    assert_eq!((seen.len(), seen), (20, all));
}
