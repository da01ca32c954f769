mod upstream;

use super::*;
use crate::contract::Network;
use crate::document::Document;
use crate::entry::{Content, Entry};
use crate::store::{forge, open_sled};

/// A chain with a dataset, an answered request and a few others, in seven blocks.
struct Chain {
    network: Network,
    blocks: Vec<CertifiedBlock>,
    documents: Documents,
}

fn chain() -> Chain {
    let network = Network::new(3);
    let id = |entry: &Entry| entry.id(network.genesis().network());
    let document = Network::document("service");
    let service =
        network.entry(1, Content::Service { document: *document.digest(), replaces: None });
    let records = network.entry(
        1,
        Content::Records { root: Digest::of(b"root"), service: id(&service), previous: None },
    );
    let request = network.request(0, "request");
    let consent = network.consent(1, id(&request), "consent");
    let proof = network.entry(
        1,
        Content::Proof {
            record: Digest::of(b"proof"),
            request: id(&request),
            basis: id(&consent),
            records: id(&records),
        },
    );
    let sent = Content::PayloadSent { commitment: Digest::of(b"payload"), proof: id(&proof) };
    let sent = network.entry(1, sent);
    let groups = [
        vec![service],
        vec![records, request],
        vec![network.request(2, "other")],
        vec![consent],
        vec![proof],
        vec![sent],
        vec![network.request(0, "last")],
    ];
    let mut documents = Documents::default();
    documents.insert(document);
    let mut replica = Replica::new(network.genesis());
    let mut blocks = Vec::new();
    for entries in groups {
        let block = Network::block(&replica, &entries, &documents);
        replica.accept(block.clone(), &documents).unwrap();
        blocks.push(block);
    }
    Chain { network, blocks, documents }
}

impl Chain {
    fn audit(&self, blocks: Vec<CertifiedBlock>) -> Result<Report, AuditError> {
        audit(self.network.genesis(), blocks, &self.documents, &[])
    }

    fn code(&self, blocks: Vec<CertifiedBlock>) -> &'static str {
        self.audit(blocks).map_or_else(|error| error.code(), |_| "ok")
    }

    fn checkpoint(&self, height: usize) -> Checkpoint {
        let header = self.blocks[height - 1].block.header();
        let origin = self.network.genesis().facts().name.clone();
        Checkpoint { origin, size: header.log_size, root: header.log_root }
    }
}

/// In the third block, another request of the same author, by its true key.
fn rewrite(network: &Network) -> impl Fn(&mut crate::block::Header, &mut Vec<Entry>) {
    let other = network.request(2, "rewritten");
    move |header, entries| {
        if header.height == 3 {
            entries[0] = other;
        }
    }
}

#[test]
fn a_good_chain_is_reported() {
    let chain = chain();
    let report = chain.audit(chain.blocks.clone()).unwrap();
    let header = chain.blocks[6].block.header();
    assert_eq!((report.height, report.log_size, report.log_root), (7, 8, header.log_root));
    assert_eq!(report.block, header.hash());
    let counted: Vec<_> = report.entries.iter().filter(|(_, count)| **count > 0).collect();
    assert_eq!(
        counted,
        [
            (&Kind::Service, &1),
            (&Kind::Records, &1),
            (&Kind::Request, &3),
            (&Kind::Consent, &1),
            (&Kind::Proof, &1),
            (&Kind::PayloadSent, &1)
        ]
    );
    assert!(report.single_operator);
    assert_eq!(report.checkpoint.as_bytes(), chain.checkpoint(7).text());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["entries"]["request"], 3);
}

#[test]
fn an_empty_chain_is_in_order() {
    let chain = chain();
    assert_eq!(chain.audit(vec![]).unwrap().height, 0);
}

#[test]
fn a_rewritten_entry_is_caught_by_the_log_root() {
    let chain = chain();
    let mut blocks = chain.blocks.clone();
    let entries = vec![chain.network.request(2, "rewritten")];
    let header = *blocks[2].block.header();
    blocks[2].block = crate::block::Block::new(header, entries).unwrap();
    assert_eq!(chain.code(blocks), "block-log-root");
}

#[test]
fn a_rewritten_and_relinked_chain_is_caught_by_its_certificates() {
    let chain = chain();
    let rewritten = chain.network.relink(&chain.blocks, 200, rewrite(&chain.network));
    // Headers linked again, the old signatures kept.
    let mut relinked = rewritten.clone();
    for (block, old) in relinked.iter_mut().zip(&chain.blocks) {
        block.certificate = old.certificate.clone();
    }
    let error = chain.audit(relinked).unwrap_err();
    assert_eq!(error.code(), "certificate-signature");
    assert!(matches!(error, AuditError::Block(BlockError::Certificate { height: 3, .. })));
    // Signed again, with another key, from the rewritten block on.
    let mut resigned = chain.network.relink(&chain.blocks, 201, rewrite(&chain.network));
    resigned[..2].clone_from_slice(&chain.blocks[..2]);
    assert_eq!(chain.code(resigned), "certificate-signature");
    // Signed again by a validator of the attacker's own.
    let thief = Network::validator_set("thief", 201);
    let own = chain.network.relink(&chain.blocks, 201, |header, entries| {
        rewrite(&chain.network)(header, entries);
        header.proposer = "thief".parse().unwrap();
        (header.validators, header.next_validators) = (*thief.digest(), *thief.digest());
    });
    assert_eq!(chain.code(own), "block-validators");
    // Not linked at all.
    let mut unlinked = chain.blocks.clone();
    unlinked[2] = rewritten[2].clone();
    assert_eq!(chain.code(unlinked), "block-link");
    let mut gap = chain.blocks.clone();
    gap.remove(2);
    assert_eq!(chain.code(gap), "block-height");
}

#[test]
fn entries_cannot_be_put_into_a_department_s_mouth() {
    // Even with the validator's key.
    let chain = chain();
    let content = Content::Request { request: Digest::of(b"forged") };
    let network = *chain.network.genesis().network();
    let forged = Entry::sign(&network, Network::id(2), content, &Network::key(99));
    let blocks = chain.network.relink(&chain.blocks, 200, |header, entries| {
        if header.height == 3 {
            entries[0] = forged;
        }
    });
    assert_eq!(chain.code(blocks), "entry-signature");
}

#[test]
fn the_validator_s_own_rewriting_is_caught_by_a_known_checkpoint() {
    let chain = chain();
    let rewritten = chain.network.relink(&chain.blocks, 200, rewrite(&chain.network));
    let audit_with = |blocks: &[CertifiedBlock], known: &[Checkpoint]| {
        let genesis = chain.network.genesis();
        audit(genesis, blocks.to_vec(), &chain.documents, known)
            .map_or_else(|error| error.code(), |_| "ok")
    };
    // Consistent in itself: the genesis alone cannot tell.
    assert_eq!(audit_with(&rewritten, &[]), "ok");
    let known = [chain.checkpoint(2), chain.checkpoint(5)];
    assert_eq!(audit_with(&chain.blocks, &known), "ok");
    assert_eq!(audit_with(&rewritten, &known[..1]), "ok");
    assert_eq!(audit_with(&rewritten, &known), "checkpoint-contradicted");
    assert_eq!(audit_with(&chain.blocks[..3], &known), "checkpoint-missing");
    let mut other = chain.checkpoint(2);
    other.root = Digest::of(b"other");
    assert_eq!(audit_with(&chain.blocks, &[other, known[0].clone()]), "checkpoint-contradicted");
    let mut elsewhere = chain.checkpoint(2);
    elsewhere.origin = "elsewhere.example".parse().unwrap();
    assert_eq!(audit_with(&chain.blocks, &[elsewhere]), "checkpoint-origin");
}

#[test]
fn another_genesis_does_not_audit_the_chain() {
    let chain = chain();
    let genesis = Network::new(4).genesis();
    let error = audit(genesis, chain.blocks.clone(), &chain.documents, &[]).unwrap_err();
    assert_eq!(error.code(), "block-network");
}

#[test]
fn a_missing_document_is_caught() {
    let chain = chain();
    let blocks = chain.blocks.clone();
    let error = audit(chain.network.genesis(), blocks, &Documents::default(), &[]).unwrap_err();
    assert_eq!(error.code(), "document-missing");
}

#[test]
fn a_forged_folder_is_caught_and_a_good_one_is_not() {
    let chain = chain();
    let audit = |blocks: &[CertifiedBlock]| {
        let folder = tempfile::tempdir().unwrap();
        forge(folder.path(), chain.network.genesis(), blocks, &chain.documents).unwrap();
        audit_folder(chain.network.genesis(), folder.path(), &[], |_| ())
    };
    let report = audit(&chain.blocks).unwrap();
    assert_eq!(report, chain.audit(chain.blocks.clone()).unwrap());
    let resigned = chain.network.relink(&chain.blocks, 201, rewrite(&chain.network));
    assert_eq!(audit(&resigned).unwrap_err().code(), "certificate-signature");
    let rewritten = chain.network.relink(&chain.blocks, 200, rewrite(&chain.network));
    assert_eq!(audit(&rewritten).unwrap(), chain.audit(rewritten).unwrap());
}

#[test]
fn there_must_be_a_chain_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let error = audit_folder(Network::new(1).genesis(), folder.path(), &[], |_| ()).unwrap_err();
    assert_eq!(error.code(), "store-file");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "an audit makes no chain");
}

#[test]
fn a_document_changed_on_the_disk_is_caught() {
    let chain = chain();
    let folder = tempfile::tempdir().unwrap();
    forge(folder.path(), chain.network.genesis(), &chain.blocks, &chain.documents).unwrap();
    let write = |document: &Document| {
        let db = open_sled(&folder.path().join("sled")).unwrap();
        let key = *Network::document("service").digest();
        db.open_tree("documents").unwrap().insert(key.as_bytes(), document.as_bytes()).unwrap();
    };
    let audit = || {
        audit_folder(chain.network.genesis(), folder.path(), &[], |_| ())
            .map_or_else(|error| error.code(), |_| "ok")
    };
    write(&Network::document("other"));
    assert_eq!(audit(), "document-mismatch");
    write(&Network::document("service"));
    assert_eq!(audit(), "ok");
}
