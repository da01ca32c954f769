//! proofgate's shared append-only chain: entries, blocks, certificates, log, rules, audit.
