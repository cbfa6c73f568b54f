//! What values are called in messages, and how numbers are read.

use std::time::Duration;

use toml::de::DeValue;

use super::keys::{Key, Kind};
use super::suggest;

/// A whole or decimal number.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(i) => i128::from_str_radix(i.as_str(), i.radix()).ok().map(|i| i as f64),
        DeValue::Float(f) => f.as_str().parse().ok(),
        _ => None,
    }
}

/// What a value is, with its article.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// "5s", "2m", "7d": the largest unit that divides it.
pub(super) fn duration(time: Duration) -> String {
    let millis = time.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
    let (size, unit) =
        units.into_iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size)).unwrap_or((1000, "s"));
    format!("\"{}{unit}\"", millis / size)
}

/// What a key wants, with an example.
pub(super) fn expected(key: &Key) -> String {
    match key.kind {
        Kind::Text | Kind::Duration | Kind::Size | Kind::Rate => format!("a string such as {}", key.example),
        Kind::Texts => format!("a list of strings such as {}", key.example),
        Kind::Switch => "`true` or `false`".to_owned(),
        Kind::Whole => format!("a whole number such as {}", key.example),
        Kind::Number => format!("a number such as {}", key.example),
        Kind::Choice(words) => suggest::one_of(words),
        Kind::Polygons => "a list of polygons".to_owned(),
        Kind::Polygon => "a polygon, a list of points `[x, y]`".to_owned(),
    }
}

/// What a key's text is, in one word.
pub(super) fn noun(key: &Key) -> &'static str {
    match key.kind {
        Kind::Duration => "a duration",
        Kind::Size => "a size",
        Kind::Rate => "a rate",
        _ => "right",
    }
}
