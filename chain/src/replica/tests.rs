use super::*;
use crate::block::Precommit;
use crate::contract::Network;
use crate::entry::Content;

/// The next block over `entries`, certified by the network's validator.
fn certify(header: &Header) -> Certificate {
    let signature = Precommit::new(header, 0).sign(&Network::validator_key());
    Certificate::new(0, vec![(Network::validator_id(), signature)]).unwrap()
}

fn next(replica: &Replica, time: u64, entries: &[Entry]) -> CertifiedBlock {
    let mut draft = replica.draft(Timestamp::from_unix_seconds(time));
    for entry in entries {
        draft.push(entry, None).unwrap();
    }
    let proposal = draft.seal(Network::validator_id());
    let certificate = certify(proposal.block().header());
    proposal.certify(certificate).0.block().clone()
}

/// The chain's third block, after two with an entry each.
fn third() -> (Network, Replica, CertifiedBlock) {
    let network = Network::new(2);
    let mut replica = Replica::new(network.genesis());
    for (time, name) in [(10, "a"), (20, "b")] {
        let block = next(&replica, time, &[network.request(0, name)]);
        replica.accept(block.clone(), &Documents::default()).unwrap();
    }
    let entries = [network.request(0, "c"), network.request(1, "d")];
    let block = next(&replica, 30, &entries);
    (network, replica, block)
}

/// `block` with its header changed, and certified again if `certified`.
fn altered(
    block: &CertifiedBlock,
    change: impl FnOnce(&mut Header),
    certified: bool,
) -> CertifiedBlock {
    let mut header = *block.block.header();
    change(&mut header);
    let certificate = if certified { certify(&header) } else { block.certificate.clone() };
    let block = Block::new(header, block.block.entries().to_vec()).unwrap();
    CertifiedBlock { block, certificate }
}

type Change<'a> = &'a dyn Fn(&mut Header);

fn code(replica: &Replica, block: &CertifiedBlock) -> &'static str {
    let mut replica = replica.clone();
    let tip = *replica.tip();
    match replica.accept(block.clone(), &Documents::default()) {
        Ok(_) => "ok",
        Err(error) => {
            assert_eq!(*replica.tip(), tip, "a refused block changes nothing");
            error.code()
        }
    }
}

#[test]
fn the_next_block_is_taken_in() {
    let (_, mut replica, block) = third();
    let accepted = replica.accept(block.clone(), &Documents::default()).unwrap();
    assert_eq!(accepted.ids().len(), 2);
    // Leaves 2 and 3; the latter completes two subtrees.
    let places: Vec<_> = accepted.hashes().map(|(place, _)| place).collect();
    assert_eq!(places, [3, 4, 5, 6]);
    let header = block.block.header();
    let tip = Tip {
        height: 3,
        block: header.hash(),
        time: Timestamp::from_unix_seconds(30),
        log_size: 4,
        log_root: header.log_root,
    };
    assert_eq!(*replica.tip(), tip);
    assert_eq!(code(&replica, &block), "block-height");
}

#[test]
fn a_certified_block_with_one_wrong_field_is_refused() {
    let (_, replica, block) = third();
    let other = Digest::of(b"other");
    let table: [(&str, Change<'_>); 9] = [
        ("block-network", &|header| {
            header.network = crate::identifier::NetworkId::from_digest(other);
        }),
        ("block-height", &|header| header.height += 1),
        ("block-link", &|header| header.previous = BlockHash::from_digest(other)),
        ("block-time", &|header| header.time = Timestamp::from_unix_seconds(19)),
        ("block-validators", &|header| header.validators = other),
        ("block-validators", &|header| header.next_validators = other),
        ("block-proposer", &|header| header.proposer = "other".parse().unwrap()),
        ("block-log-size", &|header| header.log_size += 1),
        ("block-log-root", &|header| header.log_root = other),
    ];
    assert_eq!(code(&replica, &block), "ok");
    for (expected, change) in table {
        assert_eq!(code(&replica, &altered(&block, change, true)), expected);
    }
    let same_second = |header: &mut Header| header.time = Timestamp::from_unix_seconds(20);
    assert_eq!(code(&replica, &altered(&block, same_second, true)), "ok");
}

#[test]
fn a_changed_block_needs_a_new_certificate() {
    let (_, replica, block) = third();
    let later = |header: &mut Header| header.time = Timestamp::from_unix_seconds(31);
    assert_eq!(code(&replica, &altered(&block, later, false)), "certificate-signature");
    assert_eq!(code(&replica, &altered(&block, later, true)), "ok");
    let certificate = Certificate::new(0, vec![]).unwrap();
    let unsigned = CertifiedBlock { certificate, ..block };
    assert_eq!(code(&replica, &unsigned), "certificate-too-few");
}

#[test]
fn entries_are_what_the_root_is_over() {
    let (network, replica, block) = third();
    let [c, d] = block.block.entries() else { panic!("two entries") };
    let with = |entries: Vec<Entry>| CertifiedBlock {
        block: Block::new(*block.block.header(), entries).unwrap(),
        certificate: block.certificate.clone(),
    };
    assert_eq!(code(&replica, &with(vec![*c, *d])), "ok");
    assert_eq!(code(&replica, &with(vec![*d, *c])), "block-log-root");
    assert_eq!(code(&replica, &with(vec![*c, network.request(1, "e")])), "block-log-root");
    assert_eq!(code(&replica, &with(vec![*c, *c])), "entry-duplicate");
}

#[test]
fn a_broken_rule_names_height_and_index() {
    let (network, mut replica, _) = third();
    let mut draft = replica.draft(Timestamp::from_unix_seconds(30));
    let circuit = Network::document("circuit");
    let entry = network.entry(0, Content::Circuit { document: *circuit.digest() });
    draft.push(&network.request(0, "c"), None).unwrap();
    draft.push(&entry, Some(&circuit)).unwrap();
    let proposal = draft.seal(Network::validator_id());
    let certificate = certify(proposal.block().header());
    let block = proposal.certify(certificate).0.block().clone();
    let missing = BlockError::Rule { height: 3, index: 3, error: RuleError::DocumentMissing };
    assert_eq!(replica.accept(block.clone(), &Documents::default()), Err(missing));
    let mut documents = Documents::default();
    documents.insert(circuit);
    assert!(replica.accept(block.clone(), &documents).is_ok());
}

#[test]
fn empty_blocks_follow_too() {
    let (_, mut replica, _) = third();
    let empty = next(&replica, 40, &[]);
    let before = *replica.tip();
    replica.accept(empty, &Documents::default()).unwrap();
    assert_eq!(replica.tip().height, 3);
    assert_eq!(
        (replica.tip().log_size, replica.tip().log_root),
        (before.log_size, before.log_root)
    );
}
