//! What a picture looks like to the model, small enough to keep: to tell whether it was described before. Pure.

use std::sync::Arc;

/// Numbers per place of the picture. The features' hundreds are folded into so many, each with a sign of its own: that
/// keeps the cosines of what looks alike.
const WIDTH: usize = 64;
/// At most so many places; a model with more image tokens has neighbours put together.
const PLACES: usize = 128;
/// A tenth of the places decide, those that differ most: in a still view whoever is new covers only some of them.
const DECIDE: usize = 10;

/// One vector of length 1 per place, of what is there and not everywhere else in the picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Likeness(Arc<[f32]>);

/// The one that is most alike, of those that were compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    pub index: usize,
    /// See [`Likeness::cosine`].
    pub cosine: f32,
}

impl Likeness {
    /// `features` as the vision encoder returns them: image tokens x `hidden`.
    pub(super) fn new(features: &[f32], hidden: usize) -> Self {
        let tokens = features.len() / hidden.max(1);
        let run = tokens.div_ceil(PLACES).max(1);
        let slots = slots(hidden);
        let mut places = vec![0.0; tokens.div_ceil(run) * WIDTH];
        for (token, row) in features.chunks_exact(hidden.max(1)).enumerate() {
            let place = token / run * WIDTH;
            fold(row, &slots, &mut places[place..place + WIDTH]);
        }
        // What all places share says nothing, and in many models it is most of a feature's length.
        let mut common = [0.0; WIDTH];
        let count = places.len() / WIDTH;
        for place in places.chunks_exact(WIDTH) {
            common.iter_mut().zip(place).for_each(|(common, value)| *common += value / count as f32);
        }
        for place in places.chunks_exact_mut(WIDTH) {
            place.iter_mut().zip(common).for_each(|(value, common)| *value -= common);
            let length = place.iter().map(|value| value * value).sum::<f32>().sqrt();
            if length > f32::EPSILON {
                place.iter_mut().for_each(|value| *value /= length);
            }
        }
        Self(places.into())
    }

    /// Mean cosine of the places that differ most, -1 to 1; -1 if they are not of the same model.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f32 {
        if self.0.len() != other.0.len() || self.0.is_empty() {
            return -1.0;
        }
        let pairs = self.0.chunks_exact(WIDTH).zip(other.0.chunks_exact(WIDTH));
        let mut cosines = [0.0; PLACES];
        let cosines = &mut cosines[..self.0.len() / WIDTH];
        for (cosine, (a, b)) in cosines.iter_mut().zip(pairs) {
            *cosine = a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        }
        let deciding = (cosines.len() / DECIDE).max(1);
        cosines.select_nth_unstable_by(deciding - 1, f32::total_cmp);
        cosines[..deciding].iter().sum::<f32>() / deciding as f32
    }

    /// The most alike of these.
    pub(super) fn nearest(&self, known: &[Self]) -> Option<Nearest> {
        let each = known.iter().enumerate().map(|(index, known)| Nearest { index, cosine: self.cosine(known) });
        each.max_by(|a, b| a.cosine.total_cmp(&b.cosine))
    }
}

/// Adds each number to one of a few, with a sign.
fn fold(row: &[f32], slots: &[(usize, f32)], place: &mut [f32]) {
    for (value, (slot, sign)) in row.iter().zip(slots) {
        place[*slot] += sign * value;
    }
}

/// Where each number of a row goes, and its sign: the same for every picture. Both are bits of a hash (Fibonacci's) of its
/// index.
fn slots(hidden: usize) -> Vec<(usize, f32)> {
    let slot = |index: usize| {
        let hash = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((hash >> 58) as usize % WIDTH, if hash >> 57 & 1 == 0 { 1.0 } else { -1.0 })
    };
    (0..hidden).map(slot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN: usize = 576;
    const TOKENS: usize = 81;

    fn features(seed: u64) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        // Most of a feature is the same everywhere.
        let common: Vec<f32> = (0..HIDDEN).map(|_| 3.0 * (random.f32() - 0.5)).collect();
        (0..TOKENS * HIDDEN).map(|at| common[at % HIDDEN] + random.f32() - 0.5).collect()
    }

    fn noisy(features: &[f32], amount: f32) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(7);
        features.iter().map(|value| value + amount * (random.f32() - 0.5)).collect()
    }

    #[test]
    fn the_same_with_noise_is_alike() {
        let scene = features(1);
        let likeness = Likeness::new(&scene, HIDDEN);
        assert!((likeness.cosine(&likeness) - 1.0).abs() < 1e-4);
        assert!(likeness.cosine(&Likeness::new(&noisy(&scene, 0.2), HIDDEN)) > 0.9);
    }

    #[test]
    fn something_new_in_a_small_place_is_seen() {
        let scene = features(1);
        let mut visited = scene.clone();
        // Eight of 81 places.
        visited[20 * HIDDEN..28 * HIDDEN].copy_from_slice(&features(2)[..8 * HIDDEN]);
        let cosine = Likeness::new(&scene, HIDDEN).cosine(&Likeness::new(&visited, HIDDEN));
        assert!(cosine < 0.5, "{cosine}");
    }

    #[test]
    fn the_nearest_is_found_and_other_models_are_strangers() {
        let known: Vec<_> = (0..4).map(|seed| Likeness::new(&features(seed), HIDDEN)).collect();
        let likeness = Likeness::new(&noisy(&features(2), 0.2), HIDDEN);
        assert_eq!(likeness.nearest(&known).map(|nearest| nearest.index), Some(2));
        assert_eq!(likeness.nearest(&[]), None);
        assert!(likeness.cosine(&Likeness::new(&features(1)[..64 * HIDDEN], HIDDEN)) < 0.0);
    }

    #[test]
    fn odd_shapes_do_no_harm() {
        for (numbers, hidden) in [(0, 8), (5, 8), (8, 8), (4096 * 8, 8), (8, 0)] {
            let likeness = Likeness::new(&vec![0.5; numbers], hidden);
            assert!(likeness.0.len() <= PLACES * WIDTH);
            assert!(likeness.cosine(&likeness).is_finite());
        }
    }
}
