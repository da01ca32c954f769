use tempfile::TempDir;

use super::*;
use crate::contract::Network;
use crate::document::Documents;
use crate::replica::Replica;
use crate::store::faults::copy;
use crate::store::forge;

/// A chain, copies of it, and a folder to be rebuilt.
struct World {
    network: Network,
    folder: TempDir,
    blocks: Vec<CertifiedBlock>,
    documents: Documents,
}

impl World {
    /// A chain of `length` blocks, the first with a document.
    fn new(length: usize) -> Self {
        Self::of(length, "request")
    }

    fn of(length: usize, prefix: &str) -> Self {
        let network = Network::new(3);
        let mut replica = Replica::new(network.genesis());
        let document = Network::document("service");
        let service =
            crate::entry::Content::Service { document: *document.digest(), replaces: None };
        let mut documents = Documents::default();
        documents.insert(document);
        let mut blocks = Vec::new();
        for number in 0..length {
            let entry = match number {
                0 => network.entry(0, service),
                _ => network.request(0, &format!("{prefix} {number}")),
            };
            let block = Network::block(&replica, &[entry], &documents);
            replica.accept(block.clone(), &documents).unwrap();
            blocks.push(block);
        }
        Self { network, folder: tempfile::tempdir().unwrap(), blocks, documents }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn chain(&self) -> PathBuf {
        self.path("chain")
    }

    /// A chain folder of the first `length` blocks.
    fn write(&self, name: &str, length: usize) {
        let blocks = &self.blocks[..length];
        forge(&self.path(name), self.network.genesis(), blocks, &self.documents).unwrap();
    }

    fn peer(&self, length: usize) -> FolderUpstream {
        self.write("peer", length);
        FolderUpstream::open(&self.path("peer")).unwrap()
    }

    async fn rebuild(&self, peer: &FolderUpstream) -> Result<Rebuilt, RebuildError> {
        self.rebuild_to(peer, Wanted::default()).await
    }

    async fn rebuild_to(
        &self,
        peer: &FolderUpstream,
        wanted: Wanted,
    ) -> Result<Rebuilt, RebuildError> {
        rebuild(&self.chain(), self.network.genesis(), peer, wanted, |_| {}).await
    }

    fn hash(&self, height: usize) -> BlockHash {
        self.blocks[height - 1].block.header().hash()
    }

    /// Height of the chain, which must open.
    fn height(&self) -> u64 {
        let opened = Store::open(&self.chain(), self.network.genesis(), Arc::new(Direct));
        opened.unwrap().1.tip().height
    }

    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

type Damage = fn(&Path);

/// Cuts the chain's store short, leaving its mark.
fn cut_short(world: &World) {
    world.write("chain", 5);
    world.write("short", 3);
    copy(&world.path("short").join("sled"), &world.chain().join("sled"));
    fs::remove_dir_all(world.path("short")).unwrap();
}

#[tokio::test]
async fn a_chain_that_was_cut_short_is_whole_again() {
    let world = World::new(6);
    let peer = world.peer(6);
    cut_short(&world);
    let mut seen = Vec::new();
    let (chain, genesis) = (world.chain(), world.network.genesis());
    let progress = |tip: &Tip| seen.push(tip.height);
    let rebuilt = rebuild(&chain, genesis, &peer, Wanted::default(), progress).await.unwrap();
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    assert_eq!(rebuilt.damage, Some(OpenError::BehindMark { tip: 3, marked: 5 }));
    assert_eq!(rebuilt.kept, Some(world.path("chain.damaged-1")));
    assert_eq!(rebuilt.tip.height, 6);
    assert_eq!(world.height(), 6);
    assert_eq!(world.names(), ["chain", "chain.damaged-1", "peer"]);
    assert_eq!(read_mark(&world.path("chain.damaged-1")).unwrap().unwrap().height, 5);
    // A second time, there is nothing to do.
    let error = world.rebuild(&peer).await.unwrap_err();
    assert_eq!(error, RebuildError::NotNeeded { ours: 6, block: world.hash(6), theirs: 6 });
}

#[tokio::test]
async fn a_chain_without_its_mark_or_its_store_is_rebuilt_and_every_old_one_kept() {
    let world = World::new(4);
    let peer = world.peer(4);
    let damages: [(&str, Damage); 3] = [
        ("mark-missing", |chain| fs::remove_file(chain.join("mark")).unwrap()),
        ("mark-damaged", |chain| fs::write(chain.join("mark"), [0; 8_192]).unwrap()),
        ("mark-ahead", |chain| fs::remove_dir_all(chain.join("sled")).unwrap()),
    ];
    world.write("chain", 4);
    for (number, (code, damage)) in (1..).zip(damages) {
        damage(&world.chain());
        let rebuilt = world.rebuild(&peer).await.unwrap();
        assert_eq!(rebuilt.damage.unwrap().code(), code);
        assert_eq!(rebuilt.kept, Some(world.path(&format!("chain.damaged-{number}"))));
        assert_eq!(world.height(), 4, "{code}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_filled() {
    let world = World::new(3);
    let rebuilt = world.rebuild(&world.peer(3)).await.unwrap();
    assert_eq!((rebuilt.kept, rebuilt.damage), (None, None));
    assert_eq!((world.height(), world.names()), (3, vec!["chain".into(), "peer".into()]));
}

#[tokio::test]
async fn a_shorter_chain_that_opens_is_replaced_and_a_longer_one_is_not() {
    let world = World::new(5);
    world.write("chain", 3);
    let peer = world.peer(5);
    assert_eq!(world.rebuild(&peer).await.unwrap().tip.height, 5);
    drop(peer);
    fs::remove_dir_all(world.path("peer")).unwrap();
    let peer = world.peer(2);
    let error = world.rebuild(&peer).await.unwrap_err();
    assert_eq!(error, RebuildError::NotNeeded { ours: 5, block: world.hash(5), theirs: 2 });
    assert_eq!(world.height(), 5);
}

#[tokio::test]
async fn a_second_chain_is_named_as_such_and_gives_way_only_if_that_is_wanted() {
    // Whether the other copy is shorter, as long or longer, and how much of it is the same.
    for (here, there) in [(4, 2), (4, 4), (2, 4)] {
        let (world, other) = (World::new(4), World::of(4, "other"));
        let (genesis, blocks) = (world.network.genesis(), &other.blocks[..here]);
        forge(&world.chain(), genesis, blocks, &other.documents).unwrap();
        let peer = world.peer(there);
        let (last, end) = (here as u64, there as u64);
        let (ours, theirs) = (other.hash(2), world.hash(2));
        assert_ne!(ours, theirs);
        let error = world.rebuild(&peer).await.unwrap_err();
        assert_eq!(error, RebuildError::OtherChain { height: 2, ours, theirs, last, end });
        assert_eq!(error.code(), "rebuild-other-chain");
        assert_eq!((world.height(), world.names()), (last, vec!["chain".into(), "peer".into()]));

        let wanted = Wanted { replace_fork: true, ..Wanted::default() };
        let rebuilt = world.rebuild_to(&peer, wanted).await.unwrap();
        assert_eq!((rebuilt.tip.block, rebuilt.damage), (world.hash(there), None));
        assert_eq!(rebuilt.kept, Some(world.path("chain.damaged-1")));
        assert_eq!(world.height(), end);
        // What is the same is not replaced, whatever is wanted.
        let error = world.rebuild_to(&peer, wanted).await.unwrap_err();
        assert_eq!(
            error,
            RebuildError::NotNeeded { ours: end, block: world.hash(there), theirs: end }
        );
    }
}

#[tokio::test]
async fn a_copy_that_has_another_block_where_the_mark_is_is_another_chain() {
    let (world, other) = (World::new(4), World::of(4, "other"));
    forge(&world.chain(), world.network.genesis(), &other.blocks, &other.documents).unwrap();
    fs::remove_dir_all(world.chain().join("sled")).unwrap();
    let peer = world.peer(4);
    let (ours, theirs) = (other.hash(4), world.hash(4));
    let error = world.rebuild(&peer).await.unwrap_err();
    assert_eq!(error, RebuildError::OtherChain { height: 4, ours, theirs, last: 0, end: 4 });
    let wanted = Wanted { replace_fork: true, ..Wanted::default() };
    assert_eq!(world.rebuild_to(&peer, wanted).await.unwrap().tip.height, 4);
}

#[tokio::test]
async fn a_folder_that_is_gone_is_filled_with_what_was_acknowledged_or_not_at_all() {
    let world = World::new(4);
    let peer = world.peer(3);
    let at = |height, block| Wanted {
        acknowledged: Some(Acknowledged { height, block }),
        replace_fork: false,
    };
    let error = world.rebuild_to(&peer, at(4, world.hash(4))).await.unwrap_err();
    assert_eq!(error, RebuildError::BehindMark { theirs: 3, marked: 4 });
    let (ours, theirs) = (world.hash(1), world.hash(2));
    let error = world.rebuild_to(&peer, at(2, ours)).await.unwrap_err();
    assert_eq!(error, RebuildError::OtherChain { height: 2, ours, theirs, last: 0, end: 3 });
    assert_eq!(world.names(), ["peer"]);
    let rebuilt = world.rebuild_to(&peer, at(3, world.hash(3))).await.unwrap();
    assert_eq!((rebuilt.tip.height, world.height()), (3, 3));
}

#[tokio::test]
async fn a_copy_that_lacks_what_was_acknowledged_is_refused() {
    let world = World::new(6);
    cut_short(&world);
    let error = world.rebuild(&world.peer(4)).await.unwrap_err();
    assert_eq!(error, RebuildError::BehindMark { theirs: 4, marked: 5 });
    assert_eq!(world.names(), ["chain", "peer"]);
    let error = Store::open(&world.chain(), world.network.genesis(), Arc::new(Direct));
    assert_eq!(error.unwrap_err().code(), "mark-ahead");
}

#[tokio::test]
async fn a_copy_that_breaks_a_rule_is_refused_and_leaves_nothing() {
    let world = World::new(4);
    let forged = world.network.relink(&world.blocks, 99, |_, _| {});
    forge(&world.path("peer"), world.network.genesis(), &forged, &world.documents).unwrap();
    let peer = FolderUpstream::open(&world.path("peer")).unwrap();
    let error = world.rebuild(&peer).await.unwrap_err();
    assert_eq!(error.code(), "certificate-signature");
    assert_eq!(world.names(), ["peer"]);
    drop(peer);
    fs::remove_dir_all(world.path("peer")).unwrap();
    assert_eq!(world.rebuild(&world.peer(0)).await, Err(RebuildError::Empty));
}

#[tokio::test]
async fn nobody_rebuilds_under_a_running_gateway() {
    let world = World::new(2);
    world.write("chain", 1);
    let peer = world.peer(2);
    let open = Store::open(&world.chain(), world.network.genesis(), Arc::new(Direct)).unwrap();
    assert_eq!(world.rebuild(&peer).await.unwrap_err().code(), "store-locked");
    drop(open);
    assert_eq!(world.rebuild(&peer).await.unwrap().tip.height, 2);
}

#[tokio::test]
async fn a_crash_at_any_step_leaves_the_old_or_the_new_one() {
    // Half-built.
    let world = World::new(4);
    let peer = world.peer(4);
    world.write("chain", 2);
    world.write("chain.rebuilding", 1);
    assert_eq!(world.height(), 2);
    fs::remove_file(world.path("chain.rebuilding").join("mark")).unwrap();
    assert_eq!(world.rebuild(&peer).await.unwrap().tip.height, 4);
    assert_eq!(world.names(), ["chain", "chain.damaged-1", "peer"]);

    // Whole, and the old one still in place: that one counts, and the next rebuild begins anew.
    fs::rename(world.path("chain.damaged-1"), world.path("old")).unwrap();
    fs::rename(world.chain(), world.path("chain.rebuilt")).unwrap();
    fs::rename(world.path("old"), world.chain()).unwrap();
    assert_eq!(world.height(), 2);
    assert_eq!(world.rebuild(&peer).await.unwrap().tip.height, 4);
    assert_eq!(world.names(), ["chain", "chain.damaged-1", "peer"]);

    // Between the two renames: whoever opens the folder finishes.
    fs::rename(world.chain(), world.path("chain.rebuilt")).unwrap();
    assert_eq!(world.height(), 4);
    fs::rename(world.chain(), world.path("chain.rebuilt")).unwrap();
    let error = world.rebuild(&peer).await.unwrap_err();
    assert_eq!(error, RebuildError::NotNeeded { ours: 4, block: world.hash(4), theirs: 4 });
    assert_eq!(world.height(), 4);
    assert_eq!(world.names(), ["chain", "chain.damaged-1", "peer"]);
}
