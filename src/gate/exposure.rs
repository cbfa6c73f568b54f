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
}

impl Exposure {
    pub(super) const SAME: Self = Self { gain: 1.0, offset: 0.0, agreement: 1.0, spread: 0.0 };

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
/// More cells than this tell nothing new.
const ENOUGH: usize = 4_000;
/// Grey levels squared. Where the scene is so flat that gain and offset cannot be told apart, the gain is the ratio.
const FLAT: f32 = 60.0;

/// Fits a frame to a background level, over the cells that `use_cell` allows. A small part of the allowed cells may have
/// moved: cells far from the fit do not count. None with too few cells to ask.
pub(super) fn fit(frame: &[f32], level: &[f32], use_cell: &[bool]) -> Option<Exposure> {
    let step = (frame.len() / ENOUGH).max(1);
    let cells = || {
        let all = frame.iter().zip(level).zip(use_cell).step_by(step);
        all.filter(|(_, used)| **used).map(|((f, b), _)| (*f, *b))
    };
    let ratio = median_ratio(cells())?;
    let mut fit = Exposure { gain: ratio, offset: 4.0 * (ratio - 1.0), ..Exposure::SAME };
    for tolerance in [0.16, 0.08, 0.05] {
        refine(&mut fit, ratio, tolerance, cells());
    }
    judge(&mut fit, cells());
    Some(fit)
}

/// Median of frame over background, with a little added to both so that black stays defined.
fn median_ratio(cells: impl Iterator<Item = (f32, f32)>) -> Option<f32> {
    let mut bins = [0_u32; BINS];
    let mut count = 0;
    for (f, b) in cells {
        let ratio = (f + 4.0) / (b + 4.0);
        bins[((ratio * 64.0) as usize).min(BINS - 1)] += 1;
        count += 1;
    }
    if count < 8 {
        return None;
    }
    let mut below = 0;
    let at = bins.iter().position(|n| {
        below += n;
        2 * below >= count
    })?;
    Some((at as f32 + 0.5) / 64.0)
}

/// Least squares over the cells that the present fit explains to within `tolerance` (relative) and some levels.
fn refine(fit: &mut Exposure, ratio: f32, tolerance: f32, cells: impl Iterator<Item = (f32, f32)>) {
    let (mut n, mut sf, mut sb, mut sbb, mut sfb) = (0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32);
    for (f, b) in cells {
        let expected = fit.apply(b);
        let keep = if (f - expected).abs() < 6.0 + tolerance * expected { 1.0 } else { 0.0 };
        n += keep;
        sf += keep * f;
        sb += keep * b;
        sbb += keep * b * b;
        sfb += keep * f * b;
    }
    if n < 8.0 {
        return;
    }
    let (mean_f, mean_b) = (sf / n, sb / n);
    let variance = (sbb / n - mean_b * mean_b).max(0.0);
    let covariance = sfb / n - mean_f * mean_b;
    fit.gain = ((covariance + FLAT * ratio) / (variance + FLAT)).clamp(0.1, 10.0);
    fit.offset = mean_f - fit.gain * mean_b;
}

/// How well the fit explains all the cells asked.
fn judge(fit: &mut Exposure, cells: impl Iterator<Item = (f32, f32)>) {
    let mut bins = [0_u32; 256];
    let (mut count, mut agree) = (0_u32, 0_u32);
    for (f, b) in cells {
        let expected = fit.apply(b);
        let off = (f - expected).abs();
        // Eighths of a grey level.
        bins[((off * 8.0) as usize).min(255)] += 1;
        count += 1;
        agree += u32::from(off < 8.0 + 0.08 * expected.max(0.0));
    }
    let mut below = 0;
    let median = bins.iter().position(|n| {
        below += n;
        2 * below >= count
    });
    // 1.48: from the median distance to the standard deviation of a normal distribution.
    fit.spread = 1.48 * (median.unwrap_or(0) as f32 + 0.5) / 8.0;
    fit.agreement = agree as f32 / count.max(1) as f32;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Vec<f32> {
        (0..9_000).map(|i| 40.0 + (i * 37 % 140) as f32).collect()
    }

    #[test]
    fn a_swing_of_the_exposure_is_found_beside_a_mover() {
        let level = scene();
        let mut frame: Vec<f32> = level.iter().map(|b| 0.57 * b + 3.0).collect();
        frame[..2_500].fill(230.0);
        let fit = fit(&frame, &level, &vec![true; level.len()]).unwrap();
        assert!((fit.gain - 0.57).abs() < 0.01 && (fit.offset - 3.0).abs() < 1.0, "{fit:?}");
        assert!((0.6..0.8).contains(&fit.agreement), "{fit:?}");
    }

    #[test]
    fn a_flat_scene_gives_a_sane_gain() {
        let (level, frame) = (vec![100.0; 4_000], vec![60.0; 4_000]);
        let fit = fit(&frame, &level, &vec![true; 4_000]).unwrap();
        assert!((fit.apply(100.0) - 60.0).abs() < 0.5, "{fit:?}");
        assert!((0.5..0.7).contains(&fit.gain), "{fit:?}");
    }

    #[test]
    fn another_scene_does_not_agree() {
        let level = scene();
        let frame: Vec<f32> = (0..9_000).map(|i| 10.0 + (i * 91 % 233) as f32).collect();
        assert!(fit(&frame, &level, &vec![true; level.len()]).unwrap().agreement < 0.45);
    }

    #[test]
    fn without_cells_nothing_is_known() {
        let level = scene();
        assert_eq!(fit(&level, &level, &vec![false; level.len()]), None);
    }
}
