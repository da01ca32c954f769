//! What everybody can read off the chain.

use chain::block::CertifiedBlock;
use chain::entry::Kind;
use chain::identifier::NetworkId;
use crypto::Digest;

/// A department's last `records` entry in a block.
pub(crate) fn last_records(bytes: &[u8], department: &str, network: &NetworkId) -> Option<Digest> {
    let block = CertifiedBlock::decode(bytes).unwrap();
    let mut entries = block.block.entries().iter().rev();
    let records = entries.find(|entry| {
        entry.content().kind() == Kind::Records && entry.author().as_str() == department
    })?;
    Some(*records.id(network).as_digest())
}
