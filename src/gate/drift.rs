//! Whether the whole view moved from one frame to the next, as it does while a camera is being turned. People move within
//! the view, and a cut leaves nothing to compare. Only the measure belongs here.

use super::portrait::Cells;

/// As share of the view, a frame may move at most so far, or too little is left to compare.
const FARTHEST: f32 = 0.35;
/// The moved profile must agree so well with the one before, ...
const MOVED: f32 = 0.85;
/// ... and so much better than the one that did not move.
const BETTER: f32 = 0.25;
/// Cells; less is a camera that sways.
const LEAST: i32 = 2;

/// Steps of the picture's mean from column to column, and from row to row.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    across: Vec<f32>,
    down: Vec<f32>,
}

impl Profiles {
    pub(super) fn forget(&mut self) {
        self.across.clear();
        self.down.clear();
    }

    /// Takes the next frame.
    pub(super) fn take(&mut self, cells: Cells<'_>) {
        let rows = (cells.luma.len() / cells.cols.max(1)).max(1);
        self.across.clear();
        self.across.resize(cells.cols, 0.0);
        self.down.clear();
        for line in cells.luma.chunks_exact(cells.cols) {
            self.across.iter_mut().zip(line).for_each(|(sum, v)| *sum += v);
            self.down.push(line.iter().sum::<f32>() / cells.cols as f32);
        }
        self.across.iter_mut().for_each(|sum| *sum /= rows as f32);
        for profile in [&mut self.across, &mut self.down] {
            for i in 1..profile.len() {
                profile[i - 1] = profile[i] - profile[i - 1];
            }
            profile.pop();
            limit(profile);
        }
    }

    /// Whether the view of this frame is that of the one before, moved.
    pub(super) fn moved_from(&self, before: &Self) -> bool {
        moved(&before.across, &self.across) || moved(&before.down, &self.down)
    }
}

/// No single edge may decide: a dark coat before a bright wall moves as well.
fn limit(profile: &mut [f32]) {
    let most = 1.5 * profile.iter().map(|step| step.abs()).sum::<f32>() / profile.len().max(1) as f32;
    profile.iter_mut().for_each(|step| *step = step.clamp(-most, most));
}

fn moved(before: &[f32], now: &[f32]) -> bool {
    if before.len() != now.len() || now.len() < 16 {
        return false;
    }
    let still = agreement(before, now);
    let farthest = (FARTHEST * now.len() as f32) as usize;
    let best = (LEAST as usize..=farthest).flat_map(|by| {
        let rest = now.len() - by;
        [agreement(&before[by..], &now[..rest]), agreement(&before[..rest], &now[by..])]
    });
    let best = best.fold(f32::MIN, f32::max);
    best >= MOVED && best >= still + BETTER
}

/// Normalised: 1 the same but for its contrast, 0 unrelated.
fn agreement(a: &[f32], b: &[f32]) -> f32 {
    let (mut aa, mut bb, mut ab) = (1.0_f32, 1.0_f32, 0.0_f32);
    for (a, b) in a.iter().zip(b) {
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    ab / (aa * bb).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLS: usize = 160;
    const ROWS: usize = 90;

    /// A wide scene of tiles, seen from `x`, `y`.
    fn view(seed: u64, x: usize, y: usize, person: Option<usize>) -> Profiles {
        let mut rng = fastrand::Rng::with_seed(seed);
        let tiles: Vec<f32> = (0..50 * 50).map(|_| 30.0 + 170.0 * rng.f32()).collect();
        let pixel = |i: usize| {
            let (col, row) = (i % COLS, i / COLS);
            match person {
                Some(at) if (at..at + 16).contains(&col) && row > 30 => 20.0,
                _ => tiles[(row + y) / 6 * 50 + (col + x) / 6],
            }
        };
        let luma: Vec<f32> = (0..COLS * ROWS).map(pixel).collect();
        let mut profiles = Profiles::default();
        profiles.take(Cells { luma: &luma, cols: COLS });
        profiles
    }

    #[test]
    fn a_turning_camera_moves_the_view() {
        let before = view(1, 0, 0, None);
        for (x, y) in [(4, 0), (30, 0), (55, 0), (0, 5), (0, 20)] {
            assert!(view(1, x, y, None).moved_from(&before), "{x} {y}");
        }
    }

    #[test]
    fn people_cuts_and_still_scenes_do_not() {
        let before = view(1, 0, 0, Some(20));
        assert!(!view(1, 0, 0, Some(20)).moved_from(&before));
        assert!(!view(1, 0, 0, Some(50)).moved_from(&before));
        assert!(!view(1, 0, 0, None).moved_from(&before));
        // By chance one in a long row may look moved; it takes two in a row to make a turn.
        let alike = (2..40).filter(|&seed| view(seed, 0, 0, None).moved_from(&before)).count();
        assert!(alike <= 1, "{alike}");
        assert!(!Profiles::default().moved_from(&before));
    }
}
