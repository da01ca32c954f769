//! What an entry says: its kind, its digest, and references whose meaning the kind fixes.

use std::fmt;

use crypto::Digest;
use serde::Serialize;

use super::REFERENCES;
use crate::codec::DecodeError;
use crate::identifier::EntryId;

const REQUEST_LABEL: &str = "proofgate/v1/request";
const SALTED_LABEL: &str = "proofgate/v1/salted";
const WITHDRAWAL_LOCK_LABEL: &str = "proofgate/v1/withdrawal-lock";

/// `lock = SHA-256(label ‖ w)`, labelled and length-prefixed.
///
/// The lock in a `consent` entry, which only the wallet that drew the 32 random bytes `w` can open.
pub fn withdrawal_lock(w: &Digest) -> Digest {
    Digest::labelled(WITHDRAWAL_LOCK_LABEL, &[w.as_bytes()])
}

/// `labelled("proofgate/v1/request", digest of the request document)`: what a `request` entry holds. The
/// document covers a nonce of 128 random bits.
pub fn request_digest(document: &Digest) -> Digest {
    Digest::labelled(REQUEST_LABEL, &[document.as_bytes()])
}

/// `labelled("proofgate/v1/salted", kind ‖ salt ‖ digest)`: what a `consent-key`, `consent`, `proof` or
/// `payload-sent` entry holds. `salt` is 32 random bytes, kept by those who may open it.
pub fn salted_digest(kind: Kind, salt: &Digest, digest: &Digest) -> Digest {
    let parts: [&[u8]; 3] = [kind.as_str().as_bytes(), salt.as_bytes(), digest.as_bytes()];
    Digest::labelled(SALTED_LABEL, &parts)
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $byte:literal, $text:literal;)*) => {
        /// The kinds of entries, by the byte that encodes them.
        #[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name = $byte,)*
        }

        impl Kind {
            /// All kinds, in the order of their bytes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind that `byte` encodes.
            ///
            /// # Errors
            /// [`DecodeError::Field`] for any other byte.
            pub const fn from_byte(byte: u8) -> Result<Self, DecodeError> {
                match byte {
                    $($byte => Ok(Self::$name),)*
                    _ => Err(DecodeError::Field { field: "kind" }),
                }
            }

            /// The kind's name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// A department joins, or its document is replaced.
    Department = 1, "department";
    /// A circuit with its verifying key.
    Circuit = 2, "circuit";
    /// The next validator set.
    Validators = 3, "validators";
    /// A department approves a `department`, `circuit` or `validators` entry.
    Approval = 4, "approval";
    /// What an issuer answers about a dataset, to whom.
    Service = 5, "service";
    /// A citizen's consent key, enrolled by a registrar.
    ConsentKey = 6, "consent-key";
    /// The root of a dataset's records.
    Records = 7, "records";
    /// A requester has asked.
    Request = 8, "request";
    /// A citizen has consented to a request.
    Consent = 9, "consent";
    /// A citizen has withdrawn a consent.
    Withdrawal = 10, "withdrawal";
    /// An issuer has answered a request.
    Proof = 11, "proof";
    /// A sealed document has been sent under an answered request.
    PayloadSent = 12, "payload-sent";
    /// A sealed document has been received.
    PayloadReceived = 13, "payload-received";
}

impl Kind {
    /// The byte that encodes the kind.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// Whether the digest is that of a public document, which must come with the entry and is served by
    /// digest.
    pub const fn has_document(self) -> bool {
        matches!(self, Self::Department | Self::Circuit | Self::Validators | Self::Service)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What an entry says. Kinds and references in one type: what a kind has no use for cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A department joins, or replaces its document. Counts when approved.
    Department {
        /// Digest of the department document.
        document: Digest,
        /// The approved `department` entry that it replaces; none for a new or a founding department.
        replaces: Option<EntryId>,
    },
    /// A circuit. Usable when approved.
    Circuit {
        /// Digest of the circuit document.
        document: Digest,
    },
    /// The next validator set. In force two heights after its approval.
    Validators {
        /// Digest of the validator-set document.
        document: Digest,
    },
    /// The author approves an entry.
    Approval {
        /// The approved entry.
        entry: EntryId,
    },
    /// What the author answers about one of its datasets. The first service of a chain of replacements
    /// names the dataset.
    Service {
        /// Digest of the service document.
        document: Digest,
        /// The author's current service for the same dataset; none for a new dataset.
        replaces: Option<EntryId>,
    },
    /// A registrar enrols a citizen's consent key.
    ConsentKey {
        /// Salted digest of the key card.
        card: Digest,
        /// The same registrar's card that this one replaces.
        replaces: Option<EntryId>,
    },
    /// The records of a dataset changed.
    Records {
        /// The root of the record tree.
        root: Digest,
        /// The dataset's current service.
        service: EntryId,
        /// The dataset's current `records` entry; none if this is its first.
        previous: Option<EntryId>,
    },
    /// The author asks.
    Request {
        /// Labelled digest of the request document's digest.
        request: Digest,
    },
    /// A citizen consents.
    Consent {
        /// Salted digest of the consent record.
        record: Digest,
        /// [`withdrawal_lock`] of 32 bytes that only the wallet knows.
        lock: Digest,
        /// The request consented to.
        request: EntryId,
    },
    /// A citizen withdraws a consent.
    Withdrawal {
        /// The 32 bytes that open the consent's lock.
        w: Digest,
        /// The consent.
        consent: EntryId,
    },
    /// The author answers a request.
    Proof {
        /// Salted digest of circuit, key, inputs and proof.
        record: Digest,
        /// The answered request.
        request: EntryId,
        /// The consent, or (statutory) the author's service.
        basis: EntryId,
        /// The `records` entry whose root the proof is about.
        records: EntryId,
    },
    /// The author has sent a sealed document.
    PayloadSent {
        /// Salted commitment to the ciphertext.
        commitment: Digest,
        /// The `proof` entry under which it is sent: it goes between that proof's author and whoever asked.
        proof: EntryId,
    },
    /// The author has received a sealed document.
    PayloadReceived {
        /// The commitment that the sender put on the chain.
        commitment: Digest,
        /// The `payload-sent` entry.
        sent: EntryId,
    },
}

/// An absent reference.
const NONE: [u8; 32] = [0; 32];

impl Content {
    /// The kind of what is said.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Department { .. } => Kind::Department,
            Self::Circuit { .. } => Kind::Circuit,
            Self::Validators { .. } => Kind::Validators,
            Self::Approval { .. } => Kind::Approval,
            Self::Service { .. } => Kind::Service,
            Self::ConsentKey { .. } => Kind::ConsentKey,
            Self::Records { .. } => Kind::Records,
            Self::Request { .. } => Kind::Request,
            Self::Consent { .. } => Kind::Consent,
            Self::Withdrawal { .. } => Kind::Withdrawal,
            Self::Proof { .. } => Kind::Proof,
            Self::PayloadSent { .. } => Kind::PayloadSent,
            Self::PayloadReceived { .. } => Kind::PayloadReceived,
        }
    }

    /// The entry's digest field.
    pub const fn digest(&self) -> &Digest {
        match self {
            Self::Department { document: digest, .. }
            | Self::Circuit { document: digest }
            | Self::Validators { document: digest }
            | Self::Service { document: digest, .. }
            | Self::ConsentKey { card: digest, .. }
            | Self::Records { root: digest, .. }
            | Self::Request { request: digest }
            | Self::Consent { record: digest, .. }
            | Self::Withdrawal { w: digest, .. }
            | Self::Proof { record: digest, .. }
            | Self::PayloadSent { commitment: digest, .. }
            | Self::PayloadReceived { commitment: digest, .. } => digest,
            Self::Approval { entry } => entry.as_digest(),
        }
    }

    /// The entry's reference fields, zero where unused.
    pub fn references(&self) -> [[u8; 32]; REFERENCES] {
        let optional = |entry: &Option<EntryId>| entry.map_or(NONE, |entry| *entry.as_bytes());
        match self {
            Self::Circuit { .. }
            | Self::Validators { .. }
            | Self::Approval { .. }
            | Self::Request { .. } => [NONE; REFERENCES],
            Self::Department { replaces, .. }
            | Self::Service { replaces, .. }
            | Self::ConsentKey { replaces, .. } => [optional(replaces), NONE, NONE],
            Self::Records { service, previous, .. } => {
                [*service.as_bytes(), optional(previous), NONE]
            }
            Self::Consent { lock, request, .. } => [*lock.as_bytes(), *request.as_bytes(), NONE],
            Self::Withdrawal { consent, .. } => [*consent.as_bytes(), NONE, NONE],
            Self::Proof { request, basis, records, .. } => {
                [*request.as_bytes(), *basis.as_bytes(), *records.as_bytes()]
            }
            Self::PayloadSent { proof, .. } => [*proof.as_bytes(), NONE, NONE],
            Self::PayloadReceived { sent, .. } => [*sent.as_bytes(), NONE, NONE],
        }
    }

    /// Puts an entry's fields together under the meaning that `kind` gives them.
    pub(super) fn from_parts(
        kind: Kind,
        digest: Digest,
        references: [[u8; 32]; REFERENCES],
    ) -> Result<Self, DecodeError> {
        let fields = Fields { references };
        Ok(match kind {
            Kind::Department => {
                fields.unused_from(1)?;
                Self::Department { document: digest, replaces: fields.optional(0) }
            }
            Kind::Circuit => {
                fields.unused_from(0)?;
                Self::Circuit { document: digest }
            }
            Kind::Validators => {
                fields.unused_from(0)?;
                Self::Validators { document: digest }
            }
            Kind::Approval => {
                fields.unused_from(0)?;
                Self::Approval { entry: EntryId::from_digest(digest) }
            }
            Kind::Service => {
                fields.unused_from(1)?;
                Self::Service { document: digest, replaces: fields.optional(0) }
            }
            Kind::ConsentKey => {
                fields.unused_from(1)?;
                Self::ConsentKey { card: digest, replaces: fields.optional(0) }
            }
            Kind::Records => {
                fields.unused_from(2)?;
                Self::Records {
                    root: digest,
                    service: fields.required(0)?,
                    previous: fields.optional(1),
                }
            }
            Kind::Request => {
                fields.unused_from(0)?;
                Self::Request { request: digest }
            }
            Kind::Consent => {
                fields.unused_from(2)?;
                let lock = *fields.required(0)?.as_digest();
                Self::Consent { record: digest, lock, request: fields.required(1)? }
            }
            Kind::Withdrawal => {
                fields.unused_from(1)?;
                Self::Withdrawal { w: digest, consent: fields.required(0)? }
            }
            Kind::Proof => Self::Proof {
                record: digest,
                request: fields.required(0)?,
                basis: fields.required(1)?,
                records: fields.required(2)?,
            },
            Kind::PayloadSent => {
                fields.unused_from(1)?;
                Self::PayloadSent { commitment: digest, proof: fields.required(0)? }
            }
            Kind::PayloadReceived => {
                fields.unused_from(1)?;
                Self::PayloadReceived { commitment: digest, sent: fields.required(0)? }
            }
        })
    }
}

struct Fields {
    references: [[u8; 32]; REFERENCES],
}

impl Fields {
    fn optional(&self, place: usize) -> Option<EntryId> {
        let reference = self.references[place];
        (reference != NONE).then(|| EntryId::from_digest(Digest::from_bytes(reference)))
    }

    fn required(&self, place: usize) -> Result<EntryId, DecodeError> {
        self.optional(place).ok_or(DecodeError::MissingReference { place })
    }

    fn unused_from(&self, first: usize) -> Result<(), DecodeError> {
        match (first..REFERENCES).find(|place| self.references[*place] != NONE) {
            Some(place) => Err(DecodeError::UnusedReference { place }),
            None => Ok(()),
        }
    }
}
