//! From the decoder's last row of logits to a token, a probability, a yes or no. Pure.

/// The most probable token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pick {
    pub id: u32,
    /// Softmax over the whole vocabulary, 0 to 1.
    pub probability: f32,
}

/// The first of the largest logits; `None` if any of them is not finite (or there is none).
pub(super) fn pick(row: &[f32]) -> Option<Pick> {
    let mut best = 0;
    let mut largest = *row.first()?;
    for (id, logit) in row.iter().enumerate() {
        if *logit > largest {
            (best, largest) = (id, *logit);
        }
    }
    let sum: f32 = row.iter().map(|logit| share(logit - largest)).sum();
    // A NaN anywhere, or an infinity on top, makes the sum one too. Minus infinity is how a graph rules a token out.
    (sum.is_finite() && largest.is_finite()).then(|| Pick { id: best as u32, probability: 1.0 / sum })
}

/// e^x for x up to 0. What is too small to be seen in the sum is not computed: that is most of a vocabulary.
fn share(x: f32) -> f32 {
    if x < -20.0 { 0.0 } else { x.exp() }
}

/// Probability of yes against no; `None` if it is no number.
pub(super) fn p_yes(row: &[f32], yes: u32, no: u32) -> Option<f32> {
    let logit = |id: u32| row.get(id as usize).map(|v| f64::from(*v));
    let p = 1.0 / (1.0 + (logit(no)? - logit(yes)?).exp());
    p.is_finite().then_some(p as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_wins_with_its_share() {
        let pick = pick(&[0.0, 2.0, 1.0]).unwrap();
        assert_eq!(pick.id, 1);
        assert!((pick.probability - 0.6652).abs() < 1e-3);
        assert_eq!(super::pick(&[3.0, 3.0]).unwrap().id, 0);
    }

    #[test]
    fn nonsense_is_no_token() {
        for row in [&[f32::NAN, 1.0][..], &[1.0, f32::NAN], &[f32::INFINITY, 1.0], &[f32::NEG_INFINITY; 2], &[]] {
            assert_eq!(pick(row), None, "{row:?}");
        }
        assert!(pick(&[f32::NEG_INFINITY, 1.0]).is_some());
        assert_eq!(p_yes(&[f32::NAN, 0.0], 0, 1), None);
        assert_eq!(p_yes(&[0.0], 0, 1), None);
    }

    #[test]
    fn yes_against_no() {
        assert!((p_yes(&[1.0, 1.0, 5.0], 0, 1).unwrap() - 0.5).abs() < 1e-6);
        assert!(p_yes(&[9.0, 1.0], 0, 1).unwrap() > 0.999);
        assert_eq!(p_yes(&[1e30, -1e30], 1, 0), Some(0.0));
    }
}
