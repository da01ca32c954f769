//! Which other sizes are measured.

use circuits::query::{CLAUSES, Mode};
use circuits::schema::FIELDS;
use circuits::sizing::Size;
use circuits::statement::CircuitId;

use crate::circuit_report::{CircuitFigures, Variant, Variants};

/// A row of circuits that differ in one size.
pub(super) struct Series {
    by: &'static str,
    what: &'static str,
    pub(super) mode: Mode,
    /// The sizes that nobody proves with, by name.
    pub(super) others: Vec<(String, Size)>,
    in_use: String,
}

/// Every row; of each only the smallest where it must be quick.
pub(super) fn all(quick: bool) -> [Series; 3] {
    let size = Size::IN_USE;
    let mut all = [
        Series {
            by: "Tree capacity",
            what: "pseudonymous/v1 with a path of as many levels as that many records need.",
            mode: Mode::Pseudonymous,
            others: [16, 24]
                .map(|index_bits| (format!("2^{index_bits} records"), Size { index_bits, ..size }))
                .to_vec(),
            in_use: "2^32 records".to_owned(),
        },
        Series {
            by: "Number of fields",
            what: "identified/v1 for records of so many fields: the two hashes of the commitment take only these, \
                   and where a field is chosen the others are a constant.",
            mode: Mode::Identified,
            others: [4, 8]
                .map(|fields| (format!("{fields} fields"), Size { fields, ..size }))
                .to_vec(),
            in_use: format!("{FIELDS} fields"),
        },
        Series {
            by: "Number of clauses",
            what: "identified/v1 for queries of at most so many clauses; the operands stay 16.",
            mode: Mode::Identified,
            others: [1, 2, 4]
                .map(|clauses| {
                    let name = if clauses == 1 { "clause" } else { "clauses" };
                    (format!("{clauses} {name}"), Size { clauses, ..size })
                })
                .to_vec(),
            in_use: format!("{CLAUSES} clauses"),
        },
    ];
    if quick {
        all.iter_mut().for_each(|series| series.others.truncate(1));
    }
    all
}

impl Series {
    /// The row, with the size that is proved with as it was measured.
    pub(super) fn with(&self, mut points: Vec<Variant>, circuits: &[CircuitFigures]) -> Variants {
        let id = CircuitId::of(self.mode);
        let in_use = circuits.iter().find(|figures| figures.circuit == id);
        points.extend(in_use.map(|figures| Variant {
            size: self.in_use.clone(),
            in_use: true,
            constraints: figures.constraints,
            prove: figures.prove_all_threads.clone(),
        }));
        Variants { by: self.by.to_owned(), what: self.what.to_owned(), points }
    }
}
