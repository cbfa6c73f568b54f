//! Times as people type them. Pure: what time it is is passed in.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::units::parse_duration;

/// How long is looked at from a time on, unless it is said.
pub(super) const USUAL: Duration = Duration::from_secs(10);

/// When somebody asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) from: Timestamp,
    /// How long to look from then on, if nothing is said: who names a minute means all of it.
    pub(super) usual: Duration,
}

/// Reads `2026-11-23T09:14:03Z`, `09:14`, `09:14:03.5` or `-5m`. A time of day that is still to come is yesterday's.
///
/// # Errors
/// Words about what to write instead.
pub(super) fn time(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Asked, String> {
    let text = text.trim();
    if let Ok(from) = text.parse::<Timestamp>() {
        return Ok(Asked { from, usual: USUAL });
    }
    if let Ok(ago) = parse_duration(text.strip_prefix('-').unwrap_or(text)) {
        let from = now.checked_sub(ago).map_err(|_| "that is too long ago".to_owned())?;
        return Ok(Asked { from, usual: USUAL });
    }
    let (time, whole_minute) = time_of_day(text).ok_or_else(|| {
        "write a time of day, such as 09:14 or 09:14:03, a date and time, such as 2026-11-23T09:14:03Z, or 5m for five \
         minutes ago"
            .to_owned()
    })?;
    let today = now.to_zoned(zone.clone()).date();
    let on = |day: jiff::civil::Date| day.to_datetime(time).to_zoned(zone.clone()).map(|at| at.timestamp());
    let from = match on(today) {
        Ok(at) if at <= now => at,
        _ => on(today.saturating_sub(1.day())).map_err(|error| error.to_string())?,
    };
    Ok(Asked { from, usual: if whole_minute { Duration::from_secs(60) } else { USUAL } })
}

/// Whether it names a minute, not a second, comes with it.
fn time_of_day(text: &str) -> Option<(Time, bool)> {
    let whole_minute = text.matches(':').count() == 1;
    if !text.contains(':') {
        return None;
    }
    let padded = if text.find(':') == Some(1) { format!("0{text}") } else { text.to_owned() };
    padded.parse().ok().map(|time| (time, whole_minute))
}

/// A second of a clip: `12.3`, `12.3s` or `1:05.5`.
pub(super) fn clip_second(text: &str) -> Option<Duration> {
    let text = text.trim();
    let text = text.strip_suffix('s').unwrap_or(text);
    let (minutes, seconds) = match text.split_once(':') {
        Some((minutes, seconds)) => (minutes.parse::<u32>().ok()?, seconds),
        None => (0, text),
    };
    let plain = seconds.chars().all(|c| c.is_ascii_digit() || c == '.');
    let seconds: f64 = seconds.parse().ok().filter(|_| plain)?;
    Duration::try_from_secs_f64(f64::from(minutes) * 60.0 + seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> String {
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        match time(text, now, &TimeZone::UTC) {
            Ok(Asked { from, usual }) => format!("{from} +{}", usual.as_secs()),
            Err(words) => words,
        }
    }

    #[test]
    fn times_of_day_are_past() {
        assert_eq!(asked("09:14"), "2026-11-23T09:14:00Z +60");
        assert_eq!(asked("9:14:03.5"), "2026-11-23T09:14:03.5Z +10");
        assert_eq!(asked("22:30"), "2026-11-22T22:30:00Z +60");
        assert_eq!(asked("-5m"), "2026-11-23T09:55:00Z +10");
        assert_eq!(asked("90s"), "2026-11-23T09:58:30Z +10");
        assert_eq!(asked("2026-11-01T01:02:03+01:00"), "2026-11-01T00:02:03Z +10");
        for wrong in ["", "noon", "25:00", "5", "09.14"] {
            assert!(asked(wrong).starts_with("write a time of day"), "{wrong}: {}", asked(wrong));
        }
    }

    #[test]
    fn seconds_of_a_clip() {
        let second = |text| clip_second(text).map(|at| at.as_secs_f64());
        assert_eq!(
            [second("12.3"), second("0"), second("1:05.5"), second("7s")],
            [Some(12.3), Some(0.0), Some(65.5), Some(7.0)]
        );
        assert_eq!([second("-1"), second("x"), second("1:x"), second("1e3")], [None; 4]);
    }
}
