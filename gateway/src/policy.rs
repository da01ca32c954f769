//! What may be asked: a request against the issuer's service document.
//!
//! The one place of policy. It looks at the question and never at a record, so that it refuses known
//! and unknown subjects alike, at once, and before the citizen is bothered.

use circuits::encoding::{Date, Value};
use circuits::query::{Clause, Operator};
use circuits::schema::Field;
use thiserror::Error;

use crate::budget::ProbeCode;
use crate::document::request::LegalBasis;
use crate::document::service::{AsOf, PermittedBasis, PermittedCondition, PermittedOperands, Rule};
use crate::document::{CheckedRequest, Service};

/// Why a question may not be asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// No rule names the requester.
    #[error("{0} may not ask this service anything")]
    Requester(String),
    /// No rule for the requester names the purpose.
    #[error("not for the purpose {0:?}")]
    Purpose(String),
    /// No such rule permits the legal basis.
    #[error("not on this legal basis")]
    LegalBasis,
    /// No such rule permits the circuit.
    #[error("not by the circuit {0}")]
    Circuit(String),
    /// No such rule permits all conditions; this is the first that fails under the last rule tried.
    #[error("the condition on {path:?} by {operator} with these operands is not permitted")]
    Condition {
        /// The field.
        path: String,
        /// The operator.
        operator: String,
    },
    /// Ages would be counted at another date than the service allows.
    #[error("as_of must be {expected}")]
    AsOf {
        /// What the service allows.
        expected: String,
    },
}

impl PolicyError {
    /// A stable name of the failed check.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Requester(_) => "policy-requester",
            Self::Purpose(_) => "policy-purpose",
            Self::LegalBasis => "policy-legal-basis",
            Self::Circuit(_) => "policy-circuit",
            Self::Condition { .. } => "policy-condition",
            Self::AsOf { .. } => "policy-as-of",
        }
    }
}

/// Checks that a rule of the service permits the request on the day `today`.
///
/// All conditions must be permitted by one rule: conditions of several rules do not combine.
///
/// # Errors
/// [`PolicyError`] names what no rule permits.
pub fn permit(service: &Service, checked: &CheckedRequest, today: Date) -> Result<(), PolicyError> {
    let request = checked.request();
    check_as_of(service.as_of, request.as_of, today)?;
    let mut rules: Vec<&Rule> =
        service.rules.iter().filter(|rule| rule.requesters.contains(&request.requester)).collect();
    if rules.is_empty() {
        return Err(PolicyError::Requester(request.requester.to_string()));
    }
    rules.retain(|rule| rule.purposes.contains(&request.purpose));
    if rules.is_empty() {
        return Err(PolicyError::Purpose(request.purpose.clone()));
    }
    rules.retain(|rule| rule.bases.iter().any(|basis| permits_basis(basis, &request.legal_basis)));
    if rules.is_empty() {
        return Err(PolicyError::LegalBasis);
    }
    rules.retain(|rule| rule.circuits.contains(&request.circuit));
    if rules.is_empty() {
        return Err(PolicyError::Circuit(request.circuit.to_string()));
    }
    let mut outcome = Ok(());
    for rule in rules {
        outcome = permits_query(rule, checked);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// What the request asks of each datum, in the budget's terms.
///
/// A datum's fields share one account, so a probe's code begins with its field's name.
pub fn probes<'s>(
    service: &'s Service,
    checked: &'s CheckedRequest,
) -> std::collections::BTreeMap<&'s str, Vec<ProbeCode>> {
    use circuits::query::ProbeKind;
    let fields = checked.query().schema().fields();
    let mut by_datum = std::collections::BTreeMap::<_, Vec<_>>::new();
    for probe in checked.query().probes() {
        let name = fields[probe.field].name();
        let code = match probe.kind {
            ProbeKind::Cut(cut) => format!("{name}<{cut}"),
            ProbeKind::Element(element) => format!("{name}={element}"),
            ProbeKind::Presence => format!("{name}?"),
        };
        by_datum.entry(service.datum(name)).or_default().push(ProbeCode(code));
    }
    by_datum
}

fn check_as_of(rule: AsOf, asked: Date, today: Date) -> Result<(), PolicyError> {
    match rule {
        AsOf::Today if asked.day().abs_diff(today.day()) <= 1 => Ok(()),
        AsOf::Today => Err(PolicyError::AsOf { expected: format!("{today}, give or take a day") }),
        AsOf::Fixed { date } if asked == date => Ok(()),
        AsOf::Fixed { date } => Err(PolicyError::AsOf { expected: date.to_string() }),
    }
}

fn permits_basis(permitted: &PermittedBasis, asked: &LegalBasis) -> bool {
    match (permitted, asked) {
        (PermittedBasis::Consent, LegalBasis::Consent { .. }) => true,
        (PermittedBasis::Statutory { reference }, LegalBasis::Statutory { reference: asked }) => {
            reference == asked
        }
        _ => false,
    }
}

fn permits_query(rule: &Rule, checked: &CheckedRequest) -> Result<(), PolicyError> {
    let fields = checked.query().schema().fields();
    let groups = checked.query().groups();
    for clause in groups.iter().flatten() {
        let field = &fields[clause.field()];
        // Two lists of three that must both hold may leave one value: a field is asked about once.
        let asked = |group: &&Vec<Clause>| group.iter().any(|it| it.field() == clause.field());
        let once = groups.iter().filter(asked).count() == 1;
        if !once
            || !rule.conditions.iter().any(|condition| permits_clause(condition, field, clause))
        {
            return Err(PolicyError::Condition {
                path: field.name().to_owned(),
                operator: clause.operator().name().to_owned(),
            });
        }
    }
    Ok(())
}

fn permits_clause(condition: &PermittedCondition, field: &Field, clause: &Clause) -> bool {
    condition.path == field.name()
        && condition.operators.contains(clause.operator().name())
        && permits_operands(&condition.operands, field, clause)
}

fn permits_operands(permitted: &PermittedOperands, field: &Field, clause: &Clause) -> bool {
    // The document was checked against the schema, so its values parse; one that did not would
    // permit nothing.
    let parse = |json: &serde_json::Value| field.parse_typed(json).ok();
    let ordinal = |json: &serde_json::Value| parse(json).and_then(|value| value.ordinal());
    let operands = clause.operands();
    let each = |test: &dyn Fn(u64) -> bool| {
        !operands.is_empty() && operands.iter().all(|operand| operand.ordinal().is_some_and(test))
    };
    match permitted {
        PermittedOperands::Fixed { values } => match clause.operator() {
            Operator::Exists => values.contains(&serde_json::Value::Bool(true)),
            Operator::NotExists => values.contains(&serde_json::Value::Bool(false)),
            _ => contains_all(values, operands, parse),
        },
        PermittedOperands::Bounded { min, max } => match (ordinal(min), ordinal(max)) {
            (Some(min), Some(max)) => each(&|operand| min <= operand && operand <= max),
            _ => false,
        },
        PermittedOperands::Stepped { min, max, step } => match (ordinal(min), ordinal(max)) {
            (Some(min), Some(max)) => each(&|operand| {
                min <= operand && operand <= max && (operand - min).checked_rem(*step) == Some(0)
            }),
            _ => false,
        },
        PermittedOperands::Listed { values, at_least } => {
            operands.len() >= *at_least && contains_all(values, operands, parse)
        }
    }
}

fn contains_all(
    values: &[serde_json::Value],
    operands: &[Value],
    parse: impl Fn(&serde_json::Value) -> Option<Value>,
) -> bool {
    let values: Vec<Value> = values.iter().filter_map(parse).collect();
    !operands.is_empty() && operands.iter().all(|operand| values.contains(operand))
}

#[cfg(test)]
mod tests;
