//! The registrar's card, with and without the genesis file that has the registrar's key.

use super::*;

/// A genesis that names another key, or none, for the registrar.
fn other_genesis(change: impl FnOnce(&mut Vec<Department>)) -> Genesis {
    let mut facts = facts();
    change(&mut facts.departments);
    Genesis::new(facts).unwrap()
}

#[tokio::test]
async fn a_card_that_another_key_signed_is_refused_and_the_registrars_is_taken() {
    let (gateway, base, served) = start(clock()).await;
    let (_outer, path) = folder();
    let mut wallet = create(&path);
    let (registry, tax) = (id("civil-registry"), id("tax"));
    wallet.remember(registry, base.clone()).unwrap();
    wallet.remember(tax, base).unwrap();
    wallet.trust(genesis()).unwrap();
    let code = Nonce::from_bytes(CODE);
    *gateway.registry.card_signer.lock().unwrap() = "tax";
    let forged = wallet.enrol(registry, subject(), code, None).await.unwrap_err();
    assert!(matches!(forged, WalletError::Card { registrar, fault: CardFault::Signature }
        if registrar == registry));
    assert!(wallet.card().is_none() && open(&path).unwrap().card().is_none());

    *gateway.registry.card_signer.lock().unwrap() = "civil-registry";
    wallet.enrol(registry, subject(), code, None).await.unwrap();
    assert_eq!(wallet.voucher(), Some(Voucher::Genesis));
    assert_eq!(open(&path).unwrap().voucher(), Some(Voucher::Genesis));

    // Tax is no registrar in the genesis file: what it signs may be right, and nobody can tell.
    wallet.enrol(tax, subject(), code, None).await.unwrap();
    assert_eq!(wallet.voucher(), Some(Voucher::LaterRegistrar));

    let (_other_outer, other_path) = folder();
    let mut other = create(&other_path);
    other.departments = wallet.departments.clone();
    *gateway.registry.card_signer.lock().unwrap() = "tax";
    other.enrol(registry, subject(), code, Some(network())).await.unwrap();
    assert_eq!(other.voucher(), Some(Voucher::NoGenesis));
    // With the file it comes out.
    assert!(matches!(
        other.trust(genesis()),
        Err(WalletError::Card { fault: CardFault::Signature, .. })
    ));
    assert_eq!(other.voucher(), Some(Voucher::NoGenesis));
    served.abort();
}

#[test]
fn a_genesis_file_counts_for_the_card_that_is_there() {
    let (_outer, path) = folder();
    let mut wallet = create(&path);
    // Before there is a card, another replaces it.
    let foreign = other_genesis(|departments| departments.truncate(2));
    wallet.trust(foreign.clone()).unwrap();
    wallet.trust(genesis()).unwrap();
    let signed = card(&wallet).sign(&key("civil-registry"));
    folder::write(&wallet.folder.card(), &signed).unwrap();
    let mut wallet = open(&path).unwrap();
    assert_eq!(wallet.voucher(), Some(Voucher::Genesis));
    let refused = wallet.trust(foreign.clone()).unwrap_err();
    assert!(matches!(refused, WalletError::Card { fault: CardFault::Network { expected, .. }, .. }
        if expected == *foreign.network()));
    assert_eq!(open(&path).unwrap().genesis(), Some(&genesis()));

    // A card that was exchanged on the disk is noticed.
    folder::write(&wallet.folder.card(), &card(&wallet).sign(&key("tax"))).unwrap();
    let swapped = open(&path).unwrap_err();
    assert!(matches!(swapped, WalletError::Card { fault: CardFault::Signature, .. }));
    folder::write(&wallet.folder.card(), &signed).unwrap();
    assert!(open(&path).is_ok());
}

#[test]
fn a_card_is_stored_only_if_it_is_of_this_key_subject_registrar_and_network() {
    let (_outer, path) = folder();
    let wallet = create(&path);
    let (own, good, genesis) = (wallet.key(), card(&wallet), genesis());
    let expected = card::Expected {
        key: &own,
        subject: subject(),
        registrar: id("civil-registry"),
        network: network(),
        genesis: Some(&genesis),
    };
    let check = |card: &KeyCard, expected| {
        card::check(json!(card.clone().sign(&key("civil-registry"))), expected)
    };
    assert!(check(&good, expected).is_ok());
    assert!(check(&good, card::Expected { genesis: None, ..expected }).is_ok());

    let (_other_outer, other_path) = folder();
    let other = KeyCard { key: create(&other_path).key(), ..good.clone() };
    assert!(matches!(check(&other, expected), Err(CardFault::Key)));
    let other = KeyCard { subject: "1".parse().unwrap(), ..good.clone() };
    assert!(matches!(check(&other, expected), Err(CardFault::Subject)));
    let other = KeyCard { registrar: id("tax"), ..good.clone() };
    assert!(matches!(check(&other, expected), Err(CardFault::Registrar(r)) if r == id("tax")));
    let other = KeyCard { version: 2, ..good.clone() };
    assert!(matches!(check(&other, expected), Err(CardFault::Version(2))));
    let other = KeyCard { network: NetworkId::from_digest(Digest::of(b"x")), ..good.clone() };
    assert!(matches!(check(&other, expected), Err(CardFault::Network { got, .. })
        if got == other.network));
    assert!(matches!(card::check(Value::Null, expected), Err(CardFault::Json(_))));

    let signed = json!(good.clone().sign(&key("tax")));
    assert!(matches!(card::check(signed, expected), Err(CardFault::Signature)));
    let other = other_genesis(|departments| departments[0].signing_key = key("x").verifying_key());
    let network = *other.network();
    let elsewhere = card::Expected { network, genesis: Some(&other), ..expected };
    let moved = KeyCard { network, ..good };
    assert!(matches!(check(&moved, elsewhere), Err(CardFault::Signature)));
    let signed = json!(moved.sign(&key("x")));
    assert!(card::check(signed, elsewhere).is_ok());
}
