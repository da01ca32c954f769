//! The table against the sources: what an error can be called, a caller can be told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::codes;

/// Codes that never reach an HTTP caller, with the reason.
const NEVER_TOLD: &[(&str, &[&str])] = &[
    (
        "ours and not the caller's: told as `internal`, with the code in the log",
        &[
            "payload-folder",
            "payload-store",
            "nonce-store-unavailable",
            "store-append",
            "store-stopped",
            "store-not-next",
            "store-read",
            "store-missing",
            "store-damaged",
            "log-out-of-range",
            "log-hash-missing",
            "log-entry-missing",
            "log-proof",
        ],
    ),
    (
        "a chain's folder does not open, so that no gateway runs",
        &[
            "store-file",
            "store-files",
            "store-locked",
            "store-format",
            "store-network",
            "store-index",
            "mark-missing",
            "mark-damaged",
            "mark-ahead",
            "mark-conflict",
            "tip-behind",
            "tip-conflict",
            "ledger-thread",
        ],
    ),
    (
        "a genesis file is read before a gateway runs",
        &[
            "genesis-malformed",
            "genesis-format",
            "genesis-no-departments",
            "genesis-department-order",
            "genesis-cosigner-order",
            "genesis-shared-key",
        ],
    ),
    (
        "blocks are checked by the follower that fetched them and by the audit of a folder",
        &[
            "block-network",
            "block-height",
            "block-link",
            "block-time",
            "block-validators",
            "block-proposer",
            "block-log-size",
            "block-log-root",
            "certificate-unknown-validator",
            "certificate-signature",
            "certificate-too-few",
            "encoding-length",
            "encoding-field",
            "encoding-unused-reference",
            "encoding-missing-reference",
        ],
    ),
    ("checkpoints that an audit is given are verified offline", &["checkpoint-missing"]),
    (
        "bundles are verified offline",
        &[
            "bundle-too-long",
            "bundle-malformed",
            "bundle-format",
            "bundle-network",
            "bundle-missing",
            "bundle-superfluous",
            "bundle-fork",
            "bundle-entry-kind",
            "bundle-other-entry",
            "bundle-document",
            "bundle-author",
            "bundle-author-unknown",
            "bundle-entry-signature",
            "bundle-repeated",
            "bundle-unapproved",
            "bundle-replaces",
            "bundle-not-the-registrar",
            "bundle-other-subject",
            "bundle-order",
            "bundle-approved-late",
            "bundle-service",
        ],
    ),
    (
        "what a follower's upstream did is in the follower's log",
        &["upstream-unreached", "upstream-content", "upstream-refused", "upstream-shorter"],
    ),
    (
        "a chain is rebuilt while no gateway runs",
        &[
            "rebuild-fork",
            "rebuild-not-needed",
            "rebuild-behind-mark",
            "rebuild-other-chain",
            "rebuild-empty",
        ],
    ),
];

/// What the sources of the four crates say.
struct Sources {
    /// Every code that an error's `code()` can return, with the file.
    of_errors: BTreeMap<String, PathBuf>,
    /// Every code that a problem is made of on the spot, with the file.
    of_problems: BTreeMap<String, PathBuf>,
}

impl Sources {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut read = Self { of_errors: BTreeMap::new(), of_problems: BTreeMap::new() };
        for krate in ["gateway", "crypto", "chain", "circuits"] {
            read.folder(&root.join(krate).join("src"));
        }
        read
    }

    fn folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if ["tests", "fixture"].contains(&name) {
                continue;
            }
            if path.is_dir() {
                self.folder(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.file(&path);
            }
        }
    }

    fn file(&mut self, path: &Path) {
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("\nmod tests {").next().unwrap();
        for after in text.split("fn code(&self) -> &").skip(1) {
            for code in literals(block(after)).chain(constants(block(after), text)) {
                self.of_errors.insert(code.to_owned(), path.to_owned());
            }
        }
        for after in text.split("Problem::new(").skip(1) {
            if let Some(code) = literals(after).next().filter(|_| after.trim().starts_with('"')) {
                self.of_problems.insert(code.to_owned(), path.to_owned());
            }
        }
    }
}

/// The first `{…}`.
fn block(text: &str) -> &str {
    let begin = text.find('{').unwrap();
    let mut depth = 0;
    let end = text[begin..].find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    &text[begin..begin + end.unwrap()]
}

/// The string literals that are slugs.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    let slug = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.split('"').skip(1).step_by(2).filter(slug)
}

/// The values of the constants that `body` names, as far as they are strings of the same file.
fn constants<'a>(body: &'a str, text: &'a str) -> impl Iterator<Item = &'a str> {
    let words = body.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let constant = words.filter(|word| word.len() > 1 && !word.contains(char::is_lowercase));
    constant.filter_map(move |name| {
        let (_, declared) = text.split_once(&format!("const {name}: &str = "))?;
        literals(declared).next()
    })
}

#[test]
fn the_sources_are_read() {
    let Sources { of_errors, of_problems } = Sources::read();
    // Of each crate that has codes, inside a match in a match, and behind a constant.
    for code in ["policy-purpose", "envelope-recipient-key", "mark-ahead", "signature-replayed"] {
        assert!(of_errors.contains_key(code), "{code}");
    }
    assert!(of_errors["payload-part-conflict"].ends_with("payloads/receiving.rs"));
    // On the spot, and in the rest of a file with tests in it.
    for code in ["not-found", "body-too-large", "block-unknown"] {
        assert!(of_problems.contains_key(code), "{code}");
    }
    assert!(!of_problems.contains_key("no-such-code"), "tests are not read");
    assert_eq!(block(" -> X { a { b } c } d }"), "{ a { b } c ");
    let text = "const A_B: &str = \"a-b\";";
    assert_eq!(constants("X => A_B, Y => C", text).collect::<Vec<_>>(), ["a-b"]);
    assert_eq!(literals(r#"("a-b", "No", "c")"#).collect::<Vec<_>>(), ["a-b", "c"]);
}

#[test]
fn every_code_of_an_error_can_be_told_or_never_is() {
    let sources = Sources::read();
    let told: BTreeSet<_> = codes().collect();
    let never = || NEVER_TOLD.iter().flat_map(|(_, codes)| codes.iter().copied());
    for (code, path) in &sources.of_errors {
        let once =
            usize::from(told.contains(code.as_str())) + never().filter(|it| it == code).count();
        assert_eq!(once, 1, "{code} of {}: the table or the list has it, once", path.display());
    }
    for code in never() {
        assert!(sources.of_errors.contains_key(code), "{code} is the code of no error");
    }
}

#[test]
fn every_problem_made_on_the_spot_can_be_told() {
    let told: BTreeSet<_> = codes().collect();
    for (code, path) in Sources::read().of_problems {
        assert!(told.contains(code.as_str()), "{code} in {}", path.display());
    }
}

#[test]
fn the_table_has_no_code_that_nothing_returns() {
    let sources = Sources::read();
    for code in codes() {
        let named = sources.of_errors.contains_key(code) || sources.of_problems.contains_key(code);
        assert!(named, "{code}");
    }
}
