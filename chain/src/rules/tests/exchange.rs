//! Requests, consents, withdrawals, proofs and payloads.

use super::*;

#[test]
fn a_request_is_made_once() {
    let mut world = World::new();
    let request = world.request(0, "request");
    let again = world.network.request(1, "request");
    assert_eq!(code(world.submit(&again, None)), "request-repeated");
    let digest = Digest::of(b"request");
    assert_eq!(world.state.request_of_digest(&digest), Some(&request));
}

#[test]
fn a_consent_is_to_a_request_that_its_author_has_not_answered() {
    let mut e = exchange();
    assert_eq!(code(e.world.consent(1, unknown(), "x")), "request-unknown");
    e.world.prove(1, e.request, e.consent, e.records).unwrap();
    assert_eq!(code(e.world.consent(1, e.request, "late")), "request-answered");
}

#[test]
fn an_author_records_one_consent_to_a_request_also_after_a_withdrawal() {
    let mut e = exchange();
    assert_eq!(code(e.world.consent(1, e.request, "second")), "consent-repeated");
    e.world.withdraw(2, e.consent, "consent").unwrap();
    assert_eq!(code(e.world.consent(1, e.request, "second")), "consent-repeated");
    assert_eq!(code(e.world.consent(2, e.request, "another author's")), "ok");
    let other = e.world.request(0, "other");
    assert_eq!(code(e.world.consent(1, other, "second")), "ok");
}

#[test]
fn a_withdrawal_opens_the_lock_by_whoever_brings_it() {
    let mut e = exchange();
    assert_eq!(code(e.world.withdraw(3, unknown(), "consent")), "consent-unknown");
    assert_eq!(code(e.world.withdraw(3, e.consent, "other")), "withdrawal-lock");
    let withdrawal = e.world.withdraw(3, e.consent, "consent").unwrap();
    assert_eq!(e.world.state.consent(&e.consent).unwrap().withdrawn, Some(withdrawal));
    assert_eq!(code(e.world.withdraw(2, e.consent, "consent")), "consent-withdrawn");
}

#[test]
fn the_lock_is_the_labelled_hash_of_w() {
    let w = Network::w("consent");
    assert_eq!(
        withdrawal_lock(&w),
        Digest::labelled("proofgate/v1/withdrawal-lock", &[w.as_bytes()])
    );
}

#[test]
fn log_order_decides_between_withdrawal_and_proof() {
    let mut withdrawn = exchange();
    withdrawn.world.withdraw(2, withdrawn.consent, "consent").unwrap();
    let e = &mut withdrawn;
    assert_eq!(code(e.world.prove(1, e.request, e.consent, e.records)), "consent-withdrawn");
    // The same proof passes where nothing was withdrawn.
    let mut standing = exchange();
    let e = &mut standing;
    assert_eq!(code(e.world.prove(1, e.request, e.consent, e.records)), "ok");

    let (mut e, proof) = answered();
    assert_eq!(code(e.world.withdraw(2, e.consent, "consent")), "ok");
    assert_eq!(e.world.state.answer(&e.request, &Network::id(1)), Some(&proof));
}

#[test]
fn an_author_answers_a_known_request_once() {
    let (mut e, proof) = answered();
    assert!(!e.world.state.proof(&proof).unwrap().statutory);
    assert_eq!(code(e.world.prove(1, e.request, e.service, e.records)), "request-answered");
    assert_eq!(code(e.world.prove(1, unknown(), e.consent, e.records)), "request-unknown");
}

/// Agency 2 has a dataset and has answered agency 0's request on it, before agency 1 whom it is to.
fn spent_by_another() -> (Exchange, EntryId) {
    let mut e = exchange();
    let service = e.world.service(2, "another's", None).unwrap();
    let records = e.world.records(2, "another's", service, None).unwrap();
    let proof = e.world.prove(2, e.request, service, records).unwrap();
    (e, proof)
}

#[test]
fn another_department_s_proof_does_not_spend_the_request() {
    let (mut e, foreign) = spent_by_another();
    let proof = e.world.prove(1, e.request, e.consent, e.records).unwrap();
    let answer = |author| e.world.state.answer(&e.request, &Network::id(author));
    assert_eq!((answer(0), answer(1), answer(2)), (None, Some(&proof), Some(&foreign)));
    assert_eq!(code(e.world.prove(1, e.request, e.service, e.records)), "request-answered");
}

#[test]
fn consent_and_withdrawal_race_with_their_own_author_s_proof_only() {
    let (mut e, _) = spent_by_another();
    // The citizen withdraws from agency 1 what agency 2 has never had.
    let mut withdrawn = e.world.clone();
    withdrawn.withdraw(3, e.consent, "consent").unwrap();
    assert_eq!(code(withdrawn.prove(1, e.request, e.consent, e.records)), "consent-withdrawn");
    assert_eq!(code(e.world.prove(1, e.request, e.consent, e.records)), "ok");

    // A consent withdrawn from agency 2 is still given to agency 1.
    let mut e = exchange();
    let foreign = e.world.consent(2, e.request, "foreign").unwrap();
    e.world.withdraw(3, foreign, "foreign").unwrap();
    assert_eq!(code(e.world.prove(1, e.request, e.consent, e.records)), "ok");

    // Agency 2 has answered before anybody consented: too late for it, in time for agency 1.
    let mut e = exchange();
    let request = e.world.request(0, "second");
    let service = e.world.service(2, "another's", None).unwrap();
    let records = e.world.records(2, "another's", service, None).unwrap();
    e.world.prove(2, request, service, records).unwrap();
    assert_eq!(code(e.world.consent(2, request, "late")), "request-answered");
    let consent = e.world.consent(1, request, "in time").unwrap();
    assert_eq!(code(e.world.prove(1, request, consent, e.records)), "ok");
}

#[test]
fn a_proof_s_consent_is_the_author_s_for_this_request() {
    let mut e = exchange();
    let other = e.world.request(0, "other");
    let world = &mut e.world;
    assert_eq!(code(world.prove(1, other, e.consent, e.records)), "consent-of-another");
    let foreign = world.consent(2, other, "foreign").unwrap();
    assert_eq!(code(world.prove(1, other, foreign, e.records)), "consent-of-another");
    assert_eq!(code(world.prove(1, other, unknown(), e.records)), "basis-unknown");
    assert_eq!(code(world.prove(1, other, e.records, e.records)), "basis-unknown");
    let own = world.consent(1, other, "own").unwrap();
    assert_eq!(code(world.prove(1, other, own, e.records)), "ok");
}

#[test]
fn a_statutory_proof_names_the_dataset_s_current_service() {
    let mut e = exchange();
    let foreign = e.world.service(2, "foreign", None).unwrap();
    let other = e.world.service(1, "other dataset", None).unwrap();
    let world = &mut e.world;
    assert_eq!(code(world.prove(1, e.request, foreign, e.records)), "not-the-issuer");
    assert_eq!(code(world.prove(1, e.request, other, e.records)), "dataset-mismatch");
    let second = world.service(1, "second", Some(e.service)).unwrap();
    assert_eq!(code(world.prove(1, e.request, e.service, e.records)), "service-replaced");
    let proof = world.prove(1, e.request, second, e.records).unwrap();
    assert!(world.state.proof(&proof).unwrap().statutory);
}

#[test]
fn a_proof_is_about_the_author_s_current_records() {
    let mut e = exchange();
    let consent = e.world.consent(2, e.request, "two").unwrap();
    assert_eq!(code(e.world.prove(2, e.request, consent, e.records)), "not-the-issuer");
    assert_eq!(code(e.world.prove(1, e.request, e.consent, unknown())), "records-unknown");
    let next = e.world.records(1, "next", e.service, Some(e.records)).unwrap();

    // The grace is ten seconds of block time.
    e.world.time += 9;
    let mut late = e.world.clone();
    assert_eq!(code(e.world.prove(1, e.request, e.consent, e.records)), "ok");
    late.time += 1;
    assert_eq!(code(late.prove(1, e.request, e.consent, e.records)), "records-superseded");
    assert_eq!(code(late.prove(1, e.request, e.consent, next)), "ok");
}

#[test]
fn without_grace_superseded_records_are_refused_in_the_same_second() {
    let mut e = exchange();
    e.world.state.grace_seconds = 0;
    let mut world = e.world.clone();
    assert_eq!(code(world.prove(1, e.request, e.consent, e.records)), "ok");
    let next = e.world.records(1, "next", e.service, Some(e.records)).unwrap();
    assert_eq!(code(e.world.prove(1, e.request, e.consent, e.records)), "records-superseded");
    assert_eq!(code(e.world.prove(1, e.request, e.consent, next)), "ok");
}

#[test]
fn payloads_go_between_a_proof_s_author_and_whoever_asked() {
    let send =
        |proof, name: &str| Content::PayloadSent { commitment: Digest::of(name.as_bytes()), proof };
    let (mut e, foreign) = spent_by_another();
    assert_eq!(code(e.world.add(1, send(unknown(), "x"))), "proof-unknown");
    assert_eq!(code(e.world.add(1, send(e.request, "x"))), "proof-unknown");
    let proof = e.world.prove(1, e.request, e.consent, e.records).unwrap();
    assert_eq!(code(e.world.add(2, send(proof, "x"))), "not-a-party");
    assert_eq!(code(e.world.add(1, send(foreign, "x"))), "not-a-party");
    for (proof, issuer) in [(proof, 1), (foreign, 2)] {
        let down = e.world.add(issuer, send(proof, "down")).unwrap();
        let up = e.world.add(0, send(proof, "up")).unwrap();
        let recipient = |sent| e.world.state.payload(sent).unwrap().recipient;
        assert_eq!([recipient(&down), recipient(&up)], [Network::id(0), Network::id(issuer)]);
    }
}

#[test]
fn a_payload_is_received_once_by_its_recipient() {
    let (mut e, proof) = answered();
    let commitment = Digest::of(b"payload");
    let sent = e.world.add(1, Content::PayloadSent { commitment, proof }).unwrap();
    let receive = |sent, commitment| Content::PayloadReceived { commitment, sent };
    assert_eq!(code(e.world.add(0, receive(unknown(), commitment))), "payload-unknown");
    assert_eq!(code(e.world.add(1, receive(sent, commitment))), "not-the-recipient");
    assert_eq!(code(e.world.add(0, receive(sent, Digest::of(b"x")))), "commitment-mismatch");
    let received = e.world.add(0, receive(sent, commitment)).unwrap();
    assert_eq!(e.world.state.payload(&sent).unwrap().received, Some(received));
    assert_eq!(code(e.world.add(0, receive(sent, commitment))), "entry-duplicate");
}
