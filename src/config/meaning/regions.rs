//! Polygons as fractions of the picture.

use toml::Spanned;
use toml::de::DeValue;

use crate::config::kinds;
use crate::config::problem::{Code, Problem};
use crate::config::raw::Section;
use crate::units::Polygon;

const POINT: &str = "write fractions of width and height, from the top left: `[0.25, 0.1]` is a quarter to the right \
                     and a tenth down";
const POLYGON: &str = "a polygon is a list of at least three points `[x, y]`, fractions of the picture from its top left: \
                    `[[[0.0, 0.0], [0.25, 0.0], [0.25, 0.1]]]` is one polygon";

/// Masks are painted anew for every picture; a view with more of them is better masked in one piece.
const MOST_POLYGONS: usize = 64;

/// A hedge along a whole picture needs some dozen.
const MOST_POINTS: usize = 256;

type Value<'a> = Spanned<DeValue<'a>>;

/// The polygons of a key; those that are wrong are reported and left out.
pub(super) fn read(section: &Section<'_>, name: &str) -> Vec<Polygon> {
    let Some(value) = section.value(name) else { return Vec::new() };
    let Some(items) = value.get_ref().as_array() else {
        section.wrong_type(section.shape.key(name), value);
        return Vec::new();
    };
    if items.iter().any(is_point) {
        let message = format!("`{name}` is a list of polygons, but this is one polygon");
        let problem = Problem::new(Code::WrongType, message, "put it into one more pair of brackets");
        section.reader.report(problem.at(value.span(), ""));
        return Vec::new();
    }
    if let Some(next) = items.get(MOST_POLYGONS) {
        let message = format!("`{name}` has {} polygons; at most {MOST_POLYGONS} are allowed", items.len());
        let problem = Problem::new(Code::WrongValue, message, "join neighbours into one polygon");
        section.reader.report(problem.at(next.span(), "the first that is too many"));
        return Vec::new();
    }
    items.iter().filter_map(|item| polygon(section, name, item)).collect()
}

/// The polygon of a key that has one.
pub(super) fn one(section: &Section<'_>, name: &str) -> Option<Polygon> {
    let value = section.value(name)?;
    let Some(items) = value.get_ref().as_array() else {
        section.wrong_type(section.shape.key(name), value);
        return None;
    };
    // One pair of brackets too many: a list with one polygon in it.
    let nested = items.first().and_then(|item| item.get_ref().as_array()).filter(|inner| inner.iter().any(is_point));
    if nested.is_some() {
        let message = format!("`{name}` is one polygon, but this is a list of polygons");
        let problem = Problem::new(Code::WrongType, message, "take away one pair of brackets");
        section.reader.report(problem.at(value.span(), ""));
        return None;
    }
    polygon(section, name, value)
}

fn polygon(section: &Section<'_>, name: &str, value: &Value<'_>) -> Option<Polygon> {
    let report = |code, message: String, label: &str| {
        section.reader.report(Problem::new(code, message, POLYGON).at(value.span(), label));
        None
    };
    let Some(items) = value.get_ref().as_array() else {
        let kind = kinds::kind(value.get_ref());
        return report(Code::WrongType, format!("a polygon in `{name}` must be a list of points, not {kind}"), "");
    };
    if items.len() < 3 {
        let label = format!("points here: {}", items.len());
        return report(Code::WrongValue, format!("a polygon in `{name}` needs at least three points"), &label);
    }
    if let Some(next) = items.get(MOST_POINTS) {
        let message = format!("a polygon in `{name}` has {} points; at most {MOST_POINTS} are allowed", items.len());
        let problem = Problem::new(Code::WrongValue, message, "leave out points that lie nearly on a line");
        section.reader.report(problem.at(next.span(), "the first that is too many"));
        return None;
    }
    let points: Vec<_> = items.iter().map(|item| point(section, name, item)).collect();
    points.into_iter().collect::<Option<_>>().map(Polygon)
}

fn point(section: &Section<'_>, name: &str, value: &Value<'_>) -> Option<[f32; 2]> {
    let report = |code, message: String, label: &str| {
        section.reader.report(Problem::new(code, message, POINT).at(value.span(), label));
        None
    };
    let Some([x, y]) = coordinates(value) else {
        return report(Code::WrongType, format!("a point in `{name}` must be two numbers, `[x, y]`"), "");
    };
    let inside = |v: f64| (0.0..=1.0).contains(&v);
    if !inside(x) || !inside(y) {
        let pixels = x > 1.5 || y > 1.5;
        let label = if pixels { "are these pixels? divide by width and height" } else { "outside" };
        return report(Code::WrongValue, format!("a point in `{name}` lies outside the picture, 0 to 1"), label);
    }
    Some([x as f32, y as f32])
}

fn is_point(value: &Value<'_>) -> bool {
    coordinates(value).is_some()
}

fn coordinates(value: &Value<'_>) -> Option<[f64; 2]> {
    let items = value.get_ref().as_array()?;
    let numbers: Vec<f64> = items.iter().filter_map(|item| kinds::number(item.get_ref())).collect();
    if items.len() == 2 { numbers.try_into().ok() } else { None }
}
