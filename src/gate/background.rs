//! What the scene looks like when nothing is in it, cell by cell, with each cell's own noise and with when it last
//! changed. What a difference means is decided in `motion`.

use std::time::Duration;

use super::exposure::Exposure;
use super::luma::Grid;
use super::thresholds::Thresholds;

/// What a cell was taken for in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The scene.
    Scene,
    /// The scene in other light.
    Light,
    /// Differs, but too little of it to be anything.
    Speck,
    /// Part of something that is in view: the background behind it is kept as it was.
    Thing,
    /// Around or within a thing: perhaps a part of it that looks like the scene behind it.
    Near,
    /// Part of something that has been still for so long that it belongs to the scene now.
    Settled,
}

/// How fast a cell of each class follows the frame, as time constant in seconds.
const FOLLOW_SCENE: f32 = 4.0;
const FOLLOW_LIGHT: f32 = 2.0;
const FOLLOW_SPECK: f32 = 6.0;
const FOLLOW_NOISE: f32 = 10.0;
const FOLLOW_NEAR: f32 = 60.0;
const FOLLOW_REFERENCE: f32 = 60.0;
/// Nothing is quieter than this, in grey levels: cameras and encoders hide small changes, and then show them.
const LEAST_NOISE: f32 = 0.5;

#[derive(Debug, Default)]
pub(super) struct Background {
    /// Expected luma in the present light, 0 to 255 and beyond where the camera clips.
    level: Vec<f32>,
    /// The scene in the light of the time when the first of the things now in view came; without any, the level itself.
    /// Small errors would add up, were the scene behind a thing carried from light to light frame by frame.
    reference: Vec<f32>,
    /// From the reference to the present light.
    exposure: Exposure,
    /// Cells behind things: their level is known through the reference only.
    hidden: Vec<bool>,
    /// One standard deviation, in grey levels.
    noise: Vec<f32>,
    /// Luma when the cell last changed, carried along with the light.
    steady: Vec<f32>,
    /// When that was.
    moved: Vec<Duration>,
    /// Frames averaged while learning.
    learnt: u32,
}

impl Background {
    /// Forgets the scene; the next frames are averaged into a new one.
    pub(super) fn forget(&mut self) {
        self.learnt = 0;
    }

    /// How many frames were learnt from.
    pub(super) fn learnt(&self) -> u32 {
        self.learnt
    }

    pub(super) fn level(&self) -> &[f32] {
        &self.level
    }

    /// What the light of a frame is to be compared with.
    pub(super) fn reference(&self) -> &[f32] {
        &self.reference
    }

    /// From the reference to the light of the last frame.
    pub(super) fn exposure(&self) -> Exposure {
        self.exposure
    }

    /// When each cell last changed.
    pub(super) fn moved(&self) -> &[Duration] {
        &self.moved
    }

    /// Takes a frame of the learning phase.
    pub(super) fn learn(&mut self, frame: &[f32], at: Duration) {
        if self.learnt == 0 || self.level.len() != frame.len() {
            self.level = frame.to_vec();
            self.steady = frame.to_vec();
            self.hidden = vec![false; frame.len()];
            self.noise = vec![1.0; frame.len()];
            self.moved = vec![at; frame.len()];
            self.learnt = 1;
            self.anchor();
            return;
        }
        self.learnt += 1;
        let share = 1.0 / self.learnt as f32;
        for (level, f) in self.level.iter_mut().zip(frame) {
            *level += share * (f - *level);
        }
        self.anchor();
    }

    /// Takes the present level and light for the reference.
    fn anchor(&mut self) {
        self.reference.clone_from(&self.level);
        self.exposure = Exposure::SAME;
    }

    /// Carries the picture of the scene over into the light of the present frame, behind things in view too.
    /// `exposure`: from the reference to the frame.
    pub(super) fn relight(&mut self, exposure: Exposure) {
        let gain = exposure.gain / self.exposure.gain;
        let offset = exposure.offset - gain * self.exposure.offset;
        let cells = self.level.iter_mut().zip(&mut self.steady).zip(&self.reference).zip(&self.hidden);
        for (((level, steady), reference), hidden) in cells {
            *level = if *hidden { exposure.apply(*reference) } else { gain * *level + offset };
            *steady = gain * *steady + offset;
        }
        self.exposure = exposure;
    }

    /// Notes which cells changed since they last did. Measured against where a cell came to rest, not against the
    /// frame before, so that slow movement counts at any frame rate. Returns the share of cells that changed.
    pub(super) fn stir(&mut self, frame: &[f32], thresholds: &Thresholds, spread: f32, at: Duration) -> f32 {
        let mut count = 0_u32;
        let cells = frame.iter().zip(&mut self.steady).zip(&mut self.moved).zip(&self.noise);
        for (((&f, steady), moved), &noise) in cells {
            let least = (0.6 * thresholds.difference(f, 0.0)).max(6.0 * noise.max(spread));
            if (f - *steady).abs() > least {
                *steady = f;
                *moved = at;
                count += 1;
            }
        }
        count as f32 / frame.len().max(1) as f32
    }

    /// Marks the cells that are off by more than noise, alone or beside others that are.
    /// `spread`: noise of the whole picture in this frame, in grey levels.
    pub(super) fn differs(
        &self,
        frame: &[f32],
        grid: &Grid,
        thresholds: &Thresholds,
        spread: f32,
        out: &mut [bool],
    ) -> bool {
        let mut any = false;
        for (((&f, &level), &noise), out) in frame.iter().zip(&self.level).zip(&self.noise).zip(out.iter_mut()) {
            // What the camera clips cannot be brighter than white.
            let expected = level.clamp(0.0, 255.0);
            *out = (f - expected).abs() > thresholds.difference(expected, noise.max(spread));
            any |= *out;
        }
        if any {
            self.forgive_sway(frame, grid, thresholds, spread, out);
        }
        any
    }

    /// A camera that sways by less than a cell moves every edge of the scene a little: a cell that its neighbours in the
    /// background explain does not differ.
    fn forgive_sway(&self, frame: &[f32], grid: &Grid, thresholds: &Thresholds, spread: f32, out: &mut [bool]) {
        for (i, out) in out.iter_mut().enumerate().filter(|(_, out)| **out) {
            let (col, row) = (i % grid.cols, i / grid.cols);
            let (mut low, mut high) = (f32::MAX, f32::MIN);
            for y in row.saturating_sub(1)..=(row + 1).min(grid.rows - 1) {
                let line = &self.level[y * grid.cols..(y + 1) * grid.cols];
                for level in &line[col.saturating_sub(1)..=(col + 1).min(grid.cols - 1)] {
                    low = low.min(*level);
                    high = high.max(*level);
                }
            }
            let (low, high) = (low.clamp(0.0, 255.0), high.clamp(0.0, 255.0));
            let margin = thresholds.difference(self.level[i].clamp(0.0, 255.0), self.noise[i].max(spread));
            *out = frame[i] > high + margin || frame[i] < low - margin;
        }
    }

    /// Whether the step from cell `i` to its neighbour `j` is another one than the scene has in any light: an edge of
    /// something, not of a glow or a soft shadow.
    pub(super) fn edge(&self, frame: &[f32], i: usize, j: usize, thresholds: &Thresholds, spread: f32) -> bool {
        // The little that is added keeps black defined, as in `exposure`.
        let ratio = (frame[i] + 4.0) / (self.level[i].max(0.0) + 4.0);
        let expected = (ratio * (self.level[j].max(0.0) + 4.0) - 4.0).min(255.0);
        let least = 0.6 * thresholds.difference(self.level[j].clamp(0.0, 255.0), self.noise[j].max(spread));
        (frame[j] - expected).abs() > least
    }

    /// Follows the frame, each cell as its class asks. `dt`: seconds since the frame before.
    pub(super) fn adapt(&mut self, frame: &[f32], classes: &[Class], dt: f32) {
        let rate = |time: f32| 1.0 - (-dt / time).exp();
        let (scene, near, light) = (rate(FOLLOW_SCENE), rate(FOLLOW_NEAR), rate(FOLLOW_LIGHT));
        let (speck, noisy) = (rate(FOLLOW_SPECK), rate(FOLLOW_NOISE));
        let cells = frame.iter().zip(classes).zip(&mut self.level).zip(&mut self.noise);
        for (((&f, class), level), noise) in cells {
            let off = f - *level;
            match class {
                Class::Scene => {
                    // 1.25: from the mean distance to the standard deviation of a normal distribution.
                    *noise = (*noise + noisy * (1.25 * off.abs() - *noise)).max(LEAST_NOISE);
                    *level += scene * off;
                }
                Class::Near => *level += near * off,
                Class::Light => *level += light * off,
                Class::Speck => *level += speck * off,
                Class::Thing => {}
                Class::Settled => *level = f,
            }
        }
        self.keep_reference(frame, classes, rate(FOLLOW_REFERENCE));
    }

    fn keep_reference(&mut self, frame: &[f32], classes: &[Class], share: f32) {
        if !classes.contains(&Class::Thing) {
            self.hidden.fill(false);
            self.anchor();
            return;
        }
        let (scale, offset) = (1.0 / self.exposure.gain, self.exposure.offset);
        let cells = self.reference.iter_mut().zip(&mut self.hidden).zip(classes).zip(frame).zip(&self.level);
        for ((((reference, hidden), class), f), level) in cells {
            match class {
                Class::Thing if *hidden => {}
                Class::Thing => {
                    *hidden = true;
                    *reference = (level - offset) * scale;
                }
                Class::Settled => {
                    *hidden = false;
                    *reference = (level - offset) * scale;
                }
                Class::Scene | Class::Near | Class::Light | Class::Speck => {
                    *hidden = false;
                    *reference += share * ((f - offset) * scale - *reference);
                }
            }
        }
    }
}
