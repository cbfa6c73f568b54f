//! What comes from the broker: acknowledgements, what it keeps, and commands.

use std::time::Duration;

use rumqttc::v5::Event;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAck, PubAckReason, Publish, SubAck, SubscribeReasonCode};
use tracing::{debug, info, warn};

use crate::ids::{self, CameraId};
use crate::outbox::Refusal;

use super::super::announcer::Heard;
use super::super::command::{self, Envelope};
use super::super::isolation::Suspect;
use super::super::reason;
use super::super::topics::Command;
use super::super::window::{Letter, Purpose};
use super::Session;
use super::ending::set_aside;
use super::following::COMMANDS;

/// After a refusal, nothing is offered for so long.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(1);

impl Session<'_> {
    pub(super) fn happened(&mut self, event: Event) {
        match event {
            // Packet id 0 is QoS 0: nobody waits for it.
            Event::Outgoing(rumqttc::Outgoing::Publish(0)) => self.pictures.left(self.inputs.clock.now()),
            Event::Outgoing(rumqttc::Outgoing::Publish(packet)) => self.window.sent(packet, self.inputs.clock.now()),
            Event::Incoming(Packet::PubAck(answer)) => self.answered(&answer),
            Event::Incoming(Packet::Publish(publish)) => self.heard(&publish),
            Event::Incoming(Packet::SubAck(answer)) => self.subscribed(&answer),
            _ => {}
        }
    }

    /// Where it is not granted, nothing is heard, and events go all the same.
    fn subscribed(&mut self, answer: &SubAck) {
        (self.subscribed, self.past.memory.unheard) = (true, 0);
        self.announcer.looks_around(self.inputs.clock.now());
        let refused = |code: &SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
        let deaf = answer.return_codes.iter().skip(COMMANDS.start).take(COMMANDS.len()).any(refused);
        if deaf && !std::mem::replace(&mut self.past.memory.deaf_said, true) {
            let [ask, set] = self.topics.commands();
            info!(
                "the broker does not let us read `{ask}` and `{set}`: no question or command is heard; its access rules say who may"
            );
        }
    }

    fn answered(&mut self, answer: &PubAck) {
        let Some(sent) = self.window.answered(answer.pkid, self.inputs.clock.now()) else { return };
        self.answered = true;
        self.pictures.proven(sent.at, &mut self.past.memory.pictures);
        let accepted = matches!(answer.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
        if !accepted {
            self.say_refusal(answer, &sent.purpose);
        }
        match sent.purpose {
            Purpose::Row(letter) => {
                self.past.isolation.answered(&Suspect::Row(letter.row));
                if accepted {
                    self.delivered += 1;
                    self.inputs.outbox.ack(letter.row);
                } else {
                    self.refused(&letter);
                }
            }
            Purpose::Words(camera) => self.past.isolation.answered(&Suspect::Words(camera)),
            Purpose::State | Purpose::Answer => {}
        }
    }

    fn say_refusal(&mut self, answer: &PubAck, purpose: &Purpose) {
        let text = answer.properties.as_ref().and_then(|properties| properties.reason_string.as_deref());
        let reason = reason::words(&format!("{:?}", answer.reason));
        // Where an answer may go is for whoever asked to know.
        if *purpose == Purpose::Answer {
            debug!(reason, text, "the broker refused an answer to a question");
        } else if std::mem::replace(&mut self.refusal_said, true) {
            debug!(reason, text, "the broker refused a message");
        } else {
            warn!(reason, text, "the broker refuses messages: do its access rules let this client publish?");
        }
    }

    fn refused(&mut self, letter: &Letter) {
        match self.inputs.outbox.refuse(letter.row) {
            Refusal::SetAside => set_aside(letter, "an event was refused again and again and is set aside"),
            Refusal::Again => self.paused_until = Some(self.inputs.clock.now().plus(PAUSE_AFTER_REFUSAL)),
            Refusal::Unknown => {}
        }
    }

    /// Whatever a broker sends on other topics is none of ours.
    fn heard(&mut self, publish: &Publish) {
        let Ok(topic) = std::str::from_utf8(&publish.topic) else { return };
        if topic == self.topics.status() {
            self.birth.heard(&publish.payload);
            return;
        }
        if let Some((camera, command)) = self.topics.command(topic) {
            match command {
                Command::Ask => self.asked(camera, publish),
                Command::Enable => self.switched(camera, publish),
            }
            return;
        }
        let (list, rules) = (self.list.borrow().clone(), self.rules.borrow().clone());
        let heard = Heard { topic, payload: &publish.payload, retained: publish.retain, now: self.inputs.clock.now() };
        if let Some(say) = self.announcer.heard(heard, &list, &rules) {
            self.say(say.map(|message| (message, Purpose::State)));
        } else if publish.retain {
            let strays = self.retained.stray(topic, &publish.payload, &rules);
            if !strays.is_empty() {
                debug!(topic, "nobody speaks on this topic any more: what is retained there is taken back");
            }
            self.say(strays.into_iter().map(|message| (message, Purpose::State)));
        }
    }

    fn asked(&mut self, camera: &str, publish: &Publish) {
        if publish.retain {
            debug!(camera, "a retained question is an old one, and is not answered");
            return;
        }
        let properties = publish.properties.as_ref();
        let envelope = Envelope {
            camera,
            response_topic: properties.and_then(|properties| properties.response_topic.as_deref()),
            correlation: properties.and_then(|properties| properties.correlation_data.as_ref()),
        };
        match command::question(&publish.payload, envelope, &self.topics, self.settings) {
            Ok((request, to)) => self.questions.ask(&*self.inputs.desk, request, to),
            Err(refused) => self.questions.refused(refused),
        }
    }

    /// A retained command is not obeyed: with each new connection it would undo what was set since.
    fn switched(&mut self, camera: &str, publish: &Publish) {
        if publish.payload.is_empty() {
            // A retained command was taken back.
            return;
        }
        if publish.retain {
            self.say_nonsense(camera, "it is retained, and would be obeyed again on each connect: publish it without");
            return;
        }
        let Some(on) = command::switch(&publish.payload) else {
            self.say_nonsense(camera, "it is neither ON nor OFF");
            return;
        };
        let Ok(camera) = CameraId::new(camera) else {
            self.say_nonsense(camera, "there is no such camera");
            return;
        };
        match self.inputs.desk.enable(&camera, on) {
            Ok(()) => debug!(%camera, on, "a command turns the camera on or off"),
            Err(refusal) => self.say_nonsense(camera.as_str(), &refusal.to_string()),
        }
    }

    /// Once aloud: whoever sends nonsense sends more of it.
    fn say_nonsense(&mut self, camera: &str, why: &str) {
        let camera = command::shortened(camera, ids::MAX_LEN);
        if std::mem::replace(&mut self.nonsense_said, true) {
            debug!(camera, why, "a command to turn a camera on or off is ignored");
        } else {
            warn!(camera, why, "a command to turn a camera on or off is ignored");
        }
    }
}
