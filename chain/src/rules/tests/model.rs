//! The rules again, as naively as they can be put: each entry is judged by reading the list of all entries
//! before it. The state machine must agree on every sequence.

use proptest::prelude::*;

use super::*;

/// An accepted entry: id, author, block time and content.
type Line = (EntryId, usize, u64, Content);

const DEPARTMENTS: usize = 4;
/// The kinds that are tried, with weights: what comes late in an exchange more often, so that some
/// sequences get there.
const KINDS: [(u32, Kind); 11] = [
    (1, Kind::Circuit),
    (1, Kind::Approval),
    (1, Kind::Service),
    (1, Kind::ConsentKey),
    (3, Kind::Records),
    (2, Kind::Request),
    (2, Kind::Consent),
    (1, Kind::Withdrawal),
    (4, Kind::Proof),
    (3, Kind::PayloadSent),
    (3, Kind::PayloadReceived),
];
const GRACE: u64 = 10;

#[derive(Default)]
struct Model {
    lines: Vec<Line>,
}

impl Model {
    fn find(&self, id: EntryId) -> Option<&Line> {
        self.lines.iter().find(|line| line.0 == id)
    }

    fn any(&self, matches: impl Fn(&Line) -> bool) -> bool {
        self.lines.iter().any(matches)
    }

    /// The first service of the chain of replacements that `service` is in.
    fn dataset(&self, service: EntryId) -> Option<EntryId> {
        match self.find(service)?.3 {
            Content::Service { replaces: None, .. } => Some(service),
            Content::Service { replaces: Some(replaced), .. } => self.dataset(replaced),
            _ => None,
        }
    }

    fn is_replaced(&self, service: EntryId) -> bool {
        self.any(|line| match line.3 {
            Content::Service { replaces, .. } | Content::ConsentKey { replaces, .. } => {
                replaces == Some(service)
            }
            _ => false,
        })
    }

    fn has_answered(&self, author: usize, asked: EntryId) -> bool {
        let to = |line: &Line| matches!(line.3, Content::Proof { request, .. } if request == asked);
        self.any(|line| line.1 == author && to(line))
    }

    /// Whoever recorded `proof`, and whoever asked the request that it is to.
    fn parties(&self, proof: EntryId) -> Option<[usize; 2]> {
        let (_, issuer, _, Content::Proof { request, .. }) = self.find(proof)? else { return None };
        Some([*issuer, self.find(*request)?.1])
    }

    fn is_withdrawn(&self, given: EntryId) -> bool {
        self.any(|line| matches!(line.3, Content::Withdrawal { consent, .. } if consent == given))
    }

    fn current_records(&self, dataset: EntryId) -> Option<EntryId> {
        let of = |line: &&Line| matches!(line.3, Content::Records { service, .. } if self.dataset(service) == Some(dataset));
        self.lines.iter().rev().find(of).map(|line| line.0)
    }

    fn is_in_grace(&self, old: EntryId, now: u64) -> bool {
        let replaces = |line: &&Line| matches!(line.3, Content::Records { previous, .. } if previous == Some(old));
        self.lines.iter().find(replaces).is_none_or(|line| now - line.2 < GRACE)
    }

    fn is_allowed(&self, author: usize, now: u64, content: &Content) -> Option<()> {
        let when = |condition: bool| condition.then_some(());
        match *content {
            Content::Request { request: digest } => {
                when(!self.any(|line| line.3 == Content::Request { request: digest }))
            }
            Content::Circuit { .. } => Some(()),
            Content::Approval { entry } => {
                when(matches!(self.find(entry)?.3, Content::Circuit { .. }))
            }
            Content::Service { replaces: None, .. } => Some(()),
            Content::Service { replaces: Some(replaced), .. } => {
                self.dataset(replaced)?;
                when(self.find(replaced)?.1 == author && !self.is_replaced(replaced))
            }
            Content::ConsentKey { card, replaces } => {
                let same = |line: &Line| matches!(line.3, Content::ConsentKey { card: other, .. } if other == card);
                when(author == 0 && !self.any(same))?;
                let Some(replaced) = replaces else { return Some(()) };
                let old = self.find(replaced)?;
                when(matches!(old.3, Content::ConsentKey { .. }) && !self.is_replaced(replaced))
            }
            Content::Records { service, previous, .. } => {
                let dataset = self.dataset(service)?;
                when(self.find(service)?.1 == author && !self.is_replaced(service))?;
                when(self.current_records(dataset) == previous)
            }
            Content::Consent { request, .. } => {
                let known = matches!(self.find(request)?.3, Content::Request { .. });
                let same = |line: &Line| {
                    line.1 == author
                        && matches!(line.3, Content::Consent { request: asked, .. } if asked == request)
                };
                when(known && !self.has_answered(author, request) && !self.any(same))
            }
            Content::Withdrawal { w, consent } => {
                let Content::Consent { lock, .. } = self.find(consent)?.3 else { return None };
                when(lock == withdrawal_lock(&w) && !self.is_withdrawn(consent))
            }
            Content::Proof { request, basis, records, .. } => {
                let known = matches!(self.find(request)?.3, Content::Request { .. });
                when(known && !self.has_answered(author, request))?;
                let (_, issuer, _, about) = self.find(records)?;
                let Content::Records { service: published, .. } = about else { return None };
                when(*issuer == author && self.is_in_grace(records, now))?;
                let (_, grantor, _, ground) = self.find(basis)?;
                match ground {
                    Content::Consent { request: asked, .. } => {
                        when(*asked == request && *grantor == author && !self.is_withdrawn(basis))
                    }
                    Content::Service { .. } => {
                        let same = self.dataset(basis) == self.dataset(*published);
                        when(*grantor == author && same && !self.is_replaced(basis))
                    }
                    _ => None,
                }
            }
            Content::PayloadSent { proof, .. } => when(self.parties(proof)?.contains(&author)),
            Content::PayloadReceived { commitment, sent } => {
                let (_, sender, _, content) = self.find(sent)?;
                let Content::PayloadSent { commitment: other, proof } = content else {
                    return None;
                };
                let [issuer, requester] = self.parties(*proof)?;
                let recipient = if *sender == requester { issuer } else { requester };
                let again = |line: &Line| matches!(line.3, Content::PayloadReceived { sent: other, .. } if other == sent);
                when(author == recipient && *other == commitment && !self.any(again))
            }
            Content::Department { .. } | Content::Validators { .. } => None,
        }
    }
}

/// One attempt: who, what, which of the earlier entries it refers to, and how much later.
#[derive(Clone, Debug)]
struct Attempt {
    kind: Kind,
    author: usize,
    name: u8,
    references: [prop::sample::Index; 3],
    replaces: bool,
    /// Where the author's own entries are meant, refers to those.
    own: bool,
    later: u64,
}

fn arb_attempt() -> impl Strategy<Value = Attempt> {
    let references = any::<[prop::sample::Index; 3]>();
    let flags = (any::<bool>(), prop::bool::weighted(0.8));
    let kind = KINDS.map(|(weight, kind)| (weight, Just(kind)));
    let kind = prop::strategy::Union::new_weighted(kind.to_vec());
    (kind, 0..DEPARTMENTS, 0_u8..6, references, flags, 0_u64..4).prop_map(
        |(kind, author, name, references, (replaces, own), later)| Attempt {
            kind,
            author,
            name,
            references,
            replaces,
            own,
            later,
        },
    )
}

/// An earlier entry of `kinds`, by `author` if one is given, or now and then any entry, or none at all.
fn refer(
    model: &Model,
    index: &prop::sample::Index,
    kinds: &[Kind],
    author: Option<usize>,
) -> EntryId {
    let fits = |line: &&Line| {
        kinds.contains(&line.3.kind()) && author.is_none_or(|author| author == line.1)
    };
    let fitting: Vec<_> = model.lines.iter().filter(fits).collect();
    let place = index.index(fitting.len() * 8 + 2);
    let any = model.lines.get(place % model.lines.len().max(1)).map(|line| line.0);
    match place {
        0 => unknown(),
        1 => any.unwrap_or_else(unknown),
        _ => fitting[(place - 2) % fitting.len()].0,
    }
}

fn content(model: &Model, attempt: &Attempt) -> Content {
    let digest = Digest::of(&[attempt.name]);
    let [a, b, c] = &attempt.references;
    let refer_any = |index, kinds: &[Kind]| refer(model, index, kinds, None);
    let refer_own =
        |index, kinds: &[Kind]| refer(model, index, kinds, attempt.own.then_some(attempt.author));
    let replaces = |kind| attempt.replaces.then(|| refer_own(a, &[kind]));
    match attempt.kind {
        Kind::Circuit => Content::Circuit { document: *Network::document("d").digest() },
        Kind::Approval => Content::Approval { entry: refer_any(a, &[Kind::Circuit]) },
        Kind::Service => Content::Service {
            document: *Network::document("d").digest(),
            replaces: replaces(Kind::Service),
        },
        Kind::ConsentKey => {
            Content::ConsentKey { card: digest, replaces: replaces(Kind::ConsentKey) }
        }
        Kind::Records => Content::Records {
            root: digest,
            service: refer_own(b, &[Kind::Service]),
            previous: replaces(Kind::Records),
        },
        Kind::Request => Content::Request { request: digest },
        Kind::Consent => Content::Consent {
            record: digest,
            lock: withdrawal_lock(&Digest::of(&[attempt.name % 2])),
            request: refer_any(a, &[Kind::Request]),
        },
        Kind::Withdrawal => Content::Withdrawal {
            w: Digest::of(&[attempt.name % 2]),
            consent: refer_any(a, &[Kind::Consent]),
        },
        Kind::Proof => Content::Proof {
            record: digest,
            request: refer_any(a, &[Kind::Request]),
            basis: refer_own(b, &[Kind::Consent, Kind::Service]),
            records: refer_own(c, &[Kind::Records]),
        },
        Kind::PayloadSent => Content::PayloadSent {
            commitment: Digest::of(&[attempt.name % 2]),
            proof: refer_any(a, &[Kind::Proof]),
        },
        _ => Content::PayloadReceived {
            commitment: Digest::of(&[attempt.name % 2]),
            sent: refer_any(a, &[Kind::PayloadSent]),
        },
    }
}

/// Runs the attempts on both; returns what was accepted, and how many of each kind.
fn run(attempts: &[Attempt]) -> (Model, [u64; Kind::ALL.len()]) {
    let mut world = World::new();
    let mut model = Model::default();
    let document = Network::document("d");
    for attempt in attempts {
        world.time += attempt.later;
        let content = content(&model, attempt);
        let entry = world.network.entry(attempt.author, content);
        let id = entry.id(world.network.genesis().network());
        let document = entry.kind().has_document().then_some(&document);
        let expected = model.find(id).is_none()
            && model.is_allowed(attempt.author, world.time, &content).is_some();
        let got = world.submit(&entry, document);
        assert_eq!(got.is_ok(), expected, "{content:?} by {}: {got:?}", attempt.author);
        if expected {
            model.lines.push((id, attempt.author, world.time, content));
        }
    }
    (model, world.state.counts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_state_machine_agrees_with_reading_the_list(
        attempts in prop::collection::vec(arb_attempt(), 1..160)
    ) {
        run(&attempts);
    }
}

#[test]
fn random_sequences_reach_every_kind_that_they_try() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut reached = [0; Kind::ALL.len()];
    let mut answered_twice = 0;
    for _ in 0..24 {
        let strategy = prop::collection::vec(arb_attempt(), 200);
        let attempts = strategy.new_tree(&mut runner).unwrap().current();
        let (model, counts) = run(&attempts);
        for (sum, count) in reached.iter_mut().zip(counts) {
            *sum += count;
        }
        let authors = |asked| (0..DEPARTMENTS).filter(|it| model.has_answered(*it, asked)).count();
        answered_twice += model.lines.iter().filter(|line| authors(line.0) > 1).count();
    }
    assert!(answered_twice > 0, "some request is answered by two authors");
    for (kind, count) in Kind::ALL.iter().zip(reached) {
        let tried = !matches!(kind, Kind::Department | Kind::Validators);
        assert_eq!(count > 0, tried, "{kind}: {count}");
    }
}
