//! A query in plain words, for the citizen who is asked to consent.

use super::{Clause, Operator, Query};
use crate::{
    encoding::Value,
    schema::{Field, FieldType},
};

impl Query {
    /// One sentence that says what an answer would prove.
    pub fn describe(&self) -> String {
        let alone = self.groups.len() == 1;
        let group = |clauses: &Vec<Clause>| {
            let alternatives: Vec<_> = clauses.iter().map(|clause| self.phrase(clause)).collect();
            let alternatives = alternatives.join(" or ");
            if clauses.len() > 1 && !alone { format!("({alternatives})") } else { alternatives }
        };
        self.groups.iter().map(group).collect::<Vec<_>>().join(", and ")
    }

    fn phrase(&self, clause: &Clause) -> String {
        let field = self.field_of(clause);
        let operands: Vec<_> = clause.operands.iter().map(|value| shown(field, value)).collect();
        let words = match field.kind() {
            FieldType::Date { .. } => ["before", "on or before", "after", "on or after"],
            FieldType::Instant { .. } => ["before", "at or before", "after", "at or after"],
            _ => ["less than", "at most", "more than", "at least"],
        };
        let predicate = match (clause.operator, operands.as_slice()) {
            (Operator::Equal, [value]) => format!("is {value}"),
            (Operator::NotEqual, [value]) => format!("is known and is not {value}"),
            (Operator::Less, [bound]) => format!("is {} {bound}", words[0]),
            (Operator::LessOrEqual, [bound]) => format!("is {} {bound}", words[1]),
            (Operator::Greater, [bound]) => format!("is {} {bound}", words[2]),
            (Operator::GreaterOrEqual, [bound]) => format!("is {} {bound}", words[3]),
            (Operator::Between, [low, high]) => {
                format!("is from {low} to {high}, both included")
            }
            (Operator::NotBetween, [low, high]) => {
                format!("is {} {low} or {} {high}", words[0], words[2])
            }
            (Operator::In, values) => format!("is one of {}", values.join(", ")),
            (Operator::NotIn, values) => {
                format!("is known and is none of {}", values.join(", "))
            }
            (Operator::Exists, _) => "is on record".to_owned(),
            (Operator::NotExists, _) => "is not on record".to_owned(),
            _ => unreachable!("a parsed clause has as many operands as its operator"),
        };
        format!("{} {predicate}", field.name())
    }
}

/// A value with its unit; strings in quotes, so that nothing in them reads as part of the sentence.
fn shown(field: &Field, value: &Value) -> String {
    let text = field.to_text(value);
    match (value, field.unit()) {
        (Value::String(_) | Value::Enum(_), _) => format!("\"{text}\""),
        (Value::Integer(cents), Some(unit)) if field.is_money() => {
            let sign = if *cents < 0 { "-" } else { "" };
            let cents = cents.unsigned_abs();
            format!("{text} {unit} ({sign}{}.{:02})", cents / 100, cents % 100)
        }
        (Value::Integer(_), Some(unit)) => format!("{text} {unit}"),
        _ => text,
    }
}
