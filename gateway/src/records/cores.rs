//! Work that is only calculation, on all cores.

use std::panic::resume_unwind;
use std::thread;

/// How many threads calculate at once.
pub(super) fn count() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// `f` of each item, in their order.
pub(super) fn map<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = count().min(items.len());
    if threads < 2 {
        return items.iter().map(f).collect();
    }
    let (share, f) = (items.len().div_ceil(threads), &f);
    thread::scope(|scope| {
        let shares = items.chunks(share);
        let threads: Vec<_> = shares
            .map(|share| scope.spawn(move || share.iter().map(f).collect::<Vec<R>>()))
            .collect();
        let shares = threads.into_iter().map(|thread| thread.join());
        shares.flat_map(|share| share.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_the_order_of_the_items() {
        for length in [0, 1, 2, 3, 1_000] {
            let items: Vec<u64> = (0..length).collect();
            let squares: Vec<u64> = (0..length).map(|item| item * item).collect();
            assert_eq!(super::map(&items, |item| item * item), squares);
        }
    }

    #[test]
    #[should_panic(expected = "item 3")]
    fn a_panic_comes_through() {
        super::map(&[1, 2, 3, 4], |item| assert_ne!(*item, 3, "item {item}"));
    }
}
