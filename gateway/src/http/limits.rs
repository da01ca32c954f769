//! How much of everything a client can use.

use std::time::Duration;

use crypto::envelope::stream::{MAX_PART_BYTES, MAX_PLAINTEXT_BYTES};

/// What one client can use of a gateway, and all of them together. A configuration may lower these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest target and header together, in bytes.
    ///
    /// 16 KiB: signature headers take about 1 KiB, a citizen's header half of one.
    pub header_bytes: usize,
    /// Most header fields. 64: our own clients send fewer than 16, proxies add some.
    pub header_fields: usize,
    /// How long a client may take to send a header, and an idle connection to send the next one: 10 s.
    pub header_time: Duration,
    /// How long a client may take for a TLS handshake: 10 s.
    pub handshake_time: Duration,
    /// Longest body, in bytes. 1 MiB: the largest documents are offers and answers with padding.
    pub body_bytes: usize,
    /// How long a client may take to send a body: 20 s, a part at 2 Mbit/s.
    pub body_time: Duration,
    /// Longest part of a payload, in bytes: what the envelope allows.
    pub part_bytes: usize,
    /// Longest payload, in bytes: what the envelope allows.
    pub payload_bytes: u64,
    /// How long a payload that is being received, or any answer that is being sent, may stand still:
    /// 30 s. A payload has no other time limit.
    pub stall_time: Duration,
    /// How long a request may take, from its header to its answer: 30 s, more than a proof takes.
    pub request_time: Duration,
    /// Most requests at once on each surface, and payloads besides. 256: a peer's may hold a body of
    /// 4 MiB, the others' 1 MiB, so 2 GiB at the very most.
    pub requests: usize,
    /// Most connections at once. 1,024: half of the usual 2,048 or more files that a process may have
    /// open, of which the stores need some.
    pub connections: usize,
    /// Most connections at once from one client: one IPv4 address, or one IPv6 network of 64 bits. 128:
    /// half of a surface's `requests`, so that no single client takes all the room. Behind a proxy all
    /// clients have the proxy's address: then the proxy has to share out, and this is set to
    /// `connections`.
    pub connections_per_address: usize,
    /// How long open requests may take to finish after the shutdown began: 30 s, as for any request.
    pub drain_time: Duration,
}

impl Limits {
    /// Most requests at once that wait for blocks: a quarter of `requests`, at least 1. Whoever comes
    /// then is told at once what there is.
    pub fn waits(&self) -> usize {
        (self.requests / 4).max(1)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 16 * 1024,
            header_fields: 64,
            header_time: Duration::from_secs(10),
            handshake_time: Duration::from_secs(10),
            body_bytes: 1024 * 1024,
            body_time: Duration::from_secs(20),
            part_bytes: MAX_PART_BYTES,
            payload_bytes: MAX_PLAINTEXT_BYTES,
            stall_time: Duration::from_secs(30),
            request_time: Duration::from_secs(30),
            requests: 256,
            connections: 1024,
            connections_per_address: 128,
            drain_time: Duration::from_secs(30),
        }
    }
}
