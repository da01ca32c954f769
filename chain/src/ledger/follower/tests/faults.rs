//! Upstreams that fail and lie.

use super::*;
use crate::contract::Direct as Near;
use crate::ledger::Pending;
use crate::time::Timestamp;

/// What is wrong with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twist {
    None,
    Unreached,
    /// It says that there is nothing new.
    NoBlocks,
    /// It leaves the first of several blocks out.
    Gap,
    /// It gives blocks from the last to the first.
    Reversed,
    /// It drops the last entry of a block.
    Truncates,
    /// It puts its own key's certificate on a block.
    ForgesCertificates,
    /// It gives another document than the one asked for.
    OtherDocuments,
    NoDocuments,
    /// It refuses every entry, and names a rule.
    RefusesEntries,
    /// It takes entries, and drops the connection before it answers.
    DropsAnswers,
    /// It signs its checkpoints with its own key.
    ForgesCheckpoints,
    /// It fills its checkpoints with lines by names that nobody knows.
    PadsCheckpoints,
}

#[derive(Debug)]
pub(super) struct Twisted {
    near: Near,
    twist: Mutex<Twist>,
}

impl Twisted {
    pub(super) fn new(near: Near) -> Self {
        Self { near, twist: Mutex::new(Twist::None) }
    }

    pub(super) fn twist(&self, twist: Twist) {
        *self.twist.lock().unwrap() = twist;
    }

    fn now(&self) -> Twist {
        *self.twist.lock().unwrap()
    }
}

fn unreached() -> UpstreamError {
    UpstreamError::Unreached { reason: "twisted".to_owned() }
}

impl Upstream for Twisted {
    fn blocks(
        &self,
        from: u64,
        limit: usize,
        wait: Duration,
    ) -> Pending<'_, Result<Vec<CertifiedBlock>, UpstreamError>> {
        Box::pin(async move {
            // A short wait, so that a twist that is undone is seen soon.
            let wait = wait.min(Duration::from_millis(5));
            let mut blocks = self.near.blocks(from, limit, wait).await?;
            match self.now() {
                Twist::Unreached => return Err(unreached()),
                Twist::NoBlocks => blocks.clear(),
                Twist::Gap if blocks.len() > 1 => drop(blocks.remove(0)),
                Twist::Reversed => blocks.reverse(),
                Twist::Truncates => {
                    for block in &mut blocks {
                        let mut header = *block.block.header();
                        let mut entries = block.block.entries().to_vec();
                        entries.pop();
                        header.entries = u32::try_from(entries.len()).unwrap();
                        block.block = Block::new(header, entries).unwrap();
                    }
                }
                Twist::ForgesCertificates => {
                    for block in &mut blocks {
                        block.certificate = Network::certificate(block.block.header(), 99);
                    }
                }
                _ => {}
            }
            Ok(blocks)
        })
    }

    fn document(&self, digest: Digest) -> Pending<'_, Result<Option<Document>, UpstreamError>> {
        match self.now() {
            Twist::OtherDocuments => Box::pin(async { Ok(Some(Network::document("other"))) }),
            Twist::NoDocuments => Box::pin(async { Ok(None) }),
            _ => self.near.document(digest),
        }
    }

    fn submit(&self, submission: Submission) -> Pending<'_, Result<(), HandInError>> {
        let reason = "twisted".to_owned();
        match self.now() {
            Twist::Unreached => Box::pin(async { Err(HandInError::NotTaken { reason }) }),
            Twist::RefusesEntries => Box::pin(async {
                Err(HandInError::Refused { code: "request-repeated".to_owned(), height: 0 })
            }),
            Twist::DropsAnswers => Box::pin(async {
                self.near.submit(submission).await.unwrap();
                Err(HandInError::Unknown { reason })
            }),
            _ => self.near.submit(submission),
        }
    }

    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, UpstreamError>> {
        Box::pin(async move {
            let mut signed = self.near.checkpoint().await?;
            match self.now() {
                Twist::PadsCheckpoints => {
                    let origin = signed.checkpoint().origin.clone();
                    for number in 0..99 {
                        let name = origin.of_cosigner(&format!("junk-{number}").parse().unwrap());
                        signed.cosign(name, &Network::key(99), Timestamp::default());
                    }
                    Ok(signed)
                }
                Twist::Unreached => Err(unreached()),
                Twist::ForgesCheckpoints => Ok(signed.checkpoint().clone().sign(&Network::key(99))),
                _ => Ok(signed),
            }
        })
    }

    fn cosign(&self, checkpoint: SignedCheckpoint) -> Pending<'_, Result<(), UpstreamError>> {
        self.near.cosign(checkpoint)
    }
}

#[tokio::test]
async fn what_breaks_a_rule_is_not_taken_and_is_no_reason_to_stop() {
    let table = [
        (Twist::Gap, "block-height"),
        (Twist::Reversed, "block-height"),
        (Twist::Truncates, "certificate-signature"),
        (Twist::ForgesCertificates, "certificate-signature"),
        (Twist::OtherDocuments, "document-missing"),
        (Twist::NoDocuments, "document-missing"),
        (Twist::Unreached, "upstream-unreached"),
    ];
    for (twist, code) in table {
        let world = World::new();
        let document = Network::document("service");
        let content = Content::Service { document: *document.digest(), replaces: None };
        let entry = world.network.entry(0, content);
        let submission = Submission { entry, document: Some(document) };
        world.validator.submit(submission).await.unwrap();
        world.put("a").await;
        world.put("b").await;
        let upstream = Arc::new(Twisted::new(world.near.clone()));
        upstream.twist(twist);
        let follower = FollowerLedger::open(world.options_to(upstream.clone())).unwrap();
        let mut following = follower.following();
        let error = following.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        assert_eq!(error.code(), code, "{twist:?}");
        assert_eq!(follower.snapshot().tip().height, 0, "{twist:?}");
        assert_eq!(follower.health().await.stopped, None, "{twist:?}");
        upstream.twist(Twist::None);
        caught_up(&follower, 3).await;
        following.wait_for(Option::is_none).await.unwrap();
    }
}

#[tokio::test]
async fn a_checkpoint_that_no_validator_signed_is_not_cosigned() {
    let world = World::new();
    let upstream = Arc::new(Twisted::new(world.near.clone()));
    upstream.twist(Twist::ForgesCheckpoints);
    let mut options = world.options_to(upstream.clone());
    let key = Network::department_key(0);
    options.cosigners = vec![DepartmentCosigner { department: Network::id(0), key }];
    let follower = FollowerLedger::open(options).unwrap();
    follower.submit(world.network.request(0, "a").into()).await.unwrap();
    let mut following = follower.following();
    let error = following.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert_eq!(error.code(), "checkpoint-unsigned");
    assert_eq!(follower.checkpoint().await, Err(ReadError::NoCheckpoint));
    assert_eq!(world.near.cosignatures.newest(&world.validator.snapshot()), None);
}

#[tokio::test]
async fn lines_that_nobody_verified_are_not_served_on() {
    let world = World::new();
    let upstream = Arc::new(Twisted::new(world.near.clone()));
    upstream.twist(Twist::PadsCheckpoints);
    let mut options = world.options_to(upstream.clone());
    options.cosigners = (1..3)
        .map(|number| DepartmentCosigner {
            department: Network::id(number),
            key: Network::department_key(number),
        })
        .collect();
    let follower = FollowerLedger::open(options).unwrap();
    follower.submit(world.network.request(0, "a").into()).await.unwrap();
    let given = upstream.checkpoint().await.unwrap();
    assert_eq!(given.as_str().matches("/junk-").count(), 99);
    SignedCheckpoint::parse(given.as_str()).unwrap();
    let served = follower.checkpoint().await.unwrap();
    let (_, signatures) = served.as_str().split_once("\n\n").unwrap();
    assert_eq!((signatures.lines().count(), signatures.matches("/junk-").count()), (3, 0));
    let parsed = SignedCheckpoint::parse(served.as_str()).unwrap();
    let origin = &world.network.genesis().facts().name.clone();
    let validators = validator_keys(&follower.snapshot());
    assert_eq!(parsed.verify(origin, &validators).unwrap().1.len(), 1);
    let departments: Vec<_> = cosigners(&follower.snapshot()).map(|(_, key)| key).collect();
    assert_eq!(parsed.verify(origin, &departments).unwrap().1.len(), 2);
}

/// Another chain of the same validator: what a validator that was rolled back and went on has.
struct Other {
    near: Near,
    _folder: TempDir,
}

impl Other {
    /// A validator over forged blocks: `shared` of the world's, then others.
    async fn of(world: &World, shared: usize, others: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain");
        let genesis = world.network.genesis();
        let blocks = world.validator.blocks_from(1, shared).await.unwrap();
        forge(&path, Arc::clone(&genesis), &blocks, &Documents::default()).unwrap();
        let (id, key) = (Network::validator_id(), Network::validator_key());
        let ledger = LocalLedger::open(LocalLedgerOptions::new(path, genesis, id, key)).unwrap();
        for name in others {
            ledger.submit(world.network.request(2, name).into()).await.unwrap();
        }
        Self { near: Near::new(Arc::new(ledger)), _folder: folder }
    }
}

async fn followed(names: &[&str]) -> World {
    let world = World::new();
    for name in names {
        world.put(name).await;
    }
    let follower = world.follow();
    caught_up(&follower, names.len() as u64).await;
    drop(follower);
    world
}

#[tokio::test]
async fn a_certified_block_beside_an_own_one_stops_the_follower_and_is_named() {
    // Whether the upstream is longer, as long or shorter.
    for (shared, others) in [(1, vec!["x", "y", "z"]), (2, vec!["x"]), (1, vec!["x"])] {
        let world = followed(&["a", "b", "c"]).await;
        let other = Other::of(&world, shared, &others).await;
        let height = (shared as u64 + others.len() as u64).min(3);
        let tip = *world.validator.snapshot().tip();
        let follower =
            FollowerLedger::open(world.options_to(Arc::new(other.near.clone()))).unwrap();
        let mut stopped = follower.shared.stopped.subscribe();
        let reason = stopped.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        let hash = |blocks: Vec<CertifiedBlock>| blocks[0].block.header().hash();
        let ours = hash(world.validator.blocks_from(height, 1).await.unwrap());
        let theirs = hash(other.near.ledger.blocks_from(height, 1).await.unwrap());
        assert_eq!(reason, StopReason::Fork { height, ours, theirs });
        assert!(reason.to_string().contains(&theirs.to_string()));
        assert_eq!(*follower.snapshot().tip(), tip);
        let error = follower.submit(world.network.request(0, "d").into()).await.unwrap_err();
        assert_eq!(error, SubmitError::Stopped(reason.clone()));
        assert_eq!(follower.health().await.stopped, Some(reason));
        // What it has can be read on.
        assert_eq!(follower.blocks_from(1, 9).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn a_shorter_upstream_is_told_and_rolls_nobody_back() {
    for shared in [0, 1, 2] {
        let world = followed(&["a", "b", "c"]).await;
        let other = Other::of(&world, shared, &[]).await;
        let upstream = Arc::new(other.near.clone());
        let mut options = world.options_to(upstream);
        options.wait = Duration::from_millis(1);
        let follower = FollowerLedger::open(options).unwrap();
        let mut following = follower.following();
        let error = following.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        assert_eq!(error, FollowError::Shorter { ours: 3, theirs: shared as u64 });
        assert_eq!(follower.snapshot().tip(), world.validator.snapshot().tip());
        let health = follower.health().await;
        assert_eq!(health.stopped, None);
        assert!(health.following.is_some_and(|trouble| trouble.cuts_off()));
        // Nothing is handed to it: that might end up on another chain.
        let refused = follower.submit(world.network.request(0, "d").into()).await;
        assert_eq!(refused.unwrap_err(), SubmitError::Busy);
    }
}

#[tokio::test]
async fn a_shorter_upstream_that_goes_on_is_found_out_before_its_next_block() {
    let world = followed(&["a", "b", "c"]).await;
    let other = Other::of(&world, 1, &[]).await;
    let mut options = world.options_to(Arc::new(other.near.clone()));
    options.wait = Duration::from_secs(3_600);
    let follower = FollowerLedger::open(options).unwrap();
    follower.following().wait_for(Option::is_some).await.unwrap();
    other.near.ledger.submit(world.network.request(2, "x").into()).await.unwrap();
    let mut stopped = follower.shared.stopped.subscribe();
    let stopped = tokio::time::timeout(Duration::from_secs(60), stopped.wait_for(Option::is_some));
    let reason = stopped.await.unwrap().unwrap().clone().unwrap();
    assert!(matches!(reason, StopReason::Fork { height: 2, .. }), "{reason}");
}

/// Serves the chain of one ledger, and the checkpoints of another.
#[derive(Debug)]
struct TwoFaced {
    blocks: Near,
    checkpoints: Near,
}

impl Upstream for TwoFaced {
    fn blocks(
        &self,
        from: u64,
        limit: usize,
        wait: Duration,
    ) -> Pending<'_, Result<Vec<CertifiedBlock>, UpstreamError>> {
        self.blocks.blocks(from, limit, wait)
    }

    fn document(&self, digest: Digest) -> Pending<'_, Result<Option<Document>, UpstreamError>> {
        self.blocks.document(digest)
    }

    fn submit(&self, submission: Submission) -> Pending<'_, Result<(), HandInError>> {
        self.blocks.submit(submission)
    }

    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, UpstreamError>> {
        self.checkpoints.checkpoint()
    }

    fn cosign(&self, checkpoint: SignedCheckpoint) -> Pending<'_, Result<(), UpstreamError>> {
        self.checkpoints.cosign(checkpoint)
    }
}

#[tokio::test]
async fn a_validator_s_checkpoint_over_another_log_stops_the_follower() {
    let world = followed(&["a", "b", "c"]).await;
    let other = Other::of(&world, 1, &["x"]).await;
    let (blocks, checkpoints) = (world.near.clone(), other.near.clone());
    let mut options = world.options_to(Arc::new(TwoFaced { blocks, checkpoints }));
    let key = Network::department_key(0);
    options.cosigners = vec![DepartmentCosigner { department: Network::id(0), key }];
    let follower = FollowerLedger::open(options).unwrap();
    let mut stopped = follower.shared.stopped.subscribe();
    let reason = stopped.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    let theirs = other.near.ledger.snapshot().tip().log_root;
    let ours = crate::log::root(follower.reader(), 2).unwrap();
    assert_eq!(reason, StopReason::ForkedCheckpoint { size: 2, ours, theirs });
    assert_eq!(reason.code(), "ledger-forked-checkpoint");
    let snapshot = other.near.ledger.snapshot();
    assert_eq!(other.near.cosignatures.newest(&snapshot), None);
}
