//! Two gateways in two folders, set up by commands alone, and the whole exchange between them: what the
//! README's page for operators tells.

use serde_json::Value;

use crate::gateway::{Gateway, done, free_port, get, proofgate, proofgate_told};
use crate::pair::{LAW, Pair, consent, service};

/// A citizen of the sample data with wages below 20,000.00, and another.
const POOR: &str = "101061001312";
const OTHER: &str = "101146789348";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What Prometheus reads from that port.
fn metrics(port: u16) -> String {
    let text = get(port, "/metrics");
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    text
}

/// Every value of both citizens' records that is long enough to be told from a count, the amounts that were
/// asked about, tokens, codes and what the documents say: nothing of which is for logs or metrics.
fn private(pair: &Pair, code: &str) -> Vec<String> {
    let rows = include_str!("../../gateway/data/tax.csv").lines();
    let rows = rows.filter(|row| row.starts_with(POOR) || row.starts_with(OTHER));
    let mut private: Vec<_> =
        rows.flat_map(|row| row.split(',').filter(|it| it.len() > 5).map(str::to_owned)).collect();
    assert!(private.len() >= 6, "numbers and wages of both: {private:?}");
    for (folder, department) in [(pair.tax(), "tax"), (pair.welfare(), "welfare")] {
        let folder = folder.join(department);
        for file in ["local.token", "signing.key", "storage.key"] {
            private.push(std::fs::read_to_string(folder.join(file)).unwrap().trim().to_owned());
        }
    }
    private.extend([code, "Dear colleagues", "letter.txt"].map(str::to_owned));
    private
}

/// Whether a word stands in a text; in the middle of a longer number or digest it is another one.
fn mentions(text: &str, word: &str) -> bool {
    let part = |it: Option<char>| it.is_some_and(|it| it.is_ascii_alphanumeric());
    let mut found = text.match_indices(word);
    found.any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !part(before.chars().next_back()) && !part(after.chars().next())
    })
}

#[test]
fn two_gateways_set_up_by_commands_do_the_whole_exchange() {
    let pair = Pair::init();
    let ports = [free_port(), free_port()];
    pair.configure("# metrics = \"127.0.0.1:9464\"", |folder| {
        let port = ports[usize::from(folder == pair.welfare())];
        format!("metrics = \"127.0.0.1:{port}\"")
    });
    let (tax, welfare) = pair.run_by(Gateway::tracing);
    let wallet = pair.wallet(POOR);
    let code = done(proofgate_told(&pair.tax(), &["enrolment-code"], OTHER));
    let private = private(&pair, code.trim());

    let nothing = done(proofgate(&pair.welfare(), &["approve", "--all"]));
    assert_eq!(nothing, "nothing waits for approval\n");
    // Tax's keys are approved, welfare's were never put forward; what is not an entry's id is said.
    let listed = done(proofgate(&pair.tax(), &["circuits", "list"]));
    assert_eq!(listed.matches("the departments have approved").count(), 2, "{listed}");
    let listed = json(&done(proofgate(&pair.welfare(), &["circuits", "list", "--json"])));
    assert_eq!(
        (&listed[0]["production"], &listed[0]["key"]["approved"]),
        (&Value::from(false), &Value::from(false))
    );
    let unknown = proofgate(&pair.tax(), &["approve", "28a5"]);
    assert_eq!(unknown.status.code(), Some(66), "{unknown:?}");
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("64 hexadecimal digits"));

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
    let asked = done(proofgate(&pair.welfare(), &["request", "list"]));
    assert!(asked.contains(&request) && asked.contains("verified"), "{asked}");
    assert!(!asked.contains(POOR), "whom it is about stays out of lists");

    // What may be asked is to be seen, and names nobody who is not there.
    let offered = done(proofgate(&pair.welfare(), &["service", "list", "--issuer", "tax"]));
    assert!(
        offered.contains("--dataset wages") && offered.contains("welfare may ask"),
        "{offered}"
    );
    let publish = |service: &Value| {
        let file = pair.file("again.json", &service.to_string());
        proofgate(&pair.tax(), &["service", "publish", file.to_str().unwrap()])
    };
    let mut changed = service();
    changed["rules"][0]["requesters"] = serde_json::json!(["welfair"]);
    let refused = publish(&changed);
    assert_eq!(refused.status.code(), Some(65));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("rule 1, requesters: no department welfair"), "{told}");
    changed = service();
    changed["registrar"] = serde_json::json!("taxx");
    let told = String::from_utf8(publish(&changed).stderr).unwrap();
    assert!(told.contains("registrar: no department taxx"), "{told}");

    // A subject is read whole or not at all.
    let long = format!("{POOR}{}", " ".repeat(64));
    let refused = proofgate_told(&pair.tax(), &["enrolment-code"], &long);
    assert_eq!(refused.status.code(), Some(65), "{refused:?}");

    // The answer is a file, which anybody verifies offline against the genesis file.
    let bundle = done(proofgate(&pair.welfare(), &["request", "bundle", &request]));
    let bundle = pair.file("answer.json", &bundle);
    let (bundle, genesis) = (bundle.to_str().unwrap(), pair.genesis());
    let genesis = genesis.to_str().unwrap();
    let verified = done(proofgate(&pair.welfare(), &["verify", bundle]));
    assert!(verified.contains("welfare") && verified.contains("tax"), "{verified}");
    done(proofgate(std::path::Path::new("/"), &["verify", bundle, "--genesis", genesis]));

    // Of whoever takes the offer to tax.
    let (pseudonymous, offer) = pair.offer(2_000_000);
    consent(&wallet, &["approve", "--yes", "--offer", offer.to_str().unwrap()]);
    let show = ["request", "show", "--json", "--wait", "300", &pseudonymous];
    let answer = json(&done(proofgate(&pair.welfare(), &show)));
    assert_eq!(answer["status"], "verified");
    assert!(answer["pseudonym"].is_string() && answer["subject_tag"].is_null(), "{answer}");

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
        let again = ["payload", "receive", id, "--out", target.to_str().unwrap()];
        assert_eq!(proofgate(&recipient, &again).status.code(), Some(73), "nothing is overwritten");
    }

    // Who puts forward what would take another department's place is not approved with everything else.
    let document = pair.tax().join("tax").join("department.json");
    let document = std::fs::read_to_string(document).unwrap();
    let taken = document.replace(&format!(":{}", pair.ports.0), ":9");
    assert_ne!(taken, document);
    let taken = pair.file("taken.json", &taken);
    done(proofgate(&pair.welfare(), &["approve", taken.to_str().unwrap()]));
    let output = proofgate(&pair.tax(), &["approve", "--all"]);
    assert!(String::from_utf8(output.stderr.clone()).unwrap().contains("not approved"));
    let listed = done(output);
    assert!(listed.contains("open") && listed.contains("in the place of http"), "{listed}");

    // A gateway without a certificate has nothing to read again, and goes on.
    tax.hang_up();

    // Both have the same chain, and anybody audits either.
    let urls = [pair.ports.0, pair.ports.1].map(|port| format!("http://127.0.0.1:{port}"));
    for url in &urls {
        let audit = ["audit", "--url", url, "--genesis", genesis, "--json"];
        let report = json(&done(proofgate(&pair.welfare(), &audit)));
        assert_eq!(report["entries"]["proof"], 3, "{report}");
    }
    for (gateway, port) in [tax, welfare].into_iter().zip(ports) {
        let folder = gateway.folder.clone();
        let metrics = metrics(port);
        assert!(metrics.contains("proofgate_"), "{metrics}");
        let (status, log) = gateway.stop();
        assert!(status.success(), "{status}: {log}");
        assert!(log.contains("TRACE"), "{}", log.lines().count());
        for value in &private {
            for (place, text) in [("metrics", &metrics), ("log", &log)] {
                let line = text.lines().find(|line| mentions(line, value));
                assert_eq!(line, None, "{} {place}: {value}", folder.display());
            }
        }
        let report = json(&done(proofgate(&folder, &["audit", "--json"])));
        assert_eq!(report["entries"]["proof"], 3, "{report}");
    }

    // A key that is gone is not listed as if it were there.
    let key = pair.welfare().join("proving/identified-v1.development.key");
    let elsewhere = key.with_extension("elsewhere");
    std::fs::rename(&key, &elsewhere).unwrap();
    let listed = proofgate(&pair.welfare(), &["circuits", "list"]);
    assert_eq!(listed.status.code(), Some(66), "{listed:?}");
    let told = String::from_utf8(listed.stderr).unwrap();
    assert!(told.contains("identified-v1.development.key") && told.contains("your copy"), "{told}");
    let whole = std::fs::read(&elsewhere).unwrap();
    std::fs::write(&key, &whole[..whole.len() / 2]).unwrap();
    let listed = proofgate(&pair.welfare(), &["circuits", "list"]);
    assert_eq!(listed.status.code(), Some(65), "{listed:?}");
    let told = String::from_utf8(listed.stdout).unwrap();
    let other = "pseudonymous-v1.development.key)\n                 document ";
    assert!(
        told.contains("not used: ") && told.contains(other),
        "the other one is told of: {told}"
    );
    let (status, log) = Gateway::start(&pair.welfare()).closed();
    assert_eq!(status.code(), Some(65), "{log}");
    assert!(log.contains("identified-v1.development.key") && log.contains("your copy"), "{log}");
    std::fs::rename(elsewhere, key).unwrap();

    // Who loses the chain signs nothing before it is there again: here from the follower's folder.
    std::fs::remove_dir_all(pair.tax().join("chain")).unwrap();
    let refused = proofgate(&pair.tax(), &["approve"]);
    assert_eq!(refused.status.code(), Some(65), "{refused:?}");
    let audited = proofgate(&pair.tax(), &["audit"]);
    assert_eq!(audited.status.code(), Some(65), "what is empty now is not in order: {audited:?}");
    let copy = pair.welfare().join("chain");
    done(proofgate(&pair.tax(), &["rebuild", "--from", copy.to_str().unwrap()]));
    let report = json(&done(proofgate(&pair.tax(), &["audit", "--json"])));
    assert_eq!(report["entries"]["proof"], 3, "{report}");
    done(proofgate(&pair.tax(), &["approve"]));

    // Nor does who put back a copy of keys and records, in which neither the chain nor its height is.
    std::fs::remove_dir_all(pair.tax().join("chain")).unwrap();
    std::fs::remove_file(pair.tax().join("network.json")).unwrap();
    for _ in 0..2 {
        let refused = proofgate(&pair.tax(), &["approve"]);
        assert_eq!(refused.status.code(), Some(65), "{refused:?}");
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.contains("network.json") && told.contains("rebuild --from"), "{told}");
    }
    let rebuild = ["rebuild", "--from", copy.to_str().unwrap()];
    done(proofgate(&pair.tax(), &rebuild));
    assert!(done(proofgate(&pair.tax(), &rebuild)).contains("nothing to do"));
    done(proofgate(&pair.tax(), &["approve"]));
    let report = json(&done(proofgate(&pair.tax(), &["audit", "--json"])));
    assert_eq!(report["entries"]["proof"], 3, "{report}");

    // The file alone is made again, of a chain that is in order.
    let file = pair.tax().join("network.json");
    std::fs::remove_file(&file).unwrap();
    assert!(done(proofgate(&pair.tax(), &rebuild)).contains("nothing to do"));
    done(proofgate(&pair.tax(), &["approve"]));

    // Where more was served than either copy has, nothing is in order, unless that is given up.
    let served = std::fs::read_to_string(&file).unwrap();
    let height = report["height"].as_u64().unwrap();
    let (now, more) = (format!("\"height\":{height},"), format!("\"height\":{},", height + 1));
    assert!(served.contains(&now), "{served}");
    std::fs::write(&file, served.replace(&now, &more)).unwrap();
    for arguments in [&["approve"][..], &rebuild] {
        let refused = proofgate(&pair.tax(), arguments);
        assert_eq!(refused.status.code(), Some(65), "{refused:?}");
    }
    let given_up = [&rebuild[..], &["--replace-fork"]].concat();
    assert!(done(proofgate(&pair.tax(), &given_up)).contains("nothing to do"));
    done(proofgate(&pair.tax(), &["approve"]));
}

#[test]
fn a_command_on_a_gateway_that_does_not_run_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
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
