//! A disk that takes no more: nothing that was acknowledged is lost, and what was not is not half there.

use std::fs::{self, OpenOptions};
use std::process::Command;

use crate::gateway::{Gateway, done, free_port, get, proofgate};
use crate::pair::service;

/// Longest file that the gateway may write, in blocks of 512 bytes: the chain and the store that were made
/// before fit in, the records that are imported then do not.
const BLOCKS: u32 = 2_048;

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let (folder, port) = (temporary.path().join("gateway"), free_port());
    let listen = format!("127.0.0.1:{port}");
    let init = ["init", "--department", "tax", "--registrar", "--listen", &listen];
    done(proofgate(&folder, &init));
    let document = temporary.path().join("service.json");
    let mut service = service();
    service["rules"] = serde_json::json!([]); // whom they permit has not joined
    fs::write(&document, service.to_string()).unwrap();
    done(proofgate(&folder, &["service", "publish", document.to_str().unwrap()]));
    let records = temporary.path().join("records.csv");
    fs::write(&records, include_str!("../../gateway/data/tax.csv")).unwrap();
    let import = ["import", "--dataset", "wages", records.to_str().unwrap()];

    let cramped = Gateway::start_within(&folder, BLOCKS).served().unwrap();
    let output = proofgate(&folder, &import);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{message}");
    assert!(message.contains("not-stored") && message.contains("full disk"), "{message}");
    let told = get(port, "/readyz");
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("append: failed"), "{told}");
    // What needs no change is done, and what needs one is refused in the same way.
    done(proofgate(&folder, &["approve"]));
    let output = proofgate(&folder, &import);
    assert_eq!(output.status.code(), Some(75));
    let (_, log) = cramped.stop();
    assert!(log.contains("the store failed at a ") && log.contains("File too large"), "{log}");
    assert!(!log.contains("panicked"), "{log}");

    let audited = done(proofgate(&folder, &["audit", "--json"]));
    assert!(audited.contains("\"service\": 1") && audited.contains("\"records\": 0"), "{audited}");
    let imported = done(proofgate(&folder, &import));
    assert!(imported.contains("2000 added"), "{imported}");
}

#[test]
fn a_command_that_could_not_say_what_it_found_has_failed() {
    for arguments in [&["circuits", "list", "--json"][..], &["completions", "bash"], &["--help"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofgate"));
        let output = command.args(arguments).stdout(full).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(74), "{arguments:?}: {message}");
        assert!(message.contains("standard output: No space left"), "{arguments:?}: {message}");
    }
}
