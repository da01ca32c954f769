use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use chain::entry::Content;
use crypto::Digest;
use tempfile::TempDir;

use super::*;
use crate::department::tests::Network;

async fn put(network: &Network, name: &str) {
    let request = Digest::of(name.as_bytes());
    network.department("welfare").append(Content::Request { request }, None).await.unwrap();
}

fn read(network: &Network, folder: &Folder) -> Option<Remembered> {
    Remembered::read(folder, network.shared.genesis.network()).unwrap()
}

fn tip(network: &Network) -> (u64, BlockHash) {
    let snapshot = network.shared.ledger.snapshot();
    (snapshot.tip().height, snapshot.tip().block)
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_a_gateway_served_is_remembered_when_it_ends() {
    let (network, root) = (Network::bare(0), TempDir::new().unwrap());
    let folder = Folder::new(root.path());
    assert_eq!(read(&network, &folder), None);
    let remembering = Remembering::begin(&folder, &*network.shared.ledger).unwrap();
    let first = read(&network, &folder).unwrap();
    assert_eq!((first.height, first.block), tip(&network));
    let names: Vec<_> = first.departments.iter().map(|place| place.id.to_string()).collect();
    assert_eq!(names, ["civil-registry", "tax", "welfare"]);
    assert_eq!(first.departments[1].url.as_str(), "http://tax.example");
    for name in ["a", "b"] {
        put(&network, name).await;
    }
    drop(remembering);
    let last = read(&network, &folder).unwrap();
    assert_eq!((last.height, last.block), tip(&network));
    assert_eq!(last.height, 2);
    let files: Vec<_> =
        fs::read_dir(root.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, [FILE_NAME]);
    let mode = fs::metadata(root.path().join(FILE_NAME)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn height_and_members_are_written_while_a_gateway_serves() {
    let (network, root) = (Network::bare(0), TempDir::new().unwrap());
    let folder = Folder::new(root.path());
    let _remembering = Remembering::begin(&folder, &*network.shared.ledger).unwrap();
    let written = |wanted: u64| {
        let (network, folder) = (&network, &folder);
        async move {
            while read(network, folder).unwrap().height < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    for number in 0..2 * BLOCKS {
        put(&network, &number.to_string()).await;
    }
    tokio::time::timeout(Duration::from_secs(60), written(BLOCKS)).await.unwrap();
    let now = Remembered::of(&network.shared.ledger.snapshot());
    let last = Mutex::new(now.clone());
    let written = Written { folder: folder.clone(), last };
    assert!(!written.is_due(&Remembered { height: now.height + BLOCKS - 1, ..now.clone() }));
    written.last().height = 0;
    assert!(written.is_due(&Remembered { height: 1, ..now.clone() }), "the first block");
    written.last().height = now.height;
    assert!(written.is_due(&Remembered { height: now.height + BLOCKS, ..now.clone() }));
    let mut moved = now.clone();
    moved.departments[0].url = "http://elsewhere.example".parse().unwrap();
    assert!(written.is_due(&moved));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_gone_or_older_or_another_is_refused() {
    let (network, root) = (Network::bare(0), TempDir::new().unwrap());
    let folder = Folder::new(root.path());
    for name in ["a", "b", "c"] {
        put(&network, name).await;
    }
    drop(Remembering::begin(&folder, &*network.shared.ledger).unwrap());
    let remembered = read(&network, &folder).unwrap();
    remembered.check(&folder, &*network.shared.ledger).unwrap();
    put(&network, "d").await;
    remembered.check(&folder, &*network.shared.ledger).unwrap();

    // Its folder was lost, and another chain began in it.
    let second = network.again();
    for (height, name) in [(0, "x"), (1, "y"), (2, "z")] {
        let error = remembered.check(&folder, &*second.shared.ledger).unwrap_err();
        let RememberedError::Behind { last, block, height: served, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!((*last, *served, *block), (height, 3, remembered.block));
        let text = error.to_string();
        for part in [FILE_NAME, "rebuild --from", &remembered.block.to_string()] {
            assert!(text.contains(part), "{text}");
        }
        put(&second, name).await;
    }
    let error = remembered.check(&folder, &*second.shared.ledger).unwrap_err();
    let RememberedError::Conflict { height: 3, ours, .. } = error else { panic!("{error}") };
    assert_eq!(ours, tip(&second).1);

    // It was given up for the other, on purpose.
    let (height, block) = tip(&second);
    replace(&folder, second.shared.genesis.network(), height, block).unwrap();
    let replaced = read(&second, &folder).unwrap();
    replaced.check(&folder, &*second.shared.ledger).unwrap();
    assert_eq!(replaced.departments, remembered.departments);
}

#[test]
fn a_file_of_another_network_or_of_nobody_is_refused() {
    let root = TempDir::new().unwrap();
    let folder = Folder::new(root.path());
    let network = NetworkId::from_digest(Digest::of(b"ours"));
    let theirs = NetworkId::from_digest(Digest::of(b"theirs"));
    let block = BlockHash::from_digest(Digest::of(b"block"));
    let of = |network| Remembered { network, height: 1, block, departments: Vec::new() };
    assert_eq!(Remembered::read(&folder, &network).unwrap(), None);
    let error = Remembered::require(&folder, &network).unwrap_err();
    assert!(matches!(error, RememberedError::Lost { .. }), "{error}");
    of(network).write(&folder).unwrap();
    assert_eq!(Remembered::require(&folder, &network).unwrap(), of(network));
    assert_eq!(Remembered::read(&folder, &network).unwrap(), Some(of(network)));
    of(theirs).write(&folder).unwrap();
    let error = Remembered::read(&folder, &network).unwrap_err();
    assert!(matches!(error, RememberedError::Network { .. }), "{error}");
    fs::write(root.path().join(FILE_NAME), b"{}").unwrap();
    let error = Remembered::read(&folder, &network).unwrap_err();
    assert!(matches!(error, RememberedError::Malformed { .. }), "{error}");
}
