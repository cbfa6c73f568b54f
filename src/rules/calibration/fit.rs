//! From labelled answers to a calibration. The same samples give the same calibration.

use super::folds::{Folds, Sample, divide};
use super::score::surprise;
use super::{Calibration, Curve, MAX_POINTS, Point, logit, sigmoid};

/// Below so many labels of either kind, what is measured is a first impression.
pub const FEW: usize = 20;
/// A free curve needs so many labels of either kind: below that it learns the labels, not the model.
pub const ISOTONIC_LEAST: usize = 100;

/// A way to turn what the model says into what it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Not at all.
    AsIs,
    Platt,
    Isotonic,
}

impl Method {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AsIs => "as it is",
            Self::Platt => "Platt",
            Self::Isotonic => "isotonic",
        }
    }
}

/// Why nothing can be learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    #[error("there is no label")]
    Nothing,
    #[error("every label is `{}`: what the other answer looks like cannot be learnt from them", if *.0 { "yes" } else { "no" })]
    OneKind(bool),
    #[error("the model gave no number for a picture")]
    NoNumber,
    #[error(
        "the model says yes more often where no is right: it understands the question differently, or the labels are turned \
         round; ask otherwise"
    )]
    Backwards,
}

/// A way that was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    pub method: Method,
    /// Mean surprise in nats on labels that it had not seen; `None`: there were too few labels to try it.
    pub log_loss: Option<f64>,
}

/// What was learnt.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    pub calibration: Calibration,
    pub method: Method,
    pub tried: Vec<Tried>,
    pub folds: Folds,
    /// For each sample, what its answer is worth by a calibration that was learnt without it; empty without folds.
    pub held_out: Vec<f32>,
}

/// Learns from all samples, in the way that did best on samples it had not seen. Of ways that do as well, the simplest.
///
/// # Errors
/// [`FitError`]
pub fn fit(samples: &[Sample]) -> Result<Fitted, FitError> {
    let first = samples.first().ok_or(FitError::Nothing)?;
    if samples.iter().any(|sample| sample.p.is_nan()) {
        return Err(FitError::NoNumber);
    }
    let yes = samples.iter().filter(|sample| sample.yes).count();
    let no = samples.len() - yes;
    if yes == 0 || no == 0 {
        return Err(FitError::OneKind(first.yes));
    }
    if platt(samples).0 < 0.0 {
        return Err(FitError::Backwards);
    }
    let (folds, parts) = divide(samples);
    let mut best: Option<(f64, Method, Vec<f32>)> = None;
    let mut tried = Vec::new();
    for method in [Method::AsIs, Method::Platt, Method::Isotonic] {
        let enough = method != Method::Isotonic || yes.min(no) >= ISOTONIC_LEAST;
        if !enough || folds == Folds::None {
            tried.push(Tried { method, log_loss: None });
            continue;
        }
        let held_out = held_out(samples, &parts, folds.count(), method);
        let all = samples.iter().zip(&held_out);
        let sum: f64 = all.map(|(sample, p)| surprise(f64::from(*p), f64::from(u8::from(sample.yes)))).sum();
        let log_loss = sum / samples.len() as f64;
        tried.push(Tried { method, log_loss: Some(log_loss) });
        if best.as_ref().is_none_or(|(least, ..)| log_loss < *least) {
            best = Some((log_loss, method, held_out));
        }
    }
    // With one label of a kind nothing can be held back; Platt's smoothing keeps what is learnt modest.
    let (method, held_out) = best.map_or((Method::Platt, Vec::new()), |(_, method, held_out)| (method, held_out));
    Ok(Fitted { calibration: learn(samples, method), method, tried, folds, held_out })
}

fn held_out(samples: &[Sample], parts: &[usize], count: usize, method: Method) -> Vec<f32> {
    let mut worth = vec![f32::NAN; samples.len()];
    for part in 0..count {
        let others: Vec<_> = samples.iter().zip(parts).filter(|(_, its)| **its != part).map(|(one, _)| *one).collect();
        let learnt = learn(&others, method);
        for (place, sample) in samples.iter().enumerate().filter(|(place, _)| parts[*place] == part) {
            worth[place] = learnt.apply(sample.p);
        }
    }
    worth
}

fn learn(samples: &[Sample], method: Method) -> Calibration {
    match method {
        Method::AsIs => Calibration::AS_IS,
        Method::Platt => {
            let (a, b) = platt(samples);
            let limit = Calibration::STEEPEST;
            // In a part of the samples the model may be right by turns: then what it says is worth nothing, and the share decides.
            let (a, b) = if a < 0.0 { (0.0, share(samples)) } else { (a.min(limit), b.clamp(-limit, limit)) };
            Calibration(Curve::Platt { a, b })
        }
        Method::Isotonic => isotonic(samples),
    }
}

/// What yes and no are taken for: Platt's targets, as if one more of each kind had been seen. They keep a curve off 0 and 1.
fn targets(samples: &[Sample]) -> [f64; 2] {
    let yes = samples.iter().filter(|sample| sample.yes).count() as f64;
    let no = samples.len() as f64 - yes;
    [1.0 / (no + 2.0), (yes + 1.0) / (yes + 2.0)]
}

fn target(targets: [f64; 2], yes: bool) -> f64 {
    targets[usize::from(yes)]
}

/// The logit of how often yes is right.
fn share(samples: &[Sample]) -> f64 {
    let targets = targets(samples);
    let sum: f64 = samples.iter().map(|sample| target(targets, sample.yes)).sum();
    logit((sum / samples.len().max(1) as f64) as f32)
}

/// `a` and `b` that make the labels likeliest: Newton's method on a convex function of two numbers, halving steps that do not
/// go down. Own code: the optimisers on crates.io bring matrices along for what is two equations here.
fn platt(samples: &[Sample]) -> (f64, f64) {
    const ROUNDS: usize = 100;
    const HALVINGS: usize = 40;
    /// Keeps the equations solvable where all answers are alike.
    const RIDGE: f64 = 1e-9;
    let targets = targets(samples);
    let points: Vec<_> = samples.iter().map(|sample| (logit(sample.p), target(targets, sample.yes))).collect();
    let loss = |a: f64, b: f64| points.iter().map(|(x, t)| soft(a * x + b) - t * (a * x + b)).sum::<f64>();
    let (mut a, mut b) = (0.0, share(samples));
    let mut now = loss(a, b);
    for _ in 0..ROUNDS {
        let (mut down_a, mut down_b, mut aa, mut ab, mut bb) = (0.0, 0.0, RIDGE, 0.0, RIDGE);
        for (x, t) in &points {
            let p = sigmoid(a * x + b);
            let (slope, bend) = (p - t, p * (1.0 - p));
            down_a += slope * x;
            down_b += slope;
            aa += bend * x * x;
            ab += bend * x;
            bb += bend;
        }
        if down_a.abs().max(down_b.abs()) < 1e-9 {
            break;
        }
        let determinant = aa * bb - ab * ab;
        if determinant <= 0.0 {
            break;
        }
        let (step_a, step_b) = ((bb * down_a - ab * down_b) / determinant, (aa * down_b - ab * down_a) / determinant);
        let mut scale = 1.0;
        let lower = (0..HALVINGS).find_map(|_| {
            let next = (a - scale * step_a, b - scale * step_b);
            let there = loss(next.0, next.1);
            scale /= 2.0;
            (there < now).then_some((next, there))
        });
        let Some((next, there)) = lower else { break };
        ((a, b), now) = (next, there);
    }
    (a, b)
}

/// `ln(1 + e^x)`, finite for every `x`.
fn soft(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Pool adjacent violators: neighbours that fall are one level, their mean.
fn isotonic(samples: &[Sample]) -> Calibration {
    let targets = targets(samples);
    let mut sorted: Vec<_> =
        samples.iter().map(|one| (f64::from(one.p.clamp(0.0, 1.0)), target(targets, one.yes))).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut levels: Vec<Level> = Vec::new();
    for (said, target) in sorted {
        let mut level = Level { from: said, to: said, sum: target, count: 1.0 };
        // Equal answers are one level, too: a curve has one value at each place.
        while let Some(last) = levels.pop_if(|last| last.mean() >= level.mean() || last.to >= level.from) {
            level = last.with(&level);
        }
        levels.push(level);
    }
    while levels.len() > MAX_POINTS / 2 {
        levels = levels.chunks(2).map(|pair| pair[1..].iter().fold(pair[0], |all, next| all.with(next))).collect();
    }
    let ends = |level: &Level| {
        let first = Point { said: level.from, worth: level.mean() };
        let last = (level.to > level.from).then_some(Point { said: level.to, ..first });
        [Some(first), last].into_iter().flatten()
    };
    Calibration(Curve::Isotonic(levels.iter().flat_map(ends).collect()))
}

/// Neighbouring answers that are worth the same.
#[derive(Debug, Clone, Copy)]
struct Level {
    from: f64,
    to: f64,
    sum: f64,
    count: f64,
}

impl Level {
    fn mean(&self) -> f64 {
        (self.sum / self.count).clamp(0.0, 1.0)
    }

    /// With the one behind it.
    fn with(&self, next: &Self) -> Self {
        Self { from: self.from, to: next.to, sum: self.sum + next.sum, count: self.count + next.count }
    }
}
