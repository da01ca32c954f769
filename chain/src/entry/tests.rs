use crypto::Secret;
use proptest::prelude::*;

use super::*;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([byte; 32]))
}

fn network() -> NetworkId {
    NetworkId::from_digest(Digest::of(b"network"))
}

fn author() -> DepartmentId {
    "tax".parse().unwrap()
}

/// Any content whose required references are not zero.
pub(crate) fn arb_content() -> impl Strategy<Value = Content> {
    let digest = || any::<[u8; 32]>().prop_map(Digest::from_bytes);
    let id = || {
        any::<[u8; 32]>().prop_map(|mut bytes| {
            bytes[0] |= 1;
            EntryId::from_digest(Digest::from_bytes(bytes))
        })
    };
    let parts = (digest(), digest(), proptest::option::of(id()), id(), id(), id());
    (0..Kind::ALL.len(), parts).prop_map(
        |(kind, (digest, lock, optional, a, b, c))| match Kind::ALL[kind] {
            Kind::Department => Content::Department { document: digest, replaces: optional },
            Kind::Circuit => Content::Circuit { document: digest },
            Kind::Validators => Content::Validators { document: digest },
            Kind::Approval => Content::Approval { entry: a },
            Kind::Service => Content::Service { document: digest, replaces: optional },
            Kind::ConsentKey => Content::ConsentKey { card: digest, replaces: optional },
            Kind::Records => Content::Records { root: digest, service: a, previous: optional },
            Kind::Request => Content::Request { request: digest },
            Kind::Consent => {
                Content::Consent { record: digest, lock: withdrawal_lock(&lock), request: a }
            }
            Kind::Withdrawal => Content::Withdrawal { w: digest, consent: a },
            Kind::Proof => Content::Proof { record: digest, request: a, basis: b, records: c },
            Kind::PayloadSent => Content::PayloadSent { commitment: digest, proof: a },
            Kind::PayloadReceived => Content::PayloadReceived { commitment: digest, sent: a },
        },
    )
}

fn sign(content: Content) -> Entry {
    Entry::sign(&network(), author(), content, &key(1))
}

fn request() -> Entry {
    sign(Content::Request { request: Digest::of(b"request") })
}

proptest! {
    #[test]
    fn entries_round_trip(content in arb_content()) {
        let entry = sign(content);
        let bytes = entry.encode();
        prop_assert_eq!(Entry::decode(&bytes), Ok(entry));
        prop_assert!(entry.verify(&network(), key(1).verifying_key()).is_ok());
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        kind in 0_u8..16, tail in prop::collection::vec(0_u8..2, ENTRY_BYTES - 1)
    ) {
        let mut bytes = vec![kind];
        bytes.extend(tail);
        bytes[129..161].copy_from_slice(author().as_bytes());
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert_eq!(entry.encode().to_vec(), bytes);
        }
    }
}

#[test]
fn the_format_is_frozen() {
    let content = Content::Proof {
        record: Digest::from_bytes([0xd1; 32]),
        request: EntryId::from_digest(Digest::from_bytes([0xa1; 32])),
        basis: EntryId::from_digest(Digest::from_bytes([0xa2; 32])),
        records: EntryId::from_digest(Digest::from_bytes([0xa3; 32])),
    };
    let entry = sign(content);
    let mut expected = vec![11];
    for byte in [0xd1, 0xa1, 0xa2, 0xa3] {
        expected.extend([byte; 32]);
    }
    expected.extend(b"tax");
    expected.extend([0; 29]);
    assert_eq!(entry.encode()[..CONTENT_BYTES], expected);
    assert_eq!(ENTRY_BYTES, 225);

    // The preimages in full, computed here from nothing but SHA-256 and the layout in the docs.
    let labelled = |label: &str| {
        let mut preimage = Vec::new();
        for part in [label.as_bytes(), &[network().as_bytes().as_slice(), &expected].concat()] {
            preimage.extend((part.len() as u64).to_be_bytes());
            preimage.extend(part);
        }
        Digest::of(&preimage)
    };
    assert_eq!(*entry.id(&network()).as_digest(), labelled("proofgate/v1/entry-id"));
    let signature = Signature::from_bytes(entry.encode()[CONTENT_BYTES..].try_into().unwrap());
    let message = labelled("proofgate/v1/entry");
    assert!(key(1).verifying_key().verify_raw(message.as_bytes(), &signature).is_ok());
}

#[test]
fn the_labels_of_digests_are_frozen() {
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    let labelled = Digest::labelled("proofgate/v1/request", &[a.as_bytes()]);
    assert_eq!(request_digest(&a), labelled);
    let parts: [&[u8]; 3] = [b"payload-sent", a.as_bytes(), b.as_bytes()];
    let labelled = Digest::labelled("proofgate/v1/salted", &parts);
    assert_eq!(salted_digest(Kind::PayloadSent, &a, &b), labelled);
    assert_ne!(salted_digest(Kind::Consent, &a, &b), labelled);
}

#[test]
fn kinds_are_frozen() {
    let names: Vec<_> = Kind::ALL.iter().map(|kind| (kind.byte(), kind.as_str())).collect();
    assert_eq!(
        names,
        [
            (1, "department"),
            (2, "circuit"),
            (3, "validators"),
            (4, "approval"),
            (5, "service"),
            (6, "consent-key"),
            (7, "records"),
            (8, "request"),
            (9, "consent"),
            (10, "withdrawal"),
            (11, "proof"),
            (12, "payload-sent"),
            (13, "payload-received"),
        ]
    );
}

#[test]
fn refuses_another_length() {
    let bytes = request().encode();
    let length = |got| Err(DecodeError::Length { expected: ENTRY_BYTES, got });
    assert_eq!(Entry::decode(&bytes[..ENTRY_BYTES - 1]), length(ENTRY_BYTES - 1));
    assert_eq!(Entry::decode(&[&bytes[..], &[0]].concat()), length(ENTRY_BYTES + 1));
    assert_eq!(Entry::decode(&[]), length(0));
    assert!(Entry::decode(&bytes).is_ok());
}

#[test]
fn refuses_unknown_kinds() {
    for kind in [0, 14, 255] {
        let mut bytes = request().encode();
        bytes[0] = kind;
        assert_eq!(Entry::decode(&bytes), Err(DecodeError::Field { field: "kind" }));
    }
}

#[test]
fn refuses_an_author_that_is_no_slug() {
    let mut bytes = request().encode();
    bytes[160] = b'x';
    assert_eq!(Entry::decode(&bytes), Err(DecodeError::Field { field: "department" }));
}

#[test]
fn references_a_kind_does_not_use_must_be_zero() {
    // (kind, places it requires, places it may use)
    let table: &[(Kind, &[usize], usize)] = &[
        (Kind::Department, &[], 1),
        (Kind::Circuit, &[], 0),
        (Kind::Validators, &[], 0),
        (Kind::Approval, &[], 0),
        (Kind::Service, &[], 1),
        (Kind::ConsentKey, &[], 1),
        (Kind::Records, &[0], 2),
        (Kind::Request, &[], 0),
        (Kind::Consent, &[0, 1], 2),
        (Kind::Withdrawal, &[0], 1),
        (Kind::Proof, &[0, 1, 2], 3),
        (Kind::PayloadSent, &[0], 1),
        (Kind::PayloadReceived, &[0], 1),
    ];
    assert_eq!(table.len(), Kind::ALL.len());
    for (kind, required, used) in table {
        let mut bytes = request().encode();
        bytes[0] = kind.byte();
        for place in 0..*used {
            bytes[33 + 32 * place] = 1;
        }
        assert!(Entry::decode(&bytes).is_ok(), "{kind}");
        for place in *used..REFERENCES {
            let mut broken = bytes;
            broken[33 + 32 * place] = 1;
            assert_eq!(
                Entry::decode(&broken),
                Err(DecodeError::UnusedReference { place }),
                "{kind}"
            );
        }
        for place in *required {
            let mut broken = bytes;
            broken[33 + 32 * place] = 0;
            assert_eq!(
                Entry::decode(&broken),
                Err(DecodeError::MissingReference { place: *place }),
                "{kind}"
            );
        }
    }
}

#[test]
fn a_signature_is_bound_to_network_content_author_and_key() {
    let entry = request();
    let public = key(1).verifying_key();
    assert!(entry.verify(&network(), public).is_ok());
    let elsewhere = NetworkId::from_digest(Digest::of(b"elsewhere"));
    assert_eq!(entry.verify(&elsewhere, public), Err(EntrySignatureError));
    assert_eq!(entry.verify(&network(), key(2).verifying_key()), Err(EntrySignatureError));
    let other = Entry { content: Content::Request { request: Digest::of(b"other") }, ..entry };
    assert_eq!(other.verify(&network(), public), Err(EntrySignatureError));
    let other = Entry { author: "welfare".parse().unwrap(), ..entry };
    assert_eq!(other.verify(&network(), public), Err(EntrySignatureError));
}

#[test]
fn an_id_is_bound_to_network_content_and_author_but_not_to_the_signature() {
    let entry = request();
    let id = entry.id(&network());
    let elsewhere = NetworkId::from_digest(Digest::of(b"elsewhere"));
    assert_ne!(entry.id(&elsewhere), id);
    let content = Content::Request { request: Digest::of(b"other") };
    assert_ne!(Entry { content, ..entry }.id(&network()), id);
    assert_ne!(Entry { author: "welfare".parse().unwrap(), ..entry }.id(&network()), id);
    assert_eq!(Entry { signature: Signature::from_bytes([0; 64]), ..entry }.id(&network()), id);
}
