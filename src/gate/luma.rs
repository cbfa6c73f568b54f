//! The small luma picture that motion is looked for in: box means of the decoder's luma plane. Only geometry and
//! averaging belong here.

use crate::frame::{Picture, Plane};
use crate::units::Region;

/// At most so many cells across and down.
const MAX_COLS: usize = 160;
const MAX_ROWS: usize = 120;
/// At least so many, where the picture has the pixels.
const MIN_SIDE: usize = 8;
/// Lines of pixels that are read per row of cells: more would only average noise that the background knows already, and
/// reading is what a large picture costs. Four lines of 8 bits add up in 16 bits for cells of up to 64 pixels' width.
const LINES: usize = 4;

/// How a picture of `width` x `height` pixels is cut into cells. What does not fill a last cell is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) cols: usize,
    pub(super) rows: usize,
    width: usize,
    height: usize,
    cell_w: usize,
    cell_h: usize,
}

impl Grid {
    pub(super) fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let side = width.div_ceil(MAX_COLS).max(height.div_ceil(MAX_ROWS));
        // Cells are square, except in pictures so narrow or flat that too few would remain.
        let cell_w = side.min((width / MIN_SIDE).max(1));
        let cell_h = side.min((height / MIN_SIDE).max(1));
        Self { cols: width / cell_w, rows: height / cell_h, width, height, cell_w, cell_h }
    }

    /// Number of cells.
    pub(super) fn len(&self) -> usize {
        self.cols * self.rows
    }

    /// The cells from `first` to `last` (column, row; both included) as fractions of the picture.
    pub(super) fn region(&self, first: (usize, usize), last: (usize, usize)) -> Region {
        // A last cell reaches over the pixels that did not fill another.
        let end = |i: usize, n: usize, cell: usize, all: usize| if i + 1 == n { all } else { (i + 1) * cell };
        let (left, top) = (first.0 * self.cell_w, first.1 * self.cell_h);
        let right = end(last.0, self.cols, self.cell_w, self.width);
        let bottom = end(last.1, self.rows, self.cell_h, self.height);
        let (w, h) = (self.width as f32, self.height as f32);
        Region {
            x: left as f32 / w,
            y: top as f32 / h,
            w: right.saturating_sub(left) as f32 / w,
            h: bottom.saturating_sub(top) as f32 / h,
        }
    }

    /// The centre of a cell as fractions of the picture.
    pub(super) fn centre(&self, index: usize) -> (f32, f32) {
        let (col, row) = (index % self.cols, index / self.cols);
        let x = (col * self.cell_w) as f32 + self.cell_w as f32 / 2.0;
        let y = (row * self.cell_h) as f32 + self.cell_h as f32 / 2.0;
        (x / self.width as f32, y / self.height as f32)
    }
}

/// Averages planes into cells. Keeps its scratch, so that a steady stream allocates nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Shrink {
    sums: Vec<u16>,
}

impl Shrink {
    /// Mean luma, 0 to 255, of each cell of `grid`, row by row, into `out` (`grid.len()` long).
    pub(super) fn run(&mut self, plane: Plane<'_>, grid: &Grid, out: &mut [f32]) {
        let used = grid.cols * grid.cell_w;
        self.sums.resize(used, 0);
        for (row, cells) in out.chunks_exact_mut(grid.cols).enumerate() {
            // Spread over the cell; in a cell of less than four lines some count twice.
            let line = |k: usize| {
                let y = row * grid.cell_h + (2 * k + 1) * grid.cell_h / (2 * LINES);
                plane.data.get(y * plane.stride..y * plane.stride + used)
            };
            // A picture has all its lines: `Picture::new` saw to it.
            let (Some(a), Some(b), Some(c), Some(d)) = (line(0), line(1), line(2), line(3)) else { return };
            add_up(&mut self.sums, [a, b, c, d]);
            match grid.cell_w {
                // 4K, 1080p, 720p and what is usual for second streams: known widths are added up without a loop.
                24 => average::<24>(&self.sums, cells),
                12 => average::<12>(&self.sums, cells),
                8 => average::<8>(&self.sums, cells),
                5 => average::<5>(&self.sums, cells),
                4 => average::<4>(&self.sums, cells),
                2 => average::<2>(&self.sums, cells),
                width => {
                    let scale = scale(width);
                    for (cell, pixels) in cells.iter_mut().zip(self.sums.chunks_exact(width)) {
                        *cell = pixels.iter().map(|&p| u32::from(p)).sum::<u32>() as f32 * scale;
                    }
                }
            }
        }
    }
}

fn scale(width: usize) -> f32 {
    1.0 / (LINES * width) as f32
}

fn add_up(sums: &mut [u16], [a, b, c, d]: [&[u8]; LINES]) {
    for ((((sum, a), b), c), d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *sum = u16::from(*a) + u16::from(*b) + u16::from(*c) + u16::from(*d);
    }
}

fn average<const WIDTH: usize>(sums: &[u16], cells: &mut [f32]) {
    let scale = scale(WIDTH);
    let (chunks, _) = sums.as_chunks::<WIDTH>();
    for (cell, pixels) in cells.iter_mut().zip(chunks) {
        *cell = f32::from(pixels.iter().sum::<u16>()) * scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Matrix, PixelFormat, Range};

    fn grey(width: u32, height: u32, pixel: impl Fn(usize, usize) -> u8) -> Picture {
        let (w, h) = (width as usize, height as usize);
        let mut data: Vec<u8> = (0..w * h).map(|i| pixel(i % w, i / w)).collect();
        data.resize(w * h + 2 * w.div_ceil(2) * h.div_ceil(2), 128);
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        Picture::packed(width, height, PixelFormat::I420, colour, data).unwrap()
    }

    fn shrunk(picture: &Picture) -> (Grid, Vec<f32>) {
        let grid = Grid::of(picture);
        let mut out = vec![0.0; grid.len()];
        Shrink::default().run(picture.plane(0), &grid, &mut out);
        (grid, out)
    }

    #[test]
    fn common_sizes_become_small() {
        for (w, h, cols, rows) in [
            (1920, 1080, 160, 90),
            (768, 432, 153, 86),
            (320, 180, 160, 90),
            (1080, 1920, 67, 120),
            (7680, 4320, 160, 90),
        ] {
            let grid = Grid::of(&grey(w, h, |_, _| 0));
            assert_eq!((grid.cols, grid.rows), (cols, rows), "{w}x{h}");
        }
    }

    #[test]
    fn odd_sizes_keep_cells_and_bounds() {
        for (w, h) in [(1, 1), (16, 16), (17, 9), (4000, 10), (10, 4000), (161, 3)] {
            let (grid, cells) = shrunk(&grey(w, h, |_, _| 77));
            assert!(grid.cols <= 160 && grid.rows <= 160 && grid.len() > 0, "{w}x{h}: {grid:?}");
            assert!(cells.iter().all(|c| (c - 77.0).abs() < 1e-3), "{w}x{h}");
            let whole = grid.region((0, 0), (grid.cols - 1, grid.rows - 1));
            assert_eq!(whole, Region::WHOLE);
        }
    }

    #[test]
    fn a_cell_is_the_mean_of_its_pixels() {
        let (grid, cells) = shrunk(&grey(320, 180, |x, _| if x % 2 == 0 { 10 } else { 20 }));
        assert_eq!(grid.cols, 160);
        assert!(cells.iter().all(|c| (c - 15.0).abs() < 1e-3));
        let (grid, cells) = shrunk(&grey(1920, 1080, |x, _| if x < 960 { 0 } else { 200 }));
        assert!(cells[0].abs() < 1e-3 && (cells[grid.cols - 1] - 200.0).abs() < 1e-3);
    }
}
