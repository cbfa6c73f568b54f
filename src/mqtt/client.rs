//! One rumqttc client and the task that polls it: how it is set up, and a bounded channel of what happens to it.
//!
//! rumqttc would reconnect by itself, and can stall when the broker has lost its session; here a client lives for one
//! connection and ends with its first error (design decision 9).

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Filter, LastWill, Packet, PubAckReason, PublishProperties};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Request};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use secrecy::ExposeSecret;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::diagnosis::{self, Stage};
use super::message::{Message, Properties};
use super::reason::Reason;
use super::settings::Settings;
use super::tls;

/// From the first packet of the connection to the broker's answer.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Publications that may be unacknowledged, for the client; the window of the session is smaller.
pub(super) const CLIENT_IN_FLIGHT: u16 = 256;
/// Requests that the polling task has not taken yet. More than the window, so that a request never waits.
const REQUESTS: usize = 512;
/// Things that happened and were not looked at yet. The polling task waits when it is full.
const EVENTS: usize = 512;
/// The largest packet that a broker may send us: commands are small. It is told so, and keeps larger ones to itself.
pub(super) const MAX_INCOMING: u32 = 256 << 10;
/// rumqttc takes no shorter keep-alive.
const MIN_KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The keep-alive as it is used.
pub(super) fn keep_alive(settings: &Settings) -> Duration {
    settings.keep_alive.clamp(MIN_KEEP_ALIVE, Duration::from_secs(u64::from(u16::MAX)))
}

/// How to connect as `client_id`, leaving `will` behind.
///
/// # Errors
/// [`Reason`] when the files for TLS are wrong.
pub(super) fn options(settings: &Settings, client_id: String, will: Option<Message>) -> Result<MqttOptions, Reason> {
    let host = settings.host.trim_matches(['[', ']']);
    let mut options = MqttOptions::new(client_id, host, settings.port);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options
        .set_network_options(network)
        .set_keep_alive(keep_alive(settings))
        .set_connection_timeout(CONNECT_TIMEOUT.as_secs())
        // The outbox is the truth: what the broker remembers of an earlier session would only be sent twice.
        .set_clean_start(true)
        .set_outgoing_inflight_upper_limit(CLIENT_IN_FLIGHT)
        .set_max_packet_size(Some(MAX_INCOMING));
    if let Some(username) = &settings.username {
        let password = settings.password.as_ref().map_or("", |password| password.expose_secret());
        options.set_credentials(username, password);
    }
    if let Some(will) = will {
        options.set_last_will(LastWill::new(will.topic, will.payload, QoS::AtLeastOnce, will.retain, None));
    }
    if let Some(tls) = &settings.tls {
        let config = TlsConfiguration::Rustls(tls::client_config(tls)?);
        options.set_transport(Transport::tls_with_config(config));
    }
    Ok(options)
}

type Happened = Result<Event, ConnectionError>;

/// One connection. Dropping it drops the socket, so that the broker publishes the will.
#[derive(Debug)]
pub(super) struct Client {
    requests: AsyncClient,
    events: mpsc::Receiver<Happened>,
    /// What [`Client::events`] took from the channel; empty between two calls.
    taken: Vec<Happened>,
    ended: Option<ConnectionError>,
    _poller: AbortOnDropHandle<()>,
}

impl Client {
    /// Connects and waits for the broker's answer, at most [`CONNECT_TIMEOUT`].
    ///
    /// # Errors
    /// Why there is no connection.
    pub(super) async fn connect(settings: &Settings, options: MqttOptions) -> Result<(Self, ConnAck), Reason> {
        let (requests, event_loop) = AsyncClient::new(options, REQUESTS);
        let (sender, events) = mpsc::channel(EVENTS);
        let task = tokio::spawn(poll(event_loop, keep_alive(settings), sender).instrument(tracing::info_span!("mqtt")));
        let mut client =
            Self { requests, events, taken: Vec::new(), ended: None, _poller: AbortOnDropHandle::new(task) };
        loop {
            if let Event::Incoming(Packet::ConnAck(answer)) = client.event(settings, Stage::Connecting).await? {
                return Ok((client, answer));
            }
        }
    }

    /// The next thing that happens. Nothing is taken when the future is dropped early.
    ///
    /// # Errors
    /// Why the connection ended; there is no event after it.
    pub(super) async fn event(&mut self, settings: &Settings, stage: Stage) -> Result<Event, Reason> {
        if let Some(error) = &self.ended {
            return Err(diagnosis::of(error, settings, stage));
        }
        match self.events.recv().await {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(diagnosis::of(&error, settings, stage)),
            None => Err(Reason::Client { problem: "its task has ended".into() }),
        }
    }

    /// Everything that has happened since the last call, at least one thing; waits for it. Nothing is taken when the
    /// future is dropped early.
    ///
    /// # Errors
    /// Why the connection ended, once all that happened before was given out.
    pub(super) async fn events(&mut self, settings: &Settings, into: &mut Vec<Event>) -> Result<(), Reason> {
        if self.ended.is_none() && self.events.recv_many(&mut self.taken, EVENTS).await == 0 {
            return Err(Reason::Client { problem: "its task has ended".into() });
        }
        for happened in self.taken.drain(..) {
            match happened {
                Ok(event) => into.push(event),
                Err(error) => self.ended = Some(error),
            }
        }
        match &self.ended {
            Some(error) if into.is_empty() => Err(diagnosis::of(error, settings, Stage::Connected)),
            _ => Ok(()),
        }
    }

    /// Asks for a publication; never waits.
    ///
    /// # Errors
    /// [`Reason::Client`] when the client takes no more requests, which the session's window rules out. That the connection
    /// has ended is an event, and no error here.
    pub(super) fn publish(&self, message: Message, qos: QoS) -> Result<(), Reason> {
        let Message { topic, payload, retain, properties } = message;
        let requested = match written_properties(properties) {
            None => self.requests.try_publish(topic.as_str(), qos, retain, payload),
            Some(properties) => {
                self.requests.try_publish_with_properties(topic.as_str(), qos, retain, payload, properties)
            }
        };
        match requested {
            Err(_) if !self.is_over() => {
                Err(Reason::Client { problem: format!("it does not take the topic `{topic}`") })
            }
            _ => Ok(()),
        }
    }

    /// The connection has ended, and the reason is among the events. (The task drops their sender before it drops the receiver
    /// of requests.)
    fn is_over(&self) -> bool {
        self.events.is_closed()
    }

    /// Asks for the messages of these topics.
    ///
    /// # Errors
    /// [`Reason::Client`] when the client does not take the request.
    pub(super) fn subscribe(&self, filters: impl IntoIterator<Item = Filter>) -> Result<(), Reason> {
        match self.requests.try_subscribe_many(filters) {
            Err(_) if !self.is_over() => Err(Reason::Client { problem: "it does not take the subscription".into() }),
            _ => Ok(()),
        }
    }

    /// Asks for a publication that says where the answer is to go (QoS 1).
    ///
    /// # Errors
    /// [`Reason::Client`] when the client does not take it.
    pub(super) fn request(&self, topic: &str, payload: Vec<u8>, properties: PublishProperties) -> Result<(), Reason> {
        let requested = self.requests.try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties);
        match requested {
            Err(_) if !self.is_over() => {
                Err(Reason::Client { problem: format!("it does not take the topic `{topic}`") })
            }
            _ => Ok(()),
        }
    }

    /// Says good-bye, so that the broker publishes no will. The caller bounds the wait.
    pub(super) async fn disconnect(mut self, settings: &Settings) {
        if self.requests.try_disconnect().is_err() {
            return;
        }
        // rumqttc reports the DISCONNECT once it is written; the error after it (the broker hangs up) is as good.
        while let Ok(event) = self.event(settings, Stage::Connected).await {
            if matches!(event, Event::Outgoing(rumqttc::Outgoing::Disconnect)) {
                break;
            }
        }
    }
}

/// In the client's words; `None`: there are none.
fn written_properties(properties: Properties) -> Option<PublishProperties> {
    if properties.is_empty() {
        return None;
    }
    let Properties { correlation, content_type, user } = properties;
    Some(PublishProperties {
        correlation_data: correlation,
        content_type: content_type.map(str::to_owned),
        user_properties: user.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ..PublishProperties::default()
    })
}

/// Bytes of a QoS 1 publication on the wire.
#[cfg(test)]
pub(super) fn written(message: Message) -> usize {
    use rumqttc::v5::mqttbytes::v5::Publish;
    let Message { topic, payload, properties, .. } = message;
    let publish = Publish::new(topic, QoS::AtLeastOnce, payload, written_properties(properties));
    Publish { pkid: 1, ..publish }.size()
}

/// Polls until the first error or until nobody listens. A task of its own: a poll must not be dropped half-way, and a
/// panic over what a broker sent ends the connection and no more.
async fn poll(mut event_loop: EventLoop, keep_alive: Duration, events: mpsc::Sender<Happened>) {
    loop {
        let polled = event_loop.poll().await;
        if let Ok(Event::Incoming(Packet::ConnAck(_))) = &polled
            && event_loop.options.keep_alive() < MIN_KEEP_ALIVE
        {
            // A broker may set another keep-alive, and zero would make rumqttc ping without a pause.
            event_loop.options.set_keep_alive(keep_alive);
        }
        let ended = match polled {
            Ok(event) => {
                free_refused_id(&mut event_loop, &event);
                if events.send(Ok(event)).await.is_err() {
                    return;
                }
                None
            }
            Err(error) => Some(error),
        };
        // What came in the same breath, or with the error: acknowledgements still count.
        while let Some(event) = event_loop.state.events.pop_front() {
            free_refused_id(&mut event_loop, &event);
            if events.send(Ok(event)).await.is_err() {
                return;
            }
        }
        if let Some(error) = ended {
            // The receiver may be gone, and then nobody wants to know.
            events.send(Err(error)).await.ok();
            return;
        }
    }
}

/// Packet ids come round. When one is still unanswered, rumqttc holds the next publication back until it is, but only
/// for an answer that is not a refusal; after a refusal it would wait for ever.
fn free_refused_id(event_loop: &mut EventLoop, event: &Event) {
    let Event::Incoming(Packet::PubAck(answer)) = event else { return };
    let refused = !matches!(answer.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
    if refused && let Some(held) = event_loop.state.collision.take_if(|held| held.pkid == answer.pkid) {
        event_loop.state.collision_ping_count = 0;
        event_loop.pending.push_back(Request::Publish(held));
    }
}
