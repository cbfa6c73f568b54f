//! How fast the background follows the frame: each cell as what it was taken for asks. Nothing is judged here.

use super::background::Class;

/// How fast a cell of each class follows the frame, as time constant in seconds. The scene: much faster than the sun, much
/// slower than anybody who walks by. Other light is there at once, and stays.
const SCENE: f32 = 4.0;
const LIGHT: f32 = 2.0;
const SPECK: f32 = 6.0;
const NOISE: f32 = 10.0;
const NEAR: f32 = 60.0;
/// Nothing is quieter than this, in grey levels: cameras and encoders hide small changes, and then show them.
const LEAST_NOISE: f32 = 0.5;
/// From the mean distance to the standard deviation of a normal distribution.
pub(super) const DEVIATION: f32 = 1.25;
/// So many cells are followed in one go.
const CHUNK: usize = 32;

/// The share of its distance to the frame that a cell with this time constant makes good within `dt` seconds.
pub(super) fn rate(time: f32, dt: f32) -> f32 {
    1.0 - (-dt / time).exp()
}

/// What is known of a frame's cells.
pub(super) struct Cells<'a> {
    pub(super) frame: &'a [f32],
    pub(super) classes: &'a [Class],
    /// Further from the level than noise brings them.
    pub(super) apart: &'a [bool],
}

/// The shares of one frame.
pub(super) struct Rates {
    scene: f32,
    noise: f32,
    near: f32,
    light: f32,
    speck: f32,
}

impl Rates {
    pub(super) fn new(dt: f32) -> Self {
        let of = |time| rate(time, dt);
        Self { scene: of(SCENE), noise: of(NOISE), near: of(NEAR), light: of(LIGHT), speck: of(SPECK) }
    }

    /// Brings level and noise nearer to the frame.
    pub(super) fn follow(&self, cells: &Cells<'_>, level: &mut [f32], noise: &mut [f32]) {
        for (i, (level, noise)) in level.chunks_mut(CHUNK).zip(noise.chunks_mut(CHUNK)).enumerate() {
            let all = i * CHUNK..i * CHUNK + level.len();
            let (frame, classes, apart) = (&cells.frame[all.clone()], &cells.classes[all.clone()], &cells.apart[all]);
            // Nearly always nothing but scene, and then many cells go at once.
            if classes.iter().all(|class| *class == Class::Scene) && !apart.contains(&true) {
                self.follow_scene(frame, level, noise);
            } else {
                self.follow_mixed(&Cells { frame, classes, apart }, level, noise);
            }
        }
    }

    fn follow_scene(&self, frame: &[f32], level: &mut [f32], noise: &mut [f32]) {
        for ((f, level), noise) in frame.iter().zip(level).zip(noise) {
            let off = f - *level;
            *noise = (*noise + self.noise * (DEVIATION * off.abs() - *noise)).max(LEAST_NOISE);
            *level += self.scene * off;
        }
    }

    fn follow_mixed(&self, cells: &Cells<'_>, level: &mut [f32], noise: &mut [f32]) {
        for (i, class) in cells.classes.iter().enumerate() {
            let off = cells.frame[i] - level[i];
            match class {
                // What shows only now and then is not the level.
                Class::Scene if cells.apart[i] => level[i] += self.near * off,
                Class::Scene => self.follow_scene(&cells.frame[i..=i], &mut level[i..=i], &mut noise[i..=i]),
                Class::Near => level[i] += self.near * off,
                Class::Light => level[i] += self.light * off,
                Class::Speck => level[i] += self.speck * off,
                Class::Thing => {}
                Class::Settled => level[i] = cells.frame[i],
            }
        }
    }
}
