//! Spellings that ask the same are charged the same.

use super::*;
use crate::{
    encoding::OFFSET,
    query::{Probe, ProbeKind},
};

fn probes(query: &Json) -> Vec<Probe> {
    parse(query).unwrap().probes().into_iter().collect()
}

fn cut(field: usize, value: u64) -> Probe {
    Probe { field, kind: ProbeKind::Cut(OFFSET + value) }
}

fn element(field: usize, element: u64) -> Probe {
    Probe { field, kind: ProbeKind::Element(Fr::from(element)) }
}

#[test]
fn spellings_of_a_cut_are_one() {
    for predicate in [
        json!({"$lt": 100}),
        json!({"$lte": 99}),
        json!({"$gte": 100}),
        json!({"$gt": 99}),
        json!({"$between": [0, 99]}),
        json!({"$between": [100, 999]}),
        json!({"$between": [-5, 99]}),
        json!({"$nonbetween": [0, 99]}),
        json!({"$nonbetween": [100, 5000]}),
        json!({"$lt": 100, "$gte": 100}),
    ] {
        assert_eq!(probes(&one("id", predicate.clone())), [cut(0, 100)], "{predicate}");
    }
}

#[test]
fn spellings_of_an_interval_are_one() {
    for query in [
        one("id", json!({"$between": [3, 5]})),
        one("id", json!({"$nonbetween": [3, 5]})),
        one("id", json!({"$in": [3, 4, 5]})),
        one("id", json!({"$nin": [5, 4, 3]})),
        one("id", json!({"$gte": 3, "$lte": 5})),
        json!([{"any_of": [
            {"path": ["id"], "predicate": {"$lt": 3}},
            {"path": ["id"], "predicate": {"$gt": 5}},
        ]}]),
        json!([{"any_of": [
            {"path": ["id"], "predicate": {"$eq": 4}},
            {"path": ["id"], "predicate": {"$in": [3, 5]}},
        ]}]),
    ] {
        assert_eq!(probes(&query), [cut(0, 3), cut(0, 6)], "{query}");
    }
    let equal = probes(&one("id", json!({"$eq": 7})));
    assert_eq!(equal, [cut(0, 7), cut(0, 8)]);
    assert_eq!(equal, probes(&one("id", json!({"$ne": 7}))));
    assert_eq!(equal, probes(&one("id", json!({"$between": [7, 7]}))));
    let apart = [cut(0, 3), cut(0, 4), cut(0, 7), cut(0, 8)];
    assert_eq!(probes(&one("id", json!({"$in": [3, 7]}))), apart);
}

#[test]
fn cuts_at_the_limits_reveal_nothing() {
    for predicate in [
        json!({"$gte": 0}),
        json!({"$lt": 0}),
        json!({"$lte": 999}),
        json!({"$gt": 999}),
        json!({"$lt": "9223372036854775807"}),
        json!({"$lte": "9223372036854775807"}),
        json!({"$gte": "-9223372036854775808"}),
        json!({"$exists": true}),
        json!({"$exists": false}),
    ] {
        assert_eq!(probes(&one("id", predicate.clone())), [], "{predicate}");
    }
    assert_eq!(probes(&one("id", json!({"$eq": 0}))), [cut(0, 1)]);
    assert_eq!(probes(&one("id", json!({"$eq": 999}))), [cut(0, 999)]);
    let all = json!([{"any_of": [
        {"path": ["id"], "predicate": {"$lt": 5}},
        {"path": ["id"], "predicate": {"$gte": 5}},
    ]}]);
    assert_eq!(probes(&all), []);
}

#[test]
fn every_condition_on_a_nullable_field_asks_whether_there_is_a_value() {
    let presence = Probe { field: 2, kind: ProbeKind::Presence };
    for predicate in [json!({"$exists": true}), json!({"$exists": false}), json!({"$gte": 0})] {
        assert_eq!(probes(&one("income", predicate.clone())), [presence], "{predicate}");
    }
    assert_eq!(probes(&one("income", json!({"$lt": 10}))), [cut(2, 10), presence]);
}

#[test]
fn a_list_and_its_complement_are_one() {
    for predicate in [
        json!({"$eq": "D02"}),
        json!({"$ne": "D02"}),
        json!({"$in": ["D01", "D03"]}),
        json!({"$nin": ["D01", "D03"]}),
    ] {
        assert_eq!(probes(&one("district", predicate.clone())), [element(3, 2)], "{predicate}");
    }
    for predicate in [
        json!({"$eq": true}),
        json!({"$ne": true}),
        json!({"$eq": false}),
        json!({"$nin": [false]}),
    ] {
        assert_eq!(probes(&one("deceased", predicate.clone())), [element(4, 1)], "{predicate}");
    }
    assert_eq!(probes(&one("deceased", json!({"$in": [true, false]}))), []);
    assert_eq!(probes(&one("district", json!({"$in": ["D01", "D02", "D03"]}))), []);
    let names = probes(&one("family_name", json!({"$in": ["Doe", "Roe"]})));
    assert_eq!(names.len(), 2);
    assert_eq!(names, probes(&one("family_name", json!({"$nin": ["Roe", "Doe"]}))));
    let either = json!([{"any_of": [
        {"path": ["family_name"], "predicate": {"$eq": "Doe"}},
        {"path": ["family_name"], "predicate": {"$eq": "Roe"}},
    ]}]);
    assert_eq!(names, probes(&either));
}

#[test]
fn age_is_charged_as_the_date_of_birth() {
    let adult = probes(&one("age", json!({"$gte": 18})));
    assert_eq!(adult, probes(&one("birth_date", json!({"$lt": "2007-01-01"}))));
    assert_eq!(adult, probes(&one("age", json!({"$lt": 18}))));
    assert_eq!(adult.len(), 1);
}

proptest! {
    /// Two records that no probe tells apart get one answer.
    #[test]
    fn what_no_probe_tells_apart_has_one_answer(seed: u64) {
        let Case { query, values } = case(seed);
        let other = crate::query::arbitrary::record(seed ^ 1, query.schema());
        let answers: Vec<Vec<bool>> = [&values, &other]
            .map(|record| {
                query
                    .probes()
                    .iter()
                    .map(|probe| {
                        let value = &record[probe.field];
                        match probe.kind {
                            ProbeKind::Cut(cut) => value.ordinal().is_some_and(|v| v < cut),
                            ProbeKind::Element(element) => value.element() == element,
                            ProbeKind::Presence => *value != Value::Absent,
                        }
                    })
                    .collect()
            })
            .into();
        if answers[0] == answers[1] {
            prop_assert_eq!(query.holds(&values), query.holds(&other));
        }
    }
}
