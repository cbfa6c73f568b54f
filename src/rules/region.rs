//! The part of the picture that a rule is about. Pure.

use crate::units::{Polygon, Region};

/// The box around the polygon, inside the picture; what has no area, or is no number, is everything.
#[must_use]
pub fn around(polygon: &Polygon) -> Region {
    let of = |axis: usize| {
        let values = polygon.0.iter().map(move |point| point[axis].clamp(0.0, 1.0));
        let least = values.clone().fold(f32::INFINITY, f32::min);
        (least, values.fold(f32::NEG_INFINITY, f32::max) - least)
    };
    let ((x, w), (y, h)) = (of(0), of(1));
    if w > 0.0 && h > 0.0 && (x + y + w + h).is_finite() { Region { x, y, w, h } } else { Region::WHOLE }
}

/// Everything but the polygon, as one polygon: the picture's edge and the polygon's, joined by a seam that goes straight to the
/// left from the leftmost point, where nothing of the polygon can be in its way.
#[must_use]
pub fn outside(polygon: &Polygon) -> Polygon {
    let points = &polygon.0;
    let leftmost = points.iter().enumerate().min_by(|a, b| a.1[0].total_cmp(&b.1[0]));
    let Some((first, &[_, height])) = leftmost else { return Polygon(Vec::new()) };
    let seam = [0.0, height];
    let mut all = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], seam];
    all.extend(points.iter().cycle().skip(first).take(points.len() + 1));
    all.push(seam);
    Polygon(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_box_is_around_it() {
        let triangle = Polygon(vec![[0.5, 0.25], [0.75, 0.5], [0.25, 0.5]]);
        assert_eq!(around(&triangle), Region { x: 0.25, y: 0.25, w: 0.5, h: 0.25 });
        for nothing in [vec![], vec![[0.5, 0.5]; 3], vec![[f32::NAN, 0.0], [1.0, 0.0], [0.0, 1.0]]] {
            let found = around(&Polygon(nothing));
            assert!(found.w > 0.0 && found.h > 0.0, "{found:?}");
        }
    }

    proptest! {
        /// A point is either in the polygon or outside of it, wherever the seam runs.
        #[test]
        fn inside_and_outside_share_the_picture(
            points in prop::collection::vec([0.01f32..0.99, 0.01f32..0.99], 3..9),
            x in 0.001f32..0.999,
            y in 0.001f32..0.999,
        ) {
            let polygon = Polygon(points);
            prop_assert_ne!(polygon.contains(x, y), outside(&polygon).contains(x, y));
        }
    }
}
