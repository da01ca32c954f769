//! The bundle of a verified answer: what the requester files.

use chain::entry::Content;
use chain::identifier::EntryId;
use chain::receipt::Receipt;
use chain::rules::State;
use crypto::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AskedRow;
use crate::bundle::{Admission, BUNDLE_FORMAT, Bundle, Receipts};
use crate::department::{Department, Internal};
use crate::document::request::LegalBasis;

impl Department {
    /// The bundle of a question of this department whose answer verified; none if there is no such
    /// question. It can be made at any time: the answer is kept here, and receipts and public documents by
    /// the ledger.
    ///
    /// It names the subject of an identified question: see [`crate::bundle`].
    ///
    /// # Errors
    /// [`Internal`] if our own side failed.
    pub async fn bundle(&self, request: &Digest) -> Result<Option<Bundle>, Internal> {
        let Some(row) = self.asked_row(request)? else { return Ok(None) };
        let AskedRow { request, subject, card, entry: Some(entry), answer: Some(answer), .. } = row
        else {
            return Ok(None);
        };
        let replica = self.chain();
        let chain = replica.state();
        let service = chain.service(&request.service).ok_or_else(|| gone("service"))?.document;
        let circuits = self.circuits().await?;
        let circuit = circuits.get(&answer.key).ok_or_else(|| gone("circuit"))?;
        let circuit_entry =
            *chain.approved_circuit(&circuit.digest()).ok_or_else(|| gone("circuit"))?;
        let named = match (&request.legal_basis, card) {
            (LegalBasis::Consent { key_card: Some(_) }, Some(card)) => {
                let digest = card.card.digest();
                let entry = chain.consent_key_of_card(&digest).ok_or_else(|| gone("key card"))?;
                Some((card, *entry))
            }
            _ => None,
        };
        let (card, consent_key) = named.unzip();
        let receipts = Receipts {
            request: self.receipt(entry).await?,
            service: self.receipt(request.service).await?,
            replaced: self.replaced(chain, request.service, answer.records).await?,
            records: self.receipt(answer.records).await?,
            consent_key: self.receipt_of(consent_key).await?,
            consent: self.receipt_of(answer.consent_entry).await?,
            circuit: self.receipt(circuit_entry).await?,
            approvals: self.approvals(chain, circuit_entry).await?,
            proof: self.receipt(answer.proof_entry).await?,
        };
        // Departments that joined after all of this have no part in it.
        let approvals = receipts.approvals.iter().map(|receipt| receipt.index);
        let end = approvals.fold(receipts.proof.index, u64::max);
        Ok(Some(Bundle {
            format: BUNDLE_FORMAT.to_owned(),
            network: *chain.network(),
            subject,
            card,
            service: self.public(service).await?,
            circuit: circuit.clone(),
            departments: self.admissions(chain, end).await?,
            receipts,
            request,
            answer,
        }))
    }

    async fn receipt(&self, entry: EntryId) -> Result<Receipt, Internal> {
        self.shared.ledger.receipt(entry).await?.ok_or_else(|| gone("entry"))
    }

    async fn receipt_of(&self, entry: Option<EntryId>) -> Result<Option<Receipt>, Internal> {
        Ok(match entry {
            Some(entry) => Some(self.receipt(entry).await?),
            None => None,
        })
    }

    async fn public<T: Serialize + DeserializeOwned>(&self, digest: Digest) -> Result<T, Internal> {
        self.document(digest).await?.ok_or_else(|| gone("public document"))
    }

    /// The services from the younger to the older of the one that was asked and the one that the records
    /// name; none if they are one.
    async fn replaced(
        &self,
        chain: &State,
        asked: EntryId,
        records: EntryId,
    ) -> Result<Vec<Receipt>, Internal> {
        let records = self.receipt(records).await?;
        let Content::Records { service, .. } = *records.entry.content() else {
            return Err(gone("records"));
        };
        if service == asked {
            return Ok(Vec::new());
        }
        let index = |entry| chain.position(&entry).map(|position| position.index);
        let (young, old) =
            if index(service) > index(asked) { (service, asked) } else { (asked, service) };
        let mut receipts = vec![self.receipt(young).await?];
        let mut entry = young;
        while entry != old {
            let Some(Content::Service { replaces: Some(replaced), .. }) =
                receipts.last().map(|receipt| receipt.entry.content())
            else {
                return Err(gone("replaced service"));
            };
            entry = *replaced;
            receipts.push(self.receipt(entry).await?);
        }
        Ok(receipts)
    }

    /// The approvals of an approved entry, up to the one with which they were enough.
    async fn approvals(&self, chain: &State, entry: EntryId) -> Result<Vec<Receipt>, Internal> {
        let ballot = chain.ballot(&entry).ok_or_else(|| gone("ballot"))?;
        let enough = ballot.approved.ok_or_else(|| gone("approval"))?.index;
        let mut receipts = Vec::new();
        for by in ballot.approvals() {
            let approval = Content::Approval { entry }.entry_id(chain.network(), by);
            let needed = chain.position(&approval).is_some_and(|it| it.index <= enough);
            if needed {
                receipts.push(self.receipt(approval).await?);
            }
        }
        receipts.sort_by_key(|receipt| receipt.index);
        Ok(receipts)
    }

    /// The documents that departments were given before `end` in the log, in the order of their approval.
    async fn admissions(&self, chain: &State, end: u64) -> Result<Vec<Admission>, Internal> {
        let mut admissions = Vec::new();
        for member in chain.members() {
            let mut next = member.entry;
            while let Some(entry) = next {
                let receipt = self.receipt(entry).await?;
                let Content::Department { document, replaces } = *receipt.entry.content() else {
                    return Err(gone("department"));
                };
                next = replaces;
                let approved = chain.ballot(&entry).and_then(|ballot| ballot.approved);
                let approved = approved.ok_or_else(|| gone("approval"))?.index;
                if approved < end {
                    let document = self.public(document).await?;
                    let approvals = self.approvals(chain, entry).await?;
                    admissions.push((approved, Admission { document, receipt, approvals }));
                }
            }
        }
        admissions.sort_by_key(|(approved, _)| *approved);
        Ok(admissions.into_iter().map(|(_, admission)| admission).collect())
    }
}

fn gone(what: &str) -> Internal {
    Internal::Damaged(format!("a verified answer rests on a {what} that is not on the chain"))
}
