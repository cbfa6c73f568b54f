//! What `sensitivity` means, in one place.

use std::time::Duration;

/// A still thing in view is taken for part of the scene after so long. People who stand or sit move a little within
/// this time; a bag or a parked car does not.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// The scene is learnt for so long, and over so many frames, before anything counts as an event.
pub(super) const LEARNING: Duration = Duration::from_millis(800);
pub(super) const LEARNING_FRAMES: u32 = 3;
/// Without a frame for so long, nobody knows what happened meanwhile.
pub(super) const GAP: Duration = Duration::from_secs(10);

/// A camera with fewer frames than one in so long must be believed at the first.
pub(super) const SLOW: Duration = Duration::from_millis(800);

/// The numbers that one camera's motion is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Thresholds {
    /// A cell differs when it is off by `base + slope * level` grey levels, ...
    pub(super) base: f32,
    /// ... because what is bright differs by more than what is dark, ...
    pub(super) slope: f32,
    /// ... and by so many times its own noise (one standard deviation).
    pub(super) noises: f32,
    /// Share of the view that a thing must cover to start an event; half of it keeps one going.
    pub(super) area: f32,
}

impl Thresholds {
    /// `sensitivity` from 0 (only what is large and clear) to 1 (most); anything else is taken as the nearest of the two.
    pub(super) fn new(sensitivity: f32) -> Self {
        let s = if sensitivity.is_nan() { 0.5 } else { sensitivity.clamp(0.0, 1.0) };
        // Each step is a factor, so that the middle is the measured default and both ends are worth having:
        // contrast from 2.2 times the default down to 1/2.2, area from 6 times down to a sixth.
        let contrast = 2.2_f32.powf(1.0 - 2.0 * s);
        let area = 6.0_f32.powf(1.0 - 2.0 * s);
        Self { base: 5.0 * contrast, slope: 0.045 * contrast, noises: 4.0 + (1.0 - s), area: 0.0025 * area }
    }

    /// By how many grey levels a cell of this background level and noise must be off.
    #[inline]
    pub(super) fn difference(&self, level: f32, noise: f32) -> f32 {
        (self.base + self.slope * level).max(self.noises * noise)
    }

    /// By how many grey levels a cell that shows `level` must be off from where it came to rest to have moved: less than to
    /// differ, so that what has been found is seen to move, but well beyond noise, which comes anew with every frame.
    #[inline]
    pub(super) fn change(&self, level: f32, noise: f32) -> f32 {
        (0.6 * (self.base + self.slope * level)).max(6.0 * noise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_sensitive_is_less_demanding() {
        let steps: Vec<_> = [0.0, 0.25, 0.5, 0.75, 1.0].map(Thresholds::new).to_vec();
        for pair in steps.windows(2) {
            assert!(pair[0].difference(100.0, 1.0) > pair[1].difference(100.0, 1.0));
            assert!(pair[0].area > pair[1].area);
        }
    }

    #[test]
    fn nonsense_is_taken_for_the_nearest_sense() {
        assert_eq!(Thresholds::new(-3.0), Thresholds::new(0.0));
        assert_eq!(Thresholds::new(9.0), Thresholds::new(1.0));
        assert_eq!(Thresholds::new(f32::NAN), Thresholds::new(0.5));
    }
}
