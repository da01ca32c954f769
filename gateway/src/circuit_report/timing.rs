//! Repeated measurements of one thing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The times of some runs, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Half of the runs took no longer.
    pub median_ms: f64,
    /// A quarter and three quarters of the runs took no longer: the spread that one outlier does not change.
    pub quartiles_ms: [f64; 2],
    /// Every run, in the order they were made.
    pub samples_ms: Vec<f64>,
}

impl Timing {
    /// Of these runs.
    ///
    /// # Panics
    /// Without a run.
    pub fn of(runs: &[Duration]) -> Self {
        Self::of_each(runs, 1)
    }

    /// Of these runs, each of which did the same thing `times` times.
    ///
    /// # Panics
    /// Without a run.
    pub fn of_each(runs: &[Duration], times: u32) -> Self {
        assert!(!runs.is_empty(), "what is reported was run");
        let one = |run: &Duration| run.as_secs_f64() * 1e3 / f64::from(times);
        let samples_ms: Vec<_> = runs.iter().map(one).collect();
        let mut sorted = samples_ms.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let [low, median_ms, high] = [1, 2, 3].map(|quarter| quantile(&sorted, quarter));
        Self { median_ms, quartiles_ms: [low, high], samples_ms }
    }
}

/// The `quarter`-th quartile: linear between the two nearest of the sorted numbers.
///
/// Source: Hyndman, Fan, "Sample Quantiles in Statistical Packages", 1996, definition 7.
fn quantile(sorted: &[f64], quarter: usize) -> f64 {
    let place = (sorted.len() - 1) * quarter;
    let (index, rest) = (place / 4, place % 4);
    let weight = [0.0, 0.25, 0.5, 0.75][rest];
    let low = sorted[index];
    let high = sorted[(index + 1).min(sorted.len() - 1)];
    low + (high - low) * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(ms: &[u64]) -> Timing {
        Timing::of(&ms.iter().copied().map(Duration::from_millis).collect::<Vec<_>>())
    }

    #[test]
    fn median_and_quartiles_are_those_of_the_sorted_runs() {
        let five = timing(&[50, 10, 40, 20, 30]);
        assert_eq!((five.median_ms, five.quartiles_ms), (30.0, [20.0, 40.0]));
        assert_eq!(five.samples_ms, [50.0, 10.0, 40.0, 20.0, 30.0]);
        // 10 20 30 40: R's quantile(type = 7) says 17.5, 25, 32.5.
        let four = timing(&[40, 30, 20, 10]);
        assert_eq!((four.median_ms, four.quartiles_ms), (25.0, [17.5, 32.5]));
        let two = timing(&[10, 20]);
        assert_eq!((two.median_ms, two.quartiles_ms), (15.0, [12.5, 17.5]));
        let one = timing(&[10]);
        assert_eq!((one.median_ms, one.quartiles_ms), (10.0, [10.0, 10.0]));
    }

    #[test]
    fn one_outlier_moves_neither_median_nor_quartiles() {
        let calm = timing(&[10, 11, 12, 13, 14]);
        let outlier = timing(&[10, 11, 12, 13, 9_000]);
        assert_eq!(calm.median_ms, outlier.median_ms);
        assert_eq!(calm.quartiles_ms, outlier.quartiles_ms);
    }

    #[test]
    fn a_batch_is_divided_among_its_members() {
        let runs = [Duration::from_millis(64), Duration::from_millis(128)];
        assert_eq!(Timing::of_each(&runs, 64).samples_ms, [1.0, 2.0]);
    }

    #[test]
    #[should_panic(expected = "what is reported was run")]
    fn no_run_is_no_timing() {
        let _ = Timing::of(&[]);
    }
}
