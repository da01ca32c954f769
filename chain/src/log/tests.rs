use proptest::prelude::*;

use super::*;

/// The leaves of Certificate Transparency's Merkle tree tests
/// (google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc).
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

/// The roots over the first 1 to 8 of [`LEAVES`], from the same file.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Inclusion proofs from the same file: (index, size, hashes).
const PATHS: [(u64, u64, &[&str]); 4] = [
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
];

/// Consistency proofs from the same file: (prefix, size, hashes).
const PREFIXES: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn digests(texts: &[&str]) -> Vec<Digest> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn leaf(place: usize) -> Digest {
    leaf_hash_of(&hex::decode(LEAVES[place]).unwrap())
}

/// The stored hashes of a log over `leaves`, and its frontier.
fn build(leaves: &[Digest]) -> (Vec<Digest>, Frontier) {
    let (mut stored, mut frontier) = (Vec::new(), Frontier::new());
    for leaf in leaves {
        assert_eq!(stored.len() as u64, stored_hash_count(frontier.size()));
        stored.extend(frontier.append(*leaf));
    }
    (stored, frontier)
}

/// RFC 6962, section 2.1, word for word.
fn plain_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            let (left, right) = (plain_root(left), plain_root(right));
            Digest::of(&[&[1][..], left.as_bytes(), right.as_bytes()].concat())
        }
    }
}

#[test]
fn roots_agree_with_certificate_transparency() {
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), Digest::of(b""));
    for (place, root) in ROOTS.iter().enumerate() {
        frontier.append(leaf(place));
        assert_eq!(frontier.root().to_string(), *root, "{place}");
    }
    assert_eq!(frontier.size(), 8);
}

#[test]
fn inclusion_proofs_agree_with_certificate_transparency() {
    let leaves: Vec<_> = (0..8).map(leaf).collect();
    let (stored, _) = build(&leaves);
    for (index, size, path) in PATHS {
        let proof = InclusionProof::new(stored.as_slice(), size, index).unwrap();
        assert_eq!(proof.hashes(), digests(path), "{index} of {size}");
    }
}

#[test]
fn consistency_proofs_agree_with_certificate_transparency() {
    let leaves: Vec<_> = (0..8).map(leaf).collect();
    let (stored, _) = build(&leaves);
    for (prefix, size, path) in PREFIXES {
        let proof = ConsistencyProof::new(stored.as_slice(), size, prefix).unwrap();
        assert_eq!(proof.hashes(), digests(path), "{prefix} of {size}");
    }
}

#[test]
fn an_inclusion_proof_shows_one_leaf_at_one_index_under_one_root() {
    let leaves: Vec<_> = (0..8).map(leaf).collect();
    let (stored, frontier) = build(&leaves);
    let root = frontier.root();
    let proof = InclusionProof::new(stored.as_slice(), 8, 5).unwrap();
    assert_eq!(proof.verify(leaf(5), 5, 8, &root), Ok(()));
    assert_eq!(proof.verify(leaf(4), 5, 8, &root), Err(LogError::Proof));
    assert_eq!(proof.verify(leaf(5), 4, 8, &root), Err(LogError::Proof));
    assert_eq!(proof.verify(leaf(5), 5, 16, &root), Err(LogError::Proof));
    assert_eq!(proof.verify(leaf(5), 5, 8, &leaf(0)), Err(LogError::Proof));
    let out = LogError::OutOfRange { index: 8, size: 8 };
    assert_eq!(proof.verify(leaf(5), 8, 8, &root), Err(out));
    assert_eq!(InclusionProof::new(stored.as_slice(), 8, 8), Err(out));
    for place in 0..proof.0.len() {
        let mut tampered = proof.clone();
        tampered.0[place] = leaf(0);
        assert_eq!(tampered.verify(leaf(5), 5, 8, &root), Err(LogError::Proof));
        tampered.0.remove(place);
        assert_eq!(tampered.verify(leaf(5), 5, 8, &root), Err(LogError::Proof));
    }
}

#[test]
fn a_missing_hash_is_named() {
    let leaves: Vec<_> = (0..4).map(leaf).collect();
    let (stored, _) = build(&leaves);
    let missing = Err(LogError::HashMissing { index: 6 });
    assert_eq!(InclusionProof::new(&stored[..6], 4, 0), missing);
    assert!(InclusionProof::new(&stored[..7], 4, 0).is_ok());
}

proptest! {
    #[test]
    fn frontier_root_is_that_of_rfc_6962(count in 0_usize..70) {
        let leaves: Vec<_> = (0..count).map(|n| Digest::of(&n.to_be_bytes())).collect();
        let (_, frontier) = build(&leaves);
        prop_assert_eq!(frontier.root(), plain_root(&leaves));
        prop_assert!(frontier.subtrees.len() <= 7);
    }

    #[test]
    fn proofs_of_any_size_hold((size, a, b) in (1_u64..70).prop_flat_map(|size| (Just(size), 0..size, 1..=size))) {
        let leaves: Vec<_> = (0..size).map(|n| Digest::of(&n.to_be_bytes())).collect();
        let (stored, frontier) = build(&leaves);
        let inclusion = InclusionProof::new(stored.as_slice(), size, a).unwrap();
        let place = usize::try_from(a).unwrap();
        prop_assert_eq!(inclusion.verify(leaves[place], a, size, &frontier.root()), Ok(()));
        let prefix = plain_root(&leaves[..usize::try_from(b).unwrap()]);
        let consistency = ConsistencyProof::new(stored.as_slice(), size, b).unwrap();
        prop_assert_eq!(consistency.verify(size, &frontier.root(), b, &prefix), Ok(()));
        if b < size {
            prop_assert_eq!(
                consistency.verify(size, &frontier.root(), b, &Digest::of(b"other")),
                Err(LogError::Proof)
            );
        }
    }
}
