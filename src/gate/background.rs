//! What the scene looks like when nothing is in it, cell by cell, with each cell's own noise and with when it last
//! changed. What a difference means is decided in `motion`.

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
/// How much of its distance a cell that comes off the scene adds to its swing, each time it does: of leaves, rain and
/// whatever else is too small to be a thing, so that four times make it known; of things and light next to nothing, so
/// that a busy path does not grow deaf, but what has moved on the spot for a minute does.
const SWINGS: f32 = 0.25;
const SWINGS_AS_THING: f32 = 0.02;
/// A cell's swing is forgotten with this time constant, in seconds: longer than the calm between two gusts.
const FORGET_SWING: f32 = 240.0;
/// Nothing is quieter than this, in grey levels: cameras and encoders hide small changes, and then show them.
const LEAST_NOISE: f32 = 0.5;
/// From the mean distance to the standard deviation of a normal distribution.
const DEVIATION: f32 = 1.25;

#[derive(Debug, Clone, Default)]
pub(super) struct Background {
    /// Expected luma in the present light, 0 to 255 and beyond where the camera clips.
    level: Vec<f32>,
    /// The scene in the light of the time when the first of the things now in view came; without any, the level itself
    /// stands for it. Small errors would add up, were the scene behind a thing carried from light to light frame by frame.
    reference: Vec<f32>,
    /// From the reference to the present light.
    exposure: Exposure,
    /// Cells behind things: their level is known through the reference only.
    hidden: Vec<bool>,
    /// Whether any cell is hidden, so that the reference counts.
    hides: bool,
    /// One standard deviation, in grey levels.
    noise: Vec<f32>,
    /// How far off it comes by what keeps coming and going there: leaves, rain, a clock.
    swing: Vec<f32>,
    /// Cells that are off by more than noise in this frame, and those that were in the one before.
    off: Vec<bool>,
    was_off: Vec<bool>,
    /// Seconds since swings were last faded.
    unfaded: f32,
    /// Luma when the cell last changed, carried along with the light.
    steady: Vec<f32>,
    /// Seconds since then.
    age: Vec<f32>,
    /// Frames averaged while learning.
    learnt: u32,
}

/// A step between two neighbouring cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// It is another one than the scene has: an edge of something, not of a glow or a soft shadow.
    pub(super) other: bool,
    /// The scene has a step there that could not be overlooked.
    pub(super) clear: bool,
}

/// How much of a frame is not what the scene was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stir {
    /// Cells that changed since they last did.
    pub(super) changed: u32,
    /// Cells that are off by more than noise.
    pub(super) off: u32,
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

    /// What the light of a frame is to be compared with.
    pub(super) fn reference(&self) -> &[f32] {
        if self.hides { &self.reference } else { &self.level }
    }

    /// From the reference to the light of the last frame.
    pub(super) fn exposure(&self) -> Exposure {
        self.exposure
    }

    /// The cells that are off by more than noise.
    pub(super) fn off(&self) -> &[bool] {
        &self.off
    }

    /// Seconds since each cell last changed.
    pub(super) fn age(&self) -> &[f32] {
        &self.age
    }

    /// Takes a frame of the learning phase.
    pub(super) fn learn(&mut self, frame: &[f32]) {
        self.hides = false;
        self.exposure = Exposure::SAME;
        if self.learnt == 0 || self.level.len() != frame.len() {
            let fill = |cells: &mut Vec<f32>, value: f32| {
                cells.clear();
                cells.resize(frame.len(), value);
            };
            fill(&mut self.noise, 1.0);
            // Long enough ago that nothing takes the first sight of the scene for movement.
            fill(&mut self.age, 1e-3);
            fill(&mut self.swing, 0.0);
            for cells in [&mut self.hidden, &mut self.off, &mut self.was_off] {
                cells.clear();
                cells.resize(frame.len(), false);
            }
            frame.clone_into(&mut self.level);
            frame.clone_into(&mut self.steady);
            frame.clone_into(&mut self.reference);
            self.learnt = 1;
            return;
        }
        self.learnt += 1;
        let share = 1.0 / self.learnt as f32;
        for ((level, noise), f) in self.level.iter_mut().zip(&mut self.noise).zip(frame) {
            let off = f - *level;
            *noise += share * (DEVIATION * off.abs() - *noise).max(0.0);
            *level += share * off;
        }
    }

    /// Carries the picture of the scene over into the light of the present frame, behind things in view too, and holds the
    /// frame against it: notes which cells changed since they last did, and marks those that are off by more than noise.
    /// What changed is measured against where a cell came to rest, not against the frame before, so that slow movement
    /// counts at any frame rate. `exposure`: from the reference to the frame; `spread`: noise of the whole picture in this
    /// frame, in grey levels; `dt`: seconds since the frame before.
    pub(super) fn meet(
        &mut self,
        frame: &[f32],
        exposure: Exposure,
        thresholds: &Thresholds,
        spread: f32,
        dt: f32,
    ) -> Stir {
        let gain = exposure.gain / self.exposure.gain;
        let offset = exposure.offset - gain * self.exposure.offset;
        self.exposure = exposure;
        if self.hides {
            let cells = self.level.iter_mut().zip(&self.reference).zip(&self.hidden);
            for ((level, reference), hidden) in cells {
                let before = (exposure.apply(*reference) - offset) / gain;
                *level = if *hidden { before } else { *level };
            }
        }
        let cells = self.level.iter_mut().zip(&mut self.steady).zip(&mut self.age);
        std::mem::swap(&mut self.off, &mut self.was_off);
        let cells = cells.zip(&self.noise).zip(&self.swing).zip(frame).zip(&mut self.off);
        let mut stir = Stir::default();
        for ((((((level, steady), age), noise), swing), f), off) in cells {
            *level = gain * *level + offset;
            let held = gain * *steady + offset;
            let noise = noise.max(spread);
            let moves = (f - held).abs() > thresholds.change(*f, noise, *swing);
            *steady = if moves { *f } else { held };
            *age = if moves { 0.0 } else { *age + dt };
            stir.changed += u32::from(moves);
            // What the camera clips cannot be brighter than white.
            let expected = level.clamp(0.0, 255.0);
            *off = (f - expected).abs() > thresholds.difference(expected, noise, *swing);
            stir.off += u32::from(*off);
        }
        stir
    }

    /// Notes which cells changed since they last did, in a frame that cannot be held against the scene; returns their share.
    pub(super) fn stir(&mut self, frame: &[f32], thresholds: &Thresholds, dt: f32) -> f32 {
        let mut changed = 0_u32;
        for (((f, steady), age), noise) in frame.iter().zip(&mut self.steady).zip(&mut self.age).zip(&self.noise) {
            let moves = (f - *steady).abs() > thresholds.change(*f, *noise, 0.0);
            *steady = if moves { *f } else { *steady };
            *age = if moves { 0.0 } else { *age + dt };
            changed += u32::from(moves);
        }
        changed as f32 / frame.len().max(1) as f32
    }

    /// A camera that sways by less than a cell moves every edge of the scene a little: whether its neighbours in the
    /// background explain what a marked cell shows.
    pub(super) fn sways(&self, frame: &[f32], grid: &Grid, i: usize, thresholds: &Thresholds, spread: f32) -> bool {
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
        let margin = thresholds.difference(self.level[i].clamp(0.0, 255.0), self.noise[i].max(spread), 0.0);
        (low - margin..=high + margin).contains(&frame[i])
    }

    /// The step from cell `i` to its neighbour `j`, held against the step that the scene has in any light.
    pub(super) fn step(&self, frame: &[f32], i: usize, j: usize, thresholds: &Thresholds, spread: f32) -> Step {
        // The little that is added keeps black defined, as in `exposure`.
        let ratio = (frame[i] + 4.0) / (self.level[i].max(0.0) + 4.0);
        let expected = (ratio * (self.level[j].max(0.0) + 4.0) - 4.0).min(255.0);
        let level = self.level[j].clamp(0.0, 255.0);
        let least = 0.6 * thresholds.difference(level, self.noise[j].max(spread), self.swing[j]);
        Step { other: (frame[j] - expected).abs() > least, clear: (expected - frame[i]).abs() > 1.5 * least }
    }

    /// Follows the frame, each cell as its class asks. `dt`: seconds since the frame before.
    pub(super) fn adapt(&mut self, frame: &[f32], classes: &[Class], dt: f32) {
        let rate = |time: f32| 1.0 - (-dt / time).exp();
        let rates = Rates {
            scene: rate(FOLLOW_SCENE),
            noise: rate(FOLLOW_NOISE),
            near: rate(FOLLOW_NEAR),
            light: rate(FOLLOW_LIGHT),
            speck: rate(FOLLOW_SPECK),
        };
        let cells = frame.chunks(CHUNK).zip(classes.chunks(CHUNK));
        let cells = cells.zip(self.level.chunks_mut(CHUNK)).zip(self.noise.chunks_mut(CHUNK));
        for (((frame, classes), level), noise) in cells {
            // Nearly always nothing but scene, and then many cells go at once.
            if classes.iter().all(|class| *class == Class::Scene) {
                rates.follow_scene(frame, level, noise);
            } else {
                rates.follow(frame, classes, level, noise);
            }
        }
        self.fade_swing(dt);
        self.keep_reference(frame, classes, rate(FOLLOW_REFERENCE));
    }

    /// Notes the cells that came off the scene just now: what comes and goes there often is how the scene is. Comes before
    /// [`Self::adapt`], which brings the level nearer.
    pub(super) fn note_swing(&mut self, frame: &[f32], classes: &[Class]) {
        let cells = self.off.iter().zip(&self.was_off).zip(&mut self.swing).zip(&self.level).zip(frame).zip(classes);
        for (((((_, _), swing), level), f), class) in cells.filter(|c| *c.0.0.0.0.0 && !*c.0.0.0.0.1) {
            let share = match class {
                Class::Scene | Class::Speck => SWINGS,
                Class::Light | Class::Thing | Class::Near | Class::Settled => SWINGS_AS_THING,
            };
            *swing += share * ((f - level).abs() - *swing).max(0.0);
        }
    }

    fn fade_swing(&mut self, dt: f32) {
        /// Seconds: often enough for what takes minutes.
        const NOW_AND_THEN: f32 = 1.0;
        self.unfaded += dt;
        if self.unfaded >= NOW_AND_THEN {
            let left = (-self.unfaded / FORGET_SWING).exp();
            self.swing.iter_mut().for_each(|swing| *swing *= left);
            self.unfaded = 0.0;
        }
    }

    fn keep_reference(&mut self, frame: &[f32], classes: &[Class], share: f32) {
        let hides = classes.contains(&Class::Thing);
        if !hides || !self.hides {
            self.exposure = Exposure::SAME;
            self.hides = hides;
            if hides {
                self.hidden.fill(false);
                self.reference.clone_from(&self.level);
            } else {
                return;
            }
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

/// So many cells are followed in one go.
const CHUNK: usize = 32;

/// Which share of its distance to the frame a cell of each class makes good.
struct Rates {
    scene: f32,
    noise: f32,
    near: f32,
    light: f32,
    speck: f32,
}

impl Rates {
    fn follow_scene(&self, frame: &[f32], level: &mut [f32], noise: &mut [f32]) {
        for ((f, level), noise) in frame.iter().zip(level).zip(noise) {
            let off = f - *level;
            *noise = (*noise + self.noise * (DEVIATION * off.abs() - *noise)).max(LEAST_NOISE);
            *level += self.scene * off;
        }
    }

    fn follow(&self, frame: &[f32], classes: &[Class], level: &mut [f32], noise: &mut [f32]) {
        for (i, class) in classes.iter().enumerate() {
            let off = frame[i] - level[i];
            match class {
                Class::Scene => self.follow_scene(&frame[i..=i], &mut level[i..=i], &mut noise[i..=i]),
                Class::Near => level[i] += self.near * off,
                Class::Light => level[i] += self.light * off,
                Class::Speck => level[i] += self.speck * off,
                Class::Thing => {}
                Class::Settled => level[i] = frame[i],
            }
        }
    }
}
