//! The exchanges that the demo plays.

use std::time::{Duration, Instant};

use chain::entry::withdrawal_lock;
use circuits::query::{Mode, Query};
use crypto::Digest;
use getrandom::SysRng;
use rand_core::{Rng as _, UnwrapErr};
use serde_json::{Value as Json, json};

use super::attacks::Attacks;
use super::network::{Network, People, Wallet};
use super::report::Report;
use super::sample::{LAW, SAMPLES};
use super::{DemoError, short};
use crate::department::asking::{Ask, Asked};
use crate::document::CheckedRequest;
use crate::exchange::requester::Status;
use crate::records::schema_digest;
use crate::subject::Subject;

/// The data's "today".
const AS_OF: &str = "2024-12-31";
/// Wages below 20,000.00.
const LOW_WAGES: u64 = 2_000_000;

/// How long the questions of the "not proven" chapter may wait: enough for a slow machine to ask and
/// answer three of them.
const BRIEF_SECONDS: u64 = 6;
/// How often welfare looks whether such a question's time is over.
const POLL: Duration = Duration::from_millis(200);

/// Length of the document that is sent: 8 MiB.
const PAYLOAD_BYTES: usize = 8 << 20;

/// Plays exchanges on a network.
pub(super) struct Exchanges<'n> {
    pub(super) network: &'n Network,
    pub(super) report: &'n mut Report,
    /// Somebody with a key card of whom tax has no record.
    unknown: Subject,
    /// Somebody on record whom no question is about.
    pub(super) another_citizen: Subject,
}

fn low_wages() -> Json {
    json!([{"path": ["total_wages_cents"], "predicate": {"$lt": LOW_WAGES}}])
}

fn home() -> Json {
    json!([
        {"path": ["district"], "predicate": {"$in": ["D01", "D02", "D03"]}},
        {"path": ["birth_date"], "predicate": {"$nonbetween": ["1960-01-01", "1979-12-31"]}}
    ])
}

impl<'n> Exchanges<'n> {
    /// Plays all of them.
    pub(super) async fn play(
        network: &'n Network,
        people: &People,
        report: &'n mut Report,
    ) -> Result<(), DemoError> {
        let eligible = choose(people, true)?;
        let earner = choose(people, false)?;
        let another_citizen = people["tax"]
            .keys()
            .find(|subject| ![eligible, earner].contains(subject))
            .copied()
            .ok_or_else(|| DemoError::Sample("two citizens are not enough".to_owned()))?;
        let mut play = Self { network, report, unknown: unknown(people)?, another_citizen };
        play.report.chapter("Three people get wallets; the registrar enrols their keys");
        let start = Instant::now();
        let eligible = network.wallet(eligible).await?;
        let earner = network.wallet(earner).await?;
        network.wallet(play.unknown).await?;
        play.report.spent("enrol", start);
        play.identified(&eligible).await?;
        play.pseudonymous(&eligible).await?;
        play.not_proven(&eligible, &earner).await?;
        play.statutory(&eligible).await?;
        play.payload(&eligible).await?;
        Attacks::play(&mut play, &eligible).await?;
        play.withdrawn(&eligible).await
    }

    pub(super) async fn ask(
        &mut self,
        requester: &str,
        change: impl FnOnce(&mut Json),
    ) -> Result<Asked, DemoError> {
        let mut ask = json!({
            "issuer": "tax", "dataset": "tax", "query": low_wages(),
            "purpose": "benefit-eligibility", "legal_basis": {"kind": "consent"},
            "as_of": AS_OF, "expires_in": 3_600
        });
        change(&mut ask);
        let ask: Ask =
            serde_json::from_value(ask).map_err(|error| DemoError::Sample(error.to_string()))?;
        Ok(self.network.department(requester).ask(ask, &self.network.peers).await?)
    }

    /// What a wallet does: it reads the question, recomputes what it signs, and signs.
    pub(super) async fn consent(
        &mut self,
        issuer: &str,
        wallet: &Wallet,
        asked: &Asked,
    ) -> Result<Digest, DemoError> {
        let department = self.network.department(issuer);
        for pending in department.pending(&wallet.key()).await? {
            let checked = check(pending.request, &pending.schema)?;
            if *checked.digest() != asked.request {
                continue;
            }
            self.report.say(format_args!(
                "wallet: {} asks whether {}; signing",
                pending.requester_name,
                checked.query().describe()
            ));
            let (w, lock) = withdrawal();
            let signature = wallet.private().sign(checked.consent_message());
            department.consent(&wallet.key(), &asked.request, &signature, lock).await?;
            return Ok(w);
        }
        Err(outcome("consent", "a pending question", "none"))
    }

    pub(super) async fn prove(&mut self, issuer: &str, asked: &Asked) -> Result<(), DemoError> {
        let start = Instant::now();
        self.network.department(issuer).advance(&asked.request, &self.network.peers).await?;
        self.report.spent("prove, record, send, verify", start);
        Ok(())
    }

    async fn status(&self, requester: &str, asked: &Asked) -> Result<Asked, DemoError> {
        let now = self.network.department(requester).asked(&asked.request).await?;
        now.ok_or_else(|| outcome("status", "the question", "nothing"))
    }

    async fn verified(
        &mut self,
        step: &'static str,
        requester: &str,
        asked: &Asked,
    ) -> Result<crate::exchange::verification::VerifiedAnswer, DemoError> {
        let now = self.status(requester, asked).await?;
        match now.answer {
            Some(answer) => {
                self.report.say(format_args!("{requester}: verified, {}", notes(&answer.notes)));
                self.report.exchange(step, "verified", None);
                Ok(answer)
            }
            None => Err(outcome(step, "verified", &format!("{:?}", now.status))),
        }
    }

    async fn identified(&mut self, wallet: &Wallet) -> Result<(), DemoError> {
        self.report.chapter("Identified: welfare asks tax and the registry about one citizen");
        let subject = json!(wallet.subject);
        let wages = self.ask("welfare", |ask| ask["subject"] = subject.clone()).await?;
        let nonce = json!(wages.nonce);
        let home = self
            .ask("welfare", |ask| {
                ask["subject"] = subject;
                ask["nonce"] = nonce;
                ask["issuer"] = json!("civil-registry");
                ask["dataset"] = json!("civil-registry");
                ask["query"] = home();
            })
            .await?;
        self.consent("tax", wallet, &wages).await?;
        self.consent("civil-registry", wallet, &home).await?;
        self.prove("tax", &wages).await?;
        self.prove("civil-registry", &home).await?;
        let wages = self.verified("identified: wages", "welfare", &wages).await?;
        let home = self.verified("identified: home and age", "welfare", &home).await?;
        if wages.tag != home.tag {
            return Err(outcome("identified", "equal subject tags", "different ones"));
        }
        self.report.say("both answers bear the same subject tag: they are about one person");
        Ok(())
    }

    async fn pseudonymous(&mut self, wallet: &Wallet) -> Result<(), DemoError> {
        self.report.chapter("Pseudonymous: two departments ask without learning who answers");
        let mut pseudonyms = Vec::new();
        for (requester, below) in [("welfare", 20), ("social-security", 20), ("welfare", 21)] {
            let asked = self
                .ask(requester, |ask| {
                    ask["query"][0]["predicate"] = json!({"$lt": below * 100_000});
                })
                .await?;
            let offer = self.network.department(requester).offer(&asked.request)?;
            let offer = offer.ok_or_else(|| outcome("pseudonymous", "an offer", "none"))?;
            let tax = self.network.department("tax");
            let checked = check(offer.request.clone(), &SAMPLES[2].schema()?)?;
            if checked.request().circuit.mode() != Mode::Pseudonymous {
                return Err(outcome("pseudonymous", "pseudonymous/v1", "another circuit"));
            }
            let (_, lock) = withdrawal();
            let signature = wallet.private().sign(checked.consent_message());
            tax.take_offer(&wallet.key(), offer, &signature, lock).await?;
            self.prove("tax", &asked).await?;
            let answer = self.verified("pseudonymous", requester, &asked).await?;
            let pseudonym = String::from(answer.tag);
            self.report.say(format_args!("{requester} sees pseudonym {}…", &pseudonym[..16]));
            pseudonyms.push(pseudonym);
        }
        if pseudonyms[0] == pseudonyms[1] || pseudonyms[0] != pseudonyms[2] {
            return Err(outcome("pseudonymous", "one pseudonym a requester", "something else"));
        }
        self.report
            .say("welfare met the same citizen twice; nobody can link the two departments' views");
        Ok(())
    }

    async fn not_proven(&mut self, eligible: &Wallet, earner: &Wallet) -> Result<(), DemoError> {
        self.report.chapter("Not proven: a condition not met, a refusal, an unknown citizen");
        let before = self.proofs_and_consents();
        let unmet = self.ask_briefly(&earner.subject, |_| ()).await?;
        self.consent("tax", earner, &unmet).await?;
        let refused = self
            .ask_briefly(&eligible.subject, |ask| {
                ask["query"][0]["predicate"] = json!({"$lte": LOW_WAGES});
            })
            .await?;
        self.network.department("tax").refuse(&eligible.key(), &refused.request).await?;
        let unknown = self.unknown;
        let unknown = self.ask_briefly(&unknown, |_| ()).await?;
        let asked = [("not met", unmet), ("refused", refused), ("unknown", unknown)];
        for (_, asked) in &asked {
            self.prove("tax", asked).await?;
        }
        self.report.say("waiting for the questions' time to run out");
        for (name, asked) in &asked {
            let now = self.lapsed(asked).await?;
            if now.status != Status::NotProven || now.answer.is_some() {
                return Err(outcome("not proven", "not proven", &format!("{:?}", now.status)));
            }
            self.report.say(format_args!("welfare: not proven ({name})"));
            self.report.exchange(&format!("not proven: {name}"), "not proven", None);
        }
        if self.proofs_and_consents() != before {
            return Err(outcome("not proven", "no consent and no proof on the chain", "some"));
        }
        self.report
            .say("three equal silences, for welfare and on the chain; only tax and the citizen");
        self.report.say("know the reasons:");
        self.history(eligible).await
    }

    /// A question that nobody has long to answer.
    async fn ask_briefly(
        &mut self,
        subject: &Subject,
        change: impl FnOnce(&mut Json),
    ) -> Result<Asked, DemoError> {
        self.ask("welfare", |ask| {
            ask["subject"] = json!(subject);
            ask["expires_in"] = json!(BRIEF_SECONDS);
            change(ask);
        })
        .await
    }

    /// Welfare's view of a question once its time is over.
    async fn lapsed(&self, asked: &Asked) -> Result<Asked, DemoError> {
        loop {
            let now = self.status("welfare", asked).await?;
            if now.status != Status::Sent {
                return Ok(now);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn history(&mut self, wallet: &Wallet) -> Result<(), DemoError> {
        for item in self.network.department("tax").history(&wallet.key()).await? {
            self.report.say(format_args!(
                "citizen's history: {} asked whether {} — {}",
                item.requester_name, item.condition, item.state
            ));
        }
        Ok(())
    }

    async fn statutory(&mut self, wallet: &Wallet) -> Result<(), DemoError> {
        self.report.chapter("Statutory: a law is the ground, and nobody is asked");
        let asked = self
            .ask("welfare", |ask| {
                ask["subject"] = json!(wallet.subject);
                ask["legal_basis"] = json!({"kind": "statutory", "reference": LAW});
                ask["query"][0]["predicate"] = json!({"$lt": 22 * 100_000});
            })
            .await?;
        self.prove("tax", &asked).await?;
        let answer = self.verified("statutory", "welfare", &asked).await?;
        let listed = self.network.department("tax").history(&wallet.key()).await?;
        if !listed.iter().any(|item| item.digest == asked.request && item.state == "answered") {
            return Err(outcome(
                "statutory",
                "the access in the citizen's history",
                "no trace of it",
            ));
        }
        self.report.say(format_args!(
            "visible on the chain (proof entry {}) and in the citizen's history",
            short(&answer.proof_entry)
        ));
        Ok(())
    }

    async fn payload(&mut self, wallet: &Wallet) -> Result<(), DemoError> {
        self.report.chapter("Payload: the registry sends welfare a document of 8 MiB");
        let asked = self
            .ask("welfare", |ask| {
                ask["subject"] = json!(wallet.subject);
                ask["issuer"] = json!("civil-registry");
                ask["dataset"] = json!("civil-registry");
                ask["query"] = json!([home()[0]]);
            })
            .await?;
        self.consent("civil-registry", wallet, &asked).await?;
        self.prove("civil-registry", &asked).await?;
        self.verified("payload: the question", "welfare", &asked).await?;
        let mut document = vec![0; PAYLOAD_BYTES];
        UnwrapErr(SysRng).fill_bytes(&mut document);
        let start = Instant::now();
        let registry = self.network.department("civil-registry");
        let sent = registry
            .send_payload(&asked.request, "extract.bin", document.as_slice(), &self.network.peers)
            .await
            .map_err(|error| DemoError::Payload(error.to_string()))?;
        self.report.spent("payload: seal, send, open, record", start);
        let welfare = self.network.department("welfare");
        let mut reader = welfare
            .open_payload(&sent.id)?
            .ok_or_else(|| outcome("payload", "a complete payload", "none"))?;
        let mut received = Vec::with_capacity(document.len());
        while let Some(piece) = reader.next().await? {
            received.extend_from_slice(&piece);
        }
        if received != document {
            return Err(outcome("payload", "the document that was sent", "another one"));
        }
        self.report.say(format_args!(
            "welfare opened {} bytes, the ones that were sent; the chain has the commitment {}…",
            received.len(),
            &sent.commitment.to_string()[..16]
        ));
        self.report.exchange("payload", "received", None);
        Ok(())
    }

    async fn withdrawn(&mut self, wallet: &Wallet) -> Result<(), DemoError> {
        self.report.chapter("Withdrawal: it reaches the chain before the proof");
        let asked = self
            .ask("welfare", |ask| {
                ask["subject"] = json!(wallet.subject);
                ask["query"][0]["predicate"] = json!({"$lt": 23 * 100_000});
            })
            .await?;
        let w = self.consent("tax", wallet, &asked).await?;
        let tax = self.network.department("tax");
        tax.record_consent(&asked.request).await?;
        tax.withdraw(&wallet.key(), &asked.request, w).await?;
        self.prove("tax", &asked).await?;
        let now = self.status("welfare", &asked).await?;
        if now.status != Status::Sent {
            return Err(outcome("withdrawal", "silence", &format!("{:?}", now.status)));
        }
        self.history(wallet).await?;
        self.report.say("no proof was made; log order decided");
        self.report.exchange("withdrawn", "not proven", None);
        Ok(())
    }

    fn proofs_and_consents(&self) -> u64 {
        use chain::entry::Kind;
        let replica = self.network.shared.ledger.snapshot();
        replica
            .state()
            .counts()
            .filter(|(kind, _)| matches!(kind, Kind::Proof | Kind::Consent))
            .map(|(_, count)| count)
            .sum()
    }
}

/// Somebody known to registry and tax who meets both conditions, or fails the one on wages.
fn choose(people: &People, eligible: bool) -> Result<Subject, DemoError> {
    let (registry, tax) = (&people["civil-registry"], &people["tax"]);
    let (registry_schema, tax_schema) = (SAMPLES[0].schema()?, SAMPLES[2].schema()?);
    let parse = |json: &Json, schema| {
        let as_of = AS_OF.parse().expect("a day");
        Query::parse(json, schema, as_of).map_err(|error| DemoError::Sample(error.to_string()))
    };
    let (home, wages) = (parse(&home(), &registry_schema)?, parse(&low_wages(), &tax_schema)?);
    registry
        .iter()
        .filter(|(_, values)| home.holds(values))
        .find(|(subject, _)| tax.get(subject).is_some_and(|values| wages.holds(values) == eligible))
        .map(|(subject, _)| *subject)
        .ok_or_else(|| DemoError::Sample("nobody meets the demo's conditions".to_owned()))
}

/// A citizen number that nobody in the sample has.
fn unknown(people: &People) -> Result<Subject, DemoError> {
    (999_999_999_000..=999_999_999_999_i64)
        .rev()
        .filter_map(|number| Subject::try_from(number).ok())
        .find(|subject| people.values().all(|records| !records.contains_key(subject)))
        .ok_or_else(|| DemoError::Sample("every number is taken".to_owned()))
}

fn check(
    request: crate::document::Request,
    schema: &circuits::schema::Schema,
) -> Result<CheckedRequest, DemoError> {
    CheckedRequest::check(request, schema, &schema_digest(schema))
        .map_err(|error| DemoError::Sample(error.to_string()))
}

/// 32 bytes that only the wallet knows, and the lock that they open.
fn withdrawal() -> (Digest, Digest) {
    let mut bytes = [0; 32];
    UnwrapErr(SysRng).fill_bytes(&mut bytes);
    let w = Digest::from_bytes(bytes);
    (w, withdrawal_lock(&w))
}

pub(super) fn outcome(step: &'static str, expected: &str, got: &str) -> DemoError {
    DemoError::Outcome { step, expected: expected.to_owned(), got: got.to_owned() }
}

fn notes(notes: &[crate::exchange::verification::Note]) -> String {
    use crate::exchange::verification::Note;
    let texts = notes.iter().map(|note| match note {
        Note::ConsentKeyEnrolledByIssuer => {
            "consent key enrolled by the issuer: consent is the issuer's word"
        }
        Note::ConsentBindsAllButIssuer => "the consent binds everyone but the issuer",
        Note::NoConsent => "no citizen consented: a law is the ground",
        Note::DevelopmentKey => "development key",
    });
    texts.collect::<Vec<_>>().join("; ")
}
