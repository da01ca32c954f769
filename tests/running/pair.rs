//! A network of two departments with a gateway each: tax keeps the chain, holds records and enrols
//! citizens; welfare follows the chain and asks.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::gateway::{Gateway, done, free_port, proofgate, proofgate_told};

/// What welfare asks for.
pub(crate) const PURPOSE: &str = "benefit-eligibility";
/// The law on which tax answers without consent.
pub(crate) const LAW: &str = "Benefits Act, section 12";

/// Two gateways' folders.
pub(crate) struct Pair {
    temporary: TempDir,
    pub(crate) ports: (u16, u16),
}

impl Pair {
    /// Makes both folders; nothing runs yet.
    pub(crate) fn init() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let pair = Self { temporary, ports: (free_port(), free_port()) };
        let listen = format!("127.0.0.1:{}", pair.ports.0);
        let init = ["init", "--department", "tax", "--name", "Tax Authority", "--registrar"];
        done(proofgate(&pair.tax(), &[&init[..], &["--listen", &listen]].concat()));
        let (genesis, listen) = (pair.genesis(), format!("127.0.0.1:{}", pair.ports.1));
        let follow = pair.base();
        let init = ["init", "--department", "welfare", "--listen", &listen];
        let join = ["--genesis", genesis.to_str().unwrap(), "--follow", &follow];
        done(proofgate(&pair.welfare(), &[&init[..], &join].concat()));
        pair
    }

    /// Changes a setting of both.
    pub(crate) fn configure(&self, from: &str, to: impl Fn(&Path) -> String) {
        for folder in [self.tax(), self.welfare()] {
            let path = folder.join("proofgate.toml");
            let config = std::fs::read_to_string(&path).unwrap();
            assert!(config.contains(from), "{config}");
            std::fs::write(path, config.replace(from, &to(&folder))).unwrap();
        }
    }

    /// Starts both, lets welfare join, approves keys, publishes the service and imports records.
    pub(crate) fn run(&self) -> (Gateway, Gateway) {
        self.run_by(Gateway::start)
    }

    /// The same, with gateways that are started so.
    pub(crate) fn run_by(&self, start: impl Fn(&Path) -> Gateway) -> (Gateway, Gateway) {
        let tax = start(&self.tax());
        tax.says("serving on ");
        let welfare = start(&self.welfare());
        welfare.says("waiting until welfare");
        let document = self.welfare().join("welfare").join("department.json");
        done(proofgate(&self.tax(), &["approve", document.to_str().unwrap()]));
        welfare.says("serving on ");
        done(proofgate(&self.tax(), &["circuits", "propose"]));
        let approved = done(proofgate(&self.welfare(), &["approve", "--all", "--json"]));
        assert_eq!(approved.matches("\"approved\": true").count(), 2, "{approved}");
        let service = self.file("service.json", &service().to_string());
        done(proofgate(&self.tax(), &["service", "publish", service.to_str().unwrap()]));
        let records = self.file("records.csv", include_str!("../../gateway/data/tax.csv"));
        done(proofgate(&self.tax(), &["import", "--dataset", "wages", records.to_str().unwrap()]));
        (tax, welfare)
    }

    /// The folder of tax's gateway.
    pub(crate) fn tax(&self) -> PathBuf {
        self.temporary.path().join("tax")
    }

    /// The folder of welfare's gateway.
    pub(crate) fn welfare(&self) -> PathBuf {
        self.temporary.path().join("welfare")
    }

    /// The genesis file.
    pub(crate) fn genesis(&self) -> PathBuf {
        self.tax().join("genesis.json")
    }

    /// Where tax's gateway is.
    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.0)
    }

    /// A file beside the folders.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.temporary.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A wallet whose key is enrolled and shown to tax.
    pub(crate) fn wallet(&self, subject: &str) -> PathBuf {
        let wallet = self.temporary.path().join(format!("wallet-{subject}"));
        consent(&wallet, &["keygen"]);
        let code = done(proofgate_told(&self.tax(), &["enrolment-code"], subject));
        let (base, genesis) = (self.base(), self.genesis());
        let place = ["--gateway", &base, "--department", "tax"];
        let card = ["--subject", subject, "--code", code.trim()];
        let trust = ["--genesis", genesis.to_str().unwrap()];
        consent(&wallet, &[&["enrol"], &place[..], &card, &trust].concat());
        consent(&wallet, &[&["present"], &place[..]].concat());
        wallet
    }

    /// Welfare asks tax whether wages are below `cents`; the request's digest.
    pub(crate) fn ask(&self, subject: &str, cents: u64, more: &[&str]) -> String {
        let about = [&["--subject", "-"], more].concat();
        digest(&done(self.question(&about, subject, cents)))
    }

    /// The same of the citizen whose wallet takes it to tax; the request's digest, and the offer's file.
    pub(crate) fn offer(&self, cents: u64) -> (String, PathBuf) {
        let request = digest(&done(self.ask_of_a_wallet(cents)));
        let offer = done(proofgate(&self.welfare(), &["request", "offer", &request]));
        (request, self.file("offer.json", &offer))
    }

    /// Asks such a question; it may be refused.
    pub(crate) fn ask_of_a_wallet(&self, cents: u64) -> Output {
        self.question(&["--pseudonymous"], "", cents)
    }

    fn question(&self, about: &[&str], told: &str, cents: u64) -> Output {
        let query = json!([{"path": ["total_wages_cents"], "predicate": {"$lt": cents}}]);
        let query = query.to_string();
        let ask = ["request", "ask", "--json", "--issuer", "tax", "--dataset", "wages"];
        let facts = ["--purpose", PURPOSE, "--as-of", "2024-12-31", "--query", &query];
        proofgate_told(&self.welfare(), &[&ask[..], &facts, about].concat(), told)
    }
}

fn digest(asked: &str) -> String {
    let asked: Value = serde_json::from_str(asked).unwrap();
    asked["request"].as_str().unwrap().to_owned()
}

/// Runs `proofgate consent` on a wallet; what it printed.
pub(crate) fn consent(wallet: &Path, arguments: &[&str]) -> String {
    let wallet = ["consent", "--wallet", wallet.to_str().unwrap()];
    done(proofgate(Path::new("."), &[&wallet[..], arguments].concat()))
}

/// What welfare may ask of tax.
pub(crate) fn service() -> Value {
    let schema: Value =
        serde_json::from_str(include_str!("../../gateway/data/tax.schema.json")).unwrap();
    json!({
        "version": 1, "issuer": "tax", "dataset": "wages", "title": "Wages", "schema": schema,
        "registrar": "tax", "as_of": {"kind": "fixed", "date": "2024-12-31"},
        "rules": [{
            "requesters": ["welfare"], "purposes": [PURPOSE],
            "bases": [{"kind": "consent"}, {"kind": "statutory", "reference": LAW}],
            "circuits": ["identified/v1", "pseudonymous/v1"],
            "conditions": [{
                "path": "total_wages_cents", "operators": ["$lt"],
                "operands": {"kind": "bounded", "min": 0, "max": 1_000_000_000_000_u64}
            }]
        }],
        "data": {}, "budget": {"per_requester": 1000, "issuer_wide": 1000}
    })
}
