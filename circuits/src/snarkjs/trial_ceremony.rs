//! Second phases that one process plays on its own, for tests: a key and the contributions that lead to it,
//! as several participants would have left them. This process knows all secrets, and could forge.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{AffineRepr as _, CurveGroup as _};
use ark_ff::{One as _, UniformRand as _};
use ark_std::rand::{CryptoRng, RngCore};
use blake2::{Blake2b512, Digest as _};

use super::contribution::{
    Beacon, Contribution, Contributions, HASH_BYTES, absorb_g1, g1, g2, generator, montgomery,
};
use crate::groth16::ProvingKey;
use crate::statement::CircuitId;

/// A circuit's key to which participants of these names contributed one after the other, and then a beacon.
pub fn key(
    circuit: CircuitId,
    names: &[&str],
    rng: &mut (impl RngCore + CryptoRng),
) -> (ProvingKey, Contributions) {
    let mut play = Play::by(names, rng);
    let mut hash = vec![0; 32];
    rng.fill_bytes(&mut hash);
    let beacon = Beacon { hash, iterations_exponent: 10 };
    let mut drawn = beacon.generator();
    let secret = montgomery(&mut drawn);
    let base = g1(&mut drawn);
    play.contribute(None, Some(beacon), secret, base);
    (circuit.key_of_delta(play.delta, rng), play.contributions)
}

/// The same before the beacon.
pub fn key_before_the_beacon(
    circuit: CircuitId,
    names: &[&str],
    rng: &mut (impl RngCore + CryptoRng),
) -> (ProvingKey, Contributions) {
    let play = Play::by(names, rng);
    (circuit.key_of_delta(play.delta, rng), play.contributions)
}

/// A second phase so far.
struct Play {
    contributions: Contributions,
    /// The product of all secrets.
    delta: Fr,
}

impl Play {
    fn by(names: &[&str], rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut circuit = [0; HASH_BYTES];
        rng.fill_bytes(&mut circuit);
        let contributions = Contributions { circuit, list: Vec::new() };
        let mut play = Self { contributions, delta: Fr::one() };
        for name in names {
            let (secret, base) = (Fr::rand(rng), G1Projective::rand(rng).into_affine());
            play.contribute(Some((*name).to_owned()), None, secret, base);
        }
        play
    }

    fn contribute(
        &mut self,
        name: Option<String>,
        beacon: Option<Beacon>,
        secret: Fr,
        s: G1Affine,
    ) {
        let sx = (s * secret).into_affine();
        let mut hasher = Blake2b512::new();
        hasher.update(self.contributions.circuit);
        self.contributions.list.iter().for_each(|before| before.absorb(&mut hasher));
        absorb_g1(&mut hasher, s);
        absorb_g1(&mut hasher, sx);
        let transcript: [u8; HASH_BYTES] = hasher.finalize().into();
        let spx = (g2(&mut generator(&transcript)) * secret).into_affine();
        self.delta *= secret;
        let delta = (G1Affine::generator() * self.delta).into_affine();
        let contribution = Contribution { name, beacon, delta, s, sx, spx, transcript };
        self.contributions.list.push(contribution);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groth16::rng_from_seed;
    use crate::snarkjs::contribution::ContributionError;

    #[test]
    fn contributions_that_are_played_hold_for_their_key_alone() {
        let rng = &mut rng_from_seed([8; 32]);
        let (one, by_one) = key(CircuitId::IdentifiedV1, &["tax", "welfare"], rng);
        assert_eq!(by_one.verify_for(one.verifying_key()), Ok(()));
        let (other, _) = key(CircuitId::IdentifiedV1, &["tax"], rng);
        let refused = by_one.verify_for(other.verifying_key());
        assert_eq!(refused, Err(ContributionError::KeyDelta));
    }
}
