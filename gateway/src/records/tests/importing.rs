//! Imports that go wrong, in the middle of others' changes, and piece by piece.

use super::*;
use crate::import::RowFault;
use crate::store::boundary::Step;
use crate::store::faults::{Breakable, Fault};
use circuits::eddsa::PrivateKey;
use std::path::Path as FilePath;
use std::sync::Arc;

/// The tax office's dataset in a store whose changes cross a boundary.
struct Open {
    store: Store,
    boundary: Arc<Breakable>,
}

const STORAGE_KEY: [u8; 32] = [1; 32];

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

impl Open {
    fn new(folder: &FilePath, boundary: Breakable) -> Self {
        let (key, boundary) = (crypto::Secret::new(STORAGE_KEY), Arc::new(boundary));
        let store = Store::open_with(folder, &key, Box::new(rng()), boundary.clone()).unwrap();
        let schema = Schema::parse(SCHEMA).unwrap();
        Records::new(&store).create("tax", &schema).unwrap();
        boundary.crossed();
        Self { store, boundary }
    }

    fn records(&self) -> Records<'_> {
        Records::new(&self.store)
    }

    fn dataset(&self) -> Dataset {
        self.records().dataset("tax").unwrap()
    }

    fn import(&self, rows: &[Row]) -> Changed {
        self.records().import(&mut self.dataset(), rows, &mut rng()).unwrap()
    }

    /// Everything that can be read: each row's record, with its path; and the root.
    fn view(&self, rows: &[Row]) -> View {
        let (records, dataset) = (self.records(), self.dataset());
        let root = records.root(&dataset).unwrap();
        let subjects = rows.iter().map(|row| subject(&row.values[0]).unwrap());
        let found = subjects.map(|subject| {
            let record = records.record(&dataset, subject).unwrap()?;
            assert_eq!(record.subject, subject);
            let commitment = record::commitment(dataset.schema_element(), &record.opening);
            let path = records.path(&dataset, &record).unwrap();
            assert_eq!(path.root(Leaf::record(commitment).unwrap()), root, "one whole state");
            Some((record.values.clone(), commitment))
        });
        View { found: found.collect(), root, records: dataset.len() }
    }

    fn keys(&self) -> usize {
        self.store.keys()
    }
}

#[derive(Debug, PartialEq)]
struct View {
    found: Vec<Option<(Vec<Value>, Fr)>>,
    root: Fr,
    records: u64,
}

/// The sample file's first rows, parsed once.
fn sample() -> Vec<Row> {
    let schema = Schema::parse(SCHEMA).unwrap();
    let file: String = FILE.split_inclusive('\n').take(31).collect();
    import::all_or_nothing(&schema, file.as_bytes(), |_| ()).unwrap()
}

/// The first 20 rows are stored; the change is of one of them, leaves some out and adds the rest.
fn changed(rows: &[Row]) -> Vec<Row> {
    let mut changed = rows[5..].to_vec();
    for row in &mut changed[..3] {
        row.values[3] = Value::Integer(1_234);
    }
    changed
}

fn pushed<'s>(records: Records<'s>, rows: &[Row]) -> Staging<'s> {
    let mut staging = records.begin("tax").unwrap();
    for rows in rows.chunks(4) {
        assert_eq!(staging.push(rows, &mut rng()).unwrap(), []);
    }
    staging
}

#[test]
fn nothing_is_seen_of_an_import_before_it_is_applied_and_all_of_it_afterwards() {
    let folder = TempDir::new().unwrap();
    let open = Open::new(folder.path(), Breakable::counting());
    let (rows, change) = (sample(), changed(&sample()));
    open.import(&rows[..20]);
    let before = open.view(&rows);
    let mut staging = pushed(open.records(), &change);
    assert_eq!(open.view(&rows), before);
    let root = staging.grow().unwrap();
    assert_eq!(open.view(&rows), before);
    let applied = staging.apply(&BTreeSet::new(), &mut rng()).unwrap();
    assert_eq!((applied.added, applied.updated, applied.unchanged), (10, 3, 12));
    let after = open.view(&rows);
    assert_eq!((after.root, after.records), (root, 30));
    staging.collect().unwrap();
    assert_eq!(open.view(&rows), after, "what is collected is not read");
    // Records that were not in the file, or are as they were, keep their commitments.
    for (index, row) in rows.iter().enumerate() {
        let (old, new) = (&before.found[index], after.found[index].as_ref().unwrap());
        let (touched, added) = ((5..8).contains(&index), index >= 20);
        assert_eq!(old.as_ref() == Some(new), !touched && !added, "{index}");
        assert_eq!(new.0 == row.values, !touched, "{index}");
    }
}

#[test]
fn an_import_syncs_three_times_however_long_it_is_and_not_at_all_if_nothing_changes() {
    let folder = TempDir::new().unwrap();
    let open = Open::new(folder.path(), Breakable::counting());
    let syncs = || open.boundary.crossed().into_iter().filter(|step| *step == Step::Sync).count();
    let rows = sample();
    for rows in [&rows[..1], &rows[..]] {
        let mut staging = pushed(open.records(), rows);
        staging.grow().unwrap();
        staging.apply(&BTreeSet::new(), &mut rng()).unwrap();
        staging.collect().unwrap();
        assert_eq!(syncs(), 3, "the mark, what is written, the change");
    }
    let again = open.import(&rows);
    assert_eq!((again.unchanged, again.nodes_written), (30, 0));
    assert_eq!(open.boundary.crossed(), [], "nothing is written");
}

#[test]
fn nothing_is_left_of_an_import_that_is_dropped() {
    let folder = TempDir::new().unwrap();
    let open = Open::new(folder.path(), Breakable::counting());
    let (rows, change) = (sample(), changed(&sample()));
    open.import(&rows[..20]);
    let (before, keys) = (open.view(&rows), open.keys());
    drop(pushed(open.records(), &change));
    assert_eq!((open.view(&rows), open.keys()), (before, keys));
    let mut staging = pushed(open.records(), &change);
    staging.grow().unwrap();
    assert!(open.keys() > keys);
    drop(staging);
    assert_eq!(open.keys(), keys);
    // What it leaves free is taken by the next one, and no version is left over.
    assert_eq!(open.import(&change).added, 10);
    open.view(&rows);
    // 10 records with their indices; they stand in the tiles that are there.
    assert_eq!(open.keys(), keys + 20);
}

#[test]
fn rows_about_one_subject_are_found_wherever_they_are() {
    let folder = TempDir::new().unwrap();
    let open = Open::new(folder.path(), Breakable::counting());
    let rows = sample();
    open.import(&rows[..2]);
    let mut staging = open.records().begin("tax").unwrap();
    let mut change = rows[1].clone();
    change.values[3] = Value::Integer(1_234);
    // Stored and unchanged, stored and changed, new: each in one push and in the next.
    let first = [rows[0].clone(), change, rows[2].clone()];
    let rejected = staging.push(&[&first[..], &first[..]].concat(), &mut rng()).unwrap();
    assert_eq!(rejected.len(), 3);
    let rejected = [rejected, staging.push(&first, &mut rng()).unwrap()].concat();
    let field = "citizen_id".to_owned();
    let lines: Vec<_> = rejected.iter().map(|rejected| rejected.line).collect();
    assert_eq!(lines, [2, 3, 4, 2, 3, 4]);
    assert!(rejected.iter().all(|it| it.fault == RowFault::Duplicate { field: field.clone() }));
    staging.grow().unwrap();
    let applied = staging.apply(&BTreeSet::new(), &mut rng()).unwrap();
    assert_eq!((applied.added, applied.updated, applied.unchanged), (1, 1, 1));
}

#[test]
fn a_key_that_is_enrolled_during_an_import_stays() {
    let folder = TempDir::new().unwrap();
    let open = Open::new(folder.path(), Breakable::counting());
    let (rows, change) = (sample(), changed(&sample()));
    open.import(&rows[..20]);
    let key = |seed| ConsentKey::from(PrivateKey::from_bytes(&[seed; 32]).public_key());
    let subjects: Vec<_> = rows.iter().map(|row| subject(&row.values[0]).unwrap()).collect();
    let enrol = |index: usize, seed| {
        let set =
            open.records().set_key(&open.dataset(), subjects[index], Some(key(seed)), &mut rng());
        set.unwrap()
    };
    enrol(6, 1);
    // Of a record that the import leaves out, one that it changes, one it leaves as it is, and one it adds.
    let mut staging = pushed(open.records(), &change);
    assert!(enrol(0, 2).is_some() && enrol(5, 3).is_some());
    staging.grow().unwrap();
    assert!(enrol(12, 4).is_some());
    assert!(enrol(25, 5).is_none(), "there is no such record yet");
    let touched = BTreeSet::from([0, 5, 12, 25].map(|index| subjects[index]));
    let applied = staging.apply(&touched, &mut rng()).unwrap();
    staging.collect().unwrap();
    let view = open.view(&rows);
    assert_eq!(view.root, applied.root);
    let stored =
        |index: usize| open.records().record(&open.dataset(), subjects[index]).unwrap().unwrap();
    for (index, seed) in [(0, 2), (5, 3), (6, 1), (12, 4)] {
        assert_eq!(stored(index).key, Some(key(seed)), "{index}");
    }
    assert_eq!(stored(5).values[3], Value::Integer(1_234), "and so does the change");
    assert!(stored(7).key.is_none() && stored(25).key.is_none());
    // After the import, changes in place go on.
    assert!(enrol(25, 5).is_some() && enrol(5, 6).is_some());
    open.view(&rows);
}

#[test]
fn a_kill_or_power_cut_between_any_two_steps_leaves_the_old_or_the_new() {
    let rows = &sample()[..12];
    let change = changed(rows);
    let (base, base_keys) = {
        let folder = TempDir::new().unwrap();
        let open = Open::new(folder.path(), Breakable::counting());
        open.import(&rows[..8]);
        let keys = open.keys();
        drop(open);
        (folder, keys)
    };
    let (mut old, mut new) = (0, 0);
    for fault in Fault::ALL {
        for power_cut in [false, true] {
            let mut good = 0;
            while let Some(applied) =
                broken_off(base.path(), base_keys, rows, &change, (good, fault), power_cut)
            {
                *(if applied { &mut new } else { &mut old }) += 1;
                good += 1;
            }
            // Mark, two pushes, subtree, top, change, two of clearing; and three times a flush and sync.
            assert_eq!(good, 14, "{fault:?}");
        }
    }
    assert_eq!(old + new, 6 * 14);
    assert!(old > 50 && new > 15, "{old} old, {new} new");
}

/// Breaks an import after `good` steps; whether it was applied all the same, or `None` if it came to its
/// end without that many.
fn broken_off(
    base: &FilePath,
    base_keys: usize,
    rows: &[Row],
    change: &[Row],
    (good, fault): (usize, Fault),
    power_cut: bool,
) -> Option<bool> {
    let (folder, synced) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    crate::store::faults::copy(base, folder.path());
    let open = Open::new(folder.path(), Breakable::new(folder.path(), synced.path()));
    open.boundary.sync_all();
    let before = open.view(rows);
    open.boundary.plan(good, None, fault);
    let acknowledged = (|| {
        let mut staging = open.records().begin("tax")?;
        for rows in change.chunks(4) {
            staging.push(rows, &mut rng())?;
        }
        staging.grow()?;
        let applied = staging.apply(&BTreeSet::new(), &mut rng())?;
        // That it fails to collect is not told.
        let _collected = staging.collect();
        Ok::<_, RecordsError>(applied.root)
    })();
    if open.boundary.is_planned() {
        assert!(acknowledged.is_ok());
        return None;
    }
    drop(open);
    let left = if power_cut { synced.path() } else { folder.path() };
    let open = Open::new(left, Breakable::counting());
    let after = open.view(rows);
    let applied = after != before;
    if applied {
        assert_eq!(after.records, 12);
        assert!(after.found.iter().all(Option::is_some));
    }
    if let Ok(root) = acknowledged {
        assert_eq!(after.root, root, "what was acknowledged is there");
    }
    // What is left behind is removed, and changes nothing; the same import then comes to its end.
    open.records().clear("tax").unwrap();
    assert_eq!(open.view(rows), after);
    let again = open.import(change);
    assert_eq!(again.added + again.updated, if applied { 0 } else { 7 });
    open.view(rows);
    assert_eq!(open.keys(), base_keys + 8, "{good} {fault:?} {power_cut}: no version is left over");
    Some(applied)
}

/// A citizen number with its check digit (ISO 7064 MOD 11,10).
fn citizen(number: i64) -> i64 {
    let body = 10_000_000_000 + number;
    let product = body.to_string().bytes().fold(10, |product, digit| {
        let sum = (product + i64::from(digit - b'0')) % 10;
        2 * if sum == 0 { 10 } else { sum } % 11
    });
    10 * body + (11 - product) % 10
}

#[test]
fn subtrees_hashed_on_all_cores_make_the_tree_of_the_plain_way() {
    let folder = TempDir::new().unwrap();
    let open = Open::new(folder.path(), Breakable::counting());
    let template = sample().remove(0);
    let row = |number: i64| {
        let mut row = template.clone();
        row.values[0] = Value::Integer(citizen(number));
        row
    };
    // More than one subtree of 4,096.
    let rows: Vec<Row> = (1..=4_200).map(row).collect();
    let first = open.import(&rows);
    assert_eq!(first.added, 4_200);
    // Leaves; nodes of the levels 1 to 5, then one a level up to the root.
    let nodes = 4_200 + 525 + 66 + 9 + 2 + 1 + 6;
    assert_eq!(first.nodes_written, nodes, "each node once");
    let mut changed = [rows[0].clone(), rows[100].clone(), rows[4_199].clone()];
    for row in &mut changed {
        row.values[3] = Value::Integer(1_234);
    }
    let second = open.import(&changed);
    // Two paths meet at level 3, and the third at level 5.
    assert_eq!((second.updated, second.nodes_written), (3, 3 + 3 + 2 + 5 + 7));
    let dataset = open.dataset();
    let nodes = open.store.nodes(dataset.series(), dataset.state.generation);
    let leaf = |index| tree::NodeStore::node(&nodes, Position::leaf(index)).unwrap().unwrap();
    let leaves = (0..4_200).map(|index| (index, Leaf::record(leaf(index)).unwrap())).collect();
    let plain = tree::update_many(&std::collections::BTreeMap::new(), &leaves).unwrap();
    assert_eq!(plain.root, second.root);
    open.view(&changed);
    open.view(&rows[200..203]);
}
