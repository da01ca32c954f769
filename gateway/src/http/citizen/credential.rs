//! The `Proofgate-Citizen` header: a consent key's signature over one request.

use std::fmt;
use std::str::FromStr;

use ::http::HeaderMap;
use crypto::Digest;
use thiserror::Error;

use super::CitizenApi;
use crate::http::hex_bytes::HexBytes;
use crate::http::problem::Problem;
use crate::http::signature::NonceError;

/// The header's name.
pub const CREDENTIAL_HEADER: &str = "proofgate-citizen";
/// How far the wallet's clock and ours may be apart, in seconds.
pub const CREATED_SKEW: u64 = 60;
/// Label of what is signed.
const LABEL: &str = "proofgate/v1/citizen-request";

/// A consent key: the coordinates `x ‖ y`, big-endian. Not known to be a point.
pub type ConsentKeyBytes = HexBytes<64>;
/// A consent key's signature: `R8.x ‖ R8.y ‖ S`. Not known to be one.
pub type ConsentSignatureBytes = HexBytes<96>;

/// `key=…, created=…, nonce=…, signature=…`, in this order and spelling.
///
/// What it claims is checked by [`Self::check_time`] and then by the surface, which alone makes a
/// [`VerifiedCitizen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CitizenCredential {
    /// Whose request this is.
    pub key: ConsentKeyBytes,
    /// When it was signed, in seconds since 1970.
    pub created: u64,
    /// What makes it this request and not the same one again.
    pub nonce: HexBytes<16>,
    /// The signature over [`SignedCall::message`].
    pub signature: ConsentSignatureBytes,
}

impl fmt::Display for CitizenCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, created, nonce, signature } = self;
        write!(f, "key={key}, created={created}, nonce={nonce}, signature={signature}")
    }
}

impl FromStr for CitizenCredential {
    type Err = CredentialError;

    fn from_str(text: &str) -> Result<Self, CredentialError> {
        let mut parts = text.split(", ");
        let mut part = |name: &str| {
            let value = parts.next()?.strip_prefix(name)?.strip_prefix('=');
            value.map(str::to_owned)
        };
        let (key, created) = (part("key"), part("created"));
        let (nonce, signature) = (part("nonce"), part("signature"));
        let read = || {
            Some(Self {
                key: key?.parse().ok()?,
                created: created?.parse().ok()?,
                nonce: nonce?.parse().ok()?,
                signature: signature?.parse().ok()?,
            })
        };
        // Written again it must be the same: one value, one spelling, and nothing after it.
        read().filter(|read| read.to_string() == text).ok_or(CredentialError::Header)
    }
}

impl CitizenCredential {
    /// The credential in a request's header.
    ///
    /// # Errors
    /// [`CredentialError::Header`] if there is not exactly one.
    pub fn of(headers: &HeaderMap) -> Result<Self, CredentialError> {
        let mut values = headers.get_all(CREDENTIAL_HEADER).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().map_err(|_| CredentialError::Header)?.parse(),
            _ => Err(CredentialError::Header),
        }
    }

    /// Checks that it was signed within [`CREATED_SKEW`] of `now`.
    ///
    /// # Errors
    /// [`CredentialError::Stale`] or [`CredentialError::Future`] if not.
    pub fn check_time(&self, now: u64) -> Result<(), CredentialError> {
        if self.created > now.saturating_add(CREATED_SKEW) {
            return Err(CredentialError::Future);
        }
        if self.created.saturating_add(CREATED_SKEW) < now {
            return Err(CredentialError::Stale);
        }
        Ok(())
    }

    /// Checks signature and nonce, in this order: otherwise anybody could use up a citizen's nonces.
    pub(super) async fn authenticate(
        &self,
        api: &impl CitizenApi,
        call: &SignedCall<'_>,
        now: u64,
    ) -> Result<VerifiedCitizen, Problem> {
        self.check_time(now)?;
        let message = call.message(self.created, &self.nonce);
        if !api.verify_citizen(&self.key, &message, &self.signature).await? {
            return Err(CredentialError::Signature.into());
        }
        let expires = self.created.saturating_add(CREATED_SKEW);
        let first_use = CitizenNonceUse {
            key: &self.key,
            nonce: &self.nonce,
            created: self.created,
            expires,
            now,
        };
        match api.use_nonce(first_use) {
            Ok(()) => Ok(VerifiedCitizen { key: self.key }),
            Err(NonceError::Replayed | NonceError::Forgotten) => {
                Err(CredentialError::Replayed.into())
            }
            Err(error @ NonceError::Full) => Err(Problem::new("nonce-store-full", error)),
            Err(error) => Err(Problem::internal(&error)),
        }
    }
}

/// What a credential's signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedCall<'a> {
    /// Digest of the network's id: another network may have a department of the same name.
    pub network: &'a Digest,
    /// The addressed department.
    pub department: &'a str,
    /// The method, upper-case.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The body; empty if there is none.
    pub body: &'a [u8],
}

impl SignedCall<'_> {
    /// `SHA-256(label, network, department, method, target, SHA-256(body), created, nonce)`, of which
    /// the consent key signs the field form.
    pub fn message(&self, created: u64, nonce: &HexBytes<16>) -> Digest {
        let body = Digest::of(self.body);
        let parts: [&[u8]; 7] = [
            self.network.as_bytes(),
            self.department.as_bytes(),
            self.method.as_bytes(),
            self.target.as_bytes(),
            body.as_bytes(),
            &created.to_be_bytes(),
            nonce.as_bytes(),
        ];
        Digest::labelled(LABEL, &parts)
    }
}

/// A consent key that signed the request at hand, just now and for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCitizen {
    key: ConsentKeyBytes,
}

impl VerifiedCitizen {
    /// The key.
    pub fn key(&self) -> &ConsentKeyBytes {
        &self.key
    }
}

/// One use of a citizen's nonce, in a request whose signature has been verified.
#[derive(Clone, Copy, Debug)]
pub struct CitizenNonceUse<'a> {
    /// Whose nonce.
    pub key: &'a ConsentKeyBytes,
    /// The nonce.
    pub nonce: &'a HexBytes<16>,
    /// When it was signed, in seconds since 1970.
    pub created: u64,
    /// The last second in which the request is acceptable: until then the nonce must be remembered.
    pub expires: u64,
    /// The time now.
    pub now: u64,
}

/// Why a citizen's request is not theirs.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialError {
    /// There is no credential, more than one, or one in another form.
    #[error("expected a header Proofgate-Citizen: key=…, created=…, nonce=…, signature=…")]
    Header,
    /// Signed too long ago.
    #[error("the request was signed too long ago: compare the clocks")]
    Stale,
    /// Signed in the future.
    #[error("the request was signed in the future: compare the clocks")]
    Future,
    /// The signature is not of that key over this request.
    #[error("the signature is not of this key over this request")]
    Signature,
    /// The request has been received before.
    #[error("this request has been received before")]
    Replayed,
}

impl CredentialError {
    /// The error's stable name in problem documents, logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Header => "citizen-header",
            Self::Stale => "citizen-stale",
            Self::Future => "citizen-future",
            Self::Signature => "citizen-signature",
            Self::Replayed => "citizen-replayed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CREATED: u64 = 1_800_000_000;

    fn credential() -> CitizenCredential {
        CitizenCredential {
            key: HexBytes::from_bytes([1; 64]),
            created: CREATED,
            nonce: HexBytes::from_bytes([2; 16]),
            signature: HexBytes::from_bytes([3; 96]),
        }
    }

    const NETWORK: Digest = Digest::from_bytes([5; 32]);

    fn call() -> SignedCall<'static> {
        SignedCall {
            network: &NETWORK,
            department: "tax",
            method: "POST",
            target: "/v1/x?y=1",
            body: b"{}",
        }
    }

    #[test]
    fn a_credential_has_one_spelling() {
        let text = credential().to_string();
        assert_eq!(text.parse(), Ok(credential()));
        let others = [
            text.replace(", ", ","),
            text.replace("created=", "created=0"),
            text.replace("created=", "created=+"),
            text.replace("key=0", "key=A"),
            text.replace("key=01", "key="),
            format!("{text}, "),
            format!("{text}, more=1"),
            format!(" {text}"),
            text.replace("key=", "Key="),
            text.replace(", nonce", ", nonce=00, nonce"),
            text.split_once(", ").unwrap().1.to_owned(),
            String::new(),
        ];
        for other in others {
            assert_eq!(other.parse::<CitizenCredential>(), Err(CredentialError::Header), "{other}");
        }
    }

    #[test]
    fn there_is_exactly_one_header() {
        let value: ::http::HeaderValue = credential().to_string().parse().unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(CitizenCredential::of(&headers), Err(CredentialError::Header));
        headers.append(CREDENTIAL_HEADER, value.clone());
        assert_eq!(CitizenCredential::of(&headers), Ok(credential()));
        headers.append(CREDENTIAL_HEADER, value);
        assert_eq!(CitizenCredential::of(&headers), Err(CredentialError::Header));
    }

    #[test]
    fn a_minute_to_either_side_is_fresh() {
        let at = |now| credential().check_time(now);
        assert_eq!(at(CREATED - 61), Err(CredentialError::Future));
        assert_eq!(at(CREATED - 60), Ok(()));
        assert_eq!(at(CREATED + 60), Ok(()));
        assert_eq!(at(CREATED + 61), Err(CredentialError::Stale));
        let last = CitizenCredential { created: u64::MAX, ..credential() };
        assert_eq!(last.check_time(u64::MAX), Ok(()));
        assert_eq!(last.check_time(0), Err(CredentialError::Future));
    }

    #[test]
    fn the_message_covers_every_part() {
        let CitizenCredential { created, nonce, .. } = credential();
        let message = call().message(created, &nonce);
        let calls = [
            SignedCall { network: &Digest::from_bytes([6; 32]), ..call() },
            SignedCall { department: "tay", ..call() },
            SignedCall { method: "PUT", ..call() },
            SignedCall { target: "/v1/x?y=2", ..call() },
            SignedCall { body: b"{ }", ..call() },
        ];
        for other in calls {
            assert_ne!(other.message(created, &nonce), message, "{other:?}");
        }
        assert_ne!(call().message(created + 1, &nonce), message);
        assert_ne!(call().message(created, &HexBytes::from_bytes([4; 16])), message);
        assert_eq!(call().message(created, &nonce), message);
    }

    #[test]
    fn the_message_is_frozen() {
        // Recomputed by Python's hashlib: each part behind its length as 8 big-endian bytes.
        let message = call().message(CREATED, &HexBytes::from_bytes([2; 16]));
        assert_eq!(
            message.to_string(),
            "b67ff307afd60e31ec2c1c87a2d704067a200a3d76628b4470c0f51da01b3b4c"
        );
    }

    proptest! {
        #[test]
        fn credentials_round_trip(
            key in any::<[[u8; 32]; 2]>(),
            created: u64,
            nonce: [u8; 16],
            signature in any::<[[u8; 32]; 3]>(),
        ) {
            let credential = CitizenCredential {
                key: HexBytes::from_bytes(key.as_flattened().try_into().unwrap()),
                created,
                nonce: HexBytes::from_bytes(nonce),
                signature: HexBytes::from_bytes(signature.as_flattened().try_into().unwrap()),
            };
            prop_assert_eq!(credential.to_string().parse(), Ok(credential));
        }
    }
}
