//! Citizens' keys at the registrar: codes, and cards that replace each other.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_key_neither_consents_nor_sees_anything() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let tax = network.department("tax");
    assert_eq!(tax.pending(&citizen.key()).await.unwrap().len(), 1);
    // The citizen enrols another key; the tax office has not been shown the new card yet.
    let registrar = network.department("civil-registry");
    let code = registrar.enrolment_code(citizen.subject).await.unwrap().code;
    registrar.enrol(citizen.subject, Citizen::new(ELIAS).key(), &code).await.unwrap();
    assert!(tax.pending(&citizen.key()).await.unwrap().is_empty());
    let row = tax.received(&asked.request).unwrap().unwrap();
    let request = tax.restore_request(&row.request).await.unwrap();
    let signature = citizen.private.sign(request.consent_message());
    let lock = withdrawal_lock(&Digest::of(b"w"));
    let outcome = tax.consent(&citizen.key(), &asked.request, &signature, lock).await;
    assert_eq!(outcome.unwrap_err().code(), "request-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_code_is_good_once_for_its_citizen() {
    let network = Network::new(0).await;
    let (citizen, other) = (Citizen::new(CURTIS), Citizen::new(ELIAS));
    let registrar = network.department("civil-registry");
    let code = registrar.enrolment_code(citizen.subject).await.unwrap().code;
    let refused = registrar.enrol(other.subject, other.key(), &code).await.unwrap_err();
    assert_eq!(refused.code(), "enrolment-code");
    registrar.enrol(citizen.subject, citizen.key(), &code).await.unwrap();
    let again = registrar.enrol(citizen.subject, citizen.key(), &code).await.unwrap_err();
    assert_eq!(again.code(), "enrolment-code");
    let late = registrar.enrolment_code(citizen.subject).await.unwrap();
    network.clock.advance(24 * 60 * 60 + 1);
    let expired = registrar.enrol(citizen.subject, citizen.key(), &late.code).await.unwrap_err();
    assert_eq!(expired.code(), "enrolment-code");
    let tax = network.department("tax").enrolment_code(citizen.subject).await.unwrap_err();
    assert_eq!(tax.code(), "not-a-registrar");
}
