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
/// ... and there must be so many to ask about. A plain wall tells nothing.
const ASKED: usize = 12;

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
        if blob.area < self.full.div_ceil(2) {
            Kind::Speck
        } else if !self.has_edges(blob) || shines_through(blob) {
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

/// Whether the scene is still to be seen in it: a patch of sun from a window, the beam of a headlight. Whoever stands there
/// hides it.
fn shines_through(blob: &Blob) -> bool {
    blob.asked >= ASKED && blob.asked * 20 >= blob.area && blob.kept as f32 >= KEPT * blob.asked as f32
}
