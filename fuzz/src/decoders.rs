//! Every decoder of bytes from outside, as the fuzz targets call it, and the plain test that replays
//! their corpora.
//!
//! Each function takes any bytes and must not panic. What decodes is written again: to the same bytes where
//! a value has one encoding, else to bytes that decode to the same. It says whether the bytes decoded.

use std::fmt::{Debug, Display};
use std::pin::pin;
use std::str::FromStr;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use chain::block::{Certificate, CertifiedBlock, Header};
use chain::checkpoint::SignedCheckpoint;
use chain::department::Department;
use chain::document::Document;
use chain::entry::Entry;
use chain::genesis::Genesis;
use chain::identifier::{DepartmentId, NetworkId};
use chain::log::TilePath;
use chain::receipt::Receipt;
use chain::validators::ValidatorSet;
use circuits::groth16::{Proof, ProvingKey, R1cs, VerifyingKey};
use circuits::query::Query;
use circuits::schema::Schema;
use circuits::snarkjs::contribution::Contributions;
use circuits::snarkjs::{self, json};
use circuits::tree::Path;
use crypto::envelope::stream::PayloadOpener;
use crypto::envelope::{self, Expected, Name, RecipientKey, Sealed, padding};
use crypto::{Digest, Secret, SigningKey, canonical};
use gateway::bundle::Bundle;
use gateway::ceremony::Plan;
use gateway::config::Config;
use gateway::department::asking::Offer;
use gateway::document::ceremony::Attestation;
use gateway::document::{
    Answer, CheckedRequest, CircuitDocument, PayloadManifest, Request, Service, SignedKeyCard,
};
use gateway::exchange::verification::Strictness;
use gateway::http::citizen::CitizenCredential;
use gateway::http::signature::{
    Audience, KeyDirectory, KeyName, RecentNonces, Verifier, VerifyError,
};
use gateway::http::{BaseUrl, local};
use gateway::import::{Format, Rows};
use http_body_util::Full;
use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Takes any bytes; whether they decoded.
pub type Decoder = fn(&[u8]) -> bool;

/// The decoders, by the name of their fuzz target and corpus.
pub const DECODERS: &[(&str, Decoder)] = &[
    ("answer", answer),
    ("block", block),
    ("bundle", bundle),
    ("ceremony_attestation", ceremony_attestation),
    ("ceremony_contributions", ceremony_contributions),
    ("ceremony_plan", ceremony_plan),
    ("certificate", certificate),
    ("checkpoint", checkpoint),
    ("circuit_document", circuit_document),
    ("citizen_credential", citizen_credential),
    ("config", config),
    ("consent_key", consent_key),
    ("consent_signature", consent_signature),
    ("csv_rows", csv_rows),
    ("department_document", department_document),
    ("document", document),
    ("entry", entry),
    ("envelope", envelope),
    ("envelope_header", envelope_header),
    ("gateway_url", gateway_url),
    ("genesis", genesis),
    ("header", header),
    ("json_lines_rows", json_lines_rows),
    ("key_card", key_card),
    ("local_ask", local_ask),
    ("offer", offer),
    ("padding", unpad),
    ("payload_manifest", payload_manifest),
    ("payload_stream", payload_stream),
    ("proof", proof),
    ("ptau", ptau),
    ("query", query),
    ("r1cs", r1cs),
    ("receipt", receipt),
    ("request", request),
    ("schema", schema),
    ("service", service),
    ("signature_input", signature_input),
    ("snarkjs_inputs", snarkjs_inputs),
    ("snarkjs_key", snarkjs_key),
    ("snarkjs_proof", snarkjs_proof),
    ("tile_path", tile_path),
    ("tree_path", tree_path),
    ("validators", validators),
    ("verifying_key", verifying_key),
    ("wtns", wtns),
    ("zkey", zkey),
];

/// The decoder of that name.
pub fn decoder(name: &str) -> Decoder {
    let found = DECODERS.iter().find(|(known, _)| *known == name);
    found.expect("every target is in the list").1
}

/// A value with one encoding.
fn exact<T, E>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, E>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> bool {
    let Ok(value) = decode(bytes) else { return false };
    assert_eq!(encode(&value), bytes, "another encoding of the same value");
    true
}

/// A document, which is canonical JSON or refused; `check` is what is done with it next.
fn canonical_document<T>(bytes: &[u8], check: impl Fn(&T)) -> bool
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let Ok(value) = canonical::from_slice::<T>(bytes) else { return false };
    let again = canonical::to_vec(&value).expect("it was read from JSON");
    assert_eq!(again, bytes, "another spelling of the same document");
    check(&value);
    true
}

/// JSON that may be spelt in several ways.
fn json<T>(bytes: &[u8]) -> bool
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return false };
    let again = serde_json::to_vec(&value).expect("it was read from JSON");
    assert_eq!(serde_json::from_slice::<T>(&again).expect("written JSON is read"), value);
    true
}

/// A text with one spelling.
fn text<T: FromStr + Display>(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    exact(bytes, |_| text.parse::<T>(), |value| value.to_string().into_bytes())
}

fn tax_schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        Schema::parse(include_str!("../../gateway/data/tax.schema.json"))
            .expect("it is the sample's")
    })
}

fn answer(bytes: &[u8]) -> bool {
    canonical_document::<Answer>(bytes, |_| ())
}

fn block(bytes: &[u8]) -> bool {
    exact(bytes, CertifiedBlock::decode, CertifiedBlock::encode)
}

fn bundle(bytes: &[u8]) -> bool {
    static GENESIS: OnceLock<Genesis> = OnceLock::new();
    let genesis = GENESIS.get_or_init(|| {
        Genesis::from_slice(include_bytes!("../corpus/genesis/genesis.json")).expect("it is a seed")
    });
    let Ok(bundle) = Bundle::from_slice(bytes) else { return false };
    assert_eq!(bundle.to_vec(), bytes);
    // Whether it verifies or not, and that may fail anywhere, but not panic.
    drop(bundle.verify(genesis, Strictness { production: false }));
    true
}

fn certificate(bytes: &[u8]) -> bool {
    exact(bytes, Certificate::decode, Certificate::encode)
}

fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(note) = std::str::from_utf8(bytes) else { return false };
    exact(bytes, |_| SignedCheckpoint::parse(note), |signed| signed.as_str().as_bytes().to_vec())
}

fn circuit_document(bytes: &[u8]) -> bool {
    canonical_document::<CircuitDocument>(bytes, |circuit| {
        if let Ok((_, key)) = circuit.key() {
            assert_eq!(hex::encode(key.to_bytes()), circuit.verifying_key);
        }
        let network = NetworkId::from_digest(Digest::of(b"another than it was signed for"));
        // Signed by everybody who is named, and so checked to its end; whether it holds or not.
        let signed = |by: &DepartmentId| {
            let seed = Secret::new(*Digest::of(by.as_str().as_bytes()).as_bytes());
            Some(SigningKey::from_seed(&seed).verifying_key())
        };
        let _: Result<(), _> = circuit.check_provenance(&network, |by, _, _, _| signed(by));
    })
}

fn ceremony_attestation(bytes: &[u8]) -> bool {
    json::<Attestation>(bytes)
}

/// Several parameters' order and the end of each are checked, so that there is one encoding.
fn ceremony_contributions(bytes: &[u8]) -> bool {
    exact(bytes, Contributions::from_bytes, Contributions::to_bytes)
}

fn ceremony_plan(bytes: &[u8]) -> bool {
    json::<Plan>(bytes)
}

fn citizen_credential(bytes: &[u8]) -> bool {
    text::<CitizenCredential>(bytes)
}

fn config(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    Config::parse(text, std::path::Path::new("/nowhere")).is_ok()
}

fn consent_key(bytes: &[u8]) -> bool {
    let Ok(array) = bytes.try_into() else { return false };
    exact(bytes, |_| circuits::eddsa::PublicKey::from_bytes(array), |key| key.to_bytes().to_vec())
}

fn consent_signature(bytes: &[u8]) -> bool {
    let Ok(array) = bytes.try_into() else { return false };
    exact(
        bytes,
        |_| circuits::eddsa::Signature::from_bytes(array),
        |signature| signature.to_bytes().to_vec(),
    )
}

fn rows(format: Format, bytes: &[u8]) -> bool {
    let Ok(rows) = Rows::new(tax_schema(), format, bytes) else { return false };
    rows.flatten().flatten().count() > 0
}

fn csv_rows(bytes: &[u8]) -> bool {
    rows(Format::Csv, bytes)
}

fn department_document(bytes: &[u8]) -> bool {
    canonical_document::<Department>(bytes, |_| ())
}

fn document(bytes: &[u8]) -> bool {
    exact(bytes, Document::from_slice, |document| document.as_bytes().to_vec())
}

fn entry(bytes: &[u8]) -> bool {
    exact(bytes, Entry::decode, |entry| entry.encode().to_vec())
}

/// The key and parties of `crypto/vectors/envelope-v1.json`, from which the seeds are.
fn expected(message: envelope::Message) -> (RecipientKey, Expected) {
    let name = |text| Name::new(text).expect("a short ASCII name");
    let expected = Expected {
        message,
        network: name("net"),
        sender: name("tax"),
        recipient: name("welfare"),
        request: None,
    };
    (RecipientKey::from_seed(Secret::new([7; 32])), expected)
}

fn envelope(bytes: &[u8]) -> bool {
    let Ok(sealed) = Sealed::decode(bytes) else { return false };
    let (key, expected) = expected(sealed.header().message);
    sealed.open(&key, &expected).is_ok()
}

fn envelope_header(bytes: &[u8]) -> bool {
    exact(bytes, envelope::Header::decode, envelope::Header::encode)
}

fn gateway_url(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(url) = text.parse::<BaseUrl>() else { return false };
    assert_eq!(url.to_string().parse(), Ok(url));
    true
}

fn genesis(bytes: &[u8]) -> bool {
    exact(bytes, Genesis::from_slice, |genesis| genesis.as_bytes().to_vec())
}

fn header(bytes: &[u8]) -> bool {
    exact(bytes, Header::decode, |header| header.encode().to_vec())
}

fn json_lines_rows(bytes: &[u8]) -> bool {
    rows(Format::JsonLines, bytes)
}

fn key_card(bytes: &[u8]) -> bool {
    canonical_document::<SignedKeyCard>(bytes, |signed| {
        let anybody = SigningKey::from_seed(&Secret::new([1; 32])).verifying_key();
        assert!(signed.verify(&signed.card.network, &anybody).is_err());
    })
}

fn local_ask(bytes: &[u8]) -> bool {
    json::<local::Ask>(bytes)
}

fn offer(bytes: &[u8]) -> bool {
    let Ok(offer) = serde_json::from_slice::<Offer>(bytes) else { return false };
    let anybody = SigningKey::from_seed(&Secret::new([1; 32])).verifying_key();
    assert!(offer.verify(&anybody).is_err());
    json::<Offer>(bytes)
}

fn unpad(bytes: &[u8]) -> bool {
    let Ok(plaintext) = padding::unpad(bytes) else { return false };
    assert_eq!(padding::unpad(&padding::pad(plaintext)), Ok(plaintext));
    true
}

fn payload_manifest(bytes: &[u8]) -> bool {
    canonical_document::<PayloadManifest>(bytes, |_| ())
}

fn payload_stream(bytes: &[u8]) -> bool {
    let open = |cut: usize| {
        let payload = envelope::PayloadId::from_bytes([0xcc; 16]);
        let (key, expected) = expected(envelope::Message::Payload(payload));
        let mut opener = PayloadOpener::new(&key, expected);
        let (first, rest) = bytes.split_at(cut.min(bytes.len()));
        let mut plaintext = opener.push(first)?.to_vec();
        plaintext.extend_from_slice(&opener.push(rest)?);
        plaintext.extend_from_slice(opener.finish()?.rest());
        Ok::<_, crypto::envelope::stream::StreamError>(plaintext)
    };
    // However it is cut, it is the same.
    let whole = open(bytes.len());
    assert_eq!(whole, open(bytes.len() / 2));
    whole.is_ok()
}

fn proof(bytes: &[u8]) -> bool {
    exact(bytes, Proof::from_bytes, |proof| proof.to_bytes().to_vec())
}

fn query(bytes: &[u8]) -> bool {
    let Ok(json) = serde_json::from_slice(bytes) else { return false };
    let as_of = "2024-12-31".parse().expect("a date");
    let Ok(query) = Query::parse(&json, tax_schema(), as_of) else { return false };
    // The rewritten form is a fixed point.
    let rewritten = query.to_json();
    let again = Query::parse(&rewritten, tax_schema(), as_of).expect("what was written is read");
    assert_eq!(again.to_json(), rewritten);
    assert!(!query.describe().is_empty());
    drop(query.compile());
    true
}

fn receipt(bytes: &[u8]) -> bool {
    exact(bytes, Receipt::from_slice, Receipt::to_vec)
}

fn request(bytes: &[u8]) -> bool {
    canonical_document::<Request>(bytes, |request| {
        let named = request.schema;
        drop(CheckedRequest::check(request.clone(), tax_schema(), &named));
    })
}

fn schema(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(schema) = Schema::parse(text) else { return false };
    let again = canonical::to_vec(&schema).expect("a schema has a canonical form");
    assert_eq!(canonical::from_slice::<Schema>(&again).expect("what was written is read"), schema);
    true
}

fn service(bytes: &[u8]) -> bool {
    canonical_document::<Service>(bytes, |service| drop(service.check()))
}

/// Knows nobody's key, so that no signature verifies.
struct Nobody;

impl KeyDirectory for Nobody {
    fn verifying_key(&self, _: &KeyName) -> Option<crypto::VerifyingKey> {
        None
    }
}

/// The lines of a header as a signed request has it: `name: value`.
fn signature_input(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut request = http::Request::post("http://tax.example/v1/peer/tax/requests");
    for line in text.lines() {
        let Some((name, value)) = line.split_once(": ") else { return false };
        request = request.header(name, value);
    }
    let Ok(request) = request.body(Full::new(Bytes::from_static(b"{}"))) else { return false };
    let audience = Audience::of(&"http://tax.example".parse().expect("a URL")).expect("a host");
    let (verifier, nonces) =
        (Verifier { keys: &Nobody, now: 1_700_000_000, body_limit: 16 }, RecentNonces::new(1, 0));
    let verified = pin!(verifier.verify_request(request, &audience, &nonces));
    let Poll::Ready(verified) = verified.poll(&mut Context::from_waker(Waker::noop())) else {
        unreachable!("the body is there");
    };
    // All of the header is in order: only the key is not known.
    matches!(verified, Err(VerifyError::UnknownKey))
}

fn tile_path(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<TilePath>().is_ok())
}

fn tree_path(bytes: &[u8]) -> bool {
    exact(bytes, Path::from_bytes, Path::to_bytes)
}

fn validators(bytes: &[u8]) -> bool {
    let Ok(document) = Document::from_slice(bytes) else { return false };
    exact(
        bytes,
        |_| ValidatorSet::from_document(&document),
        |set| set.document().as_bytes().to_vec(),
    )
}

fn verifying_key(bytes: &[u8]) -> bool {
    exact(bytes, |bytes| VerifyingKey::from_bytes(bytes, 4), VerifyingKey::to_bytes)
}

fn ptau(bytes: &[u8]) -> bool {
    snarkjs::ptau::read(bytes).is_ok()
}

fn r1cs(bytes: &[u8]) -> bool {
    let Ok(r1cs) = snarkjs::r1cs::read(bytes) else { return false };
    // Labels are not kept.
    let again = snarkjs::r1cs::read(&r1cs.to_file()).expect("what was written is read");
    assert_eq!(again.digest(), r1cs.digest());
    true
}

fn wtns(bytes: &[u8]) -> bool {
    exact(bytes, snarkjs::wtns::read, |z| snarkjs::wtns::write(z).to_vec())
}

/// A key of the small circuit that the vectors are of.
fn zkey(bytes: &[u8]) -> bool {
    static CIRCUIT: OnceLock<R1cs> = OnceLock::new();
    let circuit = CIRCUIT.get_or_init(|| {
        let file = include_bytes!("../../circuits/vectors/snarkjs/cubic.r1cs");
        snarkjs::r1cs::read(file).expect("the circuit of the vectors")
    });
    let Ok(zkey) = snarkjs::zkey::read(circuit.clone(), bytes) else { return false };
    let again = ProvingKey::from_bytes(circuit.clone(), &zkey.key.to_bytes());
    let again = again.expect("what was written is read");
    assert_eq!(again.verifying_key(), zkey.key.verifying_key());
    true
}

/// JSON that reads as the same value when it is written again.
fn snarkjs_json<T: PartialEq + Debug>(
    bytes: &[u8],
    read: impl Fn(&str) -> Result<T, json::JsonError>,
    write: impl Fn(&T) -> String,
) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(value) = read(text) else { return false };
    assert_eq!(read(&write(&value)).expect("what was written is read"), value);
    true
}

fn snarkjs_inputs(bytes: &[u8]) -> bool {
    snarkjs_json(bytes, json::read_public_inputs, |inputs| json::public_inputs(inputs))
}

fn snarkjs_key(bytes: &[u8]) -> bool {
    snarkjs_json(bytes, json::read_verifying_key, json::verifying_key)
}

fn snarkjs_proof(bytes: &[u8]) -> bool {
    snarkjs_json(bytes, json::read_proof, json::proof)
}
