//! How the light of the whole picture changed from the background to a frame: one gain and one offset, found from
//! the part that did not move. Nothing about single cells belongs here.

/// `frame ≈ gain * level + offset` where nothing moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exposure {
    pub(super) gain: f32,
    pub(super) offset: f32,
    /// Share of the cells asked that agree.
    pub(super) agreement: f32,
    /// Median distance of all cells asked from the fit, as one standard deviation, in grey levels.
    pub(super) spread: f32,
    /// Mean level of the cells that agree.
    pub(super) middle: f32,
}

impl Exposure {
    pub(super) const SAME: Self = Self { gain: 1.0, offset: 0.0, agreement: 1.0, spread: 0.0, middle: 0.0 };

    #[inline]
    pub(super) fn apply(&self, level: f32) -> f32 {
        self.gain * level + self.offset
    }
}

impl Default for Exposure {
    fn default() -> Self {
        Self::SAME
    }
}

/// Ratios from 0 to 8 in steps of 1/64.
const BINS: usize = 512;
/// More cells than about this many tell nothing new: with a noise of one grey level the gain of so many is known to within
/// a thousandth.
const ENOUGH: usize = 1_200;
/// With fewer, nothing can be said.
const FEWEST: usize = 8;
/// Grey levels squared. Where the scene is so flat that gain and offset cannot be told apart, the gain is the ratio.
const FLAT: f32 = 60.0;
/// So many sums are kept side by side, for the processor to add at once.
const LANES: usize = 8;

/// The cells that are asked, side by side: what they show, and what they showed. Keeps its scratch.
#[derive(Debug, Clone, Default)]
pub(super) struct Fitter {
    frame: Vec<f32>,
    level: Vec<f32>,
}

impl Fitter {
    /// Fits a frame to a background level, over cells that `usable` allows (of `cols` per row). A small part of them may
    /// have moved: cells far from the fit do not count. None with too few cells to ask.
    pub(super) fn fit(
        &mut self,
        frame: &[f32],
        level: &[f32],
        cols: usize,
        usable: impl Fn(usize) -> bool,
    ) -> Option<Exposure> {
        let step = (frame.len() / ENOUGH).max(1);
        // Not the same columns in every row.
        self.gather(frame, level, if step > 1 && cols.is_multiple_of(step) { step + 1 } else { step }, &usable);
        if self.frame.len() < ENOUGH / 4 && step > 1 {
            self.gather(frame, level, 1, &usable);
        }
        if self.frame.len() < FEWEST {
            return None;
        }
        let ratio = self.median_ratio()?;
        let mut fit = Exposure { gain: ratio, offset: 4.0 * (ratio - 1.0), ..Exposure::SAME };
        for tolerance in [0.16, 0.08, 0.05] {
            self.refine(&mut fit, ratio, tolerance);
        }
        self.judge(&mut fit);
        Some(fit)
    }

    fn gather(&mut self, frame: &[f32], level: &[f32], step: usize, usable: &impl Fn(usize) -> bool) {
        self.frame.clear();
        self.level.clear();
        let cells = frame.iter().zip(level).enumerate().step_by(step);
        for (_, (f, b)) in cells.filter(|(i, _)| usable(*i)) {
            self.frame.push(*f);
            self.level.push(*b);
        }
    }

    fn cells(&self) -> impl Iterator<Item = (f32, f32)> {
        self.frame.iter().copied().zip(self.level.iter().copied())
    }

    /// Median of frame over background, with a little added to both so that black stays defined.
    fn median_ratio(&self) -> Option<f32> {
        let mut bins = [0_u32; BINS];
        for (f, b) in self.cells() {
            let ratio = (f + 4.0) / (b.max(0.0) + 4.0);
            bins[((ratio * 64.0) as usize).min(BINS - 1)] += 1;
        }
        Some((median(&bins, self.frame.len())? as f32 + 0.5) / 64.0)
    }

    /// Least squares over the cells that the present fit explains to within `tolerance` (relative) and some levels.
    fn refine(&self, fit: &mut Exposure, ratio: f32, tolerance: f32) {
        let mut sums = [[0.0_f32; LANES]; 5];
        let (frames, rest) = self.frame.as_chunks::<LANES>();
        let (levels, _) = self.level.as_chunks::<LANES>();
        for (f, b) in frames.iter().zip(levels) {
            add(&mut sums, f, b, fit, tolerance);
        }
        for (f, b) in rest.iter().zip(&self.level[frames.len() * LANES..]) {
            // Alone in its lane; the others get cells far from any fit.
            let (mut fs, bs) = ([-1e6; LANES], [*b; LANES]);
            fs[0] = *f;
            add(&mut sums, &fs, &bs, fit, tolerance);
        }
        let [n, sf, sb, sbb, sfb] = sums.map(|lanes| lanes.iter().sum::<f32>());
        if n < FEWEST as f32 {
            return;
        }
        let (mean_f, mean_b) = (sf / n, sb / n);
        let variance = (sbb / n - mean_b * mean_b).max(0.0);
        let covariance = sfb / n - mean_f * mean_b;
        fit.gain = ((covariance + FLAT * ratio) / (variance + FLAT)).clamp(0.1, 10.0);
        fit.offset = mean_f - fit.gain * mean_b;
        fit.middle = mean_b;
    }

    /// How well the fit explains all the cells asked.
    fn judge(&self, fit: &mut Exposure) {
        let mut bins = [0_u32; 256];
        let mut agree = 0_u32;
        for (f, b) in self.cells() {
            let expected = fit.apply(b);
            let off = (f - expected).abs();
            // Eighths of a grey level.
            bins[((off * 8.0) as usize).min(255)] += 1;
            agree += u32::from(off < 8.0 + 0.08 * expected.max(0.0));
        }
        // 1.48: from the median distance to the standard deviation of a normal distribution.
        fit.spread = 1.48 * (median(&bins, self.frame.len()).unwrap_or(0) as f32 + 0.5) / 8.0;
        fit.agreement = agree as f32 / self.frame.len().max(1) as f32;
    }
}

/// The bin that the middle one of `count` values fell into.
fn median(bins: &[u32], count: usize) -> Option<usize> {
    let mut below = 0;
    bins.iter().position(|n| {
        below += *n as usize;
        2 * below >= count
    })
}

/// Adds up number, frame, level, level squared and their product over the cells that the fit explains.
#[inline]
fn add(sums: &mut [[f32; LANES]; 5], f: &[f32; LANES], b: &[f32; LANES], fit: &Exposure, tolerance: f32) {
    for lane in 0..LANES {
        let (f, b) = (f[lane], b[lane]);
        let expected = fit.apply(b);
        let keep = if (f - expected).abs() < 6.0 + tolerance * expected { 1.0 } else { 0.0 };
        sums[0][lane] += keep;
        sums[1][lane] += keep * f;
        sums[2][lane] += keep * b;
        sums[3][lane] += keep * b * b;
        sums[4][lane] += keep * f * b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(frame: &[f32], level: &[f32]) -> Option<Exposure> {
        Fitter::default().fit(frame, level, 160, |_| true)
    }

    fn scene() -> Vec<f32> {
        (0..9_000).map(|i| 40.0 + (i * 37 % 140) as f32).collect()
    }

    #[test]
    fn a_swing_of_the_exposure_is_found_beside_a_mover() {
        let level = scene();
        let mut frame: Vec<f32> = level.iter().map(|b| 0.57 * b + 3.0).collect();
        frame[..2_500].fill(230.0);
        let fit = fit(&frame, &level).unwrap();
        assert!((fit.gain - 0.57).abs() < 0.01 && (fit.offset - 3.0).abs() < 1.0, "{fit:?}");
        assert!((0.6..0.8).contains(&fit.agreement), "{fit:?}");
    }

    #[test]
    fn a_flat_scene_gives_a_sane_gain() {
        let (level, frame) = (vec![100.0; 4_000], vec![60.0; 4_000]);
        let fit = fit(&frame, &level).unwrap();
        assert!((fit.apply(100.0) - 60.0).abs() < 0.5, "{fit:?}");
        assert!((0.5..0.7).contains(&fit.gain), "{fit:?}");
    }

    #[test]
    fn another_scene_does_not_agree() {
        let level = scene();
        let frame: Vec<f32> = (0..9_000).map(|i| 10.0 + (i * 91 % 233) as f32).collect();
        assert!(fit(&frame, &level).unwrap().agreement < 0.45);
    }

    #[test]
    fn without_cells_nothing_is_known() {
        let level = scene();
        assert_eq!(Fitter::default().fit(&level, &level, 160, |_| false), None);
    }
}
