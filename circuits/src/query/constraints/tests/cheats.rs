//! One cheat for each constraint group: it breaks that group and no other, and the honest witness
//! breaks none.

use std::collections::BTreeSet;

use super::*;
use crate::encoding::{ABSENT, Text, Value};

pub(super) const ID: usize = 0;
pub(super) const INCOME: usize = 2;

/// The functions with a broken constraint when the prover of `query` cheats.
pub(super) fn failing(
    query: &Json,
    values: &[Fr; FIELDS],
    cheat: impl FnOnce(&mut QueryWitness),
) -> BTreeSet<&'static str> {
    System::new(&compiled(query), values, cheat).failing()
}

pub(super) fn only(name: &'static str) -> BTreeSet<&'static str> {
    BTreeSet::from([name])
}

/// The example's values with another one at `field`.
pub(super) fn with(field: usize, value: Fr) -> [Fr; FIELDS] {
    let mut values = example_values();
    values[field] = value;
    values
}

pub(super) fn integer(value: i64) -> Fr {
    Value::Integer(value).element()
}

/// Claims the first clause by `flag`, whatever it is worth.
pub(super) fn claim_first(flag: Flag) -> impl FnOnce(&mut QueryWitness) {
    move |witness| {
        let clause = &mut witness.clauses[0];
        clause.flags = Default::default();
        clause.opcode = Default::default();
        clause.claim(flag);
    }
}

/// A predicate on income, the flag to claim it by, a value that makes it true, values that make it
/// false, and what catches a claim on those.
struct FalseClaim(Json, Flag, Fr, Vec<Fr>, &'static str);

#[test]
fn a_false_clause_cannot_be_claimed() {
    use Flag::*;
    let (order, membership, presence) = ("enforce_order", "enforce_membership", "enforce_presence");
    let (min, max) = (Fr::zero(), Fr::from(u64::MAX));
    let beyond = max + Fr::one();
    let hash = Text::new("a string").unwrap().element();
    let at = integer;
    #[rustfmt::skip]
    let cases = [
        FalseClaim(json!({"$lt": 10}), Less, at(9), vec![at(10), at(11), beyond, hash, max], order),
        FalseClaim(json!({"$lte": 10}), LessOrEqual, at(10), vec![at(11), beyond, hash], order),
        FalseClaim(json!({"$gt": 10}), Greater, at(11), vec![at(10), at(9), beyond, hash, min], order),
        FalseClaim(json!({"$gte": 10}), GreaterOrEqual, at(10), vec![at(9), beyond, beyond + beyond, hash], order),
        FalseClaim(json!({"$between": [10, 20]}), Between, at(20), vec![at(9), at(21), beyond, hash], order),
        FalseClaim(json!({"$between": [10, 10]}), Between, at(10), vec![at(9), at(11)], order),
        FalseClaim(json!({"$nonbetween": [10, 20]}), Below, at(9), vec![at(10), at(15), at(20), at(21), hash], order),
        FalseClaim(json!({"$nonbetween": [10, 20]}), Above, at(21), vec![at(9), at(10), at(15), at(20), beyond], order),
        FalseClaim(json!({"$eq": 10}), Equal, at(10), vec![at(9), at(11), hash], membership),
        FalseClaim(json!({"$in": [10, 20, 30]}), In, at(30), vec![at(9), at(25), hash], membership),
        FalseClaim(json!({"$ne": 10}), NotEqual, at(9), vec![at(10)], membership),
        FalseClaim(json!({"$nin": [10, 20, 30]}), NotIn, at(15), vec![at(10), at(20), at(30)], membership),
        FalseClaim(json!({"$exists": true}), Exists, at(0), vec![ABSENT], presence),
        FalseClaim(json!({"$exists": false}), NotExists, ABSENT, vec![at(0), min, hash], presence),
    ];
    for FalseClaim(predicate, flag, good, bad, caught_by) in cases {
        let query = json!([{"path": ["income"], "predicate": predicate}]);
        for value in bad {
            let failing = failing(&query, &with(INCOME, value), claim_first(flag));
            assert_eq!(failing, only(caught_by), "{query} {value}");
        }
        assert!(failing(&query, &with(INCOME, good), claim_first(flag)).is_empty(), "{query}");
    }
}

#[test]
fn nothing_is_below_the_least_integer_or_above_the_greatest() {
    let (min, max) = (Fr::zero(), Fr::from(u64::MAX));
    for (predicate, flag, edge) in [
        (json!({"$lt": "-9223372036854775808"}), Flag::Less, min),
        (json!({"$gt": "9223372036854775807"}), Flag::Greater, max),
        (json!({"$nonbetween": ["-9223372036854775808", 5]}), Flag::Below, min),
        (json!({"$nonbetween": [5, "9223372036854775807"]}), Flag::Above, max),
    ] {
        let query = json!([{"path": ["income"], "predicate": predicate}]);
        for value in [min, integer(5), max, max + Fr::one(), -Fr::from(2)] {
            let failing = failing(&query, &with(INCOME, value), claim_first(flag));
            assert_eq!(failing, only("enforce_order"), "{query} {value}");
        }
        // The edge itself is inside the bound that includes it.
        let (operator, bound) = match flag {
            Flag::Less | Flag::Below => ("$lte", "-9223372036854775808"),
            _ => ("$gte", "9223372036854775807"),
        };
        let query = json!([{"path": ["income"], "predicate": {operator: bound}}]);
        assert!(failing(&query, &with(INCOME, edge), |_| {}).is_empty(), "{query}");
    }
}

#[test]
fn bits_of_a_difference_are_bits() {
    // 11 is not less than 10; the upper difference is −2, as one "bit".
    let query = compiled(&json!([{"path": ["income"], "predicate": {"$lt": 10}}]));
    let mut system = System::new(&query, &with(INCOME, integer(11)), claim_first(Flag::Less));
    let bits: Vec<usize> = (0..system.names.len())
        .filter(|row| system.names[*row] == "ordinal_bits")
        .map(|row| system.rows[row][0][0].1)
        .collect();
    for wire in &bits[64..128] {
        system.assignment[*wire] = Fr::zero();
    }
    system.assignment[bits[64]] = -Fr::from(2);
    assert_eq!(system.failing(), only("ordinal_bits"));
}

#[test]
fn each_group_has_its_own_claim() {
    let query = json!([
        {"path": ["id"], "predicate": {"$eq": 6}},
        {"any_of": [
            {"path": ["id"], "predicate": {"$gte": 5}},
            {"path": ["id"], "predicate": {"$lte": 6}},
        ]},
    ]);
    let true_of_all = with(ID, integer(6));
    assert!(failing(&query, &true_of_all, |_| {}).is_empty());
    // The first group is false: nothing is claimed in it, or the second group's other clause
    // in its place.
    let false_of_one = with(ID, integer(5));
    assert_eq!(failing(&query, &false_of_one, |_| {}), only("enforce_groups"));
    let second_twice = |witness: &mut QueryWitness| {
        witness.clauses[2].opcode = Default::default();
        witness.clauses[2].claim(Flag::LessOrEqual);
    };
    assert_eq!(failing(&query, &false_of_one, second_twice), only("enforce_groups"));
    assert_eq!(failing(&query, &true_of_all, second_twice), only("enforce_groups"));
    // The second alternative serves as well as the first.
    let second_only = |witness: &mut QueryWitness| {
        second_twice(witness);
        witness.clauses[1].flags = Default::default();
        witness.clauses[1].set_opcode(Operator::GreaterOrEqual);
    };
    assert!(failing(&query, &true_of_all, second_only).is_empty());
}

#[test]
fn padding_cannot_be_claimed() {
    let query = json!([{"path": ["id"], "predicate": {"$eq": 6}}]);
    let claim_padding = |witness: &mut QueryWitness| {
        witness.clauses[1].claim(Flag::Exists);
    };
    assert_eq!(failing(&query, &with(ID, integer(5)), claim_padding), only("enforce_commitment"));
    assert!(failing(&query, &with(ID, integer(6)), |_| {}).is_empty());
}

#[test]
fn a_clause_is_claimed_by_its_own_operator() {
    // 4 is not more than 5; it is less, and 3 + 2 is the opcode of $gt.
    let query = json!([{"path": ["id"], "predicate": {"$gt": 5}}]);
    let cheat = |witness: &mut QueryWitness| {
        claim_first(Flag::Less)(witness);
        witness.clauses[0].opcode[1] = Fr::one();
    };
    assert_eq!(failing(&query, &with(ID, integer(4)), cheat), only("enforce_claim"));
    assert_eq!(
        failing(&query, &with(ID, integer(4)), claim_first(Flag::Less)),
        only("enforce_commitment")
    );
    assert!(failing(&query, &with(ID, integer(6)), |_| {}).is_empty());
}

#[test]
fn a_flag_is_a_bit() {
    // $lt less $lte and $gte: one claim in all, and 3 − 4 + 6 is the opcode of $gt. What is left of the
    // obligations is a ≤ v ≤ MAX − 1, which 5 meets.
    let query = json!([{"path": ["id"], "predicate": {"$gt": 5}}]);
    let cheat = |witness: &mut QueryWitness| {
        let clause = &mut witness.clauses[0];
        clause.opcode = Default::default();
        clause.claim(Flag::Less);
        clause.claim(Flag::GreaterOrEqual);
        clause.flags[Flag::LessOrEqual as usize] = -Fr::one();
    };
    assert_eq!(failing(&query, &with(ID, integer(5)), cheat), only("enforce_claim"));
    assert!(failing(&query, &with(ID, integer(6)), |_| {}).is_empty());
}

#[test]
fn an_opcode_has_four_bits() {
    // 16 more in the opcode is a group more: the second group, which is false, becomes part of the first.
    let query = json!([
        {"path": ["id"], "predicate": {"$exists": true}},
        {"path": ["id"], "predicate": {"$gt": 5}},
    ]);
    let cheat = |witness: &mut QueryWitness| {
        witness.clauses[1].starts_group = Fr::zero();
        for clause in &mut witness.clauses[1..] {
            clause.opcode[0] += Fr::from(16);
        }
    };
    assert_eq!(failing(&query, &with(ID, integer(5)), cheat), only("enforce_nibble"));
    assert!(failing(&query, &with(ID, integer(6)), |_| {}).is_empty());
}

#[test]
fn a_field_is_selected_by_bits() {
    // Income is field 2: (0, 1, 0, 0). (2, 0, 0, 0) packs to 2 as well, and selects a mixture.
    let query = json!([{"path": ["income"], "predicate": {"$exists": true}}]);
    let values = with(INCOME, ABSENT);
    let cheat = |witness: &mut QueryWitness| {
        let clause = &mut witness.clauses[0];
        clause.field = Default::default();
        clause.field[0] = Fr::from(2);
        clause.opcode = Default::default();
        clause.claim(Flag::Exists);
    };
    assert_eq!(failing(&query, &values, cheat), only("enforce_nibble"));
    assert!(failing(&query, &with(INCOME, integer(0)), |_| {}).is_empty());
}

#[test]
fn a_selected_value_is_the_fields() {
    // The last choice for a padding clause, whose value nothing else looks at.
    let query = compiled(&json!([{"path": ["id"], "predicate": {"$eq": 5}}]));
    let mut system = System::new(&query, &example_values(), |_| {});
    assert!(system.failing().is_empty());
    let row = system.names.iter().rposition(|name| *name == "select_value").unwrap();
    let product = system.rows[row][2][0].1;
    system.assignment[product] += Fr::one();
    assert_eq!(system.failing(), only("select_value"));
}

#[test]
fn a_difference_counts_only_in_its_range() {
    // The last operand made to count for the last clause, which is padding, and all that follows
    // from it made to fit.
    let query = compiled(&json!([{"path": ["id"], "predicate": {"$eq": 5}}]));
    let mut system = System::new(&query, &example_values(), |_| {});
    assert!(system.failing().is_empty());
    let end = Fr::from(1);
    for (name, rows_from_last, change) in [
        ("range_differences", 0, Fr::one()),
        // The product over all operands, before the two constraints that use it.
        ("enforce_membership", 2, Fr::one()),
        // Where the range starts, times the sum of the differences.
        ("enforce_order", 5, end),
    ] {
        let rows: Vec<usize> =
            (0..system.names.len()).filter(|row| system.names[*row] == name).collect();
        let output = system.rows[rows[rows.len() - 1 - rows_from_last]][2][0].1;
        system.assignment[output] += change;
    }
    assert_eq!(system.failing(), only("range_differences"));
}

#[test]
fn a_range_ends_at_one_place() {
    // 5 is in the list. Ending "twice at 1" instead of once at 2 leaves 5 out.
    let query = json!([{"path": ["id"], "predicate": {"$nin": [3, 5]}}]);
    let cheat = |witness: &mut QueryWitness| {
        claim_first(Flag::NotIn)(witness);
        witness.clauses[0].end = Default::default();
        witness.clauses[0].end[0] = Fr::from(2);
    };
    assert_eq!(failing(&query, &with(ID, integer(5)), cheat), only("enforce_boundary"));
    // Ending at 1 and at 2 instead of at 3: bits, but two of them.
    let query = json!([{"path": ["id"], "predicate": {"$nin": [3, 4, 5]}}]);
    let cheat = |witness: &mut QueryWitness| {
        claim_first(Flag::NotIn)(witness);
        witness.clauses[0].end = Default::default();
        witness.clauses[0].end[0] = Fr::one();
        witness.clauses[0].end[1] = Fr::one();
    };
    assert_eq!(failing(&query, &with(ID, integer(5)), cheat), only("enforce_boundary"));
    assert!(failing(&query, &with(ID, integer(6)), |_| {}).is_empty());
}

#[test]
fn the_basis_is_a_bit() {
    // 2^8 in the basis makes up for an end that is one less: the last list loses its last value.
    let mut claims = vec![json!({"path": ["id"], "predicate": {"$exists": true}}); 7];
    claims.push(json!({"path": ["id"], "predicate": {"$nin": [3, 5]}}));
    let query = Json::from(claims);
    let cheat = |witness: &mut QueryWitness| {
        let last = &mut witness.clauses[7];
        last.opcode = Default::default();
        last.claim(Flag::NotIn);
        last.set_end(1);
        witness.statutory = Fr::from(256);
    };
    assert_eq!(failing(&query, &with(ID, integer(5)), cheat), only("enforce_basis"));
    assert!(failing(&query, &with(ID, integer(6)), |_| {}).is_empty());
}

#[test]
fn the_start_of_a_group_is_a_bit() {
    // 8 in the group makes up for a start that is one less, so that the first list loses its last value. The
    // second group then counts as nine, and has nine flags: two for each `$exists` that is not true, as 2 + 10
    // is its opcode.
    let missing = |path: &str| json!({"path": [path], "predicate": {"$exists": false}});
    let mut alternatives = vec![missing("id"); 2];
    alternatives.extend(vec![missing("seen_at"); 5]);
    let query = json!([
        {"path": ["id"], "predicate": {"$nin": [3, 5]}},
        {"any_of": alternatives},
    ]);
    let cheat = |witness: &mut QueryWitness| {
        claim_first(Flag::NotIn)(witness);
        for clause in &mut witness.clauses[..7] {
            clause.set_end(1);
        }
        witness.clauses[1].starts_group = Fr::from(9);
        for (place, clause) in (1..).zip(&mut witness.clauses[1..]) {
            clause.opcode = Default::default();
            clause.flags = Default::default();
            if place < 3 {
                clause.claim(Flag::NotEqual);
                clause.claim(Flag::NotIn);
            } else {
                clause.claim(Flag::NotExists);
            }
        }
    };
    assert_eq!(failing(&query, &with(ID, integer(5)), cheat), only("enforce_bit"));
    assert!(failing(&query, &with(ID, integer(6)), |_| {}).is_empty());
}

#[test]
fn a_query_of_the_provers_own_has_another_commitment() {
    let asked = json!([
        {"path": ["id"], "predicate": {"$lt": 5}},
        {"path": ["id"], "predicate": {"$nin": [5, 6]}},
    ]);
    let asked = commitment(&compiled(&asked));
    let others = [
        // field, operator, grouping, ranges, operands
        json!([
            {"path": ["income"], "predicate": {"$gte": 5}},
            {"path": ["id"], "predicate": {"$nin": [6, 7]}},
        ]),
        json!([
            {"path": ["id"], "predicate": {"$lte": 5}},
            {"path": ["id"], "predicate": {"$nin": [6, 7]}},
        ]),
        json!([{"any_of": [
            {"path": ["id"], "predicate": {"$lt": 5}},
            {"path": ["id"], "predicate": {"$nin": [6, 7]}},
        ]}]),
        json!([
            {"path": ["id"], "predicate": {"$between": [5, 6]}},
            {"path": ["id"], "predicate": {"$ne": 7}},
        ]),
        json!([
            {"path": ["id"], "predicate": {"$lt": 6}},
            {"path": ["id"], "predicate": {"$nin": [6, 7]}},
        ]),
    ];
    let values = example_values();
    for other in others {
        let other = compiled(&other);
        let witness = QueryWitness::new(&other, Basis::Consent, &values);
        let failing = System::with_witness(&witness, &values, asked).failing();
        assert_eq!(failing, only("enforce_commitment"), "{other:?}");
        let failing = System::with_witness(&witness, &values, commitment(&other)).failing();
        assert!(failing.is_empty(), "{other:?}");
        let statutory = QueryWitness::new(&other, Basis::Statutory, &values);
        let failing = System::with_witness(&statutory, &values, commitment(&other)).failing();
        assert_eq!(failing, only("enforce_commitment"));
    }
}
