//! A dishonest issuer, and a chain that shows what it recorded.

use std::sync::Arc;

use chain::entry::{Content, Entry};
use chain::ledger::{Ledger as _, LocalLedger, LocalLedgerOptions};
use chain::receipt::{Receipt, ReceiptError};

use super::*;
use crate::http::citizen::PastExchange;
use crate::wallet::history::compare as compare_all;
use crate::wallet::{ConsentFault, OnChain};

/// The wallet's network, with a chain of its own.
struct Chain {
    ledger: LocalLedger,
    _folder: TempDir,
}

impl Chain {
    fn new(genesis: Genesis) -> Self {
        let folder = TempDir::new().unwrap();
        let ledger = LocalLedger::open(LocalLedgerOptions {
            clock: clock(),
            ..LocalLedgerOptions::new(
                folder.path().join("chain"),
                Arc::new(genesis),
                "gateway".parse().unwrap(),
                key("gateway"),
            )
        });
        Self { ledger: ledger.unwrap(), _folder: folder }
    }

    async fn record(&self, author: &str, content: Content) -> Receipt {
        let network = *self.ledger.snapshot().genesis().network();
        let entry = Entry::sign(&network, id(author), content, &key(author));
        self.ledger.submit(entry.into()).await.unwrap()
    }

    async fn asked(&self, request: &Digest) -> EntryId {
        let request = chain::entry::request_digest(request);
        let receipt = self.record("welfare", Content::Request { request }).await;
        receipt.entry.id(self.ledger.snapshot().genesis().network())
    }

    async fn consent(&self, author: &str, request: EntryId, lock: Digest) -> Receipt {
        let record = Digest::labelled("record", &[lock.as_bytes()]);
        self.record(author, Content::Consent { record, lock, request }).await
    }
}

fn past(request: Digest, state: &str, consent: Option<&Receipt>) -> PastExchange {
    PastExchange {
        request,
        requester: "welfare".to_owned(),
        purpose: "housing-support".to_owned(),
        legal_basis: "consent".to_owned(),
        condition: vec!["filed_1040 is true".to_owned()],
        created: NOW,
        expires: NOW + 1,
        state: state.to_owned(),
        silence: None,
        consent: consent.map(|receipt| json!(receipt)),
    }
}

/// A wallet that consented to a question, the question, and the lock that it sent.
fn consented(path: &Path) -> (TestWallet, Digest, Digest) {
    let mut wallet = create(path);
    let card = card(&wallet);
    wallet.card = Some(card.clone().sign(&key("civil-registry")));
    let question = read(pending(&request(&card)), &card).unwrap();
    let lock = withdrawal_lock(&wallet.keep(&question).unwrap().w);
    (wallet, *question.checked().digest(), lock)
}

#[tokio::test]
async fn an_issuer_that_records_a_lock_of_its_own_is_found_out() {
    let (gateway, base, served) = start(clock()).await;
    let (_outer, path) = folder();
    let (mut wallet, digest, lock) = consented(&path);
    let tax = id("tax");
    wallet.remember(tax, base).unwrap();
    let tell = |past: PastExchange| *gateway.tax.history.lock().unwrap() = vec![past];
    let foreign = withdrawal_lock(&Digest::of(b"the issuer's own"));

    let honest = Chain::new(genesis());
    let own = honest.consent("tax", honest.asked(&digest).await, lock).await;
    let dishonest = Chain::new(genesis());
    let forged = dishonest.consent("tax", dishonest.asked(&digest).await, foreign).await;
    let (own_id, forged_id) = (own.entry.id(&network()), forged.entry.id(&network()));

    // Without the genesis file nothing is said about it.
    tell(past(digest, "answered", Some(&forged)));
    assert_eq!(wallet.history(tax).await.unwrap().exchanges[0].consent, OnChain::Unchecked);
    wallet.trust(genesis()).unwrap();
    let found = wallet.history(tax).await.unwrap().exchanges.remove(0).consent;
    let fault = ConsentFault::Lock(forged_id);
    assert!(fault.to_string().starts_with("you cannot withdraw this consent"));
    assert_eq!(found, OnChain::Wrong(fault));
    tell(past(digest, "answered", Some(&own)));
    let history = wallet.history(tax).await.unwrap();
    assert_eq!(history.exchanges[0].consent, OnChain::Own(own_id));
    assert_eq!(history.unmentioned, []);
    served.abort();
}

#[tokio::test]
async fn only_the_issuers_own_record_of_this_consent_counts() {
    let (_outer, path) = folder();
    let (mut wallet, digest, lock) = consented(&path);
    wallet.trust(genesis()).unwrap();
    let compare = |told: PastExchange| {
        let kept = wallet.folder.kept_of(id("tax")).unwrap();
        let mut history = compare_all(id("tax"), vec![told], kept, wallet.genesis());
        assert_eq!(history.exchanges.len(), 1);
        history.exchanges.remove(0).consent
    };
    let chain = Chain::new(genesis());
    let (asked, other) = (chain.asked(&digest).await, chain.asked(&Digest::of(b"other")).await);

    // A decoy with the right lock, at another question or by another department.
    for (author, request) in [("tax", other), ("civil-registry", asked)] {
        let decoy = chain.consent(author, request, lock).await;
        let fault = ConsentFault::OtherEntry(decoy.entry.id(&network()));
        assert_eq!(compare(past(digest, "answered", Some(&decoy))), OnChain::Wrong(fault));
    }
    let request = Content::Request { request: Digest::of(b"third") };
    let request = chain.record("tax", request).await;
    assert!(matches!(
        compare(past(digest, "answered", Some(&request))),
        OnChain::Wrong(ConsentFault::OtherEntry(_))
    ));

    // A chain that others certified, and what is no receipt.
    let own = chain.consent("tax", asked, lock).await;
    let mut facts = facts();
    facts.nonce = Digest::of(b"another network");
    let elsewhere = Chain::new(Genesis::new(facts).unwrap());
    let foreign = elsewhere.consent("tax", elsewhere.asked(&digest).await, lock).await;
    let mut broken = own.clone();
    broken.index += 1;
    let mut none = past(digest, "answered", None);
    none.consent = Some(json!({}));
    let receipt = |error: ReceiptError| OnChain::Wrong(ConsentFault::Receipt(error));
    let network = compare(past(digest, "answered", Some(&foreign)));
    assert_eq!(network, receipt(ReceiptError::Network));
    let height = own.header.header.height;
    let index = compare(past(digest, "answered", Some(&broken)));
    assert_eq!(index, receipt(ReceiptError::NotInBlock { height }));
    assert!(matches!(
        compare(none),
        OnChain::Wrong(ConsentFault::Receipt(ReceiptError::Malformed { .. }))
    ));
    let right = compare(past(digest, "consented", Some(&own)));
    assert_eq!(right, OnChain::Own(own.entry.id(&self::network())));

    // Used, and nothing shown; not used; shown, and never given.
    for state in ["answered", "withdrawn"] {
        let told = compare(past(digest, state, None));
        assert_eq!(told, OnChain::Wrong(ConsentFault::Missing), "{state}");
    }
    for state in ["awaiting-consent", "consented", "unsatisfied", "expired"] {
        assert_eq!(compare(past(digest, state, None)), OnChain::NotRecorded, "{state}");
    }
    let never = Digest::of(b"other");
    let told = compare(past(never, "answered", Some(&own)));
    assert_eq!(told, OnChain::Wrong(ConsentFault::NotGiven));
    assert_eq!(compare(past(never, "answered", None)), OnChain::None);
}

#[test]
fn a_consent_that_the_issuer_does_not_mention_is_listed() {
    let (_outer, path) = folder();
    let (wallet, digest, _) = consented(&path);
    fs::write(path.join("withdrawals").join(".tmpXyz"), "half").unwrap();
    let kept = |issuer| wallet.folder.kept_of(issuer).unwrap();
    let history = compare_all(id("tax"), vec![], kept(id("tax")), None);
    assert_eq!(history.exchanges, []);
    assert_eq!(history.unmentioned, [(digest, wallet.consented(&digest).unwrap())]);
    assert!(kept(id("welfare")).is_empty());
    let told = vec![past(digest, "awaiting-consent", None)];
    assert_eq!(compare_all(id("tax"), told, kept(id("tax")), None).unmentioned, []);
}
