use super::*;
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

#[test]
fn a_batch_survives_reopening() {
    let folder = TempDir::new().unwrap();
    let tree = Digest::of(b"tree");
    {
        let store = open(&folder);
        let mut batch = Batch::default();
        batch.put(Table::Records, b"a", &"one");
        batch.put(Table::Asked, b"a", &"two");
        batch.put_node(&tree, Position::ROOT, Fr::from(5));
        assert_eq!(batch.len(), 3);
        store.commit(batch).unwrap();
        let mut batch = Batch::default();
        batch.delete(Table::Asked, b"a");
        store.commit(batch).unwrap();
    }
    let store = open(&folder);
    assert_eq!(store.get(Table::Records, b"a").unwrap(), Some("one".to_owned()));
    assert_eq!(store.get::<String>(Table::Asked, b"a").unwrap(), None);
    assert_eq!(store.nodes(tree).node(Position::ROOT).unwrap(), Some(Fr::from(5)));
    assert_eq!(store.nodes(Digest::of(b"other")).node(Position::ROOT).unwrap(), None);
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
    assert!(matches!(refused, StoreError::Open { table: Table::Canary, .. }), "{refused}");
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
    let tree = Digest::of(b"tree");
    store.tree.insert(node_key(&tree, Position::ROOT), &[0xff; 32]).unwrap();
    assert!(matches!(store.nodes(tree).node(Position::ROOT), Err(StoreError::Node)));
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
