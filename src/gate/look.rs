//! How good a look a frame gives at what moves, and whether two frames show it alike. Only the measures belong here.

use super::background::Class;
use super::motion::Sight;
use crate::frame::Picture;

/// Rows that are read to judge sharpness.
const LINES: usize = 48;
/// Pixels per row that are read at most.
const COLUMNS: usize = 512;

/// How much of the moving thing a frame shows, and how sharply: only to be compared with that of another frame of the
/// same camera. What the border cuts off counts against it, up to half.
pub(super) fn score(picture: &Picture, sight: &Sight) -> f32 {
    let whole = 1.0 - (2.0 * sight.cut).min(1.0) / 2.0;
    sight.foreground * whole * (1.0 + sharpness(picture, sight)).sqrt()
}

/// Mean step between neighbouring pixels in the moving region, in grey levels.
fn sharpness(picture: &Picture, sight: &Sight) -> f32 {
    let Some(region) = sight.region else { return 0.0 };
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let at = |share: f32, all: usize| ((share * all as f32) as usize).min(all);
    let (left, right) = (at(region.x, width), at(region.x + region.w, width));
    let (top, bottom) = (at(region.y, height), at(region.y + region.h, height));
    let plane = picture.plane(0);
    let skip = (right.saturating_sub(left) / COLUMNS).max(1);
    let (mut sum, mut count) = (0_u64, 0_u64);
    for y in (top..bottom).step_by((bottom.saturating_sub(top) / LINES).max(1)) {
        let Some(line) = plane.data.get(y * plane.stride + left..y * plane.stride + right) else { continue };
        for pair in line.windows(2).step_by(skip) {
            sum += u64::from(pair[0].abs_diff(pair[1]));
            count += 1;
        }
    }
    sum as f32 / count.max(1) as f32
}

/// Where the things of a frame are.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    cells: Vec<bool>,
    area: usize,
}

impl Shape {
    /// Takes over the shape that the classes of a frame's cells make.
    pub(super) fn copy(&mut self, classes: &[Class]) {
        self.cells.clear();
        self.cells.extend(classes.iter().map(|class| *class == Class::Thing));
        self.area = self.cells.iter().filter(|cell| **cell).count();
    }

    /// Whether the things of another frame lie elsewhere, or there are more of them: of what either frame shows less
    /// than half is common to both. Something that is on its way out, less than half as large, is nothing new.
    pub(super) fn outdated_by(&self, classes: &[Class]) -> bool {
        let now = classes.iter().filter(|class| **class == Class::Thing).count();
        if self.cells.len() != classes.len() {
            return now > 0;
        }
        let cells = self.cells.iter().zip(classes);
        let common = cells.filter(|(then, now)| **then && **now == Class::Thing).count();
        let either = self.area + now - common;
        2 * now >= self.area && 2 * common < either
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(things: std::ops::Range<usize>) -> Vec<Class> {
        (0..100).map(|i| if things.contains(&i) { Class::Thing } else { Class::Scene }).collect()
    }

    #[test]
    fn a_shape_is_outdated_by_moving_or_growing_but_not_by_leaving() {
        let mut shape = Shape::default();
        shape.copy(&classes(10..30));
        assert!(!shape.outdated_by(&classes(10..30)));
        assert!(!shape.outdated_by(&classes(13..33)));
        assert!(shape.outdated_by(&classes(40..60)));
        assert!(shape.outdated_by(&classes(10..60)));
        assert!(!shape.outdated_by(&classes(10..15)));
        assert!(!shape.outdated_by(&classes(0..0)));
    }
}
