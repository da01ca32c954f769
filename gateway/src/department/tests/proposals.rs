//! What departments approve, as it is listed.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_replaced_is_listed_as_that() {
    let network = Network::bare(0);
    let welfare = network.department("welfare");
    let mut moved = Vec::new();
    for url in ["https://one.example", "https://two.example"] {
        let mut changed = network::document("tax");
        changed.url = url.parse().unwrap();
        let entry = welfare.propose_department(&changed).await.unwrap();
        let listed = welfare.proposals().await.unwrap();
        let open = listed.iter().find(|it| it.entry == entry).unwrap();
        assert!(open.replaces && open.about.as_ref().unwrap().contains("in the place of "));
        for name in DEPARTMENTS {
            network.department(name).approve(entry).await.unwrap();
        }
        moved.push(entry);
    }
    let listed = welfare.proposals().await.unwrap();
    let [first, second] = [moved[0], moved[1]].map(|entry| {
        let found = listed.iter().find(|it| it.entry == entry).unwrap();
        assert!(found.approved && !found.replaces);
        found.about.clone().unwrap()
    });
    assert!(first.starts_with("tax at https://one.example"), "{first}");
    assert!(first.contains(", which https://two.example"), "{first}");
    assert!(second.starts_with("tax at https://two.example"), "{second}");
    assert!(!second.contains(", "), "{second}");
}
