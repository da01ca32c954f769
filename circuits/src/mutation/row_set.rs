//! A set of rows, of which the first is taken.

/// Rows by number.
pub(super) struct RowSet {
    words: Vec<u64>,
    /// No word before it has a row.
    first: usize,
}

impl RowSet {
    pub(super) fn new(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(64)], first: 0 }
    }

    pub(super) fn insert(&mut self, row: usize) {
        self.words[row / 64] |= 1 << (row % 64);
        self.first = self.first.min(row / 64);
    }

    pub(super) fn extend(&mut self, rows: &[usize]) {
        for row in rows {
            self.insert(*row);
        }
    }

    /// Takes the first.
    pub(super) fn pop(&mut self) -> Option<usize> {
        while let Some(word) = self.words.get_mut(self.first) {
            if *word != 0 {
                let bit = word.trailing_zeros() as usize;
                *word &= *word - 1;
                return Some(self.first * 64 + bit);
            }
            self.first += 1;
        }
        None
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
        self.first = 0;
    }
}
