//! What an operator can get wrong on the command line and in a gateway's folder: each gets an exit code and
//! a message that names what and where.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::gateway::{Gateway, done, free_port, proofgate};

/// A gateway's folder, of which every row gets a copy.
struct Template {
    temporary: TempDir,
    port: u16,
}

impl Template {
    fn make() -> Self {
        let template = Self { temporary: tempfile::tempdir().unwrap(), port: free_port() };
        let listen = format!("127.0.0.1:{}", template.port);
        let init = ["init", "--department", "tax", "--listen", &listen];
        done(proofgate(&template.folder(), &init));
        // So that there is a chain to be damaged, and a store.
        done(proofgate(&template.folder(), &["circuits", "propose"]));
        template
    }

    fn folder(&self) -> PathBuf {
        self.temporary.path().join("gateway")
    }

    fn copy(&self, number: usize) -> PathBuf {
        let copy = self.temporary.path().join(format!("copy-{number}"));
        let made = Command::new("cp").arg("-a").arg(self.folder()).arg(&copy).status().unwrap();
        assert!(made.success());
        copy
    }
}

/// What is wrong, what is run, and what comes of it.
struct Row {
    fault: &'static str,
    make: fn(&Path),
    arguments: &'static [&'static str],
    exit: i32,
    /// What the message names.
    named: &'static [&'static str],
}

fn nothing(_: &Path) {}

/// Overwrites what is in a folder's files.
fn garble(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if let length @ 1.. = entry.metadata().unwrap().len()
            && entry.file_type().unwrap().is_file()
        {
            fs::write(entry.path(), vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
        }
    }
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{}: no {from}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

fn config(folder: &Path) -> PathBuf {
    folder.join("proofgate.toml")
}

fn key(folder: &Path) -> PathBuf {
    folder.join("tax").join("signing.key")
}

/// Makes the last byte of a file another one.
fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file, bytes).unwrap();
}

const ROWS: &[Row] = &[
    Row {
        fault: "a setting that does not exist",
        make: |folder| replace(&config(folder), "listen =", "listne ="),
        arguments: &["serve"],
        exit: 78,
        named: &["proofgate.toml", "line ", "listne"],
    },
    Row {
        fault: "a setting of another type",
        make: |folder| replace(&config(folder), "# production = false", "production = \"no\""),
        arguments: &["serve"],
        exit: 78,
        named: &["proofgate.toml", "line ", "production"],
    },
    Row {
        fault: "production mode on development keys",
        make: |folder| replace(&config(folder), "# production = false", "production = true"),
        arguments: &["serve"],
        exit: 78,
        named: &["development keys", "production = false"],
    },
    Row {
        fault: "a key file that others can read",
        make: |folder| {
            fs::set_permissions(key(folder), fs::Permissions::from_mode(0o640)).unwrap();
        },
        arguments: &["serve"],
        exit: 77,
        named: &["signing.key", "chmod 600"],
    },
    Row {
        fault: "a folder that others can write to",
        make: |folder| {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o770)).unwrap();
        },
        arguments: &["approve"],
        exit: 77,
        named: &["others can write", "chmod go-w"],
    },
    Row {
        fault: "a corrupted key file",
        make: |folder| replace(&key(folder), "\n", "g\n"),
        arguments: &["serve"],
        exit: 65,
        named: &["signing.key", "64 lower-case hexadecimal digits"],
    },
    Row {
        fault: "a token that others can read",
        make: |folder| {
            let token = folder.join("tax").join("local.token");
            fs::set_permissions(token, fs::Permissions::from_mode(0o644)).unwrap();
        },
        arguments: &["approve"],
        exit: 77,
        named: &["local.token", "chmod 600"],
    },
    Row {
        fault: "the storage key of another store",
        make: |folder| {
            let path = folder.join("tax").join("storage.key");
            let text = fs::read_to_string(&path).unwrap();
            let other = if text.starts_with('0') { "1" } else { "0" };
            fs::write(path, format!("{other}{}", &text[1..])).unwrap();
        },
        arguments: &["serve"],
        exit: 65,
        named: &["the storage key does not open this store"],
    },
    Row {
        fault: "a corrupted proving key",
        make: |folder| flip(&folder.join("proving").join("identified-v1.development.key")),
        arguments: &["serve"],
        exit: 65,
        named: &["identified-v1.development.key", "not a proving key"],
    },
    Row {
        fault: "a proving key that was cut short",
        make: |folder| {
            fs::write(folder.join("proving/identified-v1.development.key"), b"").unwrap()
        },
        arguments: &["serve"],
        exit: 65,
        named: &["identified-v1.development.key", "bytes"],
    },
    Row {
        fault: "a folder without proving keys",
        make: |folder| fs::remove_dir_all(folder.join("proving")).unwrap(),
        arguments: &["serve"],
        exit: 66,
        named: &["identified-v1.development.key"],
    },
    Row {
        fault: "another genesis",
        make: |folder| replace(&folder.join("genesis.json"), "citizen number", "citizen id"),
        arguments: &["serve"],
        exit: 65,
        named: &["the chain", "network"],
    },
    Row {
        fault: "a genesis that is none",
        make: |folder| replace(&folder.join("genesis.json"), "{", "["),
        arguments: &["serve"],
        exit: 65,
        named: &["genesis.json", "[genesis-malformed]"],
    },
    Row {
        fault: "a chain that was lost",
        make: |folder| fs::remove_dir_all(folder.join("chain")).unwrap(),
        arguments: &["serve"],
        exit: 65,
        named: &["network.json", "ends at height 0", "rebuild --from"],
    },
    Row {
        fault: "a copy put back that has neither the chain nor how far it was served",
        make: |folder| {
            fs::remove_dir_all(folder.join("chain")).unwrap();
            fs::remove_file(folder.join("network.json")).unwrap();
        },
        arguments: &["serve"],
        exit: 65,
        named: &["network.json", "Nothing is signed", "rebuild --from"],
    },
    Row {
        fault: "a chain without its mark",
        make: |folder| fs::remove_file(folder.join("chain").join("mark")).unwrap(),
        arguments: &["serve"],
        exit: 65,
        named: &["the chain", "[mark-missing]", "rebuild --from"],
    },
    Row {
        fault: "a chain whose mark was changed",
        make: |folder| fs::write(folder.join("chain").join("mark"), [0xff; 8_192]).unwrap(),
        arguments: &["serve"],
        exit: 65,
        named: &["the chain", "[mark-damaged]"],
    },
    Row {
        fault: "a chain whose files were changed, served",
        make: |folder| garble(&folder.join("chain").join("sled")),
        arguments: &["serve"],
        exit: 65,
        named: &["the chain"],
    },
    Row {
        fault: "a chain whose files were changed, audited",
        make: |folder| garble(&folder.join("chain").join("sled")),
        arguments: &["audit"],
        exit: 65,
        named: &["chain", "sled"],
    },
    Row {
        fault: "a chain that is not there, audited",
        make: |folder| fs::remove_dir_all(folder.join("chain")).unwrap(),
        arguments: &["audit"],
        exit: 66,
        named: &["chain: No such file"],
    },
    Row {
        fault: "a folder that is a gateway's already",
        make: nothing,
        arguments: &["init", "--department", "tax"],
        exit: 73,
        named: &["proofgate.toml", "already"],
    },
    Row {
        fault: "a department that is not hosted here",
        make: nothing,
        arguments: &["approve", "--department", "welfare"],
        exit: 68,
        named: &["welfare", "it hosts tax"],
    },
    Row {
        fault: "a file that is not there",
        make: nothing,
        arguments: &["import", "--dataset", "wages", "nowhere.csv"],
        exit: 66,
        named: &["nowhere.csv"],
    },
    Row {
        fault: "a dataset that is not there",
        make: nothing,
        arguments: &["import", "--dataset", "wages", "gateway/data/tax.csv"],
        exit: 65,
        named: &["wages"],
    },
    Row {
        fault: "a service document that is none",
        make: nothing,
        arguments: &["service", "publish", "gateway/data/tax.schema.json"],
        exit: 65,
        named: &["tax.schema.json", "line "],
    },
    Row {
        fault: "an approval of nothing",
        make: nothing,
        arguments: &["approve", "0000000000000000000000000000000000000000000000000000000000000000"],
        exit: 65,
        named: &["approved-unknown"],
    },
    Row {
        fault: "a query that is no JSON",
        make: nothing,
        arguments: &[
            "request",
            "ask",
            "--issuer",
            "tax",
            "--dataset",
            "wages",
            "--pseudonymous",
            "--purpose",
            "p",
            "--query",
            "wages < 3",
        ],
        exit: 64,
        named: &["--query"],
    },
    Row {
        fault: "a question to nobody",
        make: nothing,
        arguments: &[
            "request",
            "ask",
            "--issuer",
            "taxx",
            "--dataset",
            "wages",
            "--pseudonymous",
            "--purpose",
            "p",
            "--query",
            "[]",
        ],
        exit: 68,
        named: &["no department taxx is registered"],
    },
    Row {
        fault: "a payload that nobody sent",
        make: nothing,
        arguments: &["payload", "receive", "00112233445566778899aabbccddeeff", "--out", "x"],
        exit: 65,
        named: &["00112233445566778899aabbccddeeff", "payload list"],
    },
    Row {
        fault: "a bundle that is none",
        make: nothing,
        arguments: &["verify", "gateway/data/tax.schema.json"],
        exit: 65,
        named: &["tax.schema.json", "[bundle-malformed]"],
    },
    Row {
        fault: "a copy of the chain that nobody serves",
        make: nothing,
        arguments: &["rebuild", "--from", "http://127.0.0.1:1"],
        exit: 69,
        named: &["[upstream-unreached]"],
    },
];

#[test]
fn every_fault_of_an_operator_is_named_and_changes_nothing() {
    let template = Template::make();
    let mut surprises = Vec::new();
    for (number, row) in ROWS.iter().enumerate() {
        let copy = template.copy(number);
        (row.make)(&copy);
        let (status, message) = if row.arguments == ["serve"] {
            Gateway::start(&copy).closed()
        } else {
            let output = proofgate(&copy, row.arguments);
            (output.status, String::from_utf8(output.stderr).unwrap())
        };
        let named = row.named.iter().all(|named| message.contains(named));
        if status.code() != Some(row.exit) || !named || message.contains("panic") {
            surprises.push(format!("{}: {status}: {message}", row.fault));
        }
        fs::remove_dir_all(copy).unwrap();
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));

    let taken = TcpListener::bind(("127.0.0.1", template.port)).unwrap();
    let output = proofgate(&template.folder(), &["serve"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(71), "{message}");
    assert!(message.contains(&template.port.to_string()), "{message}");
    drop(taken);

    let running = Gateway::serving(&template.folder());
    let output = proofgate(&template.folder(), &["serve"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{message}");
    assert!(message.contains("gateway.lock") && message.contains("process "), "{message}");
    let listed = done(proofgate(&template.folder(), &["approve", "--json"]));
    assert_eq!(listed.matches("\"approved\": true").count(), 2, "{listed}");
    // There is nothing to approve in what a member's document says already.
    let document = template.folder().join("tax").join("department.json");
    let output = proofgate(&template.folder(), &["approve", document.to_str().unwrap()]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && message.contains("already in force"), "{message}");
    assert_eq!(done(proofgate(&template.folder(), &["approve", "--json"])), listed);
    let (status, log) = running.stop();
    assert!(status.success(), "{log}");
    // One that was killed stands in nobody's way.
    Gateway::serving(&template.folder()).kill();
    done(proofgate(&template.folder(), &["approve"]));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    for (place, exit) in [("/dev/null/gateway", 73), ("/proc/gateway", 73)] {
        let output = proofgate(Path::new(place), &["init", "--department", "tax"]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{message}");
        assert!(message.contains(place), "{message}");
    }
}
