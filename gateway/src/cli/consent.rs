//! `proofgate consent`: the citizen's wallet on the command line.

mod show;

use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chain::genesis::{Genesis, GenesisError};
use chain::identifier::{DepartmentId, NetworkId};
use chain::time::SystemClock;
use clap::{Args, Subcommand};
use crypto::Digest;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use serde_json::json;
use thiserror::Error;

use super::exit::Exit;
use super::say;
use super::text::plain;
use crate::department::asking::Offer;
use crate::document::request::Nonce;
use crate::http::BaseUrl;
use crate::http::citizen::Progress;
use crate::http::citizen_client::CitizenClientError;
use crate::key_file::{KeyFileError, KeyFileFault};
use crate::subject::Subject;
use crate::wallet::{
    self, FolderError, FolderFault, OnChain, Question, Rejected, Voucher, WalletError,
};

type Wallet = wallet::Wallet<UnwrapErr<SysRng>>;

/// `proofgate consent`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The wallet's folder, which nobody else may look into.
    #[arg(long)]
    wallet: PathBuf,
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Make a wallet with a new consent key.
    #[command(after_help = "Example: proofgate consent --wallet ~/wallet keygen")]
    Keygen,
    /// Enrol the key at a registrar with the clerk's one-time code.
    #[command(
        after_help = "The genesis file says which network this is and which key the registrar signs \
        with. Take it from somebody whom you believe, such as the clerk, not from the gateway.\n\n\
        Example: proofgate consent --wallet ~/wallet enrol --genesis genesis.json \
        --gateway http://registry.example:8080 --department civil-registry \
        --subject 101061001312 --code 0123456789abcdef0123456789abcdef"
    )]
    Enrol {
        #[command(flatten)]
        place: Place,
        /// The citizen's identifier.
        #[arg(long)]
        subject: Subject,
        /// The one-time code: 32 hexadecimal digits.
        #[arg(long, value_parser = code)]
        code: Nonce,
        /// The network's genesis file, by which the registrar's signature is checked; remembered.
        #[arg(long)]
        genesis: Option<PathBuf>,
        /// The network's id, where there is no genesis file: then nobody checks the card.
        #[arg(long, conflicts_with = "genesis")]
        network: Option<NetworkId>,
    },
    /// Show the registrar's card to an issuer, which puts the key into the citizen's records.
    #[command(
        after_help = "Example: proofgate consent --wallet ~/wallet present --gateway http://tax.example:8080 --department tax"
    )]
    Present {
        #[command(flatten)]
        place: Place,
    },
    /// List the questions that wait.
    #[command(after_help = "Example: proofgate consent --wallet ~/wallet list")]
    List {
        #[command(flatten)]
        places: Places,
        /// Print JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Show a question, as this wallet reads it from the request document.
    #[command(after_help = "Example: proofgate consent --wallet ~/wallet show DIGEST")]
    Show {
        /// Digest of the request.
        request: Digest,
        #[command(flatten)]
        places: Places,
        /// Print JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Show a question, ask, and sign the consent to it.
    #[command(
        group = clap::ArgGroup::new("what").required(true).args(["request", "offer"]),
        after_help = "Example: proofgate consent --wallet ~/wallet approve --offer offer.json"
    )]
    Approve {
        /// Digest of the request.
        request: Option<Digest>,
        /// A requester's pseudonymous offer: a JSON file.
        #[arg(long)]
        offer: Option<PathBuf>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        places: Places,
    },
    /// Refuse a question. The requester learns nothing of it.
    #[command(after_help = "Example: proofgate consent --wallet ~/wallet refuse DIGEST")]
    Refuse {
        /// Digest of the request.
        request: Digest,
        #[command(flatten)]
        places: Places,
    },
    /// Withdraw a consent.
    #[command(after_help = "Example: proofgate consent --wallet ~/wallet withdraw DIGEST")]
    Withdraw {
        /// Digest of the request.
        request: Digest,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Where the issuer's gateway is now.
        #[arg(long)]
        gateway: Option<BaseUrl>,
    },
    /// List what issuers did with the citizen's records, by law too, and check on the chain that the
    /// consents among it can be withdrawn.
    #[command(after_help = "Exit status 65 if a consent is not on the chain as it was given.\n\n\
        Example: proofgate consent --wallet ~/wallet history --genesis genesis.json")]
    History {
        #[command(flatten)]
        places: Places,
        /// The network's genesis file, by which the chain is checked; remembered.
        #[arg(long)]
        genesis: Option<PathBuf>,
        /// Print JSON on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// One department.
#[derive(Debug, Args)]
struct Place {
    /// Its gateway, http://host:port; remembered.
    #[arg(long)]
    gateway: Option<BaseUrl>,
    /// The department.
    #[arg(long)]
    department: DepartmentId,
}

/// One department, or all that the wallet knows.
#[derive(Debug, Args)]
struct Places {
    /// Its gateway, http://host:port; remembered.
    #[arg(long, requires = "department")]
    gateway: Option<BaseUrl>,
    /// The department; without it, all that the wallet knows.
    #[arg(long)]
    department: Option<DepartmentId>,
}

/// Why a step failed.
#[derive(Debug, Error)]
enum StepError {
    #[error(transparent)]
    Wallet(#[from] WalletError),
    #[error("{}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Json { path: PathBuf, error: serde_json::Error },
    #[error("{}: {error}", path.display())]
    Genesis { path: PathBuf, error: GenesisError },
    #[error("the wallet knows no department yet: give --gateway and --department")]
    NoDepartment,
    #[error("{0} has no record of the card's citizen, so the key is in none")]
    NoRecord(DepartmentId),
    #[error("consents that are not on the chain as you gave them: {0}; see above")]
    Consents(usize),
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
    #[error("nothing was sent")]
    Declined,
}

impl StepError {
    fn exit(&self) -> Exit {
        match self {
            Self::Declined => Exit::Failed,
            Self::Wallet(error) => wallet_exit(error),
            Self::Read { error, .. } => Exit::of_reading(error),
            Self::NoDepartment => Exit::Usage,
            Self::Json { .. } | Self::Genesis { .. } | Self::NoRecord(_) | Self::Consents(_) => {
                Exit::DataErr
            }
            Self::Terminal(_) => Exit::IoErr,
        }
    }
}

fn wallet_exit(error: &WalletError) -> Exit {
    match error {
        WalletError::Key(KeyFileError { fault: KeyFileFault::Readable { .. }, .. })
        | WalletError::Folder(FolderError { fault: FolderFault::Readable { .. }, .. }) => {
            Exit::NoPerm
        }
        WalletError::Folder(FolderError { fault: FolderFault::Missing, .. }) => Exit::NoInput,
        WalletError::Key(KeyFileError { fault: KeyFileFault::Io(error), .. })
        | WalletError::Folder(FolderError { fault: FolderFault::Io(error), .. }) => {
            match error.kind() {
                io::ErrorKind::AlreadyExists => Exit::CantCreat,
                _ => Exit::of_reading(error),
            }
        }
        WalletError::Call { error, .. } => match error {
            CitizenClientError::Unreachable
            | CitizenClientError::Timeout { .. }
            | CitizenClientError::Body { .. } => Exit::Unavailable,
            CitizenClientError::Unexpected { status } if *status >= 500 => Exit::Unavailable,
            CitizenClientError::Problem(problem) if problem.status >= 500 => Exit::Unavailable,
            _ => Exit::DataErr,
        },
        _ => Exit::DataErr,
    }
}

/// Runs a step and says on standard error why it failed.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("proofgate: cannot start the runtime: {error}");
            return Exit::OsErr.into();
        }
    };
    match runtime.block_on(step(&arguments.wallet, arguments.step)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("proofgate: {}", plain(&error.to_string()));
            error.exit().into()
        }
    }
}

async fn step(folder: &Path, step: Step) -> Result<(), StepError> {
    let (clock, rng) = (Arc::new(SystemClock), UnwrapErr(SysRng));
    if matches!(step, Step::Keygen) {
        let wallet = Wallet::create(folder, clock, rng)?;
        say(format!("consent key {}\nenrol it at a registrar", String::from(wallet.key())));
        return Ok(());
    }
    let mut wallet = Wallet::open(folder, clock, rng)?;
    match step {
        Step::Keygen => Ok(()), // done above
        Step::Enrol { place, subject, code, genesis, network } => {
            trust(&mut wallet, genesis.as_deref())?;
            let registrar = go_to(&mut wallet, place)?;
            let card = wallet.enrol(registrar, subject, code, network).await?;
            let (digest, network) = (card.digest(), card.network);
            say(format!("key card {digest} of {registrar}, network {network}"));
            match wallet.voucher() {
                Some(checked @ Voucher::Genesis) => say(show::voucher(registrar, checked)),
                // Where it is seen also if the output is piped away.
                Some(unchecked) => eprintln!("{}", show::voucher(registrar, unchecked)),
                None => {}
            }
            Ok(())
        }
        Step::Present { place } => {
            let issuer = go_to(&mut wallet, place)?;
            let datasets = wallet.present(issuer).await?;
            if datasets.is_empty() {
                return Err(StepError::NoRecord(issuer));
            }
            say(plain(&format!("{issuer} put the key into: {}", datasets.join(", "))));
            Ok(())
        }
        Step::List { places, json } => list(&mut wallet, places, json).await,
        Step::Show { request, places, json } => {
            let question = waiting(&mut wallet, places, &request).await?.1?;
            if json {
                say(format!("{:#}", show::question_json(&question)));
            } else {
                say(show::question(&question));
            }
            Ok(())
        }
        Step::Approve { request, offer, yes, places } => {
            let question = match (request, offer) {
                (_, Some(offer)) => offered(&mut wallet, places, &offer)?,
                (Some(request), None) => waiting(&mut wallet, places, &request).await?.1?,
                (None, None) => unreachable!("clap requires one of the two"),
            };
            say(show::question(&question));
            confirm("Consent to exactly this?", yes)?;
            let progress = wallet.approve(&question).await?;
            said(question.checked().digest(), &progress);
            Ok(())
        }
        Step::Refuse { request, places } => {
            let issuer = waiting(&mut wallet, places, &request).await?.0;
            said(&request, &wallet.refuse(issuer, request).await?);
            Ok(())
        }
        Step::Withdraw { request, yes, gateway } => {
            let consented = wallet.consented(&request)?;
            if let Some(base) = gateway {
                wallet.remember(consented.issuer, base)?;
            }
            say(show::withdrawal(&request, &consented));
            confirm("Withdraw this consent?", yes)?;
            said(&request, &wallet.withdraw(request).await?);
            Ok(())
        }
        Step::History { places, genesis, json } => {
            trust(&mut wallet, genesis.as_deref())?;
            history(&mut wallet, places, json).await
        }
    }
}

/// Lists what those say that answer, and then fails with the first that did not.
async fn list(wallet: &mut Wallet, places: Places, json: bool) -> Result<(), StepError> {
    let (mut rows, mut texts, mut failed) = (Vec::new(), Vec::new(), None);
    for issuer in all(wallet, places)? {
        match wallet.pending(issuer).await {
            Ok(questions) => {
                for question in &questions {
                    rows.push(show::waiting_json(issuer, question));
                    texts.push(show::waiting(issuer, question));
                }
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let none = if failed.is_none() { "no question waits" } else { "" };
    print(&json!(rows), &texts, none, json);
    failed.map_or(Ok(()), |error| Err(error.into()))
}

async fn history(wallet: &mut Wallet, places: Places, json: bool) -> Result<(), StepError> {
    let (mut rows, mut texts, mut failed, mut wrong) = (Vec::new(), Vec::new(), None, 0);
    for issuer in all(wallet, places)? {
        match wallet.history(issuer).await {
            Ok(history) => {
                for past in &history.exchanges {
                    wrong += usize::from(matches!(past.consent, OnChain::Wrong(_)));
                    rows.push(show::past_json(issuer, past));
                    texts.push(show::past(issuer, past));
                }
                for (request, consented) in &history.unmentioned {
                    rows.push(show::unmentioned_json(request, consented));
                    texts.push(show::unmentioned(request, consented));
                }
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let none = if failed.is_none() { "nothing has happened" } else { "" };
    print(&json!(rows), &texts, none, json);
    match failed {
        _ if wrong > 0 => Err(StepError::Consents(wrong)),
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// Prints the rows; that there are none only if all departments have said so.
fn print(rows: &serde_json::Value, texts: &[String], none: &str, json: bool) {
    if json {
        say(format!("{rows:#}"));
    } else if !texts.is_empty() {
        say(texts.join("\n\n"));
    } else if !none.is_empty() {
        say(none);
    }
}

/// The waiting question of that digest and the issuer that shows it.
async fn waiting(
    wallet: &mut Wallet,
    places: Places,
    request: &Digest,
) -> Result<(DepartmentId, Result<Question, WalletError>), StepError> {
    let mut failed = None;
    for issuer in all(wallet, places)? {
        match wallet.pending(issuer).await {
            Ok(questions) => {
                let is_it = |question: &Result<Question, Rejected>| match question {
                    Ok(question) => question.checked().digest() == request,
                    Err(rejected) => rejected.digest == *request,
                };
                if let Some(found) = questions.into_iter().find(is_it) {
                    return Ok((issuer, found.map_err(WalletError::from)));
                }
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(failed.unwrap_or(WalletError::NotWaiting(*request)).into())
}

/// The question of an offer's file.
fn offered(wallet: &mut Wallet, places: Places, path: &Path) -> Result<Question, StepError> {
    let offer: Offer = read(path)?;
    if let Places { gateway: Some(base), department: Some(department) } = places {
        wallet.remember(department, base)?;
    }
    Ok(wallet.read_offer(offer)?)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StepError> {
    let at = |error| StepError::Read { path: path.to_owned(), error };
    let bytes = fs::read(path).map_err(at)?;
    serde_json::from_slice(&bytes).map_err(|error| StepError::Json { path: path.to_owned(), error })
}

/// Stores a genesis file in the wallet.
fn trust(wallet: &mut Wallet, path: Option<&Path>) -> Result<(), StepError> {
    let Some(path) = path else { return Ok(()) };
    let bytes = fs::read(path).map_err(|error| StepError::Read { path: path.to_owned(), error })?;
    let genesis = Genesis::from_slice(&bytes)
        .map_err(|error| StepError::Genesis { path: path.to_owned(), error })?;
    Ok(wallet.trust(genesis)?)
}

fn go_to(wallet: &mut Wallet, place: Place) -> Result<DepartmentId, StepError> {
    if let Some(base) = place.gateway {
        wallet.remember(place.department, base)?;
    }
    Ok(place.department)
}

fn all(wallet: &mut Wallet, places: Places) -> Result<Vec<DepartmentId>, StepError> {
    if let Some(department) = places.department {
        return Ok(vec![go_to(wallet, Place { gateway: places.gateway, department })?]);
    }
    let known: Vec<_> = wallet.departments().collect();
    if known.is_empty() { Err(StepError::NoDepartment) } else { Ok(known) }
}

/// Asks; anything but yes is no, and so is the end of the input.
fn confirm(question: &str, yes: bool) -> Result<(), StepError> {
    if yes {
        return Ok(());
    }
    eprint!("\n{question} [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if is_yes(&answer) { Ok(()) } else { Err(StepError::Declined) }
}

fn is_yes(answer: &str) -> bool {
    let answer = answer.trim();
    answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes")
}

fn said(request: &Digest, progress: &Progress) {
    let entry = progress.entry.map_or_else(String::new, |entry| format!(", chain entry {entry}"));
    say(plain(&format!("request {request}: {}{entry}", progress.state)));
}

fn code(text: &str) -> Result<Nonce, crate::document::request::ParseNonceError> {
    Nonce::try_from(text.to_owned())
}

#[cfg(test)]
mod tests;
