//! What leaves next, and whether there is room for it.

use std::time::Duration;

use futures_util::FutureExt;
use rumqttc::v5::mqttbytes::QoS;
use tracing::{debug, warn};

use crate::clock::Moment;
use crate::outbox::Offer;

use super::super::home::Home;
use super::super::message::{self, Message};
use super::super::reason::Reason;
use super::super::retained::Say;
use super::super::window::{Letter, Purpose};
use super::Session;

/// So long a connection has to last before it is tried with an event that is under suspicion.
const TRIAL_PAUSE: Duration = Duration::from_secs(1);
/// State that may wait for room in the window; beyond it a broker talks us into it.
const BACKLOG: usize = 4096;

impl Session<'_> {
    /// State goes into the backlog, unless the broker would end the connection over it.
    pub(super) fn say(&mut self, say: impl IntoIterator<Item = Say>) {
        for (message, purpose) in say {
            if message.wire_size() > self.max_packet {
                debug!(topic = message.topic, "a retained message is larger than the broker takes");
            } else if self.backlog.len() < BACKLOG {
                self.backlog.push_back((message, purpose));
            }
        }
    }

    /// Whether something new may be thought of.
    pub(super) fn is_free(&self) -> bool {
        self.backlog.is_empty() && self.has_room()
    }

    /// One message at a time while a broker hangs up over one of them.
    fn has_room(&self) -> bool {
        if self.past.isolation.careful() { self.window.is_empty() } else { self.window.has_room() }
    }

    pub(super) fn may_offer(&self) -> bool {
        let paused = self.paused_until.is_some_and(|until| self.inputs.clock.now() < until);
        let leaves = self.home.as_ref().is_some_and(Home::leaves);
        !paused && !leaves && self.held.is_none()
    }

    /// Fills the window: with state first, then with answers and with what waits in the outbox, in turns.
    pub(super) fn fill(&mut self) -> Result<(), Reason> {
        loop {
            self.send_backlog()?;
            self.send_pictures()?;
            let answered = self.is_free() && self.send_answer()?;
            if self.is_free() && self.may_offer() {
                // A row that is there is taken at once, without a round through the runtime for each.
                if let Some(offer) = self.inputs.outbox.next().now_or_never() {
                    self.offer(offer)?;
                    continue;
                }
            }
            if !answered {
                return Ok(());
            }
        }
    }

    /// The answer that waits longest. `false`: there is none.
    pub(super) fn send_answer(&mut self) -> Result<bool, Reason> {
        let Some(message) = self.questions.next() else { return Ok(false) };
        if message.wire_size() > self.max_packet {
            debug!(topic = message.topic, "an answer is larger than the broker takes");
        } else {
            self.send(message, Purpose::Answer)?;
        }
        Ok(true)
    }

    fn send_pictures(&mut self) -> Result<(), Reason> {
        // While a broker hangs up over something, it is not to be a picture that nobody acknowledges.
        if self.past.isolation.careful() || !self.backlog.is_empty() || !self.pictures.is_due() {
            return Ok(());
        }
        let newest = self.snapshots.borrow().clone();
        while let Some(picture) = self.pictures.next(&newest, &self.topics) {
            self.send_picture(picture)?;
        }
        Ok(())
    }

    fn send_picture(&mut self, picture: Message) -> Result<(), Reason> {
        let bytes = picture.wire_size();
        if bytes <= self.max_packet {
            return self.client.publish(picture, QoS::AtMostOnce);
        }
        if self.pictures.too_large(&mut self.past.memory.pictures) {
            warn!(
                topic = picture.topic,
                bytes,
                max = self.max_packet,
                "a picture is larger than the broker takes and stays here: set a smaller `snapshot_width` in [mqtt], or raise \
                 the broker's maximum packet size"
            );
        }
        Ok(())
    }

    pub(super) fn send_backlog(&mut self) -> Result<(), Reason> {
        while self.has_room()
            && let Some((message, purpose)) = self.backlog.pop_front()
        {
            self.send(message, purpose)?;
        }
        Ok(())
    }

    fn send(&mut self, message: Message, purpose: Purpose) -> Result<(), Reason> {
        self.client.publish(message, QoS::AtLeastOnce)?;
        self.window.requested(purpose, self.inputs.clock.now());
        Ok(())
    }

    pub(super) fn offer(&mut self, offer: Offer) -> Result<(), Reason> {
        if self.past.isolation.suspects(offer.row) {
            self.held = Some((offer, self.inputs.clock.now().plus(TRIAL_PAUSE)));
            return Ok(());
        }
        self.send_row(&offer)
    }

    fn send_row(&mut self, offer: &Offer) -> Result<(), Reason> {
        let event = &offer.event;
        let message = message::event(&self.topics, event);
        if message.wire_size() > self.max_packet {
            warn!(
                event = %event.id, camera = %event.camera, seq = event.seq, bytes = message.wire_size(), max = self.max_packet,
                "an event is larger than the broker takes and is set aside: raise the broker's maximum packet size"
            );
            self.inputs.outbox.set_aside(offer.row);
            return Ok(());
        }
        // The picture first: whoever is rung up by the event finds it there.
        let wanted = event.snapshot.is_some() && !self.past.isolation.careful() && self.retained.has(&event.camera);
        let newest = self.snapshots.borrow().clone();
        if let Some(picture) = self.pictures.of(event, &newest, &self.topics).filter(|_| wanted) {
            self.send_picture(picture)?;
        }
        self.send(message, Purpose::Row(Letter::new(offer.row, event)))?;
        if message::has_new_words(event) {
            let latest = |camera: &_| self.inputs.outbox.latest(camera);
            let say = self.retained.words(&event.camera, event.seq, latest, self.past.memory);
            self.say(say);
        }
        Ok(())
    }

    /// The broker answers and stays, and nothing is on its way: now it is shown the event under suspicion.
    pub(super) fn begin_trial(&mut self, now: Moment) -> Result<(), Reason> {
        let quiet = self.answered && self.backlog.is_empty() && self.window.is_empty();
        if let Some((offer, _)) = self.held.take_if(|(_, until)| quiet && now >= *until) {
            self.send_row(&offer)?;
        }
        Ok(())
    }
}
