use super::*;
use csv::ReaderBuilder;
use proptest::prelude::*;

const DIRTY: &[u8] = include_bytes!("../../data/dirty.csv");
const DIRTY_SCHEMA: &[u8] = include_bytes!("../../data/dirty.schema.json");

fn schema(json: &[u8]) -> Schema {
    let json = std::str::from_utf8(json).unwrap();
    Schema::parse(json).unwrap()
}

/// The file without its last field in each record, and that field.
fn without_labels(file: &[u8]) -> (Vec<u8>, Vec<(u64, String)>) {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let mut labels = Vec::new();
    for record in reader.byte_records() {
        let record = record.unwrap();
        let line = record.position().unwrap().line();
        let fields: Vec<&[u8]> = record.iter().collect();
        let (label, rest) = fields.split_last().unwrap();
        labels.push((line, String::from_utf8(label.to_vec()).unwrap()));
        writer.write_record(rest).unwrap();
    }
    let mut bytes = vec![0xef, 0xbb, 0xbf]; // the reader above dropped the byte order mark
    bytes.extend(writer.into_inner().unwrap());
    labels.remove(0); // the header's
    (bytes, labels)
}

#[test]
fn each_dirty_row_is_accepted_or_rejected_as_its_label_says() {
    assert!(DIRTY.starts_with(&[0xef, 0xbb, 0xbf]));
    let (file, labels) = without_labels(DIRTY);
    let schema = schema(DIRTY_SCHEMA);
    let rejected = match all_or_nothing(&schema, file.as_slice(), |_| ()) {
        Err(ImportError::Rejected { rows: 77, rejected }) => rejected,
        outcome => panic!("{outcome:?}"),
    };
    let outcomes: Vec<_> = labels
        .iter()
        .map(|(line, _)| rejected.iter().find(|fault| fault.line == *line).map_or(Ok(()), Err))
        .collect();
    assert_eq!(outcomes.len(), 77);
    assert_eq!(labels.len(), 77);
    for ((_, label), outcome) in labels.iter().zip(&outcomes) {
        match (label.split_once(':').unwrap(), outcome) {
            (("accept", _), Ok(())) => {}
            (("reject", name), Err(rejected)) => {
                assert!(names_the_field(name, rejected.fault.field()), "{label}: {rejected}");
            }
            (_, outcome) => panic!("{label}: {outcome:?}"),
        }
    }
    let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!((accepted, outcomes.len() - accepted), (20, 57));
}

/// Whether a label such as `date_month_13` is about the field that was named.
fn names_the_field(label: &str, field: Option<&str>) -> bool {
    let expected: &[&str] = match label {
        "missing_column" | "extra_column" => return field.is_none(),
        "all_fields_empty" | "duplicate_identical" | "duplicate_different" => &["citizen_id"],
        "enum_short_code" | "enum_other_case" => &["sex"],
        "enum_unknown_district" => &["district"],
        _ if label.starts_with("citizen_id") => &["citizen_id"],
        _ if label.starts_with("date") => &["birth_date"],
        _ if label.starts_with("name") => &["given_name", "family_name"],
        _ if label.starts_with("postcode") => &["postcode"],
        _ if label.starts_with("guardian") => &["guardian_citizen_id"],
        _ if label.starts_with("household_id") => &["household_id"],
        _ if label.starts_with("money") => &["declared_income_cents"],
        _ => panic!("a label this test does not know: {label}"),
    };
    field.is_some_and(|field| expected.contains(&field))
}

#[test]
fn every_sample_row_is_accepted() {
    let files: [(&[u8], &[u8], usize); 4] = [
        (
            include_bytes!("../../data/civil_registry.csv"),
            include_bytes!("../../data/civil_registry.schema.json"),
            2000,
        ),
        (
            include_bytes!("../../data/social_security.csv"),
            include_bytes!("../../data/social_security.schema.json"),
            2000,
        ),
        (include_bytes!("../../data/tax.csv"), include_bytes!("../../data/tax.schema.json"), 2000),
        (
            include_bytes!("../../data/welfare.csv"),
            include_bytes!("../../data/welfare.schema.json"),
            212,
        ),
    ];
    for (file, json, count) in files {
        let mut last = 0;
        let rows = all_or_nothing(&schema(json), file, |bytes| last = bytes).unwrap();
        assert_eq!(rows.len(), count);
        assert_eq!(last, file.len() as u64, "progress ends at the file's length");
    }
}

/// A schema of two fields, for faults the dirty file does not hold.
const SMALL: &str = r#"{
  "schema": "small", "version": 1, "title": "Small", "as_of": "2024-12-31", "primary_key": "id",
  "fields": [
    {"name": "id", "type": "integer", "nullable": false, "min": 0, "max": 9, "description": "Key."},
    {"name": "name", "type": "string", "nullable": false, "min_bytes": 1, "max_bytes": 9, "description": "Name."}
  ]
}"#;

fn import(file: &[u8]) -> Result<Vec<Row>, ImportError> {
    all_or_nothing(&schema(SMALL.as_bytes()), file, |_| ())
}

fn message(file: &[u8]) -> String {
    import(file).unwrap_err().to_string()
}

#[test]
fn columns_may_stand_in_any_order() {
    let straight = import(b"id,name\n1,a\n").unwrap();
    let swapped = import(b"name,id\na,1\n").unwrap();
    assert_eq!(straight, swapped);
}

#[test]
fn a_header_must_name_the_schemas_fields() {
    assert_eq!(
        message(b"id,name,extra\n1,a,b\n"),
        "line 1, column 3: no field \"extra\"; the schema small has id, name"
    );
    // Where a name may be a value, or is none, it is not repeated.
    for first in ["1,a,extra", "id,name,Curtis P.", "id,name,x12345", "id,name,1"] {
        let text = message(format!("{first}\n1,a,b\n").as_bytes());
        assert!(text.contains(": no field of this name; the schema small"), "{text}");
    }
    assert_eq!(message(b"id,id\n1,1\n"), "line 1: field \"id\" stands twice");
    assert_eq!(message(b"id\n1\n"), "line 1: field \"name\" is missing");
    assert_eq!(message(b""), "line 1: field \"id\" is missing");
    assert_eq!(message(b"id,na\xffme\n"), "line 1: the header is not UTF-8");
}

#[test]
fn one_rejected_row_rejects_the_file_and_all_rejected_rows_are_listed() {
    let error = import(b"id,name\n1,a\n2,\n3,c\n99,d\n").unwrap_err();
    let ImportError::Rejected { rows, rejected } = &error else { panic!("{error}") };
    assert_eq!((*rows, rejected.len()), (4, 2));
    assert_eq!((rejected[0].line, rejected[0].fault.field()), (3, Some("name")));
    assert_eq!((rejected[1].line, rejected[1].fault.field()), (5, Some("id")));
    assert!(error.to_string().starts_with("2 of 4 rows rejected"), "{error}");
    assert_eq!(import(b"id,name\n1,a\n2,b\n").unwrap().len(), 2);
}

#[test]
fn bytes_that_are_not_utf_8_are_named_with_their_line() {
    let text = message(b"id,name\n1,a\n2,\xff\n");
    assert!(text.ends_with("line 3: name: not UTF-8"), "{text}");
}

#[test]
fn nul_is_a_control_character() {
    assert!(message(b"id,name\n1,a\0b\n").contains("line 2: name: "));
}

#[test]
fn an_unclosed_quote_swallows_nothing_silently() {
    let error = import(b"id,name\n1,\"a\n2,b\n3,c\n").unwrap_err();
    assert!(matches!(error, ImportError::File(FileError::UnclosedQuote)), "{error}");
    assert_eq!(import(b"id,name\n1,\"a\"\n2,b\n").unwrap().len(), 2);
}

#[test]
fn a_mark_within_a_field_opens_nothing_and_its_row_is_rejected() {
    let error = import(b"id,name\n1,x\"y\n2,b\n3,\"c\"d\n4,\"e\"\n").unwrap_err();
    let ImportError::Rejected { rows: 4, rejected } = error else { panic!("{error}") };
    let lines: Vec<_> = rejected.iter().map(|it| (it.line, it.fault.clone())).collect();
    assert_eq!(lines, [(2, RowFault::Misquoted), (4, RowFault::Misquoted)]);
    assert_eq!(import(b"id,name\n1,\"x\"\"y\"\n2,b\n").unwrap().len(), 2);
}

#[test]
fn a_mark_within_a_field_does_not_hide_that_the_next_field_is_never_closed() {
    let rows = "1,a\n".repeat(499);
    let error = import(format!("id,name\nx\",,,,,,,,,,\"a\n{rows}").as_bytes()).unwrap_err();
    assert!(matches!(error, ImportError::File(FileError::UnclosedQuote)), "{error}");
    let rows = "1,a\n".repeat(MAX_LINE_BYTES / 4);
    let error = import(format!("id,name\nx\",\"a\n{rows}").as_bytes()).unwrap_err();
    assert!(matches!(error, ImportError::File(FileError::LineTooLong { line: 2 })), "{error}");
}

#[test]
fn a_missing_header_is_not_repeated_in_the_error() {
    let text = message(b"7,Curtis\n8,Ariana\n");
    assert_eq!(text, "line 1, column 1: no field of this name; the schema small has id, name");
}

#[test]
fn a_row_that_does_not_end_is_cut_off() {
    let long = "a".repeat(MAX_LINE_BYTES);
    for file in [format!("id,name\n1,a\n2,\"{long}"), format!("id,name\n1,a\n2,{long}")] {
        let error = import(file.as_bytes()).unwrap_err();
        assert!(matches!(error, ImportError::File(FileError::LineTooLong { line: 3 })), "{error}");
    }
    // One byte less, and it is only a value that is too long.
    let lines = format!("id,name\n1,{}\n", "a".repeat(MAX_LINE_BYTES - 2));
    assert!(matches!(import(lines.as_bytes()), Err(ImportError::Rejected { rows: 1, .. })));
}

/// What JSON Lines are read as: values, or line and message.
fn lines(text: &str) -> Vec<Result<Vec<Value>, String>> {
    let schema = schema(SMALL.as_bytes());
    let rows = Rows::new(&schema, Format::JsonLines, text.as_bytes()).unwrap();
    rows.map(|row| row.unwrap().map(|row| row.values).map_err(|fault| fault.to_string())).collect()
}

#[test]
fn json_lines_read_as_the_same_rows_as_csv() {
    let schema = schema(include_bytes!("../../data/tax.schema.json"));
    let file: &[u8] = include_bytes!("../../data/tax.csv");
    let rows = all_or_nothing(&schema, file, |_| ()).unwrap();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let fields = schema.fields().iter().zip(&row.values);
        let object: serde_json::Map<_, _> = fields
            // Absent is null or nothing.
            .filter(|(_, value)| number % 2 == 0 || **value != Value::Absent)
            .map(|(field, value)| (field.name().to_owned(), field.to_json(value)))
            .collect();
        text += &(serde_json::to_string(&object).unwrap() + ["\n", "\r\n", "\n\n"][number % 3]);
    }
    let mut read = Rows::new(&schema, Format::JsonLines, text.as_bytes()).unwrap();
    let values: Vec<_> = read.by_ref().map(|row| row.unwrap().unwrap().values).collect();
    assert!(values.iter().eq(rows.iter().map(|row| &row.values)));
    assert_eq!(read.position(), text.len() as u64);
    assert!(rows.iter().any(|row| row.values.contains(&Value::Absent)));
}

#[test]
fn what_is_wrong_with_a_json_line_is_named_and_not_repeated() {
    let good = r#"{"id":1,"name":"a"}"#;
    let integer = "id: expected an integer (a number up to 2^53 - 1 either side of 0, beyond that a decimal string of 64 bits) in JSON";
    let faults = [
        (r#"{"id":1.0,"name":"a"}"#, integer),
        (r#"{"id":1e0,"name":"a"}"#, integer),
        (r#"{"id":"1","name":"a"}"#, integer),
        (r#"{"id":9007199254740992,"name":"a"}"#, integer),
        (r#"{"id":true,"name":"a"}"#, integer),
        (r#"{"id":"9007199254740992","name":"a"}"#, "id: out of range: expected 0 to 9"),
        (r#"{"id":1,"name":7}"#, "name: expected a string in JSON"),
        (r#"{"id":1,"name":null}"#, "name: empty, and the field is required"),
        (r#"{"id":1}"#, "name: empty, and the field is required"),
        (r#"{"id":1,"id":1,"name":"a"}"#, "id: there twice"),
        (r#"{"id":1,"name":"a","101061001312":1}"#, "member 3: not a field of the schema"),
        (r#"{"id":1,"name":"a"} {}"#, "not one JSON object on a line of its own: column 21"),
        (r#"{"id":1,"name":"a""#, "not one JSON object on a line of its own: column 18"),
        (r#"[1,"Curtis"]"#, "not one JSON object on a line of its own: column 0"),
        (r#""Curtis""#, "not one JSON object on a line of its own: column 8"),
        (r#"{"id":1,"name":"a\n"}"#, "name: "),
    ];
    for (line, fault) in faults {
        let text = format!("{good}\n\n{line}\n{}", good.replace('1', "2"));
        let read = lines(&text);
        assert_eq!(read.len(), 3, "{line}");
        assert!(read[0].is_ok() && read[2].is_ok(), "{line}");
        let message = read[1].clone().unwrap_err();
        assert!(message.starts_with(&format!("line 3: {fault}")), "{line}: {message}");
        assert!(!message.contains("Curtis") && !message.contains("101061001312"), "{message}");
    }
    assert_eq!(lines(&format!("\u{feff}{good}")).len(), 1, "a byte order mark is not a fault");
}

#[test]
fn a_json_line_that_does_not_end_is_cut_off() {
    let schema = schema(SMALL.as_bytes());
    let text = format!("{{}}\n{}", " ".repeat(MAX_LINE_BYTES + 1));
    let mut rows = Rows::new(&schema, Format::JsonLines, text.as_bytes()).unwrap();
    assert!(rows.next().unwrap().unwrap().is_err());
    let error = rows.next().unwrap().unwrap_err();
    assert!(matches!(error, FileError::LineTooLong { line: 2 }), "{error}");
    assert!(rows.next().is_none());
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic_or_repeat_them(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        json in any::<bool>(),
    ) {
        let schema = schema(SMALL.as_bytes());
        let format = if json { Format::JsonLines } else { Format::Csv };
        let header: &[u8] = if json { b"" } else { b"id,name\n" };
        let file = [header, &bytes].concat();
        for row in Rows::new(&schema, format, file.as_slice()).unwrap() {
            if let Ok(Err(rejected)) = row {
                prop_assert!(rejected.line >= 1);
                let reason = rejected.fault.reason();
                prop_assert!(reason.is_ascii() && !reason.is_empty());
            }
        }
    }
}

#[test]
fn a_reason_does_not_repeat_the_field() {
    let field = "id".to_owned();
    let fault = RowFault::Duplicate { field };
    assert_eq!(
        (fault.field(), fault.reason().as_str()),
        (Some("id"), "already on an earlier line")
    );
    let fault = RowFault::FieldCount { expected: 2, got: 1 };
    assert_eq!((fault.field(), fault.reason().as_str()), (None, "1 fields where the header has 2"));
}
