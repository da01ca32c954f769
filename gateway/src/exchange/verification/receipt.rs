//! The receipts of the entries that an answer rests on.
//!
//! The other duties read the requester's copy of the chain. A receipt shows with nothing but the genesis
//! that the network's validators stand for what that copy says, so that whoever files it can hold them to
//! it, offline and without this gateway.

use chain::genesis::Genesis;
use chain::identifier::EntryId;
use chain::receipt::{Receipt, ReceiptError};
use thiserror::Error;

use super::Note;

/// Why an entry's receipt does not hold.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptRefusal {
    /// The ledger has none.
    #[error("there is no receipt of entry {entry}")]
    Missing {
        /// The entry.
        entry: EntryId,
    },
    /// It holds, for another entry.
    #[error("the receipt of entry {entry} is one of {got}")]
    OtherEntry {
        /// The entry.
        entry: EntryId,
        /// The entry that it is of.
        got: EntryId,
    },
    /// The genesis' validators do not stand for it.
    #[error("the receipt of entry {entry}: {error}")]
    Invalid {
        /// The entry.
        entry: EntryId,
        /// What is wrong with the receipt.
        error: ReceiptError,
    },
}

impl ReceiptRefusal {
    /// A stable name of the failed check; a wrong receipt's is the chain's, one for all certificates.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "receipt-missing",
            Self::OtherEntry { .. } => "receipt-other-entry",
            Self::Invalid { error: ReceiptError::Certificate { .. }, .. } => "receipt-certificate",
            Self::Invalid { error, .. } => error.code(),
        }
    }
}

/// Checks that each entry has a receipt, that the receipt is of that very entry, and that the validators
/// of `genesis` certified it. Returns what a reader must be told of them.
///
/// # Errors
/// [`ReceiptRefusal`] of the first entry whose receipt does not hold.
pub fn check<'r>(
    receipts: impl IntoIterator<Item = (&'r EntryId, Option<&'r Receipt>)>,
    genesis: &Genesis,
) -> Result<Option<Note>, ReceiptRefusal> {
    let mut note = None;
    for (&entry, receipt) in receipts {
        let receipt = receipt.ok_or(ReceiptRefusal::Missing { entry })?;
        let shown = receipt.verify(genesis);
        let shown = shown.map_err(|error| ReceiptRefusal::Invalid { entry, error })?;
        if shown.id != entry {
            return Err(ReceiptRefusal::OtherEntry { entry, got: shown.id });
        }
        if shown.single_operator {
            note = Some(Note::SingleOperator);
        }
    }
    Ok(note)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chain::block::{Certificate, Precommit};
    use chain::entry::{Content, Entry};
    use chain::genesis::{GENESIS_FORMAT, NetworkFacts, SubjectIdentifier};
    use chain::log::{InclusionProof, leaf_hash};
    use chain::receipt::CertifiedHeader;
    use chain::replica::Replica;
    use chain::time::Timestamp;
    use chain::validators::Validator;
    use crypto::{Digest, Secret, SigningKey};

    use super::*;

    fn key(number: u8) -> SigningKey {
        SigningKey::from_seed(&Secret::new([number; 32]))
    }

    fn department() -> chain::department::Department {
        chain::department::Department {
            id: "welfare".parse().unwrap(),
            name: "Welfare".parse().unwrap(),
            url: "http://welfare.example".parse().unwrap(),
            signing_key: key(0).verifying_key(),
            hpke_key: "0a".repeat(32).parse().unwrap(),
            roles: Vec::new().into_iter().collect(),
        }
    }

    /// The only entry of a chain that `validators` certify, and its receipt.
    fn certified_by(validators: u8) -> (Arc<Genesis>, EntryId, Receipt) {
        let validators: Vec<_> = (1..=validators).collect();
        let validator = |number: &u8| Validator {
            id: format!("gateway-{number}").parse().unwrap(),
            name: "A gateway".parse().unwrap(),
            key: key(*number).verifying_key(),
        };
        let facts = NetworkFacts {
            format: GENESIS_FORMAT.to_owned(),
            name: "network.example/test".parse().unwrap(),
            nonce: Digest::of(b"receipt tests"),
            subject_identifier: SubjectIdentifier {
                kind: "citizen number".parse().unwrap(),
                normal_form: "12 digits".parse().unwrap(),
            },
            records_grace_seconds: 0,
            departments: vec![department()],
            validators: validators.iter().map(validator).collect(),
            cosigners: Vec::new(),
        };
        let genesis = Arc::new(Genesis::new(facts).unwrap());
        let content = Content::Request { request: Digest::of(b"request") };
        let entry = Entry::sign(genesis.network(), department().id, content, &key(0));
        let mut draft = Replica::new(Arc::clone(&genesis)).draft(Timestamp::from_unix_seconds(1));
        let id = draft.push(&entry, None).unwrap();
        let header = *draft.seal("gateway-1".parse().unwrap()).block().header();
        let precommit = Precommit::new(&header, 0);
        let sign = |number: &u8| (validator(number).id, precommit.sign(&key(*number)));
        let certificate = Certificate::new(0, validators.iter().map(sign).collect()).unwrap();
        let receipt = Receipt {
            entry,
            index: 0,
            inclusion: InclusionProof::new([leaf_hash(&entry)].as_slice(), 1, 0).unwrap(),
            header: CertifiedHeader { header, certificate, hand_overs: Vec::new() },
        };
        (genesis, id, receipt)
    }

    #[test]
    fn one_operator_alone_is_told_and_several_are_not() {
        for (validators, note) in [(1, Some(Note::SingleOperator)), (2, None), (4, None)] {
            let (genesis, id, receipt) = certified_by(validators);
            assert_eq!(check([(&id, Some(&receipt))], &genesis), Ok(note), "{validators}");
        }
        let (genesis, ..) = certified_by(1);
        assert_eq!(check([], &genesis), Ok(None));
    }

    #[test]
    fn each_entry_needs_a_receipt_of_its_own() {
        let (genesis, id, receipt) = certified_by(1);
        let other = EntryId::from_digest(Digest::of(b"another entry"));
        let code = |receipts: &[(&EntryId, Option<&Receipt>)]| {
            check(receipts.iter().copied(), &genesis).map_err(|error| error.code())
        };
        let good = (&id, Some(&receipt));
        assert_eq!(code(&[good, (&other, None)]), Err("receipt-missing"));
        assert_eq!(code(&[good, (&other, Some(&receipt))]), Err("receipt-other-entry"));
        let mut moved = receipt.clone();
        moved.index = 1;
        assert_eq!(code(&[good, (&id, Some(&moved))]), Err("receipt-not-in-block"));
        assert_eq!(code(&[good, good]), Ok(Some(Note::SingleOperator)));
    }
}
