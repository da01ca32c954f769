//! Files over real sockets into a hosted department's store.

use super::*;
use crate::http::local::datasets::ImportQuery;
use crate::http::local_client::{LocalClient, LocalClientError};
use crate::http::{ClientLimits, Limits, serve};
use std::sync::Mutex;
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

const FILE: &str = include_str!("../../../data/tax.csv");

struct Running {
    network: Network,
    base: BaseUrl,
    _folder: TempDir,
    _shutdown: oneshot::Sender<()>,
}

async fn start() -> Running {
    let network = Network::new(0).await;
    let folder = TempDir::new().unwrap();
    let gateway = host(&network, network.shared_department("tax"), store(&folder)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (shutdown, stopped) = oneshot::channel::<()>();
    let stop = async move {
        let _dropped = stopped.await;
    };
    tokio::spawn(serve(listener, Arc::new(gateway), Limits::default(), stop));
    Running { network, base, _folder: folder, _shutdown: shutdown }
}

impl Running {
    fn client(&self) -> LocalClient {
        let token = Zeroizing::new("token".to_owned());
        LocalClient::new(self.base.clone(), token, ClientLimits::default())
    }

    fn records(&self) -> (u64, u64) {
        let records = self.network.department("tax").records();
        (records.dataset("tax").unwrap().len(), self.network.counts()["records"])
    }
}

/// A client that has sent half a file, which the gateway is reading, and the other end of what it
/// sends.
async fn halfway(
    running: &Running,
) -> (tokio::task::JoinHandle<Result<u64, LocalClientError>>, DuplexStream) {
    let (client, how) = (running.client(), ImportQuery::default());
    let (mut file, read) = duplex(1024);
    let import = async move { client.import("tax", how, read, |_| ()).await.map(|it| it.added) };
    let import = tokio::spawn(import);
    let half = FILE.split_inclusive('\n').take(100).collect::<String>();
    file.write_all(half.as_bytes()).await.unwrap();
    // The half may still be on the way, in the client and in the sockets.
    while !running.network.department("tax").is_importing("tax") {
        tokio::task::yield_now().await;
    }
    (import, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_and_seen() {
    let running = start().await;
    let client = running.client();
    let before = running.records();
    let (sent, file) = (Arc::new(Mutex::new(0)), FILE.split_inclusive('\n').take(81));
    let (told, file) = (Arc::clone(&sent), file.collect::<String>());
    let length = u64::try_from(file.len()).unwrap();
    let reader = std::io::Cursor::new(file);
    let progress = move |bytes| *told.lock().unwrap() = bytes;
    let done = client.import("tax", ImportQuery::default(), reader, progress).await.unwrap();
    assert_eq!((done.added, done.updated, done.unchanged), (20, 0, 60));
    assert_eq!(*sent.lock().unwrap(), length);
    assert_eq!(running.records(), (80, before.1 + 1));
    let datasets = client.datasets().await.unwrap();
    assert_eq!(datasets.len(), 1);
    assert_eq!((datasets[0].name.as_str(), datasets[0].records), ("tax", 80));
    assert_eq!(datasets[0].root, done.root);
    let chain = running.network.department("tax").chain();
    let (_, fact) = chain.state().datasets().find(|(_, it)| it.issuer.as_str() == "tax").unwrap();
    assert_eq!(datasets[0].service_entry.as_ref(), Some(fact.service.as_digest()));
    assert_eq!(done.records_entry.as_ref(), fact.records.as_ref().map(|it| it.as_digest()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_in_the_middle_changes_nothing() {
    let running = start().await;
    let before = running.records();
    let (import, file) = halfway(&running).await;
    let (client, how) = (running.client(), ImportQuery::default());
    let busy = client.import("tax", how, FILE.as_bytes(), |_| ()).await.unwrap_err();
    assert!(matches!(&busy, LocalClientError::Problem(it) if it.code == "import-busy"), "{busy}");
    import.abort();
    assert!(import.await.is_err());
    drop(file);
    // As soon as the gateway has noticed, another file is taken; nothing of the first one is there.
    let file = FILE.split_inclusive('\n').take(63).collect::<String>();
    let done = loop {
        assert_eq!(running.records(), before);
        let reader = std::io::Cursor::new(file.clone());
        match client.import("tax", how, reader, |_| ()).await {
            Err(LocalClientError::Problem(it)) if it.code == "import-busy" => {}
            outcome => break outcome.unwrap(),
        }
    };
    assert_eq!((done.added, done.unchanged), (2, 60));
    assert_eq!(running.records(), (62, before.1 + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_comes_slowly_is_taken_as_a_whole() {
    let running = start().await;
    let before = running.records();
    let (import, mut file) = halfway(&running).await;
    assert_eq!(running.records(), before);
    let rest = FILE.split_inclusive('\n').skip(100).take(2).collect::<String>();
    file.write_all(rest.as_bytes()).await.unwrap();
    drop(file);
    assert_eq!(import.await.unwrap(), Ok(101 - 60));
    assert_eq!(running.records(), (101, before.1 + 1));
}
