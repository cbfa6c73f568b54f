//! Weights in fewer bits. Matrices are [out, in], as published.

use ndarray::{Array2, ArrayView2};

/// How many weights of 4 bits share a scale.
pub(super) const BLOCK: usize = 32;

/// 8 bits, symmetric, with a scale per output.
pub(super) struct Int8 {
    /// [out, in]
    pub values: Array2<i8>,
    /// [out]
    pub scales: Vec<f32>,
}

pub(super) fn int8(matrix: &ArrayView2<'_, f32>) -> Int8 {
    let mut values = Array2::zeros(matrix.dim());
    let mut scales = Vec::with_capacity(matrix.nrows());
    for (row, mut quantised) in matrix.outer_iter().zip(values.outer_iter_mut()) {
        let most = row.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        // Nothing but zeros: any scale will do.
        let scale = if most > 0.0 { most / 127.0 } else { 1.0 };
        quantised.zip_mut_with(&row, |to, from| *to = (from / scale).round_ties_even().clamp(-127.0, 127.0) as i8);
        scales.push(scale);
    }
    Int8 { values, scales }
}

/// 4 bits, symmetric, with a scale per block of [`BLOCK`] inputs; the last block is filled up with zeros.
pub(super) struct Q4 {
    /// [out, blocks, BLOCK / 2]: two in a byte, the first one low, each plus 8.
    pub values: Vec<u8>,
    /// [out, blocks]
    pub scales: Vec<f32>,
    pub blocks: usize,
}

pub(super) fn q4(matrix: &ArrayView2<'_, f32>) -> Q4 {
    let blocks = matrix.ncols().div_ceil(BLOCK);
    let mut values = Vec::with_capacity(matrix.nrows() * blocks * BLOCK / 2);
    let mut scales = Vec::with_capacity(matrix.nrows() * blocks);
    for row in matrix.outer_iter() {
        for block in 0..blocks {
            let weights = std::array::from_fn(|i| row.get(block * BLOCK + i).copied().unwrap_or(0.0));
            let (scale, steps) = best_steps(&weights);
            values.extend(steps.chunks(2).map(|pair| (pair[0] + 8.0) as u8 | ((pair[1] + 8.0) as u8) << 4));
            scales.push(scale);
        }
    }
    Q4 { values, scales, blocks }
}

/// On which step, -8 to 7, the largest weight of a block may come to lie: the outermost ones, a bit beyond them, a bit before.
const OUTERMOST: [f32; 9] = [-8.0, -9.0, -8.5, -7.5, -7.0, -6.5, 7.0, 7.5, 8.5];

/// The scale, and each weight in steps of it, that are nearest to the weights (least squares) of those tried.
fn best_steps(weights: &[f32; BLOCK]) -> (f32, [f32; BLOCK]) {
    let most = weights.iter().fold(0.0_f32, |most, weight| if weight.abs() > most.abs() { *weight } else { most });
    let mut best = (1.0, [0.0; BLOCK]);
    let mut least = f32::INFINITY;
    if most == 0.0 {
        return best;
    }
    for outermost in OUTERMOST {
        let scale = most / outermost;
        let steps = weights.map(|weight| (weight / scale).round_ties_even().clamp(-8.0, 7.0));
        // The best scale for these steps, which are not all zero: the largest weight has one.
        let scale = dot(&steps, weights) / dot(&steps, &steps);
        let off = std::array::from_fn(|i| steps[i] * scale - weights[i]);
        let off = dot(&off, &off);
        if off < least {
            (least, best) = (off, (scale, steps));
        }
    }
    best
}

fn dot(a: &[f32; BLOCK], b: &[f32; BLOCK]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bits_are_within_half_a_step() {
        let matrix = Array2::from_shape_fn((3, 50), |(o, i)| if o == 1 { 0.0 } else { ((i * 7 + o) as f32).sin() });
        let Int8 { values, scales } = int8(&matrix.view());
        assert_eq!(values.row(0).iter().map(|v| v.unsigned_abs()).max(), Some(127));
        for ((o, i), weight) in matrix.indexed_iter() {
            let back = f32::from(values[[o, i]]) * scales[o];
            assert!((back - weight).abs() <= 0.501 * scales[o], "{o} {i}: {weight} became {back}");
        }
        assert!(values.row(1).iter().all(|v| *v == 0));
    }

    #[test]
    fn four_bits_are_near_and_fill_up() {
        let matrix = Array2::from_shape_fn((2, 40), |(o, i)| ((i * 5 + 3 * o) as f32).cos() * (o + 1) as f32);
        let Q4 { values, scales, blocks } = q4(&matrix.view());
        assert_eq!((blocks, values.len(), scales.len()), (2, 2 * 2 * 16, 4));
        let at = |o: usize, i: usize| {
            let byte = values[(o * blocks * BLOCK + i) / 2];
            let nibble = if i.is_multiple_of(2) { byte & 15 } else { byte >> 4 };
            (f32::from(nibble) - 8.0) * scales[o * blocks + i / BLOCK]
        };
        let (mut off, mut whole) = (0.0, 0.0);
        for ((o, i), weight) in matrix.indexed_iter() {
            off += (at(o, i) - weight).powi(2);
            whole += weight.powi(2);
        }
        // Steps of a sixteenth of the range, evenly spread weights: a spread of 1 / sqrt(12) of a step.
        let relative = (off / whole).sqrt();
        assert!((0.01..0.06).contains(&relative), "{relative}");
        assert!((40..64).all(|i| at(1, i) == 0.0));
    }
}
