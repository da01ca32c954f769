//! Queries as constraints: one circuit for every query, whose fields, operators, operands and
//! grouping are private and bound by the commitment `q` alone.
//!
//! # Claims
//! For each clause the prover either raises a flag, the *claim* that the clause is true, or does not.
//! The flag is that of the clause's own operator, and obliges: a claimed clause is true. Exactly one
//! clause of each group is claimed. Nothing follows from a clause that is not claimed, so by not
//! claiming a prover can only fail to prove.
//!
//! # What `q` binds
//! The verifier computes `q` from a [`CompiledQuery`], so it is the hash of a canonical header and
//! canonical operands. The circuit packs its own header and hashes its own operands to `q`; unless
//! Poseidon collides, they are the same field elements. The packed parts are in range by
//! construction: a field has four bits, an opcode is at most 15 by `enforce_claim`, a group is a sum
//! of at most seven bits, a start is at most 16 by `enforce_boundary`, the basis is 1 or 2. 157 bits do
//! not wrap around the modulus, so equal headers have equal parts: every field, opcode, group and
//! start is the query's. What that implies is cited where it is used:
//!
//! - **B1** groups: `n_i = group_i − group_(i−1)`, so `n_i` is 1 exactly where the query starts a
//!   group, and 0 on padding.
//! - **B2** ranges: starts do not decrease, the first is 0, a clause's range has as many operands as its
//!   operator takes.
//! - **B3** bounds: operands of order operators are integers below 2^64.
//! - **B4** sets: operands are encoded values, none of which is absent.
//! - **B5** padding: the opcode is 0.

mod clause;
mod header;
#[cfg(test)]
mod tests;

use ark_ff::{Field as _, One};
use ark_r1cs_std::{
    GR1CSVar,
    alloc::AllocVar,
    eq::EqGadget,
    fields::{
        FieldVar,
        fp::{AllocatedFp, FpVar},
    },
};
use ark_relations::gr1cs::{ConstraintSystemRef, LinearCombination, SynthesisError, Variable};

use super::{Basis, CLAUSES, CompiledQuery, Mode, OPERANDS, Operator, compile::INNER_OPERANDS};
use crate::{
    Fr,
    poseidon::{Tag, constraints::tagged},
    schema::FIELDS,
};
pub use header::QueryVar;
use header::{ClauseVar, Flag, NIBBLE};

/// What the prover fills in: the query, and which clause of each group it claims, as the elements of
/// the wires.
///
/// The claims tell which alternative is true of the citizen, so `Debug` shows nothing.
#[derive(Clone)]
pub struct QueryWitness {
    statutory: Fr,
    clauses: [ClauseWitness; CLAUSES],
    operands: [Fr; OPERANDS],
}

#[derive(Clone, Copy, Default)]
struct ClauseWitness {
    /// Bits of the field's position.
    field: [Fr; NIBBLE],
    /// Whether it is the first of a group, the query's first group apart.
    starts_group: Fr,
    /// Which [`Flag`] is raised.
    flags: [Fr; Flag::COUNT],
    /// Bits of the opcode, if no flag is raised.
    opcode: [Fr; NIBBLE],
    /// Whether the clause ends before operand 1, 2, … 16.
    end: [Fr; OPERANDS],
}

impl QueryWitness {
    /// The honest choices for a record's elements: the first true clause of each group is claimed.
    ///
    /// If the query is not true of them, a group is without a claim and no proof comes out.
    pub fn new(query: &CompiledQuery, basis: Basis, values: &[Fr; FIELDS]) -> Self {
        let mut clauses = [ClauseWitness::default(); CLAUSES];
        for clause in &mut clauses {
            clause.set_end(query.end());
        }
        let mut claimed_group = None;
        let mut group = 0;
        for (slot, clause) in clauses.iter_mut().zip(query.clauses()) {
            slot.set_field(clause.field);
            slot.set_end(clause.start + clause.count);
            slot.starts_group = Fr::from(clause.group != group);
            group = clause.group;
            if claimed_group != Some(group) && query.holds(clause, values) {
                claimed_group = Some(group);
                let is_below = || values[clause.field] < query.operands()[clause.start];
                slot.claim(match clause.operator {
                    Operator::NotBetween if !is_below() => Flag::Above,
                    operator => Flag::of(operator),
                });
            } else {
                slot.set_opcode(clause.operator);
            }
        }
        let statutory = Fr::from(basis == Basis::Statutory);
        Self { statutory, clauses, operands: *query.operands() }
    }
}

impl ClauseWitness {
    fn set_field(&mut self, position: usize) {
        self.field = std::array::from_fn(|k| Fr::from(position >> k & 1 == 1));
    }

    fn set_opcode(&mut self, operator: Operator) {
        self.opcode = std::array::from_fn(|k| Fr::from(operator.opcode() >> k & 1 == 1));
    }

    fn set_end(&mut self, end: usize) {
        self.end = std::array::from_fn(|j| Fr::from(end == j + 1));
    }

    fn claim(&mut self, flag: Flag) {
        self.flags[flag as usize] = Fr::one();
    }
}

impl std::fmt::Debug for QueryWitness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QueryWitness")
    }
}

impl QueryVar {
    /// `q = Poseidon(T_query, Poseidon(T_queryInner, o0…o10), header, schema, context, o11…o15)`
    ///
    /// The statement makes it equal to a public input. Without that the prover would answer a
    /// question of its own. Native twin: [`CompiledQuery::commitment`].
    ///
    /// # Errors
    /// If an assignment is missing outside setup.
    #[tracing::instrument(target = "gr1cs", skip_all)]
    pub fn commitment(
        &self,
        schema: &FpVar<Fr>,
        context: &FpVar<Fr>,
    ) -> Result<FpVar<Fr>, SynthesisError> {
        let (inner_operands, outer_operands) = self.operands.split_at(INNER_OPERANDS);
        let inner = tagged(Tag::QueryInner, inner_operands)?;
        let mut inputs = vec![inner, self.header.clone(), schema.clone(), context.clone()];
        inputs.extend_from_slice(outer_operands);
        tagged(Tag::Query, &inputs)
    }
}

/// The query is true of `values`: each group has exactly one claimed clause, and that clause is
/// true.
///
/// Sound together with [`QueryVar::commitment`] equal to a `q` that the verifier computed from a
/// [`CompiledQuery`]. Native twin: [`CompiledQuery::evaluate`].
///
/// # Errors
/// If an assignment is missing outside setup.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub fn enforce_query(values: &[FpVar<Fr>; FIELDS], query: &QueryVar) -> Result<(), SynthesisError> {
    enforce_groups(&query.clauses)?;
    for (index, clause) in query.clauses.iter().enumerate() {
        let value = clause::select_value(values, clause)?;
        let [start, end] = [&query.boundaries[index], &query.boundaries[index + 1]];
        let differences = clause::range_differences(&value, start, end, &query.operands)?;
        clause::enforce_order(&query.cs, clause, &value, start, &differences)?;
        clause::enforce_membership(&query.cs, clause, &differences)?;
        clause::enforce_presence(&query.cs, clause, &value)?;
    }
    Ok(())
}

/// Exactly one flag is raised in each group.
///
/// `r_0 = c_0; n_i · (1 − r_(i−1)) = 0; r_i = r_(i−1) + c_i − n_i; r_7 = 1`, where `c_i` counts the
/// flags raised for clause i and the bit `n_i` says that it starts a group.
///
/// So `r_i` is a small integer: the flags so far less the groups ended so far. Where a group
/// starts, `r = 1` says that the g groups before it have g flags together; at the end, `r_7 = 1`
/// says it of all. Subtract neighbours: each group has exactly one. As counts are not negative,
/// each `c_i` is 0 or 1. That the groups are the query's is B1; padding belongs to the last group
/// and cannot be claimed, see [`enforce_claim`](header::enforce_claim).
///
/// Without it, a cheater would claim nothing, or one group's true clause in another group's place.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_groups(clauses: &[ClauseVar]) -> Result<(), SynthesisError> {
    let one = FpVar::Constant(Fr::one());
    let mut claims = clauses[0].claim();
    for clause in &clauses[1..] {
        clause.starts_group.mul_equals(&(&one - &claims), &FpVar::zero())?;
        claims = claims + clause.claim() - &clause.starts_group;
    }
    claims.enforce_equal(&one)
}

/// `b · (1 − b) = 0`: a private bit.
fn bit(cs: &ConstraintSystemRef<Fr>, value: Option<Fr>) -> Result<FpVar<Fr>, SynthesisError> {
    let bit = AllocatedFp::new_witness(cs.clone(), || assigned(value))?;
    cs.enforce_r1cs_constraint(
        || bit.variable.into(),
        || LinearCombination::diff_vars(Variable::One, bit.variable),
        LinearCombination::zero,
    )?;
    Ok(FpVar::Var(bit))
}

/// Private bits, for an array of elements.
fn bits<const N: usize>(
    cs: &ConstraintSystemRef<Fr>,
    values: Option<&[Fr; N]>,
) -> Result<Vec<FpVar<Fr>>, SynthesisError> {
    (0..N).map(|k| bit(cs, values.map(|values| values[k]))).collect()
}

/// `Σ 2^k · bits[k]`
fn packed(bits: &[FpVar<Fr>]) -> FpVar<Fr> {
    let mut weight = Fr::one();
    bits.iter()
        .map(|bit| {
            let term = bit * weight;
            weight += weight;
            term
        })
        .sum()
}

/// A private element that is free until it is constrained.
fn hint(cs: &ConstraintSystemRef<Fr>, value: Option<Fr>) -> Result<FpVar<Fr>, SynthesisError> {
    FpVar::new_witness(cs.clone(), || assigned(value))
}

fn assigned(value: Option<Fr>) -> Result<Fr, SynthesisError> {
    value.ok_or(SynthesisError::AssignmentMissing)
}

/// `numerator / denominator`, or 0 if the denominator is 0.
fn quotient(numerator: &FpVar<Fr>, denominator: &FpVar<Fr>) -> Option<Fr> {
    let (numerator, denominator) = (numerator.value().ok()?, denominator.value().ok()?);
    Some(denominator.inverse().map_or_else(Fr::default, |inverse| numerator * inverse))
}
