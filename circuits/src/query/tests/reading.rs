//! What is read, what is refused, and how it is said.

use super::*;

#[test]
fn what_the_schema_does_not_allow_is_refused_with_its_place() {
    let claim = json!({"path": ["id"], "predicate": {"$eq": 5}});
    #[rustfmt::skip]
    let cases = [
        (json!({}), "a query is a JSON array of claims"),
        (json!([]), "a query has at least one claim"),
        (json!([5]), "clause 0: expected {\"path\": [field], \"predicate\": {operator: operand}}"),
        (json!([claim, {"path": ["id"]}]), "clause 1: expected {\"path\""),
        (json!([{"path": "id", "predicate": {"$eq": 5}}]), "clause 0: expected {\"path\""),
        (json!([{"path": ["id", "x"], "predicate": {"$eq": 5}}]), "clause 0: expected {\"path\""),
        (json!([{"path": ["id"], "predicate": {}}]), "clause 0: expected {\"path\""),
        (json!([{"path": ["id"], "predicate": {"$eq": 5}, "extra": 1}]), "clause 0: expected {\"path\""),
        (json!([{"any_of": []}]), "clause 0: expected {\"any_of\": [claim, ...]} with at least one claim"),
        (json!([{"any_of": claim}]), "clause 0: expected {\"any_of\""),
        (json!([{"any_of": [claim], "path": ["id"]}]), "clause 0: expected {\"any_of\""),
        (json!([{"any_of": [claim, {"any_of": [claim]}]}]), "clause 0, alternative 1: expected {\"path\""),
        (json!([{"any_of": [{"path": ["id"], "predicate": {"$gt": 1, "$lt": 5}}]}]), "clause 0, alternative 0, path id: inside any_of a predicate has exactly one operator"),
        (one("nobody", json!({"$eq": 5})), "clause 0, path nobody, $eq: no field \"nobody\" in the schema"),
        (one("id", json!({"$regex": "x"})), "clause 0, path id: no operator \"$regex\""),
        (one("family_name", json!({"$lt": "M"})), "clause 0, path family_name, $lt: values of type string are not ordered"),
        (one("district", json!({"$between": ["D01", "D02"]})), "$between: values of type enum are not ordered"),
        (one("deceased", json!({"$gte": true})), "$gte: values of type boolean are not ordered"),
        (one("id", json!({"$eq": "5"})), "path id, $eq: expected an integer"),
        (one("id", json!({"$eq": 5.0})), "path id, $eq: expected an integer"),
        (one("id", json!({"$lt": "9223372036854775808"})), "path id, $lt: expected an integer"),
        (one("id", json!({"$eq": 1000})), "path id, $eq: out of range: expected 0 to 999"),
        (one("birth_date", json!({"$lte": "2023-02-29"})), "path birth_date, $lte: not a day of the calendar"),
        (one("birth_date", json!({"$lte": 5})), "path birth_date, $lte: expected a string"),
        (one("seen_at", json!({"$lte": "2024-01-01"})), "path seen_at, $lte: not an instant"),
        (one("deceased", json!({"$eq": "true"})), "path deceased, $eq: expected true or false"),
        (one("district", json!({"$eq": "D04"})), "path district, $eq: not one of the listed values"),
        (one("district", json!({"$in": ["D01", "d02"]})), "path district, $in: not one of the listed values"),
        (one("family_name", json!({"$eq": ""})), "path family_name, $eq: empty, which is the same as absent"),
        (one("family_name", json!({"$eq": "a".repeat(65)})), "path family_name, $eq: 65 bytes of UTF-8, expected 1 to 64"),
        (one("income", json!({"$eq": null})), "path income, $eq: null is not an operand"),
        (one("income", json!({"$lt": null})), "path income, $lt: null is not an operand"),
        (one("income", json!({"$in": [5, null]})), "path income, $in: null is not an operand"),
        (one("income", json!({"$in": []})), "path income, $in: expected a list of at least one value"),
        (one("income", json!({"$nin": 5})), "path income, $nin: expected a list of at least one value"),
        (one("income", json!({"$between": [5]})), "path income, $between: expected [low, high]"),
        (one("income", json!({"$between": [5, 6, 7]})), "path income, $between: expected [low, high]"),
        (one("income", json!({"$between": [6, 5]})), "path income, $between: low is above high"),
        (one("income", json!({"$nonbetween": [6, 5]})), "path income, $nonbetween: low is above high"),
        (one("income", json!({"$exists": 1})), "path income, $exists: expected true or false"),
        (one("age", json!({"$eq": 18})), "path age, $eq: age has $gte, $gt, $lt, $lte, $between and $nonbetween only"),
        (one("age", json!({"$exists": true})), "path age, $exists: age has"),
        (one("age", json!({"$gte": -1})), "path age, $gte: expected an age in whole years, 0 to 150"),
        (one("age", json!({"$gte": 151})), "path age, $gte: expected an age in whole years, 0 to 150"),
        (one("age", json!({"$gte": 18.5})), "path age, $gte: expected an age in whole years, 0 to 150"),
        (one("age", json!({"$between": [20, 10]})), "path age, $between: low is above high"),
        (Json::from(vec![claim.clone(); 9]), "a query has at most 8 clauses"),
        (json!([{"any_of": vec![claim.clone(); 9]}]), "a query has at most 8 clauses"),
        (one("id", json!({"$in": (0..17).collect::<Vec<_>>()})), "a query has at most 16 operands"),
        (json!([
            {"path": ["id"], "predicate": {"$in": (0..15).collect::<Vec<_>>()}},
            {"path": ["id"], "predicate": {"$between": [0, 5]}},
        ]), "a query has at most 16 operands"),
    ];
    for (query, expected) in cases {
        let error = parse(&query).unwrap_err().to_string();
        assert!(error.contains(expected), "{query}: {error}");
    }
}

#[test]
fn the_limits_themselves_are_allowed() {
    let claim = json!({"path": ["id"], "predicate": {"$between": [1, 5]}});
    let query = parse(&Json::from(vec![claim; 8])).unwrap().compile();
    assert_eq!((query.clauses().len(), query.end()), (8, 16));
    // Repeats in a list are one operand.
    let list: Vec<u32> = (0..16).chain(0..16).collect();
    assert_eq!(parse(&one("id", json!({"$in": list}))).unwrap().compile().end(), 16);
}

#[test]
fn a_predicate_with_several_operators_is_all_of_them() {
    let query = parse(&one("income", json!({"$lt": 9, "$gte": 5, "$exists": true}))).unwrap();
    let expected = json!([
        {"path": ["income"], "predicate": {"$lt": 9}},
        {"path": ["income"], "predicate": {"$gte": 5}},
        {"path": ["income"], "predicate": {"$exists": true}},
    ]);
    assert_eq!(query.to_json(), expected);
}

#[test]
fn spellings_that_mean_the_same_are_one_rewritten_form() {
    for (spelling, rewritten) in [
        (
            one("district", json!({"$in": ["D03", "D01", "D03"]})),
            one("district", json!({"$in": ["D01", "D03"]})),
        ),
        (
            one("family_name", json!({"$eq": "Mu\u{308}ller"})),
            one("family_name", json!({"$eq": "M\u{fc}ller"})),
        ),
        (json!([{"any_of": one("id", json!({"$eq": 5}))}]), one("id", json!({"$eq": 5}))),
    ] {
        let query = parse(&spelling).unwrap();
        assert_eq!(query.to_json(), rewritten);
        assert_eq!(query, parse(&rewritten).unwrap());
    }
}

#[test]
fn age_is_a_condition_on_the_date_of_birth() {
    let born = |predicate| one("birth_date", predicate);
    for (age, rewritten) in [
        (json!({"$gte": 18}), born(json!({"$lte": "2006-12-31"}))),
        (json!({"$gt": 18}), born(json!({"$lte": "2005-12-31"}))),
        (json!({"$lt": 18}), born(json!({"$gt": "2006-12-31"}))),
        (json!({"$lte": 18}), born(json!({"$gt": "2005-12-31"}))),
        (json!({"$between": [18, 64]}), born(json!({"$between": ["1960-01-01", "2006-12-31"]}))),
        (
            json!({"$nonbetween": [18, 64]}),
            born(json!({"$nonbetween": ["1960-01-01", "2006-12-31"]})),
        ),
    ] {
        let query = parse(&one("age", age.clone())).unwrap();
        assert_eq!(query.to_json(), rewritten, "{age}");
    }
    // On the day before, the year that ends on 31 December is not yet complete.
    let schema = example_schema();
    let query = one("age", json!({"$gte": 18}));
    let query = Query::parse(&query, &schema, "2024-12-30".parse().unwrap()).unwrap();
    assert_eq!(query.to_json(), born(json!({"$lte": "2006-12-30"})));
}

#[test]
fn a_field_called_age_is_that_field() {
    let schema = |fields: Json| {
        let document = json!({
            "schema": "s", "version": 1, "title": "", "as_of": "2024-12-31",
            "primary_key": "id", "fields": fields,
        });
        Schema::parse(&document.to_string()).unwrap()
    };
    let id = json!({"name": "id", "type": "boolean", "nullable": false, "description": ""});
    let with_age =
        schema(json!([id, {"name": "age", "type": "integer", "nullable": false, "min": 0,
        "max": 150, "description": ""}]));
    let query = one("age", json!({"$eq": 18}));
    let parsed = Query::parse(&query, &with_age, with_age.as_of()).unwrap();
    assert_eq!(parsed.to_json(), query);
    let with_neither = schema(json!([id]));
    let error = Query::parse(&query, &with_neither, with_neither.as_of()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "clause 0, path age, $eq: age needs a field birth_date of type date in the schema"
    );
}

#[test]
fn a_query_is_said_in_plain_words() {
    #[rustfmt::skip]
    let cases = [
        (one("birth_date", json!({"$lte": "2008-11-22"})), "birth_date is on or before 2008-11-22"),
        (one("birth_date", json!({"$lt": "2008-11-22"})), "birth_date is before 2008-11-22"),
        (one("birth_date", json!({"$nonbetween": ["1960-01-01", "2006-12-31"]})), "birth_date is before 1960-01-01 or after 2006-12-31"),
        (one("income", json!({"$lt": 2_000_050})), "income is less than 2000050 cents (20000.50)"),
        (one("income", json!({"$between": [0, 5]})), "income is from 0 cents (0.00) to 5 cents (0.05), both included"),
        (one("income", json!({"$exists": true})), "income is on record"),
        (one("income", json!({"$exists": false})), "income is not on record"),
        (one("id", json!({"$gte": 3})), "id is at least 3"),
        (one("id", json!({"$ne": 3})), "id is known and is not 3"),
        (one("seen_at", json!({"$gt": "2024-01-01T00:00:00Z"})), "seen_at is after 2024-01-01T00:00:00Z"),
        (one("deceased", json!({"$eq": false})), "deceased is false"),
        (one("family_name", json!({"$nin": ["Doe"]})), "family_name is known and is none of \"Doe\""),
        (json!([
            {"path": ["district"], "predicate": {"$in": ["D01", "D02"]}},
            {"any_of": [
                {"path": ["birth_date"], "predicate": {"$gt": "2000-01-01"}},
                {"path": ["id"], "predicate": {"$eq": 5}},
            ]},
        ]), "district is one of \"D01\", \"D02\", and (birth_date is after 2000-01-01 or id is 5)"),
    ];
    for (query, sentence) in cases {
        assert_eq!(parse(&query).unwrap().describe(), sentence);
    }
}
