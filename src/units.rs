//! Quantities as people write them: durations, sizes, rates, and places in a picture.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a text is no quantity. Its words end in what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("`{0}` is not a duration: write a number and `ms`, `s`, `m`, `h` or `d`, such as \"500ms\" or \"5s\"")]
    Duration(String),
    #[error("`{0}` is not a size: write a number and `B`, `KiB`, `MiB` or `GiB`, such as \"64MiB\"")]
    Size(String),
    #[error("`{0}` is not a rate: write a number and `/s`, `/min` or `/h`, such as \"12/min\"")]
    Rate(String),
}

/// Reads "500ms", "5s", "1.5m", "2h", "7d".
///
/// # Errors
/// [`UnitError::Duration`]
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let error = || UnitError::Duration(text.to_owned());
    let (number, unit) = split(text).ok_or_else(error)?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(error()),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| error())
}

/// Reads "256MiB" into bytes.
///
/// # Errors
/// [`UnitError::Size`]
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let error = || UnitError::Size(text.to_owned());
    let (number, unit) = split(text).ok_or_else(error)?;
    let bytes = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return Err(error()),
    };
    let total = number * bytes;
    // 2^53: beyond it a float no longer counts single bytes.
    if total > 9.0e15 { Err(error()) } else { Ok(total as u64) }
}

/// So many per time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub count: f64,
    pub per: Duration,
}

impl Rate {
    #[must_use]
    pub fn per_second(self) -> f64 {
        self.count / self.per.as_secs_f64()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per.as_secs() {
            1 => write!(f, "{}/s", self.count),
            60 => write!(f, "{}/min", self.count),
            3600 => write!(f, "{}/h", self.count),
            _ => write!(f, "{} in {:?}", self.count, self.per),
        }
    }
}

/// Reads "12/min".
///
/// # Errors
/// [`UnitError::Rate`]
pub fn parse_rate(text: &str) -> Result<Rate, UnitError> {
    let error = || UnitError::Rate(text.to_owned());
    let (number, unit) = text.split_once('/').ok_or_else(error)?;
    let count: f64 = number.trim().parse().map_err(|_| error())?;
    if !count.is_finite() || count < 0.0 {
        return Err(error());
    }
    let per = match unit.trim() {
        "s" => Duration::from_secs(1),
        "m" | "min" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err(error()),
    };
    Ok(Rate { count, per })
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number: f64 = text[..end].parse().ok()?;
    number.is_finite().then(|| (number, text[end..].trim_start()))
}

/// A rectangle as fractions of the picture: left, top, width, height, each 0 to 1.
/// Serialised as `[x, y, w, h]` with three digits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    pub x: f32,
    pub y: f32,
    pub w: f32,
    pub h: f32,
}

impl Region {
    /// The whole picture.
    pub const WHOLE: Self = Self { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };

    /// The smallest rectangle around both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.w).max(other.x + other.w);
        let bottom = (self.y + self.h).max(other.y + other.h);
        Self { x, y, w: right - x, h: bottom - y }
    }

    /// Share of the picture that it covers, 0 to 1.
    #[must_use]
    pub fn area(self) -> f32 {
        self.w * self.h
    }
}

impl Serialize for Region {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let round = |v: f32| (f64::from(v) * 1000.0).round() / 1000.0;
        [round(self.x), round(self.y), round(self.w), round(self.h)].serialize(s)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        // What was not a number was written as null.
        let [x, y, w, h] = <[Option<f32>; 4]>::deserialize(d)?.map(|value| value.unwrap_or(f32::NAN));
        Ok(Self { x, y, w, h })
    }
}

/// A polygon of at least three points, each `[x, y]` as fractions of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon(pub Vec<[f32; 2]>);

impl Polygon {
    /// Whether the point lies inside (even-odd rule).
    #[must_use]
    pub fn contains(&self, x: f32, y: f32) -> bool {
        let mut inside = false;
        let mut previous = self.0.len().wrapping_sub(1);
        for (i, a) in self.0.iter().enumerate() {
            let b = &self.0[previous];
            if (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0] {
                inside = !inside;
            }
            previous = i;
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "5", "5 parsecs", "-1s", "s", "1e99d", "99999999999999999999d"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_and_rates() {
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert!(parse_size("64").is_err());
        assert!(parse_size("9999999999GiB").is_err());
        assert!((parse_rate("30/min").unwrap().per_second() - 0.5).abs() < 1e-9);
        assert_eq!(parse_rate("2.5/h").unwrap().to_string(), "2.5/h");
        assert!(parse_rate("30").is_err());
        assert!(parse_rate("-3/min").is_err());
    }

    #[test]
    fn a_polygon_knows_its_inside() {
        let corner = Polygon(vec![[0.0, 0.0], [0.25, 0.0], [0.25, 0.1], [0.0, 0.1]]);
        assert!(corner.contains(0.1, 0.05));
        assert!(!corner.contains(0.3, 0.05));
        assert!(!Polygon(vec![]).contains(0.5, 0.5));
    }

    #[test]
    fn a_region_is_four_short_numbers() {
        let region = Region { x: 0.41004, y: 0.1, w: 0.22, h: 0.8 };
        assert_eq!(serde_json::to_string(&region).unwrap(), "[0.41,0.1,0.22,0.8]");
    }
}
