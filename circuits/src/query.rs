//! Queries: conditions on a record, in conjunctive normal form.
//!
//! ```text
//! query       = [ element, … ]                             all of them hold
//! element     = claim | {"any_of": [ claim, … ]}           at least one of these holds
//! claim       = {"path": [ field ], "predicate": { operator: operand, … }}
//! ```
//! A predicate with several operators means all of them: each is a claim of its own. Inside `any_of`
//! a predicate has exactly one. Absent values fail every operator except `{"$exists": false}`, also
//! `$ne`, `$nin` and `$nonbetween`.
//!
//! | operator | operand | field types |
//! | --- | --- | --- |
//! | `$eq` `$ne` | a value of the field | all |
//! | `$lt` `$lte` `$gt` `$gte` | a value of the field's type | integer, date, instant |
//! | `$between` `$nonbetween` | `[low, high]`, both included in the interval | integer, date, instant |
//! | `$in` `$nin` | a list of values of the field | all |
//! | `$exists` | `true` or `false` | all |
//!
//! `{"path":["age"], …}` is a condition on `birth_date`, see [`Query::parse`]. A [`Query`] is the
//! rewritten form, in which age is gone, every claim has one operator and sets are sorted without
//! repeats; only that form is shown, signed and committed to.

mod age;
#[cfg(test)]
mod arbitrary;
mod compile;
pub mod constraints;
mod describe;
mod parse;
mod probes;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::{
    encoding::Value,
    schema::{Field, Schema},
};
pub use age::MAX_AGE;
pub use compile::{CompiledClause, CompiledQuery};
pub use parse::{ClauseError, Place, QueryError};
pub use probes::{Probe, ProbeKind};

/// The most clauses of a query.
pub const CLAUSES: usize = 8;
/// The most operands of a query, over all its clauses.
pub const OPERANDS: usize = 16;

/// The circuit that a query is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The requester knows who the citizen is; the query's context is the request's nonce.
    Identified = 1,
    /// The requester does not; the query's context is the pseudonym's scope.
    Pseudonymous = 2,
}

/// On what ground the issuer may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The citizen signed for exactly this request.
    Consent = 1,
    /// A law, which a service document names; only in [`Mode::Identified`].
    Statutory = 2,
}

/// What a clause says about its field; the discriminant is the opcode that a query commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// `$eq`
    Equal = 1,
    /// `$ne`
    NotEqual = 2,
    /// `$lt`
    Less = 3,
    /// `$lte`
    LessOrEqual = 4,
    /// `$gt`
    Greater = 5,
    /// `$gte`
    GreaterOrEqual = 6,
    /// `$between`, both ends included
    Between = 7,
    /// `$nonbetween`: present and outside, the ends being inside
    NotBetween = 8,
    /// `$in`
    In = 9,
    /// `$nin`: present and not in the list
    NotIn = 10,
    /// `{"$exists": true}`
    Exists = 11,
    /// `{"$exists": false}`
    NotExists = 12,
}

impl Operator {
    /// Every operator, in the order in which a predicate with several is taken apart.
    pub const ALL: [Self; 12] = [
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Between,
        Self::NotBetween,
        Self::In,
        Self::NotIn,
        Self::Exists,
        Self::NotExists,
    ];

    /// The number that a query commits to; 0 is no clause.
    pub const fn opcode(self) -> u8 {
        self as u8
    }

    /// Its name in JSON. `$exists` stands for two operators; its operand tells which.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "$eq",
            Self::NotEqual => "$ne",
            Self::Less => "$lt",
            Self::LessOrEqual => "$lte",
            Self::Greater => "$gt",
            Self::GreaterOrEqual => "$gte",
            Self::Between => "$between",
            Self::NotBetween => "$nonbetween",
            Self::In => "$in",
            Self::NotIn => "$nin",
            Self::Exists | Self::NotExists => "$exists",
        }
    }

    /// Whether it compares, which only ordered types allow.
    pub const fn is_order(self) -> bool {
        matches!(
            self,
            Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
                | Self::Between
                | Self::NotBetween
        )
    }
}

/// One condition on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    field: usize,
    operator: Operator,
    /// One for a bound, two for an interval (low, high), a sorted set, none for `$exists`.
    operands: Vec<Value>,
}

impl Clause {
    /// Position of the field in the schema.
    pub fn field(&self) -> usize {
        self.field
    }

    /// What it says.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// One for a bound, two for an interval (low, high), a sorted set, none for `$exists`.
    pub fn operands(&self) -> &[Value] {
        &self.operands
    }

    /// Whether the condition is true of `value`.
    fn holds(&self, value: &Value) -> bool {
        if self.operator == Operator::NotExists || *value == Value::Absent {
            return self.operator == Operator::NotExists && *value == Value::Absent;
        }
        let order = |index: usize| compare(value, &self.operands[index]);
        match self.operator {
            Operator::Equal | Operator::In => self.operands.contains(value),
            Operator::NotEqual | Operator::NotIn => !self.operands.contains(value),
            Operator::Less => order(0).is_lt(),
            Operator::LessOrEqual => order(0).is_le(),
            Operator::Greater => order(0).is_gt(),
            Operator::GreaterOrEqual => order(0).is_ge(),
            Operator::Between => order(0).is_ge() && order(1).is_le(),
            Operator::NotBetween => order(0).is_lt() || order(1).is_gt(),
            Operator::Exists => true,
            Operator::NotExists => unreachable!("handled with absent values"),
        }
    }
}

/// The order of two values of one ordered type.
fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
        (Value::Date(left), Value::Date(right)) => left.cmp(right),
        (Value::Instant(left), Value::Instant(right)) => left.cmp(right),
        _ => unreachable!("order operators stand on values of one ordered type only"),
    }
}

/// A query in rewritten form, checked against its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    schema: Schema,
    /// AND of groups, each an OR of clauses; none is empty.
    groups: Vec<Vec<Clause>>,
}

impl Query {
    /// The schema that the query is about.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// AND of groups, each an OR of clauses.
    pub fn groups(&self) -> &[Vec<Clause>] {
        &self.groups
    }

    /// Whether the query is true of a record's values, which are in the schema's order.
    ///
    /// Plain and independent of the encoding; [`CompiledQuery::evaluate`] and the circuit agree.
    ///
    /// # Panics
    /// If there is not one value for each field, of its type or absent.
    pub fn holds(&self, values: &[Value]) -> bool {
        assert_eq!(values.len(), self.schema.fields().len(), "one value for each field");
        self.groups
            .iter()
            .all(|group| group.iter().any(|clause| clause.holds(&values[clause.field])))
    }

    /// The rewritten form as JSON, from which [`Query::parse`] reads an equal query.
    ///
    /// So a received query is in rewritten form exactly if it equals its own.
    pub fn to_json(&self) -> Json {
        let element = |group: &Vec<Clause>| {
            let mut claims: Vec<_> = group.iter().map(|clause| self.claim(clause)).collect();
            if claims.len() == 1 { claims.remove(0) } else { json!({ "any_of": claims }) }
        };
        Json::Array(self.groups.iter().map(element).collect())
    }

    fn claim(&self, clause: &Clause) -> Json {
        let field = self.field_of(clause);
        let list = || clause.operands.iter().map(|operand| field.to_json(operand)).collect();
        let operand = match clause.operator {
            Operator::Exists => Json::from(true),
            Operator::NotExists => Json::from(false),
            Operator::Between | Operator::NotBetween | Operator::In | Operator::NotIn => {
                Json::Array(list())
            }
            _ => field.to_json(&clause.operands[0]),
        };
        let predicate = Map::from_iter([(clause.operator.name().to_owned(), operand)]);
        json!({ "path": [field.name()], "predicate": predicate })
    }

    fn field_of(&self, clause: &Clause) -> &Field {
        &self.schema.fields()[clause.field]
    }
}
