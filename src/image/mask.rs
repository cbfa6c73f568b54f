//! Which pixels of the model's picture a mask touches. A pixel counts as touched if any source pixel that the resize filter
//! may have read for it, luma or chroma, lies under the polygon: nothing leaks out through the filter. So a mask
//! grows by the filter's reach, never shrinks.

use std::ops::Range;

use crate::units::Polygon;

/// How the model's picture lies over the source, in source pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Footprint {
    /// Whole source picture.
    pub source: [f32; 2],
    /// Left and top of the view.
    pub origin: [f32; 2],
    /// Source pixels per model pixel.
    pub step: [f32; 2],
    /// Half of the source rectangle that one model pixel is made of.
    pub reach: [f32; 2],
}

/// Calls `paint` with each stretch of columns of row `row` (of `columns`) that `polygon` touches. Stretches may overlap.
pub(super) fn touched(
    polygon: &Polygon,
    footprint: &Footprint,
    row: usize,
    columns: usize,
    crossings: &mut Vec<f32>,
    mut paint: impl FnMut(Range<usize>),
) {
    let points = &polygon.0;
    let middle = footprint.origin[1] + (row as f32 + 0.5) * footprint.step[1];
    let (top, bottom) = (middle - footprint.reach[1], middle + footprint.reach[1]);
    let mut stretch = |left: f32, right: f32| paint(covered(footprint, left, right, columns));
    // Every point of the polygon in the band lies straight above or below an edge in the band, or below the band's top line
    // inside the polygon, or above its bottom line: so these stretches together are its whole shadow.
    for (a, b) in edges(points, footprint.source) {
        if let Some((left, right)) = clip(a, b, top, bottom) {
            stretch(left, right);
        }
    }
    for line in [top, bottom] {
        crossings.clear();
        crossings.extend(edges(points, footprint.source).filter_map(|(a, b)| crossing(a, b, line)));
        crossings.sort_by(f32::total_cmp);
        for inside in crossings.chunks_exact(2) {
            stretch(inside[0], inside[1]);
        }
    }
}

fn edges(points: &[[f32; 2]], size: [f32; 2]) -> impl Iterator<Item = ([f32; 2], [f32; 2])> {
    let scaled = move |p: [f32; 2]| [p[0] * size[0], p[1] * size[1]];
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(move |(a, b)| (scaled(*a), scaled(*b)))
}

/// The part of the edge between two heights, as left and right.
fn clip(a: [f32; 2], b: [f32; 2], top: f32, bottom: f32) -> Option<(f32, f32)> {
    let (upper, lower) = if a[1] <= b[1] { (a, b) } else { (b, a) };
    if upper[1] > bottom || lower[1] < top {
        return None;
    }
    let at = |y: f32| {
        let height = lower[1] - upper[1];
        if height <= f32::EPSILON { None } else { Some(upper[0] + (lower[0] - upper[0]) * (y - upper[1]) / height) }
    };
    let from = if upper[1] < top { at(top)? } else { upper[0] };
    let to = if lower[1] > bottom { at(bottom)? } else { lower[0] };
    Some((from.min(to), from.max(to)))
}

fn crossing(a: [f32; 2], b: [f32; 2], y: f32) -> Option<f32> {
    ((a[1] > y) != (b[1] > y)).then(|| (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0])
}

/// The columns whose footprint meets `left..right` (source pixels).
fn covered(footprint: &Footprint, left: f32, right: f32, columns: usize) -> Range<usize> {
    let column = |x: f32| (x - footprint.origin[0]) / footprint.step[0] - 0.5;
    let reach = footprint.reach[0] / footprint.step[0];
    let from = (column(left) - reach).ceil().max(0.0) as usize;
    let to = (column(right) + reach).floor() + 1.0;
    let to = (to.max(0.0) as usize).min(columns);
    from.min(to)..to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(polygon: &Polygon, reach: f32) -> Vec<String> {
        let footprint = Footprint { source: [10.0, 10.0], origin: [0.0, 0.0], step: [1.0, 1.0], reach: [reach, reach] };
        (0..10)
            .map(|row| {
                let mut line = vec![b'.'; 10];
                touched(polygon, &footprint, row, 10, &mut Vec::new(), |columns| line[columns].fill(b'#'));
                String::from_utf8(line).unwrap()
            })
            .collect()
    }

    #[test]
    fn a_square_covers_its_pixels_and_its_neighbours_within_reach() {
        let square = Polygon(vec![[0.41, 0.41], [0.59, 0.41], [0.59, 0.59], [0.41, 0.59]]);
        let tight = rows(&square, 0.5);
        assert_eq!(tight[4], "....##....");
        assert_eq!(tight[3], "..........");
        let wide = rows(&square, 1.5);
        assert_eq!(wide[4], "...####...");
        assert_eq!(wide[3], "...####...");
        assert_eq!(wide[2], "..........");
    }

    /// Against the plain definition: some point of the footprint lies inside the polygon.
    #[test]
    fn no_touched_pixel_is_missed() {
        let shapes = [
            vec![[0.1, 0.2], [0.9, 0.35], [0.3, 0.85]],
            vec![[0.0, 0.0], [0.25, 0.0], [0.25, 0.1], [0.0, 0.1]],
            vec![[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.6, 0.8], [0.6, 0.4], [0.4, 0.4], [0.4, 0.8], [0.2, 0.8]],
            vec![[0.33, 0.31], [0.36, 0.32], [0.34, 0.37]],
            vec![[-0.5, 0.5], [1.5, 0.45], [1.5, 0.55]],
        ];
        for points in shapes {
            let polygon = Polygon(points);
            let painted = rows(&polygon, 0.9);
            for (row, line) in painted.iter().enumerate() {
                for (column, pixel) in line.bytes().enumerate() {
                    let inside = (0..=36).flat_map(|i| (0..=36).map(move |j| (i, j))).any(|(i, j)| {
                        let place = |at: usize, part: i32| (at as f32 + 0.5 - 0.9 + 0.05 * part as f32) / 10.0;
                        polygon.contains(place(column, i), place(row, j))
                    });
                    assert!(!inside || pixel == b'#', "{polygon:?} row {row} column {column}:\n{}", painted.join("\n"));
                }
            }
            assert!(painted.join("").contains('.'), "the whole picture is grey");
        }
    }
}
