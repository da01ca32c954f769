//! The service document: what may be asked of one dataset, by whom, for what, on which ground.

use std::collections::{BTreeMap, BTreeSet};

use chain::identifier::DepartmentId;
use circuits::encoding::Date;
use circuits::query::Operator;
use circuits::schema::{FieldType, Schema};
use circuits::statement::CircuitId;
use crypto::{Digest, canonical};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::VERSION;

/// A dataset and the rules for asking about it. Its digest is the `service` entry on the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Format version, 1.
    pub version: u32,
    /// Who holds the records.
    pub issuer: DepartmentId,
    /// The dataset's name, unique within the issuer.
    pub dataset: String,
    /// For people.
    pub title: String,
    /// The dataset's schema, so that whoever may ask can write the question.
    pub schema: Schema,
    /// The department whose key cards name this dataset's citizens' keys.
    pub registrar: DepartmentId,
    /// The date that ages are counted at.
    pub as_of: AsOf,
    /// Who may ask what. What no rule permits is refused.
    pub rules: Vec<Rule>,
    /// Names of data that are spread over several fields, with those fields: questions about any of
    /// them count against one budget. The same name in two datasets of one issuer is one datum.
    #[serde(default)]
    pub data: BTreeMap<String, BTreeSet<String>>,
    /// How much may be learnt by asking.
    pub budget: Budget,
}

/// Which `as_of` a request must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AsOf {
    /// The issuer's date, give or take a day.
    Today,
    /// This date.
    Fixed {
        /// The date.
        date: Date,
    },
}

/// Some requesters may ask these conditions for these purposes on these grounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Who may ask.
    pub requesters: BTreeSet<DepartmentId>,
    /// For what.
    pub purposes: BTreeSet<String>,
    /// On what ground.
    pub bases: Vec<PermittedBasis>,
    /// By which circuits.
    pub circuits: Vec<CircuitId>,
    /// What.
    pub conditions: Vec<PermittedCondition>,
}

/// A ground on which a rule permits questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PermittedBasis {
    /// The citizen's consent.
    Consent,
    /// A law, spelt exactly so.
    Statutory {
        /// The law.
        reference: String,
    },
}

/// A condition that a rule permits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermittedCondition {
    /// The field.
    pub path: String,
    /// The operators' names. Of one polarity: who may ask `$lt` may not ask `$gte`.
    pub operators: BTreeSet<String>,
    /// The operands.
    pub operands: PermittedOperands,
}

/// Which operands a condition may have, as the query's JSON spells them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PermittedOperands {
    /// One of these; `true` or `false` for `$exists`.
    Fixed {
        /// The values.
        values: Vec<serde_json::Value>,
    },
    /// Anything from `min` to `max`, both included; for ordered types.
    Bounded {
        /// The least.
        min: serde_json::Value,
        /// The greatest.
        max: serde_json::Value,
    },
    /// `min`, `min + step`, … up to `max`; for ordered types. A date's step is in days.
    Stepped {
        /// The least.
        min: serde_json::Value,
        /// The greatest.
        max: serde_json::Value,
        /// The distance.
        step: u64,
    },
    /// Sets of at least `at_least` elements, all from a list.
    Listed {
        /// The list.
        values: Vec<serde_json::Value>,
        /// The smallest set: a set of one is disclosure.
        at_least: usize,
    },
}

/// How many distinct cut points and set elements may be asked of one datum of one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// By one requester.
    pub per_requester: u32,
    /// By all requesters together.
    pub issuer_wide: u32,
}

/// Why a service document is refused.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ServiceError {
    /// Another format version.
    #[error("service version {got}; this software reads version {VERSION}")]
    Version {
        /// The version that the document has.
        got: u32,
    },
    /// A field that the schema does not have.
    #[error("{place}: the schema {schema} has no field {path:?}")]
    UnknownField {
        /// Where in the document.
        place: String,
        /// The schema's name.
        schema: String,
        /// The field.
        path: String,
    },
    /// An operand that is no value of its field.
    #[error("{place}: {value} is no value of {path:?}")]
    Operand {
        /// Where in the document.
        place: String,
        /// The operand.
        value: String,
        /// The field.
        path: String,
    },
    /// No such operator.
    #[error("{place}: no operator {operator:?}; there are {}", operator_names())]
    UnknownOperator {
        /// Where in the document.
        place: String,
        /// The operator.
        operator: String,
    },
    /// Both of the values that the field, or its presence, can have.
    #[error("{place}: exactly one value of {path:?} may be asked for")]
    BothValues {
        /// Where in the document.
        place: String,
        /// The field.
        path: String,
    },
    /// A range for a field whose type has no order.
    #[error("{place}: {path:?} has no order")]
    Unordered {
        /// Where in the document.
        place: String,
        /// The field.
        path: String,
    },
    /// A requester could ask a condition and its negation for one field.
    #[error("{requester} may ask {path:?} both by {one} and by {other}: one polarity only")]
    TwoPolarities {
        /// The requester.
        requester: DepartmentId,
        /// The field.
        path: String,
        /// An operator.
        one: String,
        /// An operator of the other polarity.
        other: String,
    },
    /// A field in two data.
    #[error("data: field {path:?} is in two data")]
    FieldInTwoData {
        /// The field.
        path: String,
    },
}

impl Service {
    /// SHA-256 of the canonical document.
    pub fn digest(&self) -> Digest {
        canonical::digest(self).expect("a service has string keys and no floats")
    }

    /// Name of the datum that a field belongs to: one of `data`, else the field itself.
    pub fn datum<'a>(&'a self, path: &'a str) -> &'a str {
        self.data
            .iter()
            .find(|(_, fields)| fields.contains(path))
            .map_or(path, |(name, _)| name.as_str())
    }

    /// Checks that the rules are about the schema's fields and of one polarity.
    ///
    /// # Errors
    /// [`ServiceError`] names the first thing that does not hold.
    pub fn check(&self) -> Result<(), ServiceError> {
        if self.version != VERSION {
            return Err(ServiceError::Version { got: self.version });
        }
        self.check_data()?;
        for (number, rule) in self.rules.iter().enumerate() {
            for condition in &rule.conditions {
                condition.check(&self.schema, &format!("rule {}", number + 1))?;
            }
        }
        self.check_polarity()
    }

    fn check_data(&self) -> Result<(), ServiceError> {
        let mut seen = BTreeSet::new();
        for (name, fields) in &self.data {
            for path in fields {
                field(&self.schema, path, &format!("data {name:?}"))?;
                if !seen.insert(path) {
                    return Err(ServiceError::FieldInTwoData { path: path.clone() });
                }
            }
        }
        Ok(())
    }

    /// With a condition and its negation, "no answer" would be an answer.
    fn check_polarity(&self) -> Result<(), ServiceError> {
        let mut asked: BTreeMap<(DepartmentId, &str), &str> = BTreeMap::new();
        for rule in &self.rules {
            for requester in &rule.requesters {
                for condition in &rule.conditions {
                    for operator in &condition.operators {
                        let key = (*requester, self.datum(&condition.path));
                        let first = *asked.entry(key).or_insert(operator);
                        if polarity(first) != polarity(operator) {
                            return Err(ServiceError::TwoPolarities {
                                requester: *requester,
                                path: condition.path.clone(),
                                one: first.to_owned(),
                                other: operator.clone(),
                            });
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// `$eq, $ne, …`
fn operator_names() -> String {
    let mut names = Operator::ALL.map(Operator::name).to_vec();
    names.dedup(); // `$exists` stands for two
    names.join(", ")
}

impl PermittedCondition {
    fn check(&self, schema: &Schema, place: &str) -> Result<(), ServiceError> {
        let field = field(schema, &self.path, place)?;
        for operator in &self.operators {
            if !Operator::ALL.iter().any(|known| known.name() == operator) {
                let (place, operator) = (place.to_owned(), operator.clone());
                return Err(ServiceError::UnknownOperator { place, operator });
            }
        }
        let presence = self.operators.iter().all(|operator| operator == "$exists");
        let is_operand = |value: &serde_json::Value| {
            if presence { value.is_boolean() } else { field.parse_typed(value).is_ok() }
        };
        if let Some(value) = self.operands.values().find(|value| !is_operand(value)) {
            return Err(ServiceError::Operand {
                place: place.to_owned(),
                value: value.to_string(),
                path: self.path.clone(),
            });
        }
        // Either of two values, each in turn, would be the value itself.
        let two_valued = presence || matches!(field.kind(), FieldType::Boolean);
        if two_valued && self.operands.values().count() != 1 {
            let (place, path) = (place.to_owned(), self.path.clone());
            return Err(ServiceError::BothValues { place, path });
        }
        let range = matches!(
            self.operands,
            PermittedOperands::Bounded { .. } | PermittedOperands::Stepped { .. }
        );
        if range && !field.kind().is_ordered() {
            let (place, path) = (place.to_owned(), self.path.clone());
            return Err(ServiceError::Unordered { place, path });
        }
        Ok(())
    }
}

impl PermittedOperands {
    /// Every value that the document spells.
    fn values(&self) -> impl Iterator<Item = &serde_json::Value> {
        let (list, ends): (&[_], [Option<_>; 2]) = match self {
            Self::Fixed { values } | Self::Listed { values, .. } => (values, [None, None]),
            Self::Bounded { min, max } | Self::Stepped { min, max, .. } => {
                (&[], [Some(min), Some(max)])
            }
        };
        list.iter().chain(ends.into_iter().flatten())
    }
}

/// Operators of one polarity never negate each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Polarity {
    Below,
    Above,
    Inside,
    Outside,
    Presence,
}

fn polarity(operator: &str) -> Option<Polarity> {
    let operator = Operator::ALL.into_iter().find(|known| known.name() == operator)?;
    Some(match operator {
        Operator::Less | Operator::LessOrEqual => Polarity::Below,
        Operator::Greater | Operator::GreaterOrEqual => Polarity::Above,
        Operator::Equal | Operator::In | Operator::Between => Polarity::Inside,
        Operator::NotEqual | Operator::NotIn | Operator::NotBetween => Polarity::Outside,
        Operator::Exists | Operator::NotExists => Polarity::Presence,
    })
}

fn field<'s>(
    schema: &'s Schema,
    path: &str,
    place: &str,
) -> Result<&'s circuits::schema::Field, ServiceError> {
    schema.field(path).map(|(_, field)| field).ok_or_else(|| ServiceError::UnknownField {
        place: place.to_owned(),
        schema: schema.name().to_owned(),
        path: path.to_owned(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A tax service: welfare may ask on consent whether wages are below a stepped threshold.
    pub(crate) fn tax_service_json() -> Value {
        let schema: Value =
            serde_json::from_str(include_str!("../../data/tax.schema.json")).unwrap();
        json!({
            "version": 1, "issuer": "tax", "dataset": "tax", "title": "Tax records",
            "schema": schema, "registrar": "civil-registry",
            "as_of": {"kind": "fixed", "date": "2024-12-31"},
            "rules": [{
                "requesters": ["welfare"], "purposes": ["benefit-eligibility"],
                "bases": [{"kind": "consent"}, {"kind": "statutory", "reference": "Benefits Act, s. 12"}],
                "circuits": ["identified/v1", "pseudonymous/v1"],
                "conditions": [
                    {"path": "total_wages_cents", "operators": ["$lt", "$lte"],
                     "operands": {"kind": "stepped", "min": 0, "max": 10_000_000, "step": 500_000}},
                    {"path": "filing_role", "operators": ["$in"],
                     "operands": {"kind": "listed", "values": ["none", "sole", "joint_primary"], "at_least": 2}},
                    {"path": "employer_count", "operators": ["$between"],
                     "operands": {"kind": "bounded", "min": 0, "max": 4}},
                    {"path": "spouse_citizen_id", "operators": ["$exists"],
                     "operands": {"kind": "fixed", "values": [true]}},
                    {"path": "filed_1040", "operators": ["$eq"],
                     "operands": {"kind": "fixed", "values": [true]}}
                ]
            }],
            "data": {"income": ["w2_wages_cents", "total_wages_cents"]},
            "budget": {"per_requester": 3, "issuer_wide": 6}
        })
    }

    pub(crate) fn service(json: Value) -> Service {
        serde_json::from_value(json).unwrap()
    }

    fn problem(change: impl FnOnce(&mut Value)) -> String {
        let mut json = tax_service_json();
        assert_eq!(service(json.clone()).check(), Ok(()));
        change(&mut json);
        service(json).check().unwrap_err().to_string()
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        assert_eq!(
            problem(|json| json["version"] = json!(2)),
            "service version 2; this software reads version 1"
        );
        assert_eq!(
            problem(|json| json["rules"][0]["conditions"][0]["path"] = json!("income")),
            "rule 1: the schema tax has no field \"income\""
        );
        assert_eq!(
            problem(|json| json["rules"][0]["conditions"][0]["operators"] = json!(["$less"])),
            "rule 1: no operator \"$less\"; there are $eq, $ne, $lt, $lte, $gt, $gte, $between, $nonbetween, $in, \
             $nin, $exists"
        );
        assert_eq!(
            problem(|json| json["rules"][0]["conditions"][0]["operands"]["max"] = json!("many")),
            "rule 1: \"many\" is no value of \"total_wages_cents\""
        );
        assert_eq!(
            problem(|json| {
                json["rules"][0]["conditions"][1]["operands"] =
                    json!({"kind": "bounded", "min": "none", "max": "sole"});
            }),
            "rule 1: \"filing_role\" has no order"
        );
        assert_eq!(
            problem(|json| {
                json["rules"][0]["conditions"][4]["operands"]["values"] = json!([true, false]);
            }),
            "rule 1: exactly one value of \"filed_1040\" may be asked for"
        );
        assert_eq!(
            problem(|json| json["data"]["pay"] = json!(["w2_wages_cents"])),
            "data: field \"w2_wages_cents\" is in two data"
        );
    }

    #[test]
    fn a_condition_and_its_negation_are_not_both_permitted() {
        let text = problem(|json| {
            json["rules"][0]["conditions"][0]["operators"] = json!(["$lt", "$gte"]);
        });
        assert_eq!(
            text,
            "welfare may ask \"total_wages_cents\" both by $gte and by $lt: one polarity only"
        );
        // Also when two rules, or two fields of one datum, would permit them.
        let text = problem(|json| {
            let mut rule = json["rules"][0].clone();
            rule["conditions"] = json!([{"path": "w2_wages_cents", "operators": ["$gt"],
                "operands": {"kind": "bounded", "min": 0, "max": 9}}]);
            json["rules"].as_array_mut().unwrap().push(rule);
        });
        assert!(text.contains("one polarity only"), "{text}");
    }

    #[test]
    fn unknown_members_are_refused() {
        let mut json = tax_service_json();
        json["budget"]["per_day"] = json!(1);
        assert!(serde_json::from_value::<Service>(json).is_err());
    }
}
