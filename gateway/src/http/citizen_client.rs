//! The wallet's client: the citizen surface from the other end.

use std::time::Duration;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, Method, Request};
use crypto::Digest;
use crypto::rand_core::CryptoRng;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::time::timeout;

use super::body::JSON;
use super::citizen::{
    CREDENTIAL_HEADER, CardTaken, CitizenCredential, Consent, ConsentKeyBytes,
    ConsentSignatureBytes, KeyEnrolment, OfferTaken, PastExchange, Pending, Progress, Refusal,
    SignedCall, Withdrawal,
};
use super::client::PeerProblem;
use super::hex_bytes::HexBytes;
use super::tls::Trust;
use super::transport::{BaseUrl, BaseUrlError, ClientLimits, Transport};

/// A consent key that signs requests.
pub trait CitizenSigner: Send + Sync {
    /// Its public half.
    fn key(&self) -> ConsentKeyBytes;

    /// Its EdDSA-Poseidon signature over `F(message)`.
    fn sign(&self, message: &Digest) -> ConsentSignatureBytes;
}

/// Calls one department's citizen surface.
#[derive(Clone, Debug)]
pub struct CitizenClient {
    transport: Transport,
    limits: ClientLimits,
    department: String,
    network: Digest,
    base: BaseUrl,
}

/// With what a citizen's call is signed: key, time and nonce.
pub struct Citizen<'a, R> {
    /// The citizen's key.
    pub signer: &'a dyn CitizenSigner,
    /// The time now, in seconds since 1970.
    pub now: u64,
    /// Where the nonce comes from.
    pub rng: &'a mut R,
}

impl<R> std::fmt::Debug for Citizen<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Citizen").field("now", &self.now).finish_non_exhaustive()
    }
}

type Called<T> = Result<T, CitizenClientError>;

impl CitizenClient {
    /// A client of `department`, hosted at `base`. What it sends counts in the network of that id and
    /// in no other.
    pub fn new(base: BaseUrl, department: String, network: Digest, limits: ClientLimits) -> Self {
        Self { transport: Transport::new(&limits), limits, department, network, base }
    }

    /// The same client, trusting others for `https` than the operating system does.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { transport: Transport::trusting(&self.limits, trust), ..self }
    }

    /// Enrols the key at a registrar: the signed key card.
    ///
    /// # Errors
    /// [`CitizenClientError`]
    pub async fn enrol<R: CryptoRng + Send>(
        &self,
        citizen: Citizen<'_, R>,
        enrolment: &KeyEnrolment,
    ) -> Called<serde_json::Value> {
        self.post(citizen, "keys", enrolment).await
    }

    /// Has an issuer put a card's key into the citizen's records.
    ///
    /// # Errors
    /// [`CitizenClientError`]
    pub async fn give_card<R: CryptoRng + Send>(
        &self,
        citizen: Citizen<'_, R>,
        card: &serde_json::Value,
    ) -> Called<CardTaken> {
        self.post(citizen, "cards", card).await
    }

    /// The questions that wait for the citizen.
    ///
    /// # Errors
    /// [`CitizenClientError`]
    pub async fn pending<R: CryptoRng + Send>(
        &self,
        citizen: Citizen<'_, R>,
    ) -> Called<Vec<Pending>> {
        self.get(citizen, "requests").await
    }

    /// Consents to a question.
    ///
    /// # Errors
    /// [`CitizenClientError`]
    pub async fn consent<R: CryptoRng + Send>(
        &self,
        citizen: Citizen<'_, R>,
        consent: &Consent,
    ) -> Called<Progress> {
        self.post(citizen, "consents", consent).await
    }

    /// Refuses a question.
    ///
    /// # Errors
    /// [`CitizenClientError`]
    pub async fn refuse<R: CryptoRng + Send>(
        &self,
        citizen: Citizen<'_, R>,
        refusal: &Refusal,
    ) -> Called<Progress> {
        self.post(citizen, "refusals", refusal).await
    }

    /// Withdraws a consent.
    ///
    /// # Errors
    /// [`CitizenClientError`]
    pub async fn withdraw<R: CryptoRng + Send>(
        &self,
        citizen: Citizen<'_, R>,
        withdrawal: &Withdrawal,
    ) -> Called<Progress> {
        self.post(citizen, "withdrawals", withdrawal).await
    }

    /// Takes a pseudonymous question to its issuer, with the consent to it.
    ///
    /// # Errors
    /// [`CitizenClientError`]
    pub async fn take_offer<R: CryptoRng + Send>(
        &self,
        citizen: Citizen<'_, R>,
        offer: &OfferTaken,
    ) -> Called<Progress> {
        self.post(citizen, "offers", offer).await
    }

    /// Every exchange about the citizen's records.
    ///
    /// # Errors
    /// [`CitizenClientError`]
    pub async fn history<R: CryptoRng + Send>(
        &self,
        citizen: Citizen<'_, R>,
    ) -> Called<Vec<PastExchange>> {
        self.get(citizen, "history").await
    }

    async fn get<R: CryptoRng + Send, T: DeserializeOwned>(
        &self,
        citizen: Citizen<'_, R>,
        resource: &str,
    ) -> Called<T> {
        self.call(citizen, Method::GET, resource, Bytes::new()).await
    }

    async fn post<R: CryptoRng + Send, T: DeserializeOwned>(
        &self,
        citizen: Citizen<'_, R>,
        resource: &str,
        document: &(impl Serialize + Sync),
    ) -> Called<T> {
        let body = serde_json::to_vec(document).map_err(|_| CitizenClientError::Document)?;
        self.call(citizen, Method::POST, resource, body.into()).await
    }

    async fn call<R: CryptoRng + Send, T: DeserializeOwned>(
        &self,
        citizen: Citizen<'_, R>,
        method: Method,
        resource: &str,
        body: Bytes,
    ) -> Called<T> {
        let request = self.signed(citizen, method, resource, body)?;
        let exchange = async {
            let response = self.transport.send(request).await;
            let (parts, body) = response.map_err(|_| CitizenClientError::Unreachable)?.into_parts();
            let limit = self.limits.body_bytes;
            let collected = Limited::new(body, limit).collect().await;
            let body = collected.map_err(|_| CitizenClientError::Body { limit })?.to_bytes();
            Ok::<_, CitizenClientError>((parts.status, body))
        };
        let time = self.limits.call_time;
        let answered = timeout(time, exchange).await;
        let (status, body) = answered.map_err(|_| CitizenClientError::Timeout { time })??;
        let unexpected = CitizenClientError::Unexpected { status: status.as_u16() };
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| unexpected);
        }
        let problem = PeerProblem::read(status, &body).ok_or(unexpected)?;
        Err(CitizenClientError::Problem(problem))
    }

    fn signed<R: CryptoRng + Send>(
        &self,
        citizen: Citizen<'_, R>,
        method: Method,
        resource: &str,
        body: Bytes,
    ) -> Called<Request<Bytes>> {
        let department = &self.department;
        let target = format!("/v1/citizen/{department}/{resource}");
        let mut nonce = [0; 16];
        citizen.rng.fill_bytes(&mut nonce);
        let (created, nonce) = (citizen.now, HexBytes::from_bytes(nonce));
        let (network, method_name) = (&self.network, method.as_str());
        let call =
            SignedCall { network, department, method: method_name, target: &target, body: &body };
        let signature = citizen.signer.sign(&call.message(created, &nonce));
        let key = citizen.signer.key();
        let credential = CitizenCredential { key, created, nonce, signature };

        let mut request = Request::new(body);
        *request.uri_mut() = self.base.at(&target)?;
        let credential = HeaderValue::try_from(credential.to_string())
            .expect("a credential is letters, digits and a few signs");
        request.headers_mut().insert(CREDENTIAL_HEADER, credential);
        if method == Method::POST {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        }
        *request.method_mut() = method;
        Ok(request)
    }
}

/// Why a wallet's call has no good answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CitizenClientError {
    /// The department's name does not fit an address.
    #[error(transparent)]
    Address(#[from] BaseUrlError),
    /// The document to be sent has no JSON form.
    #[error("the document cannot be written as JSON")]
    Document,
    /// There is no connection, or it broke off.
    #[error("the department's gateway cannot be reached")]
    Unreachable,
    /// There was no answer in time.
    #[error("the department's gateway did not answer within {time:?}")]
    Timeout {
        /// How long it had.
        time: Duration,
    },
    /// The answer is too long or broke off.
    #[error("the answer broke off, or has more than {limit} bytes")]
    Body {
        /// The most that is read.
        limit: usize,
    },
    /// The department answered with something that is no answer to this call.
    #[error("the department answered with status {status} and something unexpected")]
    Unexpected {
        /// The status.
        status: u16,
    },
    /// The department refused.
    #[error("the department refused: {0}")]
    Problem(#[source] PeerProblem),
}
