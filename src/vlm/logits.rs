//! From the decoder's last row of logits to a token, a probability, a yes or no. Pure.

use multiversion::multiversion;

/// The most probable token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pick {
    pub id: u32,
    /// Softmax over the whole vocabulary, 0 to 1.
    pub probability: f32,
}

/// The first of the largest logits; `None` if any of them is not finite (or there is none).
pub(super) fn pick(row: &[f32]) -> Option<Pick> {
    let (largest, sum) = sum(row)?;
    // A NaN anywhere, or an infinity on top, makes the sum one too. Minus infinity is how a graph rules a token out.
    if !(sum.is_finite() && largest.is_finite()) {
        return None;
    }
    let id = row.iter().position(|logit| *logit == largest)?;
    Some(Pick { id: id as u32, probability: 1.0 / sum })
}

/// The same without the tokens that are ruled out. The probability is still that of the whole vocabulary: what a model did not
/// want to say is not made likely by what it must not say.
pub(super) fn pick_without(row: &[f32], ruled_out: &[u32]) -> Option<Pick> {
    if ruled_out.is_empty() {
        return pick(row);
    }
    let (largest, sum) = sum(row)?;
    if !(sum.is_finite() && largest.is_finite()) {
        return None;
    }
    let allowed = row.iter().enumerate().filter(|(id, _)| !ruled_out.iter().any(|out| *out as usize == *id));
    // The first of the largest, as in `pick`.
    let best = allowed.fold(None, |best: Option<(usize, f32)>, (id, logit)| match best {
        Some((_, most)) if *logit <= most => best,
        _ => Some((id, *logit)),
    });
    let (id, logit) = best.filter(|(_, logit)| logit.is_finite())?;
    Some(Pick { id: id as u32, probability: (logit - largest).exp() / sum })
}

/// By how much the logit of `best`, the largest, is ahead of all others.
pub(super) fn lead(row: &[f32], best: u32) -> f32 {
    let others = row.iter().enumerate().filter(|(id, _)| *id != best as usize);
    let second = others.fold(f32::NEG_INFINITY, |second, (_, logit)| second.max(*logit));
    row.get(best as usize).map_or(0.0, |largest| largest - second)
}

/// Numbers that are worked on at once, each with a largest and a sum of its own.
const LANES: usize = 16;

/// The largest logit, and the sum of e^(logit - largest). A vocabulary has tens of thousands of words, and this runs for each
/// word that is said, so its loops are written to become SIMD for the machine it runs on.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+bmi1+bmi2+fma"))]
fn sum(row: &[f32]) -> Option<(f32, f32)> {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut largest = [*row.first()?; LANES];
    for chunk in chunks {
        for (largest, logit) in largest.iter_mut().zip(chunk) {
            *largest = if *logit > *largest { *logit } else { *largest };
        }
    }
    let largest =
        largest.iter().chain(rest).fold(row[0], |largest, logit| if *logit > largest { *logit } else { largest });
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, logit) in sums.iter_mut().zip(chunk) {
            *sum += exp(*logit - largest);
        }
    }
    let rest: f32 = rest.iter().map(|logit| exp(*logit - largest)).sum();
    Some((largest, sums.iter().sum::<f32>() + rest))
}

/// e^x for x up to 0, within 2e-7 of itself: 2 to a whole power times a polynomial of what is left over. The standard library's
/// is a call, which no loop of several numbers at once can make. NaN stays NaN.
#[inline(always)]
#[expect(clippy::inline_always, reason = "only inside the loop can it become SIMD")]
fn exp(x: f32) -> f32 {
    // Below this the result is no normal number any more; it would not be seen in a sum that has a 1 in it.
    let x = if x < -87.0 { -87.0 } else { x };
    // Adding 1.5 x 2^23 leaves no room for a fraction: what comes back is the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    let power = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    // ln 2 in two parts, so that the difference is exact.
    let rest = (x - power * 0.693_359_4) - power * -2.121_944_4e-4;
    let tail = rest * (1.0 / 120.0 + rest * (1.0 / 720.0));
    let polynomial = 1.0 + rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + tail))));
    polynomial * f32::from_bits(((power as i32 + 127) << 23) as u32)
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
    fn the_sum_is_what_the_standard_library_makes_of_it() {
        let mut random = fastrand::Rng::with_seed(3);
        for length in [1, 15, 16, 17, 100, 49_280] {
            let row: Vec<f32> = (0..length).map(|_| random.f32() * 60.0 - 30.0).collect();
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exact: f64 = row.iter().map(|logit| f64::from(logit - largest).exp()).sum();
            let pick = pick(&row).unwrap();
            assert!((1.0 / f64::from(pick.probability) / exact - 1.0).abs() < 1e-5, "{length}");
            assert!((row[pick.id as usize] - largest).abs() < f32::EPSILON);
        }
        for step in 0..2000 {
            let x = -0.05 * step as f32;
            assert!((f64::from(exp(x)) - f64::from(x).exp()).abs() <= 3e-7 * f64::from(x).exp() + 2e-38, "{x}");
        }
    }

    #[test]
    fn the_largest_wins_with_its_share() {
        let pick = pick(&[0.0, 2.0, 1.0]).unwrap();
        assert_eq!(pick.id, 1);
        assert!((pick.probability - 0.6652).abs() < 1e-3);
        assert_eq!(super::pick(&[3.0, 3.0]).unwrap().id, 0);
        assert_eq!((lead(&[0.0, 2.0, 1.5], 1), lead(&[3.0, 3.0], 0)), (0.5, 0.0));
    }

    #[test]
    fn what_is_ruled_out_leaves_the_next_with_its_own_share() {
        let row = [0.0, 2.0, 1.0, 1.0];
        assert_eq!(pick_without(&row, &[]), pick(&row));
        let next = pick_without(&row, &[1]).unwrap();
        assert_eq!(next.id, 2);
        assert!((next.probability - pick(&row).unwrap().probability * (-1.0_f32).exp()).abs() < 1e-6);
        // A token that there is none of rules out nothing; all of them leave nothing.
        assert_eq!(pick_without(&row, &[99]).unwrap().id, 1);
        assert_eq!(pick_without(&row, &[0, 1, 2, 3]), None);
        assert_eq!(pick_without(&[f32::NAN, 1.0], &[0]), None);
        assert_eq!(pick_without(&[f32::NEG_INFINITY, 1.0], &[1]), None);
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
