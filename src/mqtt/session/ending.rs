//! What the end of a connection says about the message that was on its way.

use tracing::{info, warn};

use crate::outbox::Refusal;

use super::super::isolation::{Ending, Suspect, Verdict};
use super::super::reason::Reason;
use super::super::window::{Letter, Purpose};
use super::Session;
use super::following::NO_EARS;

impl Session<'_> {
    /// What an end says about the message that was on its way.
    pub(super) fn judge(&mut self, reason: &Reason) {
        let unheard = &mut self.past.memory.unheard;
        if reason.hung_up() && !self.subscribed && *unheard < NO_EARS {
            *unheard += 1;
            if *unheard == NO_EARS {
                info!(
                    "the broker hangs up over the subscription to our own topics, or so it seems: it is left out now, and no \
                     question or command is heard"
                );
            }
        }
        self.questions.ended();
        let now = self.inputs.clock.now();
        if self.pictures.ended(reason.hung_up(), now, &mut self.past.memory.pictures) {
            warn!(
                "the broker hangs up over pictures, or so it seems: none are sent to it any more; set a smaller `snapshot_width` in [mqtt]"
            );
        }
        if let Some(Purpose::Row(letter)) = self.window.first_unanswered().map(|sent| &sent.purpose)
            && reason.blames_message()
        {
            if self.inputs.outbox.refuse(letter.row) == Refusal::SetAside {
                set_aside(letter, "the broker ended the connection over an event again and again: it is set aside");
            }
            return;
        }
        let suspect = self.window.first_suspect();
        let first = suspect.and_then(|sent| match &sent.purpose {
            Purpose::Row(letter) => Some((Suspect::Row(letter.row), now.since(sent.at))),
            Purpose::Words(camera) => Some((Suspect::Words(camera.clone()), now.since(sent.at))),
            Purpose::State | Purpose::Answer => None,
        });
        let ending = Ending { hung_up: reason.hung_up(), first, answered: self.answered };
        match self.past.isolation.ended(ending) {
            Verdict::Nothing => {}
            Verdict::Careful => {
                info!("the broker hangs up over a message, or so it seems: they leave one at a time now");
            }
            Verdict::SetAside(Suspect::Row(row)) => {
                self.inputs.outbox.set_aside(row);
                if let Some(Purpose::Row(letter)) = suspect.map(|sent| &sent.purpose) {
                    set_aside(letter, "the broker hangs up over this event each time, without a word: it is set aside");
                }
            }
            Verdict::SetAside(Suspect::Words(camera)) => {
                self.retained.leave_out(&camera, self.past.memory);
                warn!(%camera, "the broker hangs up over this camera's description each time: it is left out until there is a newer one");
            }
        }
    }
}

pub(super) fn set_aside(letter: &Letter, what: &str) {
    warn!(camera = %letter.camera, event = %letter.id, seq = letter.seq, "{what}");
}
