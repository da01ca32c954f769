//! How much issuers take, by their own word, and the questions that wait for them.
//!
//! A question is on the chain before it reaches its issuer. If the issuer were full then, the question would
//! lie there, and whoever asked would wait with it. So with every question that an issuer takes it says how
//! many more it would take, and a question for which it has no place is refused before it is written down:
//! the system that asks hears of it at once and has lost nothing.
//!
//! The word may be wrong by the time it is used: others ask too. A question that was recorded and finds its
//! issuer full waits and is brought again, before any new one, when the issuer said.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use chain::identifier::DepartmentId;
use crypto::Digest;

/// Seconds for which an issuer's word counts.
const FRESH: u64 = 1;
/// Seconds after which it says nothing any more.
const FORGOTTEN: u64 = 60;

/// How much every issuer takes.
#[derive(Debug)]
pub(super) struct Openings {
    /// What is expected of an issuer that has not said anything: as much as this gateway would take up.
    blind: usize,
    issuers: Mutex<HashMap<DepartmentId, Opening>>,
}

/// How much one issuer takes.
#[derive(Debug, Default)]
struct Opening {
    /// Its free places by its last word, and those that answers have given back since.
    places: usize,
    /// The last Unix second for which that counts; 0 if it has said nothing.
    until: u64,
    /// Questions that are being brought to it.
    turns: usize,
    /// Recorded questions that it had no place for.
    waiting: VecDeque<Digest>,
}

impl Opening {
    /// Questions that may be brought to it at once.
    fn expected(&self, blind: usize, now: u64) -> usize {
        if now <= self.until {
            self.places
        } else if now <= self.until.saturating_add(FORGOTTEN) {
            // It may have places again, and says so if somebody asks.
            self.places.max(1)
        } else {
            blind
        }
    }
}

/// A question that is being brought to its issuer, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    openings: Arc<Openings>,
    issuer: DepartmentId,
}

impl Openings {
    /// `blind` is expected of an issuer that has not said anything.
    pub(super) fn new(blind: usize) -> Self {
        Self { blind, issuers: Mutex::default() }
    }

    fn issuers(&self) -> MutexGuard<'_, HashMap<DepartmentId, Opening>> {
        self.issuers.lock().expect("counting does not panic")
    }

    /// Permission to bring a new question to an issuer, unless it is expected to be full.
    pub(super) fn turn(self: &Arc<Self>, issuer: &DepartmentId, now: u64) -> Option<Turn> {
        let mut issuers = self.issuers();
        let opening = issuers.entry(*issuer).or_default();
        let is_open =
            opening.waiting.is_empty() && opening.turns < opening.expected(self.blind, now);
        is_open.then(|| {
            opening.turns += 1;
            Turn { openings: Arc::clone(self), issuer: *issuer }
        })
    }

    /// An issuer took a question and says that it has `places` left.
    pub(super) fn told(&self, issuer: &DepartmentId, places: usize, now: u64) {
        let mut issuers = self.issuers();
        let opening = issuers.entry(*issuer).or_default();
        (opening.places, opening.until) = (places, now.saturating_add(FRESH));
    }

    /// An issuer answered, and so has a place again.
    pub(super) fn answered(&self, issuer: &DepartmentId) {
        if let Some(opening) = self.issuers().get_mut(issuer) {
            opening.places = opening.places.saturating_add(1);
        }
    }

    /// An issuer had no place for a recorded question and said when to come back, in seconds.
    pub(super) fn full(&self, issuer: &DepartmentId, request: Digest, after: u64, now: u64) {
        let mut issuers = self.issuers();
        let opening = issuers.entry(*issuer).or_default();
        (opening.places, opening.until) = (0, now.saturating_add(after));
        if !opening.waiting.contains(&request) {
            opening.waiting.push_back(request);
        }
    }

    /// Whether a recorded question is to be brought again by now.
    pub(super) fn is_due(&self, now: u64) -> bool {
        self.issuers().values().any(|opening| opening.is_due(now))
    }

    /// Takes out a recorded question that is to be brought again by now.
    pub(super) fn next_due(&self, now: u64) -> Option<Digest> {
        let mut issuers = self.issuers();
        let opening = issuers.values_mut().find(|opening| opening.is_due(now))?;
        opening.waiting.pop_front()
    }
}

impl Opening {
    fn is_due(&self, now: u64) -> bool {
        !self.waiting.is_empty() && now >= self.until
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut issuers = self.openings.issuers();
        let Some(opening) = issuers.get_mut(&self.issuer) else { return };
        opening.turns -= 1;
        if (opening.turns, opening.until) == (0, 0) && opening.waiting.is_empty() {
            // It has never said anything, and perhaps there is no such department.
            issuers.remove(&self.issuer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000;

    fn openings() -> (Arc<Openings>, DepartmentId) {
        (Arc::new(Openings::new(2)), "tax".parse().unwrap())
    }

    /// How many turns an issuer gives at once.
    fn open(openings: &Arc<Openings>, issuer: &DepartmentId, now: u64) -> usize {
        let turns: Vec<_> = std::iter::from_fn(|| openings.turn(issuer, now)).collect();
        turns.len()
    }

    #[test]
    fn of_a_silent_issuer_as_much_is_expected_as_of_oneself() {
        let (openings, tax) = openings();
        assert_eq!(open(&openings, &tax, NOW), 2);
        assert!(openings.issuers().is_empty(), "nothing is kept of whoever says nothing");
        let _turn = openings.turn(&tax, NOW).unwrap();
        assert_eq!(open(&openings, &tax, NOW), 1);
    }

    #[test]
    fn an_issuers_word_counts_until_it_is_old() {
        let (openings, tax) = openings();
        openings.told(&tax, 5, NOW);
        assert_eq!(open(&openings, &tax, NOW), 5);
        openings.told(&tax, 0, NOW);
        assert_eq!(open(&openings, &tax, NOW + FRESH), 0);
        assert_eq!(open(&openings, &tax, NOW + FRESH + 1), 1, "one goes and asks");
        assert_eq!(open(&openings, &tax, NOW + FRESH + FORGOTTEN + 1), 2);
    }

    #[test]
    fn an_answer_opens_a_place() {
        let (openings, tax) = openings();
        openings.answered(&tax);
        assert!(openings.issuers().is_empty());
        openings.told(&tax, 0, NOW);
        openings.answered(&tax);
        let turn = openings.turn(&tax, NOW).unwrap();
        assert_eq!(open(&openings, &tax, NOW), 0);
        // What is on its way is not in the issuer's word yet, until it has said it of that one too.
        openings.told(&tax, 1, NOW);
        assert_eq!(open(&openings, &tax, NOW), 0);
        drop(turn);
        assert_eq!(open(&openings, &tax, NOW), 1);
    }

    #[test]
    fn what_waits_is_brought_first_and_when_the_issuer_said() {
        let (openings, tax) = openings();
        let (first, second) = (Digest::of(b"1"), Digest::of(b"2"));
        for request in [first, second, first] {
            openings.full(&tax, request, 3, NOW);
        }
        assert!(!openings.is_due(NOW + 2));
        assert_eq!(openings.next_due(NOW + 2), None);
        assert!(openings.is_due(NOW + 3));
        assert_eq!(open(&openings, &tax, NOW + 5), 0, "nothing new overtakes it");
        assert_eq!(openings.next_due(NOW + 3), Some(first));
        // It is still full: the other one need not try.
        openings.full(&tax, first, 1, NOW + 3);
        assert_eq!(openings.next_due(NOW + 3), None);
        assert_eq!(openings.next_due(NOW + 4), Some(second));
        openings.told(&tax, 1, NOW + 4);
        assert_eq!(openings.next_due(NOW + 5), Some(first));
        assert_eq!(openings.next_due(NOW + 5), None);
        assert_eq!(open(&openings, &tax, NOW + 5), 1);
    }
}
