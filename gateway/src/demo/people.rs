//! Who plays: citizens are chosen by condition, never by name, so that any data of these schemas will do.

use circuits::query::Query;
use serde_json::{Value as Json, json};

use super::DemoError;
use super::sample::{REGISTRY, Records, TAX};
use crate::subject::Subject;

/// The data's "today".
pub(super) const AS_OF: &str = "2024-12-31";
/// Steps of the wage thresholds that the tax authority permits: 1,000.00.
pub(super) const STEP: u64 = 100_000;
/// The threshold to begin with, in steps: 20,000.00 in wages.
const FIRST_THRESHOLD: u64 = 20;
/// Thresholds that the demo uses above the first one.
const ROOM: u64 = 20;
/// The highest threshold that is permitted, in steps.
const LAST_THRESHOLD: u64 = 200;

/// The datasets as they were imported.
pub(super) type Datasets = std::collections::HashMap<&'static str, Records>;

/// Who plays which part.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    /// Meets both conditions.
    pub(super) eligible: Subject,
    /// Meets the one on the home, not the one on wages.
    pub(super) earner: Subject,
    /// On no record of the tax authority.
    pub(super) unknown: Subject,
    /// On the tax authority's records; nobody asks about them.
    pub(super) bystander: Subject,
    /// The threshold of wages, in steps.
    pub(super) threshold: u64,
    /// Three districts.
    pub(super) districts: Vec<String>,
}

/// Wages below so many steps.
pub(super) fn wages_below(steps: u64) -> Json {
    json!([{"path": ["total_wages_cents"], "predicate": {"$lt": steps * STEP}}])
}

/// Lives in one of these districts, and was born before 1960 or after 1979.
pub(super) fn home_and_age(districts: &[String]) -> Json {
    json!([
        home(districts),
        {"path": ["birth_date"], "predicate": {"$nonbetween": ["1960-01-01", "1979-12-31"]}}
    ])
}

/// Lives in one of these districts.
pub(super) fn home(districts: &[String]) -> Json {
    json!({"path": ["district"], "predicate": {"$in": districts}})
}

impl Cast {
    /// Chooses people, districts and a threshold that separates them.
    pub(super) fn choose(datasets: &Datasets) -> Result<Self, DemoError> {
        let (registry, tax) = (&datasets[REGISTRY], &datasets[TAX]);
        let mut districts = registry.choices("district");
        districts.truncate(3);
        let home = parse(&home_and_age(&districts), registry)?;
        let residents: Vec<Subject> = registry
            .subjects()
            .filter(|subject| registry.of(subject).is_some_and(|values| home.holds(values)))
            .filter(|subject| tax.of(subject).is_some())
            .collect();
        let thresholds = (FIRST_THRESHOLD..=LAST_THRESHOLD - ROOM).chain(1..FIRST_THRESHOLD);
        for threshold in thresholds {
            let wages = parse(&wages_below(threshold), tax)?;
            let meets =
                |subject: &&Subject| tax.of(subject).is_some_and(|values| wages.holds(values));
            let eligible = residents.iter().find(meets).copied();
            let earner = residents.iter().find(|subject| !meets(subject)).copied();
            let (Some(eligible), Some(earner)) = (eligible, earner) else { continue };
            let bystander = tax.subjects().find(|it| ![eligible, earner].contains(it));
            let bystander = bystander.ok_or_else(|| nobody("whom no question is about"))?;
            let unknown = unknown(datasets)?;
            return Ok(Self { eligible, earner, unknown, bystander, threshold, districts });
        }
        Err(nobody("who meets the demo's conditions"))
    }
}

/// A citizen number that nobody on record has, though somebody could.
fn unknown(datasets: &Datasets) -> Result<Subject, DemoError> {
    (999_999_999_000..=999_999_999_999_i64)
        .rev()
        .filter(|number| {
            let mut keys = datasets.values().map(|records| &records.schema.fields()[0]);
            keys.all(|field| field.parse_text(&number.to_string()).is_ok())
        })
        .filter_map(|number| Subject::try_from(number).ok())
        .find(|subject| datasets.values().all(|records| records.of(subject).is_none()))
        .ok_or_else(|| nobody("who is not on record"))
}

fn parse(json: &Json, records: &Records) -> Result<Query, DemoError> {
    let as_of = AS_OF.parse().expect("it is a day");
    Query::parse(json, &records.schema, as_of)
        .map_err(|error| DemoError::Sample { file: "query".to_owned(), fault: error.to_string() })
}

fn nobody(who: &str) -> DemoError {
    DemoError::Sample { file: "records".to_owned(), fault: format!("there is nobody {who}") }
}
