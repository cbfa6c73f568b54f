//! Which decoded pictures pass, so that no more than so many per second do. Pure: time is the pictures' own.

use std::time::Duration;

/// A jump back, or ahead, by more than this is a new timeline, not jitter.
const JUMP: Duration = Duration::from_secs(10);

/// Lets pictures pass on a schedule of its own, so that the mean rate is the limit whatever the rate of the stream:
/// 12.5 per second limited to 5 gives 0.00, 0.24, 0.40, 0.64, 0.80 s.
#[derive(Debug)]
pub(super) struct RateLimit {
    /// `None`: no limit.
    interval: Option<Duration>,
    due: Option<Duration>,
}

impl RateLimit {
    pub(super) fn new(fps: f32) -> Self {
        let interval = (fps.is_finite() && fps > 0.0)
            .then(|| Duration::try_from_secs_f64(1.0 / f64::from(fps)).ok())
            .flatten()
            .filter(|i| !i.is_zero());
        Self { interval, due: None }
    }

    /// Whether the picture with presentation time `at` passes.
    pub(super) fn passes(&mut self, at: Duration) -> bool {
        let Some(interval) = self.interval else { return true };
        // A little early is on time: a stream at just the limit jitters around its schedule.
        let slack = interval / 8;
        let due = match self.due {
            Some(due) if at + interval + JUMP >= due && at <= due + interval.max(JUMP) => due,
            _ => at,
        };
        if at + slack < due {
            return false;
        }
        // After a hole in the stream the schedule starts anew: no burst to make up for it.
        self.due = Some(if at > due + interval { at + interval } else { due + interval });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(fps: f32, step_ms: u64, count: u64) -> Vec<u64> {
        let mut limit = RateLimit::new(fps);
        (0..count).map(|i| i * step_ms).filter(|&t| limit.passes(Duration::from_millis(t))).collect()
    }

    #[test]
    fn the_mean_rate_is_the_limit() {
        assert_eq!(passed(5.0, 80, 13), [0, 240, 400, 640, 800]);
        assert_eq!(passed(5.0, 40, 250).len(), 50);
        assert_eq!(passed(5.0, 33, 300).len(), 50);
    }

    #[test]
    fn a_slower_stream_passes_whole() {
        assert_eq!(passed(5.0, 500, 20).len(), 20);
        assert_eq!(passed(0.0, 1, 20).len(), 20);
        assert_eq!(passed(f32::NAN, 1, 20).len(), 20);
    }

    #[test]
    fn jitter_around_the_limit_costs_no_frame() {
        let mut limit = RateLimit::new(25.0);
        let times = (0..100u64).map(|i| Duration::from_millis(40 * i + [0, 3, 1, 4][i as usize % 4]));
        assert_eq!(times.filter(|&t| limit.passes(t)).count(), 100);
    }

    #[test]
    fn a_new_timeline_and_a_hole_start_a_new_schedule() {
        let mut limit = RateLimit::new(1.0);
        assert!(limit.passes(Duration::from_secs(1000)));
        assert!(limit.passes(Duration::from_secs(3)), "the clip began anew");
        assert!(limit.passes(Duration::from_millis(8000)));
        assert!(!limit.passes(Duration::from_millis(8500)), "no burst after a hole");
    }

    #[test]
    fn a_picture_every_minute_is_a_limit_too() {
        let mut limit = RateLimit::new(1.0 / 60.0);
        let passed: Vec<u64> = (0..200).filter(|&t| limit.passes(Duration::from_secs(t))).collect();
        assert_eq!(passed, [0, 53, 113, 173]);
    }
}
