//! The receipts of a bundle, each verified against the genesis.

use std::collections::BTreeMap;

use chain::department::Department;
use chain::genesis::Genesis;
use chain::identifier::BlockHash;
use chain::receipt::{Receipt, Verified};

use super::{Admission, Bundle, BundleError, Part, Receipts};

/// What a bundle's receipts show.
#[derive(Debug)]
pub(super) struct Parts<'b> {
    pub(super) request: Verified,
    pub(super) service: Verified,
    pub(super) replaced: Vec<Verified>,
    pub(super) records: Verified,
    pub(super) consent_key: Option<Verified>,
    pub(super) consent: Option<Verified>,
    pub(super) circuit: Verified,
    pub(super) approvals: Vec<Verified>,
    pub(super) proof: Verified,
    pub(super) admissions: Vec<ShownAdmission<'b>>,
    /// One validator alone certified some of it.
    pub(super) single_operator: bool,
}

/// What the receipts of an [`Admission`] show.
#[derive(Debug)]
pub(super) struct ShownAdmission<'b> {
    pub(super) document: &'b Department,
    pub(super) shown: Verified,
    pub(super) approvals: Vec<Verified>,
}

impl<'b> Parts<'b> {
    /// Verifies every receipt, and that no two of them are of different chains.
    pub(super) fn verify(bundle: &'b Bundle, genesis: &Genesis) -> Result<Self, BundleError> {
        let mut reader = Reader { genesis, blocks: BTreeMap::new(), single_operator: false };
        let mut show = |part, receipt: &Receipt| reader.show(part, receipt);
        let Receipts { request, service, records, circuit, proof, .. } = &bundle.receipts;
        let approval = |receipt: &Receipt| Part::CircuitApproval(*receipt.entry.author());
        let mut parts = Self {
            request: show(Part::Request, request)?,
            service: show(Part::Service, service)?,
            replaced: Vec::new(),
            records: show(Part::Records, records)?,
            consent_key: None,
            consent: None,
            circuit: show(Part::Circuit, circuit)?,
            approvals: Vec::new(),
            proof: show(Part::Proof, proof)?,
            admissions: Vec::new(),
            single_operator: false,
        };
        for receipt in &bundle.receipts.replaced {
            parts.replaced.push(show(Part::ReplacedService, receipt)?);
        }
        if let Some(receipt) = &bundle.receipts.consent_key {
            parts.consent_key = Some(show(Part::KeyCard, receipt)?);
        }
        if let Some(receipt) = &bundle.receipts.consent {
            parts.consent = Some(show(Part::Consent, receipt)?);
        }
        for receipt in &bundle.receipts.approvals {
            parts.approvals.push(show(approval(receipt), receipt)?);
        }
        for Admission { document, receipt, approvals } in &bundle.departments {
            let department = document.id;
            let part = |receipt: &Receipt| {
                let by = *receipt.entry.author();
                Part::DepartmentApproval { department, by }
            };
            parts.admissions.push(ShownAdmission {
                document,
                shown: show(Part::Department(department), receipt)?,
                approvals: approvals
                    .iter()
                    .map(|it| show(part(it), it))
                    .collect::<Result<_, _>>()?,
            });
        }
        parts.single_operator = reader.single_operator;
        Ok(parts)
    }
}

struct Reader<'g> {
    genesis: &'g Genesis,
    /// The block of each height, as the receipts so far have it.
    blocks: BTreeMap<u64, BlockHash>,
    single_operator: bool,
}

impl Reader<'_> {
    fn show(&mut self, part: Part, receipt: &Receipt) -> Result<Verified, BundleError> {
        let shown =
            receipt.verify(self.genesis).map_err(|error| BundleError::Receipt { part, error })?;
        self.single_operator |= shown.single_operator;
        let hand_overs = receipt.header.hand_overs.iter().map(|it| &it.header);
        let blocks = hand_overs.map(|header| (header.height, header.hash()));
        for (height, block) in blocks.chain([(shown.height, shown.block)]) {
            if *self.blocks.entry(height).or_insert(block) != block {
                return Err(BundleError::Fork { part, height });
            }
        }
        Ok(shown)
    }
}
