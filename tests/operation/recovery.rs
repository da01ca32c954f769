//! `kill -9` at random moments: what was acknowledged is there afterwards, once, and the rest is as if
//! nobody had asked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use proptest::test_runner::{RngAlgorithm, TestRng};
use rand_core::Rng as _;
use serde_json::Value;

use crate::gateway::{Gateway, done, proofgate, proofgate_told};
use crate::pair::{LAW, PURPOSE, Pair};

/// Kills in a full run.
const KILLS: usize = 30;
/// After so many kills everything that is under way is waited for, and every acknowledged fact is checked.
const SETTLE: usize = 5;
/// The longest that is waited between the beginning of a step and the kill.
const LATEST: Duration = Duration::from_millis(1_500);
/// How long a command may have a folder for itself.
const TAKEN: Duration = Duration::from_secs(120);
/// Seconds that an exchange may take to come to its end on a busy machine.
const PATIENCE: &str = "300";

/// What is done while somebody pulls the plug.
#[derive(Clone, Copy, Debug)]
enum Step {
    Import,
    Request,
    Consent,
    Statutory,
    Payload,
    Restart,
}

const STEPS: [Step; 6] =
    [Step::Import, Step::Request, Step::Consent, Step::Statutory, Step::Payload, Step::Restart];

/// A network, and everything that its gateways acknowledged.
struct Run {
    pair: Pair,
    tax: Option<Gateway>,
    welfare: Option<Gateway>,
    wallet: PathBuf,
    subject: String,
    /// The lines of the records file, the header first.
    records: Vec<String>,
    /// Requests that welfare was told of.
    requests: BTreeSet<String>,
    /// Requests that are asked and not consented to.
    open: Vec<String>,
    /// Requests that must come to a verified answer.
    answerable: BTreeSet<String>,
    /// Requests that were verified.
    verified: BTreeSet<String>,
    /// Payloads that welfare acknowledged, with their content.
    payloads: Vec<(String, String)>,
    /// Wages of one citizen as last acknowledged, and as an import that was not acknowledged has them.
    wages: (u64, Option<u64>),
}

impl Run {
    fn begin() -> Self {
        let pair = Pair::init();
        let (tax, welfare) = pair.run();
        let records: Vec<String> =
            include_str!("../../gateway/data/tax.csv").lines().map(str::to_owned).collect();
        let subject = records[1].split(',').next().unwrap().to_owned();
        let wallet = pair.wallet(&subject);
        let mut run = Self {
            pair,
            tax: Some(tax),
            welfare: Some(welfare),
            wallet,
            subject,
            records,
            requests: BTreeSet::new(),
            open: Vec::new(),
            answerable: BTreeSet::new(),
            verified: BTreeSet::new(),
            payloads: Vec::new(),
            wages: (957_600, None),
        };
        let first = run.pair.ask(&run.subject, 100_000_000_000, &["--law", LAW]);
        run.requests.insert(first.clone());
        run.answerable.insert(first);
        run.settle();
        run
    }

    /// Does a step, and kills one gateway after `delay`, and starts it again.
    fn round(&mut self, step: Step, victim: Victim, delay: Duration, number: usize) {
        let gateway = match victim {
            Victim::Tax => self.tax.take(),
            Victim::Welfare => self.welfare.take(),
        };
        let gateway = gateway.expect("both run between two rounds");
        let folder = gateway.folder.clone();
        let killer = thread::spawn(move || {
            // The moment of the fault; nothing waits for it.
            thread::sleep(delay);
            let log = gateway.kill();
            (log, start_again(&folder))
        });
        self.step(step, number);
        let (log, again) = killer.join().unwrap();
        assert!(!log.contains("a panic"), "{log}");
        match victim {
            Victim::Tax => self.tax = Some(again),
            Victim::Welfare => self.welfare = Some(again),
        }
    }

    fn step(&mut self, step: Step, number: usize) {
        match step {
            Step::Import => self.import(),
            Step::Request => {
                let key = format!("recovery-{number}");
                if let Some(request) = self.ask(&["--idempotency-key", &key]) {
                    self.open.push(request);
                }
            }
            Step::Consent => {
                let request = match self.open.pop() {
                    Some(request) => request,
                    None => match self.ask(&[]) {
                        Some(request) => request,
                        None => return,
                    },
                };
                // If this fails, it may have been taken all the same.
                if self.consents(&request) {
                    self.answerable.insert(request);
                }
            }
            Step::Statutory => {
                if let Some(request) = self.ask(&["--law", LAW]) {
                    self.answerable.insert(request);
                }
            }
            Step::Payload => {
                let request = self.verified.first().unwrap().clone();
                let content = format!("letter {number}\n").repeat(20_000);
                let letter = self.pair.file("letter.txt", &content);
                let send = ["payload", "send", "--json", "--request", &request];
                let letter = [letter.to_str().unwrap()];
                let sent = proofgate(&self.pair.welfare(), &[&send[..], &letter].concat());
                if let Some(sent) = acknowledged(&sent) {
                    self.payloads.push((sent["id"].as_str().unwrap().to_owned(), content));
                }
            }
            Step::Restart => {}
        }
    }

    /// Asks about the citizen's wages; the request if it was acknowledged.
    fn ask(&mut self, more: &[&str]) -> Option<String> {
        let query = r#"[{"path":["total_wages_cents"],"predicate":{"$lt":100000000000}}]"#;
        let ask = ["request", "ask", "--json", "--issuer", "tax", "--dataset", "wages"];
        let about = ["--subject", "-", "--purpose", PURPOSE, "--as-of", "2024-12-31"];
        let question = ["--expires-in", "86400", "--query", query];
        let arguments = [&ask[..], &about, &question, more].concat();
        let output = proofgate_told(&self.pair.welfare(), &arguments, &self.subject);
        let asked = acknowledged(&output)?;
        let request = asked["request"].as_str().unwrap().to_owned();
        self.requests.insert(request.clone());
        Some(request)
    }

    /// Whether the citizen's consent was acknowledged.
    fn consents(&self, request: &str) -> bool {
        let wallet = self.wallet.to_str().unwrap();
        let approve = ["consent", "--wallet", wallet, "approve", "--yes", request];
        proofgate(Path::new("."), &approve).status.success()
    }

    /// Imports other wages of one citizen.
    fn import(&mut self) {
        let wages = self.wages.0.max(self.wages.1.unwrap_or(0)) + 100;
        let mut fields: Vec<String> = self.records[1].split(',').map(str::to_owned).collect();
        for column in [3, 5] {
            fields[column] = wages.to_string();
        }
        let file = format!("{}\n{}\n", self.records[0], fields.join(","));
        let file = self.pair.file("changed.csv", &file);
        let import = ["import", "--json", "--dataset", "wages", file.to_str().unwrap()];
        match acknowledged(&proofgate(&self.pair.tax(), &import)) {
            Some(changed) => {
                assert_eq!(changed["updated"], 1, "{changed}");
                self.wages = (wages, None);
            }
            None => self.wages.1 = Some(wages),
        }
    }

    /// Waits until everything that must come to an end has, and checks every acknowledged fact.
    fn settle(&mut self) {
        for request in &self.requests {
            let show = ["request", "show", "--json", request.as_str()];
            let known = done(proofgate(&self.pair.welfare(), &show));
            assert!(known.contains(request.as_str()), "{known}");
        }
        for request in &self.answerable {
            let show = ["request", "show", "--json", "--wait", PATIENCE, request.as_str()];
            let answer = done(proofgate(&self.pair.welfare(), &show));
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(answer["status"], "verified", "{answer}");
            self.verified.insert(request.clone());
        }
        for (id, content) in &self.payloads {
            let target = self.pair.file("received.txt", "");
            std::fs::remove_file(&target).unwrap();
            let receive = ["payload", "receive", "--wait", PATIENCE, id, "--out"];
            let target_name = target.to_str().unwrap();
            done(proofgate(&self.pair.tax(), &[&receive[..], &[target_name]].concat()));
            assert_eq!(&std::fs::read_to_string(&target).unwrap(), content);
        }
        self.check_wages();
    }

    /// The records are those of an acknowledged import, or of a later one, whole.
    fn check_wages(&mut self) {
        let (known, perhaps) = self.wages;
        let below = |run: &mut Self, cents: u64, expires: &str| {
            let more = ["--law", LAW, "--expires-in", expires];
            let request = run.pair.ask(&run.subject, cents, &more);
            let show = ["request", "show", "--json", "--wait", PATIENCE, &request];
            let answer = done(proofgate(&run.pair.welfare(), &show));
            answer.contains("\"verified\"")
        };
        assert!(
            below(self, perhaps.unwrap_or(known) + 1, PATIENCE),
            "an import got lost, or was half done"
        );
        if let Some(wages) = perhaps {
            // Not acknowledged: it happened or it did not.
            self.wages = (if below(self, known + 1, "60") { known } else { wages }, None);
        }
    }

    /// Every question that was acknowledged reaches the citizen, who can still consent.
    fn consent_to_all(&mut self) {
        for request in std::mem::take(&mut self.open) {
            // Each try waits at the gateway for a moment, while the question is on its way.
            let waited = (0..60).any(|_| {
                let show = ["request", "show", "--wait", "5", request.as_str()];
                self.consents(&request) || {
                    done(proofgate(&self.pair.welfare(), &show));
                    false
                }
            });
            assert!(waited, "{request} never reached the citizen");
            self.answerable.insert(request);
        }
    }

    /// Nothing is answered twice, and both copies of the chain audit.
    fn audit(self) {
        for gateway in [self.tax.unwrap(), self.welfare.unwrap()] {
            let folder = gateway.folder.clone();
            let (status, log) = gateway.stop();
            assert!(status.success(), "{status}: {log}");
            done(proofgate(&folder, &["audit", "--json"]));
        }
    }
}

/// As a service manager does it: a command that found no gateway may have the folder for a moment.
fn start_again(folder: &Path) -> Gateway {
    let begun = Instant::now();
    loop {
        match Gateway::start(folder).served() {
            Ok(gateway) => return gateway,
            Err((status, log)) => {
                let held = status.code() == Some(75) && begun.elapsed() < TAKEN;
                assert!(held, "{}: {status}: {log}", folder.display());
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    Tax,
    Welfare,
}

/// What a command printed, if it was done.
fn acknowledged(output: &Output) -> Option<Value> {
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let seed = std::env::var("PROOFGATE_SEED").ok().and_then(|text| hex(&text));
    let seed = seed.unwrap_or_else(|| {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        seed
    });
    let text: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("to have the same run again: PROOFGATE_SEED={text}");
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut run = Run::begin();
    for number in 0..KILLS {
        let step = STEPS[number % STEPS.len()];
        let victim = if rng.next_u32().is_multiple_of(2) { Victim::Tax } else { Victim::Welfare };
        let latest = u32::try_from(LATEST.as_millis()).unwrap();
        let delay = Duration::from_millis(u64::from(rng.next_u32() % latest));
        println!("{number}: {step:?}, {victim:?} killed after {delay:?}");
        run.round(step, victim, delay, number);
        if (number + 1) % SETTLE == 0 {
            run.settle();
        }
    }
    run.consent_to_all();
    run.settle();
    run.audit();
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digits = (0..32).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok());
    digits.collect::<Option<Vec<_>>>()?.try_into().ok()
}
