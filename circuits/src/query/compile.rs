//! The form of a query that is committed to, and its commitment `q`.
//!
//! `q = Poseidon(T_query, inner, header, schema, context, o11…o15)` with
//! `inner = Poseidon(T_queryInner, o0…o10)`. The context is the request's nonce
//! ([`Mode::Identified`]) or the pseudonym's scope ([`Mode::Pseudonymous`]). The header is one
//! integer below 2^157:
//!
//! | bits from | width | what |
//! | --- | --- | --- |
//! | 0 | 8 | version, 1 |
//! | 8 | 8 | mode: 1 identified, 2 pseudonymous |
//! | 16 | 8 | basis: 1 consent, 2 statutory |
//! | 24 | 5 | end: number of operands in all |
//! | 29 + 16 i | 4 | clause i: field, 0 to 15 |
//! | 33 + 16 i | 4 | clause i: opcode, [`Operator::opcode`]; 0 inactive |
//! | 37 + 16 i | 3 | clause i: group, from 0 without gaps |
//! | 40 + 16 i | 5 | clause i: start, its first operand |
//!
//! Clauses stand group by group as written. Clause i has the operands from its start to the next
//! clause's start (the last clause: to the end), so ranges are consecutive and `start_0 = 0`.
//! Operands past the end are 0. An inactive clause, which pads the end, has field 0 and opcode 0, and
//! keeps the last active clause's group and the end as its start. Sets are sorted by the integer value
//! of their elements, without repeats.

use ark_ff::{AdditiveGroup, Field as _, PrimeField};

use super::{Basis, CLAUSES, Mode, OPERANDS, Operator, Query};
use crate::{
    Fr,
    encoding::{ABSENT, Value},
    poseidon::{self, Tag},
    schema::FIELDS,
};

/// Version of the header and of what it means.
pub(super) const VERSION: u64 = 1;

/// Positions of the header's parts, in bits.
pub(super) mod layout {
    pub(in crate::query) const VERSION: usize = 0;
    pub(in crate::query) const MODE: usize = 8;
    pub(in crate::query) const BASIS: usize = 16;
    pub(in crate::query) const END: usize = 24;

    /// First bit of clause `clause`'s descriptor.
    pub(in crate::query) const fn clause(clause: usize) -> usize {
        29 + 16 * clause
    }

    /// Inside a descriptor.
    pub(in crate::query) const FIELD: usize = 0;
    pub(in crate::query) const OPCODE: usize = 4;
    pub(in crate::query) const GROUP: usize = 8;
    pub(in crate::query) const START: usize = 11;
}

/// `2^bit`
pub(super) fn power_of_two(bit: usize) -> Fr {
    Fr::from(2).pow([u64::try_from(bit).expect("a bit of the header")])
}

/// Operands hashed in the inner half of `q`.
pub(super) const INNER_OPERANDS: usize = 11;

/// An active clause in compiled form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompiledClause {
    /// Position of its field, below [`FIELDS`].
    pub field: usize,
    /// What it says.
    pub operator: Operator,
    /// Its group, from 0.
    pub group: usize,
    /// Position of its first operand.
    pub start: usize,
    /// The number of its operands.
    pub count: usize,
}

/// The canonical compiled form of a query. Only [`Query::compile`] makes one, so whoever has one
/// knows that ranges are consecutive, groups are numbered without gaps, sets are sorted, and operands
/// of order operators are below 2^64: what the circuit leaves to the verifier of `q`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledQuery {
    clauses: Vec<CompiledClause>,
    operands: [Fr; OPERANDS],
}

impl Query {
    /// The canonical compiled form.
    pub fn compile(&self) -> CompiledQuery {
        let mut operands = [Fr::ZERO; OPERANDS];
        let mut clauses = Vec::with_capacity(CLAUSES);
        let mut start = 0;
        for (group, alternatives) in self.groups.iter().enumerate() {
            for clause in alternatives {
                let count = clause.operands.len();
                for (slot, operand) in operands[start..].iter_mut().zip(&clause.operands) {
                    *slot = Value::element(operand);
                }
                clauses.push(CompiledClause {
                    field: clause.field,
                    operator: clause.operator,
                    group,
                    start,
                    count,
                });
                start += count;
            }
        }
        CompiledQuery { clauses, operands }
    }
}

impl CompiledQuery {
    /// What no query compiles to, as a cheater would like it.
    #[cfg(test)]
    pub(super) const fn forced(clauses: Vec<CompiledClause>, operands: [Fr; OPERANDS]) -> Self {
        Self { clauses, operands }
    }

    /// The active clauses.
    pub fn clauses(&self) -> &[CompiledClause] {
        &self.clauses
    }

    /// All operands; zero past [`CompiledQuery::end`].
    pub fn operands(&self) -> &[Fr; OPERANDS] {
        &self.operands
    }

    /// The number of operands in all.
    pub fn end(&self) -> usize {
        self.clauses.last().map_or(0, |clause| clause.start + clause.count)
    }

    /// The header: see the table above.
    pub fn header(&self, mode: Mode, basis: Basis) -> Fr {
        let mut parts = vec![
            (VERSION, layout::VERSION),
            (mode as u64, layout::MODE),
            (basis as u64, layout::BASIS),
            (small(self.end()), layout::END),
        ];
        let last_group = self.clauses.last().map_or(0, |clause| clause.group);
        for i in 0..CLAUSES {
            let base = layout::clause(i);
            let (field, opcode, group, start) = match self.clauses.get(i) {
                Some(clause) => {
                    (clause.field, clause.operator.opcode(), clause.group, clause.start)
                }
                None => (0, 0, last_group, self.end()),
            };
            parts.extend([
                (small(field), base + layout::FIELD),
                (u64::from(opcode), base + layout::OPCODE),
                (small(group), base + layout::GROUP),
                (small(start), base + layout::START),
            ]);
        }
        parts.into_iter().map(|(part, bit)| Fr::from(part) * power_of_two(bit)).sum()
    }

    /// `q = Poseidon(T_query, Poseidon(T_queryInner, o0…o10), header, schema, context, o11…o15)`
    ///
    /// `schema` is the element of the schema's digest, `context` the nonce or the scope. Circuit
    /// twin: [`QueryVar::commitment`](super::constraints::QueryVar::commitment).
    pub fn commitment(&self, mode: Mode, basis: Basis, schema: Fr, context: Fr) -> Fr {
        let (inner_operands, outer_operands) = self.operands.split_at(INNER_OPERANDS);
        let inner = poseidon::tagged(Tag::QueryInner, inner_operands);
        let mut inputs = vec![inner, self.header(mode, basis), schema, context];
        inputs.extend_from_slice(outer_operands);
        poseidon::tagged(Tag::Query, &inputs)
    }

    /// Whether the query is true of a record's elements.
    ///
    /// Twin of [`Query::holds`] over elements and of
    /// [`enforce_query`](super::constraints::enforce_query).
    pub fn evaluate(&self, values: &[Fr; FIELDS]) -> bool {
        let groups = self.clauses.last().map_or(0, |clause| clause.group + 1);
        (0..groups).all(|group| {
            let mut alternatives = self.clauses.iter().filter(|clause| clause.group == group);
            alternatives.any(|clause| self.holds(clause, values))
        })
    }

    /// Whether one clause is true of a record's elements.
    pub(super) fn holds(&self, clause: &CompiledClause, values: &[Fr; FIELDS]) -> bool {
        let value = values[clause.field];
        let operands = &self.operands[clause.start..clause.start + clause.count];
        if clause.operator == Operator::NotExists || value == ABSENT {
            return clause.operator == Operator::NotExists && value == ABSENT;
        }
        // A value past 64 bits is not in any interval.
        let order = |test: &dyn Fn(u64) -> bool| ordinal(value).is_some_and(test);
        let operand = |i: usize| ordinal(operands[i]).expect("bounds are below 2^64");
        match clause.operator {
            Operator::Equal | Operator::In => operands.contains(&value),
            Operator::NotEqual | Operator::NotIn => !operands.contains(&value),
            Operator::Less => order(&|value| value < operand(0)),
            Operator::LessOrEqual => order(&|value| value <= operand(0)),
            Operator::Greater => order(&|value| value > operand(0)),
            Operator::GreaterOrEqual => order(&|value| value >= operand(0)),
            Operator::Between => order(&|value| operand(0) <= value && value <= operand(1)),
            Operator::NotBetween => order(&|value| value < operand(0) || operand(1) < value),
            Operator::Exists => true,
            Operator::NotExists => unreachable!("handled with absent values"),
        }
    }
}

/// The integer `element`, if it is below 2^64.
pub(super) fn ordinal(element: Fr) -> Option<u64> {
    match element.into_bigint().0 {
        [low, 0, 0, 0] => Some(low),
        _ => None,
    }
}

fn small(number: usize) -> u64 {
    u64::try_from(number).expect("a position or count of at most 16")
}
