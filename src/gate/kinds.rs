//! What a blob is: a thing that lives, one that stays, light, or too little to be anything. Pure judgement of what was
//! measured; the measuring is done in `motion`.

use super::background::Class;
use super::blobs::Blob;

/// Of a thing's rim so much is edges that the scene does not have; of a glow or a soft shadow next to nothing.
const EDGES: f32 = 0.35;
/// A thing within its own soft shadow has its edges inside: of all its cells so many, ...
const EDGES_INSIDE: f32 = 0.12;
/// ... and as many as a square of the least area has along its sides.
const SIDES: f32 = 4.0;

/// Light with a hard edge leaves what it falls on as it is: of the steps of the scene so many are still there, ...
const KEPT: f32 = 0.8;
/// ... while of what a thing hides next to nothing is, ...
const HIDDEN: f32 = 0.25;
/// ... and there must be so many to ask about. A plain wall tells nothing.
const ASKED: usize = 12;

/// Leaves and drops hang together loosely: they have no inside (so much of them is rim), ...
const ALL_RIM: f32 = 0.8;
/// ... and fill so little of the square around them. Somebody far away has no inside either, but fills it.
const FILLS: f32 = 0.3;

/// What a blob is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Speck,
    Light,
    /// Moved just now; `newcomer`: was not there a while ago.
    Living {
        newcomer: bool,
    },
    /// Is there and does not move; `large`: large enough to keep an event going.
    Lingering {
        large: bool,
    },
    Settled,
}

impl Kind {
    /// What its cells are.
    pub(super) fn class(self) -> Class {
        match self {
            Self::Speck => Class::Speck,
            Self::Light => Class::Light,
            Self::Living { .. } | Self::Lingering { .. } => Class::Thing,
            Self::Settled => Class::Settled,
        }
    }
}

/// What one frame's blobs are held against.
pub(super) struct Rules {
    /// Cells of the least thing that starts an event; half of it keeps one going.
    pub(super) full: usize,
    /// Seconds after which what stays belongs to the scene.
    pub(super) patience: f32,
}

impl Rules {
    pub(super) fn judge(&self, blob: &Blob) -> Kind {
        let still = blob.still();
        if blob.area < self.full.div_ceil(2) || is_loose(blob) {
            Kind::Speck
        } else if shines_through(blob) || !self.has_edges(blob) && !hides(blob) {
            Kind::Light
        } else if still <= 0.0 {
            Kind::Living { newcomer: blob.old * 4 < blob.area && blob.area >= self.full }
        } else if still >= self.patience {
            Kind::Settled
        } else {
            Kind::Lingering { large: blob.area >= self.full }
        }
    }

    /// Whether it ends where the scene does not, as things do and light does not.
    fn has_edges(&self, blob: &Blob) -> bool {
        let inside = EDGES_INSIDE * blob.area as f32;
        let sides = SIDES * (self.full as f32).sqrt();
        blob.rim > 0 && blob.rim_edges as f32 >= EDGES * blob.rim as f32 || blob.edges as f32 >= inside.max(sides)
    }
}

/// Whether the scene has enough in its place to say whether it is still there.
fn can_tell(blob: &Blob) -> bool {
    blob.asked >= ASKED && blob.asked * 20 >= blob.area
}

/// Whether the scene is still to be seen in it: a patch of sun from a window, the beam of a headlight.
fn shines_through(blob: &Blob) -> bool {
    can_tell(blob) && blob.kept as f32 >= KEPT * blob.asked as f32
}

/// Whether the scene is hidden by it, as by whoever stands there, however soft the edges are in snow or at night.
fn hides(blob: &Blob) -> bool {
    can_tell(blob) && blob.kept as f32 <= HIDDEN * blob.asked as f32
}

/// Whether it is many small things rather than one.
fn is_loose(blob: &Blob) -> bool {
    let square = (blob.last.0 + 1 - blob.first.0) * (blob.last.1 + 1 - blob.first.1);
    blob.rim as f32 >= ALL_RIM * blob.area as f32 && (blob.area as f32) < FILLS * square as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { full: 36, patience: 10.0 };

    /// A compact blob of 10 x 20 cells that just moved, with the edges of a thing.
    fn thing() -> Blob {
        let mut blob = Blob::default();
        for i in 0..200 {
            blob.add(50 + i % 10, 30 + i / 10, 0.0);
        }
        Blob { rim: 56, edges: 50, rim_edges: 50, ..blob }
    }

    fn judge(blob: &Blob) -> String {
        format!("{:?}", RULES.judge(blob))
    }

    #[test]
    fn a_thing_has_edges_or_hides_the_scene() {
        assert!(judge(&thing()).starts_with("Living"));
        let soft = Blob { edges: 4, rim_edges: 4, ..thing() };
        assert_eq!(judge(&soft), "Light");
        assert!(judge(&Blob { asked: 60, kept: 3, ..soft }).starts_with("Living"));
    }

    #[test]
    fn what_the_scene_shines_through_is_light_however_hard_its_edges() {
        assert_eq!(judge(&Blob { asked: 60, kept: 55, ..thing() }), "Light");
        // Somebody and their shadow: half of the scene is still there.
        assert!(judge(&Blob { asked: 60, kept: 30, ..thing() }).starts_with("Living"));
        // A plain wall behind: nothing to ask about.
        assert!(judge(&Blob { asked: 5, kept: 5, ..thing() }).starts_with("Living"));
    }

    #[test]
    fn many_small_things_are_none() {
        let mut leaves = Blob::default();
        for i in 0..60 {
            leaves.add(20 + i * 7 % 30, 10 + i * 5 % 20, 0.0);
        }
        let leaves = Blob { rim: 60, edges: 60, rim_edges: 60, ..leaves };
        assert_eq!(judge(&leaves), "Speck");
        // Somebody far away is all rim too, but stands upright in one place.
        let mut far = Blob::default();
        for i in 0..20 {
            far.add(70 + i % 2, 30 + i / 2, 0.0);
        }
        assert!(judge(&Blob { rim: 20, edges: 20, rim_edges: 20, ..far }).starts_with("Living"));
    }
}
