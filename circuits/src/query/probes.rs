//! What a query asks, in a form that does not depend on how it is spelled: the measure of an
//! inference budget.
//!
//! Twenty thresholds reveal an income. So conditions are charged by the points that they cut a field's
//! values at: `$lt 100`, `$lte 99`, `$gte 100` and `$nonbetween` with such an edge all ask on which side
//! of 100 the value is. Alternatives on one field in one group are taken together first, because only
//! their union is answered.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{Clause, Operator, Query};
use crate::{
    Fr,
    encoding::Value,
    schema::{Field, FieldType},
};

/// One thing that a query finds out about one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probe {
    /// Position of the field in the schema.
    pub field: usize,
    /// What about it.
    pub kind: ProbeKind,
}

/// What a query finds out about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// Whether the value's element is below this integer; ordered types.
    Cut(u64),
    /// Whether the value's element is this one; other types.
    Element(Fr),
    /// Whether there is a value. Every condition on a nullable field finds that out.
    Presence,
}

impl Query {
    /// What the query asks, however it is spelled.
    ///
    /// - Ordered types: the cuts at which the truth of a group changes, without those at the field's
    ///   limits, where it cannot. `$eq v` cuts at v and at v + 1.
    /// - Booleans and enums: the members of the set that is asked for or of its complement, whichever
    ///   is smaller: asking for all values but one is asking for the one.
    /// - Strings: the members of the set.
    /// - Nullable fields: presence, besides.
    ///
    /// Merging stops at groups, so some queries are charged for more than they reveal, none for less.
    pub fn probes(&self) -> BTreeSet<Probe> {
        let mut probes = BTreeSet::new();
        for group in &self.groups {
            for (position, field) in self.schema.fields().iter().enumerate() {
                let clauses: Vec<&Clause> =
                    group.iter().filter(|clause| clause.field == position).collect();
                if clauses.is_empty() {
                    continue;
                }
                let kinds = match field.kind() {
                    FieldType::Boolean => {
                        listed(&clauses, [Value::Boolean(false), Value::Boolean(true)])
                    }
                    FieldType::Enum { values } => {
                        let last =
                            u16::try_from(values.len()).expect("a schema lists at most 65,535");
                        listed(&clauses, (1..=last).map(Value::Enum))
                    }
                    FieldType::String { .. } => strings(&clauses),
                    FieldType::Integer { .. }
                    | FieldType::Date { .. }
                    | FieldType::Instant { .. } => cuts(field, &clauses),
                };
                probes.extend(kinds.into_iter().map(|kind| Probe { field: position, kind }));
                if field.is_nullable() {
                    probes.insert(Probe { field: position, kind: ProbeKind::Presence });
                }
            }
        }
        probes
    }
}

/// The points in the field's range at which the truth of "one of `clauses`" changes.
fn cuts(field: &Field, clauses: &[&Clause]) -> Vec<ProbeKind> {
    let (lowest, highest) = field.kind().ordinal_limits().expect("an ordered type");
    let ordinal = |value: &Value| value.ordinal().expect("an operand of an ordered type");
    // Nothing changes except at an operand or just past one.
    let candidates: BTreeSet<u64> = clauses
        .iter()
        .flat_map(|clause| &clause.operands)
        .map(ordinal)
        .flat_map(|operand| [Some(operand), operand.checked_add(1)])
        .flatten()
        .filter(|cut| lowest < *cut && *cut <= highest)
        .collect();
    let truth = |value: u64| {
        clauses.iter().any(|clause| {
            let order = |i: usize| value.cmp(&ordinal(&clause.operands[i]));
            let is_member = || clause.operands.iter().any(|operand| ordinal(operand) == value);
            match clause.operator {
                Operator::Equal | Operator::In => is_member(),
                Operator::NotEqual | Operator::NotIn => !is_member(),
                Operator::Less => order(0).is_lt(),
                Operator::LessOrEqual => order(0).is_le(),
                Operator::Greater => order(0).is_gt(),
                Operator::GreaterOrEqual => order(0).is_ge(),
                Operator::Between => order(0).is_ge() && order(1).is_le(),
                Operator::NotBetween => order(0).is_lt() || order(1).is_gt(),
                Operator::Exists => true,
                Operator::NotExists => false,
            }
        })
    };
    candidates.into_iter().filter(|cut| truth(cut - 1) != truth(*cut)).map(ProbeKind::Cut).collect()
}

/// The smaller of the values for which one of `clauses` holds and those for which none does; the
/// side without the first value when they are as many.
fn listed(clauses: &[&Clause], values: impl IntoIterator<Item = Value>) -> Vec<ProbeKind> {
    let truths: Vec<(Value, bool)> = values
        .into_iter()
        .map(|value| {
            let truth = clauses.iter().any(|clause| clause.holds(&value));
            (value, truth)
        })
        .collect();
    let inside = truths.iter().filter(|(_, truth)| *truth).count();
    let asked = match (2 * inside).cmp(&truths.len()) {
        Ordering::Less => true,
        Ordering::Greater => false,
        // As many: the side without the first value, so that both spellings give one side.
        Ordering::Equal => !truths[0].1,
    };
    truths
        .into_iter()
        .filter(|(_, truth)| *truth == asked)
        .map(|(value, _)| ProbeKind::Element(value.element()))
        .collect()
}

/// The finite set of strings that "one of `clauses`" is true of, or false of.
fn strings(clauses: &[&Clause]) -> Vec<ProbeKind> {
    let mentioned: BTreeSet<Fr> =
        clauses.iter().flat_map(|clause| &clause.operands).map(Value::element).collect();
    let truth = |element: Option<Fr>| {
        clauses.iter().any(|clause| {
            let is_member = clause.operands.iter().any(|value| Some(value.element()) == element);
            match clause.operator {
                Operator::Equal | Operator::In => is_member,
                Operator::NotEqual | Operator::NotIn => !is_member,
                Operator::Exists => true,
                _ => false,
            }
        })
    };
    let unmentioned = truth(None);
    mentioned
        .into_iter()
        .filter(|element| truth(Some(*element)) != unmentioned)
        .map(ProbeKind::Element)
        .collect()
}
