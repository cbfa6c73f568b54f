//! Which marked cells belong together. What a blob is, is decided in `motion`.

use super::luma::Grid;

/// So many cells must have changed for a blob to have moved: one alone is noise.
const WITNESSES: usize = 3;

/// Cells that belong together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blob {
    /// Number of cells.
    pub(super) area: usize,
    /// Cells with an unmarked neighbour.
    pub(super) rim: usize,
    /// Cells at an edge that the scene does not have, ...
    pub(super) edges: usize,
    /// ... and those of them that are on the rim.
    pub(super) rim_edges: usize,
    /// Steps within it that the scene has clearly, ...
    pub(super) asked: usize,
    /// ... and those of them that are still there.
    pub(super) kept: usize,
    /// Cells at the border of the picture.
    pub(super) border: usize,
    /// Cells that have not changed for a while.
    pub(super) old: usize,
    /// Left, top and right, bottom cell.
    pub(super) first: (usize, usize),
    pub(super) last: (usize, usize),
    /// Seconds since its most recently changed cells did, the longest first.
    pub(super) ages: [f32; WITNESSES],
}

impl Default for Blob {
    fn default() -> Self {
        Self {
            area: 0,
            rim: 0,
            edges: 0,
            rim_edges: 0,
            asked: 0,
            kept: 0,
            border: 0,
            old: 0,
            first: (usize::MAX, usize::MAX),
            last: (0, 0),
            ages: [f32::MAX; WITNESSES],
        }
    }
}

impl Blob {
    /// Takes up a cell that last changed `age` seconds ago.
    pub(super) fn add(&mut self, col: usize, row: usize, age: f32) {
        self.area += 1;
        self.first = (self.first.0.min(col), self.first.1.min(row));
        self.last = (self.last.0.max(col), self.last.1.max(row));
        if age < self.ages[0] {
            self.ages[0] = age;
            self.ages.sort_unstable_by(|a, b| b.total_cmp(a));
        }
    }

    pub(super) fn trace(&self) -> Trace {
        Trace { first: self.first, last: self.last }
    }

    /// Seconds since enough of it last changed.
    pub(super) fn still(&self) -> f32 {
        self.ages[0]
    }
}

/// Where a blob was: its left, top and right, bottom cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace {
    first: (usize, usize),
    last: (usize, usize),
}

impl Trace {
    /// Whether a blob lies within `reach` times its own size of it.
    pub(super) fn reaches(&self, blob: &Blob, reach: f32) -> bool {
        let near = |first: usize, last: usize, from: usize, to: usize| {
            let far = 1 + ((last - first + 1) as f32 * reach) as usize;
            from <= last + far && first <= to + far
        };
        near(blob.first.0, blob.last.0, self.first.0, self.last.0)
            && near(blob.first.1, blob.last.1, self.first.1, self.last.1)
    }
}

/// Finds blobs. Keeps its scratch, so that a steady stream allocates nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Blobs {
    /// Per block of 2 x 2 cells: 0 empty, else number of the blob plus one; while searching also [`UNSEEN`].
    labels: Vec<u32>,
    stack: Vec<usize>,
    block_cols: usize,
    pub(super) list: Vec<Blob>,
}

const UNSEEN: u32 = u32::MAX;

impl Blobs {
    /// Joins marked cells that touch, or nearly do, into blobs: blocks of 2 x 2 cells that touch at a side or a corner.
    /// The blobs come out empty; whoever asks adds the cells with what it knows of them.
    pub(super) fn find(&mut self, marked: &[usize], grid: &Grid) {
        self.list.clear();
        self.block_cols = grid.cols.div_ceil(2);
        let block_rows = grid.rows.div_ceil(2);
        self.labels.clear();
        self.labels.resize(self.block_cols * block_rows, 0);
        let block = |i: usize| i / grid.cols / 2 * self.block_cols + i % grid.cols / 2;
        for &i in marked {
            self.labels[block(i)] = UNSEEN;
        }
        for start in marked.iter().map(|&i| block(i)) {
            if self.labels[start] == UNSEEN {
                self.list.push(Blob::default());
                flood(&mut self.labels, &mut self.stack, (self.block_cols, block_rows), start, self.list.len() as u32);
            }
        }
    }

    /// The number of the blob that a marked cell belongs to.
    pub(super) fn of(&self, col: usize, row: usize) -> usize {
        self.labels[row / 2 * self.block_cols + col / 2] as usize - 1
    }
}

/// Labels all the unseen blocks that hang together with `start`.
fn flood(labels: &mut [u32], stack: &mut Vec<usize>, (cols, rows): (usize, usize), start: usize, label: u32) {
    labels[start] = label;
    stack.push(start);
    while let Some(at) = stack.pop() {
        let (col, row) = (at % cols, at / cols);
        for y in row.saturating_sub(1)..=(row + 1).min(rows - 1) {
            for x in col.saturating_sub(1)..=(col + 1).min(cols - 1) {
                let next = y * cols + x;
                if labels[next] == UNSEEN {
                    labels[next] = label;
                    stack.push(next);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};

    #[test]
    fn cells_that_nearly_touch_are_one_blob() {
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        let picture = Picture::packed(21, 9, PixelFormat::I420, colour, vec![0; 400]).unwrap();
        let grid = Grid::of(&picture);
        let marked = [(0, 0), (2, 1), (3, 3), (12, 4), (20, 8)].map(|(col, row)| row * grid.cols + col);
        let mut blobs = Blobs::default();
        blobs.find(&marked, &grid);
        assert_eq!(blobs.list.len(), 3);
        assert_eq!(blobs.of(0, 0), blobs.of(3, 3));
        assert_ne!(blobs.of(0, 0), blobs.of(12, 4));
        assert_ne!(blobs.of(12, 4), blobs.of(20, 8));
    }

    #[test]
    fn a_blob_stirs_with_its_third_cell() {
        let mut blob = Blob::default();
        for age in [1.0, 8.0, 3.0, 5.0, 9.0] {
            blob.add(4, 2, age);
        }
        assert!((blob.still() - 5.0).abs() < 1e-6);
        assert_eq!((blob.area, blob.first, blob.last), (5, (4, 2), (4, 2)));
    }

    #[test]
    fn a_blob_follows_where_it_could_have_come_from() {
        let mut before = Blob::default();
        before.add(10, 10, 0.0);
        before.add(19, 29, 0.0);
        let at = |col: usize| {
            let mut blob = Blob::default();
            blob.add(col, 10, 0.0);
            blob.add(col + 9, 29, 0.0);
            blob
        };
        assert!(before.trace().reaches(&at(24), 0.5));
        assert!(!before.trace().reaches(&at(60), 0.5));
        assert!(before.trace().reaches(&at(60), 5.0));
    }
}
