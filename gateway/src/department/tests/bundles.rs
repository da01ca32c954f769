//! What a requester files, and what becomes of it when it is changed.

use chain::document::Document;
use chain::entry::Entry;
use chain::genesis::Genesis;
use chain::receipt::Receipt;
use crypto::canonical;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::bundle::{self, Bundle, BundleError, MAX_BUNDLE_BYTES, Part, VerifiedBundle};

mod changes;

const LENIENT: Strictness = Strictness { production: false };

/// A network that "pensions" joined before the circuits were approved, by it too.
async fn joined() -> Network {
    let network = Network::bare(600);
    let pensions = SigningKey::from_seed(&seed("pensions", 0));
    let document = Document::new(&document("pensions")).unwrap();
    let content = Content::Department { document: *document.digest(), replaces: None };
    let entry = network.department("tax").append(content, Some(document)).await.unwrap();
    for name in DEPARTMENTS {
        network.department(name).approve(entry).await.unwrap();
    }
    for entry in network.approve_circuits(&["tax", "welfare"]).await {
        let content = Content::Approval { entry };
        let signed =
            Entry::sign(network.shared.genesis.network(), id("pensions"), content, &pensions);
        network.shared.ledger.submit(signed.into()).await.unwrap();
    }
    network.publish("civil-registry", registry_service()).await;
    network.publish("tax", tax_service()).await;
    network
}

impl Network {
    async fn bundle(&self, asked: &Asked) -> Bundle {
        self.department("welfare").bundle(&asked.request).await.unwrap().expect("verified")
    }

    /// A question with the citizen's consent, answered.
    async fn filed(&self, citizen: &Citizen, change: impl FnOnce(&mut Json)) -> Bundle {
        let asked = self.ask(ask(change)).await.unwrap();
        let asked = self.answer("tax", citizen, &asked).await;
        self.bundle(&asked).await
    }

    fn verify(&self, bundle: &Bundle) -> Result<VerifiedBundle, BundleError> {
        // As whoever finds the file verifies it: from its bytes.
        Bundle::from_slice(&bundle.to_vec())?.verify(&self.shared.genesis, LENIENT)
    }
}

fn names(verified: &VerifiedBundle) -> Vec<&'static str> {
    verified.recorded.iter().map(|it| it.part.name()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_of_question_is_filed_and_verifies_with_the_genesis_alone() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let welfare = network.department("welfare");
    assert!(welfare.bundle(&asked.request).await.unwrap().is_none(), "nothing is verified yet");
    assert!(welfare.bundle(&Digest::of(b"another")).await.unwrap().is_none());
    let asked = network.answer("tax", &citizen, &asked).await;
    let bundle = network.bundle(&asked).await;
    assert_eq!(Bundle::from_slice(&bundle.to_vec()), Ok(bundle.clone()));
    assert_eq!(bundle.digest(), canonical::digest(&bundle).unwrap());
    let verified = network.verify(&bundle).unwrap();
    let answer = asked.answer.unwrap();
    assert_eq!((verified.answer.tag, &verified.answer.notes), (answer.tag, &answer.notes));
    assert_eq!(verified.answer.verified, verified.recorded.last().unwrap().time.unix_seconds());
    assert_eq!(verified.subject, Some(citizen.subject));
    assert_eq!((verified.requester.id, verified.issuer.id), (id("welfare"), id("tax")));
    assert_eq!((verified.approvals, verified.departments), (3, 3));
    let approvals = ["circuit", "circuit-approval", "circuit-approval", "circuit-approval"];
    let exchange = ["service", "records", "key-card", "request", "consent", "proof"];
    // The citizen's key card changed the records after it was enrolled.
    let mut expected = [&approvals[..], &exchange[..]].concat();
    expected.swap(5, 6);
    assert_eq!(names(&verified), expected);
    let strict = bundle.verify(&network.shared.genesis, Strictness { production: true });
    assert_eq!(strict.unwrap_err().code(), "key-development");

    let law = json!({"kind": "statutory", "reference": "Benefits Act, s. 12"});
    let asked = network.ask(ask(|ask| ask["legal_basis"] = law)).await.unwrap();
    network.department("tax").advance(&asked.request, &network.peers).await.unwrap();
    let verified = network.verify(&network.bundle(&asked).await).unwrap();
    assert_eq!(verified.answer.notes[0], Note::NoConsent);
    assert_eq!(verified.registrar, None);
    let without = ["consent", "key-card"].map(|name| names(&verified).contains(&name));
    assert_eq!(without, [false, false]);

    let asked =
        network.ask(ask(|ask| drop(ask.as_object_mut().unwrap().remove("subject")))).await.unwrap();
    let offer = welfare.offer(&asked.request).await.unwrap().unwrap();
    let tax = network.department("tax");
    let checked = tax.restore_request(&offer.request).await.unwrap();
    let signature = citizen.private.sign(checked.consent_message());
    let lock = withdrawal_lock(&Digest::of(b"w"));
    tax.take_offer(&citizen.key(), offer, &signature, lock).await.unwrap();
    tax.advance(&asked.request, &network.peers).await.unwrap();
    let bundle = network.bundle(&asked).await;
    let verified = network.verify(&bundle).unwrap();
    assert_eq!(verified.answer.notes[0], Note::ConsentBindsAllButIssuer);
    assert_eq!((verified.subject, names(&verified).contains(&"consent")), (None, true));
    let text = String::from_utf8(bundle.to_vec()).unwrap();
    assert!(!text.contains(&CURTIS.to_string()), "a pseudonymous bundle names nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_verified_at_once_as_each_by_itself() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let first = network.filed(&citizen, |_| ()).await;
    let law = json!({"kind": "statutory", "reference": "Benefits Act, s. 12"});
    let asked = network.ask(ask(|ask| ask["legal_basis"] = law)).await.unwrap();
    network.department("tax").advance(&asked.request, &network.peers).await.unwrap();
    let second = network.bundle(&asked).await;

    let many = |bundles: &[&Bundle]| -> Vec<Result<VerifiedBundle, BundleError>> {
        let check = |it: &&Bundle| it.check(&network.shared.genesis, LENIENT).unwrap();
        let checked = bundles.iter().map(check).collect();
        bundle::verify_many(checked, &mut circuits::groth16::rng_from_seed([4; 32]))
    };
    let digest = |outcome: &Result<VerifiedBundle, BundleError>| {
        outcome.as_ref().map(|verified| *verified.request.digest()).map_err(BundleError::code)
    };
    let good = many(&[&first, &second, &first]);
    let digests = [&first, &second, &first].map(|it| Ok(it.answer.request));
    assert_eq!(good.iter().map(digest).collect::<Vec<_>>(), digests);
    let alone = network.verify(&second).unwrap();
    assert_eq!(good[1].as_ref().unwrap().answer, alone.answer);
    assert_eq!(good[1].as_ref().unwrap().recorded, alone.recorded);

    // The proof of another answer, and a salt of none: the first fails the batch, the second only itself.
    let mut swapped = first.clone();
    swapped.answer.proof = second.answer.proof.clone();
    let mut unrecorded = second.clone();
    unrecorded.answer.proof_salt = first.answer.proof_salt.clone();
    let some = many(&[&first, &swapped, &unrecorded, &second]);
    let expected = [digests[0], Err("proof-invalid"), Err("proof-record"), digests[1]];
    assert_eq!(some.iter().map(digest).collect::<Vec<_>>(), expected);
    for (bundle, outcome) in [(&swapped, &some[1]), (&unrecorded, &some[2])] {
        assert_eq!(network.verify(bundle).unwrap_err(), *outcome.as_ref().unwrap_err());
    }
    assert!(many(&[]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_made_after_a_restart_and_when_service_and_records_have_changed() {
    let mut network = Network::new(600).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let tax = network.department("tax");
    let mut service: crate::document::Service = serde_json::from_value(tax_service()).unwrap();
    for title in ["Second", "Third"] {
        service.title = title.to_owned();
        tax.publish_service(&service).await.unwrap();
    }
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let asked = network.answer("tax", &citizen, &asked).await;
    network.enrol(&Citizen::new(ELIAS)).await;
    service.title = "Fourth".to_owned();
    network.department("tax").publish_service(&service).await.unwrap();
    network.start("welfare");
    let bundle = network.bundle(&asked).await;
    assert_eq!((bundle.service.title.as_str(), bundle.receipts.replaced.len()), ("Third", 3));
    network.verify(&bundle).unwrap();
    // Without a link, or with the ends exchanged, nothing shows that both are of one dataset.
    for place in 0..3 {
        let mut broken = bundle.clone();
        broken.receipts.replaced.remove(place);
        assert_eq!(network.verify(&broken).unwrap_err().code(), "records-other-dataset", "{place}");
    }
    let mut broken = bundle.clone();
    broken.receipts.replaced.swap(0, 2);
    assert_eq!(network.verify(&broken).unwrap_err().code(), "records-other-dataset");
}

#[tokio::test(flavor = "multi_thread")]
async fn departments_that_joined_are_believed_through_their_approvals() {
    let network = joined().await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let bundle = network.filed(&citizen, |_| ()).await;
    let verified = network.verify(&bundle).unwrap();
    assert_eq!((verified.approvals, verified.departments), (3, 4));
    assert_eq!(names(&verified)[0], "department");

    let pensions = id("pensions");
    let mut stranger = bundle.clone();
    stranger.departments.clear();
    let (part, author) = (Part::CircuitApproval(pensions), pensions);
    let error = network.verify(&stranger).unwrap_err();
    assert_eq!(error, BundleError::AuthorUnknown { part, author });
    let mut alone = bundle.clone();
    alone.departments[0].approvals.pop();
    let part = Part::Department(pensions);
    let (approvals, departments) = (2, 3);
    let error = network.verify(&alone).unwrap_err();
    assert_eq!(error, BundleError::Unapproved { part, approvals, departments });
    let mut other = bundle.clone();
    other.departments[0].document.url = "http://elsewhere.example".parse().unwrap();
    assert_eq!(network.verify(&other).unwrap_err(), BundleError::Document { part });
    let mut twice = bundle.clone();
    twice.departments.push(bundle.departments[0].clone());
    assert_eq!(network.verify(&twice).unwrap_err(), BundleError::Replaces { part });
    let mut repeated = bundle.clone();
    let approval = repeated.departments[0].approvals[0].clone();
    repeated.departments[0].approvals[2] = approval;
    assert_eq!(network.verify(&repeated).unwrap_err().code(), "bundle-repeated");
    let mut few = bundle.clone();
    few.receipts.approvals.pop();
    let error = network.verify(&few).unwrap_err();
    assert_eq!(error, BundleError::Answer(Refusal::KeyUnapproved), "2 of 4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_another_network_is_told_so() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let bundle = network.filed(&citizen, |_| ()).await;
    let mut facts = network.shared.genesis.facts().clone();
    facts.nonce = Digest::of(b"another network");
    let other = Genesis::new(facts).unwrap();
    let refused = |bundle: &Bundle| bundle.verify(&other, LENIENT).unwrap_err();
    assert_eq!(refused(&bundle), BundleError::Network { part: Part::Bundle });
    let mut renamed = bundle.clone();
    renamed.network = *other.network();
    assert_eq!(refused(&renamed), BundleError::Network { part: Part::Request });
    renamed.request.network = *other.network();
    let error = refused(&renamed);
    assert_eq!((error.part(), error.code()), (Part::Request, "receipt-network"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_changed_byte_passes_and_what_is_read_is_written_again() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let bytes = network.filed(&citizen, |_| ()).await.to_vec();
    let genesis = &network.shared.genesis;
    let mut runner =
        TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    let change = (any::<prop::sample::Index>(), "[ -~]".prop_map(|sign| sign.as_bytes()[0]));
    runner
        .run(&change, |(place, sign)| {
            let mut changed = bytes.clone();
            let place = place.index(bytes.len());
            prop_assume!(changed[place] != sign);
            changed[place] = sign;
            if let Ok(bundle) = Bundle::from_slice(&changed) {
                prop_assert_eq!(bundle.to_vec(), changed);
                prop_assert!(bundle.verify(genesis, LENIENT).is_err(), "byte {}", place);
            }
            Ok(())
        })
        .unwrap();
    let code = |bytes: &[u8]| Bundle::from_slice(bytes).unwrap_err().code();
    assert_eq!(code(&[&bytes[..], b"\n"].concat()), "bundle-malformed");
    assert_eq!(code(&bytes[..bytes.len() - 1]), "bundle-malformed");
    assert_eq!(code(&vec![b' '; MAX_BUNDLE_BYTES + 1]), "bundle-too-long");
    let text = String::from_utf8(bytes).unwrap();
    let unknown = text.replacen("{\"answer\"", "{\"a\":1,\"answer\"", 1);
    assert_eq!(code(unknown.as_bytes()), "bundle-malformed");
    assert_eq!(code(text.replacen("bundle/v1", "bundle/v2", 1).as_bytes()), "bundle-format");
    // What is wrong is told without what the bundle says of anybody.
    let error = Bundle::from_slice(text.replacen(&CURTIS.to_string(), "Curtis", 1).as_bytes());
    assert!(!error.unwrap_err().to_string().contains("Curtis"));
}
