//! Motion as the encoder sees it: what moves costs bits. Unit sizes over a short window, held against the largest that
//! were usual lately. Keyframes say nothing here and are left out. Pure.
//!
//! The upper end is what counts, not the spread: a calm scene's packets are nearly empty, so that their sizes vary by
//! large factors and still never come near those of somebody who walks.
//!
//! Not every stream tells: where noise fills the packets, or the encoder spends the same on a still scene as on a busy
//! one, a person does not show. [`Sizes::tells`] knows.

use std::collections::VecDeque;
use std::time::Duration;

/// Units are looked at over so long, because single ones vary with their place in the pattern of B-frames, ...
const WINDOW: Duration = Duration::from_millis(150);
/// ... and at least so many of them.
const LEAST_UNITS: usize = 2;
/// What counts as lately, at most and at least.
const MEMORY: Duration = Duration::from_secs(120);
const LEAST: Duration = Duration::from_secs(4);
/// The statistics are worked out anew so often.
const RENEW: Duration = Duration::from_secs(1);
/// One in so many windows may be larger than the largest usual one, and one more.
const ONE_IN: usize = 400;
/// A jump goes so far beyond the largest usual size, ...
const MARGIN: f32 = 0.25;
/// ... and by so many bytes beyond the median: a skipped block costs nothing, so anything is a multiple of it.
const LEAST_BYTES: f32 = 100.0;
/// When something happens, it began up to so long before anybody noticed.
const UNNOTICED: Duration = Duration::from_secs(3);
/// What a thing costs that moves: bytes per pixel of it, measured at about 1.5 bits; and what share of the view the
/// smallest thing covers that has to be noticed.
const BYTES_PER_PIXEL: f32 = 0.19;
const THING: f32 = 0.01;
/// A false alarm raises the margin by this factor; it falls back by half in `FORGET`.
const RAISE: f32 = 2.0;
const MOST_RAISED: f32 = 16.0;
const FORGET: Duration = Duration::from_secs(180);
/// A stream that did not tell of a visit is not believed for so long.
const DISTRUST: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Sizes {
    pixels: f32,
    window: VecDeque<(Duration, f32)>,
    /// The highest level in every stretch of a window's length, of times when nothing happened.
    lately: VecDeque<(Duration, f32)>,
    /// That of the running stretch.
    highest: f32,
    usual: Option<Usual>,
    renewed: Duration,
    sorted: Vec<f32>,
    /// By what factor false alarms have raised the margin, and since when.
    raised: f32,
    raised_at: Duration,
    missed_at: Option<Duration>,
}

/// In bytes per unit.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Usual {
    median: f32,
    largest: f32,
}

impl Sizes {
    /// `pixels` of a picture.
    pub(super) fn new(pixels: u32) -> Self {
        Self {
            pixels: pixels as f32,
            window: VecDeque::new(),
            lately: VecDeque::new(),
            highest: 0.0,
            usual: None,
            renewed: Duration::ZERO,
            sorted: Vec::new(),
            raised: 1.0,
            raised_at: Duration::ZERO,
            missed_at: None,
        }
    }

    pub(super) fn resize(&mut self, pixels: u32) {
        self.pixels = pixels as f32;
    }

    /// Whether there is anything to hold sizes against.
    pub(super) fn are_known(&self) -> bool {
        self.usual.is_some()
    }

    /// Takes a unit at `time`, which never goes back, and says whether sizes jump. `calm`: nothing is known to happen,
    /// so this is how it usually is.
    pub(super) fn jumps(&mut self, time: Duration, bytes: usize, calm: bool) -> bool {
        self.window.push_back((time, bytes as f32));
        while self.window.len() > LEAST_UNITS && self.window.front().is_some_and(|&(first, _)| time - first >= WINDOW) {
            self.window.pop_front();
        }
        let level = self.level();
        let jumps = self.usual.is_some_and(|usual| level > self.limit(usual, time));
        if calm {
            self.remember(time, level);
        } else {
            self.forget_since(time.saturating_sub(UNNOTICED));
        }
        jumps
    }

    /// Nothing came of it: it takes more next time.
    pub(super) fn false_alarm(&mut self, time: Duration) {
        self.raised = (self.raised_now(time) * RAISE).min(MOST_RAISED);
        self.raised_at = time;
    }

    /// Something happened and the sizes did not tell.
    pub(super) fn missed(&mut self, time: Duration) {
        self.missed_at = Some(time);
    }

    /// Whether someone who comes into view would show in the sizes, as far as is known at `time`.
    pub(super) fn tells(&self, time: Duration) -> bool {
        let trusted = self.missed_at.is_none_or(|missed| time.saturating_sub(missed) > DISTRUST);
        let thing = THING * self.pixels * BYTES_PER_PIXEL;
        trusted && self.usual.is_some_and(|usual| self.limit(usual, time) - usual.median <= thing)
    }

    /// The level from which on sizes jump.
    fn limit(&self, usual: Usual, time: Duration) -> f32 {
        let margin = 1.0 + MARGIN * self.raised_now(time);
        (usual.largest * margin).max(usual.median + LEAST_BYTES)
    }

    /// Bytes per unit of the window, without its largest: a single large unit is the encoder's affair, such as a
    /// picture coded anew in the middle of a group.
    fn level(&self) -> f32 {
        let (mut sum, mut largest) = (0.0, 0.0_f32);
        for &(_, size) in &self.window {
            sum += size;
            largest = largest.max(size);
        }
        let count = self.window.len() as f32;
        if count > 1.0 { (sum - largest) / (count - 1.0) } else { sum }
    }

    fn raised_now(&self, time: Duration) -> f32 {
        let age = time.saturating_sub(self.raised_at).as_secs_f32();
        1.0 + (self.raised - 1.0) * (-age / FORGET.as_secs_f32()).exp2()
    }

    fn remember(&mut self, time: Duration, level: f32) {
        if self.window.len() < LEAST_UNITS {
            return;
        }
        self.highest = self.highest.max(level);
        if self.lately.back().is_some_and(|&(last, _)| time - last < WINDOW) {
            return;
        }
        self.lately.push_back((time, std::mem::take(&mut self.highest)));
        while self.lately.front().is_some_and(|&(first, _)| time - first > MEMORY) {
            self.lately.pop_front();
        }
        // Time without gaps: what was left out while something happened does not count.
        let known = WINDOW * u32::try_from(self.lately.len()).unwrap_or(u32::MAX);
        if known >= LEAST && time.saturating_sub(self.renewed) >= RENEW {
            self.renewed = time;
            self.renew();
        }
    }

    /// What came since `time` is not how it usually is.
    fn forget_since(&mut self, time: Duration) {
        self.highest = 0.0;
        while self.lately.back().is_some_and(|&(last, _)| last > time) {
            self.lately.pop_back();
        }
    }

    fn renew(&mut self) {
        self.sorted.clear();
        self.sorted.extend(self.lately.iter().map(|&(_, level)| level));
        let count = self.sorted.len();
        let median = nth(&mut self.sorted, count / 2);
        let largest = nth(&mut self.sorted, count.saturating_sub(2 + count / ONE_IN));
        self.usual = Some(Usual { median, largest });
    }
}

/// The value at this place in their order; reorders them.
fn nth(values: &mut [f32], index: usize) -> f32 {
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(index, f32::total_cmp).1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(40);
    const PIXELS: u32 = 1920 * 1080;

    /// A camera of 25 frames per second; feeds sizes and returns the times at which they jump.
    struct Camera {
        sizes: Sizes,
        frame: u32,
        rng: fastrand::Rng,
    }

    impl Camera {
        fn new() -> Self {
            Self { sizes: Sizes::new(PIXELS), frame: 0, rng: fastrand::Rng::with_seed(7) }
        }

        fn now(&self) -> Duration {
            FRAME * self.frame
        }

        /// Frames until the first jump, if there is one within `seconds`.
        fn run(&mut self, seconds: u32, mut size: impl FnMut(u32, &mut fastrand::Rng) -> usize) -> Option<u32> {
            for i in 0..seconds * 25 {
                self.frame += 1;
                let bytes = size(i, &mut self.rng);
                if self.sizes.jumps(self.now(), bytes, true) {
                    return Some(i + 1);
                }
            }
            None
        }
    }

    /// Sensor noise: sizes vary by a fifth, as a sum of many small things does.
    fn noise(level: f32) -> impl FnMut(u32, &mut fastrand::Rng) -> usize {
        move |_, rng| {
            let sum: f32 = (0..12).map(|_| rng.f32()).sum::<f32>() - 6.0;
            (level * (1.0 + 0.2 * sum)).max(20.0) as usize
        }
    }

    #[test]
    fn someone_who_comes_is_noticed_within_four_frames_and_an_hour_of_noise_is_not() {
        let mut camera = Camera::new();
        assert_eq!(camera.run(3600, noise(1500.0)), None);
        assert!(camera.sizes.tells(camera.now()));
        let noticed = camera.run(1, |_, _| 6000).unwrap();
        assert!(noticed <= 4, "{noticed}");
    }

    #[test]
    fn a_single_large_unit_is_none_of_our_business() {
        let mut camera = Camera::new();
        let mut calm = noise(1500.0);
        assert_eq!(camera.run(600, |i, rng| if i % 100 == 99 { 30_000 } else { calm(i, rng) }), None);
    }

    #[test]
    fn a_pattern_of_b_frames_is_how_it_usually_is() {
        let mut camera = Camera::new();
        assert_eq!(camera.run(600, |i, rng| [4000, 300, 250][i as usize % 3] + rng.usize(0..100)), None);
        assert!(camera.run(1, |i, _| [12_000, 2000, 2000][i as usize % 3]).is_some());
    }

    #[test]
    fn what_comes_again_and_again_is_how_it_usually_is() {
        let mut camera = Camera::new();
        let mut calm = noise(300.0);
        let mut pumping = |i: u32, rng: &mut fastrand::Rng| if i % 65 < 2 { 9000 } else { calm(i, rng) };
        for _ in 0..10 {
            camera.run(20, &mut pumping);
        }
        assert_eq!(camera.run(600, pumping), None);
    }

    #[test]
    fn what_somebody_costs_is_not_how_it_usually_is() {
        let mut camera = Camera::new();
        camera.run(60, noise(1500.0));
        // Unnoticed for two seconds, and then known to be there.
        let mut visit = noise(6000.0);
        for i in 0..100 {
            camera.frame += 1;
            let bytes = visit(i, &mut camera.rng);
            camera.sizes.jumps(camera.now(), bytes, i < 50);
        }
        camera.run(3, noise(1500.0));
        assert!(camera.run(1, noise(6000.0)).is_some());
    }

    #[test]
    fn nothing_is_said_before_enough_is_known() {
        let mut camera = Camera::new();
        camera.run(2, noise(1500.0));
        assert_eq!(camera.run(1, |_, _| 60_000), None);
        assert!(!camera.sizes.tells(camera.now()));
    }

    #[test]
    fn false_alarms_make_it_deaf_for_minutes_and_not_for_ever() {
        let mut camera = Camera::new();
        camera.run(60, noise(1500.0));
        let gust = |_: u32, _: &mut fastrand::Rng| 4000;
        let mut alarms = 0;
        while camera.run(1, gust).is_some() && alarms < 10 {
            alarms += 1;
            camera.sizes.false_alarm(camera.now());
            camera.run(20, noise(1500.0));
        }
        assert!((1..=4).contains(&alarms), "{alarms}");
        camera.run(1800, noise(1500.0));
        assert!(camera.run(1, gust).is_some(), "half an hour later");
    }

    #[test]
    fn a_stream_full_of_noise_does_not_tell_nor_one_that_has_missed_somebody() {
        let mut camera = Camera::new();
        camera.run(60, noise(20_000.0));
        assert!(!camera.sizes.tells(camera.now()), "a person is lost in it");
        let mut camera = Camera::new();
        camera.run(60, noise(1500.0));
        camera.sizes.missed(camera.now());
        assert!(!camera.sizes.tells(camera.now()));
        camera.run(601, noise(1500.0));
        assert!(camera.sizes.tells(camera.now()));
    }
}
