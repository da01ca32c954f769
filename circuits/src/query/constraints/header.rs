//! A query's private wires, and the header they pack to.

use ark_r1cs_std::fields::{FieldVar, fp::FpVar};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

use super::{
    Basis, CLAUSES, ClauseWitness, Mode, OPERANDS, Operator, QueryWitness, bit, bits, hint, packed,
};
use crate::{
    Fr,
    query::compile::{VERSION, layout, power_of_two},
};

/// Bits of a field's position, and of an opcode.
pub(super) const NIBBLE: usize = 4;

/// What a claim obliges to: an operator, or a side of `$nonbetween`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Between,
    /// `$nonbetween`, the value being below the interval.
    Below,
    /// `$nonbetween`, the value being above the interval.
    Above,
    In,
    NotIn,
    Exists,
    NotExists,
}

impl Flag {
    pub(super) const COUNT: usize = 13;
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Between,
        Self::Below,
        Self::Above,
        Self::In,
        Self::NotIn,
        Self::Exists,
        Self::NotExists,
    ];

    /// The operator whose claim it is.
    pub(super) const fn operator(self) -> Operator {
        match self {
            Self::Equal => Operator::Equal,
            Self::NotEqual => Operator::NotEqual,
            Self::Less => Operator::Less,
            Self::LessOrEqual => Operator::LessOrEqual,
            Self::Greater => Operator::Greater,
            Self::GreaterOrEqual => Operator::GreaterOrEqual,
            Self::Between => Operator::Between,
            Self::Below | Self::Above => Operator::NotBetween,
            Self::In => Operator::In,
            Self::NotIn => Operator::NotIn,
            Self::Exists => Operator::Exists,
            Self::NotExists => Operator::NotExists,
        }
    }

    /// The flag of an operator; for `$nonbetween` the lower side.
    pub(super) fn of(operator: Operator) -> Self {
        Self::ALL
            .into_iter()
            .find(|flag| flag.operator() == operator)
            .expect("every operator has a flag")
    }
}

/// The private wires of a query.
#[derive(Clone, Debug)]
pub struct QueryVar {
    pub(super) cs: ConstraintSystemRef<Fr>,
    /// All [`CLAUSES`] of them, except where sizes are measured.
    pub(super) clauses: Vec<ClauseVar>,
    /// Where clause i starts, at i; where the last one ends, at [`CLAUSES`].
    pub(super) boundaries: Vec<Boundary>,
    pub(super) operands: Vec<FpVar<Fr>>,
    pub(super) header: FpVar<Fr>,
}

/// The private wires of one clause.
#[derive(Clone, Debug)]
pub(super) struct ClauseVar {
    /// Position of the field, least significant bit first.
    pub(super) field: Vec<FpVar<Fr>>,
    /// 1 if the clause is the first of a group; the constant 0 in the first clause.
    pub(super) starts_group: FpVar<Fr>,
    /// One for each [`Flag`].
    flags: Vec<FpVar<Fr>>,
    opcode: FpVar<Fr>,
}

impl ClauseVar {
    pub(super) fn flag(&self, flag: Flag) -> &FpVar<Fr> {
        &self.flags[flag as usize]
    }

    /// 1 if one of these flags is raised, else 0.
    pub(super) fn any(&self, flags: &[Flag]) -> FpVar<Fr> {
        flags.iter().map(|flag| self.flag(*flag)).sum()
    }

    /// 1 if the clause is claimed, else 0.
    pub(super) fn claim(&self) -> FpVar<Fr> {
        self.flags.iter().sum()
    }
}

/// A position 0 to [`OPERANDS`] between operands, as one raised bit among 17.
#[derive(Clone, Debug)]
pub(super) struct Boundary {
    at: Vec<FpVar<Fr>>,
}

impl Boundary {
    /// Before the first operand.
    fn first() -> Self {
        let mut at = vec![FpVar::zero(); OPERANDS + 1];
        at[0] = FpVar::one();
        Self { at }
    }

    /// The position.
    pub(super) fn position(&self) -> FpVar<Fr> {
        self.at.iter().zip(0u64..).map(|(at, position)| at * Fr::from(position)).sum()
    }

    /// 1 if the position is `operand` or before it, else 0.
    pub(super) fn is_at_or_before(&self, operand: usize) -> FpVar<Fr> {
        self.at[..=operand].iter().sum()
    }
}

impl QueryVar {
    /// Allocates a query's private wires with what makes them well formed.
    ///
    /// `witness` is looked at in proving mode only; give none for a proving key.
    ///
    /// # Errors
    /// If `witness` is none outside setup.
    #[tracing::instrument(target = "gr1cs", name = "query_wires", skip_all)]
    pub fn new_witness(
        cs: ConstraintSystemRef<Fr>,
        witness: Option<&QueryWitness>,
        mode: Mode,
    ) -> Result<Self, SynthesisError> {
        Self::of_clauses(cs, witness, mode, CLAUSES)
    }

    /// Of the query's first clauses; of fewer than all only where sizes are measured.
    pub(crate) fn of_clauses(
        cs: ConstraintSystemRef<Fr>,
        witness: Option<&QueryWitness>,
        mode: Mode,
        count: usize,
    ) -> Result<Self, SynthesisError> {
        let basis = enforce_basis(&cs, witness.map(|witness| witness.statutory), mode)?;
        let mut clauses = Vec::with_capacity(count);
        let mut boundaries = vec![Boundary::first()];
        for index in 0..count {
            let witness = witness.map(|witness| &witness.clauses[index]);
            clauses.push(clause(&cs, witness, index > 0)?);
            boundaries.push(enforce_boundary(&cs, witness.map(|witness| &witness.end))?);
        }
        let operands: Result<Vec<_>, _> = (0..OPERANDS)
            .map(|index| hint(&cs, witness.map(|witness| witness.operands[index])))
            .collect();
        let header = pack_header(mode, &basis, &clauses, &boundaries);
        Ok(Self { cs, clauses, boundaries, operands: operands?, header })
    }
}

/// `basis = 1 + statutory` in [`Mode::Identified`]; the constant 1 in [`Mode::Pseudonymous`].
///
/// Without the bit, a cheater could shift the header's parts against each other.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_basis(
    cs: &ConstraintSystemRef<Fr>,
    statutory: Option<Fr>,
    mode: Mode,
) -> Result<FpVar<Fr>, SynthesisError> {
    let consent = Fr::from(Basis::Consent as u64);
    match mode {
        Mode::Identified => Ok(bit(cs, statutory)? + consent),
        Mode::Pseudonymous => Ok(FpVar::Constant(consent)),
    }
}

fn clause(
    cs: &ConstraintSystemRef<Fr>,
    witness: Option<&ClauseWitness>,
    may_start_group: bool,
) -> Result<ClauseVar, SynthesisError> {
    let field = enforce_nibble(cs, witness.map(|witness| &witness.field))?;
    let starts_group = if may_start_group {
        enforce_bit(cs, witness.map(|witness| witness.starts_group))?
    } else {
        FpVar::zero()
    };
    let (flags, opcode) = enforce_claim(cs, witness)?;
    Ok(ClauseVar { field, starts_group, flags, opcode })
}

/// Four bits: a number below 16.
///
/// Without it, a cheater would select a mixture of fields.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_nibble(
    cs: &ConstraintSystemRef<Fr>,
    number: Option<&[Fr; NIBBLE]>,
) -> Result<Vec<FpVar<Fr>>, SynthesisError> {
    bits(cs, number)
}

/// `n · (1 − n) = 0`: whether a clause starts a group.
///
/// Without it, a cheater could shift the header's parts against each other.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_bit(
    cs: &ConstraintSystemRef<Fr>,
    value: Option<Fr>,
) -> Result<FpVar<Fr>, SynthesisError> {
    bit(cs, value)
}

/// `f_k` bits; `e` four bits; `c · e = 0` with `c = Σ f_k`; `opcode = Σ code_k · f_k + e`
///
/// By [`enforce_groups`](super::enforce_groups) c is 0 or 1. If one flag is raised, `e = 0` and the packed
/// opcode is that flag's, so the flag belongs to the query's operator; if none is, `e` carries the
/// opcode. Either way the opcode is at most 15. A padding clause has opcode 0 (B5), which no flag has, so
/// it cannot be claimed.
///
/// Without it, a cheater would claim a clause by another operator, say the one that is true.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(super) fn enforce_claim(
    cs: &ConstraintSystemRef<Fr>,
    witness: Option<&ClauseWitness>,
) -> Result<(Vec<FpVar<Fr>>, FpVar<Fr>), SynthesisError> {
    let flags = bits(cs, witness.map(|witness| &witness.flags))?;
    let unclaimed = packed(&enforce_nibble(cs, witness.map(|witness| &witness.opcode))?);
    let claim: FpVar<Fr> = flags.iter().sum();
    claim.mul_equals(&unclaimed, &FpVar::zero())?;
    let claimed: FpVar<Fr> = Flag::ALL
        .into_iter()
        .zip(&flags)
        .map(|(flag, raised)| raised * Fr::from(flag.operator().opcode()))
        .sum();
    Ok((flags, claimed + unclaimed))
}

/// `s_1 … s_16` bits; `s_0 = 1 − Σ s_j` a bit; `position = Σ j · s_j`
///
/// Exactly one of the 17 is 1, so each position has one assignment, and it is at most 16.
///
/// Without it, a cheater would choose operands that belong to other clauses.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(super) fn enforce_boundary(
    cs: &ConstraintSystemRef<Fr>,
    position: Option<&[Fr; OPERANDS]>,
) -> Result<Boundary, SynthesisError> {
    let later = bits(cs, position)?;
    let is_later: FpVar<Fr> = later.iter().sum();
    let first = FpVar::one() - &is_later;
    is_later.mul_equals(&first, &FpVar::zero())?;
    let mut at = vec![first];
    at.extend(later);
    Ok(Boundary { at })
}

/// The header as a linear combination of the wires; native twin:
/// [`CompiledQuery::header`](crate::query::CompiledQuery::header).
fn pack_header(
    mode: Mode,
    basis: &FpVar<Fr>,
    clauses: &[ClauseVar],
    boundaries: &[Boundary],
) -> FpVar<Fr> {
    let constant = |value: u64, bit| FpVar::Constant(Fr::from(value) * power_of_two(bit));
    let mut parts = vec![
        constant(VERSION, layout::VERSION),
        constant(mode as u64, layout::MODE),
        basis * power_of_two(layout::BASIS),
        boundaries[clauses.len()].position() * power_of_two(layout::END),
    ];
    let mut group = FpVar::zero();
    for (index, clause) in clauses.iter().enumerate() {
        group += &clause.starts_group;
        let base = layout::clause(index);
        parts.extend([
            packed(&clause.field) * power_of_two(base + layout::FIELD),
            &clause.opcode * power_of_two(base + layout::OPCODE),
            &group * power_of_two(base + layout::GROUP),
            boundaries[index].position() * power_of_two(base + layout::START),
        ]);
    }
    parts.iter().sum()
}
