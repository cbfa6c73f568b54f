//! What the last described frame of an event showed, and whether another one is worth words of its own. Only the comparison
//! belongs here.

use std::time::Duration;

use super::background::Class;
use super::look::Shape;
use super::motion::Sight;
use super::portrait::{ALIKE, Cells, Portrait};
use super::tamper::Finding;
use crate::clock::Moment;

/// After a frame that looks like the described one, the next is compared so much later.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A frame with what there is to know about it.
pub(super) struct View<'a> {
    pub(super) sight: &'a Sight,
    pub(super) classes: &'a [Class],
    pub(super) cells: Cells<'a>,
    pub(super) tamper: Finding,
}

#[derive(Debug)]
pub(super) struct Described {
    /// When the frame was taken.
    pub(super) at: Moment,
    shape: Shape,
    portrait: Portrait,
    /// When another was last found to look like it.
    alike_at: Option<Moment>,
}

/// What a frame has to say that was not said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Novelty {
    /// Things are where they were.
    None,
    /// It was like the described one a moment ago: so many seconds.
    NotYet(f32),
    /// Things have moved, but the picture is like the described one: so many bits differ.
    Alike(u32),
    New,
}

impl Described {
    pub(super) fn new(at: Moment, view: &View<'_>) -> Self {
        let mut described = Self { at, shape: Shape::default(), portrait: Portrait::default(), alike_at: None };
        described.take(at, view);
        described
    }

    pub(super) fn take(&mut self, at: Moment, view: &View<'_>) {
        self.at = at;
        self.shape.copy(view.classes);
        self.portrait.take(view.cells, view.sight.region);
        self.alike_at = None;
    }

    /// The cheap question first; the pictures are compared once in a while.
    pub(super) fn novelty(&mut self, at: Moment, view: &View<'_>) -> Novelty {
        if !self.shape.outdated_by(view.classes) {
            return Novelty::None;
        }
        if let Some(waited) = self.alike_at.map(|alike| at.since(alike)).filter(|waited| *waited < LOOK_AGAIN) {
            return Novelty::NotYet(waited.as_secs_f32());
        }
        match self.portrait.distance(view.cells, view.sight.region) {
            Some(bits) if bits <= ALIKE => {
                self.alike_at = Some(at);
                Novelty::Alike(bits)
            }
            _ => Novelty::New,
        }
    }

    /// Seconds between two comparisons.
    pub(super) fn wait() -> f32 {
        LOOK_AGAIN.as_secs_f32()
    }
}
