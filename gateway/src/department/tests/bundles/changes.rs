//! Changes that break one part, and the error that names it.

use super::*;

/// Every value in a document, as a JSON pointer.
fn leaves(json: &Json, place: &str, found: &mut Vec<String>) {
    match json {
        Json::Object(members) => {
            for (name, value) in members {
                leaves(value, &format!("{place}/{name}"), found);
            }
        }
        Json::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                leaves(value, &format!("{place}/{number}"), found);
            }
        }
        _ => found.push(place.to_owned()),
    }
}

/// Another value of the same form where possible: a hexadecimal digit or a letter in the middle is
/// another one.
fn other(value: &Json) -> Json {
    match value {
        Json::String(text) => {
            let place = text.char_indices().map(|(place, _)| place).nth(text.chars().count() / 2);
            let Some(place) = place else { return json!("a") };
            let sign = if text[place..].starts_with('1') { "2" } else { "1" };
            let rest = text[place..].chars().skip(1).collect::<String>();
            json!(format!("{}{sign}{rest}", &text[..place]))
        }
        Json::Number(number) => json!(number.as_i64().unwrap_or_default() + 1),
        Json::Bool(value) => json!(!value),
        _ => json!("a"),
    }
}

/// The parts that an error about a value there may name.
fn parts(place: &str) -> Vec<&'static str> {
    let mut names = place.split('/').skip(1);
    match (names.next().unwrap(), names.next(), names.next(), names.next()) {
        ("format" | "network", ..) => vec!["bundle"],
        ("request", ..) => vec!["request"],
        ("subject", ..) => vec!["subject"],
        ("card", ..) => vec!["key-card"],
        ("answer", Some("records"), ..) => vec!["records"],
        ("answer", Some("consent_entry"), ..) => vec!["consent"],
        ("answer", Some("proof_entry"), ..) => vec!["proof"],
        ("answer", ..) => vec!["answer"],
        ("service", ..) => vec!["service"],
        ("circuit", ..) => vec!["circuit"],
        ("departments", _, Some("approvals"), _) => vec!["department-approval"],
        ("departments", ..) => vec!["department"],
        ("receipts", Some("approvals"), ..) => vec!["circuit-approval"],
        ("receipts", Some("consent_key"), ..) => vec!["key-card"],
        ("receipts", Some(part), ..) => {
            let named = ["request", "service", "records", "consent", "circuit", "proof"];
            named.into_iter().filter(|name| *name == part).collect()
        }
        _ => panic!("{place}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_any_value_is_refused_and_its_part_named() {
    let network = joined().await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let bundle = network.filed(&citizen, |_| ()).await;
    let json: Json = serde_json::from_slice(&bundle.to_vec()).unwrap();
    let mut places = Vec::new();
    leaves(&json, "", &mut places);
    assert!(places.len() > 150, "{}", places.len());
    let mut read = 0;
    for place in &places {
        let mut changed = json.clone();
        let value = changed.pointer_mut(place).unwrap();
        *value = other(value);
        let bytes = canonical::to_vec(&changed).unwrap();
        match Bundle::from_slice(&bytes) {
            Err(error) => assert_eq!(error.part(), Part::Bundle, "{place}: {error}"),
            Ok(changed) => {
                read += 1;
                let error = changed.verify(&network.shared.genesis, LENIENT).unwrap_err();
                let named = parts(place);
                assert!(named.contains(&error.part().name()), "{place}: {error} {named:?}");
            }
        }
    }
    assert!(read > 80, "most changes are well-formed: {read} of {}", places.len());
}

/// The part that the error names, its code, and a change to the first bundle with what the second has.
type Case<'a> = (&'a str, &'a str, &'a Bundle, fn(&mut Bundle, &Bundle));

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_another_answer_are_told_apart_from_this_ones() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let bundle = network.filed(&citizen, |_| ()).await;
    let below = |ask: &mut Json| ask["query"][0]["predicate"]["$lt"] = json!(2_000_000);
    let other = &network.filed(&citizen, below).await;
    let elias = Citizen::new(ELIAS);
    network.enrol(&elias).await;
    let of_elias = &network.filed(&elias, |ask| ask["subject"] = json!(elias.subject)).await;
    let law = json!({"kind": "statutory", "reference": "Benefits Act, s. 12"});
    let asked = network.ask(ask(|ask| ask["legal_basis"] = law)).await.unwrap();
    network.department("tax").advance(&asked.request, &network.peers).await.unwrap();
    let statutory = network.bundle(&asked).await;
    for good in [&bundle, other, of_elias, &statutory] {
        network.verify(good).unwrap();
    }

    let cases: [Case<'_>; 27] = [
        ("request", "bundle-document", other, |to, from| to.request = from.request.clone()),
        ("request", "bundle-document", other, |to, from| {
            to.receipts.request = from.receipts.request.clone();
        }),
        ("request", "receipt-inclusion", &bundle, |to, from| {
            to.receipts.request.entry = from.receipts.proof.entry;
        }),
        ("consent", "bundle-other-entry", other, |to, from| {
            to.request = from.request.clone();
            to.receipts.request = from.receipts.request.clone();
        }),
        ("consent", "bundle-other-entry", other, |to, from| {
            to.receipts.consent = from.receipts.consent.clone();
        }),
        ("consent", "bundle-missing", &bundle, |to, _| to.receipts.consent = None),
        ("service", "bundle-entry-kind", &bundle, |to, from| {
            to.receipts.service = from.receipts.circuit.clone();
        }),
        ("circuit", "bundle-entry-kind", &bundle, |to, from| {
            to.receipts.circuit = from.receipts.service.clone();
        }),
        ("circuit-approval", "bundle-entry-kind", &bundle, |to, from| {
            to.receipts.approvals[0] = from.receipts.request.clone();
        }),
        ("circuit-approval", "bundle-repeated", &bundle, |to, from| {
            to.receipts.approvals[0] = from.receipts.approvals[1].clone();
        }),
        ("answer", "key-unapproved", &bundle, |to, _| drop(to.receipts.approvals.pop())),
        ("proof", "bundle-other-entry", other, |to, from| {
            to.receipts.proof = from.receipts.proof.clone();
        }),
        ("proof", "bundle-other-entry", other, |to, from| {
            to.answer.proof_entry = from.answer.proof_entry;
        }),
        ("answer", "proof-entry", other, |to, from| {
            to.answer.proof_entry = from.answer.proof_entry;
            to.receipts.proof = from.receipts.proof.clone();
        }),
        ("answer", "proof-invalid", other, |to, from| to.answer.proof = from.answer.proof.clone()),
        ("answer", "proof-record", other, |to, from| {
            to.answer.proof_salt = from.answer.proof_salt.clone();
        }),
        ("answer", "consent-signature", other, |to, from| {
            to.answer.evidence = from.answer.evidence.clone();
        }),
        ("answer", "evidence-path", of_elias, |to, from| {
            to.answer.evidence = from.answer.evidence.clone();
        }),
        ("answer", "answer-other-request", other, |to, from| {
            to.answer.request = from.answer.request;
        }),
        ("key-card", "bundle-document", of_elias, |to, from| to.card = from.card.clone()),
        ("key-card", "bundle-document", of_elias, |to, from| {
            to.card = from.card.clone();
            to.receipts.consent_key = from.receipts.consent_key.clone();
        }),
        ("key-card", "bundle-missing", &bundle, |to, _| to.card = None),
        ("key-card", "bundle-missing", &bundle, |to, _| to.receipts.consent_key = None),
        ("subject", "bundle-other-subject", of_elias, |to, from| to.subject = from.subject),
        ("subject", "bundle-missing", &bundle, |to, _| to.subject = None),
        ("records", "bundle-other-entry", of_elias, |to, from| {
            to.receipts.records = from.receipts.records.clone();
        }),
        // A root that was published after the proof.
        ("records", "bundle-order", of_elias, |to, from| {
            to.receipts.records = from.receipts.records.clone();
            to.answer.records = from.answer.records;
        }),
    ];
    for (number, (part, code, from, change)) in cases.into_iter().enumerate() {
        let mut changed = bundle.clone();
        change(&mut changed, from);
        let error = network.verify(&changed).unwrap_err();
        assert_eq!((error.part().name(), error.code()), (part, code), "case {number}: {error}");
    }

    // A statutory answer has no use for a consent, nor for a card.
    type Addition = fn(&mut Bundle, &Bundle);
    let additions: [(&str, Addition); 3] = [
        ("consent", |to, from| to.receipts.consent = from.receipts.consent.clone()),
        ("key-card", |to, from| to.card = from.card.clone()),
        ("key-card", |to, from| to.receipts.consent_key = from.receipts.consent_key.clone()),
    ];
    for (part, add) in additions {
        let mut changed = statutory.clone();
        add(&mut changed, &bundle);
        let error = network.verify(&changed).unwrap_err();
        assert_eq!((error.part().name(), error.code()), (part, "bundle-superfluous"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circuit_that_was_approved_only_after_the_proof_is_refused() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let bundle = network.filed(&citizen, |_| ()).await;
    network.verify(&bundle).unwrap();
    // The same document once more, by another department, approved by all.
    let entry = network.department("welfare").propose_circuit(&bundle.circuit).await.unwrap();
    for name in DEPARTMENTS {
        network.department(name).approve(entry).await.unwrap();
    }
    let ledger = &network.shared.ledger;
    let mut late = bundle.clone();
    late.receipts.circuit = ledger.receipt(entry).await.unwrap().unwrap();
    late.receipts.approvals.clear();
    for block in ledger.blocks_from(late.receipts.circuit.header.header.height, 64).await.unwrap() {
        for approval in block.block.entries() {
            if *approval.content() == (Content::Approval { entry }) {
                let id = approval.id(network.shared.genesis.network());
                late.receipts.approvals.push(ledger.receipt(id).await.unwrap().unwrap());
            }
        }
    }
    assert_eq!(late.receipts.approvals.len(), 3);
    let error = network.verify(&late).unwrap_err();
    assert_eq!(error, BundleError::ApprovedLate { part: Part::Circuit, before: "proof" });
    // With those from before it is whole again.
    late.receipts.circuit = bundle.receipts.circuit.clone();
    late.receipts.approvals = bundle.receipts.approvals.clone();
    network.verify(&late).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_chains_of_one_operator_do_not_meet_in_a_bundle() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let bundle = network.filed(&citizen, |_| ()).await;
    // Networks of these tests have one genesis and one validator: its other chain is another network's.
    let twin = Network::new(0).await;
    assert_eq!(twin.shared.genesis, network.shared.genesis);
    twin.clock.advance(1);
    let welfare = twin.department("welfare");
    let mut last = None;
    while twin.chain_height() < bundle.receipts.proof.header.header.height {
        let digest = Digest::of(&twin.chain_height().to_be_bytes());
        let content = Content::Request { request: digest };
        last = Some(welfare.append(content, None).await.unwrap());
    }
    let forked: Receipt = twin.shared.ledger.receipt(last.unwrap()).await.unwrap().unwrap();
    let mut changed = bundle.clone();
    changed.receipts.approvals.push(forked);
    let error = network.verify(&changed).unwrap_err();
    let height = bundle.receipts.proof.header.header.height;
    let part = Part::CircuitApproval(id("welfare"));
    assert_eq!(error, BundleError::Fork { part, height });
}

impl Network {
    fn chain_height(&self) -> u64 {
        self.shared.ledger.snapshot().tip().height
    }
}
