//! Two gateways in two folders, set up by commands alone, and the whole exchange between them: what the
//! README's page for operators tells.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

#[path = "running/gateway.rs"]
mod gateway;
#[path = "running/pair.rs"]
mod pair;

use serde_json::Value;

use gateway::{Gateway, done, proofgate};
use pair::{LAW, Pair, consent};

/// A citizen of the sample data with wages below 20,000.00, and another.
const POOR: &str = "101061001312";
const OTHER: &str = "101146789348";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn two_gateways_set_up_by_commands_do_the_whole_exchange() {
    let pair = Pair::init();
    let (tax, welfare) = pair.run();
    let wallet = pair.wallet(POOR);

    // A question that the citizen consents to.
    let request = pair.ask(POOR, 2_000_000, &[]);
    let shown = consent(&wallet, &["show", &request]);
    assert!(shown.contains("total_wages_cents is less than 2000000 cents"), "{shown}");
    consent(&wallet, &["approve", "--yes", &request]);
    let show = ["request", "show", "--json", "--wait", "300", &request];
    let answer = json(&done(proofgate(&pair.welfare(), &show)));
    assert_eq!(answer["status"], "verified");
    let notes = answer["notes"].to_string();
    assert!(notes.contains("consent-key-enrolled-by-issuer"), "{notes}");

    // What tax's operator sees, and what nobody but the two sees.
    let received = done(proofgate(&pair.tax(), &["request", "received"]));
    assert!(received.contains(&request) && received.contains("answered"), "{received}");

    // The answer is a file, which anybody verifies offline against the genesis file.
    let bundle = done(proofgate(&pair.welfare(), &["request", "bundle", &request]));
    let bundle = pair.file("answer.json", &bundle);
    let (bundle, genesis) = (bundle.to_str().unwrap(), pair.genesis());
    let genesis = genesis.to_str().unwrap();
    let verified = done(proofgate(&pair.welfare(), &["verify", bundle]));
    assert!(verified.contains("welfare") && verified.contains("tax"), "{verified}");
    done(proofgate(std::path::Path::new("/"), &["verify", bundle, "--genesis", genesis]));

    // By law, without the citizen.
    let by_law = pair.ask(OTHER, 100_000_000_000, &["--law", LAW]);
    let show = ["request", "show", "--json", "--wait", "300", &by_law];
    let answer = json(&done(proofgate(&pair.welfare(), &show)));
    assert_eq!(answer["status"], "verified");
    assert!(answer["notes"].to_string().contains("no-consent"));

    // A document each way.
    let letter = pair.file("letter.txt", "Dear colleagues,\n");
    let letter = letter.to_str().unwrap();
    for (sender, recipient) in [(pair.tax(), pair.welfare()), (pair.welfare(), pair.tax())] {
        let sent = ["payload", "send", "--json", "--request", &request, letter];
        let sent = json(&done(proofgate(&sender, &sent)));
        let id = sent["id"].as_str().unwrap();
        let target = pair.file("received.txt", "");
        std::fs::remove_file(&target).unwrap();
        let receive = ["payload", "receive", "--wait", "300", id, "--out"];
        done(proofgate(&recipient, &[&receive[..], &[target.to_str().unwrap()]].concat()));
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "Dear colleagues,\n");
    }

    // Both have the same chain, and anybody audits either.
    let urls = [pair.ports.0, pair.ports.1].map(|port| format!("http://127.0.0.1:{port}"));
    for url in &urls {
        let audit = ["audit", "--url", url, "--genesis", genesis, "--json"];
        let report = json(&done(proofgate(&pair.welfare(), &audit)));
        assert_eq!(report["entries"]["proof"], 2, "{report}");
    }
    for gateway in [tax, welfare] {
        let folder = gateway.folder.clone();
        let (status, log) = gateway.stop();
        assert!(status.success(), "{status}: {log}");
        let report = json(&done(proofgate(&folder, &["audit", "--json"])));
        assert_eq!(report["entries"]["proof"], 2, "{report}");
    }
}

#[test]
fn a_command_on_a_gateway_that_does_not_run_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:{}", gateway::free_port());
    let init = ["init", "--department", "tax", "--json", "--listen", &listen];
    let made = json(&done(proofgate(folder.path(), &init)));
    assert_eq!(made["department"]["id"], "tax");
    let proposed = json(&done(proofgate(folder.path(), &["circuits", "propose", "--json"])));
    assert_eq!(proposed.as_array().unwrap().len(), 2);
    // It is closed again, and what it did is there.
    let running = Gateway::serving(folder.path());
    let listed = json(&done(proofgate(folder.path(), &["approve", "--json"])));
    assert_eq!(listed, proposed);
    let (status, log) = running.stop();
    assert!(status.success(), "{log}");
    // A gateway that was killed left its lock file, which counts no more.
    Gateway::serving(folder.path()).kill();
    assert_eq!(json(&done(proofgate(folder.path(), &["approve", "--json"]))), proposed);
}
