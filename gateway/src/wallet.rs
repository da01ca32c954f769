//! The citizen's wallet: a consent key, the registrar's card of it, and the secrets that withdraw
//! consents.
//!
//! It speaks only the citizen surface and believes no issuer about what is signed: requester,
//! condition, purpose, `r`, `q` and `M` are recomputed from the request document and the schema, and
//! what does not check, or is not to this citizen, is never signed. It prints nothing.

mod card;
mod folder;
mod history;
mod question;

pub use card::{CardFault, Voucher};
pub use folder::{FolderError, FolderFault};
pub use history::{ConsentFault, History, OnChain, Past};
pub use question::{Notice, Question, Rejected, Unsignable};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chain::entry::withdrawal_lock;
use chain::genesis::Genesis;
use chain::identifier::{DepartmentId, NetworkId};
use chain::time::Clock;
use circuits::eddsa::PrivateKey;
use circuits::poseidon::digest_element;
use crypto::Digest;
use crypto::rand_core::CryptoRng;
use thiserror::Error;

use crate::department::asking::Offer;
use crate::document::key_card::{ConsentKey, KeyCard, SignedKeyCard};
use crate::document::request::Nonce;
use crate::http::citizen::{
    Consent, ConsentKeyBytes, ConsentSignatureBytes, KeyEnrolment, OfferTaken, Progress, Refusal,
    Withdrawal,
};
use crate::http::citizen_client::{Citizen, CitizenClient, CitizenClientError, CitizenSigner};
use crate::http::local::SubjectText;
use crate::http::{BaseUrl, ClientLimits, HexBytes};
use crate::key_file::{self, KeyFileError};
use crate::subject::Subject;
use folder::{Contact, Folder, Kept};
use question::Place;

/// A citizen's wallet, open.
pub struct Wallet<R> {
    folder: Folder,
    signer: Signer,
    genesis: Option<Genesis>,
    card: Option<SignedKeyCard>,
    departments: BTreeMap<DepartmentId, BaseUrl>,
    clock: Arc<dyn Clock>,
    rng: R,
}

impl<R> std::fmt::Debug for Wallet<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wallet").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A consent that can be withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consented {
    /// Who was consented to answer.
    pub issuer: DepartmentId,
    /// Who gets the answer.
    pub requester: DepartmentId,
    /// What for.
    pub purpose: String,
    /// When the question ends, Unix seconds.
    pub expires: u64,
}

impl From<Kept> for Consented {
    fn from(kept: Kept) -> Self {
        let Kept { issuer, requester, purpose, expires, .. } = kept;
        Self { issuer, requester, purpose, expires }
    }
}

/// Why the wallet did not do what was asked of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WalletError {
    /// The key file is not used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Another file is not used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A remembered department has no usable address.
    #[error("departments.json: {department}: {url:?} is no gateway's address")]
    Address {
        /// The department.
        department: DepartmentId,
        /// As it stands there.
        url: String,
    },
    /// Nobody has told the wallet where this department is.
    #[error("the wallet does not know where {0} is: give its gateway's address")]
    UnknownDepartment(DepartmentId),
    /// The wallet has no card yet.
    #[error("the wallet has no key card: enrol the key at a registrar first")]
    NoCard,
    /// Nobody has told the wallet which network it is in, so it cannot sign an enrolment.
    #[error("the wallet does not know its network: give the network's genesis file (--genesis)")]
    NoNetwork,
    /// The wallet is in another network than the given one.
    #[error("the wallet is in network {known}, not in {given}")]
    OtherNetwork {
        /// The genesis file's, or the card's.
        known: NetworkId,
        /// The given one.
        given: NetworkId,
    },
    /// The registrar's card is not used.
    #[error("the card from {registrar}: {fault}")]
    Card {
        /// Whose it is to be.
        registrar: DepartmentId,
        /// What is wrong with it.
        fault: CardFault,
    },
    /// A department gave no good answer.
    #[error("{department}: {error}")]
    Call {
        /// The department.
        department: DepartmentId,
        /// Why not.
        error: CitizenClientError,
    },
    /// The question is not signed.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// No such question waits at these departments.
    #[error("no question {0} waits for this key")]
    NotWaiting(Digest),
    /// The wallet never consented to this.
    #[error("this wallet holds no consent to request {0}")]
    NoConsent(Digest),
}

struct Signer(PrivateKey);

impl CitizenSigner for Signer {
    fn key(&self) -> ConsentKeyBytes {
        HexBytes::from_bytes(self.0.public_key().to_bytes())
    }

    fn sign(&self, message: &Digest) -> ConsentSignatureBytes {
        HexBytes::from_bytes(self.0.sign(digest_element(message.as_bytes())).to_bytes())
    }
}

impl<R: CryptoRng + Send> Wallet<R> {
    /// Makes a wallet with a new key. The folder is made if there is none; its parent must be there.
    ///
    /// # Errors
    /// [`WalletError`]; a key that is there is never overwritten.
    pub fn create(path: &Path, clock: Arc<dyn Clock>, mut rng: R) -> Result<Self, WalletError> {
        let folder = Folder::create(path)?;
        key_file::create(&folder.key(), &mut rng)?;
        Self::open(path, clock, rng)
    }

    /// Opens a wallet.
    ///
    /// # Errors
    /// [`WalletError`] if others can look into it, or a file is missing or not as it was written.
    pub fn open(path: &Path, clock: Arc<dyn Clock>, rng: R) -> Result<Self, WalletError> {
        let folder = Folder::open(path)?;
        let signer = Signer(PrivateKey::from_bytes(key_file::read(&folder.key())?.expose()));
        let genesis = folder.read_genesis()?;
        let card: Option<SignedKeyCard> = folder::read(&folder.card())?;
        if let Some(card) = &card {
            card::vouched(card, genesis.as_ref()).map_err(|fault| not_vouched(card, fault))?;
        }
        let contacts: Vec<Contact> = folder::read(&folder.contacts())?.unwrap_or_default();
        let mut departments = BTreeMap::new();
        for Contact { department, url } in contacts {
            let base = url.parse().map_err(|_| WalletError::Address { department, url })?;
            departments.insert(department, base);
        }
        Ok(Self { folder, signer, genesis, card, departments, clock, rng })
    }

    /// The wallet's key.
    pub fn key(&self) -> ConsentKey {
        self.signer.0.public_key().into()
    }

    /// The registrar's card of it.
    pub fn card(&self) -> Option<&KeyCard> {
        self.card.as_ref().map(|signed| &signed.card)
    }

    /// What shows that the card is the registrar's word.
    pub fn voucher(&self) -> Option<Voucher> {
        let voucher = |card| card::vouched(card, self.genesis.as_ref());
        self.card.as_ref().and_then(|card| voucher(card).ok())
    }

    /// The network's genesis file.
    pub fn genesis(&self) -> Option<&Genesis> {
        self.genesis.as_ref()
    }

    /// Stores the network's genesis file, by which cards and receipts are checked from now on. Until
    /// there is a card it can be replaced.
    ///
    /// # Errors
    /// [`WalletError::Card`] if the wallet's card is of another network, or signed by somebody else than
    /// the registrar that the file names.
    pub fn trust(&mut self, genesis: Genesis) -> Result<(), WalletError> {
        if let Some(card) = &self.card {
            card::vouched(card, Some(&genesis)).map_err(|fault| not_vouched(card, fault))?;
        }
        self.folder.write_genesis(&genesis)?;
        self.genesis = Some(genesis);
        Ok(())
    }

    /// The departments that the wallet knows.
    pub fn departments(&self) -> impl Iterator<Item = DepartmentId> {
        self.departments.keys().copied()
    }

    /// Remembers where a department is.
    ///
    /// # Errors
    /// [`WalletError::Folder`]
    pub fn remember(&mut self, department: DepartmentId, base: BaseUrl) -> Result<(), WalletError> {
        if self.departments.get(&department) == Some(&base) {
            return Ok(());
        }
        self.departments.insert(department, base);
        let contacts: Vec<_> = self
            .departments
            .iter()
            .map(|(department, base)| Contact { department: *department, url: base.to_string() })
            .collect();
        Ok(folder::write(&self.folder.contacts(), &contacts)?)
    }

    /// Enrols the key with the clerk's one-time code, and stores the registrar's card.
    ///
    /// The wallet must have the genesis file, with the registrar's key and the network that the call is
    /// signed for; see [`Self::trust`]. Without it `network` is believed, and so is the card, and
    /// [`Self::voucher`] says so.
    ///
    /// # Errors
    /// [`WalletError`]; [`WalletError::NoNetwork`] if there is neither genesis file nor `network`. A code
    /// is good once: after [`WalletError::Card`] a new one is needed.
    pub async fn enrol(
        &mut self,
        registrar: DepartmentId,
        subject: Subject,
        code: Nonce,
        network: Option<NetworkId>,
    ) -> Result<&KeyCard, WalletError> {
        let known = self.network();
        let network = match (known, network) {
            (Some(known), Some(given)) if known != given => {
                return Err(WalletError::OtherNetwork { known, given });
            }
            (known, given) => known.or(given).ok_or(WalletError::NoNetwork)?,
        };
        let client = self.client_in(registrar, network)?;
        let subject_text = SubjectText(subject.into());
        let enrolment = KeyEnrolment { subject: subject_text, code: code.into() };
        let card = called(registrar, client.enrol(self.citizen(), &enrolment).await)?;
        let (key, genesis) = (self.key(), self.genesis.as_ref());
        let expected = card::Expected { key: &key, subject, registrar, network, genesis };
        let signed =
            card::check(card, expected).map_err(|fault| WalletError::Card { registrar, fault })?;
        folder::write(&self.folder.card(), &signed)?;
        Ok(&self.card.insert(signed).card)
    }

    /// Has an issuer put the key into the citizen's records: the names of its datasets.
    ///
    /// # Errors
    /// [`WalletError`]
    pub async fn present(&mut self, issuer: DepartmentId) -> Result<Vec<String>, WalletError> {
        let client = self.client(issuer)?;
        let signed = self.card.as_ref().ok_or(WalletError::NoCard)?;
        let card = serde_json::to_value(signed).expect("a card has string keys and integers only");
        let taken = called(issuer, client.give_card(self.citizen(), &card).await)?;
        Ok(taken.datasets)
    }

    /// The questions that wait at an issuer: those that can be signed, and why others are not.
    ///
    /// # Errors
    /// [`WalletError`]
    pub async fn pending(
        &mut self,
        issuer: DepartmentId,
    ) -> Result<Vec<Result<Question, Rejected>>, WalletError> {
        let client = self.client(issuer)?;
        let pending = called(issuer, client.pending(self.citizen()).await)?;
        let place = self.place(issuer)?;
        Ok(pending.into_iter().map(|pending| Question::waiting(pending, place)).collect())
    }

    /// The question of an offer.
    ///
    /// # Errors
    /// [`WalletError`]
    pub fn read_offer(&self, offer: Offer) -> Result<Question, WalletError> {
        let place = self.place(offer.request.issuer)?;
        let digest = question::digest_of(&offer.request);
        Question::offered(offer, place)
            .map_err(|reason| Rejected { digest, reason: Box::new(reason) }.into())
    }

    /// Signs `M` of a question and sends the signature, with the lock of a withdrawal whose secret is
    /// on disk by then. Done again it sends the same.
    ///
    /// # Errors
    /// [`WalletError`], [`Unsignable::Expired`] if the question expired since it was read.
    pub async fn approve(&mut self, question: &Question) -> Result<Progress, WalletError> {
        let checked = &question.checked;
        let (request, digest) = (checked.request(), *checked.digest());
        let issuer = request.issuer;
        question::in_time(checked, self.now())
            .map_err(|reason| Rejected { digest, reason: Box::new(reason) })?;
        let client = self.client(issuer)?;
        let lock = withdrawal_lock(&self.keep(question)?.w);
        let signature = self.signer.0.sign(checked.consent_message());
        let signature = HexBytes::from_bytes(signature.to_bytes());
        let outcome = if let Some(offer) = &question.offer {
            let offer =
                serde_json::to_value(offer).expect("an offer has string keys and integers only");
            let taken = OfferTaken { offer, signature, lock };
            client.take_offer(self.citizen(), &taken).await
        } else {
            let consent = Consent { request: digest, signature, lock };
            client.consent(self.citizen(), &consent).await
        };
        called(issuer, outcome)
    }

    /// Refuses a question. The requester is not told; it need not be one that could be signed.
    ///
    /// # Errors
    /// [`WalletError`]
    pub async fn refuse(
        &mut self,
        issuer: DepartmentId,
        request: Digest,
    ) -> Result<Progress, WalletError> {
        let client = self.client(issuer)?;
        called(issuer, client.refuse(self.citizen(), &Refusal { request }).await)
    }

    /// The consent that this wallet gave to a request.
    ///
    /// # Errors
    /// [`WalletError::NoConsent`] if it gave none.
    pub fn consented(&self, request: &Digest) -> Result<Consented, WalletError> {
        let kept = self.folder.read_kept(request)?.ok_or(WalletError::NoConsent(*request))?;
        Ok(kept.into())
    }

    /// Withdraws a consent. A proof that was recorded before stands.
    ///
    /// # Errors
    /// [`WalletError`]
    pub async fn withdraw(&mut self, request: Digest) -> Result<Progress, WalletError> {
        let kept = self.folder.read_kept(&request)?.ok_or(WalletError::NoConsent(request))?;
        let client = self.client(kept.issuer)?;
        let withdrawal = Withdrawal { request, w: kept.w };
        called(kept.issuer, client.withdraw(self.citizen(), &withdrawal).await)
    }

    /// What an issuer says happened with the citizen's records, and whether the consents among it are on
    /// the chain as the wallet gave them.
    ///
    /// # Errors
    /// [`WalletError`]
    pub async fn history(&mut self, issuer: DepartmentId) -> Result<History, WalletError> {
        let client = self.client(issuer)?;
        let told = called(issuer, client.history(self.citizen()).await)?;
        let kept = self.folder.kept_of(issuer)?;
        Ok(history::compare(issuer, told, kept, self.genesis.as_ref()))
    }

    /// What will withdraw the consent: found, or made and on disk.
    fn keep(&mut self, question: &Question) -> Result<Kept, WalletError> {
        let digest = question.checked.digest();
        if let Some(kept) = self.folder.read_kept(digest)? {
            return Ok(kept);
        }
        let mut w = [0; 32];
        self.rng.fill_bytes(&mut w);
        let request = question.checked.request();
        let kept = Kept {
            request: *digest,
            issuer: request.issuer,
            requester: request.requester,
            purpose: request.purpose.clone(),
            expires: request.expires,
            w: Digest::from_bytes(w),
        };
        self.folder.write_kept(&kept)?;
        Ok(kept)
    }

    fn now(&self) -> u64 {
        self.clock.now().unix_seconds()
    }

    fn place(&self, issuer: DepartmentId) -> Result<Place<'_>, WalletError> {
        let card = self.card().ok_or(WalletError::NoCard)?;
        Ok(Place { issuer, card, now: self.now() })
    }

    fn network(&self) -> Option<NetworkId> {
        let card = || self.card().map(|card| card.network);
        self.genesis.as_ref().map(|genesis| *genesis.network()).or_else(card)
    }

    fn client(&self, department: DepartmentId) -> Result<CitizenClient, WalletError> {
        self.client_in(department, self.card().ok_or(WalletError::NoCard)?.network)
    }

    fn client_in(
        &self,
        department: DepartmentId,
        network: NetworkId,
    ) -> Result<CitizenClient, WalletError> {
        let base = self.departments.get(&department);
        let base = base.ok_or(WalletError::UnknownDepartment(department))?.clone();
        let (name, network) = (department.to_string(), *network.as_digest());
        Ok(CitizenClient::new(base, name, network, ClientLimits::default()))
    }

    fn citizen(&mut self) -> Citizen<'_, R> {
        let now = self.now();
        Citizen { signer: &self.signer, now, rng: &mut self.rng }
    }
}

fn not_vouched(card: &SignedKeyCard, fault: CardFault) -> WalletError {
    WalletError::Card { registrar: card.card.registrar, fault }
}

fn called<T>(
    department: DepartmentId,
    outcome: Result<T, CitizenClientError>,
) -> Result<T, WalletError> {
    outcome.map_err(|error| WalletError::Call { department, error })
}

#[cfg(test)]
pub(crate) mod tests;
