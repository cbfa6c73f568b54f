//! What the scene looks like when nothing is in it, cell by cell, with each cell's own noise and with when it last
//! changed. What a difference means is decided in `motion`.

use super::exposure::Exposure;
use super::follow::{self, Cells, DEVIATION, Rates};
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

/// How fast the picture of what is hidden follows where it can be seen again, as time constant in seconds.
const FOLLOW_REFERENCE: f32 = 60.0;
/// How much of its distance a cell that comes off the scene adds to the range of what it shows, each time it does: of
/// leaves, rain and whatever else is too small to be a thing, so that a few times make it known; of things and light next
/// to nothing, so that a busy path does not grow deaf, but what has moved on the spot for a minute does.
const WIDEN: f32 = 0.3;
const WIDEN_BY_THING: f32 = 0.012;
/// The range is forgotten with this time constant, in seconds: longer than the calm between two gusts.
const FORGET_RANGE: f32 = 400.0;
/// A range within so many times the noise is none: the level wanders as far, and the light's small errors add up.
const NO_RANGE: f32 = 2.0;
/// What keeps coming and going goes a little further one day.
const FURTHER: f32 = 1.15;
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
    /// The range of what a cell shows by turns: leaves, rain, a clock. Carried along with the light.
    low: Vec<f32>,
    high: Vec<f32>,
    /// Cells that are further from the level than the picture's noise brings them, in this frame and in the one before: no
    /// measure of their own noise, which would grow and grow with what it lets pass.
    apart: Vec<bool>,
    was_apart: Vec<bool>,
    /// Those of them that are outside of their range and beyond their own noise too.
    off: Vec<bool>,
    /// Seconds since the ranges were last narrowed.
    wide_for: f32,
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
    /// It is the same, as far as can be told.
    pub(super) kept: bool,
}

/// How much of a frame is not what the scene was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stir {
    /// Cells that are off by more than noise.
    pub(super) off: u32,
    /// Those, and the ones that are known to come and go.
    pub(super) apart: u32,
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
        if self.hides { &self.reference } else { self.level() }
    }

    /// From the reference to the light of the last frame.
    pub(super) fn exposure(&self) -> Exposure {
        self.exposure
    }

    /// Expected luma of each cell in the present light.
    pub(super) fn level(&self) -> &[f32] {
        &self.level
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
            for cells in [&mut self.hidden, &mut self.apart, &mut self.off, &mut self.was_apart] {
                cells.clear();
                cells.resize(frame.len(), false);
            }
            frame.clone_into(&mut self.level);
            frame.clone_into(&mut self.steady);
            frame.clone_into(&mut self.reference);
            frame.clone_into(&mut self.low);
            frame.clone_into(&mut self.high);
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
        self.low.clone_from(&self.level);
        self.high.clone_from(&self.level);
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
        std::mem::swap(&mut self.apart, &mut self.was_apart);
        let cells = self.level.iter_mut().zip(&mut self.steady).zip(&mut self.age);
        let cells = cells.zip(&mut self.low).zip(&mut self.high).zip(&self.noise).zip(frame);
        let cells = cells.zip(&mut self.apart).zip(&mut self.off);
        let mut stir = Stir::default();
        for ((((((((level, steady), age), low), high), noise), f), apart), off) in cells {
            *level = gain * *level + offset;
            *low = gain * *low + offset;
            *high = gain * *high + offset;
            let held = gain * *steady + offset;
            let noise = noise.max(spread);
            let moves = (f - held).abs() > thresholds.change(*f, noise);
            *steady = if moves { *f } else { held };
            *age = if moves { 0.0 } else { *age + dt };
            // What the camera clips cannot be brighter than white.
            let expected = level.clamp(0.0, 255.0);
            let least = thresholds.difference(expected, noise);
            *apart = (f - expected).abs() > thresholds.difference(expected, spread);
            stir.apart += u32::from(*apart);
            *off = *f > expected.max(*high) + least || *f < expected.min(*low) - least;
            stir.off += u32::from(*off);
        }
        stir
    }

    /// Notes which cells changed since they last did, in a frame that cannot be held against the scene; returns their share.
    pub(super) fn stir(&mut self, frame: &[f32], thresholds: &Thresholds, dt: f32) -> f32 {
        let mut changed = 0_u32;
        for (((f, steady), age), noise) in frame.iter().zip(&mut self.steady).zip(&mut self.age).zip(&self.noise) {
            let moves = (f - *steady).abs() > thresholds.change(*f, *noise);
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
        let margin = thresholds.difference(self.level[i].clamp(0.0, 255.0), self.noise[i].max(spread));
        (low - margin..=high + margin).contains(&frame[i])
    }

    /// The step from cell `i` to its neighbour `j`, held against the step that the scene has in any light.
    pub(super) fn step(&self, frame: &[f32], i: usize, j: usize, thresholds: &Thresholds, spread: f32) -> Step {
        // The little that is added keeps black defined, as in `exposure`.
        let ratio = (frame[i] + 4.0) / (self.level[i].max(0.0) + 4.0);
        let expected = (ratio * (self.level[j].max(0.0) + 4.0) - 4.0).min(255.0);
        let level = self.level[j].clamp(0.0, 255.0);
        let range = (self.high[j] - level).max(level - self.low[j]).max(0.0);
        let least = 0.6 * thresholds.difference(level, self.noise[j].max(spread));
        let off = (frame[j] - expected).abs();
        Step { other: off > least + 0.6 * range, clear: (expected - frame[i]).abs() > 1.5 * least, kept: off <= least }
    }

    /// Follows the frame, each cell as its class asks. `dt`: seconds since the frame before.
    pub(super) fn adapt(&mut self, frame: &[f32], classes: &[Class], dt: f32) {
        let rates = Rates::new(dt);
        let cells = Cells { frame, classes, apart: &self.apart };
        rates.follow(&cells, &mut self.level, &mut self.noise);
        self.narrow(dt);
        self.keep_reference(frame, classes, follow::rate(FOLLOW_REFERENCE, dt));
    }

    /// Widens the range of the cells that came apart from the scene just now: what comes and goes there often is how the
    /// scene is. Comes before [`Self::adapt`], which brings the level nearer.
    pub(super) fn widen(&mut self, frame: &[f32], classes: &[Class]) {
        for (i, class) in classes.iter().enumerate().filter(|(i, _)| self.apart[*i] && !self.was_apart[*i]) {
            let share = match class {
                Class::Scene | Class::Speck => WIDEN,
                Class::Light | Class::Thing | Class::Near | Class::Settled => WIDEN_BY_THING,
            };
            let far = self.level[i] + FURTHER * (frame[i] - self.level[i]);
            self.high[i] += share * (far - self.high[i]).max(0.0);
            self.low[i] += share * (far - self.low[i]).min(0.0);
        }
    }

    fn narrow(&mut self, dt: f32) {
        /// Seconds: often enough for what takes minutes.
        const NOW_AND_THEN: f32 = 1.0;
        self.wide_for += dt;
        if self.wide_for < NOW_AND_THEN {
            return;
        }
        let share = 1.0 - (-self.wide_for / FORGET_RANGE).exp();
        self.wide_for = 0.0;
        let cells = self.low.iter_mut().zip(&mut self.high).zip(&self.level).zip(&self.noise);
        for (((low, high), level), noise) in cells {
            let least = NO_RANGE * noise;
            *low = if *low < level - least { *low + share * (level - *low) } else { *level };
            *high = if *high > level + least { *high + share * (level - *high) } else { *level };
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

#[cfg(test)]
mod tests {
    use super::*;

    const DT: f32 = 0.2;
    const CELLS: usize = 64;

    /// A learnt scene of one grey, and what a frame of another grey does to it, taken for `class`.
    struct Scene {
        background: Background,
        thresholds: Thresholds,
    }

    impl Scene {
        fn new() -> Self {
            let mut background = Background::default();
            for _ in 0..4 {
                background.learn(&[100.0; CELLS]);
            }
            Self { background, thresholds: Thresholds::new(0.5) }
        }

        /// Whether the frame is off.
        fn show(&mut self, luma: f32, class: Class) -> bool {
            let frame = [luma; CELLS];
            let stir = self.background.meet(&frame, Exposure::SAME, &self.thresholds, 0.0, DT);
            let class = if stir.off > 0 { class } else { Class::Scene };
            self.background.widen(&frame, &[class; CELLS]);
            self.background.adapt(&frame, &[class; CELLS], DT);
            stir.off > 0
        }
    }

    #[test]
    fn what_comes_and_goes_is_expected_and_everything_else_is_not() {
        let mut scene = Scene::new();
        let leaves = |i: usize| if i.is_multiple_of(5) { 150.0 } else { 100.0 };
        let off: Vec<bool> = (0..300).map(|i| scene.show(leaves(i), Class::Speck)).collect();
        assert!(off[0], "nobody knows leaves at first");
        assert!(off[100..].iter().filter(|off| **off).count() <= 1);
        assert!(scene.show(40.0, Class::Thing), "darker than the leaves ever were");
        assert!(scene.show(200.0, Class::Thing), "brighter than the leaves ever were");
        // The calm between two gusts.
        assert!((0..125).all(|_| !scene.show(100.0, Class::Scene)));
        assert!(!scene.show(150.0, Class::Speck));
    }

    #[test]
    fn a_busy_path_does_not_grow_deaf() {
        let mut scene = Scene::new();
        // Somebody dark, for a second every twelve, for half an hour.
        let passes = (0..9_000)
            .filter(|i| i % 60 < 5 && scene.show(40.0, Class::Thing) || i % 60 >= 5 && scene.show(100.0, Class::Thing));
        assert_eq!(passes.count(), 9_000 / 60 * 5);
    }

    #[test]
    fn outliers_are_no_noise() {
        let mut scene = Scene::new();
        for i in 0..300 {
            scene.show(if i % 3 < 1 { 160.0 } else { 100.0 }, Class::Speck);
        }
        assert!(scene.background.noise[0] < 4.0, "{}", scene.background.noise[0]);
    }
}
