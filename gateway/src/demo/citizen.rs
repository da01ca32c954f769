//! Citizens with their wallets, which speak nothing but the citizen surface.

use std::sync::Arc;

use chain::identifier::DepartmentId;
use chain::time::SystemClock;
use crypto::Digest;
use getrandom::SysRng;
use rand_core::UnwrapErr;

use super::founding::Founded;
use super::network::Network;
use super::report::Report;
use super::sample::{REGISTRY, SAMPLES};
use super::{DemoError, outcome};
use crate::document::request::Nonce;
use crate::http::BaseUrl;
use crate::http::local::{Asked, SubjectText};
use crate::subject::Subject;
use crate::wallet::{OnChain, Past, Question, Wallet};

/// A citizen with an enrolled wallet.
#[derive(Debug)]
pub(super) struct Citizen {
    pub(super) subject: Subject,
    wallet: Wallet<UnwrapErr<SysRng>>,
}

impl Citizen {
    /// Makes a wallet, has the registrar enrol its key, and brings the card to every department.
    pub(super) async fn enrol(
        name: &str,
        subject: Subject,
        founded: &Founded,
        network: &Network,
        base: &BaseUrl,
    ) -> Result<Self, DemoError> {
        let folder = founded.wallet_folder(name);
        let mut wallet = Wallet::create(&folder, Arc::new(SystemClock), UnwrapErr(SysRng))?;
        for sample in &SAMPLES {
            wallet.remember(id(sample.id), base.clone())?;
        }
        // The clerk has seen the citizen's papers, and hands over a code.
        let text = SubjectText(subject.into());
        let code = network.system(REGISTRY).enrolment_code(text).await?.code;
        let code = Nonce::try_from(code)
            .map_err(|error| outcome("enrolment", "a code", &error.to_string()))?;
        // From the clerk too: by it the wallet checks the registrar's signature and the chain.
        wallet.trust((*founded.genesis).clone())?;
        wallet.enrol(id(REGISTRY), subject, code, None).await?;
        for sample in &SAMPLES {
            wallet.present(id(sample.id)).await?;
        }
        Ok(Self { subject, wallet })
    }

    /// Reads a question that waits, shows it, signs it and sends the signature.
    pub(super) async fn consent(
        &mut self,
        issuer: &str,
        asked: &Asked,
        report: &Report,
    ) -> Result<(), DemoError> {
        let question = self.question(issuer, &asked.request).await?;
        show(&question, report);
        self.wallet.approve(&question).await?;
        Ok(())
    }

    /// Takes a pseudonymous question's offer to its issuer, with a signature.
    pub(super) async fn take_offer(
        &mut self,
        offer: serde_json::Value,
        report: &Report,
    ) -> Result<(), DemoError> {
        let offer = serde_json::from_value(offer)
            .map_err(|error| outcome("pseudonymous", "an offer", &error.to_string()))?;
        let question = self.wallet.read_offer(offer)?;
        show(&question, report);
        self.wallet.approve(&question).await?;
        Ok(())
    }

    /// Refuses a question.
    pub(super) async fn refuse(&mut self, issuer: &str, asked: &Asked) -> Result<(), DemoError> {
        self.wallet.refuse(id(issuer), asked.request).await?;
        Ok(())
    }

    /// Withdraws a consent; how the issuer says that the question stands then.
    pub(super) async fn withdraw(&mut self, asked: &Asked) -> Result<String, DemoError> {
        Ok(self.wallet.withdraw(asked.request).await?.state)
    }

    /// Tells what the issuer says happened with the citizen's records by one question: how it ended.
    pub(super) async fn history(
        &mut self,
        issuer: &str,
        of: &Digest,
        report: &Report,
    ) -> Result<Option<String>, DemoError> {
        let mut found = None;
        for Past { told: past, consent } in self.wallet.history(id(issuer)).await?.exchanges {
            if let OnChain::Wrong(fault) = consent {
                return Err(outcome("history", "the citizen's own consents", &fault.to_string()));
            }
            let end = past.silence.unwrap_or(past.state);
            if past.request == *of {
                report.say(format_args!(
                    "citizen's history at {issuer}: {} asked whether {} (ground: {}): {end}",
                    past.requester,
                    past.condition.join("; "),
                    past.legal_basis
                ));
                found = Some(end);
            }
        }
        Ok(found)
    }

    async fn question(&mut self, issuer: &str, request: &Digest) -> Result<Question, DemoError> {
        for question in self.wallet.pending(id(issuer)).await? {
            let question = question.map_err(crate::wallet::WalletError::from)?;
            if question.checked().digest() == request {
                return Ok(question);
            }
        }
        Err(outcome("consent", "a question that waits", "none"))
    }
}

fn show(question: &Question, report: &Report) {
    let request = question.checked().request();
    report.say(format_args!(
        "wallet: {} asks {} for {}: whether {}; signing",
        question.requester_name().unwrap_or(request.requester.as_str()),
        request.issuer,
        request.purpose,
        question.checked().query().describe()
    ));
}

pub(super) fn id(department: &str) -> DepartmentId {
    department.parse().expect("the demo's names are well formed")
}
