//! What may be asked, in words, as the command line wants it asked.

use std::fmt::Display;

use chain::identifier::DepartmentId;
use serde::Serialize;

use super::super::text::{plain, quoted};
use crate::document::service::{AsOf, PermittedBasis, PermittedOperands, Rule, Service};
use crate::http::public::ServiceInForce;

/// A service that is in force, and is what its issuer may offer.
#[derive(Debug, Serialize)]
pub(super) struct Offered {
    #[serde(flatten)]
    in_force: ServiceInForce,
    service: Service,
}

impl Offered {
    /// None if the document names another department than put it on the chain, or does not hold: nobody's
    /// questions find it.
    pub(super) fn new(in_force: ServiceInForce, service: Service) -> Option<Self> {
        let is_own = service.issuer.as_str() == in_force.issuer;
        (is_own && service.check().is_ok()).then_some(Self { in_force, service })
    }

    /// What it is sorted by.
    pub(super) fn place(&self) -> (DepartmentId, String) {
        (self.service.issuer, self.service.dataset.clone())
    }
}

/// A service with its rules, a few lines without the last line's end. Another department wrote it: nothing in it
/// moves a terminal's cursor, and what goes on a command line is quoted.
pub(super) fn text(Offered { in_force, service }: &Offered) -> String {
    let Service { issuer, dataset, title, registrar, as_of, .. } = service;
    let records = if in_force.has_records { "" } else { "; no records yet" };
    let as_of = match as_of {
        AsOf::Today => "today".to_owned(),
        AsOf::Fixed { date } => format!("--as-of {date}"),
    };
    let mut lines = vec![
        format!("--issuer {issuer} --dataset {}   {title}{records}", quoted(dataset)),
        format!(
            "  entry {}; keys enrolled by {registrar}; ages counted at: {as_of}",
            in_force.entry
        ),
    ];
    if service.rules.is_empty() {
        lines.push("  nobody may ask anything".to_owned());
    }
    lines.extend(service.rules.iter().flat_map(lines_of));
    let lines: Vec<_> = lines.iter().map(|line| plain(line)).collect();
    lines.join("\n")
}

fn lines_of(rule: &Rule) -> Vec<String> {
    let bases = rule.bases.iter().map(|basis| match basis {
        PermittedBasis::Consent => "the citizen's consent".to_owned(),
        PermittedBasis::Statutory { reference } => format!("--law {}", quoted(reference)),
    });
    let purposes = listed(rule.purposes.iter().map(|it| quoted(it)));
    let (requesters, bases) = (listed(&rule.requesters), listed(bases));
    let circuits = listed(&rule.circuits);
    let first = format!("  {requesters} may ask, --purpose {purposes}, by {bases}, {circuits}:");
    let conditions = rule.conditions.iter().map(|it| {
        format!("    {}  {}  {}", it.path, listed(&it.operators), operands(&it.operands))
    });
    std::iter::once(first).chain(conditions).collect()
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
        json["title"] = json!("Wages\u{1b}[31m\n--issuer welfare");
        json["rules"][0]["purposes"] = json!(["benefit-eligibility", "z\u{202e}a"]);
        let service: Service = from_value(json).unwrap();
        let text = text(&offered("tax", service.clone()).unwrap());
        assert!(text.starts_with("--issuer tax --dataset tax   Wages"), "{text}");
        assert!(text.contains("; no records yet"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("--issuer")).count(), 1, "{text}");
        assert!(text.contains("\n  welfare may ask, --purpose benefit-eligibility"), "{text}");
        assert!(text.contains("ages counted at: --as-of 2024-12-31"), "{text}");
        let mut closed = service;
        closed.rules.clear();
        assert!(super::text(&offered("tax", closed).unwrap()).ends_with("may ask anything"));
    }

    fn offered(author: &str, service: Service) -> Option<Offered> {
        let entry = Digest::of(b"entry");
        let issuer = author.to_owned();
        let in_force = ServiceInForce { issuer, entry, document: entry, has_records: false };
        Offered::new(in_force, service)
    }

    #[test]
    fn nobody_offers_in_another_departments_name() {
        let service: Service =
            from_value(crate::document::service::tests::tax_service_json()).unwrap();
        assert!(offered("tax", service.clone()).is_some());
        assert!(offered("welfare", service.clone()).is_none());
        let mut unsound = service;
        unsound.version = 2;
        assert!(offered("tax", unsound).is_none());
    }

    #[test]
    fn what_is_pasted_runs_nothing() {
        let mut json = crate::document::service::tests::tax_service_json();
        json["dataset"] = json!("wages;reboot");
        json["rules"][0]["purposes"] = json!(["$(reboot)"]);
        json["rules"][0]["bases"] =
            json!([{"kind": "statutory", "reference": "the `reboot` act's"}]);
        let text = text(&offered("tax", from_value(json).unwrap()).unwrap());
        for given in ["wages;reboot", "$(reboot)", "the `reboot` act's"] {
            let quoted = quoted(given);
            assert_eq!(shlex::split(&quoted).unwrap(), [given]);
            assert!(quoted != given && text.contains(&quoted), "{quoted}: {text}");
        }
        assert_eq!(quoted("wages"), "wages");
        assert_eq!(shlex::split(&quoted("a\0b")).unwrap(), ["a\u{fffd}b"]);
    }
}
