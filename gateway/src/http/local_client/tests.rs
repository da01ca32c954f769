use super::*;
use crate::http::fixture::{
    ASK, BROKEN, CHUNK, DOWNLOAD_CHUNKS, ENDLESS, ID, PAYLOAD, Running, start,
};
use crate::http::limits::Limits;

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
async fn debug_hides_the_token() {
    let running = start(Limits::default()).await;
    assert!(!format!("{:?}", client(&running, "tax-token")).contains("tax-token"));
}
