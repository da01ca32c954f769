//! The sample departments: their records, which the binary carries, and what may be asked of them.

use circuits::schema::Schema;
use serde_json::{Value as Json, json};

use super::DemoError;
use crate::document::service::Service;

/// A department with one dataset.
pub(super) struct Sample {
    /// Its id on the network, and its dataset's name.
    pub(super) id: &'static str,
    /// What people call it.
    pub(super) name: &'static str,
    /// Its records, CSV.
    pub(super) records: &'static str,
    schema: &'static str,
}

/// The four departments, in ascending order of their ids.
pub(super) const SAMPLES: [Sample; 4] = [
    Sample {
        id: "civil-registry",
        name: "Civil registry",
        records: include_str!("../../data/civil_registry.csv"),
        schema: include_str!("../../data/civil_registry.schema.json"),
    },
    Sample {
        id: "social-security",
        name: "Social security",
        records: include_str!("../../data/social_security.csv"),
        schema: include_str!("../../data/social_security.schema.json"),
    },
    Sample {
        id: "tax",
        name: "Tax authority",
        records: include_str!("../../data/tax.csv"),
        schema: include_str!("../../data/tax.schema.json"),
    },
    Sample {
        id: "welfare",
        name: "Welfare office",
        records: include_str!("../../data/welfare.csv"),
        schema: include_str!("../../data/welfare.schema.json"),
    },
];

/// The law on which the tax authority answers without consent.
pub(super) const LAW: &str = "Benefits Act, section 12";

impl Sample {
    /// The dataset's schema.
    pub(super) fn schema(&self) -> Result<Schema, DemoError> {
        Schema::parse(self.schema).map_err(|error| DemoError::Sample(error.to_string()))
    }

    /// The dataset's service document.
    pub(super) fn service(&self) -> Result<Service, DemoError> {
        let json = json!({
            "version": 1, "issuer": self.id, "dataset": self.id, "title": self.name,
            "schema": self.schema()?, "registrar": "civil-registry",
            "as_of": {"kind": "fixed", "date": "2024-12-31"},
            "rules": self.rules(),
            "data": if self.id == "tax" {
                json!({"income": ["form_1099_cents", "total_wages_cents", "w2_wages_cents"]})
            } else {
                json!({})
            },
            "budget": {"per_requester": 8, "issuer_wide": 12}
        });
        serde_json::from_value(json).map_err(|error| DemoError::Sample(error.to_string()))
    }

    fn rules(&self) -> Json {
        let consent = json!([{"kind": "consent"}]);
        let by_law = json!([{"kind": "consent"}, {"kind": "statutory", "reference": LAW}]);
        let both = json!(["identified/v1", "pseudonymous/v1"]);
        match self.id {
            "civil-registry" => json!([{
                "requesters": ["social-security", "welfare"], "purposes": ["benefit-eligibility"],
                "bases": consent, "circuits": both,
                "conditions": [
                    {"path": "district", "operators": ["$in"], "operands": {
                        "kind": "listed", "at_least": 3,
                        "values": (1..=24).map(|n| format!("D{n:02}")).collect::<Vec<_>>()}},
                    {"path": "birth_date", "operators": ["$nonbetween"], "operands": {
                        "kind": "bounded", "min": "1900-01-01", "max": "2024-12-31"}}
                ]
            }]),
            "tax" => json!([{
                "requesters": ["civil-registry", "social-security", "welfare"],
                "purposes": ["benefit-eligibility", "housing-support"],
                "bases": by_law, "circuits": both,
                "conditions": [
                    {"path": "total_wages_cents", "operators": ["$lt", "$lte"], "operands": {
                        "kind": "stepped", "min": 0, "max": 20_000_000, "step": 100_000}}
                ]
            }]),
            "social-security" => json!([{
                "requesters": ["tax", "welfare"], "purposes": ["benefit-eligibility"],
                "bases": consent, "circuits": both,
                "conditions": [
                    {"path": "deceased", "operators": ["$eq"],
                     "operands": {"kind": "fixed", "values": [false]}}
                ]
            }]),
            _ => json!([{
                "requesters": ["tax"], "purposes": ["benefit-eligibility"],
                "bases": consent, "circuits": both,
                "conditions": [
                    {"path": "currently_enrolled", "operators": ["$eq"],
                     "operands": {"kind": "fixed", "values": [true]}}
                ]
            }]),
        }
    }
}
