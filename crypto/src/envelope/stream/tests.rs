use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use getrandom::SysRng;
use proptest::prelude::*;
use rand_core::UnwrapErr;

use super::super::tests::{expected, route};
use super::super::{Field, PayloadId};
use super::opening::OpenerState;
use super::*;
use crate::Secret;
use crate::envelope::{Prelude, RecipientKey};

const ID: PayloadId = PayloadId::from_bytes([1; 16]);
const PAYLOAD: Message = Message::Payload(ID);

fn key() -> RecipientKey {
    RecipientKey::from_seed(Secret::new([7; 32]))
}

fn sealer() -> PayloadSealer {
    PayloadSealer::new(&route(PAYLOAD), key().public_key(), &mut UnwrapErr(SysRng)).unwrap()
}

fn seal(plaintext: &[u8]) -> (Vec<Part>, SealedPayload) {
    let mut sealer = sealer();
    let mut parts = sealer.push(plaintext).unwrap();
    let sealed = sealer.finish().unwrap();
    parts.push(sealed.last_part.clone());
    (parts, sealed)
}

fn open(pieces: &[&[u8]]) -> Result<(Vec<u8>, CompletePayload), StreamError> {
    let key = key();
    let mut opener = PayloadOpener::new(&key, expected(PAYLOAD));
    let mut plaintext = Vec::new();
    for piece in pieces {
        plaintext.extend_from_slice(&opener.push(piece)?);
    }
    let complete = opener.finish()?;
    plaintext.extend_from_slice(complete.rest());
    Ok((plaintext, complete))
}

fn error(pieces: &[&[u8]]) -> StreamError {
    open(pieces).map(|(plaintext, _)| plaintext).unwrap_err()
}

/// The prelude, whole chunks and final chunk of a sealed payload.
fn chunks(ciphertext: &[u8]) -> Vec<&[u8]> {
    let (_, rest) = Prelude::split(ciphertext).unwrap().unwrap();
    let (prelude, rest) = ciphertext.split_at(ciphertext.len() - rest.len());
    let mut pieces = vec![prelude];
    pieces.extend(rest.chunks(SEALED_CHUNK_BYTES));
    pieces
}

fn refused_at(index: u64) -> StreamError {
    StreamError::Authentication { index }
}

/// Three whole chunks and a final one, each of other bytes.
fn plaintext() -> Vec<u8> {
    (0..4u8).flat_map(|chunk| vec![chunk; CHUNK_BYTES]).take(3 * CHUNK_BYTES + 100).collect()
}

fn ciphertext() -> Vec<u8> {
    seal(&plaintext()).0.remove(0).bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_sealed_opens_however_it_is_cut(
        length in 0..3 * CHUNK_BYTES,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let plaintext = &plaintext()[..length];
        let mut sealer = sealer();
        let mut pieces = cuts.iter().map(|cut| cut.index(length + 1)).collect::<Vec<_>>();
        pieces.extend([0, length]);
        pieces.sort_unstable();
        for piece in pieces.windows(2) {
            prop_assert!(sealer.push(&plaintext[piece[0]..piece[1]]).unwrap().is_empty());
        }
        let sealed = sealer.finish().unwrap();
        let ciphertext = &sealed.last_part.bytes;

        let mut pieces = cuts.iter().map(|cut| cut.index(ciphertext.len() + 1)).collect::<Vec<_>>();
        pieces.extend([0, ciphertext.len()]);
        pieces.sort_unstable();
        let pieces: Vec<&[u8]> = pieces.windows(2).map(|at| &ciphertext[at[0]..at[1]]).collect();
        let (opened, complete) = open(&pieces).unwrap();
        prop_assert_eq!(opened, plaintext);
        prop_assert_eq!(complete.plaintext_bytes(), sealed.plaintext_bytes);
        prop_assert_eq!(complete.ciphertext(), &sealed.ciphertext);
    }
}

#[test]
fn a_final_chunk_always_follows_even_if_empty() {
    for (length, chunk_count, last) in [
        (0, 1, TAG_BYTES),
        (1, 1, TAG_BYTES + 1),
        (CHUNK_BYTES - 1, 1, SEALED_CHUNK_BYTES - 1),
        (CHUNK_BYTES, 2, TAG_BYTES),
        (2 * CHUNK_BYTES, 3, TAG_BYTES),
    ] {
        let (parts, sealed) = seal(&vec![1; length]);
        let pieces = chunks(&parts[0].bytes);
        assert_eq!((pieces.len() - 1, pieces.last().unwrap().len()), (chunk_count, last));
        assert_eq!(sealed.plaintext_bytes, length as u64);
        assert_eq!(open(&[&parts[0].bytes]).unwrap().0.len(), length);
    }
}

#[test]
fn parts_are_numbered_have_63_chunks_and_are_at_most_4_mib() {
    let part_bytes = 63 * CHUNK_BYTES;
    for (length, count) in [(part_bytes - 1, 1), (part_bytes, 2), (2 * part_bytes + 5, 3)] {
        let (parts, sealed) = seal(&vec![1; length]);
        assert_eq!(parts.len(), count);
        assert_eq!(part_count(length as u64), count as u64);
        let mut hasher = CiphertextHasher::default();
        for (number, part) in parts.iter().enumerate() {
            assert_eq!(part.number, number as u64);
            assert!(part.bytes.len() <= MAX_PART_BYTES);
            hasher.update(&part.bytes);
        }
        assert_eq!(hasher.finish(), sealed.ciphertext);
        let pieces: Vec<&[u8]> = parts.iter().map(|part| &part.bytes[..]).collect();
        assert_eq!(open(&pieces).unwrap().0.len(), length);
    }
    let longest_prelude = 2 + 8 + 3 * 65 + 16 + 32 + 16 + 32;
    assert!(longest_prelude + 63 * SEALED_CHUNK_BYTES <= MAX_PART_BYTES);
    assert_eq!(part_count(MAX_PLAINTEXT_BYTES), MAX_PARTS);
}

#[test]
fn parts_are_filled_into_the_buffers_that_are_given() {
    let key = key();
    let whole = 64 * CHUNK_BYTES; // one part and a chunk of the next one
    let given = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&given);
    let mut sealer = sealer().with_buffers(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Vec::with_capacity(MAX_PART_BYTES)
    });
    let mut parts = sealer.push(&vec![7; whole]).unwrap();
    parts.push(sealer.finish().unwrap().last_part);
    assert_eq!((parts.len(), given.load(Ordering::SeqCst)), (2, 2));
    assert!(parts.iter().all(|part| part.bytes.capacity() == MAX_PART_BYTES), "none has grown");
    let mut opener = PayloadOpener::new(&key, expected(PAYLOAD));
    let opened: usize = parts.iter().map(|part| opener.push(&part.bytes).unwrap().len()).sum();
    assert_eq!((opened, opener.finish().unwrap().rest().len()), (whole, 0));
}

#[test]
fn what_is_hashed_elsewhere_is_the_same() {
    let key = key();
    let plaintext = vec![7; 70 * CHUNK_BYTES + 9];
    let mut sealer = sealer().unhashed();
    let mut parts = sealer.push(&plaintext).unwrap();
    let (last, bytes) = sealer.finish().unwrap();
    parts.push(last);
    let mut hasher = CiphertextHasher::default();
    parts.iter().for_each(|part| hasher.update(&part.bytes));

    let mut hashing = PayloadOpener::new(&key, expected(PAYLOAD));
    let mut opener = PayloadOpener::new(&key, expected(PAYLOAD)).unhashed();
    let mut opened = Vec::new();
    for part in &parts {
        hashing.push(&part.bytes).unwrap();
        opened.extend_from_slice(&opener.push(&part.bytes).unwrap());
    }
    let (complete, end) = (hashing.finish().unwrap(), opener.finish().unwrap());
    opened.extend_from_slice(end.rest());
    assert!(opened == plaintext);
    assert_eq!((end.plaintext_bytes(), complete.plaintext_bytes()), (bytes, bytes));
    assert_eq!(*complete.ciphertext(), hasher.finish());

    // Nor does an unhashed one take a beginning for the whole.
    let mut opener = PayloadOpener::new(&key, expected(PAYLOAD)).unhashed();
    opener.push(&parts[0].bytes).unwrap();
    assert_eq!(opener.finish().unwrap_err(), StreamError::Truncated);
}

#[test]
fn truncation_is_refused() {
    let ciphertext = ciphertext();
    let pieces = chunks(&ciphertext);
    assert_eq!(pieces.len(), 5);
    assert_eq!(error(&pieces[..0]), StreamError::Truncated);
    assert_eq!(error(&[&pieces[0][..50]]), StreamError::Truncated);
    for count in 1..pieces.len() {
        assert_eq!(error(&pieces[..count]), StreamError::Truncated, "{count}");
    }
    let cut = pieces[2].len() - 1; // a whole chunk that is cut does not pass for a final one
    assert_eq!(error(&[pieces[0], pieces[1], &pieces[2][..cut]]), refused_at(1));
    let cut = pieces[4].len() - 1;
    assert_eq!(error(&[&pieces[..4].concat(), &pieces[4][..cut]]), refused_at(3));
    assert_eq!(open(&pieces).unwrap().0, plaintext());
}

#[test]
fn reordering_is_refused() {
    let ciphertext = ciphertext();
    let mut pieces = chunks(&ciphertext);
    pieces.swap(2, 3);
    assert_eq!(error(&pieces), refused_at(1));
    pieces.swap(2, 3);
    assert_eq!(open(&pieces).unwrap().0, plaintext());
}

#[test]
fn duplication_is_refused() {
    let ciphertext = ciphertext();
    let mut pieces = chunks(&ciphertext);
    pieces.insert(2, pieces[1]);
    assert_eq!(error(&pieces), refused_at(1));
    pieces.remove(2);
    assert_eq!(open(&pieces).unwrap().0, plaintext());
}

#[test]
fn omission_is_refused() {
    let ciphertext = ciphertext();
    let mut pieces = chunks(&ciphertext);
    let chunk = pieces.remove(2);
    assert_eq!(error(&pieces), refused_at(1));
    pieces.insert(2, chunk);
    assert_eq!(open(&pieces).unwrap().0, plaintext());
}

#[test]
fn splicing_two_payloads_is_refused() {
    let (one, two) = (ciphertext(), ciphertext()); // equal plaintexts, equal headers
    let (mut pieces, other) = (chunks(&one), chunks(&two));
    pieces[2] = other[2];
    assert_eq!(error(&pieces), refused_at(1));
    pieces[2] = chunks(&one)[2];
    pieces[4] = other[4];
    assert_eq!(error(&pieces), refused_at(3));
    pieces[4] = chunks(&one)[4];
    assert_eq!(open(&pieces).unwrap().0, plaintext());
}

#[test]
fn trailing_data_is_refused() {
    let ciphertext = ciphertext();
    let mut pieces = chunks(&ciphertext);
    let again = pieces[4];
    for trailing in [&[0][..], again, &[0; SEALED_CHUNK_BYTES]] {
        pieces.push(trailing);
        assert_eq!(error(&pieces), refused_at(3), "{}", trailing.len());
        pieces.pop();
    }
    assert_eq!(open(&pieces).unwrap().0, plaintext());
}

#[test]
fn the_final_flag_is_authenticated() {
    // A final chunk of whole length cannot be made by the sealer; one forged by its own sender with
    // the flag of a final chunk does not pass for a chunk in the middle, nor the reverse.
    for (is_final, length, result) in [
        (true, CHUNK_BYTES, Err(refused_at(0))),
        (false, CHUNK_BYTES, Ok(CHUNK_BYTES)),
        (false, 10, Err(refused_at(0))),
    ] {
        let mut sealer = sealer();
        sealer.plaintext.resize(length, 1);
        sealer.seal_chunk(is_final).unwrap();
        if length == CHUNK_BYTES {
            sealer.seal_chunk(true).unwrap();
        }
        let opened = open(&[&sealer.part.bytes]).map(|(plaintext, _)| plaintext.len());
        assert_eq!(opened, result);
    }
}

#[test]
fn a_chunk_is_bound_to_the_header() {
    let ciphertext = ciphertext();
    let mut pieces = chunks(&ciphertext);
    let other = PayloadId::from_bytes([2; 16]);
    let relabelled = {
        let mut prelude = pieces[0].to_vec();
        let header = route(Message::Payload(other)).header(key().public_key()).encode();
        prelude[2..2 + header.len()].copy_from_slice(&header);
        prelude
    };
    assert_eq!(error(&[&relabelled]), {
        let field = Field::Message;
        OpenError::Unexpected { field }.into()
    });
    pieces[0] = &relabelled;
    let key = key();
    let mut opener = PayloadOpener::new(&key, expected(Message::Payload(other)));
    assert_eq!(opener.push(&pieces.concat()).unwrap_err(), refused_at(0));
    // It stays refused, whatever follows.
    assert_eq!(opener.push(pieces[1]).unwrap_err(), refused_at(0));
    assert_eq!(opener.finish().unwrap_err(), refused_at(0));
}

#[test]
fn every_flipped_byte_of_a_chunk_or_encapsulated_key_is_noticed() {
    let ciphertext = seal(b"payload").0.remove(0).bytes;
    let (_, rest) = Prelude::split(&ciphertext).unwrap().unwrap();
    for position in ciphertext.len() - rest.len() - 32..ciphertext.len() {
        let mut altered = ciphertext.clone();
        altered[position] ^= 1;
        assert_eq!(error(&[&altered]), refused_at(0), "{position}");
    }
}

#[test]
fn a_context_seals_and_opens_no_more_chunks_than_its_limit() {
    let mut limited = sealer();
    limited.chunks.limit = 2;
    assert_eq!(limited.push(&[1; CHUNK_BYTES]), Ok(vec![]));
    assert_eq!(limited.push(&[1; CHUNK_BYTES - 1]), Ok(vec![]));
    let sealed = limited.finish().unwrap();

    let mut limited = sealer();
    limited.chunks.limit = 2;
    assert_eq!(limited.push(&[1; 2 * CHUNK_BYTES]), Err(StreamError::TooLong));

    for (limit, result) in [(2, Ok(())), (1, Err(StreamError::TooLong))] {
        let key = key();
        let mut opener = PayloadOpener::new(&key, expected(PAYLOAD));
        let pieces = chunks(&sealed.last_part.bytes);
        opener.push(pieces[0]).unwrap();
        let OpenerState::Chunks { chunks, .. } = &mut opener.state else { panic!("no prelude") };
        assert_eq!(chunks.limit, MAX_CHUNKS);
        chunks.limit = limit;
        let opened = opener.push(pieces[1]).map(|_| ());
        assert_eq!(opened, result);
    }
}

#[test]
fn only_payloads_are_sealed_and_opened_in_chunks() {
    let document = route(Message::Document);
    let rng = &mut UnwrapErr(SysRng);
    let refused = PayloadSealer::new(&document, key().public_key(), rng).map(|_| ());
    assert_eq!(refused, Err(SealError::Payload));
    let whole = super::super::seal(&document, key().public_key(), b"text", rng).unwrap();
    let key = key();
    let mut opener = PayloadOpener::new(&key, expected(Message::Document));
    assert_eq!(opener.push(&whole).unwrap_err(), OpenError::Payload.into());
}

#[test]
fn a_commitment_is_to_salt_hash_and_length() {
    let ciphertext = seal(b"payload").1.ciphertext;
    let salt = Salt::from_bytes([3; 32]);
    let commitment = ciphertext.commit(&salt);
    assert_eq!(
        commitment,
        Digest::labelled(
            "proofgate/v1/payload",
            &[&[3; 32], ciphertext.sha256.as_bytes(), &ciphertext.bytes.to_be_bytes()]
        )
    );
    assert_ne!(commitment, ciphertext.commit(&Salt::from_bytes([4; 32])));
    let longer = CiphertextDigest { bytes: ciphertext.bytes + 1, ..ciphertext };
    assert_ne!(commitment, longer.commit(&salt));
    let other = CiphertextDigest { sha256: Digest::of(b""), ..ciphertext };
    assert_ne!(commitment, other.commit(&salt));
}
