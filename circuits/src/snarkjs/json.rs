//! snarkjs' JSON: `verification_key.json`, `proof.json`, `public.json`.
//!
//! Numbers are decimal strings. Points are projective with `z` = 1, in the second group as pairs
//! `[c0, c1]`. Reading is as strict as for bytes: canonical numbers, points of the group, no unknown
//! member. snarkjs itself also writes `vk_alphabeta_12` into a verifying key, which follows from the
//! rest and is neither read nor written.
//!
//! Source: snarkjs `zkey_export_verificationkey.js`, `groth16_prove.js`.

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::PrimeField;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Fr;
use crate::groth16::{KeyError, Proof, VerifyingKey};

const PROTOCOL: &str = "groth16";
const CURVE: &str = "bn128";

/// Why a JSON file is not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, or not of this form.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// It is of another proof system or curve.
    #[error("{member}: expected \"{expected}\"")]
    Kind {
        /// The member that says so.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Not a decimal number below the modulus, without leading zeros.
    #[error("{member}: expected a decimal number below the modulus, without leading zeros")]
    Number {
        /// Where it stands.
        member: String,
    },
    /// Not a point of the group, with the third coordinate 1.
    #[error("{member}: not a point of the group whose third coordinate is 1")]
    Point {
        /// Where it stands.
        member: String,
    },
    /// `IC` has not one element more than there are inputs.
    #[error("IC: {got} points for {inputs} public inputs")]
    InputCount {
        /// What `nPublic` says.
        inputs: usize,
        /// Points in `IC`.
        got: usize,
    },
    /// Anybody could forge under the key.
    #[error("{0}")]
    Key(#[from] KeyError),
}

type G1Text = [String; 3];
type G2Text = [[String; 2]; 3];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    protocol: String,
    curve: String,
    #[serde(rename = "nPublic")]
    public_inputs: usize,
    vk_alpha_1: G1Text,
    vk_beta_2: G2Text,
    vk_gamma_2: G2Text,
    vk_delta_2: G2Text,
    /// `e(α, β)`, which snarkjs writes and nobody reads.
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "allowed, and not looked at")]
    vk_alphabeta_12: Option<serde::de::IgnoredAny>,
    #[serde(rename = "IC")]
    ic: Vec<G1Text>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofText {
    pi_a: G1Text,
    pi_b: G2Text,
    pi_c: G1Text,
    protocol: String,
    curve: String,
}

/// `verification_key.json`
pub fn verifying_key(key: &VerifyingKey) -> String {
    let points = key.points();
    pretty(&KeyText {
        protocol: PROTOCOL.to_owned(),
        curve: CURVE.to_owned(),
        public_inputs: key.public_inputs(),
        vk_alpha_1: g1_text(points.alpha_g1),
        vk_beta_2: g2_text(points.beta_g2),
        vk_gamma_2: g2_text(points.gamma_g2),
        vk_delta_2: g2_text(points.delta_g2),
        vk_alphabeta_12: None,
        ic: points.gamma_abc_g1.iter().map(|point| g1_text(*point)).collect(),
    })
}

/// `proof.json`
pub fn proof(proof: &Proof) -> String {
    let points = proof.points();
    pretty(&ProofText {
        pi_a: g1_text(points.a),
        pi_b: g2_text(points.b),
        pi_c: g1_text(points.c),
        protocol: PROTOCOL.to_owned(),
        curve: CURVE.to_owned(),
    })
}

/// `public.json`
pub fn public_inputs(inputs: &[Fr]) -> String {
    pretty(&inputs.iter().map(|input| input.into_bigint().to_string()).collect::<Vec<_>>())
}

/// Reads a verifying key, and refuses one under which anybody could forge.
///
/// # Errors
/// [`JsonError`] names the member at fault.
pub fn read_verifying_key(text: &str) -> Result<VerifyingKey, JsonError> {
    let key: KeyText = serde_json::from_str(text)?;
    kind(&key.protocol, &key.curve)?;
    // In two steps, for a count from outside may be the largest there is.
    if key.ic.len().checked_sub(1) != Some(key.public_inputs) {
        return Err(JsonError::InputCount { inputs: key.public_inputs, got: key.ic.len() });
    }
    let ic = key.ic.iter().enumerate();
    let ic = ic.map(|(i, point)| g1(point, &format!("IC[{i}]"))).collect::<Result<_, _>>()?;
    let points = ark_groth16::VerifyingKey {
        alpha_g1: g1(&key.vk_alpha_1, "vk_alpha_1")?,
        beta_g2: g2(&key.vk_beta_2, "vk_beta_2")?,
        gamma_g2: g2(&key.vk_gamma_2, "vk_gamma_2")?,
        delta_g2: g2(&key.vk_delta_2, "vk_delta_2")?,
        gamma_abc_g1: ic,
    };
    Ok(VerifyingKey::checked(points, key.public_inputs)?)
}

/// Reads a proof.
///
/// # Errors
/// [`JsonError`] names the member at fault.
pub fn read_proof(text: &str) -> Result<Proof, JsonError> {
    let proof: ProofText = serde_json::from_str(text)?;
    kind(&proof.protocol, &proof.curve)?;
    Ok(Proof::from_points(ark_groth16::Proof {
        a: g1(&proof.pi_a, "pi_a")?,
        b: g2(&proof.pi_b, "pi_b")?,
        c: g1(&proof.pi_c, "pi_c")?,
    }))
}

/// Reads public inputs.
///
/// # Errors
/// [`JsonError`] names the input at fault.
pub fn read_public_inputs(text: &str) -> Result<Vec<Fr>, JsonError> {
    let inputs: Vec<String> = serde_json::from_str(text)?;
    inputs.iter().enumerate().map(|(i, input)| number(input, &format!("[{i}]"))).collect()
}

fn kind(protocol: &str, curve: &str) -> Result<(), JsonError> {
    for (member, got, expected) in [("protocol", protocol, PROTOCOL), ("curve", curve, CURVE)] {
        if got != expected {
            return Err(JsonError::Kind { member, expected });
        }
    }
    Ok(())
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("strings and integers") + "\n"
}

/// The one decimal spelling of an element.
fn number<F: PrimeField>(text: &str, member: &str) -> Result<F, JsonError> {
    let fault = || JsonError::Number { member: member.to_owned() };
    // Reading may reduce; writing again shows it.
    let element: F = text.parse().map_err(|_| fault())?;
    if element.into_bigint().to_string() == text { Ok(element) } else { Err(fault()) }
}

fn g1(text: &G1Text, member: &str) -> Result<G1Affine, JsonError> {
    let [x, y, z] = text;
    let (x, y): (Fq, Fq) = (number(x, member)?, number(y, member)?);
    let point = G1Affine::new_unchecked(x, y); // checked on the next line
    if z == "1" && point.is_on_curve() {
        Ok(point)
    } else {
        Err(JsonError::Point { member: member.to_owned() })
    }
}

fn g2(text: &G2Text, member: &str) -> Result<G2Affine, JsonError> {
    let coordinate = |[c0, c1]: &[String; 2]| -> Result<Fq2, JsonError> {
        Ok(Fq2::new(number(c0, member)?, number(c1, member)?))
    };
    let [x, y, z] = text;
    let point = G2Affine::new_unchecked(coordinate(x)?, coordinate(y)?); // checked on the next lines
    let in_group = point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve();
    if *z == ["1", "0"] && in_group {
        Ok(point)
    } else {
        Err(JsonError::Point { member: member.to_owned() })
    }
}

fn g1_text(point: G1Affine) -> G1Text {
    match point.xy() {
        Some((x, y)) => [x, y, Fq::from(1)].map(|it| it.into_bigint().to_string()),
        None => ["0", "1", "0"].map(str::to_owned),
    }
}

fn g2_text(point: G2Affine) -> G2Text {
    let pair = |it: Fq2| [it.c0, it.c1].map(|it| it.into_bigint().to_string());
    match point.xy() {
        Some((x, y)) => [pair(x), pair(y), pair(Fq2::from(1))],
        None => [["0", "0"], ["1", "0"], ["0", "0"]].map(|it| it.map(str::to_owned)),
    }
}
