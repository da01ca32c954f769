//! What may be asked, in words, as the command line wants it asked.

use std::fmt::{Display, Write as _};

use super::super::text::plain;
use crate::document::service::{AsOf, PermittedBasis, PermittedOperands, Rule, Service};
use crate::http::public::ServiceInForce;

/// A service with its rules, a few lines without the last line's end. Another department wrote it, so that
/// what a terminal would take for more than text is not in it.
pub(super) fn text(in_force: &ServiceInForce) -> String {
    let ServiceInForce { entry, service, has_records, .. } = in_force;
    let Service { issuer, dataset, title, registrar, as_of, .. } = service;
    let (title, dataset) = (plain(title), plain(dataset));
    let records = if *has_records { "" } else { "; no records yet" };
    let as_of = match as_of {
        AsOf::Today => "today".to_owned(),
        AsOf::Fixed { date } => format!("--as-of {date}"),
    };
    let mut text = format!(
        "--issuer {issuer} --dataset {dataset}   {title}{records}\n  \
         entry {entry}; keys enrolled by {registrar}; ages counted at: {as_of}"
    );
    if service.rules.is_empty() {
        text.push_str("\n  nobody may ask anything");
    }
    service.rules.iter().for_each(|rule| push_rule(&mut text, rule));
    text
}

fn push_rule(text: &mut String, rule: &Rule) {
    let bases = rule.bases.iter().map(|basis| match basis {
        PermittedBasis::Consent => "the citizen's consent".to_owned(),
        PermittedBasis::Statutory { reference } => format!("--law {reference:?}"),
    });
    let (requesters, purposes) = (listed(&rule.requesters), plain(&listed(&rule.purposes)));
    let (bases, circuits) = (plain(&listed(bases)), listed(&rule.circuits));
    let mut push = |line: std::fmt::Arguments<'_>| {
        text.write_fmt(line).expect("writing to a string does not fail");
    };
    push(format_args!("\n  {requesters} may ask, --purpose {purposes}, by {bases}, {circuits}:"));
    for it in &rule.conditions {
        let (path, operators) = (plain(&it.path), plain(&listed(&it.operators)));
        let operands = plain(&operands(&it.operands));
        push(format_args!("\n    {path}  {operators}  {operands}"));
    }
}

fn operands(operands: &PermittedOperands) -> String {
    match operands {
        PermittedOperands::Fixed { values } => listed(values),
        PermittedOperands::Bounded { min, max } => format!("from {min} to {max}"),
        PermittedOperands::Stepped { min, max, step } => {
            format!("from {min} to {max} in steps of {step}")
        }
        PermittedOperands::Listed { values, at_least } => {
            format!("{at_least} or more of {}", listed(values))
        }
    }
}

/// `a, b`
fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<_> = items.into_iter().map(|it| it.to_string()).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::Digest;
    use serde_json::{from_value, json};

    #[test]
    fn what_may_be_asked_is_said_as_it_has_to_be_asked() {
        let mut json = crate::document::service::tests::tax_service_json();
        json["title"] = json!("Wages\u{1b}[31m");
        let service: Service = from_value(json).unwrap();
        let digest = Digest::of(b"entry");
        let in_force =
            ServiceInForce { entry: digest, document: digest, has_records: false, service };
        let text = text(&in_force);
        assert!(text.starts_with("--issuer tax --dataset tax   Wages"), "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("; no records yet"), "{text}");
        assert!(text.contains("\n  welfare may ask, --purpose benefit-eligibility"), "{text}");
        assert!(text.contains("ages counted at: --as-of 2024-12-31"), "{text}");
        let mut closed = in_force;
        closed.service.rules.clear();
        assert!(super::text(&closed).ends_with("nobody may ask anything"));
    }
}
