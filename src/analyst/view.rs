//! Which parts of a picture the model is asked about. Pure.

use crate::units::Region;

/// What the model sees of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    Whole,
    /// What moves, with some margin.
    Region,
    /// Asks about each, and tells what the model is surer of.
    Both,
}

/// So much larger than what moves is the part that is shown: a model knows a thing by what is around it.
const MARGIN: f32 = 1.4;
/// Not less of either side of the picture: less has too few pixels.
const LEAST: f32 = 1.0 / 3.0;
/// A part that is nearly everything is everything.
const MOST: f32 = 0.9;

impl View {
    /// The part to ask about first, and the one to ask about after it, if any.
    pub(super) fn parts(self, moving: Option<Region>) -> (Region, Option<Region>) {
        let part = moving.filter(|_| self != Self::Whole).map_or(Region::WHOLE, around);
        let second = (self == Self::Both && part != Region::WHOLE).then_some(Region::WHOLE);
        (part, second)
    }

    /// Calls of the model that it takes.
    pub(super) fn calls(self, moving: Option<Region>) -> u32 {
        if self.parts(moving).1.is_some() { 2 } else { 1 }
    }
}

/// The part of the picture around what moves, inside the picture and of its shape: the model stretches whatever it sees to
/// its own square, and it learnt from pictures that were stretched as whole ones are.
fn around(moving: Region) -> Region {
    let side = (moving.w.max(moving.h) * MARGIN).max(LEAST);
    // What is no number is everything, too.
    if side.is_nan() || side >= MOST || !(moving.x + moving.y).is_finite() {
        return Region::WHOLE;
    }
    let place = |from: f32, size: f32| (from + size / 2.0 - side / 2.0).clamp(0.0, 1.0 - side);
    Region { x: place(moving.x, moving.w), y: place(moving.y, moving.h), w: side, h: side }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_small_thing_gets_a_third_of_the_picture() {
        let moving = Region { x: 0.9, y: 0.5, w: 0.05, h: 0.1 };
        let (part, second) = View::Region.parts(Some(moving));
        assert_eq!((part.w, part.h, second), (LEAST, LEAST, None));
        // Moved inside at the right border, centred where there is room.
        assert!((part.x + part.w - 1.0).abs() < 1e-6 && (part.y - (0.55 - LEAST / 2.0)).abs() < 1e-6);
    }

    #[test]
    fn both_asks_twice_only_if_there_are_two_things_to_see() {
        let small = Region { x: 0.2, y: 0.2, w: 0.3, h: 0.2 };
        let large = Region { x: 0.1, y: 0.0, w: 0.5, h: 0.9 };
        assert_eq!(View::Both.calls(Some(small)), 2);
        assert_eq!(View::Both.calls(Some(large)), 1);
        assert_eq!(View::Both.calls(None), 1);
        assert_eq!(View::Whole.parts(Some(small)), (Region::WHOLE, None));
    }

    proptest! {
        #[test]
        fn the_part_is_inside_and_holds_what_moves(x in 0f32..1.0, y in 0f32..1.0, w in 0f32..1.0, h in 0f32..1.0) {
            let moving = Region { x, y, w: w * (1.0 - x), h: h * (1.0 - y) };
            let part = around(moving);
            prop_assert!(part.x >= 0.0 && part.y >= 0.0 && part.x + part.w <= 1.0001 && part.y + part.h <= 1.0001);
            prop_assert!(part.w >= LEAST && part.w == part.h);
            prop_assert!(part.x <= x + 1e-5 && x + moving.w <= part.x + part.w + 1e-5);
            prop_assert!(part.y <= y + 1e-5 && y + moving.h <= part.y + part.h + 1e-5);
        }
    }
}
