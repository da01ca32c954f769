//! The sample departments: their records and what may be asked of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use circuits::encoding::Value;
use circuits::schema::{FieldType, Schema};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};

use super::DemoError;
use super::people::Datasets;
use crate::document::service::Service;
use crate::import::{self, Row};
use crate::subject::Subject;

/// A department with one dataset.
pub(super) struct Sample {
    /// Its id on the network, and its dataset's name.
    pub(super) id: &'static str,
    /// What people call it.
    pub(super) name: &'static str,
    /// What its files are called.
    stem: &'static str,
    records: &'static str,
    schema: &'static str,
}

/// The civil registry, which is the registrar too.
pub(super) const REGISTRY: &str = "civil-registry";
/// The social security institution.
pub(super) const SOCIAL_SECURITY: &str = "social-security";
/// The tax authority.
pub(super) const TAX: &str = "tax";
/// The welfare office.
pub(super) const WELFARE: &str = "welfare";

/// The four departments, in ascending order of their ids.
pub(super) const SAMPLES: [Sample; 4] = [
    Sample {
        id: REGISTRY,
        name: "Civil registry",
        stem: "civil_registry",
        records: include_str!("../../data/civil_registry.csv"),
        schema: include_str!("../../data/civil_registry.schema.json"),
    },
    Sample {
        id: SOCIAL_SECURITY,
        name: "Social security",
        stem: "social_security",
        records: include_str!("../../data/social_security.csv"),
        schema: include_str!("../../data/social_security.schema.json"),
    },
    Sample {
        id: TAX,
        name: "Tax authority",
        stem: "tax",
        records: include_str!("../../data/tax.csv"),
        schema: include_str!("../../data/tax.schema.json"),
    },
    Sample {
        id: WELFARE,
        name: "Welfare office",
        stem: "welfare",
        records: include_str!("../../data/welfare.csv"),
        schema: include_str!("../../data/welfare.schema.json"),
    },
];

/// The law on which the tax authority answers without consent.
pub(super) const LAW: &str = "Benefits Act, section 12";

/// Reads every department's records: those that the binary carries, or those of a folder.
pub(super) fn read_all(folder: Option<&Path>) -> Result<Datasets, DemoError> {
    let mut datasets = Datasets::new();
    for sample in &SAMPLES {
        let style = ProgressStyle::with_template("   {prefix:18} [{bar:30}] {bytes}/{total_bytes}")
            .expect("the template is well-formed")
            .progress_chars("=> ");
        let bar = ProgressBar::new(0).with_style(style).with_prefix(sample.name);
        let records = sample.read(folder, |bytes, total| {
            bar.set_length(total);
            bar.set_position(bytes);
        })?;
        bar.finish_and_clear();
        datasets.insert(sample.id, records);
    }
    Ok(datasets)
}

/// A department's records, read and checked.
pub(super) struct Records {
    pub(super) schema: Schema,
    pub(super) rows: Vec<Row>,
    by_subject: BTreeMap<Subject, usize>,
}

impl Sample {
    /// Reads the department's records: those that the binary carries, or those of a folder.
    ///
    /// `progress` is told how many bytes of how many have been read.
    fn read(
        &self,
        folder: Option<&Path>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Records, DemoError> {
        let schema = text(folder, &format!("{}.schema.json", self.stem), self.schema)?;
        let records = text(folder, &format!("{}.csv", self.stem), self.records)?;
        let fault = |error: &dyn std::fmt::Display| DemoError::Sample {
            file: self.stem.to_owned(),
            fault: error.to_string(),
        };
        let schema = Schema::parse(&schema).map_err(|error| fault(&error))?;
        let total = records.len() as u64;
        let rows = import::all_or_nothing(&schema, records.as_bytes(), |bytes| {
            progress(bytes, total);
        })
        .map_err(|error| fault(&error))?;
        let mut by_subject = BTreeMap::new();
        for (index, row) in rows.iter().enumerate() {
            let Value::Integer(number) = row.values[0] else {
                return Err(fault(&"the first field is not a number"));
            };
            let subject = Subject::try_from(number).map_err(|error| fault(&error))?;
            by_subject.insert(subject, index);
        }
        Ok(Records { schema, rows, by_subject })
    }

    /// The dataset's service document.
    pub(super) fn service(&self, records: &Records) -> Result<Service, DemoError> {
        let json = json!({
            "version": 1, "issuer": self.id, "dataset": self.id, "title": self.name,
            "schema": records.schema, "registrar": REGISTRY,
            "as_of": {"kind": "fixed", "date": super::people::AS_OF},
            "rules": self.rules(records),
            "data": if self.id == TAX {
                json!({"income": ["form_1099_cents", "total_wages_cents", "w2_wages_cents"]})
            } else {
                json!({})
            },
            "budget": {"per_requester": 16, "issuer_wide": 20}
        });
        serde_json::from_value(json).map_err(|error| DemoError::Sample {
            file: self.stem.to_owned(),
            fault: format!("service: {error}"),
        })
    }

    fn rules(&self, records: &Records) -> Json {
        let consent = json!([{"kind": "consent"}]);
        let by_law = json!([{"kind": "consent"}, {"kind": "statutory", "reference": LAW}]);
        let both = json!(["identified/v1", "pseudonymous/v1"]);
        match self.id {
            REGISTRY => json!([{
                "requesters": [SOCIAL_SECURITY, WELFARE], "purposes": ["benefit-eligibility"],
                "bases": consent, "circuits": both,
                "conditions": [
                    {"path": "district", "operators": ["$in"], "operands": {
                        "kind": "listed", "at_least": 3, "values": records.choices("district")}},
                    {"path": "birth_date", "operators": ["$nonbetween"], "operands": {
                        "kind": "bounded", "min": "1900-01-01", "max": "2024-12-31"}}
                ]
            }]),
            TAX => json!([{
                "requesters": [REGISTRY, SOCIAL_SECURITY, WELFARE],
                "purposes": ["benefit-eligibility", "housing-support"],
                "bases": by_law, "circuits": both,
                "conditions": [
                    {"path": "total_wages_cents", "operators": ["$lt", "$lte"], "operands": {
                        "kind": "stepped", "min": 0, "max": 20_000_000, "step": 100_000}}
                ]
            }]),
            SOCIAL_SECURITY => json!([{
                "requesters": [TAX, WELFARE], "purposes": ["benefit-eligibility"],
                "bases": consent, "circuits": both,
                "conditions": [
                    {"path": "deceased", "operators": ["$eq"],
                     "operands": {"kind": "fixed", "values": [false]}}
                ]
            }]),
            _ => json!([{
                "requesters": [TAX], "purposes": ["benefit-eligibility"],
                "bases": consent, "circuits": both,
                "conditions": [
                    {"path": "currently_enrolled", "operators": ["$eq"],
                     "operands": {"kind": "fixed", "values": [true]}}
                ]
            }]),
        }
    }
}

impl Records {
    /// Everybody on record, in ascending order.
    pub(super) fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.by_subject.keys().copied()
    }

    /// A citizen's values.
    pub(super) fn of(&self, subject: &Subject) -> Option<&[Value]> {
        self.by_subject.get(subject).map(|&index| self.rows[index].values.as_slice())
    }

    /// The values that a field can have.
    pub(super) fn choices(&self, field: &str) -> Vec<String> {
        match self.schema.field(field).map(|(_, field)| field.kind()) {
            Some(FieldType::Enum { values }) => values.clone(),
            _ => Vec::new(),
        }
    }
}

fn text(
    folder: Option<&Path>,
    file: &str,
    carried: &'static str,
) -> Result<Cow<'static, str>, DemoError> {
    let Some(folder) = folder else { return Ok(carried.into()) };
    let path = folder.join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.into()),
        Err(error) => Err(DemoError::Folder { path, error }),
    }
}
