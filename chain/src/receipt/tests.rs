use std::sync::Arc;

use super::*;
use crate::block::{CertifiedBlock, Precommit};
use crate::contract::Network;
use crate::document::Documents;
use crate::entry::Content;
use crate::identifier::ValidatorId;
use crate::replica::Replica;

/// A chain in memory, with everything to make receipts of.
struct Chain {
    network: Network,
    replica: Replica,
    documents: Documents,
    blocks: Vec<CertifiedBlock>,
    hashes: Vec<crypto::Digest>,
}

impl Chain {
    fn new() -> Self {
        let network = Network::new(3);
        let replica = Replica::new(network.genesis());
        let documents = Documents::default();
        Self { network, replica, documents, blocks: Vec::new(), hashes: Vec::new() }
    }

    /// Appends a block, certified with the key made from `number`.
    fn block(&mut self, validator: &str, number: u8, entries: &[Entry]) {
        let time = Timestamp::from_unix_seconds(100 + self.replica.tip().height);
        let mut draft = self.replica.draft(time);
        for entry in entries {
            draft.push(entry, self.documents.get(entry.content().digest())).unwrap();
        }
        let validator: ValidatorId = validator.parse().unwrap();
        let proposal = draft.seal(validator);
        let precommit = Precommit::new(proposal.block().header(), 0);
        let signature = precommit.sign(&Network::key(number));
        let certificate = Certificate::new(0, vec![(validator, signature)]).unwrap();
        let block = CertifiedBlock { block: proposal.block().clone(), certificate };
        let accepted = self.replica.accept(block.clone(), &self.documents).unwrap();
        self.hashes.extend(accepted.hashes().map(|(_, hash)| *hash));
        self.blocks.push(block);
    }

    fn receipt(&self, height: usize, index: u64) -> Receipt {
        let CertifiedBlock { block, certificate } = &self.blocks[height - 1];
        let header = *block.header();
        let place = usize::try_from(index - header.first_index().unwrap()).unwrap();
        let before = |hand_over: &&HandOver| hand_over.header.height < header.height;
        let hand_overs = self.replica.hand_overs().iter().filter(before).cloned().collect();
        Receipt {
            entry: block.entries()[place],
            index,
            inclusion: InclusionProof::new(self.hashes.as_slice(), header.log_size, index).unwrap(),
            header: CertifiedHeader { header, certificate: certificate.clone(), hand_overs },
        }
    }

    fn genesis(&self) -> Arc<Genesis> {
        self.network.genesis()
    }
}

/// Three blocks with two requests each.
fn chain() -> Chain {
    let mut chain = Chain::new();
    for names in [["a", "b"], ["c", "d"], ["e", "f"]] {
        let entries = names.map(|name| chain.network.request(0, name));
        chain.block("gateway", 200, &entries);
    }
    chain
}

/// The validator hands over to another at height 3: requests at heights 1 to 5.
fn handed_over() -> Chain {
    let mut chain = Chain::new();
    let set = Network::validator_set("successor", 201);
    chain.documents.insert(set.document().clone());
    let elect = chain.network.entry(0, Content::Validators { document: *set.digest() });
    let id = elect.id(chain.network.genesis().network());
    let approve = |number| chain.network.entry(number, Content::Approval { entry: id });
    let election = [elect, approve(0), approve(1), approve(2)];
    chain.block("gateway", 200, &[chain.network.request(0, "1")]);
    chain.block("gateway", 200, &election);
    chain.block("gateway", 200, &[chain.network.request(0, "3")]);
    chain.block("successor", 201, &[chain.network.request(0, "4")]);
    chain.block("successor", 201, &[chain.network.request(0, "5")]);
    chain
}

fn code(receipt: &Receipt, genesis: &Genesis) -> &'static str {
    receipt.verify(genesis).map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn a_receipt_verifies_with_the_genesis_alone() {
    let chain = chain();
    for index in 0..6 {
        let height = usize::try_from(index / 2 + 1).unwrap();
        let receipt = chain.receipt(height, index);
        let verified = receipt.verify(&chain.genesis()).unwrap();
        assert_eq!(verified.entry, receipt.entry);
        assert_eq!((verified.height, verified.index), (index / 2 + 1, index));
        assert_eq!(verified.time, Timestamp::from_unix_seconds(100 + index / 2));
        assert_eq!(verified.id, receipt.entry.id(chain.genesis().network()));
        assert!(verified.single_operator);
    }
}

#[test]
fn a_tampered_receipt_fails() {
    let chain = chain();
    let good = chain.receipt(2, 3);
    let other = chain.receipt(2, 2);
    let later = chain.receipt(3, 4);
    let genesis = chain.genesis();
    assert_eq!(code(&good, &genesis), "ok");
    let mut tampered = good.clone();
    tampered.entry = other.entry;
    assert_eq!(code(&tampered, &genesis), "receipt-inclusion");
    let mut tampered = good.clone();
    tampered.index = 2;
    assert_eq!(code(&tampered, &genesis), "receipt-inclusion");
    let mut tampered = good.clone();
    tampered.inclusion = other.inclusion;
    assert_eq!(code(&tampered, &genesis), "receipt-inclusion");
    // An entry of block 2 is in the log under block 3's root, but not in block 3.
    let mut tampered = good.clone();
    tampered.header = later.header.clone();
    assert_eq!(code(&tampered, &genesis), "receipt-not-in-block");
    let mut tampered = good.clone();
    tampered.header.header.time = Timestamp::from_unix_seconds(1);
    assert_eq!(code(&tampered, &genesis), "certificate-signature");
    let mut tampered = good.clone();
    tampered.header.certificate = later.header.certificate;
    assert_eq!(code(&tampered, &genesis), "certificate-signature");
    assert_eq!(code(&good, Network::new(4).genesis().as_ref()), "receipt-network");
}

#[test]
fn receipts_follow_the_validators_through_hand_overs() {
    let chain = handed_over();
    let genesis = chain.genesis();
    let indexes = [(1, 0), (2, 1), (3, 5), (4, 6), (5, 7)];
    for (height, index) in indexes {
        let receipt = chain.receipt(height, index);
        assert_eq!(receipt.header.hand_overs.len(), usize::from(height > 3));
        assert_eq!(code(&receipt, &genesis), "ok", "{height}");
    }

    let good = chain.receipt(5, 7);
    let mut without = good.clone();
    without.header.hand_overs.clear();
    assert_eq!(code(&without, &genesis), "receipt-validators");
    let mut twice = good.clone();
    twice.header.hand_overs.push(twice.header.hand_overs[0].clone());
    assert_eq!(code(&twice, &genesis), "receipt-hand-over-order");
    let mut swapped = good.clone();
    swapped.header.hand_overs[0].validators = Network::validator_set("thief", 202);
    assert_eq!(code(&swapped, &genesis), "receipt-hand-over-set");
    let mut forged = good.clone();
    let thief = Network::validator_set("thief", 202);
    forged.header.hand_overs[0].header.next_validators = *thief.digest();
    forged.header.hand_overs[0].validators = thief;
    assert_eq!(code(&forged, &genesis), "certificate-signature");
    let mut late = chain.receipt(3, 5);
    late.header.hand_overs = good.header.hand_overs;
    assert_eq!(code(&late, &genesis), "receipt-hand-over-order");
}

#[test]
fn documents_round_trip_and_have_one_spelling() {
    let chain = handed_over();
    let receipt = chain.receipt(5, 7);
    let bytes = receipt.to_vec();
    assert_eq!(Receipt::from_slice(&bytes), Ok(receipt));
    let text = String::from_utf8(bytes).unwrap();
    for broken in [
        text.replacen('{', "{ ", 1),
        text.replacen("receipt/v1", "receipt/v2", 1),
        text.replacen("\"index\"", "\"indes\"", 1),
        text.replacen("\"entry\":\"08", "\"entry\":\"09", 1),
        text.replacen("\"entry\":\"08", "\"entry\":\"0", 1),
        text.replacen("\"header\":\"", "\"header\":\"00", 1),
        text.replacen("\"certificate\":\"00", "\"certificate\":\"", 1),
        text.to_uppercase(),
        text.clone() + " ",
    ] {
        assert_ne!(broken, text);
        let error = Receipt::from_slice(broken.as_bytes()).unwrap_err();
        assert_eq!(error.code(), "receipt-malformed", "{broken}");
    }
}
