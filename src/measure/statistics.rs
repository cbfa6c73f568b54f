//! What many measurements come to. Pure.

use serde::{Deserialize, Serialize};

/// Median and more of one quantity. The unit is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The smallest value that 95 of 100 measurements do not exceed (nearest rank); of fewer than 20 it is the largest.
    pub p95: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// `None` if there is nothing to sum up, or if something of it is no number.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        if values.iter().any(|value| value.is_nan()) {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
        let rank = (values.len() * 95).div_ceil(100);
        Some(Self { median, p95: values[rank - 1], least, most })
    }

    /// The same with so many digits behind the point as a report can use: four.
    #[must_use]
    pub fn rounded(self) -> Self {
        let Self { median, p95, least, most } = self;
        let [median, p95, least, most] = [median, p95, least, most].map(round);
        Self { median, p95, least, most }
    }
}

/// Four digits behind the point.
pub(super) fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Spread {
        Spread::of(values.iter().copied()).unwrap()
    }

    #[test]
    fn the_middle_is_the_middle() {
        assert_eq!(of(&[3.0]), Spread { median: 3.0, p95: 3.0, least: 3.0, most: 3.0 });
        assert_eq!(of(&[9.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(of(&[4.0, 1.0, 2.0, 9.0]).median, 3.0);
    }

    #[test]
    fn five_of_a_hundred_may_be_slower() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(of(&hundred), Spread { median: 50.5, p95: 95.0, least: 1.0, most: 100.0 });
        let twenty: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(of(&twenty).p95, 19.0);
        assert_eq!(of(&twenty[..19]).p95, 19.0, "the largest of few");
    }

    #[test]
    fn nothing_has_no_middle() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([1.0, f64::NAN]), None);
    }

    #[test]
    fn digits_that_nobody_reads_go() {
        assert_eq!(of(&[1.234_56, 1.234_56]).rounded().median, 1.2346);
    }
}
