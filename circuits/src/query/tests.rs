//! Queries.

use proptest::prelude::*;

use super::{
    Query,
    arbitrary::{Case, case},
};

proptest! {
    #[test]
    fn the_evaluators_agree(seed: u64) {
        let Case { query, values } = case(seed);
        let elements = query.schema().elements(&values);
        prop_assert_eq!(query.holds(&values), query.compile().evaluate(&elements));
    }

    #[test]
    fn the_rewritten_form_parses_to_itself(seed: u64) {
        let query = case(seed).query;
        let again = Query::parse(&query.to_json(), query.schema(), query.schema().as_of());
        prop_assert_eq!(again, Ok(query));
    }
}
