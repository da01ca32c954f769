//! Compiled queries that [`Query::compile`] makes of nothing, forced on the circuit with their own
//! commitment: what the circuit refuses itself, and what only the verifier's `q` refuses.

use std::collections::BTreeSet;

use super::cheats::{ID, claim_first, integer, only, with};
use super::*;
use crate::query::{ClauseError, QueryError};

/// Clauses on `id`: operator, group, operands.
fn forced(clauses: &[(Operator, usize, &[Fr])]) -> CompiledQuery {
    let mut all = [Fr::zero(); OPERANDS];
    let mut start = 0;
    let mut compiled = Vec::new();
    for (operator, group, operands) in clauses {
        let count = operands.len();
        all[start..start + count].copy_from_slice(operands);
        compiled.push(CompiledClause {
            field: ID,
            operator: *operator,
            group: *group,
            start,
            count,
        });
        start += count;
    }
    CompiledQuery::forced(compiled, all)
}

/// What fails where the prover's query is `query` and the verifier's commitment that of `asked`.
fn against(
    query: &CompiledQuery,
    id: Fr,
    flag: Flag,
    asked: &CompiledQuery,
) -> BTreeSet<&'static str> {
    let values = with(ID, id);
    let mut witness = QueryWitness::new(query, Basis::Consent, &values);
    claim_first(flag)(&mut witness);
    System::with_witness(&witness, &values, commitment(asked)).failing()
}

/// The same with the prover's own commitment.
fn claimed(query: &CompiledQuery, id: Fr, flag: Flag) -> BTreeSet<&'static str> {
    against(query, id, flag, query)
}

fn parse(query: &Json) -> Result<Query, QueryError> {
    let schema = example_schema();
    Query::parse(query, &schema, schema.as_of())
}

fn on_id(predicate: Json) -> Json {
    json!([{"path": ["id"], "predicate": predicate}])
}

#[test]
fn an_empty_set_has_no_member() {
    for operator in ["$in", "$nin"] {
        let error = parse(&on_id(json!({operator: []}))).unwrap_err();
        assert!(matches!(error, QueryError::Clause { error: ClauseError::NotASet, .. }), "{error}");
    }
    let asked = compiled(&on_id(json!({"$in": [7]})));
    for (operator, flag) in [(Operator::In, Flag::In), (Operator::Equal, Flag::Equal)] {
        let empty = forced(&[(operator, 0, &[])]);
        for id in [Fr::zero(), Fr::one(), integer(0), integer(7)] {
            assert!(!empty.evaluate(&with(ID, id)));
            assert_eq!(claimed(&empty, id, flag), only("enforce_membership"));
        }
        // Under the verifier's commitment it is another query besides.
        let expected = BTreeSet::from(["enforce_commitment", "enforce_membership"]);
        assert_eq!(against(&empty, integer(7), flag, &asked), expected);
    }
    // Everything that is there is outside.
    for (operator, flag) in [(Operator::NotIn, Flag::NotIn), (Operator::NotEqual, Flag::NotEqual)] {
        let empty = forced(&[(operator, 0, &[])]);
        assert!(empty.evaluate(&with(ID, integer(7))));
        assert!(claimed(&empty, integer(7), flag).is_empty());
        assert!(!empty.evaluate(&with(ID, ABSENT)));
        assert_eq!(claimed(&empty, ABSENT, flag), only("enforce_presence"));
        let asked = compiled(&on_id(json!({"$nin": [7]})));
        assert_eq!(against(&empty, integer(7), flag, &asked), only("enforce_commitment"));
    }
}

#[test]
fn a_repeat_in_a_set_means_nothing_and_is_another_commitment() {
    for (operator, member, other) in
        [(Operator::In, Flag::In, Flag::NotIn), (Operator::NotIn, Flag::NotIn, Flag::In)]
    {
        let once = compiled(&on_id(json!({operator.name(): [3, 5]})));
        assert_eq!(compiled(&on_id(json!({operator.name(): [5, 3, 5, 3, 3]}))), once);
        let operands = [3, 3, 5, 5, 5].map(integer);
        let repeated = forced(&[(operator, 0, &operands)]);
        assert_ne!(commitment(&repeated), commitment(&once));
        for id in [0, 3, 4, 5, 6].map(integer) {
            let values = with(ID, id);
            let holds = once.evaluate(&values);
            assert_eq!(repeated.evaluate(&values), holds);
            let expected = if holds { BTreeSet::new() } else { only("enforce_membership") };
            assert_eq!(claimed(&repeated, id, member), expected);
            let mut expected = expected;
            expected.insert("enforce_commitment");
            assert_eq!(against(&repeated, id, member, &once), expected);
            // Nor by the other operator, whose claim is true where this one's is not.
            let failing = claimed(&repeated, id, other);
            assert!(failing.contains("enforce_commitment"), "{failing:?}");
        }
    }
}

#[test]
fn an_absent_operand_makes_no_absent_value_a_member() {
    for predicate in [json!({"$eq": null}), json!({"$in": [5, null]}), json!({"$nin": [null]})] {
        let error = parse(&on_id(predicate)).unwrap_err();
        let QueryError::Clause { error, .. } = error else { panic!("{error}") };
        assert!(matches!(error, ClauseError::AbsentOperand | ClauseError::Operand(_)), "{error}");
    }
    for (operator, flag) in [(Operator::Equal, Flag::Equal), (Operator::In, Flag::In)] {
        let query = forced(&[(operator, 0, &[ABSENT])]);
        assert!(!query.evaluate(&with(ID, ABSENT)));
        assert_eq!(claimed(&query, ABSENT, flag), only("enforce_presence"));
    }
}

#[test]
fn an_empty_group_has_no_claim() {
    let yes = json!({"path": ["id"], "predicate": {"$eq": 5}});
    let error = parse(&json!([yes, {"any_of": []}, yes])).unwrap_err();
    assert!(
        matches!(error, QueryError::Clause { error: ClauseError::NotAlternatives, .. }),
        "{error}"
    );
    // Groups 0 and 2, each true; nothing is in group 1.
    let five = [integer(5)];
    let gap = forced(&[(Operator::Equal, 0, &five), (Operator::Equal, 2, &five)]);
    let values = with(ID, integer(5));
    assert!(!gap.evaluate(&values));
    // A group is at most one more than the one before it.
    let honest = System::new(&gap, &values, |_| {});
    assert_eq!(honest.failing(), only("enforce_commitment"));
    let two = |witness: &mut QueryWitness| witness.clauses[1].starts_group = Fr::from(2);
    let expected = BTreeSet::from(["enforce_bit", "enforce_groups"]);
    assert_eq!(System::new(&gap, &values, two).failing(), expected);
}

#[test]
fn a_query_without_a_clause_is_proved_of_nobody() {
    assert_eq!(parse(&json!([])), Err(QueryError::Empty));
    let nothing = forced(&[]);
    let values = with(ID, integer(5));
    assert_eq!(System::new(&nothing, &values, |_| {}).failing(), only("enforce_groups"));
    for flag in Flag::ALL {
        let failing = claimed(&nothing, integer(5), flag);
        assert!(failing.contains("enforce_commitment"), "{flag:?} {failing:?}");
    }
}

#[test]
fn a_bound_without_its_operand_is_refused_by_the_commitment_alone() {
    // The circuit reads the operand off its range: of none it makes v − 1, which v is greater than. That a
    // range is as long as its operator says is what the verifier's q brings with it.
    let empty = forced(&[(Operator::Greater, 0, &[])]);
    let asked = compiled(&on_id(json!({"$gt": 900})));
    let values = with(ID, integer(5));
    let mut witness = QueryWitness::new(&asked, Basis::Consent, &values);
    witness.operands = *empty.operands();
    witness.clauses.iter_mut().for_each(|clause| clause.set_end(0));
    claim_first(Flag::Greater)(&mut witness);
    let failing = |commitment| System::with_witness(&witness, &values, commitment).failing();
    assert!(failing(commitment(&empty)).is_empty());
    assert_eq!(failing(commitment(&asked)), only("enforce_commitment"));
}
