//! The life of one connection: says the retained state, then delivers the outbox, until it breaks or is told to stop.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::{self, select_all};
use rumqttc::v5::Event;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Packet, PubAck, PubAckReason};
use tokio::sync::watch;
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::clock::Moment;
use crate::health::CameraHealth;
use crate::ids::CameraId;
use crate::outbox::{Offer, Refusal, RowId};

use super::client::{self, CLIENT_IN_FLIGHT, Client};
use super::diagnosis::Stage;
use super::message::{self, Message, NodeState, Speaker};
use super::reason::{self, Reason};
use super::run::Inputs;
use super::settings::Settings;
use super::topics::Topics;
use super::window::{Done, Purpose, Window};

/// Publications on their way at a time; below the client's own limit, and at most what the broker asks for.
const WINDOW: u16 = CLIENT_IN_FLIGHT / 2;
/// Nothing acknowledged for so many keep-alives, with something on its way: the connection is given up, however well
/// the broker answers pings.
const STALL_KEEP_ALIVES: u32 = 2;
/// After a refusal, nothing is offered for so long.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_secs(1);
const STATS_EVERY: Duration = Duration::from_secs(60);
/// For the outbox to empty itself when told to stop, and then for the last words.
const FLUSH: Duration = Duration::from_secs(2);
const FAREWELL: Duration = Duration::from_millis(500);

/// A camera and its health; `None` once nobody can change it any more.
type Camera = (CameraId, Option<watch::Receiver<CameraHealth>>);

pub(super) struct Session<'a> {
    settings: &'a Settings,
    inputs: &'a Inputs,
    topics: Topics,
    client: Client,
    window: Window,
    /// Waits for room in the window: the state at the begin, a change of one camera, or one row's messages.
    backlog: VecDeque<(Message, Purpose)>,
    cameras: Vec<Camera>,
    /// The largest packet that the broker takes.
    max_packet: usize,
    paused_until: Option<Moment>,
    /// A refusal was logged on this connection; where one message is refused, many are.
    refusal_said: bool,
    stats_at: Moment,
    speaker: Speaker,
}

impl<'a> Session<'a> {
    /// Connects, with the will set.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(super) async fn open(settings: &'a Settings, inputs: &'a Inputs) -> Result<Self, Reason> {
        let now = inputs.clock.now();
        let speaker = Speaker { version: inputs.version, session: session_id(now), since: now.wall };
        let topics = Topics::new(&settings.prefix, &settings.node);
        let will = message::node_status(&topics, NodeState::Offline, &speaker);
        let options = client::options(settings, format!("eyewitness-{}", settings.node), Some(will))?;
        let (client, answer) = Client::connect(settings, options).await?;
        let limits = Limits::of(&answer, settings)?;
        let now = inputs.clock.now();
        Ok(Self {
            settings,
            inputs,
            topics,
            client,
            window: Window::new(limits.window, now),
            backlog: VecDeque::new(),
            cameras: inputs.cameras.borrow().iter().map(|(id, health)| (id.clone(), Some(health.clone()))).collect(),
            max_packet: limits.max_packet,
            paused_until: None,
            refusal_said: false,
            stats_at: now.plus(STATS_EVERY),
            speaker,
        })
    }

    /// Delivers until the connection breaks or `cancel` says stop; then flushes the outbox within a bound and leaves
    /// `stopped` behind.
    ///
    /// # Errors
    /// Why the connection ended. Rows on their way are the caller's to offer again.
    pub(super) async fn serve(mut self, cancel: &CancellationToken) -> Result<(), Reason> {
        self.say_state();
        let stopped = self.deliver(cancel).await;
        match stopped {
            Ok(()) => {
                self.stop().await;
                Ok(())
            }
            Err(reason) => {
                self.blame(&reason);
                Err(reason)
            }
        }
    }

    /// The retained state, which the broker may have lost or the will have overwritten.
    fn say_state(&mut self) {
        let status = message::node_status(&self.topics, NodeState::Online, &self.speaker);
        self.backlog.push_back((status, Purpose::State));
        for index in 0..self.cameras.len() {
            self.say_camera(index);
        }
    }

    fn say_camera(&mut self, index: usize) {
        let (id, health) = &mut self.cameras[index];
        if let Some(health) = health {
            let status = message::camera_status(&self.topics, id, &health.borrow_and_update());
            self.backlog.push_back((status, Purpose::State));
        }
    }

    async fn deliver(&mut self, cancel: &CancellationToken) -> Result<(), Reason> {
        let mut tick = time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.send_backlog()?;
            let free = self.backlog.is_empty() && self.window.has_room();
            let offering = free && !self.paused();
            tokio::select! {
                event = self.client.event(self.settings, Stage::Connected) => self.happened(event?),
                () = cancel.cancelled() => return Ok(()),
                index = changed(&mut self.cameras), if free => self.say_camera(index),
                offer = self.inputs.outbox.next(), if offering => self.offer(&offer),
                _ = tick.tick() => self.look_after()?,
            }
        }
    }

    fn paused(&self) -> bool {
        self.paused_until.is_some_and(|until| self.inputs.clock.now() < until)
    }

    fn send_backlog(&mut self) -> Result<(), Reason> {
        while self.window.has_room()
            && let Some((message, purpose)) = self.backlog.pop_front()
        {
            self.client.publish(message, QoS::AtLeastOnce)?;
            self.window.requested(purpose, self.inputs.clock.now());
        }
        Ok(())
    }

    fn offer(&mut self, offer: &Offer) {
        let messages = message::of_event(&self.topics, &offer.event);
        if let Some(large) = messages.iter().find(|message| message.wire_size() > self.max_packet) {
            warn!(
                event = %offer.event.id, bytes = large.wire_size(), max = self.max_packet,
                "an event is larger than the broker takes and is set aside: raise the broker's maximum packet size"
            );
            self.inputs.outbox.set_aside(offer.row);
            return;
        }
        self.window.begin(offer.row, messages.len());
        self.backlog.extend(messages.into_iter().map(|message| (message, Purpose::Row(offer.row))));
    }

    fn happened(&mut self, event: Event) {
        match event {
            // Packet id 0 is QoS 0: nobody waits for it.
            Event::Outgoing(rumqttc::Outgoing::Publish(packet)) if packet != 0 => self.window.sent(packet),
            Event::Incoming(Packet::PubAck(answer)) => self.answered(&answer),
            _ => {}
        }
    }

    fn answered(&mut self, answer: &PubAck) {
        let accepted = matches!(answer.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
        if !accepted {
            let text = answer.properties.as_ref().and_then(|properties| properties.reason_string.as_deref());
            let reason = reason::words(&format!("{:?}", answer.reason));
            if std::mem::replace(&mut self.refusal_said, true) {
                debug!(reason, text, "the broker refused a message");
            } else {
                warn!(reason, text, "the broker refuses messages: do its access rules let this client publish?");
            }
        }
        match self.window.answered(answer.pkid, accepted, self.inputs.clock.now()) {
            Some(Done::Row(row)) => {
                self.inputs.outbox.ack(row);
            }
            Some(Done::RowRefused(row)) => self.refused(row),
            Some(Done::State | Done::StateRefused) | None => {}
        }
    }

    fn refused(&mut self, row: RowId) {
        match self.inputs.outbox.refuse(row) {
            Refusal::SetAside => warn!("an event was refused again and again and is set aside"),
            Refusal::Again => self.paused_until = Some(self.inputs.clock.now().plus(PAUSE_AFTER_REFUSAL)),
            Refusal::Unknown => {}
        }
    }

    /// A broker that hangs up over a message would hang up over it for ever: that counts as a refusal of the oldest row
    /// on its way.
    fn blame(&self, reason: &Reason) {
        if reason.blames_message()
            && let Some(row) = self.window.oldest_row()
            && self.inputs.outbox.refuse(row) == Refusal::SetAside
        {
            warn!("the broker ended the connection over an event again and again: the event is set aside");
        }
    }

    /// Once a second: gives up a stalled connection, publishes the counters when they are due.
    fn look_after(&mut self) -> Result<(), Reason> {
        let now = self.inputs.clock.now();
        let patience = client::keep_alive(self.settings) * STALL_KEEP_ALIVES;
        if self.window.stalled(now, patience) {
            return Err(Reason::Stalled { address: reason::address(self.settings), seconds: patience.as_secs() });
        }
        // While requests do not even reach the network, more of them would only fill the channel.
        if now >= self.stats_at && self.window.all_sent() {
            self.stats_at = now.plus(STATS_EVERY);
            self.client.publish(message::stats(&self.topics, &(self.inputs.stats)()), QoS::AtMostOnce)?;
        }
        Ok(())
    }

    /// Empties the outbox and says `stopped`, each within its bound. Whatever fails here, the process ends: what is not
    /// acknowledged stays in the outbox, and if `stopped` was not said, the will says `offline`.
    async fn stop(mut self) {
        match time::timeout(FLUSH, self.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => debug!(%reason, "the connection broke while the outbox was flushed"),
            Err(_) => debug!("the outbox could not be flushed in time"),
        }
        let farewell = async {
            self.backlog.clear();
            let stopped = message::node_status(&self.topics, NodeState::Stopped, &self.speaker);
            self.backlog.push_back((stopped, Purpose::State));
            self.drain().await?;
            self.client.disconnect(self.settings).await;
            Ok::<(), Reason>(())
        };
        if !matches!(time::timeout(FAREWELL, farewell).await, Ok(Ok(()))) {
            debug!("`stopped` could not be said in time");
        }
    }

    /// Until the outbox is empty.
    async fn flush(&mut self) -> Result<(), Reason> {
        while self.inputs.outbox.stats().rows > 0 {
            self.send_backlog()?;
            let free = self.backlog.is_empty() && self.window.has_room();
            tokio::select! {
                event = self.client.event(self.settings, Stage::Connected) => self.happened(event?),
                offer = self.inputs.outbox.next(), if free => self.offer(&offer),
            }
        }
        Ok(())
    }

    /// Until everything that was asked for is answered.
    async fn drain(&mut self) -> Result<(), Reason> {
        loop {
            self.send_backlog()?;
            if self.backlog.is_empty() && self.window.is_empty() {
                return Ok(());
            }
            let event = self.client.event(self.settings, Stage::Connected).await?;
            self.happened(event);
        }
    }
}

/// What the broker's answer to CONNECT allows.
#[derive(Debug, PartialEq, Eq)]
struct Limits {
    window: usize,
    max_packet: usize,
}

impl Limits {
    fn of(answer: &ConnAck, settings: &Settings) -> Result<Self, Reason> {
        let properties = answer.properties.as_ref();
        if properties.and_then(|p| p.max_qos) == Some(0) {
            return Err(Reason::NoQos1 { address: reason::address(settings) });
        }
        if properties.and_then(|p| p.retain_available) == Some(0) {
            let problem = "it does not keep retained messages: allow them in the broker".into();
            return Err(Reason::Rejected { address: reason::address(settings), problem });
        }
        let receive_max = properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        let max_packet = properties.and_then(|p| p.max_packet_size).unwrap_or(u32::MAX);
        Ok(Self { window: usize::from(WINDOW.min(receive_max)), max_packet: max_packet as usize })
    }
}

/// Waits until a camera's health changes: its index. Cameras whose source is gone never change again.
async fn changed(cameras: &mut [Camera]) -> usize {
    loop {
        let waits: Vec<_> = cameras
            .iter_mut()
            .enumerate()
            .filter_map(|(index, (_, health))| Some((index, health.as_mut()?)))
            .map(|(index, health)| Box::pin(async move { (index, health.changed().await.is_ok()) }))
            .collect();
        if waits.is_empty() {
            return future::pending().await;
        }
        let ((index, lives), ..) = select_all(waits).await;
        if lives {
            return index;
        }
        cameras[index].1 = None;
    }
}

fn session_id(now: Moment) -> ulid::Ulid {
    ulid::Ulid::from_parts(u64::try_from(now.wall.as_millisecond()).unwrap_or(0), fastrand::u128(..))
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::v5::{ConnAckProperties, ConnectReturnCode};

    use super::*;
    use crate::clock::Clock;
    use crate::ids::NodeId;

    fn limits(properties: Option<ConnAckProperties>) -> Result<Limits, Reason> {
        let settings = Settings {
            node: NodeId::new("n").unwrap(),
            host: "h".into(),
            port: 1,
            tls: None,
            username: None,
            password: None,
            prefix: "p".into(),
            keep_alive: Duration::from_secs(30),
        };
        let answer = ConnAck { session_present: false, code: ConnectReturnCode::Success, properties };
        Limits::of(&answer, &settings)
    }

    fn nothing_said() -> ConnAckProperties {
        ConnAckProperties {
            session_expiry_interval: None,
            receive_max: None,
            max_qos: None,
            retain_available: None,
            max_packet_size: None,
            assigned_client_identifier: None,
            topic_alias_max: None,
            reason_string: None,
            user_properties: vec![],
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        }
    }

    #[test]
    fn the_broker_sets_the_limits() {
        let free = Limits { window: 16, max_packet: u32::MAX as usize };
        assert_eq!(limits(None), Ok(free));
        let narrow = ConnAckProperties { receive_max: Some(3), max_packet_size: Some(2000), ..nothing_said() };
        assert_eq!(limits(Some(narrow)), Ok(Limits { window: 3, max_packet: 2000 }));
        let lossy = ConnAckProperties { max_qos: Some(0), ..nothing_said() };
        assert!(matches!(limits(Some(lossy)), Err(Reason::NoQos1 { .. })));
        let forgetful = ConnAckProperties { retain_available: Some(0), ..nothing_said() };
        assert!(matches!(limits(Some(forgetful)), Err(Reason::Rejected { .. })));
    }

    #[tokio::test]
    async fn a_camera_that_is_gone_is_waited_for_no_more() {
        let health = CameraHealth::starting(Clock::system().now().wall);
        let (gone, first) = watch::channel(health.clone());
        let (stays, second) = watch::channel(health.clone());
        let id = |text| CameraId::new(text).unwrap();
        let mut cameras = vec![(id("a"), Some(first)), (id("b"), Some(second))];
        drop(gone);
        stays.send_replace(health);
        assert_eq!(time::timeout(TICK, changed(&mut cameras)).await, Ok(1));
        assert!(cameras[0].1.is_none());
    }
}
