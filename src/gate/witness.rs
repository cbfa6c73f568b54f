//! Edges of the scene that can be asked again in every frame: is this still the scene, in whatever light, and which parts of
//! it are gone? A few hundred pairs of cells, so that asking costs next to nothing. What follows is decided in `tamper`.

use super::portrait::Cells;

/// The view is asked in so many parts across and down.
const PARTS: usize = 4;
/// Pairs of cells that are asked per part, at most.
const PER_PART: usize = 24;
/// Grey levels between the two cells of a pair that make it worth asking.
const STEP: f32 = 8.0;
/// With fewer pairs, or in fewer parts of the view, nothing can be told: a white wall in fog.
const ENOUGH: usize = 24;
const ENOUGH_PARTS: usize = 4;
/// Once the steps have become so small, noise is as large.
const FAINT: f32 = 4.0;
/// Noise of a step, in grey levels: a part without any steps of its own agrees with nothing.
const NOISE: f32 = 1.0;
/// A part whose steps agree with the scene's less than this is hidden.
const HIDDEN: f32 = 0.4;
/// Every so manieth pair of neighbours is asked how much there is to see at all.
const SAMPLE: usize = 13;

#[derive(Debug, Clone, Copy)]
struct Pair {
    first: usize,
    second: usize,
    part: usize,
    /// Usual luma of the second less that of the first.
    step: f32,
}

/// What the pairs say about one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Testimony {
    /// How well the steps agree with the scene's, in whatever light: 1 the same, 0 nothing in common, -1 inverted.
    pub(super) agreement: f32,
    /// Their size against the scene's, where they agree.
    pub(super) gain: f32,
    /// Share of the parts of the view that are hidden.
    pub(super) hidden: f32,
    /// How much there is to see, whatever it is, against what there usually is.
    pub(super) structure: f32,
}

#[derive(Debug, Default)]
pub(super) struct Witnesses {
    pairs: Vec<Pair>,
    parts: usize,
    /// Usual size of all the steps in the picture, squared.
    usual: f32,
    /// How long the rows are that they were chosen for.
    cols: usize,
    cells: usize,
    /// Scratch: the clearest steps of each part, found so far.
    found: [Vec<Pair>; PARTS * PARTS],
}

impl Witnesses {
    pub(super) fn forget(&mut self) {
        self.pairs.clear();
    }

    /// Whether they know a scene, and it is one with something to see.
    pub(super) fn know(&self) -> bool {
        let energy: f32 = self.pairs.iter().map(|pair| pair.step * pair.step).sum();
        self.pairs.len() >= ENOUGH && self.parts >= ENOUGH_PARTS && energy >= FAINT * FAINT * self.pairs.len() as f32
    }

    /// Whether a frame can be held against what they know, if they know anything.
    pub(super) fn fit(&self, frame: Cells<'_>) -> bool {
        self.pairs.is_empty() || (frame.cols, frame.luma.len()) == (self.cols, self.cells)
    }

    /// Chooses the clearest steps of an empty scene. `allowed`: cells that may be looked at.
    pub(super) fn choose(&mut self, scene: Cells<'_>, allowed: impl Fn(usize) -> bool) {
        let (cols, rows) = (scene.cols, scene.luma.len() / scene.cols);
        // Further apart than the blur of a lens out of focus, nearer than most things are wide.
        let reach = (cols / 40).max(1);
        self.found.iter_mut().for_each(Vec::clear);
        for first in (0..scene.luma.len()).filter(|&i| allowed(i)) {
            let (col, row) = (first % cols, first / cols);
            let part = row * PARTS / rows * PARTS + col * PARTS / cols;
            let right = (col + reach < cols).then_some(first + reach);
            let below = (row + reach < rows).then_some(first + reach * cols);
            for second in [right, below].into_iter().flatten().filter(|&i| allowed(i)) {
                let step = scene.luma[second] - scene.luma[first];
                if step.abs() >= STEP {
                    keep_clearest(&mut self.found[part], Pair { first, second, part, step });
                }
            }
        }
        self.parts = self.found.iter().filter(|pairs| pairs.len() >= 2).count();
        self.pairs.clear();
        self.pairs.reserve(PARTS * PARTS * PER_PART);
        for pairs in &self.found {
            self.pairs.extend(pairs);
        }
        (self.cols, self.cells) = (scene.cols, scene.luma.len());
        self.usual = energy(scene);
    }

    /// Asks them about a frame; `None` if they cannot tell.
    pub(super) fn ask(&self, frame: Cells<'_>) -> Option<Testimony> {
        if !self.know() || !self.fit(frame) {
            return None;
        }
        let mut parts = [Sums::default(); PARTS * PARTS];
        for pair in &self.pairs {
            parts[pair.part].add(pair.step, frame.luma[pair.second] - frame.luma[pair.first]);
        }
        let mut whole = Sums::default();
        let (mut asked, mut hidden) = (0_u32, 0_u32);
        for part in parts.iter().filter(|part| part.count > 0.0) {
            whole.join(part);
            asked += 1;
            hidden += u32::from(part.agreement() < HIDDEN);
        }
        Some(Testimony {
            agreement: whole.agreement(),
            gain: whole.both / whole.scene,
            hidden: hidden as f32 / asked.max(1) as f32,
            structure: (energy(frame) / self.usual.max(NOISE)).sqrt(),
        })
    }

    /// Follows a frame that shows the scene, by `share`: its light, its seasons, its dusk.
    pub(super) fn follow(&mut self, frame: Cells<'_>, share: f32) {
        for pair in &mut self.pairs {
            pair.step += share * (frame.luma[pair.second] - frame.luma[pair.first] - pair.step);
        }
        self.usual += share * (energy(frame) - self.usual);
    }
}

/// Takes a pair up, in the place of the faintest one where there are enough.
fn keep_clearest(pairs: &mut Vec<Pair>, pair: Pair) {
    pairs.reserve(PER_PART - pairs.len());
    if pairs.len() < PER_PART {
        pairs.push(pair);
        return;
    }
    let faintest = pairs.iter_mut().min_by(|a, b| a.step.abs().total_cmp(&b.step.abs()));
    if let Some(faintest) = faintest.filter(|faintest| faintest.step.abs() < pair.step.abs()) {
        *faintest = pair;
    }
}

/// Sums of products of the scene's steps and a frame's.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    scene: f32,
    frame: f32,
    both: f32,
    count: f32,
}

impl Sums {
    fn add(&mut self, scene: f32, frame: f32) {
        self.scene += scene * scene;
        self.frame += frame * frame;
        self.both += scene * frame;
        self.count += 1.0;
    }

    fn join(&mut self, other: &Self) {
        self.scene += other.scene;
        self.frame += other.frame;
        self.both += other.both;
        self.count += other.count;
    }

    fn agreement(&self) -> f32 {
        self.both / (self.scene * (self.frame + NOISE * NOISE * self.count)).sqrt().max(f32::MIN_POSITIVE)
    }
}

/// Mean square of the steps between neighbours.
fn energy(cells: Cells<'_>) -> f32 {
    let pairs = cells.luma.windows(2).step_by(SAMPLE);
    let count = pairs.len().max(1) as f32;
    pairs.map(|pair| (pair[1] - pair[0]).powi(2)).sum::<f32>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLS: usize = 80;

    fn scene(seed: u64) -> Vec<f32> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let tiles: Vec<f32> = (0..16 * 12).map(|_| 30.0 + 170.0 * rng.f32()).collect();
        (0..COLS * 60).map(|i| tiles[i / COLS / 5 * 16 + i % COLS / 5]).collect()
    }

    fn of(luma: &[f32]) -> Cells<'_> {
        Cells { luma, cols: COLS }
    }

    fn witnesses() -> Witnesses {
        let mut witnesses = Witnesses::default();
        witnesses.choose(of(&scene(1)), |_| true);
        witnesses
    }

    #[test]
    fn light_leaves_the_agreement_and_another_scene_does_not() {
        let witnesses = witnesses();
        let dim: Vec<f32> = scene(1).iter().map(|v| 0.1 * v + 7.0).collect();
        let dim = witnesses.ask(of(&dim)).unwrap();
        assert!(dim.agreement > 0.9 && (dim.gain - 0.1).abs() < 0.01 && dim.hidden < 0.01, "{dim:?}");
        let other = witnesses.ask(of(&scene(2))).unwrap();
        assert!(other.agreement < 0.3 && other.structure > 0.6, "{other:?}");
        let flat = witnesses.ask(of(&[30.0; COLS * 60])).unwrap();
        assert!(flat.agreement < 0.01 && flat.structure < 0.01, "{flat:?}");
    }

    #[test]
    fn what_covers_half_of_the_view_hides_half_of_the_parts() {
        let mut half = scene(1);
        half[..COLS * 30].fill(20.0);
        let half = witnesses().ask(of(&half)).unwrap();
        assert!((half.hidden - 0.5).abs() < 0.07, "{half:?}");
    }

    #[test]
    fn a_wall_in_fog_knows_nothing_and_neither_does_what_faded() {
        let mut witnesses = Witnesses::default();
        assert_eq!(witnesses.ask(of(&scene(1))), None);
        witnesses.choose(of(&[90.0; COLS * 60]), |_| true);
        assert_eq!(witnesses.ask(of(&scene(1))), None);
        witnesses.choose(of(&scene(1)), |_| false);
        assert_eq!(witnesses.ask(of(&scene(1))), None);
        witnesses.choose(of(&scene(1)), |_| true);
        assert!(witnesses.know());
        for _ in 0..100 {
            witnesses.follow(of(&[90.0; COLS * 60]), 0.1);
        }
        assert!(!witnesses.know());
    }
}
