//! The chapters that the demo plays.

mod identified;
pub(super) mod payload;
mod pseudonymous;
mod silence;
mod statutory;
mod withdrawal;

use std::time::Instant;

use serde_json::{Value as Json, json};

use super::attacks;
use super::citizen::Citizen;
use super::founding::Founded;
use super::network::Network;
use super::people::{AS_OF, Cast, Datasets, wages_below};
use super::report::Report;
use super::sample::TAX;
use super::{DemoError, outcome};
use crate::http::BaseUrl;
use crate::http::local::{Ask, Asked, AskedStatus};

/// How long questions that nobody answers may wait, in seconds: enough for a slow machine to ask and
/// answer three of them.
const BRIEF_SECONDS: u64 = 8;

/// The play: a network, who plays, and what is told.
pub(super) struct Play<'n> {
    pub(super) founded: &'n Founded,
    pub(super) network: &'n Network,
    pub(super) base: &'n BaseUrl,
    pub(super) datasets: &'n Datasets,
    pub(super) report: &'n mut Report,
    pub(super) cast: Cast,
    /// Meets the conditions.
    pub(super) eligible: Citizen,
    /// Does not meet the one on wages.
    pub(super) earner: Citizen,
    /// The next threshold that nobody has asked for, in steps.
    next_threshold: u64,
}

impl<'n> Play<'n> {
    /// Plays everything.
    pub(super) async fn run(
        founded: &'n Founded,
        network: &'n Network,
        base: &'n BaseUrl,
        datasets: &'n Datasets,
        report: &'n mut Report,
    ) -> Result<(), DemoError> {
        let cast = Cast::choose(datasets)?;
        report.chapter("Three people get wallets; the registrar enrols their keys");
        let start = Instant::now();
        let enrol = |name, subject| Citizen::enrol(name, subject, founded, network, base);
        let eligible = enrol("eligible", cast.eligible).await?;
        let earner = enrol("earner", cast.earner).await?;
        enrol("unknown", cast.unknown).await?;
        report.spent("enrol", start);
        report.say("their cards are on the chain as digests; tax has no record of one of them");
        let next_threshold = cast.threshold;
        let mut play = Self {
            founded,
            network,
            base,
            datasets,
            report,
            cast,
            eligible,
            earner,
            next_threshold,
        };
        identified::play(&mut play).await?;
        pseudonymous::play(&mut play).await?;
        silence::play(&mut play).await?;
        statutory::play(&mut play).await?;
        payload::play(&mut play).await?;
        withdrawal::play(&mut play).await?;
        attacks::play(&mut play).await
    }

    /// Asks as a department's own system. `change` makes the question from one about wages.
    pub(super) async fn ask(
        &mut self,
        requester: &str,
        change: impl FnOnce(&mut Json),
    ) -> Result<Asked, DemoError> {
        let mut ask = json!({
            "issuer": TAX, "dataset": TAX, "query": wages_below(self.cast.threshold),
            "purpose": "benefit-eligibility", "legal_basis": {"kind": "consent"},
            "as_of": AS_OF, "expires_in": 3_600
        });
        change(&mut ask);
        let ask: Ask = serde_json::from_value(ask)
            .map_err(|error| outcome("ask", "a question", &error.to_string()))?;
        Ok(self.network.system(requester).ask(&ask, None).await?)
    }

    /// A question about wages that was not asked before, and that whoever is eligible meets.
    pub(super) fn fresh_wages(&mut self) -> Json {
        self.next_threshold += 1;
        wages_below(self.next_threshold)
    }

    /// The answer to a question, which must be verified.
    pub(super) async fn verified(
        &mut self,
        step: &'static str,
        requester: &str,
        asked: &Asked,
    ) -> Result<Asked, DemoError> {
        let now = self.ended(step, requester, asked, "verified", &AskedStatus::Verified).await?;
        self.report.say(format_args!("{requester}: verified ({})", now.notes.join(", ")));
        Ok(now)
    }

    /// The end of a question that nobody may answer.
    pub(super) async fn not_proven(
        &mut self,
        step: &'static str,
        requester: &str,
        asked: &Asked,
    ) -> Result<Asked, DemoError> {
        self.ended(step, requester, asked, "not proven", &AskedStatus::NotProven).await
    }

    /// The end of a question, which must be the expected one.
    async fn ended(
        &mut self,
        step: &'static str,
        requester: &str,
        asked: &Asked,
        name: &str,
        expected: &AskedStatus,
    ) -> Result<Asked, DemoError> {
        let now = self.network.outcome(requester, asked).await?;
        if now.status != *expected {
            return Err(outcome(step, name, &format!("{:?}", now.status)));
        }
        self.report.exchange(step, name, None);
        Ok(now)
    }
}
