use super::*;
use crate::http::fixture::{
    ASK, BROKEN, CHUNK, DOWNLOAD_CHUNKS, ENDLESS, ID, PAYLOAD, Running, start,
};
use crate::http::limits::Limits;
use crate::http::local::datasets::ImportQuery;
use crate::import::Format;
use crypto::envelope::PayloadId;
use std::sync::{Arc, Mutex};

fn client(running: &Running, token: &str) -> LocalClient {
    let token = Zeroizing::new(token.to_owned());
    LocalClient::new(running.base.clone(), token, ClientLimits::default())
}

#[tokio::test]
async fn every_call_reaches_the_tokens_department() {
    let running = start(Limits::default()).await;
    let tax = client(&running, "tax-token");
    let ask: Ask = serde_json::from_str(ASK).unwrap();
    let asked = tax.ask(&ask, Some("key-1")).await.unwrap();
    assert_eq!(asked.request, ID);
    assert_eq!(tax.asked(&ID, Duration::from_secs(2)).await.unwrap(), asked);
    assert_eq!(tax.offer(&ID).await.unwrap()["offer"], ID.to_string());
    assert_eq!(tax.received().await.unwrap().len(), 1);
    let code = tax.enrolment_code(SubjectText("1".to_owned())).await.unwrap();
    assert_eq!(code.code, "code");
    let name = "Auszug für A&B.pdf";
    let sent = tax.send_payload(&ID, name, Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(sent.bytes, 3);
    assert_eq!(tax.payloads().await.unwrap()[0].id, PAYLOAD);
    let log = running.gateway.tax.log();
    assert!(log[0].starts_with("ask welfare 199001011234 Some((\"key-1\", "), "{log:?}");
    let rest = [
        format!("asked {ID}, waiting 2"),
        "enrolment of 1".to_owned(),
        format!("payload {name} of {ID}"),
    ];
    assert_eq!(log[1..], rest);
    assert_eq!(running.gateway.welfare.log(), [""; 0]);
}

#[tokio::test]
async fn a_document_is_streamed_from_its_reader_to_its_last_byte() {
    let running = start(Limits::default()).await;
    let tax = client(&running, "tax-token");
    let document: Vec<u8> = (0..300_000u32).map(|at| at.to_be_bytes()[3]).collect();
    let reader = || std::io::Cursor::new(document.clone());
    for bytes in [0, 1, 300_000] {
        let sent = tax.send_payload_from(&ID, "a.pdf", reader(), bytes).await.unwrap();
        let expected = &document[..usize::try_from(bytes).unwrap()];
        assert_eq!((sent.bytes, sent.commitment), (bytes, Digest::of(expected)));
    }
    // One that has fewer bytes than announced is not taken for a shorter one.
    let short = tax.send_payload_from(&ID, "a.pdf", reader(), 300_001).await;
    assert_eq!(short, Err(LocalClientError::Unreachable));
    assert_eq!(running.gateway.tax.log().len(), 3);
}

#[tokio::test]
async fn what_was_sent_is_asked_for_by_its_id_and_lists_come_in_pages() {
    let running = start(Limits::default()).await;
    let tax = client(&running, "tax-token");
    let sent = tax.sent_payload(&PAYLOAD).await.unwrap();
    assert_eq!((sent.id, sent.name.as_str()), (PAYLOAD, "a.pdf"));
    let unknown = tax.sent_payload(&PayloadId::from_bytes([9; 16])).await.unwrap_err();
    assert!(matches!(unknown, LocalClientError::Problem(it) if it.code == "payload-unknown"));

    let page = Page { after: Some(PAYLOAD), limit: 7 };
    assert_eq!(tax.sent_payloads_page(page).await.unwrap(), [sent]);
    assert_eq!(tax.payloads_page(page).await.unwrap().len(), 1);
    assert_eq!(tax.received_page(Page { after: Some(ID), limit: 1 }).await.unwrap().len(), 1);
    let log = running.gateway.tax.log();
    let expected = [
        format!("sent after={PAYLOAD}&limit=7"),
        format!("payloads after={PAYLOAD}&limit=7"),
        format!("received after={ID}&limit=1"),
    ];
    assert_eq!(log, expected);
    for limit in [0, 1_001] {
        let refused = tax.payloads_page(Page { after: None, limit }).await.unwrap_err();
        assert!(matches!(refused, LocalClientError::Problem(it) if it.code == "query-string"));
    }
}

#[tokio::test]
async fn a_payload_that_broke_off_goes_on_where_it_did() {
    let running = start(Limits::default()).await;
    let tax = client(&running, "tax-token");
    let mut whole = Vec::new();
    let length = tax.payload_to(&PAYLOAD, 0, &mut whole).await.unwrap();
    assert_eq!(length, whole.len() as u64);
    for from in [1, 65_535, 65_536, 100_000, length - 1] {
        let mut rest = Vec::new();
        assert_eq!(tax.payload_to(&PAYLOAD, from, &mut rest).await.unwrap(), length - from);
        assert!(rest == whole[usize::try_from(from).unwrap()..], "{from}");
    }
}

#[tokio::test]
async fn a_payload_comes_whole_or_not_at_all() {
    let running = start(Limits::default()).await;
    let tax = client(&running, "tax-token");
    let mut payload = tax.payload(&PAYLOAD).await.unwrap();
    let mut bytes = 0;
    while let Some(piece) = payload.next().await.unwrap() {
        bytes += piece.len();
    }
    assert_eq!(bytes, usize::from(DOWNLOAD_CHUNKS) * CHUNK);
    let unknown = tax.payload(&PayloadId::from_bytes([9; 16])).await.unwrap_err();
    assert!(matches!(unknown, LocalClientError::Problem(it) if it.code == "payload-unknown"));

    let mut endless = tax.payload(&ENDLESS).await.unwrap();
    assert!(endless.next().await.unwrap().is_some());
    running.task.abort(); // the gateway is gone in the middle
    let _cancelled = running.task.await;
    let broken = async {
        while endless.next().await?.is_some() {}
        Ok::<_, LocalClientError>(())
    };
    assert_eq!(broken.await, Err(LocalClientError::Unreachable));
}

#[tokio::test]
async fn what_is_no_answer_is_told_apart() {
    let running = start(Limits::default()).await;
    let wrong = client(&running, "other-token").received().await.unwrap_err();
    assert!(
        matches!(wrong, LocalClientError::Problem(it) if (it.status, it.code.as_str()) == (401, "token"))
    );
    let tax = client(&running, "tax-token");
    let broken = tax.asked(&BROKEN, Duration::ZERO).await.unwrap_err();
    assert!(matches!(broken, LocalClientError::Problem(it) if it.code == "internal"));
    let header = client(&running, "a\nb").received().await.unwrap_err();
    assert_eq!(header, LocalClientError::Header { what: "token" });
    running.stop().await.unwrap();
    let nobody: BaseUrl = "http://127.0.0.1:1".parse().unwrap();
    let token = Zeroizing::new("tax-token".to_owned());
    let gone = LocalClient::new(nobody, token, ClientLimits::default());
    assert_eq!(gone.received().await.unwrap_err(), LocalClientError::Unreachable);
}

#[tokio::test]
async fn a_file_is_sent_while_it_is_read() {
    let running = start(Limits::default()).await;
    let tax = client(&running, "tax-token");
    assert_eq!(tax.datasets().await.unwrap()[0].name, "incomes");
    let how = ImportQuery { format: Format::JsonLines, skip_bad: true };
    let file = vec![b'a'; 1_000_000];
    let sent = Arc::new(Mutex::new(Vec::new()));
    let progress = Arc::clone(&sent);
    let told = move |bytes| progress.lock().unwrap().push(bytes);
    let done = tax.import("incomes", how, std::io::Cursor::new(file), told).await.unwrap();
    assert_eq!((done.added, done.rejected[0].line), (1, 7));
    let log = running.gateway.tax.log();
    assert_eq!(log, [format!("import of 1000000 bytes, {how:?}")]);
    let sent = sent.lock().unwrap();
    assert!(sent.is_sorted() && sent.len() > 10);
    assert_eq!((sent.first(), sent.last()), (Some(&0), Some(&1_000_000)));
}

#[tokio::test]
async fn a_refused_file_comes_back_with_its_rows() {
    let running = start(Limits::default()).await;
    let tax = client(&running, "tax-token");
    let how = ImportQuery::default();
    let refused = tax.import("incomes", how, &b"rejected"[..], |_| ()).await.unwrap_err();
    let LocalClientError::Rejected { problem, rejected } = &refused else { panic!("{refused}") };
    assert_eq!((problem.status, problem.code.as_str()), (422, "import-rejected"));
    assert_eq!((rejected[0].line, rejected[0].field.as_deref()), (7, Some("citizen_id")));
    let unknown = tax.import("other", how, &b"a"[..], |_| ()).await.unwrap_err();
    assert!(matches!(unknown, LocalClientError::Problem(it) if it.code == "dataset-unknown"));
    // A name is a name, whatever it looks like.
    for odd in ["a b", "a?format=csv", "..", "a/b", "a%62", "é", "incomes/records"] {
        let refused = tax.import(odd, how, &b"a"[..], |_| ()).await.unwrap_err();
        let LocalClientError::Problem(problem) = refused else { panic!("{refused}") };
        assert_eq!(problem.code, "dataset-unknown", "{odd}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_not_imported() {
    let running = start(Limits::default()).await;
    let tax = client(&running, "tax-token");
    let good: &[u8] = &[b'a'; 200_000];
    let file = tokio::io::AsyncReadExt::chain(good, Broken);
    let refused = tax.import("incomes", ImportQuery::default(), file, |_| ()).await.unwrap_err();
    assert_eq!(refused, LocalClientError::Source { kind: std::io::ErrorKind::PermissionDenied });
    running.stop().await.unwrap();
}

/// A file that cannot be read.
struct Broken;

impl tokio::io::AsyncRead for Broken {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Err(std::io::ErrorKind::PermissionDenied.into()))
    }
}

#[tokio::test]
async fn debug_hides_the_token() {
    let running = start(Limits::default()).await;
    assert!(!format!("{:?}", client(&running, "tax-token")).contains("tax-token"));
}
