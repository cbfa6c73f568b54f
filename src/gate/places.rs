//! Which cells of the small picture may start or keep an event: those in a zone and under no mask. Only geometry belongs
//! here.

use super::luma::Grid;
use crate::units::Polygon;

/// What a cell of the view is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// What moves here is judged.
    Open,
    /// Outside the zones: nothing that moves here counts, but its light tells about the light of the rest.
    Outside,
    /// Under a mask: not looked at.
    Masked,
}

/// The polygons of one camera.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    masks: Vec<Polygon>,
    /// Empty: everywhere.
    zones: Vec<Polygon>,
}

impl Places {
    pub(super) fn new(masks: Vec<Polygon>, zones: Vec<Polygon>) -> Self {
        Self { masks, zones }
    }

    /// What each cell is, row by row. A mask wins over a zone.
    pub(super) fn lay(&self, grid: &Grid) -> Vec<Place> {
        (0..grid.len())
            .map(|i| {
                let (x, y) = grid.centre(i);
                let within = |polygons: &[Polygon]| polygons.iter().any(|polygon| polygon.contains(x, y));
                if within(&self.masks) {
                    Place::Masked
                } else if self.zones.is_empty() || within(&self.zones) {
                    Place::Open
                } else {
                    Place::Outside
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};

    fn square(from: f32, to: f32) -> Polygon {
        Polygon(vec![[from, from], [to, from], [to, to], [from, to]])
    }

    fn laid(masks: Vec<Polygon>, zones: Vec<Polygon>) -> [usize; 3] {
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        let picture = Picture::packed(100, 100, PixelFormat::I420, colour, vec![0; 15_000]).unwrap();
        let cells = Places::new(masks, zones).lay(&Grid::of(&picture));
        [Place::Open, Place::Outside, Place::Masked].map(|kind| cells.iter().filter(|cell| **cell == kind).count())
    }

    #[test]
    fn without_zones_everything_is_open_and_masks_win_over_zones() {
        assert_eq!(laid(vec![], vec![]), [10_000, 0, 0]);
        assert_eq!(laid(vec![square(0.0, 0.1)], vec![]), [9_900, 0, 100]);
        assert_eq!(laid(vec![], vec![square(0.0, 0.2), square(0.8, 1.0)]), [800, 9_200, 0]);
        assert_eq!(laid(vec![square(0.0, 0.1)], vec![square(0.0, 0.2)]), [300, 9_600, 100]);
    }

    #[test]
    fn a_zone_that_holds_no_cell_leaves_nothing_open() {
        assert_eq!(laid(vec![], vec![square(0.501, 0.503)]), [0, 10_000, 0]);
        assert_eq!(laid(vec![], vec![Polygon(vec![])]), [0, 10_000, 0]);
    }
}
