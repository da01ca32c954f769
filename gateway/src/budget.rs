//! The inference budget: twenty free questions `income >= t` would reveal the income.
//!
//! Every asked condition is normalised to probes: cut points and set elements of a datum, whatever
//! its spelling. Distinct probes are counted per (requester, subject, datum) and, over all
//! requesters, per (subject, datum). They are charged when a request arrives, before any look-up and
//! for unknown subjects too, so that the budget itself tells nobody who is on record.
//!
//! This file is the arithmetic. Where the accounts are kept is the caller's.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A cut point or a set element of a datum, encoded so that equal questions are equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProbeCode(pub String);

/// The distinct probes asked so far of one datum of one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Account(BTreeSet<ProbeCode>);

/// A charge that would exceed a limit. Nothing was charged.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{asked} distinct probes would exceed the limit of {limit}")]
pub struct Exceeded {
    /// Distinct probes with the new ones.
    pub asked: usize,
    /// The limit.
    pub limit: u32,
}

impl Account {
    /// The account with `probes` added; asking again what was asked before is free.
    ///
    /// # Errors
    /// [`Exceeded`] if there would be more than `limit` distinct ones.
    pub fn charged<'p>(
        &self,
        probes: impl IntoIterator<Item = &'p ProbeCode>,
        limit: u32,
    ) -> Result<Self, Exceeded> {
        let mut all = self.0.clone();
        all.extend(probes.into_iter().cloned());
        let within = u32::try_from(all.len()).is_ok_and(|asked| asked <= limit);
        // A question that was within the limit when it was asked stays free if the limit shrinks.
        if within || all.len() == self.0.len() {
            Ok(Self(all))
        } else {
            Err(Exceeded { asked: all.len(), limit })
        }
    }

    /// How many distinct probes were asked.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn codes(texts: &[&str]) -> Vec<ProbeCode> {
        texts.iter().map(|text| ProbeCode((*text).to_owned())).collect()
    }

    #[test]
    fn distinct_probes_are_charged_and_repeats_are_free() {
        let account = Account::default().charged(&codes(&["<100", "<200"]), 2).unwrap();
        assert_eq!(account.len(), 2);
        let again = account.charged(&codes(&["<200", "<100"]), 2).unwrap();
        assert_eq!(again, account);
        assert_eq!(account.charged(&codes(&["<150"]), 2), Err(Exceeded { asked: 3, limit: 2 }));
        assert_eq!(account.charged(&codes(&["<150"]), 3).unwrap().len(), 3);
    }

    #[test]
    fn a_smaller_limit_does_not_charge_for_what_was_answered() {
        let account = Account::default().charged(&codes(&["a", "b", "c"]), 3).unwrap();
        assert_eq!(account.charged(&codes(&["b"]), 1), Ok(account.clone()));
        assert!(account.charged(&codes(&["d"]), 1).is_err());
    }

    #[test]
    fn twenty_questions_do_not_find_an_income() {
        // A binary search over 2^20 values needs twenty cuts; five are granted.
        let income: u64 = 713_402;
        let (mut low, mut high) = (0u64, 1 << 20);
        let mut account = Account::default();
        while high - low > 1 {
            let cut = low.midpoint(high);
            match account.charged(&codes(&[&format!("<{cut}")]), 5) {
                Ok(charged) => account = charged,
                Err(_) => break,
            }
            if income < cut { high = cut } else { low = cut }
        }
        assert_eq!(account.len(), 5);
        assert_eq!(high - low, (1 << 20) >> 5);
    }

    proptest! {
        #[test]
        fn order_and_grouping_do_not_matter(
            batches in prop::collection::vec(prop::collection::vec("[a-e]", 0..4), 0..6),
        ) {
            let all: Vec<String> = batches.concat();
            let texts: Vec<&str> = all.iter().map(String::as_str).collect();
            let at_once = Account::default().charged(&codes(&texts), 5).unwrap();
            let mut one_by_one = Account::default();
            for text in texts.iter().rev() {
                one_by_one = one_by_one.charged(&codes(&[text]), 5).unwrap();
            }
            prop_assert_eq!(at_once, one_by_one);
        }
    }
}
