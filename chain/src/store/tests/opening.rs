//! What a folder must be like to be opened.

use std::fs;

use super::*;

/// A chain of four blocks, closed.
fn world() -> World {
    let mut world = World::new();
    let mut open = world.open();
    for _ in 0..4 {
        world.append(&mut open, 2).unwrap();
    }
    world
}

/// Changes a tree of the closed folder.
fn edit(world: &World, tree: &str, change: impl FnOnce(&sled::Tree)) {
    let db = open_sled(&world.path().join("sled")).unwrap();
    change(&db.open_tree(tree).unwrap());
}

/// Changes one value of a tree; checks that the folder is then refused with `code`, and that it opens once
/// the value is put back.
fn refused_with(code: &str, tree: &str, key: &[u8], change: impl Fn(&mut Vec<u8>)) {
    let world = world();
    let mut good = Vec::new();
    edit(&world, tree, |tree| {
        good = tree.get(key).unwrap().unwrap().to_vec();
        let mut bad = good.clone();
        change(&mut bad);
        tree.insert(key, bad).unwrap();
    });
    assert_eq!(world.refusal(), code, "{tree}");
    edit(&world, tree, |tree| drop(tree.insert(key, good).unwrap()));
    assert_eq!(world.refusal(), "ok", "{tree}");
}

fn flip(place: usize) -> impl Fn(&mut Vec<u8>) {
    move |bytes| bytes[place] ^= 1
}

const TWO: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 2];

#[test]
fn a_changed_value_is_refused_wherever_it_is() {
    refused_with("block-link", "blocks", &TWO, flip(71));
    refused_with("certificate-signature", "blocks", &TWO, flip(79));
    refused_with("certificate-signature", "blocks", &TWO, flip(HEADER + 6 + 32));
    refused_with("store-damaged", "blocks", &TWO, |bytes| bytes.truncate(100));
    refused_with("store-damaged", "blocks", &TWO, |bytes| bytes.push(0));
    refused_with("entry-signature", "entries", &TWO, flip(1));
    refused_with("entry-signature", "entries", &TWO, flip(224));
    refused_with("store-damaged", "entries", &TWO, flip(0));
    refused_with("store-index", "hashes", &TWO, flip(0));
    refused_with("store-index", "hashes", &TWO, |bytes| bytes.clear());
    refused_with("store-format", "meta", b"format", flip(3));
    refused_with("store-network", "meta", b"network", flip(3));
    let network = Network::new(3);
    let id = network.request(0, "request 2").id(network.genesis().network());
    refused_with("store-index", "ids", id.as_bytes(), flip(7));
    refused_with("store-index", "ids", id.as_bytes(), flip(15));
}

const HEADER: usize = crate::block::HEADER_BYTES;

#[test]
fn a_missing_or_stray_value_is_refused() {
    let removed = |code: &str, tree: &str, key: &[u8]| {
        let world = world();
        edit(&world, tree, |tree| drop(tree.remove(key).unwrap()));
        assert_eq!(world.refusal(), code, "{tree}");
    };
    removed("store-missing", "blocks", &TWO);
    removed("store-missing", "entries", &TWO);
    removed("store-index", "hashes", &TWO);
    let added = |tree: &str| {
        let world = world();
        edit(&world, tree, |tree| drop(tree.insert([0xff; 8], [0; 32].as_slice()).unwrap()));
        assert_eq!(world.refusal(), "store-index", "{tree}");
    };
    added("entries");
    added("hashes");
    added("ids");
}

#[test]
fn another_genesis_is_refused() {
    let world = world();
    let other = Network::new(2).genesis();
    let error = Store::open(&world.path(), other, Arc::new(Direct)).unwrap_err();
    assert_eq!(error.code(), "store-network");
}

#[test]
fn a_chain_rolled_back_behind_its_mark_is_refused() {
    let mut world = world();
    let old = world.folder.path().join("old");
    copy(&world.path().join("sled"), &old);
    let mut open = world.open();
    world.append(&mut open, 1).unwrap();
    drop(open);
    let new = world.folder.path().join("new");
    copy(&world.path().join("sled"), &new);

    copy(&old, &world.path().join("sled"));
    let genesis = world.network.genesis();
    let error = Store::open(&world.path(), genesis, Arc::new(Direct)).unwrap_err();
    assert_eq!(error, OpenError::BehindMark { tip: 4, marked: 5 });
    assert_eq!(error.code(), "mark-ahead");

    // Nothing left at all is rolled back too.
    fs::remove_dir_all(world.path().join("sled")).unwrap();
    assert_eq!(world.refusal(), "mark-ahead");

    copy(&new, &world.path().join("sled"));
    world.reopen();
}

#[test]
fn a_chain_without_its_mark_is_refused() {
    let mut world = world();
    let mark = world.path().join("mark");
    let good = fs::read(&mark).unwrap();
    fs::remove_file(&mark).unwrap();
    assert_eq!(world.refusal(), "mark-missing");
    fs::write(&mark, vec![0; good.len()]).unwrap();
    assert_eq!(world.refusal(), "mark-damaged");
    fs::write(&mark, good).unwrap();
    world.reopen();
}

#[test]
fn another_block_at_the_marked_height_is_refused() {
    // Two chains of one validator: the mark of the one, the store of the other.
    let (ours, mut theirs) = (world(), World::new());
    theirs.written = 100;
    let mut open = theirs.open();
    for _ in 0..5 {
        theirs.append(&mut open, 2).unwrap();
    }
    drop(open);
    assert_eq!(theirs.refusal(), "ok");
    copy(&theirs.path().join("sled"), &ours.path().join("sled"));
    let genesis = ours.network.genesis();
    let error = Store::open(&ours.path(), genesis, Arc::new(Direct)).unwrap_err();
    assert_eq!(error, OpenError::MarkConflict { height: 4 });
    assert_eq!(error.code(), "mark-conflict");
}

#[test]
fn the_format_of_the_mark_file_is_frozen() {
    let world = world();
    let bytes = fs::read(world.path().join("mark")).unwrap();
    assert_eq!(bytes.len(), 8_192);
    let header = world.acknowledged[3].block.header();
    let mut slot = Vec::new();
    slot.extend(world.network.genesis().network().as_bytes());
    slot.extend([0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    slot.extend(header.hash().as_bytes());
    slot.extend([0, 0, 0, 0, 0, 0, 0, 8]);
    slot.extend(header.log_root.as_bytes());
    let digest = Digest::labelled("proofgate/v1/mark", &[&slot]);
    slot.extend(digest.as_bytes());
    assert_eq!(bytes[..148], slot);
}
