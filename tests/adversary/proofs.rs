//! Good proofs put where they do not belong, and points that prove nothing.

use std::time::Duration;

use circuits::groth16::{self, PreparedVerifyingKey, Proof};
use circuits::statement::{identified, subject_tag};
use crypto::{Digest, canonical};
use gateway::bundle::Bundle;
use gateway::document::answer::{Answer, Evidence};
use gateway::exchange::verification::Strictness;
use gateway::http::local::AskedStatus;
use gateway::subject::Subject;
use serde_json::{Value, json};

use crate::answers::{current_records, generators, records_entries};
use crate::world::{Citizen, Posed, Refused, World, ask, ask_anybody, random_digest, refused};

/// As long as the gateway lets anybody wait at once.
const WAIT: Duration = Duration::from_secs(15);
/// The order of the circuits' field, big-endian, as documents spell its elements.
const SCALAR_FIELD_ORDER: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
/// One more than the order of the field in which points have their coordinates, little-endian: another
/// spelling of the first generator's x, which is 1.
const BASE_FIELD_ORDER_PLUS_ONE: &str =
    "48fd7cd8168c203c8dca7168916a81975d588181b64550b829a031e1724e6430";

/// Proofs of the right length, and what each is refused for.
pub(crate) fn malformed() -> Vec<(&'static str, String, &'static str)> {
    let good = generators();
    let (a, rest) = good.split_at(64);
    let (b, c) = rest.split_at(128);
    let zeros = |bytes: usize| "00".repeat(bytes);
    let first_identity = format!("{}40", zeros(31));
    let second_identity = format!("{}40", zeros(63));
    // No y has the square 0³ + 3.
    let off_curve = zeros(32);
    // On the twist, and outside the subgroup.
    let stray = format!("01{}", zeros(63));
    let of = |a: &str, b: &str, c: &str| format!("{a}{b}{c}");
    vec![
        ("A off its curve", of(&off_curve, b, c), "proof-encoding"),
        ("C off its curve", of(a, b, &off_curve), "proof-encoding"),
        ("B off its curve", of(a, &zeros(64), c), "proof-encoding"),
        ("B outside the subgroup", of(a, &stray, c), "proof-encoding"),
        ("A with the modulus added", of(BASE_FIELD_ORDER_PLUS_ONE, b, c), "proof-encoding"),
        ("C with the modulus added", of(a, b, BASE_FIELD_ORDER_PLUS_ONE), "proof-encoding"),
        ("an identity with an x", of(&format!("01{}40", zeros(30)), b, c), "proof-encoding"),
        ("an identity with a sign", of(a, b, &format!("{}c0", zeros(31))), "proof-encoding"),
        ("A at infinity", of(&first_identity, b, c), "proof-invalid"),
        ("B at infinity", of(a, &second_identity, c), "proof-invalid"),
        ("C at infinity", of(a, b, &first_identity), "proof-invalid"),
        (
            "all at infinity",
            of(&first_identity, &second_identity, &first_identity),
            "proof-invalid",
        ),
        ("points of no statement", good.clone(), "proof-invalid"),
        ("a byte more", format!("{good}00"), "proof-encoding"),
        ("a byte less", good[2..].to_owned(), "proof-encoding"),
        ("another spelling", good.to_uppercase(), "evidence-malformed"),
    ]
}

/// A question that tax answered, as its requester files it.
struct Answered {
    posed: Posed,
    bundle: Bundle,
}

/// Asks in `requester`'s name, has the citizen consent, and waits for the answer.
async fn answered(world: &World, requester: &str, citizen: &Citizen) -> Answered {
    let system = world.network.system(requester);
    let asked = system.ask(&ask(&citizen.subject, 2_000_000), None).await.unwrap();
    let posed = world.posed(citizen, asked).await;
    world.consent(citizen, &posed, random_digest()).await;
    let request = posed.asked.request;
    let status = loop {
        let asked = system.asked(&request, WAIT).await.unwrap();
        if asked.status != AskedStatus::Sent {
            break asked.status;
        }
    };
    assert_eq!(status, AskedStatus::Verified);
    Answered { posed, bundle: system.bundle(&request).await.unwrap() }
}

/// What welfare says to an answer of tax's.
async fn told(world: &World, request: Digest, answer: &Value) -> Refused {
    let plaintext = canonical::to_vec(answer).unwrap();
    world.send_answer(&world.insider("tax"), request, &plaintext).await.unwrap_err()
}

fn json_of(answer: &Answer) -> Value {
    serde_json::to_value(answer).unwrap()
}

/// `element + modulus`, in the same 32 bytes.
fn aliased(element: &str) -> String {
    let bytes = |text: &str| hex::decode(text).unwrap();
    let mut sum = [0u8; 32];
    let mut carry = 0u16;
    let digits = bytes(element).into_iter().zip(bytes(SCALAR_FIELD_ORDER)).enumerate();
    for (place, (left, right)) in digits.collect::<Vec<_>>().into_iter().rev() {
        let whole = u16::from(left) + u16::from(right) + carry;
        sum[place] = u8::try_from(whole & 0xff).unwrap();
        carry = whole >> 8;
    }
    assert_eq!(carry, 0, "twice the modulus has 255 bits");
    hex::encode(sum)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rerandomised_proof_verifies_and_is_still_a_replay() {
    let world = World::get().await;
    let citizen = world.citizen(0);
    let Answered { posed, mut bundle } = answered(world, "welfare", citizen).await;
    let request = posed.asked.request;
    let (_, key) = bundle.circuit.key().unwrap();
    let proof = Proof::from_bytes(&hex::decode(&bundle.answer.proof).unwrap()).unwrap();
    let other = proof.rerandomised(&key, &mut groth16::rng_from_seed([4; 32]));
    assert_ne!(other.to_bytes(), proof.to_bytes());

    let Evidence::Identified { commitment, .. } = &bundle.answer.evidence else { panic!() };
    let subject: Subject = citizen.subject.parse().unwrap();
    let statement = identified::Statement {
        commitment: commitment.0,
        request: posed.question.element(),
        query: posed.question.query_commitment(),
        subject_tag: subject_tag(subject.element(), posed.question.context()),
    };
    let inputs = statement.to_public_inputs();
    assert_eq!(groth16::verify(&PreparedVerifyingKey::from(&key), &inputs, &other), Ok(()));

    // The request is answered, whichever bytes come now.
    let mut again = json_of(&bundle.answer);
    assert_eq!(told(world, request, &again).await, refused(409, "answer-replayed"));
    again["proof"] = json!(hex::encode(other.to_bytes()));
    assert_eq!(told(world, request, &again).await, refused(409, "answer-replayed"));
    // In a file it is not the proof that was recorded.
    let lenient = Strictness { production: false };
    assert!(bundle.verify(&world.genesis, lenient).is_ok());
    bundle.answer.proof = hex::encode(other.to_bytes());
    assert_eq!(bundle.verify(&world.genesis, lenient).unwrap_err().code(), "proof-record");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_one_question_or_requester_is_none_to_another() {
    let world = World::get().await;
    let citizen = world.citizen(3);
    // The same question, about the same citizen and records, by the same requester and by another one.
    for requester in ["welfare", "social-security"] {
        let first = answered(world, requester, citizen).await;
        let posed = world.pose(citizen, &ask(&citizen.subject, 2_000_000)).await;
        let request = posed.asked.request;
        let mut answer = json_of(&first.bundle.answer);
        assert_eq!(told(world, request, &answer).await, refused(422, "answer-other-request"));
        answer["request"] = json!(request);
        assert_eq!(told(world, request, &answer).await, refused(422, "consent-signature"));
        // With the citizen's signature under the new question it is the proof that does not fit.
        answer["evidence"]["signature"] = json!(citizen.key.consent(&posed.question));
        assert_eq!(told(world, request, &answer).await, refused(422, "proof-invalid"));
        // The same points in other places prove nothing either.
        let proof = first.bundle.answer.proof.clone();
        answer["proof"] = json!(format!("{}{}{}", &proof[192..], &proof[64..192], &proof[..64]));
        assert_eq!(told(world, request, &answer).await, refused(422, "proof-invalid"));

        world.consent(citizen, &posed, random_digest()).await;
        assert_eq!(world.outcome(&request).await.status, AskedStatus::Verified);
        assert_ne!(first.posed.asked.request, request);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_from_the_datasets_own_and_current_root() {
    let world = World::get().await;
    let citizen = world.citizen(3);
    let Answered { bundle, .. } = answered(world, "welfare", citizen).await;
    let posed = world.pose(citizen, &ask(&citizen.subject, 2_000_000)).await;
    let request = posed.asked.request;
    let mut answer = json_of(&bundle.answer);
    answer["request"] = json!(request);
    for department in ["welfare", "social-security", "civil-registry"] {
        answer["records"] = json!(current_records(world, department).await);
        let told = told(world, request, &answer).await;
        assert_eq!(told, refused(422, "records-other-dataset"), "{department}");
    }
    // Each citizen's new key was a new root, and this network grants no grace.
    let own = records_entries(world, "tax").await;
    assert!(own.len() > 1);
    for superseded in &own[..own.len() - 1] {
        answer["records"] = json!(superseded);
        assert_eq!(told(world, request, &answer).await, refused(422, "records-stale"));
    }
    answer["records"] = json!(own.last());
    assert_eq!(told(world, request, &answer).await, refused(422, "consent-signature"));

    world.consent(citizen, &posed, random_digest()).await;
    assert_eq!(world.outcome(&request).await.status, AskedStatus::Verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_and_the_same_plus_the_modulus_are_two_texts_and_one_is_refused() {
    let world = World::get().await;
    let citizen = world.citizen(0);
    let Answered { bundle, .. } = answered(world, "welfare", citizen).await;
    let posed = world.pose(citizen, &ask(&citizen.subject, 2_000_000)).await;
    let request = posed.asked.request;
    let mut answer = json_of(&bundle.answer);
    answer["request"] = json!(request);
    let good = answer["evidence"].clone();

    let commitment = good["commitment"].as_str().unwrap();
    answer["evidence"]["commitment"] = json!(aliased(commitment));
    assert_eq!(told(world, request, &answer).await, refused(422, "answer-encoding"));
    answer["evidence"]["commitment"] = json!(SCALAR_FIELD_ORDER);
    assert_eq!(told(world, request, &answer).await, refused(422, "answer-encoding"));
    answer["evidence"] = good.clone();

    // A path is its index, 4 bytes, and siblings of 32.
    let path = good["path"].as_str().unwrap();
    for sibling in [0, 1, 6, 7, 76] {
        let at = 8 + sibling * 64;
        let aliased = aliased(&path[at..at + 64]);
        answer["evidence"]["path"] = json!(format!("{}{aliased}{}", &path[..at], &path[at + 64..]));
        let told = told(world, request, &answer).await;
        assert_eq!(told, refused(422, "evidence-malformed"), "sibling {sibling}");
    }
    answer["evidence"] = good;
    assert_eq!(told(world, request, &answer).await, refused(422, "consent-signature"));

    let asked = world.network.system("welfare").ask(&ask_anybody(), None).await.unwrap();
    answer["request"] = json!(asked.request);
    answer["evidence"] = json!({"circuit": "pseudonymous/v1", "pseudonym": SCALAR_FIELD_ORDER});
    assert_eq!(told(world, asked.request, &answer).await, refused(422, "answer-encoding"));

    world.consent(citizen, &posed, random_digest()).await;
    assert_eq!(world.outcome(&request).await.status, AskedStatus::Verified);
}
