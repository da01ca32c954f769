//! The receipts that a requester has with a verified answer.

use chain::block::Header;
use chain::entry::Kind;
use chain::identifier::{EntryId, NetworkId};
use chain::receipt::Receipt;
use chain::time::Timestamp;

use super::*;

impl Network {
    async fn receipts(&self, entries: &[EntryId]) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for entry in entries {
            receipts.push(self.shared.ledger.receipt(*entry).await.unwrap().unwrap());
        }
        receipts
    }
}

fn kinds(receipts: &[Receipt]) -> Vec<Kind> {
    receipts.iter().map(|receipt| receipt.entry.kind()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_answer_comes_with_the_receipts_of_all_that_it_rests_on() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    assert_eq!(asked.receipts, []);
    let asked = network.answer("tax", &citizen, &asked).await;
    let receipts = network.receipts(&asked.receipts).await;
    let expected = [Kind::Request, Kind::Consent, Kind::Records, Kind::Circuit, Kind::Proof];
    assert_eq!(kinds(&receipts), expected);
    let answer = asked.answer.unwrap();
    assert_eq!(asked.receipts[0], asked.entry.unwrap());
    assert_eq!([asked.receipts[2], asked.receipts[4]], [answer.records, answer.proof_entry]);
    for (id, receipt) in asked.receipts.iter().zip(receipts) {
        // As whoever files it checks it: from its bytes, with the genesis alone.
        let filed = Receipt::from_slice(&receipt.to_vec()).unwrap();
        let shown = filed.verify(&network.shared.genesis).unwrap();
        assert_eq!((shown.id, shown.single_operator), (*id, true));
    }
    assert!(answer.notes.contains(&Note::SingleOperator));

    let law = json!({"kind": "statutory", "reference": "Benefits Act, s. 12"});
    let asked = network.ask(ask(|ask| ask["legal_basis"] = law)).await.unwrap();
    network.department("tax").advance(&asked.request, &network.peers).await.unwrap();
    let asked = network.status(&asked).await;
    let receipts = network.receipts(&asked.receipts).await;
    let expected = [Kind::Request, Kind::Service, Kind::Records, Kind::Circuit, Kind::Proof];
    assert_eq!(kinds(&receipts), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_receipts_do_not_hold_is_not_believed() {
    let mut network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let held = network.held(&citizen, &asked.request).await;
    let faulty = network.faulty();
    network.start("welfare");
    let circuits = network.department("welfare").circuits().await.unwrap();
    let circuit = {
        let replica = network.shared.ledger.snapshot();
        *replica.state().approved_circuit(&circuits[&held.key].digest()).unwrap()
    };
    let rests_on = [
        asked.entry.unwrap(),
        held.consent_entry.unwrap(),
        held.records,
        circuit,
        held.proof_entry,
    ];
    let receipts = network.receipts(&rests_on).await;
    let bytes = crypto::canonical::to_vec(&held).unwrap();
    let verify = async |entry: usize, forged: Option<Receipt>| {
        *faulty.forged.lock().unwrap() = Some((rests_on[entry], forged));
        let welfare = network.department("welfare");
        welfare.receive_answer(&id("tax"), &asked.request, &bytes).await.unwrap()
    };

    for (place, good) in receipts.iter().enumerate() {
        let other = &receipts[(place + 1) % receipts.len()];
        assert_eq!(verify(place, None).await.unwrap_err().code(), "receipt-missing");
        let swapped = verify(place, Some(other.clone())).await;
        assert_eq!(swapped.unwrap_err().code(), "receipt-other-entry");
        type Change<'a> = &'a dyn Fn(&mut Receipt);
        let header = |change: fn(&mut Header)| {
            move |receipt: &mut Receipt| change(&mut receipt.header.header)
        };
        let changes: [(&str, Change<'_>); 7] = [
            ("receipt-inclusion", &|receipt| receipt.entry = other.entry),
            ("receipt-inclusion", &|receipt| receipt.inclusion = other.inclusion.clone()),
            ("receipt-not-in-block", &|receipt| receipt.index = receipt.header.header.log_size),
            ("receipt-certificate", &|receipt| {
                receipt.header.certificate = other.header.certificate.clone();
            }),
            (
                "receipt-certificate",
                &header(|header| header.time = Timestamp::from_unix_seconds(NOON + 1)),
            ),
            (
                "receipt-network",
                &header(|header| {
                    header.network = NetworkId::from_digest(Digest::of(b"another network"));
                }),
            ),
            (
                "receipt-validators",
                &header(|header| header.validators = Digest::of(b"another set")),
            ),
        ];
        for (expected, change) in changes {
            let mut forged = good.clone();
            change(&mut forged);
            let refused = verify(place, Some(forged)).await.unwrap_err();
            assert_eq!(refused.code(), expected, "{}", good.entry.kind());
        }
    }
    assert_eq!(network.status(&asked).await.status, Status::Sent);

    let proof = receipts.len() - 1;
    assert_eq!(verify(proof, Some(receipts[proof].clone())).await, Ok(()));
    let asked = network.status(&asked).await;
    assert_eq!((asked.status, asked.receipts), (Status::Verified, rests_on.to_vec()));
}
