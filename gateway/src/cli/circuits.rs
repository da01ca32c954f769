//! `proofgate circuits`

use ::circuits::statement::CircuitId;
use crypto::Digest;
use serde_json::json;

use super::say;

/// Prints the circuits of this build.
pub(super) fn run(json: bool) {
    let circuits = CircuitId::ALL.map(|id| (id, id.r1cs()));
    if json {
        let list: Vec<_> = circuits
            .iter()
            .map(|(id, r1cs)| {
                json!({
                    "circuit": id, "constraints": r1cs.constraints(),
                    "public_inputs": r1cs.public_inputs(),
                    "r1cs_sha256": Digest::from_bytes(r1cs.digest())
                })
            })
            .collect();
        say(format_args!("{:#}", json!(list)));
        return;
    }
    for (id, r1cs) in &circuits {
        say(format_args!(
            "{id:16} {:>6} constraints  {} public inputs  r1cs sha256 {}",
            r1cs.constraints(),
            r1cs.public_inputs(),
            Digest::from_bytes(r1cs.digest())
        ));
    }
}
