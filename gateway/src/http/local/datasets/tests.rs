use ::http::header::{AUTHORIZATION, CONTENT_TYPE};
use ::http::{HeaderValue, Method};
use hyper::body::Bytes;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::http::fixture::{ID, local_request, problem, read, start};
use crate::http::limits::Limits;

#[tokio::test]
async fn datasets_are_listed() {
    let running = start(Limits::default()).await;
    let datasets = running.local(Method::GET, "/v1/datasets", "").await;
    let expected = json!([
        { "name": "incomes", "schema": {}, "schema_digest": ID, "records": 3, "root": ID }
    ]);
    assert_eq!((datasets.status, datasets.json()), (200, expected));
}

fn file(target: &str, content_type: &'static str, file: Bytes) -> ::http::Request<Bytes> {
    let mut request = local_request(Method::POST, target, "");
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    request.map(|_| file)
}

const RECORDS: &str = "/v1/datasets/incomes/records";

#[tokio::test]
async fn a_file_longer_than_any_body_is_imported() {
    let limits = Limits { body_bytes: 100, payload_bytes: 100, ..Limits::default() };
    let running = start(limits).await;
    let long = Bytes::from(vec![b'a'; 300_000]);
    let done = running.send(file(RECORDS, "text/csv; charset=utf-8", long.clone())).await;
    let duplicate = json!({
        "line": 7, "field": "citizen_id", "reason": "already on an earlier line"
    });
    let expected = json!({
        "added": 1, "updated": 2, "unchanged": 3, "rejected": [duplicate], "root": ID,
        "records_entry": ID
    });
    assert_eq!((done.status, done.json()), (200, expected));
    let target = format!("{RECORDS}?format=json-lines&skip_bad=true");
    let done = running.send(file(&target, "application/x-ndjson", long)).await;
    assert_eq!(done.status, 200);
    let log = running.gateway.tax.log();
    let expected = [("Csv", false), ("JsonLines", true)].map(|(format, skip_bad)| {
        let how = format!("ImportQuery {{ format: {format}, skip_bad: {skip_bad} }}");
        format!("import of 300000 bytes, {how}")
    });
    assert_eq!(log, expected);
}

#[tokio::test]
async fn rejected_rows_are_in_the_problem() {
    let running = start(Limits::default()).await;
    let refused = running.send(file(RECORDS, "text/csv", Bytes::from_static(b"rejected"))).await;
    assert_eq!(refused.code(), problem(422, "import-rejected"));
    assert_eq!(refused.problem().detail, "1 of 9 rows rejected, so none is imported");
    let document: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    let reason = "already on an earlier line";
    let expected = json!([{ "line": 7, "field": "citizen_id", "reason": reason }]);
    assert_eq!(document["rejected"], expected);
}

#[tokio::test]
async fn what_is_no_file_of_a_dataset_is_refused_and_read_to_its_end() {
    let running = start(Limits::default()).await;
    // Longer than what the sockets between hold: the client could not send it if nobody read it.
    let long = Bytes::from(vec![b'a'; 8 << 20]);
    let unknown = file("/v1/datasets/other/records", "text/csv", long);
    assert_eq!(running.send(unknown).await.code(), problem(404, "dataset-unknown"));
    for (query, content_type) in [
        ("", "application/x-ndjson"),
        ("?format=json-lines", "text/csv"),
        ("?format=json-lines", "application/json"),
        ("", "text/csv; header=absent"),
    ] {
        let wrong = file(&format!("{RECORDS}{query}"), content_type, Bytes::new());
        assert_eq!(running.send(wrong).await.code(), problem(415, "content-type"), "{query}");
    }
    for query in ["?format=xml", "?format=csv&format=csv", "?skip_bad=1", "?skip=true"] {
        let wrong = file(&format!("{RECORDS}{query}"), "text/csv", Bytes::new());
        assert_eq!(running.send(wrong).await.code(), problem(400, "query-string"), "{query}");
    }
    for (method, target) in [(Method::GET, "/v1/datasets"), (Method::POST, RECORDS)] {
        let mut bare = local_request(method, target, "");
        bare.headers_mut().remove(AUTHORIZATION);
        assert_eq!(running.send(bare).await.code(), problem(401, "token"), "{target}");
    }
    assert_eq!(running.gateway.tax.log(), [""; 0]);
}

#[tokio::test]
async fn a_file_that_stands_still_is_cut_off() {
    let limits = Limits { stall_time: std::time::Duration::from_millis(200), ..Limits::default() };
    let running = start(limits).await;
    let mut stream = running.connect().await;
    let head = format!(
        "POST {RECORDS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tax-token\r\n\
         Content-Type: text/csv\r\nContent-Length: 10\r\nConnection: close\r\n\r\nabc"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream).await.code(), problem(408, "request-timeout"));
    assert_eq!(running.gateway.tax.log(), [""; 0]);
}
