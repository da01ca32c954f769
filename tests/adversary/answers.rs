//! Answers of a dishonest issuer, and of somebody who is none.

use std::time::Duration;

use crypto::{Digest, canonical};
use gateway::http::local::AskedStatus;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::proofs::malformed;
use crate::records::last_records;
use crate::world::{Posed, World, ask, ask_anybody, random_digest, refused};

/// An answer that tax made up: everything in it is of the right form and nothing is true.
async fn invented(world: &World, posed: &Posed, members: Value) -> Vec<u8> {
    let mut answer = json!({
        "version": 1, "request": posed.asked.request, "proof": generators(),
        "key": approved_key(world, "identified/v1").await, "records": "11".repeat(32),
        "evidence": {
            "circuit": "identified/v1", "commitment": "02".repeat(32), "path": "00",
            "signature": "00".repeat(96),
        },
        "consent_entry": "22".repeat(32), "proof_entry": "33".repeat(32),
        "proof_salt": "44".repeat(32),
    });
    for (member, value) in members.as_object().unwrap() {
        answer[member] = value.clone();
    }
    canonical::to_vec(&answer).unwrap()
}

/// A well-formed proof of nothing: the groups' generators (EIP-197), x alone and little-endian.
pub(crate) fn generators() -> String {
    let first = format!("01{}", "00".repeat(31));
    let second = concat!(
        "edf692d95cbdde46ddda5ef7d422436779445c5e66006a42761e1f12efde0018",
        "c212f3aeb785e49712e7a9353349aaf1255dfb31b7bf60723a480d9293938e19",
    );
    format!("{first}{second}{first}")
}

async fn approved_key(world: &World, circuit: &str) -> Value {
    let circuits = world.network.json("/v1/circuits").await;
    let mut approved =
        circuits.as_array().unwrap().iter().filter(|it| it["approved"] == json!(true));
    approved.find(|it| it["circuit"] == json!(circuit)).unwrap()["key"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_issuer_answers_and_only_what_it_was_asked() {
    let world = World::get().await;
    let citizen = world.citizen(0);
    let posed = world.pose(citizen, &ask(&citizen.subject, 2_000_000)).await;
    let request = posed.asked.request;
    let other = world.pose(citizen, &ask(&citizen.subject, 2_100_000)).await;
    let (tax, thief) = (world.insider("tax"), world.insider("social-security"));
    let answer = invented(world, &posed, json!({})).await;

    let stolen = world.send_answer(&thief, request, &answer).await.unwrap_err();
    assert_eq!(stolen, refused(422, "answer-other-request"));
    let unasked = world.send_answer(&tax, random_digest(), &answer).await.unwrap_err();
    assert_eq!(unasked, refused(422, "answer-other-request"));
    let elsewhere = world.send_answer(&tax, other.asked.request, &answer).await.unwrap_err();
    assert_eq!(elsewhere, refused(422, "answer-other-request"));
    // From the issuer to this question it is looked at, and nothing in it holds.
    let looked_at = world.send_answer(&tax, request, &answer).await.unwrap_err();
    assert_eq!(looked_at, refused(422, "records-other-dataset"));

    world.consent(citizen, &posed, random_digest()).await;
    assert_eq!(world.outcome(&request).await.status, AskedStatus::Verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invented_answer_is_not_believed_and_does_not_keep_the_honest_one_out() {
    let world = World::get().await;
    let citizen = world.citizen(0);
    let posed = world.pose(citizen, &ask(&citizen.subject, 2_000_000)).await;
    let request = posed.asked.request;
    let tax = world.insider("tax");
    let send =
        async |plaintext: &[u8]| world.send_answer(&tax, request, plaintext).await.unwrap_err();
    let good = String::from_utf8(invented(world, &posed, json!({})).await).unwrap();
    let subject = format!("{{\"subject\":{}}}", citizen.subject);
    for garbage in ["", "{}", "null", &good[1..], &format!("{good} "), &subject, &"[".repeat(9_000)]
    {
        assert_eq!(send(garbage.as_bytes()).await, refused(422, "answer-encoding"), "{garbage}");
    }
    let pseudonymous = approved_key(world, "pseudonymous/v1").await;
    let evidence = json!({"circuit": "pseudonymous/v1", "pseudonym": "02".repeat(32)});
    let faults = [
        (json!({"version": 2}), "answer-version"),
        (json!({"request": "66".repeat(32)}), "answer-other-request"),
        (json!({"key": "77".repeat(32)}), "key-unknown"),
        (json!({"key": pseudonymous}), "key-other-circuit"),
        (json!({"records": posed.asked.entry}), "records-other-dataset"),
    ];
    for (members, code) in faults {
        let answer = invented(world, &posed, members.clone()).await;
        assert_eq!(send(&answer).await, refused(422, code), "{members}");
        // Who asked sees that, and that the question is open.
        let shown = world.network.system("welfare").asked(&request, Duration::ZERO).await.unwrap();
        assert_eq!((shown.status, shown.rejected.as_deref()), (AskedStatus::Sent, Some(code)));
    }
    let records = current_records(world, "tax").await;
    let foreign = current_records(world, "welfare").await;
    let signed = |signature: Value| json!({"circuit": "identified/v1", "commitment": "02".repeat(32), "path": "00", "signature": signature});
    let faults = [
        (json!({"records": foreign}), "records-other-dataset"),
        (json!({"records": records, "evidence": evidence}), "evidence-kind"),
        (json!({"records": records, "evidence": signed(json!("00"))}), "evidence-malformed"),
    ];
    for (members, code) in faults {
        let answer = invented(world, &posed, members.clone()).await;
        assert_eq!(send(&answer).await, refused(422, code), "{members}");
    }
    // Welfare's system is told nothing yet: a good answer can still come, and it does.
    let asked = world.network.system("welfare").asked(&request, std::time::Duration::ZERO).await;
    assert_eq!(asked.unwrap().status, AskedStatus::Sent);
    world.consent(citizen, &posed, random_digest()).await;
    assert_eq!(world.outcome(&request).await.status, AskedStatus::Verified);
    // Whatever comes now is too late, be it good or bad.
    let again = invented(world, &posed, json!({"records": records})).await;
    assert_eq!(send(&again).await, refused(409, "answer-replayed"));
    assert_eq!(send(b"{}").await, refused(409, "answer-replayed"));
    assert_eq!(world.outcome(&request).await.status, AskedStatus::Verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pseudonym_needs_a_proof() {
    let world = World::get().await;
    let asked = world.network.system("welfare").ask(&ask_anybody(), None).await.unwrap();
    let offer = world.network.system("welfare").offer(&asked.request).await.unwrap();
    let tax = world.insider("tax");
    let key = approved_key(world, "pseudonymous/v1").await;
    let answer = |proof: &str, records: &Digest| {
        let answer = json!({
            "version": 1, "request": asked.request, "proof": proof, "key": key, "records": records,
            "evidence": {"circuit": "pseudonymous/v1", "pseudonym": "02".repeat(32)},
            "consent_entry": "22".repeat(32), "proof_entry": "33".repeat(32),
            "proof_salt": "44".repeat(32),
        });
        canonical::to_vec(&answer).unwrap()
    };
    let records = current_records(world, "tax").await;
    let mut faults = malformed();
    faults.extend([
        ("nothing", String::new(), "proof-encoding"),
        ("no digits", "zz".to_owned(), "evidence-malformed"),
        ("a number beyond every modulus", "ff".repeat(128), "proof-encoding"),
    ]);
    for (fault, proof, code) in faults {
        let told = world.send_answer(&tax, asked.request, &answer(&proof, &records)).await;
        assert_eq!(told.unwrap_err(), refused(422, code), "{fault}: {proof}");
    }
    // A citizen takes the offer up, and the same question is answered.
    let citizen = world.citizen(0);
    let (question, offer) = crate::citizens::offered(&offer);
    let taken = crate::citizens::take(world, citizen, offer, citizen.key.consent(&question)).await;
    taken.unwrap();
    let end = world.outcome(&asked.request).await;
    assert_eq!(end.status, AskedStatus::Verified);
    assert!(end.pseudonym.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_after_the_questions_time_does_not_count() {
    let world = World::get().await;
    let citizen = world.citizen(0);
    let mut brief = ask(&citizen.subject, 2_000_000);
    brief.expires_in = 6;
    let posed = world.pose(citizen, &brief).await;
    let answer = invented(world, &posed, json!({})).await;
    assert_eq!(world.outcome(&posed.asked.request).await.status, AskedStatus::NotProven);
    let late = world.send_answer(&world.insider("tax"), posed.asked.request, &answer).await;
    assert_eq!(late.unwrap_err(), refused(410, "answer-expired"));
}

/// The newest `records` entry of a department, which everybody can read off the chain.
pub(crate) async fn current_records(world: &World, department: &str) -> Digest {
    let entries = records_entries(world, department).await;
    *entries.last().unwrap_or_else(|| panic!("{department} has published no records"))
}

/// The newest `records` entry of a department in each block that has one.
pub(crate) async fn records_entries(world: &World, department: &str) -> Vec<Digest> {
    let tip = world.network.json("/v1/chain/tip").await["height"].as_u64().unwrap();
    let mut entries = Vec::new();
    for height in 1..=tip {
        let (_, bytes) = world.network.get(&format!("/v1/chain/blocks/{height}")).await;
        entries.extend(last_records(&bytes, department, world.genesis.network()));
    }
    entries
}

/// A body that is no sealed answer at all.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_sealed() {
    let world = World::get().await;
    let tax = world.insider("tax");
    let call = gateway::http::peer::PeerCall::Answer;
    for (bytes, code) in [(&b""[..], "envelope-truncated"), (&[0; 400], "envelope-header")] {
        let told = world.call(&tax, "welfare", &call, Bytes::copy_from_slice(bytes)).await;
        assert_eq!(told.unwrap_err(), refused(422, code));
    }
}
