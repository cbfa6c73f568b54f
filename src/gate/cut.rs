//! Whether a picture shows another scene, or the same one in other light. Light moves levels; it leaves most edges where
//! they are. Only the small luma picture is looked at.

/// Grey levels between two neighbouring cells that make an edge worth asking about.
const EDGE: f32 = 12.0;
/// An edge of the scene is kept if the picture has this share of it, in the same direction.
const KEPT: f32 = 0.2;
/// With fewer edges nothing can be told: a white wall in fog.
const ENOUGH: usize = 30;
/// Unrelated pictures keep about a third of the edges by chance, the same scene in the light of another lamp nearly all.
const SAME_SCENE: f32 = 0.55;

/// Whether `frame` is of another scene than `level`, both row by row with `cols` cells a row; cells under a mask
/// (`open` is false) are not asked. False where the scene has too few edges to tell.
pub(super) fn is_other_scene(frame: &[f32], level: &[f32], open: &[bool], cols: usize) -> bool {
    let (mut edges, mut kept) = (0_usize, 0_usize);
    let mut ask = |i: usize, j: usize| {
        let expected = level[j] - level[i];
        if open[i] && open[j] && expected.abs() >= EDGE {
            edges += 1;
            kept += usize::from((frame[j] - frame[i]) / expected >= KEPT);
        }
    };
    for i in 0..level.len() {
        if (i + 1) % cols != 0 {
            ask(i, i + 1);
        }
        if i + cols < level.len() {
            ask(i, i + cols);
        }
    }
    edges >= ENOUGH && (kept as f32) < SAME_SCENE * edges as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLS: usize = 40;

    /// Stripes and steps: many edges, in a pattern that `seed` makes.
    fn scene(seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut tile = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            40.0 + (state >> 24) as f32 * 0.6
        };
        let tiles: Vec<f32> = (0..100).map(|_| tile()).collect();
        (0..COLS * 40).map(|i| tiles[(i / COLS / 4) * 10 + (i % COLS) / 4]).collect()
    }

    #[test]
    fn light_keeps_the_edges_and_another_scene_does_not() {
        let level = scene(1);
        let open = vec![true; level.len()];
        let dimmed: Vec<f32> = level.iter().map(|v| v * 0.4 + 3.0).collect();
        // A lamp at the left: much brighter there, not at all at the right.
        let lamp = |i: usize| 1.0 + 1.5 * (1.0 - (i % COLS) as f32 / COLS as f32);
        let lit: Vec<f32> = level.iter().enumerate().map(|(i, v)| (v * lamp(i)).min(255.0)).collect();
        assert!(!is_other_scene(&dimmed, &level, &open, COLS));
        assert!(!is_other_scene(&lit, &level, &open, COLS));
        assert!(is_other_scene(&scene(2), &level, &open, COLS));
        assert!(is_other_scene(&vec![20.0; level.len()], &level, &open, COLS));
    }

    #[test]
    fn a_flat_scene_and_what_lies_under_masks_tell_nothing() {
        let flat = vec![100.0; COLS * 40];
        assert!(!is_other_scene(&scene(2), &flat, &vec![true; flat.len()], COLS));
        assert!(!is_other_scene(&scene(2), &scene(1), &vec![false; flat.len()], COLS));
    }
}
