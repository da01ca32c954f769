//! Importing a file while the department is at work.

use super::*;
use crate::department::importing::{ImportError, ImportOptions, Imported, MAX_REJECTED};
use crate::import::Format;
use crate::subject::Subject;
use bytes::Bytes;
use circuits::encoding::Value;

const FILE: &str = include_str!("../../../data/tax.csv");

/// The header, and lines of the sample file.
fn lines(range: std::ops::Range<usize>) -> String {
    let mut lines = FILE.split_inclusive('\n');
    let header = lines.next().unwrap().to_owned();
    header + &lines.skip(range.start).take(range.len()).collect::<String>()
}

/// Curtis's line with other wages.
fn raised() -> String {
    lines(0..60).replace(",957600,", ",957601,")
}

async fn import(
    department: &Arc<Department>,
    file: &str,
    options: ImportOptions,
) -> Result<Imported, ImportError> {
    let mut import = department.begin_import("tax", options).await?;
    for piece in file.as_bytes().chunks(700) {
        import.push(Bytes::copy_from_slice(piece)).await?;
    }
    import.finish().await
}

fn published(network: &Network) -> u64 {
    network.counts()["records"]
}

fn stored_root(network: &Network) -> circuits::Fr {
    let records = network.department("tax").records();
    records.root(&records.dataset("tax").unwrap()).unwrap()
}

fn wages(network: &Network, subject: i64) -> Option<Value> {
    let records = network.department("tax").records();
    let subject = Subject::try_from(subject).unwrap();
    let record = records.record(&records.dataset("tax").unwrap(), subject).unwrap()?;
    let (wages, _) = records.dataset("tax").unwrap().schema().field("w2_wages_cents").unwrap();
    Some(record.values[wages].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_publishes_one_root_and_none_if_nothing_changes() {
    let network = Network::new(0).await;
    let tax = network.shared_department("tax");
    let (before, root) = (published(&network), stored_root(&network));
    let same = import(&tax, &lines(0..60), ImportOptions::default()).await.unwrap();
    assert_eq!((same.changed.unchanged, same.changed.nodes_written), (60, 0));
    assert_eq!((published(&network), stored_root(&network)), (before, root));

    let more = import(&tax, &lines(50..70), ImportOptions::default()).await.unwrap();
    assert_eq!((more.changed.added, more.changed.unchanged), (10, 10));
    assert_eq!(published(&network), before + 1);
    let chain = tax.chain();
    let fact = chain.state().records(&more.records_entry.unwrap()).cloned().unwrap();
    assert_eq!(fact.root.as_bytes(), &circuits::field::to_be_bytes(more.changed.root));
    assert_eq!(stored_root(&network), more.changed.root);
    // The same records, now as JSON Lines, and one of them changed.
    let options = ImportOptions { format: Format::JsonLines, ..ImportOptions::default() };
    let dataset = tax.records().dataset("tax").unwrap();
    let rows = crate::import::all_or_nothing(dataset.schema(), raised().as_bytes(), |_| ());
    let objects = rows.unwrap().into_iter().map(|row| {
        let fields = dataset.schema().fields().iter().zip(&row.values);
        let members = fields.map(|(field, value)| (field.name().to_owned(), field.to_json(value)));
        serde_json::to_string(&members.collect::<serde_json::Map<_, _>>()).unwrap() + "\n"
    });
    let one = import(&tax, &objects.collect::<String>(), options).await.unwrap();
    assert_eq!(
        (one.changed.updated, one.changed.unchanged, one.changed.nodes_written),
        (1, 59, 12)
    );
    assert_eq!(published(&network), before + 2);
    assert_eq!(wages(&network, CURTIS), Some(Value::Integer(957_601)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_breaks_off_changes_nothing_and_only_one_is_read_at_once() {
    let network = Network::new(0).await;
    let tax = network.shared_department("tax");
    let (before, root) = (published(&network), stored_root(&network));
    let unknown = tax.begin_import("tux", ImportOptions::default()).await.unwrap_err();
    assert_eq!(unknown.code(), "dataset-unknown");
    let mut first = tax.begin_import("tax", ImportOptions::default()).await.unwrap();
    first.push(Bytes::from(lines(40..90))).await.unwrap();
    let second = tax.begin_import("tax", ImportOptions::default()).await.unwrap_err();
    assert_eq!(second.code(), "import-busy");
    let direct = tax.import("tax", &[]).await.unwrap_err();
    assert_eq!(direct.code(), "import-busy");
    drop(first); // as if the client were gone
    let again = loop {
        match import(&tax, &lines(40..90), ImportOptions::default()).await {
            Err(ImportError::Busy) => tokio::task::yield_now().await,
            outcome => break outcome.unwrap(),
        }
        assert_eq!((published(&network), stored_root(&network)), (before, root));
    };
    assert_eq!((again.changed.added, published(&network)), (30, before + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_stop_an_import_or_are_passed_over() {
    let network = Network::new(0).await;
    let tax = network.shared_department("tax");
    let root = stored_root(&network);
    let good = lines(55..65);
    let repeated = good.lines().nth(6).unwrap();
    let file = format!("{good}1,2\n{repeated}\n{}\n", repeated.replace("2024", "2094"));
    let skip_bad = ImportOptions { skip_bad: true, ..ImportOptions::default() };
    let refused = import(&tax, &file, ImportOptions::default()).await.unwrap_err();
    assert_eq!(refused.code(), "import-rejected");
    let found: Vec<_> =
        refused.rejected().iter().map(|it| (it.line, it.fault.to_string())).collect();
    let expected = [
        (12, "2 fields where the header has 11"),
        (13, "citizen_id: already on an earlier line"),
        (14, "tax_year: out of range: expected 1900 to 2024"),
    ];
    assert_eq!(found, expected.map(|(line, fault)| (line, fault.to_owned())));
    assert_eq!(stored_root(&network), root, "none of the file is imported");
    let imported = import(&tax, &file, skip_bad).await.unwrap();
    assert_eq!((imported.changed.added, imported.changed.unchanged), (5, 5));
    assert_eq!(imported.rejected, refused.rejected());

    let header = good.lines().next().unwrap();
    let hopeless = format!("{header}\n{}", "x\n".repeat(MAX_REJECTED + 2_000));
    for options in [skip_bad, ImportOptions::default()] {
        let refused = import(&tax, &hopeless, options).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.rejected().len()),
            ("import-reject-limit", MAX_REJECTED)
        );
    }
    for (file, code) in [
        ("a,b\n", "import-header"),
        (&*format!("{header}\n\"1"), "import-quote"),
        (&*format!("{header}\n{}", "1".repeat(1 << 21)), "import-line-too-long"),
    ] {
        let refused = import(&tax, file, skip_bad).await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
    assert_eq!(stored_root(&network), imported.changed.root);
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_and_keys_enrolled_while_a_file_is_read() {
    let network = Network::new(0).await;
    let tax = network.shared_department("tax");
    let curtis = Citizen::new(CURTIS);
    let mut import = tax.begin_import("tax", ImportOptions::default()).await.unwrap();
    import.push(Bytes::from(raised())).await.unwrap();
    network.enrol(&curtis).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    network.consent("tax", &curtis, &asked.request).await;
    tax.advance(&asked.request, &network.peers).await.unwrap();
    assert_eq!(network.status(&asked).await.status, Status::Verified);
    assert_eq!(wages(&network, CURTIS), Some(Value::Integer(957_600)));
    // What is cleared at each look of the worker is not what is under way.
    tax.resume(&network.peers).await.unwrap();

    let imported = import.finish().await.unwrap();
    assert_eq!((imported.changed.updated, imported.changed.unchanged), (1, 59));
    assert_eq!(wages(&network, CURTIS), Some(Value::Integer(957_601)));
    assert_eq!(stored_root(&network), imported.changed.root);
    // The key that was enrolled meanwhile is in the record: the citizen consents to the next question.
    let asked = network.ask(ask(|ask| ask["expires_in"] = json!(3_601))).await.unwrap();
    network.consent("tax", &curtis, &asked.request).await;
    tax.advance(&asked.request, &network.peers).await.unwrap();
    assert_eq!(network.status(&asked).await.status, Status::Verified);
}
