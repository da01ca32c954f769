//! The configuration file that `init` writes: every setting, with what it means.

use std::net::SocketAddr;

use chain::identifier::DepartmentId;

use super::ChainRole;

/// A commented configuration with the defaults.
pub fn template(departments: &[DepartmentId], listen: SocketAddr, chain: &ChainRole) -> String {
    let quoted: Vec<_> = departments.iter().map(|id| format!("\"{id}\"")).collect();
    let departments = quoted.join(", ");
    let chain = match chain {
        ChainRole::Validator(id) => format!(
            "# This gateway keeps the network's chain: it certifies blocks as this validator.\n\
             validator = \"{id}\""
        ),
        ChainRole::Follower(url) => format!(
            "# This gateway follows the copy of the gateway at this address, checks every block by itself,\n\
             # and submits its departments' entries through it.\n\
             follow = \"{url}\""
        ),
    };
    format!(
        r##"# Configuration of a proofgate gateway. Paths are meant from this file's folder.
# A line that begins with "#" is not read; where it shows a setting, it shows the default or an example.

# The departments that this gateway hosts. Each has a folder of its name beside this file.
departments = [{departments}]

# Where the gateway listens. Other gateways and wallets reach it at the URL in the department's document.
listen = "{listen}"

# Where Prometheus may read measurements. Leave it on an address that others do not reach.
# metrics = "127.0.0.1:9464"

# Whether proving keys that one party made are refused, one's own as well as others'.
# production = false

[chain]
{chain}

[prover]
# Proofs at once; 0 for one a core.
# threads = 0
# Exchanges that are taken up besides as many as are proved at once; beyond them the gateway answers 503 with
# Retry-After. Each more lets all of them wait longer, and brings no more answers a second.
# waiting = 1

[log]
# "text" for people, "json" for one object a line. PROOFGATE_LOG says which lines: info, or warn,gateway::http=debug.
# format = "text"

# [tls]
# PEM files: the certificate with those between it and the authority, and its private key (chmod 600). At a
# SIGHUP they are read again.
# certificate = "tls/certificate.pem"
# key = "tls/key.pem"

[peers]
# PEM files of certificate authorities, besides the system's, that other gateways' certificates may come from.
# authorities = ["tls/authority.pem"]

[limits]
# Connections at once, in all and from one client's address (behind a proxy all clients have the proxy's, so
# let the proxy share out and set both alike), and requests at once on each surface.
# connections = 1024
# connections_per_address = 128
# requests = 256
# Longest body of a document, in bytes. Payloads and imports are streams and have no such limit.
# body_bytes = 1048576
# Seconds for a header, for a body, for a request, for a stream that stands still, and to finish after a stop.
# header_seconds = 10
# body_seconds = 20
# request_seconds = 30
# stall_seconds = 30
# drain_seconds = 30

[payloads]
# Bytes that one sender may have lying here, at one department, of payloads that are not complete; it is told 429
# and sends on later. One payload is at most 64 GiB long, and needs a little more. Nobody has checked these
# bytes, and a full disk stops everything: leave as much free for each department that sends documents.
# unfinished_bytes = 77309411328
# Days after its first part in which a payload has to be complete.
# unfinished_days = 7
# Days for which received documents, and what is known of sent ones, are kept. Without these: for ever.
#   received_days = 3650
#   sent_days = 3650
"##
    )
}
