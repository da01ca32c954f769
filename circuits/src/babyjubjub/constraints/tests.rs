use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{LegendreSymbol, UniformRand, Zero};
use ark_relations::gr1cs::{
    ConstraintLayer, ConstraintSystem, Matrix, R1CS_PREDICATE_LABEL, TracingMode,
};
use ark_std::test_rng;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::babyjubjub::{BASE8, tests::order_eight};

/// Synthesises under the layer that names constraints.
fn traced<T>(
    synthesise: impl FnOnce(ConstraintSystemRef<Fr>) -> Result<(), SynthesisError>,
    look: impl FnOnce(&ConstraintSystemRef<Fr>) -> T,
) -> T {
    let layer = || ConstraintLayer::new(TracingMode::OnlyConstraints);
    let subscriber = || tracing_subscriber::Registry::default().with(layer());
    // A span that another test's thread meets first is disabled for all, unless there are two subscribers
    // to ask.
    let _second = tracing::Dispatch::new(subscriber());
    tracing::subscriber::with_default(subscriber(), || {
        let cs = ConstraintSystem::new_ref();
        synthesise(cs.clone()).unwrap();
        look(&cs)
    })
}

/// The innermost function of this crate whose constraint fails first, or none if all hold.
pub(crate) fn broken_clause(
    synthesise: impl FnOnce(ConstraintSystemRef<Fr>) -> Result<(), SynthesisError>,
) -> Option<String> {
    traced(synthesise, |cs| {
        let trace = cs.which_is_unsatisfied().unwrap()?;
        let frame = trace.lines().find(|line| line.contains("circuits::")).expect("a named clause");
        Some(frame.rsplit("::").next().expect("rsplit yields something").to_owned())
    })
}

/// The rows, and which of them are of the function `name`, in their order.
pub(crate) fn rows_of(
    name: &str,
    synthesise: impl FnOnce(ConstraintSystemRef<Fr>) -> Result<(), SynthesisError>,
) -> (Rows, Vec<usize>) {
    traced(synthesise, |cs| {
        let rows = Rows::new(cs);
        let cs = cs.borrow().unwrap();
        let innermost = |row: &usize| {
            let trace = cs.predicate_traces[R1CS_PREDICATE_LABEL][*row].as_ref().unwrap();
            let steps = trace.path();
            steps.iter().rfind(|step| step.module_path.starts_with("circuits")).unwrap().name
        };
        let named = (0..cs.num_constraints()).filter(|row| innermost(row) == name).collect();
        (rows, named)
    })
}

/// The rows and the assignment, for looking at what other values would do: a constraint system keeps
/// the values that its linear combinations had when they were made.
pub(crate) struct Rows {
    matrices: Vec<Matrix<Fr>>,
    /// One, the public inputs, the private wires.
    pub(crate) values: Vec<Fr>,
    pub(crate) first_private: usize,
}

impl Rows {
    pub(crate) fn new(cs: &ConstraintSystemRef<Fr>) -> Self {
        cs.finalize();
        let mut values = cs.instance_assignment().unwrap();
        values.extend(cs.witness_assignment().unwrap());
        Self {
            matrices: cs.to_matrices().unwrap().remove(R1CS_PREDICATE_LABEL).unwrap(),
            values,
            first_private: cs.num_instance_variables(),
        }
    }

    pub(crate) fn holds(&self, row: usize) -> bool {
        let [a, b, c] = [0, 1, 2].map(|which| {
            let terms = &self.matrices[which][row];
            terms.iter().map(|(weight, wire)| *weight * self.values[*wire]).sum::<Fr>()
        });
        a * b == c
    }

    pub(crate) fn all_hold(&self) -> bool {
        self.broken().is_empty()
    }

    /// The rows that do not hold.
    pub(crate) fn broken(&self) -> Vec<usize> {
        (0..self.matrices[0].len()).filter(|row| !self.holds(*row)).collect()
    }

    /// The wire of a row `(1 − b) · b = 0`.
    pub(crate) fn bit(&self, row: usize) -> usize {
        let [(_, bit)] = self.matrices[1][row][..] else { panic!("row {row} is of no bit") };
        assert!(self.matrices[2][row].is_empty());
        bit
    }

    /// The wire that a row makes equal to a product.
    pub(crate) fn product(&self, row: usize) -> usize {
        let [(_, product)] = self.matrices[2][row][..] else { panic!("row {row} makes no wire") };
        product
    }

    /// For each wire, the rows that it is in.
    pub(crate) fn by_wire(&self) -> Vec<Vec<usize>> {
        let mut rows = vec![Vec::new(); self.values.len()];
        for matrix in &self.matrices {
            for (row, terms) in matrix.iter().enumerate() {
                for (_, wire) in terms {
                    rows[*wire].push(row);
                }
            }
        }
        rows
    }
}

pub(crate) fn wire(cs: &ConstraintSystemRef<Fr>, value: Fr) -> FpVar<Fr> {
    FpVar::new_witness(cs.clone(), || Ok(value)).unwrap()
}

pub(crate) fn point(cs: &ConstraintSystemRef<Fr>, point: Point) -> PointVar {
    PointVar::new_witness(cs, Some(point)).unwrap()
}

/// Points of every order there is, and some more.
fn points() -> Vec<Point> {
    let torsion = order_eight();
    let mut points = Vec::new();
    for multiple in 0u64..8 {
        let low = torsion.mul_bigint([multiple]);
        for base in [Point::zero(), BASE8, -BASE8, (BASE8 + BASE8).into_affine()] {
            points.push((low + base).into_affine());
        }
    }
    points
}

#[test]
fn no_denominator_is_ever_zero() {
    let square = |value: Fr| value.legendre() == LegendreSymbol::QuadraticResidue;
    assert!(square(A));
    assert!(!square(D)); // so the Edwards formulas are complete
    assert!(!square(Fr::from(168_698 - 2))); // so no point has u = −1
}

#[test]
fn edwards_formulas_hold_for_every_two_points() {
    let cs = ConstraintSystem::new_ref();
    for left in points() {
        let variable = point(&cs, left);
        variable.enforce_on_curve().unwrap();
        assert_eq!(variable.double().unwrap().value().unwrap(), (left + left).into_affine());
        assert_eq!(variable.negate().unwrap().value().unwrap(), -left);
        for right in points() {
            let sum = variable.add(&point(&cs, right)).unwrap();
            assert_eq!(sum.value().unwrap(), (left + right).into_affine());
        }
    }
    assert!(cs.is_satisfied().unwrap());
}

#[test]
fn a_wrong_sum_or_double_is_refused() {
    let [left, right] = [3u64, 5].map(|k| BASE8.mul_bigint([k]).into_affine());
    let eight = BASE8.mul_bigint([8u64]).into_affine();
    let claim = |claimed: Point| {
        let cs = ConstraintSystem::new_ref();
        let [left, right, claimed] = [left, right, claimed].map(|p| point(&cs, p));
        claimed.enforce_equal_sum(&left, &right).unwrap();
        cs.is_satisfied().unwrap()
    };
    assert!(claim(eight));
    assert!(!claim(-eight));
    assert!(!claim(Point::new_unchecked(eight.x, -eight.y)));
}

#[test]
fn coordinates_off_the_curve_are_refused() {
    let on_curve =
        |candidate: Point| broken_clause(|cs| point(&cs, candidate).enforce_on_curve().map(drop));
    assert_eq!(on_curve(BASE8), None);
    let moved = Point::new_unchecked(BASE8.x, BASE8.y + Fr::one());
    assert_eq!(on_curve(moved).as_deref(), Some("enforce_on_curve"));
    let swapped = Point::new_unchecked(BASE8.y, BASE8.x);
    assert_eq!(on_curve(swapped).as_deref(), Some("enforce_on_curve"));
}

#[test]
fn only_the_subgroup_is_the_subgroup() {
    let in_subgroup =
        |candidate: Point| broken_clause(|cs| point(&cs, candidate).enforce_in_subgroup());
    for candidate in points() {
        let expected = !candidate.is_in_correct_subgroup_assuming_on_curve();
        let expected = expected.then_some("enforce_in_subgroup");
        assert_eq!(in_subgroup(candidate).as_deref(), expected);
    }
    let off = Point::new_unchecked(BASE8.x, BASE8.y + Fr::one());
    assert_eq!(in_subgroup(off).as_deref(), Some("enforce_in_subgroup"));
    assert_eq!(
        in_subgroup(Point::new_unchecked(Fr::zero(), Fr::zero())).as_deref(),
        Some("enforce_in_subgroup")
    );
}

#[test]
fn a_signed_wire_has_one_of_two_values() {
    let claim = |value: Fr| {
        let cs = ConstraintSystem::new_ref();
        let magnitude = wire(&cs, Fr::from(5));
        let signed = enforce_signed(&magnitude, Some(true)).unwrap();
        assert_eq!(signed.value().unwrap(), Fr::from(5));
        let mut rows = Rows::new(&cs);
        rows.values[2] = value; // after one and the magnitude
        rows.all_hold()
    };
    assert!(claim(Fr::from(5)));
    assert!(claim(-Fr::from(5)));
    for value in [0u64, 1, 4, 10, 25].map(Fr::from) {
        assert!(!claim(value));
    }
}

#[test]
fn montgomery_formulas_agree_with_edwards() {
    let rng = &mut test_rng();
    for _ in 0..8 {
        let cs = ConstraintSystem::new_ref();
        let [left, right] = [(); 2].map(|()| Point::rand(rng));
        let [p, q] =
            [left, right].map(|p| montgomery::MontgomeryVar::from_edwards(&point(&cs, p)).unwrap());
        let value = |m: montgomery::MontgomeryVar| m.to_edwards().unwrap().value().unwrap();
        assert_eq!(value(p.clone()), left);
        assert_eq!(value(p.double().unwrap()), (left + left).into_affine());
        assert_eq!(value(p.add(&q).unwrap()), (left + right).into_affine());
        let slopes = montgomery::slopes(&[(left.into_group(), right.into_group())]);
        let sum = p.double_add(&q, slopes.into_iter().next()).unwrap();
        assert_eq!(value(sum), (left + left + right).into_affine());
        assert!(cs.is_satisfied().unwrap());
    }
}

#[test]
fn parts_cost_what_they_say() {
    let cost = |part: &dyn Fn(&ConstraintSystemRef<Fr>)| {
        let cs = ConstraintSystem::new_ref();
        part(&cs);
        cs.num_constraints()
    };
    assert_eq!(cost(&|cs| drop(point(cs, BASE8).enforce_on_curve().unwrap())), 3);
    assert_eq!(cost(&|cs| drop(point(cs, BASE8).double().unwrap())), 5);
    assert_eq!(cost(&|cs| drop(point(cs, BASE8).add(&point(cs, BASE8)).unwrap())), 6);
    assert_eq!(cost(&|cs| point(cs, BASE8).enforce_in_subgroup().unwrap()), 16);
}
