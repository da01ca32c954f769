//! Files of `vectors/snarkjs` cut at every byte and changed in every byte or point: an error that says
//! where, and never a panic.

use ark_bn254::Fq;
use proptest::prelude::*;

use super::*;

/// Reads the bytes of one kind of file; what is wrong with them, in words.
type Read = fn(&[u8]) -> Option<String>;

fn message<T, E: std::fmt::Display>(outcome: Result<T, E>) -> Option<String> {
    outcome.err().map(|error| error.to_string())
}

const BINARY: [(&str, Read); 5] = [
    ("cubic.r1cs", |bytes| message(r1cs::read(bytes))),
    ("cubic.wtns", |bytes| message(wtns::read(bytes))),
    ("cubic.zkey", |bytes| message(zkey::read(cubic(), bytes))),
    ("initial.zkey", |bytes| message(zkey::read(cubic(), bytes))),
    ("small.ptau", |bytes| message(ptau::read(bytes))),
];

const TEXTS: [(&str, Read); 3] = [
    ("verification_key.json", |bytes| utf8(bytes, |text| message(json::read_verifying_key(text)))),
    ("proof.json", |bytes| utf8(bytes, |text| message(json::read_proof(text)))),
    ("public.json", |bytes| utf8(bytes, |text| message(json::read_public_inputs(text)))),
];

fn utf8(bytes: &[u8], read: impl Fn(&str) -> Option<String>) -> Option<String> {
    std::str::from_utf8(bytes).map_or_else(|error| Some(format!("line: {error}")), read)
}

/// Whether an error of a binary file says where: a byte within the file or right after it, a section, or
/// the element or contribution at fault.
fn says_where(error: &str, length: usize) -> bool {
    if let Some(rest) = error.strip_prefix("byte ") {
        let offset: usize = rest.split(':').next().unwrap().parse().unwrap();
        return offset <= length;
    }
    let elements = ["Alpha", "Beta", "Gamma", "Delta", "Input(", "gamma equals", "the key's delta"];
    error.starts_with("section ")
        || error.starts_with("contribution ")
        || elements.iter().any(|element| error.starts_with(element))
}

/// Whether an error of a text says where: a line, or the member.
fn names_a_member(error: &str) -> bool {
    let members = ["protocol", "curve", "pi_", "IC", "vk_", "["];
    let of_key = ["Alpha", "Beta", "Gamma", "Delta", "Input(", "gamma equals"];
    error.contains("line") || members.iter().chain(&of_key).any(|it| error.starts_with(it))
}

#[test]
fn a_file_cut_anywhere_is_refused_with_its_place() {
    for (name, read) in BINARY {
        let bytes = vector(name);
        for length in 0..bytes.len() {
            let error = read(&bytes[..length]);
            let error = error.unwrap_or_else(|| panic!("{name} cut to {length} is read"));
            assert!(error.starts_with("byte "), "{name} cut to {length}: {error}");
            assert!(says_where(&error, length), "{name} cut to {length}: {error}");
        }
    }
    for (name, read) in TEXTS {
        let bytes = vector(name);
        // What is cut off the end may be space.
        let length = bytes.trim_ascii_end().len();
        for length in 0..length {
            let error = read(&bytes[..length]);
            let error = error.unwrap_or_else(|| panic!("{name} cut to {length} is read"));
            assert!(names_a_member(&error), "{name} cut to {length}: {error}");
        }
    }
}

#[test]
fn what_follows_a_file_is_refused_with_its_place() {
    for (name, read) in BINARY {
        let bytes = vector(name);
        for more in [&[0][..], &[0xff; 40], &bytes] {
            let expected = FormatError::Trailing { offset: bytes.len() as u64 }.to_string();
            assert_eq!(read(&[&bytes, more].concat()), Some(expected), "{name}");
        }
    }
    for (name, read) in TEXTS {
        let bytes = vector(name);
        for more in [&b"]"[..], b"{}", &bytes] {
            let error = read(&[&bytes, more].concat()).unwrap();
            assert!(error.starts_with("trailing characters at line "), "{name}: {error}");
        }
    }
}

/// The sections in which a byte can be another one and the file is still read: matrices and labels of another
/// circuit, another assignment, the names that contributors gave themselves, and of a first phase all but its
/// size, which is snarkjs' to check.
const READ_ALL_THE_SAME: [(&str, &[u32]); 5] = [
    ("cubic.r1cs", &[2, 3]),
    ("cubic.wtns", &[2]),
    ("cubic.zkey", &[10]),
    ("initial.zkey", &[]),
    ("small.ptau", &[1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15]),
];

#[test]
fn every_changed_byte_is_refused_with_its_place_but_where_it_means_something_else() {
    for ((name, read), (_, allowed)) in BINARY.into_iter().zip(READ_ALL_THE_SAME) {
        let bytes = vector(name);
        let sections = sections(&bytes);
        // In keys, whose points are costly, every seventh byte after the head.
        let costly = name.ends_with(".zkey");
        for at in (0..bytes.len()).filter(|at| !costly || *at < 800 || at % 7 == 0) {
            let mut changed = bytes.clone();
            changed[at] ^= if at % 2 == 0 { 0x01 } else { 0x80 };
            if let Some(error) = read(&changed) {
                assert!(says_where(&error, bytes.len()), "{name} byte {at}: {error}");
                continue;
            }
            let section = sections.iter().find(|(_, range)| range.contains(&at));
            let is_allowed = section.is_some_and(|(kind, _)| allowed.contains(kind));
            assert!(is_allowed, "{name} byte {at} of section {section:?} is read");
        }
    }
}

/// Where the sections of a file begin and end, without their heads.
fn sections(bytes: &[u8]) -> Vec<(u32, std::ops::Range<usize>)> {
    let number = |at: usize, width: usize| {
        let bytes = bytes[at..at + width].iter().rev();
        usize::try_from(bytes.fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))).unwrap()
    };
    let mut at = 12;
    let mut sections = Vec::new();
    for _ in 0..number(8, 4) {
        let (kind, length) = (number(at, 4), number(at + 4, 8));
        sections.push((u32::try_from(kind).unwrap(), at + 12..at + 12 + length));
        at += 12 + length;
    }
    assert_eq!(at, bytes.len());
    sections
}

#[test]
fn a_coordinate_of_every_point_of_a_key_is_checked() {
    let bytes = vector("cubic.zkey");
    // Points of the first group, but for section 7: input points, A, B, B, C, h.
    for (kind, range) in sections(&bytes).into_iter().filter(|(kind, _)| matches!(kind, 3 | 5..=9))
    {
        let size = if kind == 7 { 128 } else { 64 };
        assert_eq!(range.len() % size, 0);
        for point in range.step_by(size) {
            let identity = bytes[point..point + size].iter().all(|byte| *byte == 0);
            for coordinate in (point..point + size).step_by(32) {
                let mut changed = bytes.clone();
                changed[coordinate] ^= 1;
                let error = message(zkey::read(cubic(), &changed)).unwrap();
                let expected = FormatError::Point { offset: point as u64 }.to_string();
                assert_eq!(error, expected, "section {kind}, identity: {identity}");
                // The same point with the modulus added, where that has room; else the largest number.
                changed[coordinate..coordinate + 32].fill(0xff);
                let error = message(zkey::read(cubic(), &changed)).unwrap();
                let expected = FormatError::NotCanonical { offset: coordinate as u64 }.to_string();
                assert_eq!(error, expected, "section {kind}");
            }
        }
    }
}

#[test]
fn sections_that_are_missing_repeated_or_unknown_are_named() {
    for (name, read) in BINARY {
        let bytes = vector(name);
        for (kind, range) in sections(&bytes) {
            let head = range.start - 12;
            let rename = |to: u32| {
                let mut changed = bytes.clone();
                changed[head..head + 4].copy_from_slice(&to.to_le_bytes());
                read(&changed).unwrap()
            };
            let offset = head as u64;
            let unknown = FormatError::UnknownSection { offset, kind: 99 }.to_string();
            assert_eq!(rename(99), unknown, "{name}");
            let mut twice = bytes.clone();
            twice.extend_from_slice(&bytes[head..range.end]);
            twice[8] += 1;
            let offset = bytes.len() as u64;
            let repeated = FormatError::RepeatedSection { offset, kind }.to_string();
            assert_eq!(read(&twice), Some(repeated), "{name}");
            let mut without = bytes.clone();
            without.drain(head..range.end);
            without[8] -= 1;
            // A first phase may be one that is not prepared for a second, and its points are not looked at.
            match read(&without) {
                Some(error) => assert_eq!(error, FormatError::MissingSection { kind }.to_string()),
                None => assert!(name == "small.ptau" && (4..=15).contains(&kind), "{name} {kind}"),
            }
        }
    }
}

/// `element + modulus` in decimal.
fn aliased<F: PrimeField<BigInt = ark_ff::BigInt<4>>>(element: &str) -> String {
    let element: F = element.parse().ok().unwrap();
    let mut sum = element.into_bigint();
    assert!(!sum.add_with_carry(&F::MODULUS), "twice the modulus has 255 bits");
    sum.to_string()
}

#[test]
fn a_number_and_the_same_plus_the_modulus_are_two_texts_and_one_is_refused() {
    let inputs = text("public.json");
    let numbers: Vec<&str> = inputs.split('"').skip(1).step_by(2).collect();
    assert_eq!(numbers.len(), 3);
    for (place, number) in numbers.iter().enumerate() {
        let mut changed: Vec<String> = numbers.iter().map(|it| (*it).to_owned()).collect();
        changed[place] = aliased::<Fr>(number);
        let changed = serde_json::to_string(&changed).unwrap();
        let expected = format!("[{place}]");
        assert!(
            matches!(json::read_public_inputs(&changed), Err(JsonError::Number { member }) if member == expected)
        );
    }
    let highest = format!("[\"{}\"]", -Fr::ONE);
    assert_eq!(json::read_public_inputs(&highest).unwrap(), [-Fr::ONE]);

    // Every coordinate of a proof and of a key, wherever it stands.
    let mut count = 0;
    for (name, read) in &TEXTS[..2] {
        let file = text(name);
        // The pairing of a key is not read.
        let file = file.split("\"vk_alphabeta_12\"").next().unwrap().to_owned()
            + file
                .split("\"vk_alphabeta_12\"")
                .nth(1)
                .map_or("", |rest| &rest[rest.find("\"IC\"").unwrap()..]);
        assert_eq!(read(file.as_bytes()), None, "{name}");
        let numbers = file.match_indices('"').map(|(at, _)| at).collect::<Vec<_>>();
        for pair in numbers.chunks_exact(2) {
            let number = &file[pair[0] + 1..pair[1]];
            if number.len() < 20 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let changed = [&file[..=pair[0]], &aliased::<Fq>(number), &file[pair[1]..]].concat();
            let error = read(changed.as_bytes()).unwrap();
            assert!(error.contains("expected a decimal number below the modulus"), "{error}");
            assert!(names_a_member(&error), "{error}");
            count += 1;
        }
    }
    // A proof has 8; a key 2 + 3·4 and 2 for each of its four input points.
    assert_eq!(count, 8 + 14 + 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Anything at all in the place of a stretch of a file.
    #[test]
    fn garbage_anywhere_is_refused_with_its_place_or_read(
        file in 0..BINARY.len(),
        at in any::<prop::sample::Index>(),
        garbage in prop::collection::vec(any::<u8>(), 1..80),
    ) {
        let (name, read) = BINARY[file];
        let mut bytes = vector(name);
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + garbage.len());
        bytes[at..end].copy_from_slice(&garbage[..end - at]);
        if let Some(error) = read(&bytes) {
            prop_assert!(says_where(&error, bytes.len()), "{} byte {}: {}", name, at, error);
        }
    }

    #[test]
    fn garbage_in_a_text_is_refused_with_its_place_or_read(
        file in 0..TEXTS.len(),
        at in any::<prop::sample::Index>(),
        garbage in "[0-9\"{}:,\\[\\]a-zπ\\-+. ]{1,12}",
    ) {
        let (name, read) = TEXTS[file];
        let mut bytes = vector(name);
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + garbage.len());
        bytes.splice(at..end, garbage.bytes());
        if let Some(error) = read(&bytes) {
            prop_assert!(names_a_member(&error), "{} byte {}: {}", name, at, error);
        }
    }
}
