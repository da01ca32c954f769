use getrandom::SysRng;
use hpke::Serializable as _;
use rand_core::UnwrapErr;
use serde::Deserialize;

use super::header::tests::header;
use super::*;
use crate::Secret;
use crate::commitment::Salt;

fn key(seed: u8) -> RecipientKey {
    RecipientKey::from_seed(Secret::new([seed; 32]))
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn route(message: Message) -> Route {
    let Header { message, network, sender, recipient, request, .. } = header(message);
    Route { message, network, sender, recipient, request }
}

pub(super) fn expected(message: Message) -> Expected {
    let Route { message, network, sender, recipient, request } = route(message);
    Expected { message, network, sender, recipient, request: Some(request) }
}

fn sealed(message: Message, plaintext: &[u8]) -> Vec<u8> {
    seal(&route(message), key(7).public_key(), plaintext, &mut UnwrapErr(SysRng)).unwrap()
}

fn opened(expected: &Expected, bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
    open(&key(7), expected, bytes).map(|opened| opened.into_plaintext().to_vec())
}

/// Offsets in `sealed` of a request between the departments of these tests.
const HEADER: usize = 2;
const ENCAPSULATED_KEY: usize = HEADER + 72;
const CIPHERTEXT: usize = ENCAPSULATED_KEY + ENCAPSULATED_KEY_BYTES;

#[test]
fn what_is_sealed_opens_with_its_header() {
    let id = PayloadId::from_bytes([1; 16]);
    for message in [
        Message::Request,
        Message::Answer,
        Message::Offer,
        Message::PayloadManifest(id),
        Message::Document,
    ] {
        for plaintext in [&b""[..], b"text", &[0x80; 10_000]] {
            let bytes = sealed(message, plaintext);
            let opened = open(&key(7), &expected(message), &bytes).unwrap();
            assert_eq!(opened.plaintext(), plaintext);
            assert_eq!(*opened.header(), route(message).header(key(7).public_key()));
        }
    }
}

#[test]
fn answers_of_up_to_a_block_are_equally_long() {
    let length = |bytes: usize| sealed(Message::Answer, &vec![1; bytes]).len();
    let overhead = CIPHERTEXT + TAG_BYTES;
    assert_eq!(length(0), overhead + padding::BLOCK_BYTES);
    assert_eq!(length(8191), length(0));
    assert_eq!(length(8192), overhead + 2 * padding::BLOCK_BYTES);
    assert_eq!(sealed(Message::Request, b"text").len(), overhead + 4);
}

#[test]
fn a_message_that_differs_from_the_expected_one_is_refused() {
    let bytes = sealed(Message::Request, b"text");
    let good = expected(Message::Request);
    let other = || name("other");
    let cases = [
        (Field::Message, Expected { message: Message::Document, ..good.clone() }),
        (Field::Network, Expected { network: other(), ..good.clone() }),
        (Field::Sender, Expected { sender: other(), ..good.clone() }),
        (Field::Recipient, Expected { recipient: other(), ..good.clone() }),
        (Field::Request, Expected { request: Some(Digest::of(b"")), ..good.clone() }),
    ];
    for (field, expected) in cases {
        assert_eq!(opened(&expected, &bytes), Err(OpenError::Unexpected { field }));
    }
    assert_eq!(
        open(&key(8), &good, &bytes).unwrap_err(),
        OpenError::Unexpected { field: Field::RecipientKey }
    );
    assert_eq!(opened(&good, &bytes), Ok(b"text".to_vec()));
    assert_eq!(opened(&Expected { request: None, ..good }, &bytes), Ok(b"text".to_vec()));
}

#[test]
fn sender_and_recipient_cannot_be_swapped() {
    let there = sealed(Message::Document, b"text");
    let Route { message, network, sender, recipient, request } = route(Message::Document);
    let back =
        Expected { message, network, sender: recipient, recipient: sender, request: Some(request) };
    assert_eq!(opened(&back, &there), Err(OpenError::Unexpected { field: Field::Sender }));
}

#[test]
fn a_relabelled_header_does_not_authenticate() {
    // Each case rewrites the header to what the recipient expects: only the AEAD notices.
    let bytes = sealed(Message::Request, b"text");
    let good = expected(Message::Request);
    let other = |text| Name::new(text).unwrap();
    let cases = [
        Expected { message: Message::Document, ..good.clone() },
        Expected { network: other("nex"), ..good.clone() },
        Expected { sender: other("tay"), ..good.clone() },
        Expected { recipient: other("welfarf"), ..good.clone() },
        Expected { request: Some(Digest::of(b"")), ..good.clone() },
        good,
    ];
    for (index, expected) in cases.iter().enumerate() {
        let Expected { message, network, sender, recipient, request } = expected.clone();
        let route = Route { message, network, sender, recipient, request: request.unwrap() };
        let mut relabelled = bytes.clone();
        let header = route.header(key(7).public_key()).encode();
        relabelled[HEADER..ENCAPSULATED_KEY].copy_from_slice(&header);
        let repaired = index + 1 == cases.len();
        let result = if repaired { Ok(b"text".to_vec()) } else { Err(OpenError::Authentication) };
        assert_eq!(opened(expected, &relabelled), result, "{index}");
    }
}

#[test]
fn every_flipped_byte_is_noticed() {
    let bytes = sealed(Message::Request, b"text");
    let good = expected(Message::Request);
    for position in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[position] ^= 1;
        let error = opened(&good, &altered).unwrap_err();
        if position >= ENCAPSULATED_KEY {
            assert_eq!(error, OpenError::Authentication, "{position}");
        }
    }
    assert_eq!(opened(&good, &bytes), Ok(b"text".to_vec()));
}

#[test]
fn cut_and_lengthened_messages_are_refused() {
    let mut bytes = sealed(Message::Request, b"text");
    let good = expected(Message::Request);
    for length in 0..CIPHERTEXT + TAG_BYTES {
        assert_eq!(opened(&good, &bytes[..length]), Err(OpenError::Truncated), "{length}");
    }
    let cut = &bytes[..bytes.len() - 1];
    assert_eq!(opened(&good, cut), Err(OpenError::Authentication));
    bytes.push(0);
    assert_eq!(opened(&good, &bytes), Err(OpenError::Authentication));
    bytes.pop();
    bytes[1] += 1; // the header's length
    let trailing = HeaderError::Trailing { excess: 1 };
    assert_eq!(opened(&good, &bytes), Err(OpenError::Header(trailing)));
    bytes[1] -= 2;
    assert_eq!(opened(&good, &bytes), Err(OpenError::Header(HeaderError::Truncated)));
}

#[test]
fn an_encapsulated_key_of_low_order_is_refused() {
    let mut bytes = sealed(Message::Request, b"text");
    bytes[ENCAPSULATED_KEY..CIPHERTEXT].fill(0);
    let result = opened(&expected(Message::Request), &bytes);
    assert_eq!(result, Err(OpenError::EncapsulatedKey));
}

#[test]
fn an_answer_that_its_sender_did_not_pad_is_refused() {
    for (plaintext, result) in [
        (vec![0x80; 100], Err(OpenError::Padding)),
        (padding::pad(b"text").to_vec(), Ok(b"text".to_vec())),
    ] {
        let (header, mut bytes, mut context) =
            set_up_sender(&route(Message::Answer), key(7).public_key(), &mut UnwrapErr(SysRng))
                .unwrap();
        bytes.extend(context.seal(&plaintext, &header.encode()).unwrap());
        assert_eq!(opened(&expected(Message::Answer), &bytes), result);
    }
}

#[test]
fn a_payload_is_neither_sealed_nor_opened_whole() {
    let payload = Message::Payload(PayloadId::from_bytes([1; 16]));
    let whole = seal(&route(payload), key(7).public_key(), b"text", &mut UnwrapErr(SysRng));
    assert_eq!(whole, Err(SealError::Payload));
    let (header, mut bytes, mut context) =
        set_up_sender(&route(payload), key(7).public_key(), &mut UnwrapErr(SysRng)).unwrap();
    bytes.extend(context.seal(b"text", &header.encode()).unwrap());
    assert_eq!(opened(&expected(payload), &bytes), Err(OpenError::Payload));
}

#[test]
fn encapsulated_keys_are_drawn_afresh() {
    assert_ne!(sealed(Message::Request, b"text"), sealed(Message::Request, b"text"));
}

#[test]
fn debug_shows_no_plaintext() {
    let bytes = sealed(Message::Request, b"secret text");
    let opened = open(&key(7), &expected(Message::Request), &bytes).unwrap();
    let text = format!("{opened:?}");
    assert!(!text.contains("secret") && !text.contains("115, 101"), "{text}");
}

#[derive(Deserialize)]
struct Envelopes {
    recipient_seed: String,
    recipient_public_key: String,
    recipient_key_id: String,
    document: String,
    answer: String,
    payload: String,
    payload_commitment: String,
}

fn frozen() -> (RecipientKey, Envelopes) {
    let json = include_str!("../../vectors/envelope-v1.json");
    let envelopes: Envelopes = serde_json::from_str(json).unwrap();
    let seed = hex::decode(&envelopes.recipient_seed).unwrap().try_into().unwrap();
    let key = RecipientKey::from_seed(Secret::new(seed));
    assert_eq!(key.public_key().to_string(), envelopes.recipient_public_key);
    assert_eq!(key.key_id().to_string(), envelopes.recipient_key_id);
    (key, envelopes)
}

#[test]
fn envelopes_sealed_by_another_implementation_open() {
    let (key, envelopes) = frozen();
    for (message, bytes, plaintext) in [
        (Message::Document, &envelopes.document, b"a document"),
        (Message::Answer, &envelopes.answer, b"the answer"),
    ] {
        let bytes = hex::decode(bytes).unwrap();
        let opened = open(&key, &expected(message), &bytes).unwrap();
        assert_eq!(opened.plaintext(), plaintext);
    }
}

#[test]
fn a_payload_sealed_by_another_implementation_opens() {
    let (key, envelopes) = frozen();
    let expected = expected(Message::Payload(PayloadId::from_bytes([0xcc; 16])));
    let mut opener = stream::PayloadOpener::new(&key, expected);
    let whole_chunks = opener.push(&hex::decode(&envelopes.payload).unwrap()).unwrap();
    assert_eq!(whole_chunks.to_vec(), vec![0x2a; stream::CHUNK_BYTES]);
    let complete = opener.finish().unwrap();
    assert_eq!(complete.rest(), b"the end");
    let commitment = complete.ciphertext().commit(&Salt::from_bytes([3; 32]));
    assert_eq!(commitment.to_string(), envelopes.payload_commitment);
}

#[derive(Deserialize)]
struct Rfc9180 {
    #[serde(rename = "ikmR")]
    recipient_seed: String,
    #[serde(rename = "pkRm")]
    recipient_public_key: String,
    enc: String,
    info: String,
    encryptions: Vec<Encryption>,
}

#[derive(Deserialize)]
struct Encryption {
    aad: String,
    ct: String,
    pt: String,
}

#[test]
fn agrees_with_the_vectors_of_rfc_9180() {
    let json = include_str!("../../vectors/rfc9180-base-x25519-sha256-aes256gcm.json");
    let vector: Rfc9180 = serde_json::from_str(json).unwrap();
    let bytes = |text: &String| hex::decode(text).unwrap();
    let seed = bytes(&vector.recipient_seed).try_into().unwrap();
    let key = RecipientKey::from_seed(Secret::new(seed));
    assert_eq!(key.public_key().to_string(), vector.recipient_public_key);
    assert_eq!(key.public_key().0.to_bytes().to_vec(), bytes(&vector.recipient_public_key));

    type Encapsulated = <X25519HkdfSha256 as hpke::Kem>::EncappedKey;
    let encapsulated = Encapsulated::from_bytes(&bytes(&vector.enc)).unwrap();
    let info = bytes(&vector.info);
    let mut context: RecipientContext =
        hpke::setup_receiver(&OpModeR::Base, &key.private, &encapsulated, &info).unwrap();
    let mut opened = 0;
    for message in &vector.encryptions {
        let plaintext = context.open(&bytes(&message.ct), &bytes(&message.aad)).unwrap();
        assert_eq!(plaintext, bytes(&message.pt));
        opened += 1;
    }
    assert_eq!(opened, 257);
}
