//! `proofgate verify`

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ::circuits::groth16::rng_from_seed;
use ::circuits::query::Mode;
use clap::Args;
use getrandom::SysRng;
use rand_core::TryRng as _;
use serde_json::{Value as Json, json};

use super::exit::Exit;
use super::failure::Failure;
use super::request::print_json;
use super::say;
use super::text::{plain, time};
use crate::bundle::{
    self, Bundle, BundleError, MAX_BUNDLE_BYTES, NOT_SHOWN, Part, UnprovenBundle, VerifiedBundle,
};
use crate::document::request::LegalBasis;
use crate::exchange::verification::{Note, Strictness};
use crate::folder::{Folder, read_genesis};

/// Arguments of `proofgate verify`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The bundles, as the requester filed them; - for standard input. Several are verified together, which
    /// is quicker, and each is told of by a line.
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// The genesis file: the only thing that is believed. Without it, the one of the gateway's folder.
    #[arg(long)]
    genesis: Option<PathBuf>,
    /// Refuse development keys: whoever made one could forge proofs.
    #[arg(long)]
    production: bool,
    /// Print a JSON object on standard output, also if a bundle does not verify; of several bundles an
    /// object with a list of them.
    #[arg(long)]
    json: bool,
}

/// What became of a bundle, with its digest.
type Outcome = Result<(VerifiedBundle, crypto::Digest), BundleError>;

/// Verifies bundles and says what holds.
pub(super) fn run(folder: &Folder, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { bundles: paths, genesis, production, json } = arguments;
    let genesis = match genesis {
        Some(path) => read_genesis(path)?,
        None => read_genesis(&folder.genesis_file()).map_err(Failure::of_own_genesis)?,
    };
    let strictness = Strictness { production: *production };
    let mut checked = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes = read(path)?;
        let bundle = Bundle::from_slice(&bytes);
        checked.push(
            bundle.and_then(|bundle| Ok((bundle.check(&genesis, strictness)?, bundle.digest()))),
        );
    }
    let outcomes: Vec<_> = paths.iter().zip(verified(checked)?).collect();
    match (outcomes.as_slice(), json) {
        ([(_, Ok((verified, digest)))], true) => print_json(&found(verified, digest)),
        ([(_, Ok((verified, _)))], false) => say(told(verified)),
        ([(_, Err(error))], true) => print_json(&refused(error)),
        ([(_, Err(_))], false) => {}
        (several, true) => print_json(&found_all(several)),
        (several, false) => say(told_all(several)),
    }
    let failures = outcomes.iter().filter_map(|(path, outcome)| {
        let error = outcome.as_ref().err()?;
        let message = plain(&error.to_string());
        Some(format!("{}: {message} [{}]", path.display(), error.code()))
    });
    let failures: Vec<_> = failures.collect();
    match failures.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(Exit::DataErr, failures.join("\n"))),
    }
}

/// The proofs of the bundles that hold so far, verified with coefficients that the operating system draws
/// only now.
fn verified(
    checked: Vec<Result<(UnprovenBundle, crypto::Digest), BundleError>>,
) -> Result<Vec<Outcome>, Failure> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(|error| {
        Failure::new(Exit::OsErr, format_args!("no random bytes for the coefficients: {error}"))
    })?;
    let mut unproven = Vec::new();
    let waiting: Vec<_> = checked
        .into_iter()
        .map(|checked| {
            checked.map(|(bundle, digest)| {
                unproven.push(bundle);
                digest
            })
        })
        .collect();
    let mut proven = bundle::verify_many(unproven, &mut rng_from_seed(seed)).into_iter();
    let outcomes = waiting.into_iter().map(|waiting| {
        let digest = waiting?;
        let verified = proven.next().expect("there is an outcome for each bundle handed in");
        Ok((verified?, digest))
    });
    Ok(outcomes.collect())
}

/// The file, and no more of it than a bundle has.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let most = MAX_BUNDLE_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    let done = if path == Path::new("-") {
        io::stdin().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    done.map_err(Failure::reading(path))?;
    Ok(bytes)
}

/// What holds, for people.
fn told(verified: &VerifiedBundle) -> String {
    let VerifiedBundle { request, service, requester, issuer, answer, .. } = verified;
    let document = request.request();
    let (mode, query) = (document.circuit.mode(), request.query());
    let about = match &verified.subject {
        Some(subject) => String::from(*subject),
        None => "whoever took the offer, known by a pseudonym".to_owned(),
    };
    let ground = match (&document.legal_basis, &verified.registrar) {
        (LegalBasis::Statutory { reference }, _) => format!("by law: {reference}"),
        (_, Some(registrar)) => {
            format!("the citizen's consent, under the key that {registrar} enrolled")
        }
        (_, None) => "the citizen's consent, under the key in the record".to_owned(),
    };
    let tag = match mode {
        Mode::Identified => "Subject tag",
        Mode::Pseudonymous => "Pseudonym",
    };
    let (approvals, departments) = (verified.approvals, verified.departments);
    let mut lines = vec![
        "Verified: the proof of exactly this question holds, and the chain has it.".to_owned(),
        String::new(),
        format!("Proven       {}", query.describe()),
        format!("About        {about}"),
        format!("Asked by     {} ({})", requester.id, requester.name),
        format!("Answered by  {} ({})", issuer.id, issuer.name),
        format!("Records      {} ({})", service.dataset, service.title),
        format!("As of        {}", document.as_of),
        format!("Purpose      {}", document.purpose),
        format!("Ground       {ground}"),
        format!("{tag:12} {}", String::from(answer.tag)),
        format!(
            "Key          {}, approved by {approvals} of {departments} departments",
            answer.key
        ),
        format!("Request      {}", request.digest()),
        String::new(),
        "Recorded on the chain:".to_owned(),
    ];
    let recorded = verified.recorded.iter().map(|it| {
        let at = time(it.time.unix_seconds());
        let what = match it.part {
            Part::CircuitApproval(_) => "approval",
            part => part.name(),
        };
        format!("  {at}  block {:<6} {what:11} {} by {}", it.height, it.entry, it.author)
    });
    lines.extend(recorded);
    if !answer.notes.is_empty() {
        lines.extend([String::new(), "Note:".to_owned()]);
        lines.extend(answer.notes.iter().map(|note| format!("  {}", words(*note))));
    }
    lines.extend([String::new(), "What a bundle cannot show:".to_owned()]);
    lines.extend(NOT_SHOWN.iter().map(|text| format!("  {text}")));
    lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
}

/// The same for programs.
fn found(verified: &VerifiedBundle, bundle: &crypto::Digest) -> Json {
    let VerifiedBundle { request, service, requester, issuer, answer, .. } = verified;
    let document = request.request();
    let (subject_tag, pseudonym) = match document.circuit.mode() {
        Mode::Identified => (Some(answer.tag), None),
        Mode::Pseudonymous => (None, Some(answer.tag)),
    };
    let recorded = verified.recorded.iter().map(|it| {
        json!({
            "part": it.part.name(), "entry": it.entry, "author": it.author, "height": it.height,
            "index": it.index, "time": time(it.time.unix_seconds()),
        })
    });
    json!({
        "ok": true,
        "bundle": bundle,
        "network": document.network,
        "request": request.digest(),
        "requester": requester.id,
        "requester_name": requester.name,
        "issuer": issuer.id,
        "issuer_name": issuer.name,
        "dataset": service.dataset,
        "subject": verified.subject,
        "subject_tag": subject_tag,
        "pseudonym": pseudonym,
        "circuit": document.circuit,
        "query": document.query,
        "condition": request.query().describe(),
        "purpose": document.purpose,
        "as_of": document.as_of,
        "legal_basis": document.legal_basis,
        "registrar": verified.registrar,
        "key": answer.key,
        "approvals": verified.approvals,
        "departments": verified.departments,
        "recorded": recorded.collect::<Vec<_>>(),
        "notes": answer.notes,
        "not_shown": NOT_SHOWN,
    })
}

/// A line for each of several bundles, for people.
fn told_all(outcomes: &[(&PathBuf, Outcome)]) -> String {
    let mut lines = Vec::new();
    for (path, outcome) in outcomes {
        let path = path.display();
        let Ok((VerifiedBundle { request, requester, issuer, answer, .. }, _)) = outcome else {
            lines.push(format!("Refused   {path}"));
            continue;
        };
        let (query, digest) = (request.query().describe(), request.digest());
        let (requester, issuer) = (requester.id, issuer.id);
        lines.push(format!("Verified  {path}: {query}; {issuer} to {requester}, request {digest}"));
        lines.extend(answer.notes.iter().map(|note| format!("          {}", words(*note))));
    }
    let held = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    lines.extend([String::new(), format!("{held} of {} bundles verify.", outcomes.len())]);
    if held > 0 {
        lines.extend([String::new(), "What a bundle cannot show:".to_owned()]);
        lines.extend(NOT_SHOWN.iter().map(|text| format!("  {text}")));
    }
    lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
}

/// The same for programs: what is said of each bundle alone, with its file.
fn found_all(outcomes: &[(&PathBuf, Outcome)]) -> Json {
    let bundles = outcomes.iter().map(|(path, outcome)| {
        let mut said = match outcome {
            Ok((verified, digest)) => found(verified, digest),
            Err(error) => refused(error),
        };
        said["file"] = json!(path.display().to_string());
        said
    });
    let ok = outcomes.iter().all(|(_, outcome)| outcome.is_ok());
    json!({"ok": ok, "bundles": bundles.collect::<Vec<_>>()})
}

fn refused(error: &BundleError) -> Json {
    json!({
        "ok": false, "part": error.part().name(), "code": error.code(), "message": error.to_string(),
    })
}

fn words(note: Note) -> &'static str {
    match note {
        Note::ConsentKeyEnrolledByIssuer => {
            "consent key enrolled by the issuer: the consent is the issuer's word"
        }
        Note::ConsentBindsAllButIssuer => {
            "the consent binds everybody except the issuer, who holds the record"
        }
        Note::NoConsent => "no citizen consented: a law is the ground",
        Note::DevelopmentKey => "development key: whoever made it could forge this proof",
        Note::SingleOperator => {
            "one operator alone certified the chain: the receipts are that operator's word, and bind it"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_note_has_words_of_its_own() {
        let notes = [
            Note::ConsentKeyEnrolledByIssuer,
            Note::ConsentBindsAllButIssuer,
            Note::NoConsent,
            Note::DevelopmentKey,
            Note::SingleOperator,
        ];
        let texts: std::collections::BTreeSet<_> = notes.map(words).into();
        assert_eq!(texts.len(), notes.len());
    }
}
