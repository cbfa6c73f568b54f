//! Labelled answers, and how they are divided so that each can be judged by what was learnt from others.

/// What the model said about a picture, and what is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The model's probability of yes, 0 to 1, as it is.
    pub p: f32,
    pub yes: bool,
    /// Pictures of one visit look alike: samples that belong together have the same number.
    pub stretch: usize,
}

/// How labels were divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folds {
    /// Into so many parts, each stretch whole in one of them.
    Stretches(usize),
    /// Into so many parts, through the middle of stretches: there are too few. Neighbours look alike, so what is measured is kind.
    Through(usize),
    /// There are too few labels to learn from some and judge by others.
    None,
}

impl Folds {
    /// At most so many parts.
    pub const MOST: usize = 5;

    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Stretches(count) | Self::Through(count) => count,
            Self::None => 0,
        }
    }
}

/// The part that each sample is in. Every part has both kinds, and so has what is left without it.
pub(super) fn divide(samples: &[Sample]) -> (Folds, Vec<usize>) {
    let [yes, no] = [true, false].map(|yes| Kind::of(samples, yes));
    let whole = Folds::MOST.min(yes.stretches.len()).min(no.stretches.len());
    if whole >= 2 {
        let mut parts = vec![0; samples.len()];
        for kind in [yes, no] {
            kind.by_stretch(whole, &mut parts);
        }
        return (Folds::Stretches(whole), parts);
    }
    let through = Folds::MOST.min(yes.places.len()).min(no.places.len());
    if through < 2 {
        return (Folds::None, Vec::new());
    }
    let mut parts = vec![0; samples.len()];
    for kind in [yes, no] {
        for (n, place) in kind.places.iter().enumerate() {
            parts[*place] = n * through / kind.places.len();
        }
    }
    (Folds::Through(through), parts)
}

/// The samples of one answer.
struct Kind {
    places: Vec<usize>,
    /// Places that belong together, in the order of the samples.
    stretches: Vec<Vec<usize>>,
}

impl Kind {
    fn of(samples: &[Sample], yes: bool) -> Self {
        let places: Vec<_> = (0..samples.len()).filter(|place| samples[*place].yes == yes).collect();
        let mut stretches = std::collections::BTreeMap::<usize, Vec<usize>>::new();
        for place in &places {
            stretches.entry(samples[*place].stretch).or_default().push(*place);
        }
        Self { places, stretches: stretches.into_values().collect() }
    }

    /// The largest first, each to the part that has least.
    fn by_stretch(&self, count: usize, parts: &mut [usize]) {
        let mut order: Vec<_> = self.stretches.iter().collect();
        order.sort_by_key(|stretch| std::cmp::Reverse(stretch.len()));
        let mut filled = vec![0; count];
        for stretch in order {
            let part = (0..count).min_by_key(|part| filled[*part]).unwrap_or_default();
            filled[part] += stretch.len();
            for place in stretch {
                parts[*place] = part;
            }
        }
    }
}
