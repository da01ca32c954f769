//! What REVIEWING.md and SECURITY.md name is there: every test under its name, every file under its path,
//! and a test for every attack.

use std::fs;
use std::path::{Path, PathBuf};

/// The documents, each with the headings under which every entry is an attack with its tests.
const DOCUMENTS: [(&str, &[&str]); 2] = [
    (
        "REVIEWING.md",
        &[
            "## Attacks of the field, and the test for each",
            "## Known failures of circuits, and the cases of our own",
        ],
    ),
    ("SECURITY.md", &["## Attacks, and the tests that show them caught"]),
];

/// Libraries, by the name that paths begin with. What begins otherwise is a file in `tests/`.
const LIBRARIES: [&str; 4] = ["chain", "circuits", "crypto", "gateway"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// What stands between backticks, outside of commands.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|quoted| !quoted.contains(char::is_whitespace))
}

/// Paths of tests: all that has `::` in it is one, but for the pattern of such paths.
fn tests(text: &str) -> Vec<&str> {
    quoted(text).filter(|quoted| quoted.contains("::") && !quoted.starts_with("crate::")).collect()
}

/// The source in which the last module of a path stands, from where the module begins.
fn module(path: &[&str]) -> Option<String> {
    let base = match path {
        [library, ..] if LIBRARIES.contains(library) => PathBuf::from(library).join("src"),
        [binary] => return read(format!("tests/{binary}.rs")),
        [binary, ..] => PathBuf::from("tests").join(binary),
        [] => return None,
    };
    let (last, parents) = path[1..].split_last()?;
    let folder = parents.iter().fold(base, |folder, parent| folder.join(parent));
    if let Some(source) = read(folder.join(last).with_extension("rs")) {
        return Some(source);
    }
    // Or inside the file of the module around it.
    let source = read(folder.with_extension("rs"))?;
    let begin = source.find(&format!("mod {last} {{"))?;
    Some(source[begin..].to_owned())
}

/// Whether a source has a test of this name.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_it = |line: &&str| {
        let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        rest.is_some_and(|rest| rest.split('(').next() == Some(name))
    };
    lines.iter().position(is_it).is_some_and(|at| {
        let before = lines[..at].iter().rev();
        let mut attributes =
            before.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        attributes.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

#[test]
fn every_test_that_is_named_exists() {
    let mut missing = Vec::new();
    for (document, _) in DOCUMENTS {
        let text = read(document).unwrap();
        let tests = tests(&text);
        assert!(tests.len() > 60, "{document}: {} tests", tests.len());
        for path in tests {
            let segments: Vec<&str> = path.split("::").collect();
            let (name, modules) = segments.split_last().unwrap();
            if !module(modules).is_some_and(|source| has_test(&source, name)) {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_file_that_is_named_exists() {
    for (document, _) in DOCUMENTS {
        let text = read(document).unwrap();
        let folders: Vec<String> = fs::read_dir(root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap() + "/")
            .collect();
        for path in quoted(&text) {
            if folders.iter().any(|folder| path.starts_with(folder)) {
                assert!(root().join(path).exists(), "{document}: {path}");
            }
        }
    }
}

#[test]
fn every_attack_has_a_test() {
    for (document, headings) in DOCUMENTS {
        let text = read(document).unwrap();
        for heading in headings {
            let section = text.split(heading).nth(1).unwrap_or_else(|| panic!("{heading}"));
            let section = section.split("\n## ").next().unwrap();
            let rows =
                section.lines().filter(|line| line.starts_with("- ") || line.starts_with("| "));
            // Without a table's head and the line below it.
            let rows: Vec<&str> =
                rows.filter(|row| !row.starts_with("| ---") && !row.contains("| test")).collect();
            assert!(rows.len() > 10, "{heading}: {} rows", rows.len());
            for row in rows {
                let elsewhere = row.contains("| the next table |");
                assert!(elsewhere || !tests(row).is_empty(), "{document}: {row}");
            }
        }
    }
}

#[test]
fn a_name_that_is_not_there_is_missed() {
    let circuits = module(&["circuits", "field", "tests"]).unwrap();
    assert!(has_test(&circuits, "the_modulus_and_above_are_refused"));
    assert!(!has_test(&circuits, "the_modulus_and_above_are"));
    assert!(!has_test(&circuits, "modulus"), "a function, and no test");
    assert!(module(&["circuits", "field", "nowhere"]).is_none());
    assert!(module(&["circuits", "nowhere", "tests"]).is_none());
    assert!(module(&["nowhere"]).is_none());
    assert!(has_test(&module(&["reviewing"]).unwrap(), "a_name_that_is_not_there_is_missed"));
}
