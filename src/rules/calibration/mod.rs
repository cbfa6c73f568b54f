//! What a probability is worth. A model that says "yes, 0.9" is not right nine times out of ten: how often it is was measured on
//! labelled pictures, and a calibration turns its probabilities into measured ones.

mod book;
mod file;
mod fit;
mod folds;
mod score;
#[cfg(test)]
mod tests;

pub use self::book::{Calibrations, Entry, Target};
pub use self::file::{CalibrationError, FILE, MAX_BYTES, MAX_ENTRIES, MAX_POINTS, SCHEMA};
pub use self::fit::{FEW, FitError, Fitted, ISOTONIC_LEAST, Method, Tried, fit};
pub use self::folds::{Folds, Sample};
pub use self::score::{Score, Scored};

/// Nearer to 0 or 1 a probability is not told from them: an `f32` near 1 has no more digits, and a logit has to be finite.
const EDGE: f64 = 1e-6;

/// From the model's probability of yes to one that was measured. Never falls where the model's rises.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration(Curve);

#[derive(Debug, Clone, PartialEq)]
enum Curve {
    /// `sigmoid(a * logit(p) + b)`, `a` not negative.
    Platt { a: f64, b: f64 },
    /// Straight lines between points; level outside of them.
    Isotonic(Vec<Point>),
}

/// A place that a curve goes through. Both are probabilities of yes: what the model says, and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub said: f64,
    pub worth: f64,
}

/// A probability of yes, and whether it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibrated {
    /// 0 to 1; NaN stays NaN.
    pub p: f32,
    pub calibrated: bool,
}

impl Calibration {
    /// What the model says is right as it is.
    pub const AS_IS: Self = Self(Curve::Platt { a: 1.0, b: 0.0 });
    /// Beyond these, numbers are no measurement.
    const STEEPEST: f64 = 1e3;

    /// Platt's way: `sigmoid(a * logit(p) + b)`.
    ///
    /// # Errors
    /// What is wrong with the numbers, in words.
    pub fn platt(a: f64, b: f64) -> Result<Self, String> {
        if !(a.is_finite() && b.is_finite()) {
            return Err("`a` and `b` must be numbers".into());
        }
        if a < 0.0 {
            return Err(format!("`a` is {a}: below 0 it would turn yes and no round"));
        }
        if a > Self::STEEPEST || b.abs() > Self::STEEPEST {
            return Err(format!("`a` and `b` are {a} and {b}: more than {} is no measurement", Self::STEEPEST));
        }
        Ok(Self(Curve::Platt { a, b }))
    }

    /// Straight lines between these points, whose `said` rise and whose `worth` do not fall.
    ///
    /// # Errors
    /// What is wrong with the points, in words.
    pub fn isotonic(points: Vec<Point>) -> Result<Self, String> {
        if points.is_empty() || points.len() > MAX_POINTS {
            return Err(format!("it has {} points, not 1 to {MAX_POINTS}", points.len()));
        }
        let inside = |value: f64| (0.0..=1.0).contains(&value);
        if let Some(point) = points.iter().find(|point| !(inside(point.said) && inside(point.worth))) {
            return Err(format!("the point [{}, {}] is not between 0 and 1", point.said, point.worth));
        }
        if let Some(pair) = points.windows(2).find(|pair| pair[1].said <= pair[0].said || pair[1].worth < pair[0].worth)
        {
            return Err(format!("its points must rise: [{}, {}] does not", pair[1].said, pair[1].worth));
        }
        Ok(Self(Curve::Isotonic(points)))
    }

    /// What the model's probability of yes is worth, 0 to 1. NaN stays NaN: nobody knows.
    #[must_use]
    pub fn apply(&self, p: f32) -> f32 {
        if p.is_nan() {
            return p;
        }
        match &self.0 {
            Curve::Platt { a, b } => sigmoid(a * logit(p) + b) as f32,
            Curve::Isotonic(points) => interpolate(points, f64::from(p)) as f32,
        }
    }
}

/// The probability of yes from a question and from the same question turned round, whose yes is a no: the mean of the two
/// logits, so that a leaning to say yes to everything falls out.
#[must_use]
pub fn combine(plain: f32, negated: f32) -> f32 {
    if plain.is_nan() || negated.is_nan() {
        return f32::NAN;
    }
    sigmoid((logit(plain) - logit(negated)) / 2.0) as f32
}

/// Finite for every number.
fn logit(p: f32) -> f64 {
    let p = f64::from(p).clamp(EDGE, 1.0 - EDGE);
    (p / (1.0 - p)).ln()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn interpolate(points: &[Point], said: f64) -> f64 {
    let after = points.partition_point(|point| point.said <= said);
    match (after.checked_sub(1).and_then(|before| points.get(before)), points.get(after)) {
        (Some(a), Some(b)) => a.worth + (b.worth - a.worth) * ((said - a.said) / (b.said - a.said)),
        (Some(end), None) | (None, Some(end)) => end.worth,
        (None, None) => said,
    }
}
