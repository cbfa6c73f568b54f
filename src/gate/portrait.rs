//! How much a frame looks like the one that was described last: a perceptual hash over the small luma. Only the measure
//! belongs here; what follows from it is decided in `life`.
//!
//! A hash of its own instead of a library's: the box means are there already, and both frames must be hashed over the same
//! window, which is known only when the second one comes.

use crate::units::Region;

/// Blocks across and down that a window is averaged into.
const BLOCKS: usize = 9;
/// A step between two blocks of so few grey levels is none: noise would make it one at random.
const FLAT: f32 = 1.5;
/// Around what moves, as share of its size on each side.
const MARGIN: f32 = 0.25;
/// Of the 256 bits at most so many differ between two frames that show the same. Measured on people in a corridor, one second
/// apart and against the described frame: standing 0 to 17, turning or stepping aside 26 to 55, walking 66 to 109, another
/// person 39 to 70.
pub(super) const ALIKE: u32 = 24;

/// The small luma of a frame, row by row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells<'a> {
    pub(super) luma: &'a [f32],
    pub(super) cols: usize,
}

/// What was described.
#[derive(Debug, Clone, Default)]
pub(super) struct Portrait {
    luma: Vec<f32>,
    cols: usize,
    region: Option<Region>,
}

impl Portrait {
    pub(super) fn take(&mut self, cells: Cells<'_>, region: Option<Region>) {
        self.luma.clear();
        self.luma.extend_from_slice(cells.luma);
        self.cols = cells.cols;
        self.region = region;
    }

    /// Bits that differ, of the whole or of the part where something moves now or did then, whichever are more; `None` if
    /// the two cannot be compared.
    pub(super) fn distance(&self, cells: Cells<'_>, region: Option<Region>) -> Option<u32> {
        if self.cols != cells.cols || self.luma.len() != cells.luma.len() || self.luma.is_empty() {
            return None;
        }
        let then = Cells { luma: &self.luma, cols: self.cols };
        let differ = |window: Region| {
            let (then, now) = (hash(then, window), hash(cells, window));
            then.iter().zip(now).map(|(then, now)| (then ^ now).count_ones()).sum::<u32>()
        };
        let part = match (region, self.region) {
            (Some(now), Some(then)) => now.union(then),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Region::WHOLE,
        };
        Some(differ(Region::WHOLE).max(differ(with_margin(part))))
    }
}

fn with_margin(region: Region) -> Region {
    let (left, top) = ((region.x - MARGIN * region.w).max(0.0), (region.y - MARGIN * region.h).max(0.0));
    let right = (region.x + (1.0 + MARGIN) * region.w).min(1.0);
    let bottom = (region.y + (1.0 + MARGIN) * region.h).min(1.0);
    Region { x: left, y: top, w: right - left, h: bottom - top }
}

/// Whether it gets clearly brighter, and whether darker, to the right and downwards (dHash), block by block.
fn hash(cells: Cells<'_>, window: Region) -> [u128; 2] {
    let blocks = blocks(cells, window);
    let (mut brighter, mut darker) = (0, 0);
    for row in 0..BLOCKS - 1 {
        for col in 0..BLOCKS - 1 {
            for next in [blocks[row][col + 1], blocks[row + 1][col]] {
                let step = next - blocks[row][col];
                brighter = brighter << 1 | u128::from(step > FLAT);
                darker = darker << 1 | u128::from(step < -FLAT);
            }
        }
    }
    [brighter, darker]
}

/// The window's mean luma in blocks. Blocks of a window with fewer cells than that share cells.
fn blocks(cells: Cells<'_>, window: Region) -> [[f32; BLOCKS]; BLOCKS] {
    let rows = cells.luma.len() / cells.cols;
    let span = |from: f32, size: f32, block: usize, all: usize| {
        let edge = |i: usize| ((from + size * i as f32 / BLOCKS as f32) * all as f32) as usize;
        let first = edge(block).min(all - 1);
        first..edge(block + 1).clamp(first + 1, all)
    };
    let mut out = [[0.0; BLOCKS]; BLOCKS];
    for (row, line) in out.iter_mut().enumerate() {
        let down = span(window.y, window.h, row, rows);
        for (col, block) in line.iter_mut().enumerate() {
            let across = span(window.x, window.w, col, cells.cols);
            let count = (down.len() * across.len()) as f32;
            let sum: f32 = down.clone().flat_map(|y| &cells.luma[y * cells.cols..][across.clone()]).sum();
            *block = sum / count;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLS: usize = 40;

    /// A scene with a bright square at `x`, in other light, with a little noise.
    fn scene(x: usize, gain: f32, seed: usize) -> Vec<f32> {
        let pixel = |i: usize| {
            let (col, row) = (i % COLS, i / COLS);
            let square = (x..x + 6).contains(&col) && (8..20).contains(&row);
            let base = if square { 200.0 } else { 60.0 + 20.0 * ((col / 5 + row / 4) % 3) as f32 };
            gain * base + (i * 31 + seed * 17) as f32 % 1.3
        };
        (0..COLS * 30).map(pixel).collect()
    }

    fn distance(then: &[f32], now: &[f32], region: Option<Region>) -> Option<u32> {
        let mut portrait = Portrait::default();
        portrait.take(Cells { luma: then, cols: COLS }, region);
        portrait.distance(Cells { luma: now, cols: COLS }, region)
    }

    #[test]
    fn light_and_noise_change_next_to_nothing_and_movement_does() {
        let around = Some(Region { x: 0.2, y: 0.2, w: 0.3, h: 0.5 });
        let then = scene(8, 1.0, 1);
        assert_eq!(distance(&then, &then, around), Some(0));
        assert!(distance(&then, &scene(8, 0.9, 2), around).unwrap() <= ALIKE / 2);
        assert!(distance(&then, &scene(14, 1.0, 1), around).unwrap() > ALIKE);
        assert!(distance(&then, &scene(30, 1.0, 1), None).unwrap() > ALIKE);
    }

    #[test]
    fn windows_of_any_size_have_a_hash_and_other_sizes_none() {
        let then = scene(8, 1.0, 1);
        for (x, y, w, h) in [(0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 0.0, 0.0), (0.99, 0.5, 0.01, 0.5), (0.0, 0.0, 1.0, 1.0)] {
            assert_eq!(distance(&then, &then, Some(Region { x, y, w, h })), Some(0));
        }
        assert_eq!(distance(&then, &then[..COLS], None), None);
        assert_eq!(distance(&[], &[], None), None);
        let one = [5.0];
        let mut portrait = Portrait::default();
        portrait.take(Cells { luma: &one, cols: 1 }, None);
        assert_eq!(portrait.distance(Cells { luma: &one, cols: 1 }, None), Some(0));
    }
}
