//! Upstreams that keep a follower busy, or waiting.

use tokio::time::Instant;

use super::*;
use crate::ledger::Pending;

/// What an upstream does when it is asked for a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    All,
    /// It leaves the second question unanswered.
    StallsOnce,
}

/// Gives blocks at once, or at once none, and counts what it is asked.
#[derive(Debug)]
struct Canned {
    blocks: Vec<CertifiedBlock>,
    documents: Documents,
    answers: Answers,
    asked_blocks: AtomicUsize,
    asked_documents: AtomicUsize,
}

impl Canned {
    fn new(blocks: Vec<CertifiedBlock>, documents: Documents, answers: Answers) -> Arc<Self> {
        let (asked_blocks, asked_documents) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { blocks, documents, answers, asked_blocks, asked_documents })
    }
}

fn nothing<T>() -> Pending<'static, Result<T, UpstreamError>> {
    Box::pin(async { Err(UpstreamError::Unreached { reason: "canned".to_owned() }) })
}

impl Upstream for Canned {
    fn blocks(
        &self,
        from: u64,
        limit: usize,
        _: Duration,
    ) -> Pending<'_, Result<Vec<CertifiedBlock>, UpstreamError>> {
        let asked = self.asked_blocks.fetch_add(1, Ordering::Relaxed);
        assert!(asked < 1_000, "it is asked without a pause");
        let from = usize::try_from(from).unwrap() - 1;
        let blocks = self.blocks.iter().skip(from).take(limit).cloned().collect();
        Box::pin(async { Ok(blocks) })
    }

    fn document(&self, digest: Digest) -> Pending<'_, Result<Option<Document>, UpstreamError>> {
        let asked = self.asked_documents.fetch_add(1, Ordering::Relaxed);
        if self.answers == Answers::StallsOnce && asked == 1 {
            return Box::pin(std::future::pending());
        }
        Box::pin(async move { Ok(self.documents.get(&digest).cloned()) })
    }

    fn submit(&self, _: Submission) -> Pending<'_, Result<(), HandInError>> {
        Box::pin(async { Err(HandInError::NotTaken { reason: "canned".to_owned() }) })
    }

    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, UpstreamError>> {
        nothing()
    }

    fn cosign(&self, _: SignedCheckpoint) -> Pending<'_, Result<(), UpstreamError>> {
        nothing()
    }
}

/// A follower that runs where its test runs, whose time is the test's.
fn follower(network: &Network, folder: &TempDir, upstream: Arc<Canned>) -> Follower {
    let path = folder.path().join("follower");
    let (store, replica) = Store::open(&path, network.genesis(), Arc::new(Direct)).unwrap();
    let shared = Arc::new(Shared {
        newest: watch::Sender::new(Arc::new(replica.clone())),
        stopped: watch::Sender::new(None),
        following: watch::Sender::new(None),
    });
    let cosigning = Arc::new(Cosigning {
        upstream: upstream.clone(),
        cosigners: Vec::new(),
        clock: Arc::new(SystemClock),
        reader: store.reader().clone(),
        newest: Mutex::new(None),
    });
    let copy = Copy::new(store, replica);
    let (batch, wait, backoff) = (BATCH, WAIT, Backoff::default());
    Follower { copy, upstream, cosigning, shared, batch, wait, backoff, cosigned: 0 }
}

/// The first block, with an entry for each of the documents.
fn first_block(network: &Network, names: &[&str]) -> (CertifiedBlock, Documents) {
    let mut documents = Documents::default();
    let mut entries = Vec::new();
    for name in names {
        let document = Network::document(name);
        let content = Content::Service { document: *document.digest(), replaces: None };
        entries.push(network.entry(0, content));
        documents.insert(document);
    }
    let replica = Replica::new(network.genesis());
    (Network::block(&replica, &entries, &documents), documents)
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_does_not_wait_is_asked_with_pauses() {
    let (network, folder) = (Network::new(3), tempfile::tempdir().unwrap());
    let upstream = Canned::new(Vec::new(), Documents::default(), Answers::All);
    let follower = follower(&network, &folder, upstream.clone());
    let ran = tokio::time::timeout(Duration::from_secs(10), follower.run()).await;
    assert!(ran.is_err());
    // Four times a second, and the first look.
    let asked = upstream.asked_blocks.load(Ordering::Relaxed);
    assert!((35..=42).contains(&asked), "{asked}");
}

#[tokio::test]
async fn nothing_is_fetched_for_a_block_that_nobody_certified() {
    let network = Network::new(3);
    let (block, documents) = first_block(&network, &["a"]);
    let (other, _) = first_block(&network, &["b"]);
    let header = *block.block.header();
    let forged = CertifiedBlock {
        block: block.block.clone(),
        certificate: Network::certificate(&header, 99),
    };
    // A certified header over entries that are not its own.
    let exchanged = CertifiedBlock {
        block: Block::new(header, other.block.entries().to_vec()).unwrap(),
        certificate: block.certificate.clone(),
    };
    for (given, code) in [(forged, "certificate-signature"), (exchanged, "block-log-root")] {
        let folder = tempfile::tempdir().unwrap();
        let upstream = Canned::new(vec![given], documents.clone(), Answers::All);
        let mut copy = follower(&network, &folder, upstream.clone()).copy;
        let grown = copy.grow(&*upstream, 4, Duration::ZERO, |_| {}).await;
        let Err(CopyError::Block(error)) = grown else { panic!("{grown:?}") };
        assert_eq!(error.code(), code);
        assert_eq!(upstream.asked_documents.load(Ordering::Relaxed), 0, "{code}");

        let upstream = Canned::new(vec![block.clone()], documents.clone(), Answers::All);
        assert_eq!(copy.grow(&*upstream, 4, Duration::ZERO, |_| {}).await, Ok(1));
        assert_eq!(upstream.asked_documents.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_stalls_is_told_of_in_time_and_what_it_gave_is_kept() {
    let (network, folder) = (Network::new(3), tempfile::tempdir().unwrap());
    let (block, documents) = first_block(&network, &["a", "b"]);
    let upstream = Canned::new(vec![block], documents, Answers::StallsOnce);
    let follower = follower(&network, &folder, upstream.clone());
    let mut following = follower.shared.following.subscribe();
    let mut newest = follower.shared.newest.subscribe();
    let begun = Instant::now();
    let run = tokio::spawn(follower.run());
    let error = following.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert_eq!((error.code(), error.cuts_off()), ("upstream-unreached", true));
    assert_eq!(begun.elapsed().as_secs(), 60);
    newest.wait_for(|replica| replica.tip().height == 1).await.unwrap();
    // The first, the second in vain, the second again.
    assert_eq!(upstream.asked_documents.load(Ordering::Relaxed), 3);
    run.abort();
}
