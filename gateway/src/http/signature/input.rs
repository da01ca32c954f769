//! Reading `Signature` and `Signature-Input` strictly.

use ::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::Signature;
use crypto::signing::SIGNATURE_BYTES;
use httpsig_hyper::prelude::message_component::HttpMessageComponentId;
use httpsig_hyper::prelude::{HttpSignatureHeaders, HttpSignatureParams};

use super::verify::VerifyError;
use super::{
    CLOCK_SKEW, CONTENT_DIGEST, CONTENT_TYPE, KeyName, LIFETIME, Nonce, SIGNATURE, SIGNATURE_INPUT,
    TAG,
};

/// The signature headers of one message, read and found in order; the signature itself is not
/// verified yet.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) label: String,
    pub(super) signature: Signature,
    pub(super) signer: KeyName,
    pub(super) created: u64,
    pub(super) expires: u64,
    parameters: HttpSignatureParams,
}

impl Input {
    /// Reads the headers and checks all that needs no key.
    pub(super) fn read(
        headers: &HeaderMap,
        required: &[&str],
        now: u64,
    ) -> Result<Self, VerifyError> {
        let signature_text = single(headers, SIGNATURE)?;
        let input_text = single(headers, SIGNATURE_INPUT)?;
        // The library signs an absent header as an empty one, and joins repeated ones.
        single(headers, CONTENT_TYPE)?;
        single(headers, CONTENT_DIGEST)?;

        let labels = HttpSignatureHeaders::try_parse(signature_text, input_text)
            .map_err(|_| VerifyError::Malformed)?;
        let mut entries = labels.iter();
        let (Some((label, entry)), None) = (entries.next(), entries.next()) else {
            return Err(VerifyError::Labels { got: labels.len() });
        };
        // The library verifies what it would have written, so that must be what is there.
        if entry.signature_input_header_value() != input_text
            || entry.signature_header_value() != signature_text
        {
            return Err(VerifyError::Malformed);
        }
        let parameters = entry.signature_params();
        check_covered(parameters, required)?;
        check_application(parameters)?;
        let (created, expires) = check_times(parameters, now)?;
        let signer = parameters.keyid.as_deref().and_then(|text| text.parse().ok());
        Ok(Self {
            label: label.clone(),
            signature: decode_signature(&entry.signature().to_string())?,
            signer: signer.ok_or(VerifyError::KeyName)?,
            created,
            expires,
            parameters: parameters.clone(),
        })
    }

    /// The nonce, which requests must have.
    pub(super) fn nonce(&self) -> Result<Nonce, VerifyError> {
        self.parameters.nonce.as_deref().and_then(Nonce::parse).ok_or(VerifyError::Nonce)
    }
}

/// The only value of a header that must be there once.
pub(super) fn single<'a>(
    headers: &'a HeaderMap,
    header: &'static str,
) -> Result<&'a str, VerifyError> {
    let mut values = headers.get_all(header).iter();
    let value = values.next().ok_or(VerifyError::HeaderMissing { header })?;
    if values.next().is_some() {
        return Err(VerifyError::HeaderRepeated { header });
    }
    value.to_str().map_err(|_| VerifyError::Malformed)
}

fn check_covered(parameters: &HttpSignatureParams, required: &[&str]) -> Result<(), VerifyError> {
    for &component in required {
        let id = HttpMessageComponentId::try_from(component)
            .expect("the required components are well formed");
        if !parameters.covered_components.contains(&id) {
            return Err(VerifyError::NotCovered { component: component.to_owned() });
        }
    }
    Ok(())
}

fn check_application(parameters: &HttpSignatureParams) -> Result<(), VerifyError> {
    if parameters.tag.as_deref() != Some(TAG) {
        return Err(VerifyError::Tag);
    }
    // The registered key decides the algorithm; a message may only agree (RFC 9421, section 3.2).
    if parameters.alg.as_deref().is_some_and(|algorithm| algorithm != "ed25519") {
        return Err(VerifyError::Algorithm);
    }
    Ok(())
}

fn check_times(parameters: &HttpSignatureParams, now: u64) -> Result<(u64, u64), VerifyError> {
    let created = parameters.created.ok_or(VerifyError::CreatedMissing)?;
    let expires = parameters.expires.ok_or(VerifyError::ExpiresMissing)?;
    if expires <= created || expires - created > LIFETIME.as_secs() {
        return Err(VerifyError::Lifetime);
    }
    if created > now.saturating_add(CLOCK_SKEW.as_secs()) {
        return Err(VerifyError::Future);
    }
    if created.saturating_add(CLOCK_SKEW.as_secs()) < now {
        return Err(VerifyError::Stale);
    }
    if expires < now {
        return Err(VerifyError::Expired);
    }
    Ok((created, expires))
}

fn decode_signature(text: &str) -> Result<Signature, VerifyError> {
    let bytes = STANDARD.decode(text).map_err(|_| VerifyError::Malformed)?;
    let bytes: [u8; SIGNATURE_BYTES] = bytes.try_into().map_err(|_| VerifyError::Malformed)?;
    Ok(Signature::from_bytes(bytes))
}
