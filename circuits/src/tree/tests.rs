use std::convert::Infallible;

use super::*;
use ark_ff::Field;
use ark_std::{UniformRand, test_rng};
use proptest::prelude::*;

/// The root of `8^levels` leaves, hashed the plain way; absent leaves are 0.
fn dense_root(leaves: &BTreeMap<u32, Leaf>, levels: u32) -> Fr {
    let mut nodes: Vec<Fr> = (0..8u32.pow(levels))
        .map(|index| leaves.get(&index).copied().unwrap_or(Leaf::EMPTY).element())
        .collect();
    while nodes.len() > 1 {
        nodes = nodes.as_chunks().0.iter().map(|children| poseidon::node(*children)).collect();
    }
    nodes[0]
}

/// `node` as the first child of ever larger, otherwise empty trees.
fn raise(mut node: Fr, from: u32) -> Fr {
    for level in from..11 {
        let mut empty = Fr::ZERO;
        for _ in 0..level {
            empty = poseidon::node([empty; 8]);
        }
        let [a, b, c, d, e, f, g] = [empty; 7];
        node = poseidon::node([node, a, b, c, d, e, f, g]);
    }
    node
}

fn record(element: u64) -> Leaf {
    Leaf::record(Fr::from(element)).unwrap()
}

type Memory = BTreeMap<Position, Fr>;

fn apply(store: &mut Memory, change: impl FnOnce(&Memory) -> Result<Update, Infallible>) -> Fr {
    let update = change(store).unwrap();
    store.extend(update.writes);
    assert_eq!(root(store), Ok(update.root));
    update.root
}

#[test]
fn a_zero_commitment_is_no_record() {
    assert_eq!(Leaf::record(Fr::ZERO), Err(ZeroCommitment));
    assert_eq!(Leaf::record(Fr::ONE).map(Leaf::element), Ok(Fr::ONE));
}

#[test]
fn one_changed_record_writes_its_path_and_no_more() {
    let mut store = BTreeMap::new();
    apply(&mut store, |store| update_many(store, &(0..40).map(|i| (i, record(7))).collect()));
    for index in [0, 17, 4_000_000_000, u32::MAX] {
        let change = update(&store, index, record(9)).unwrap();
        let positions: Vec<_> = change.writes.iter().map(|(position, _)| *position).collect();
        let expected: Vec<_> = (0..=11u8)
            .map(|level| Position { level, index: expected_index(index, level) })
            .collect();
        assert_eq!(positions, expected);
        assert_eq!(change.writes.len(), 1 + LEVELS);
        apply(&mut store, |_| Ok(change));
    }
}

fn expected_index(index: u32, level: u8) -> u32 {
    u32::try_from(u64::from(index) / 8u64.pow(u32::from(level))).unwrap()
}

#[test]
fn subtrees_hashed_apart_make_the_same_tree() {
    let old: BTreeMap<_, _> = (0..300).map(|i| (i, record(u64::from(i) + 1))).collect();
    let mut store = Memory::new();
    apply(&mut store, |store| update_many(store, &old));
    // In two subtrees of 64 leaves that have old ones, and in one that has none.
    let changed: BTreeMap<_, _> =
        [3, 4, 63, 200, 201, 5_000].map(|i| (i, record(1_000_000 + u64::from(i)))).into();
    let whole = update_many(&store, &changed).unwrap();
    let mut tops = Vec::new();
    let mut apart = Vec::new();
    for subtree in [0, 3, 78] {
        let leaves = changed.range(subtree * 64..(subtree + 1) * 64);
        let leaves = leaves.map(|(index, leaf)| (Position::leaf(*index), leaf.element()));
        let mut writes = climb(&store, leaves.collect(), 2).unwrap();
        tops.push(*writes.last().unwrap());
        assert_eq!(tops.last().unwrap().0, Position::new(2, subtree).unwrap());
        writes.pop();
        apart.extend(writes);
    }
    apart.extend(climb(&store, tops, 11).unwrap());
    apart.sort_by_key(|(position, _)| *position);
    assert_eq!(apart, whole.writes, "each node once, and the same");
    assert_eq!(climb(&store, Vec::new(), 11), Ok(Vec::new()));
}

#[test]
#[should_panic(expected = "nodes of one level")]
fn a_climb_begins_on_one_level() {
    let mixed = vec![(Position::leaf(0), Fr::ONE), (Position::new(1, 1).unwrap(), Fr::ONE)];
    climb(&Memory::new(), mixed, 11).unwrap();
}

#[test]
fn a_position_is_one_of_the_tree() {
    assert_eq!(Position::new(11, 0), Some(Position::ROOT));
    assert_eq!(Position::new(0, u32::MAX), Some(Position::leaf(u32::MAX)));
    assert_eq!(Position::new(10, 7).map(Position::index), Some(7));
    for (level, index) in [(11, 1), (12, 0), (10, 8), (1, 1 << 30)] {
        assert_eq!(Position::new(level, index), None);
    }
}

#[test]
fn a_batch_hashes_each_touched_node_once() {
    let leaves: BTreeMap<_, _> = (0..2000).map(|i| (i, record(u64::from(i) + 1))).collect();
    let batch = update_many(&BTreeMap::new(), &leaves).unwrap();
    // 2000 leaves, 250 + 32 + 4 nodes, then one on each of the 8 levels above.
    assert_eq!(batch.writes.len(), 2000 + 250 + 32 + 4 + 8);
    let mut positions: Vec<_> = batch.writes.iter().map(|(position, _)| *position).collect();
    assert!(positions.is_sorted());
    positions.dedup();
    assert_eq!(positions.len(), batch.writes.len());
}

#[test]
fn an_empty_batch_writes_nothing_and_keeps_the_root() {
    let mut store = BTreeMap::new();
    let root = apply(&mut store, |store| update(store, 5, record(3)));
    let nothing = update_many(&store, &BTreeMap::new()).unwrap();
    assert_eq!(nothing, Update { writes: Vec::new(), root });
}

#[test]
fn removing_the_last_record_gives_the_empty_tree() {
    let mut store = BTreeMap::new();
    let empty = root(&store).unwrap();
    apply(&mut store, |store| update(store, 99, record(3)));
    assert_eq!(apply(&mut store, |store| update(store, 99, Leaf::EMPTY)), empty);
    assert_eq!(empty, raise(Fr::ZERO, 0));
}

#[test]
fn an_inner_node_does_not_pass_for_a_leaf() {
    let mut store = BTreeMap::new();
    let leaves = (0..64).map(|i| (i, record(u64::from(i) + 1))).collect();
    let root = apply(&mut store, |store| update_many(store, &leaves));
    let mut shifted = path(&store, 0).unwrap();
    assert_eq!(shifted.root(record(1)), root);
    let inner = Leaf::record(store[&Position { level: 1, index: 0 }]).unwrap();
    assert_ne!(shifted.root(inner), root);
    shifted.siblings.rotate_left(1);
    assert_ne!(shifted.root(inner), root);
}

#[test]
fn a_path_holds_for_its_own_index_and_leaf_only() {
    let mut store = BTreeMap::new();
    let leaves = (0..64).map(|i| (i, record(u64::from(i) + 1))).collect();
    let root = apply(&mut store, |store| update_many(store, &leaves));
    let mut path = path(&store, 27).unwrap();
    assert_eq!(path.root(record(28)), root);
    assert_ne!(path.root(record(29)), root);
    path.index = 26;
    assert_ne!(path.root(record(28)), root);
}

#[test]
fn store_errors_come_through() {
    struct Broken;
    impl NodeStore for Broken {
        type Error = &'static str;
        fn node(&self, _: Position) -> Result<Option<Fr>, Self::Error> {
            Err("broken")
        }
    }
    assert_eq!(root(&Broken), Err("broken"));
    assert_eq!(update(&Broken, 0, record(1)), Err("broken"));
    assert_eq!(path(&Broken, 0), Err("broken"));
}

#[test]
fn position_bytes_sort_as_positions() {
    let positions = [
        Position::leaf(0),
        Position::leaf(255),
        Position::leaf(256),
        Position { level: 1, index: 3 },
        Position::ROOT,
    ];
    assert!(positions.is_sorted());
    assert!(positions.map(Position::to_bytes).is_sorted());
    assert_eq!(Position::leaf(0x0102_0304).to_bytes(), [0, 1, 2, 3, 4]);
    assert_eq!((Position::ROOT.level(), Position::ROOT.index()), (11, 0));
}

#[test]
fn path_bytes_are_strict() {
    let rng = &mut test_rng();
    let path = Path {
        index: 0x0102_0304,
        siblings: std::array::from_fn(|_| std::array::from_fn(|_| Fr::rand(rng))),
    };
    let bytes = path.to_bytes();
    assert_eq!(bytes.len(), PATH_BYTES);
    assert_eq!(bytes[..4], [1, 2, 3, 4]);
    assert_eq!(Path::from_bytes(&bytes), Ok(path));
    let got = PATH_BYTES - 1;
    assert_eq!(Path::from_bytes(&bytes[1..]), Err(PathError::Length { got }));
    let mut long = bytes.clone();
    long.push(0);
    assert_eq!(Path::from_bytes(&long), Err(PathError::Length { got: PATH_BYTES + 1 }));
    let mut high = bytes;
    let (level, sibling) = (10, 5);
    high[4 + (level * 7 + sibling) * 32] = 0xff;
    assert_eq!(Path::from_bytes(&high), Err(PathError::NotCanonical { level, sibling }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn agrees_with_a_dense_tree(
        batches in prop::collection::vec(
            prop::collection::btree_map(0u32..512, 0u64..1000, 0..12),
            1..5,
        ),
        probe in 0u32..512,
    ) {
        let mut store = BTreeMap::new();
        let mut model = BTreeMap::new();
        for batch in batches {
            let leaves: BTreeMap<_, _> = batch
                .into_iter()
                .map(|(index, value)| (index, Leaf(Fr::from(value))))
                .collect();
            let batch = update_many(&store, &leaves).unwrap();
            let mut one_by_one = store.clone();
            for (index, leaf) in &leaves {
                apply(&mut one_by_one, |store| update(store, *index, *leaf));
            }
            apply(&mut store, |_| Ok(batch));
            model.extend(leaves);
            prop_assert_eq!(&store, &one_by_one);
        }
        let root = root(&store).unwrap();
        prop_assert_eq!(root, raise(dense_root(&model, 3), 3));
        let leaf = model.get(&probe).copied().unwrap_or(Leaf::EMPTY);
        let path = path(&store, probe).unwrap();
        prop_assert_eq!(path.root(leaf), root);
        prop_assert_eq!(Path::from_bytes(&path.to_bytes()), Ok(path));
    }
}
