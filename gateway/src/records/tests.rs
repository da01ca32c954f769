mod importing;

use super::*;
use crate::import;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../../data/tax.schema.json");
const FILE: &str = include_str!("../../data/tax.csv");

struct Fixture {
    _folder: TempDir,
    store: Store,
    schema: Schema,
    rng: UnwrapErr<SysRng>,
}

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let storage_key = crypto::Secret::new([1; 32]);
        let store = Store::open(folder.path(), &storage_key, Box::new(UnwrapErr(SysRng))).unwrap();
        let schema = Schema::parse(SCHEMA).unwrap();
        Self { _folder: folder, store, schema, rng: UnwrapErr(SysRng) }
    }

    fn rows(&self, lines: usize) -> Vec<Row> {
        let file: String = FILE.split_inclusive('\n').take(lines + 1).collect();
        import::all_or_nothing(&self.schema, file.as_bytes(), |_| ()).unwrap()
    }
}

fn opens_under(records: Records<'_>, dataset: &Dataset, subject: Subject, root: Fr) -> Record {
    let record = records.record(dataset, subject).unwrap().unwrap();
    let commitment = record::commitment(dataset.schema_element(), &record.opening);
    let path = records.path(dataset, &record).unwrap();
    assert_eq!(path.root(Leaf::record(commitment).unwrap()), root);
    assert_eq!(records.root(dataset).unwrap(), root);
    record
}

#[test]
fn imported_records_open_under_the_root() {
    let mut fixture = Fixture::new();
    let rows = fixture.rows(40);
    let records = Records::new(&fixture.store);
    let mut dataset = records.create("tax", &fixture.schema).unwrap();
    let changed = records.import(&mut dataset, &rows, &mut fixture.rng).unwrap();
    assert_eq!((changed.added, changed.updated, changed.unchanged), (40, 0, 0));
    for row in &rows {
        let subject = subject(&row.values[0]).unwrap();
        let record = opens_under(records, &dataset, subject, changed.root);
        assert_eq!(record.values, row.values);
        assert!(record.key.is_none());
    }
    // 40 leaves, then 5 nodes, then one a level up to the root.
    assert_eq!(changed.nodes_written, 40 + 5 + 10);
}

#[test]
fn one_changed_record_writes_its_path_and_no_more() {
    let mut fixture = Fixture::new();
    let mut rows = fixture.rows(40);
    let records = Records::new(&fixture.store);
    let mut dataset = records.create("tax", &fixture.schema).unwrap();
    let first = records.import(&mut dataset, &rows, &mut fixture.rng).unwrap();
    let subject = subject(&rows[7].values[0]).unwrap();
    let before = records.record(&dataset, subject).unwrap().unwrap();
    let other = records.record(&dataset, Subject::try_from(101_146_789_348).unwrap()).unwrap();

    let (wages, _) = fixture.schema.field("w2_wages_cents").unwrap();
    rows[7].values[wages] = Value::Integer(1);
    let second = records.import(&mut dataset, &rows, &mut fixture.rng).unwrap();
    assert_eq!((second.added, second.updated, second.unchanged), (0, 1, 39));
    assert_eq!(second.nodes_written, 12, "a leaf and eleven levels");
    assert_ne!(second.root, first.root);

    let after = opens_under(records, &dataset, subject, second.root);
    assert_eq!(after.opening.pseudonym_key, before.opening.pseudonym_key);
    assert_ne!(after.opening.blinding, before.opening.blinding);
    let untouched = records.record(&dataset, other.as_ref().unwrap().subject).unwrap().unwrap();
    assert_eq!(untouched.opening.blinding, other.unwrap().opening.blinding);
}

#[test]
fn importing_the_same_file_again_changes_nothing() {
    let mut fixture = Fixture::new();
    let rows = fixture.rows(10);
    let records = Records::new(&fixture.store);
    let mut dataset = records.create("tax", &fixture.schema).unwrap();
    let first = records.import(&mut dataset, &rows, &mut fixture.rng).unwrap();
    let again = records.import(&mut dataset, &rows, &mut fixture.rng).unwrap();
    assert_eq!((again.unchanged, again.nodes_written, again.root), (10, 0, first.root));
}

#[test]
fn a_dataset_is_found_again_and_keeps_its_schema() {
    let fixture = Fixture::new();
    let records = Records::new(&fixture.store);
    records.create("tax", &fixture.schema).unwrap();
    let found = records.dataset("tax").unwrap();
    assert_eq!(found.schema(), &fixture.schema);
    assert!(matches!(records.dataset("tux"), Err(RecordsError::UnknownDataset(_))));
    let other = Schema::parse(include_str!("../../data/welfare.schema.json")).unwrap();
    assert!(matches!(records.create("tax", &other), Err(RecordsError::OtherSchema { .. })));
}

#[test]
fn enrolling_a_key_gives_a_new_commitment_and_a_new_root() {
    let mut fixture = Fixture::new();
    let rows = fixture.rows(3);
    let records = Records::new(&fixture.store);
    let mut dataset = records.create("tax", &fixture.schema).unwrap();
    let before = records.import(&mut dataset, &rows, &mut fixture.rng).unwrap().root;
    let subject = subject(&rows[1].values[0]).unwrap();
    let private = circuits::eddsa::PrivateKey::from_bytes(&[9; 32]);
    let key = ConsentKey::from(private.public_key());
    let set = |key| records.set_key(&dataset, subject, key, &mut UnwrapErr(SysRng)).unwrap();
    let after = set(Some(key.clone())).unwrap();
    assert_ne!(after, before);
    let record = opens_under(records, &dataset, subject, after);
    assert_eq!(record.opening.public_key, (key.public_key().x(), key.public_key().y()));
    assert_eq!(set(Some(key)), Some(after), "the same key again changes nothing");
    let nobody = Subject::try_from(5).unwrap();
    assert!(records.set_key(&dataset, nobody, None, &mut fixture.rng).unwrap().is_none());
}
