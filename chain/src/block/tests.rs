use crypto::{Secret, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::contract::Network;
use crate::validators::{Validator, ValidatorSet};

fn header() -> Header {
    Header {
        network: NetworkId::from_digest(Digest::from_bytes([1; 32])),
        height: 2,
        previous: BlockHash::from_digest(Digest::from_bytes([3; 32])),
        time: Timestamp::from_unix_seconds(4),
        proposer: "gateway".parse().unwrap(),
        validators: Digest::from_bytes([6; 32]),
        next_validators: Digest::from_bytes([7; 32]),
        entries: 2,
        log_root: Digest::from_bytes([9; 32]),
        log_size: 10,
    }
}

fn block() -> Block {
    let network = Network::new(1);
    Block::new(header(), vec![network.request(0, "a"), network.request(0, "b")]).unwrap()
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([number; 32]))
}

fn id(number: u8) -> ValidatorId {
    format!("v{number}").parse().unwrap()
}

fn set(count: u8) -> ValidatorSet {
    let validator = |number| Validator {
        id: id(number),
        name: "validator".parse().unwrap(),
        key: key(number).verifying_key(),
    };
    ValidatorSet::new((0..count).map(validator).collect()).unwrap()
}

fn certificate(signers: impl IntoIterator<Item = u8>) -> Certificate {
    let precommit = Precommit::new(&header(), 5);
    let signature = |number| (id(number), precommit.sign(&key(number)));
    Certificate::new(5, signers.into_iter().map(signature).collect()).unwrap()
}

#[test]
fn the_header_format_is_frozen() {
    let mut expected = vec![1; 32];
    expected.extend([0, 0, 0, 0, 0, 0, 0, 2]);
    expected.extend([3; 32]);
    expected.extend([0, 0, 0, 0, 0, 0, 0, 4]);
    expected.extend(b"gateway");
    expected.extend([0; 25]);
    expected.extend([6; 32]);
    expected.extend([7; 32]);
    expected.extend([0, 0, 0, 2]);
    expected.extend([9; 32]);
    expected.extend([0, 0, 0, 0, 0, 0, 0, 10]);
    assert_eq!(header().encode().to_vec(), expected);
    let hash = Digest::labelled("proofgate/v1/block", &[&expected]);
    assert_eq!(*header().hash().as_digest(), hash);
}

#[test]
fn the_precommit_and_certificate_formats_are_frozen() {
    let precommit = Precommit::new(&header(), 5);
    let mut expected = vec![1; 32];
    expected.extend([0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 5]);
    expected.extend(header().hash().as_bytes());
    assert_eq!(precommit.encode().to_vec(), expected);

    let signature = key(0).sign("proofgate/v1/precommit", &expected);
    let mut expected = vec![0, 0, 0, 5, 0, 1];
    expected.extend(b"v0");
    expected.extend([0; 30]);
    expected.extend(signature.as_bytes());
    assert_eq!(certificate([0]).encode(), expected);
}

#[test]
fn every_header_field_changes_the_hash() {
    let hash = header().hash();
    for place in 0..HEADER_BYTES {
        let mut bytes = header().encode();
        bytes[place] ^= 1;
        if let Ok(changed) = Header::decode(&bytes) {
            assert_ne!(changed.hash(), hash, "byte {place}");
            assert_eq!(changed.encode(), bytes);
        }
    }
}

#[test]
fn headers_are_refused_field_by_field() {
    let refused = |change: fn(&mut Header)| {
        let mut broken = header();
        change(&mut broken);
        Header::decode(&broken.encode()).map(|_| ())
    };
    let field = |field| Err(DecodeError::Field { field });
    assert_eq!(refused(|_| {}), Ok(()));
    assert_eq!(refused(|header| header.height = 0), field("height"));
    assert_eq!(refused(|header| header.entries = 11), field("entries"));
    let many = |header: &mut Header| (header.entries, header.log_size) = (4_097, 5_000);
    assert_eq!(refused(many), field("entries"));
    let mut bytes = header().encode();
    bytes[80] = b'G';
    assert_eq!(Header::decode(&bytes).map(|_| ()), field("validator"));
    for length in [0, HEADER_BYTES - 1] {
        assert!(Header::decode(&header().encode()[..length]).is_err());
    }
    assert!(Header::decode(&[&header().encode()[..], &[0]].concat()).is_err());
}

#[test]
fn blocks_have_exactly_the_entries_that_the_header_counts() {
    let bytes = block().encode();
    assert_eq!(Block::decode(&bytes), Ok(block()));
    for length in [0, HEADER_BYTES, bytes.len() - ENTRY_BYTES, bytes.len() - 1] {
        let error = Block::decode(&bytes[..length]).unwrap_err();
        assert_eq!(error.code(), "encoding-length", "{length}");
    }
    let trailing = Block::decode(&[&bytes[..], &[0]].concat()).unwrap_err();
    assert_eq!(trailing.code(), "encoding-length");
    let entries = block().entries()[..1].to_vec();
    assert_eq!(Block::new(header(), entries), Err(DecodeError::Field { field: "entries" }));
}

#[test]
fn certified_blocks_round_trip_and_have_no_slack() {
    let certified = CertifiedBlock { block: block(), certificate: certificate([0, 1]) };
    let bytes = certified.encode();
    assert_eq!(CertifiedBlock::decode(&bytes), Ok(certified));
    for length in 0..bytes.len() {
        assert!(CertifiedBlock::decode(&bytes[..length]).is_err(), "{length}");
    }
    assert!(CertifiedBlock::decode(&[&bytes[..], &[0]].concat()).is_err());
    let mut longer = bytes;
    longer[3] += 1;
    assert!(CertifiedBlock::decode(&longer).is_err());
}

#[test]
fn certificates_have_one_spelling() {
    let bytes = certificate([1, 0, 2]).encode();
    assert_eq!(Certificate::decode(&bytes), Ok(certificate([0, 1, 2])));
    for length in [0, 5, 6, bytes.len() - 1] {
        assert_eq!(Certificate::decode(&bytes[..length]).unwrap_err().code(), "encoding-length");
    }
    assert!(Certificate::decode(&[&bytes[..], &[0]].concat()).is_err());
    let (head, signatures) = bytes.split_at(6);
    let swapped = [head, &signatures[96..192], &signatures[..96], &signatures[192..]].concat();
    let field = Err(DecodeError::Field { field: "signatures" });
    assert_eq!(Certificate::decode(&swapped), field);
    let repeated = [head, &signatures[..96], &signatures[..96], &signatures[192..]].concat();
    assert_eq!(Certificate::decode(&repeated), field);
    let twice = vec![certificate([0]).signatures()[0]; 2];
    assert_eq!(Certificate::new(0, twice), field);
}

#[test]
fn more_than_two_thirds_certify() {
    let verify = |signers: &[u8]| certificate(signers.iter().copied()).verify(&header(), &set(4));
    assert_eq!(verify(&[0, 1, 2]), Ok(()));
    assert_eq!(verify(&[0, 1, 2, 3]), Ok(()));
    assert_eq!(verify(&[0, 2]), Err(CertificateError::TooFew { signers: 2, validators: 4 }));
    assert_eq!(verify(&[]), Err(CertificateError::TooFew { signers: 0, validators: 4 }));
    let validator = id(4);
    assert_eq!(verify(&[0, 1, 4]), Err(CertificateError::UnknownValidator { validator }));
}

#[test]
fn a_precommit_is_bound_to_network_height_round_and_block() {
    let good = certificate([0]);
    assert_eq!(good.verify(&header(), &set(1)), Ok(()));
    let wrong = Err(CertificateError::Signature { validator: id(0) });
    let changes: [fn(&mut Header); 3] = [
        |header| header.network = NetworkId::from_digest(Digest::of(b"other")),
        |header| header.height += 1,
        |header| header.log_root = Digest::of(b"other"),
    ];
    for change in changes {
        let mut other = header();
        change(&mut other);
        assert_eq!(good.verify(&other, &set(1)), wrong);
    }
    let round = Certificate::new(6, good.signatures().to_vec()).unwrap();
    assert_eq!(round.verify(&header(), &set(1)), wrong);
    let forged = vec![(id(0), Precommit::new(&header(), 5).sign(&key(1)))];
    assert_eq!(Certificate::new(5, forged).unwrap().verify(&header(), &set(1)), wrong);
}

proptest! {
    #[test]
    fn decoding_bytes_never_panics_and_keeps_them(
        bytes in prop::collection::vec(any::<u8>(), 0..1_000)
    ) {
        if let Ok(certificate) = Certificate::decode(&bytes) {
            prop_assert_eq!(certificate.encode(), bytes.clone());
        }
        if let Ok(block) = CertifiedBlock::decode(&bytes) {
            prop_assert_eq!(block.encode(), bytes);
        }
    }
}
