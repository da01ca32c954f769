//! What the citizen reads: words for questions, notes and history.

use chain::identifier::DepartmentId;
use circuits::query::Mode;
use crypto::Digest;
use serde_json::{Value, json};

use crate::cli::text::{plain, time};
use crate::document::request::LegalBasis;
use crate::exchange::verification::Note;
use crate::wallet::{Consented, Notice, OnChain, Past, Question, Rejected, Voucher};

/// What shows that the wallet's card is the registrar's word.
pub(super) fn voucher(registrar: DepartmentId, voucher: Voucher) -> String {
    match voucher {
        Voucher::Genesis => format!("signed by {registrar}, with its key in the genesis file"),
        Voucher::LaterRegistrar => format!(
            "WARNING: nobody has checked this card. The genesis file does not name {registrar} as a \
             registrar, so it can only\nhave become one later, and this wallet does not know its key. \
             Ask the clerk whether the card with this digest\nis theirs; if not, have the key \
             replaced."
        ),
        Voucher::NoGenesis => format!(
            "WARNING: nobody has checked this card, since this wallet has no genesis file. Get the \
             file from somebody whom\nyou believe and give it with --genesis, to this command or to \
             history; or ask the clerk of\n{registrar} whether the card with this \
             digest is theirs."
        ),
    }
}

/// A question in full.
pub(super) fn question(question: &Question) -> String {
    let checked = question.checked();
    let request = checked.request();
    let schema = checked.query().schema();
    let mut lines = vec![
        format!("Request      {}", checked.digest()),
        format!("Asked by     {}", requester(question)),
        format!("Answered by  {}{}", request.issuer, called(question.service_title())),
        format!(
            "Records      {} (schema {}, version {})",
            schema.title(),
            schema.name(),
            schema.version()
        ),
        format!("Purpose      {}", request.purpose),
        format!("Legal basis  {}", basis(&request.legal_basis)),
        format!("Expires      {}", time(request.expires)),
        format!("As of        {}", request.as_of),
        format!("An answer would prove that {}", checked.query().describe()),
        match question.holds() {
            Some(true) => "The issuer says that this holds.".to_owned(),
            Some(false) => {
                "The issuer says that this does not hold: nothing will be proven.".to_owned()
            }
            None => "Whether this holds, the issuer finds out when it gets the offer.".to_owned(),
        },
        match request.circuit.mode() {
            Mode::Identified => "The requester knows who you are.".to_owned(),
            Mode::Pseudonymous => "The requester gets a pseudonym, not who you are.".to_owned(),
        },
    ];
    lines.extend(question.notices().iter().map(|notice| format!("Note: {}", words(notice))));
    lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
}

/// The same for programs.
pub(super) fn question_json(question: &Question) -> Value {
    let checked = question.checked();
    let request = checked.request();
    json!({
        "request": checked.digest(),
        "requester": request.requester,
        "requester_name": question.requester_name(),
        "issuer": request.issuer,
        "service_title": question.service_title(),
        "purpose": request.purpose,
        "legal_basis": request.legal_basis,
        "as_of": request.as_of,
        "created": time(request.created),
        "expires": time(request.expires),
        "condition": checked.query().describe(),
        "query": request.query,
        "holds": question.holds(),
        "circuit": request.circuit,
        "notes": question.notices().iter().map(words).collect::<Vec<_>>(),
    })
}

/// A question that waits, in short.
pub(super) fn waiting(issuer: DepartmentId, waiting: &Result<Question, Rejected>) -> String {
    let lines = match waiting {
        Ok(question) => {
            let request = question.checked().request();
            vec![
                question.checked().digest().to_string(),
                format!("  {} asks {issuer}, for {}", requester(question), request.purpose),
                format!("  whether {}", question.checked().query().describe()),
                format!("  until {}", time(request.expires)),
            ]
        }
        Err(Rejected { digest, reason }) => vec![
            digest.to_string(),
            format!("  shown by {issuer}; this wallet does not sign it: {reason}"),
        ],
    };
    lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
}

/// The same for programs.
pub(super) fn waiting_json(issuer: DepartmentId, waiting: &Result<Question, Rejected>) -> Value {
    match waiting {
        Ok(question) => question_json(question),
        Err(Rejected { digest, reason }) => {
            json!({ "request": digest, "issuer": issuer, "not_signed": reason.to_string() })
        }
    }
}

/// What a withdrawal does, before it is confirmed.
pub(super) fn withdrawal(request: &Digest, consented: &Consented) -> String {
    let Consented { issuer, requester, purpose, expires } = consented;
    plain(&format!("Request {request}: {requester} asked {issuer}, for {purpose}, until"))
        + &format!(" {}.\n", time(*expires))
        + "If you withdraw before a proof is recorded, none will be. A proof that is recorded already \
           stands.\nIf your consent is on the chain, everybody can see there that it was withdrawn."
}

/// One exchange.
pub(super) fn past(issuer: DepartmentId, past: &Past) -> String {
    let told = &past.told;
    let silence = told.silence.as_ref().filter(|why| **why != told.state);
    let silence = silence.map_or_else(String::new, |why| format!(" ({why})"));
    let mut lines = vec![
        told.request.to_string(),
        format!("  {} asked {issuer}, for {}; {}", told.requester, told.purpose, told.legal_basis),
        format!("  whether {}", told.condition.join(" ")),
        format!("  from {} to {}: {}{silence}", time(told.created), time(told.expires), told.state),
    ];
    lines.extend(on_chain(issuer, &told.requester, &past.consent));
    lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
}

/// What the chain has of a consent, where there is something to say.
fn on_chain(issuer: DepartmentId, requester: &str, consent: &OnChain) -> Option<String> {
    Some(match consent {
        OnChain::None => return None,
        OnChain::NotRecorded => {
            format!("  your consent is not on the chain, {issuer} says, and nothing was answered")
        }
        OnChain::Own(entry) => {
            format!("  your consent is entry {entry} on the chain, under your own lock")
        }
        OnChain::Unchecked => {
            "  CANNOT CHECK whether you can withdraw your consent: give the genesis file (--genesis)"
                .to_owned()
        }
        OnChain::Wrong(fault) => format!(
            "  WARNING: {fault}. Complain to {issuer}, to {requester} and to whoever oversees them, and \
             keep what this command shows with --json"
        ),
    })
}

/// The same for programs.
pub(super) fn past_json(issuer: DepartmentId, past: &Past) -> Value {
    let told = &past.told;
    let (on_chain, entry, fault) = match &past.consent {
        OnChain::None => ("none", None, None),
        OnChain::NotRecorded => ("not-recorded", None, None),
        OnChain::Own(entry) => ("own", Some(entry), None),
        OnChain::Unchecked => ("unchecked", None, None),
        OnChain::Wrong(fault) => ("wrong", None, Some(fault.to_string())),
    };
    json!({
        "request": told.request,
        "issuer": issuer,
        "requester": told.requester,
        "purpose": told.purpose,
        "legal_basis": told.legal_basis,
        "condition": told.condition,
        "created": time(told.created),
        "expires": time(told.expires),
        "state": told.state,
        "silence": told.silence,
        "consent": on_chain,
        "consent_entry": entry,
        "consent_fault": fault,
        "consent_receipt": told.consent,
    })
}

/// A consent that an issuer does not mention.
pub(super) fn unmentioned(request: &Digest, consented: &Consented) -> String {
    let Consented { issuer, requester, purpose, .. } = consented;
    let lines = [
        request.to_string(),
        format!("  {requester} asked {issuer}, for {purpose}"),
        format!(
            "  you consented, and {issuer} does not mention it: it may not have got your consent"
        ),
    ];
    lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
}

/// The same for programs.
pub(super) fn unmentioned_json(request: &Digest, consented: &Consented) -> Value {
    json!({
        "request": request,
        "issuer": consented.issuer,
        "requester": consented.requester,
        "purpose": consented.purpose,
        "expires": time(consented.expires),
        "consent": "unmentioned",
    })
}

fn requester(question: &Question) -> String {
    format!("{}{}", question.checked().request().requester, called(question.requester_name()))
}

/// A name that only the issuer vouches for.
fn called(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" (\"{name}\", as the issuer calls it)"))
}

fn basis(basis: &LegalBasis) -> String {
    match basis {
        LegalBasis::Consent { .. } => "your consent".to_owned(),
        LegalBasis::Statutory { reference } => format!("by law: {reference}"),
    }
}

fn words(notice: &Notice) -> String {
    match notice {
        Notice::Note(Note::ConsentKeyEnrolledByIssuer) => {
            "the issuer itself enrolled your consent key: to others, your consent is the issuer's word"
                .to_owned()
        }
        Notice::Note(Note::ConsentBindsAllButIssuer) => {
            "your consent binds everybody except the issuer, who holds the record".to_owned()
        }
        Notice::Note(Note::NoConsent) => "the ground is a law, not your consent".to_owned(),
        Notice::Note(Note::DevelopmentKey) => {
            "the proving key was made by one party, who could forge answers".to_owned()
        }
        Notice::Note(Note::SingleOperator) => {
            "one operator alone keeps the chain, and could rewrite it".to_owned()
        }
        Notice::SamePseudonym { requester, purpose } => format!(
            "{requester} will know you by one pseudonym, the same each time it asks for {purpose}"
        ),
        Notice::OfferUnchecked => {
            "this wallet cannot tell that the requester made this offer; the issuer checks that"
                .to_owned()
        }
        Notice::Issuer(text) => format!("the issuer says: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::ConsentFault;

    #[test]
    fn an_unchecked_card_is_warned_of_and_a_checked_one_is_not() {
        let text = |it| voucher("civil-registry".parse().unwrap(), it);
        assert!(!text(Voucher::Genesis).contains("WARNING"));
        for unchecked in [Voucher::LaterRegistrar, Voucher::NoGenesis] {
            assert!(text(unchecked).starts_with("WARNING: nobody has checked this card"));
        }
    }

    #[test]
    fn a_lock_that_is_not_the_citizens_is_told_loudly() {
        let tax = "tax".parse().unwrap();
        let entry = chain::identifier::EntryId::from_digest(Digest::of(b"entry"));
        let text = |consent| on_chain(tax, "welfare", &consent);
        let wrong = text(OnChain::Wrong(ConsentFault::Lock(entry))).unwrap();
        assert!(wrong.contains("WARNING: you cannot withdraw this consent"), "{wrong}");
        assert!(wrong.contains("Complain to tax, to welfare"), "{wrong}");
        assert!(text(OnChain::Unchecked).unwrap().contains("CANNOT CHECK"));
        for quiet in [OnChain::Own(entry), OnChain::NotRecorded] {
            assert!(!text(quiet).unwrap().contains("WARNING"));
        }
        assert_eq!(text(OnChain::None), None);
    }

    #[test]
    fn every_note_has_words_of_its_own() {
        let notes = [
            Note::ConsentKeyEnrolledByIssuer,
            Note::ConsentBindsAllButIssuer,
            Note::NoConsent,
            Note::DevelopmentKey,
            Note::SingleOperator,
        ];
        let mut texts: Vec<_> = notes.map(|note| words(&Notice::Note(note))).into();
        texts.push(words(&Notice::OfferUnchecked));
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 6);
        assert!(words(&Notice::Note(notes[0])).contains("your consent is the issuer's word"));
    }
}
