//! Whether something grows: the median of the slopes between all pairs of samples (Theil and Sen), which a peak or a
//! step here and there does not move. Pure.

/// Per unit of `x`; zero for fewer than two samples.
pub fn theil_sen(samples: &[(f64, f64)]) -> f64 {
    let mut slopes = Vec::new();
    for (at, (x, y)) in samples.iter().enumerate() {
        slopes.extend(samples[at + 1..].iter().filter(|(x2, _)| x2 > x).map(|(x2, y2)| (y2 - y) / (x2 - x)));
    }
    median(slopes)
}

pub fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

mod tests {
    use super::*;

    #[test]
    fn a_slope_is_found_under_peaks() {
        let line = |x: f64| (x, 100.0 + 2.0 * x);
        let mut samples: Vec<_> = (0..100).map(f64::from).map(line).collect();
        for at in [3, 40, 41, 77] {
            samples[at].1 += 500.0;
        }
        assert!((theil_sen(&samples) - 2.0).abs() < 0.01, "{}", theil_sen(&samples));
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(theil_sen(&[]).abs() < 1e-9 && theil_sen(&[(1.0, 2.0)]).abs() < 1e-9);
    }
}
