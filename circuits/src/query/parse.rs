//! JSON to a query, with everything refused that its schema does not allow.

use std::fmt;

use serde_json::{Map, Value as Json};
use thiserror::Error;

use super::{CLAUSES, Clause, MAX_AGE, OPERANDS, Operator, Query, age};
use crate::{
    encoding::{Date, Value, ValueError},
    schema::{Field, Schema},
};

/// Characters of an unknown name that an error repeats.
const SHOWN: usize = 64;

/// Where in a query something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Position in the query's array, from 0.
    pub clause: usize,
    /// Position inside `any_of`, from 0.
    pub alternative: Option<usize>,
    /// The field.
    pub path: Option<String>,
    /// The operator.
    pub operator: Option<&'static str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clause {}", self.clause)?;
        if let Some(alternative) = self.alternative {
            write!(f, ", alternative {alternative}")?;
        }
        if let Some(path) = &self.path {
            write!(f, ", path {path}")?;
        }
        if let Some(operator) = self.operator {
            write!(f, ", {operator}")?;
        }
        Ok(())
    }
}

/// Why JSON is not a query on a schema.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// Not an array.
    #[error("a query is a JSON array of claims")]
    NotAnArray,
    /// Nothing is asked.
    #[error("a query has at least one claim")]
    Empty,
    /// More clauses than a circuit has.
    #[error("a query has at most {CLAUSES} clauses")]
    TooManyClauses,
    /// More operands than a circuit has.
    #[error("a query has at most {OPERANDS} operands in all its clauses together")]
    TooManyOperands,
    /// Something in one clause.
    #[error("{place}: {error}")]
    Clause {
        /// Which.
        place: Place,
        /// What.
        error: ClauseError,
    },
}

/// Why JSON is not a clause.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClauseError {
    /// Not of a claim's shape.
    #[error("expected {{\"path\": [field], \"predicate\": {{operator: operand}}}}")]
    NotAClaim,
    /// `any_of` beside other members, without an array, or with an empty one.
    #[error("expected {{\"any_of\": [claim, ...]}} with at least one claim and no other member")]
    NotAlternatives,
    /// Several operators where they could not mean "and".
    #[error("inside any_of a predicate has exactly one operator")]
    SeveralOperators,
    /// The schema has no such field.
    #[error("no field \"{name}\" in the schema")]
    UnknownField {
        /// The name, cut short if it is long.
        name: String,
    },
    /// Age stands for a condition on a field that the schema does not have.
    #[error("age needs a field birth_date of type date in the schema")]
    NoBirthDate,
    /// No such operator.
    #[error("no operator \"{name}\"")]
    UnknownOperator {
        /// The name, cut short if it is long.
        name: String,
    },
    /// A comparison on a type without an order.
    #[error("values of type {kind} are not ordered")]
    NotOrdered {
        /// The field's type.
        kind: &'static str,
    },
    /// `$exists` with something else.
    #[error("expected true or false")]
    NotABoolean,
    /// Not two bounds.
    #[error("expected [low, high]")]
    NotAPair,
    /// An interval that holds nothing.
    #[error("low is above high")]
    Reversed,
    /// Not a list, or an empty one.
    #[error("expected a list of at least one value")]
    NotASet,
    /// Absent is no value to compare with.
    #[error("null is not an operand; ask with $exists")]
    AbsentOperand,
    /// An operand that is not a value of the field.
    #[error(transparent)]
    Operand(#[from] ValueError),
    /// An operator that age does not have.
    #[error("age has $gte, $gt, $lt, $lte, $between and $nonbetween only")]
    AgeOperator,
    /// An age that nobody has, or that lies before the calendar.
    #[error("expected an age in whole years, 0 to {MAX_AGE}, after year 1")]
    Age,
}

impl Query {
    /// Reads a query, rewrites it and checks it against the schema.
    ///
    /// Operands of `$eq`, `$ne`, `$in` and `$nin` must be values that the field can hold; bounds
    /// need only be of its type, so that "born on or before today" may be asked of a file that ends
    /// earlier.
    ///
    /// If the schema has no field `age`, a claim on `age` is one on `birth_date`, a date: the age on
    /// the day `as_of` in completed years. Whoever is born on 29 February completes a year on
    /// 1 March where there is no 29 February.
    ///
    /// # Errors
    /// [`QueryError`] names the clause, its path and its operator.
    pub fn parse(json: &Json, schema: &Schema, as_of: Date) -> Result<Self, QueryError> {
        let elements = json.as_array().ok_or(QueryError::NotAnArray)?;
        let mut reader = Reader { schema, as_of, groups: Vec::new(), clauses: 0, operands: 0 };
        for (index, element) in elements.iter().enumerate() {
            reader.element(index, element)?;
        }
        if reader.groups.is_empty() {
            return Err(QueryError::Empty);
        }
        Ok(Self { schema: schema.clone(), groups: reader.groups })
    }
}

struct Reader<'a> {
    schema: &'a Schema,
    as_of: Date,
    groups: Vec<Vec<Clause>>,
    clauses: usize,
    operands: usize,
}

impl Reader<'_> {
    /// A claim, or alternatives.
    fn element(&mut self, clause: usize, json: &Json) -> Result<(), QueryError> {
        let mut place = Place { clause, alternative: None, path: None, operator: None };
        let Some(alternatives) = json.get("any_of") else {
            for clause in self.claim(&mut place, json)? {
                self.groups.push(vec![clause]);
            }
            return Ok(());
        };
        let claims = match alternatives.as_array() {
            Some(claims)
                if !claims.is_empty() && json.as_object().is_some_and(|o| o.len() == 1) =>
            {
                claims
            }
            _ => return Err(QueryError::Clause { place, error: ClauseError::NotAlternatives }),
        };
        let mut group = Vec::with_capacity(claims.len().min(CLAUSES));
        for (index, claim) in claims.iter().enumerate() {
            place = Place { clause, alternative: Some(index), path: None, operator: None };
            group.extend(self.claim(&mut place, claim)?);
        }
        self.groups.push(group);
        Ok(())
    }

    /// The clauses of a claim: one for each operator, in the order of [`Operator::ALL`].
    fn claim(&mut self, place: &mut Place, json: &Json) -> Result<Vec<Clause>, QueryError> {
        let (name, predicate) = match shape(json) {
            Ok(shape) => shape,
            Err(error) => return Err(QueryError::Clause { place: place.clone(), error }),
        };
        place.path = Some(cut(name));
        let mut known: Vec<(usize, &str, &Json)> = Vec::with_capacity(1);
        for (operator, operand) in predicate {
            match Operator::ALL.iter().position(|known| known.name() == operator) {
                Some(position) => known.push((position, operator, operand)),
                None => {
                    let error = ClauseError::UnknownOperator { name: cut(operator) };
                    return Err(QueryError::Clause { place: place.clone(), error });
                }
            }
        }
        if place.alternative.is_some() && known.len() > 1 {
            let error = ClauseError::SeveralOperators;
            return Err(QueryError::Clause { place: place.clone(), error });
        }
        known.sort_unstable_by_key(|(position, _, _)| *position);
        let mut clauses = Vec::with_capacity(known.len());
        for (position, _, operand) in known {
            let operator = Operator::ALL[position];
            place.operator = Some(operator.name());
            let clause = clause(self.schema, self.as_of, name, operator, operand)
                .map_err(|error| QueryError::Clause { place: place.clone(), error })?;
            self.clauses += 1;
            self.operands += clause.operands.len();
            if self.clauses > CLAUSES {
                return Err(QueryError::TooManyClauses);
            }
            if self.operands > OPERANDS {
                return Err(QueryError::TooManyOperands);
            }
            clauses.push(clause);
        }
        Ok(clauses)
    }
}

/// `{"path": [name], "predicate": {…}}` and nothing else.
fn shape(json: &Json) -> Result<(&str, &Map<String, Json>), ClauseError> {
    let claim = json.as_object().ok_or(ClauseError::NotAClaim)?;
    let path = claim.get("path").and_then(Json::as_array);
    let predicate = claim.get("predicate").and_then(Json::as_object);
    match (path.map(Vec::as_slice), predicate) {
        (Some([Json::String(name)]), Some(predicate))
            if claim.len() == 2 && !predicate.is_empty() =>
        {
            Ok((name, predicate))
        }
        _ => Err(ClauseError::NotAClaim),
    }
}

fn clause(
    schema: &Schema,
    as_of: Date,
    name: &str,
    operator: Operator,
    operand: &Json,
) -> Result<Clause, ClauseError> {
    let Some((position, field)) = schema.field(name) else {
        if name == "age" {
            return age::clause(schema, as_of, operator, operand);
        }
        return Err(ClauseError::UnknownField { name: cut(name) });
    };
    if operator.is_order() && !field.kind().is_ordered() {
        return Err(ClauseError::NotOrdered { kind: field.kind().name() });
    }
    let (operator, operands) = match operator {
        Operator::Exists | Operator::NotExists => match operand {
            Json::Bool(true) => (Operator::Exists, Vec::new()),
            Json::Bool(false) => (Operator::NotExists, Vec::new()),
            _ => return Err(ClauseError::NotABoolean),
        },
        Operator::Between | Operator::NotBetween => {
            let [low, high] = pair(operand)?;
            let (low, high) = (bound(field, low)?, bound(field, high)?);
            if low.ordinal() > high.ordinal() {
                return Err(ClauseError::Reversed);
            }
            (operator, vec![low, high])
        }
        Operator::In | Operator::NotIn => (operator, set(field, operand)?),
        Operator::Equal | Operator::NotEqual => (operator, vec![member(field, operand)?]),
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            (operator, vec![bound(field, operand)?])
        }
    };
    Ok(Clause { field: position, operator, operands })
}

/// `[low, high]`
pub(super) fn pair(operand: &Json) -> Result<&[Json; 2], ClauseError> {
    operand.as_array().and_then(|pair| pair.as_slice().try_into().ok()).ok_or(ClauseError::NotAPair)
}

/// A value of the field's type.
fn bound(field: &Field, operand: &Json) -> Result<Value, ClauseError> {
    if operand.is_null() {
        return Err(ClauseError::AbsentOperand);
    }
    Ok(field.parse_typed(operand)?)
}

/// A value that the field can hold.
fn member(field: &Field, operand: &Json) -> Result<Value, ClauseError> {
    if operand.is_null() {
        return Err(ClauseError::AbsentOperand);
    }
    Ok(field.parse_json(operand)?)
}

/// A set: sorted by element, without repeats.
fn set(field: &Field, operand: &Json) -> Result<Vec<Value>, ClauseError> {
    let members = operand.as_array().filter(|members| !members.is_empty());
    let members = members.ok_or(ClauseError::NotASet)?;
    let members: Result<Vec<_>, _> = members
        .iter()
        .map(|operand| member(field, operand).map(|value| (value.element(), value)))
        .collect();
    let mut members = members?;
    members.sort_unstable_by_key(|(element, _)| *element);
    members.dedup_by_key(|(element, _)| *element);
    Ok(members.into_iter().map(|(_, value)| value).collect())
}

/// The beginning of `name`.
fn cut(name: &str) -> String {
    name.chars().take(SHOWN).collect()
}
