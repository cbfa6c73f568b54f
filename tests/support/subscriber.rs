//! A plain subscriber that collects everything, and keeps its session over an outage of the broker.

use std::fmt::Write as _;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;

const RETRY: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub struct Message {
    pub topic: String,
    /// `Null` if it is not JSON.
    pub json: Value,
    pub payload: Vec<u8>,
    pub properties: PublishProperties,
    /// It was already there when we subscribed.
    pub retained: bool,
}

impl Message {
    /// The value of a user property.
    pub fn user(&self, name: &str) -> Option<&str> {
        self.properties.user_properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug)]
pub struct Subscriber {
    messages: watch::Receiver<Vec<Message>>,
    task: JoinHandle<()>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Subscriber {
    /// Has subscribed to `#` when this returns.
    pub async fn start(port: u16) -> Self {
        Self::with_options(MqttOptions::new(format!("subscriber-{}", fastrand::u64(..)), "127.0.0.1", port)).await
    }

    pub async fn with_options(mut options: MqttOptions) -> Self {
        options.set_clean_start(false).set_session_expiry_interval(Some(600)).set_keep_alive(Duration::from_secs(5));
        options.set_max_packet_size(Some(1 << 20));
        let (sender, messages) = watch::channel(Vec::new());
        let (client, mut events) = AsyncClient::new(options, 10);
        client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
        let subscribed = async {
            loop {
                let event = events.poll().await.expect("the broker takes the subscriber");
                keep(&sender, &event);
                if matches!(event, Event::Incoming(Packet::SubAck(_))) {
                    break;
                }
            }
        };
        time::timeout(Duration::from_secs(10), subscribed).await.expect("the subscription is answered in time");
        let task = tokio::spawn(collect(client, events, sender));
        Self { messages, task }
    }

    /// What came so far.
    pub fn messages(&self) -> Vec<Message> {
        self.messages.borrow().clone()
    }

    /// What came so far on this topic.
    pub fn on(&self, topic: &str) -> Vec<Value> {
        self.messages.borrow().iter().filter(|message| message.topic == topic).map(|m| m.json.clone()).collect()
    }

    /// Waits until the messages so far are as wanted; panics with all of them after `bound`.
    pub async fn wait_for(&mut self, what: &str, bound: Duration, wanted: impl FnMut(&Vec<Message>) -> bool) {
        let in_time = time::timeout(bound, self.messages.wait_for(wanted)).await.is_ok_and(|seen| seen.is_ok());
        if !in_time {
            let mut seen = String::new();
            for message in self.messages.borrow().iter() {
                writeln!(seen, "{} {}", message.topic, message.json).unwrap();
            }
            panic!("not within {bound:?}: {what}. So far:\n{seen}");
        }
    }
}

/// The client is held: without it the event loop would end.
async fn collect(_client: AsyncClient, mut events: EventLoop, messages: watch::Sender<Vec<Message>>) {
    loop {
        match events.poll().await {
            Ok(event) => keep(&messages, &event),
            // The broker is away; the next poll connects again.
            Err(_) => time::sleep(RETRY).await,
        }
    }
}

fn keep(messages: &watch::Sender<Vec<Message>>, event: &Event) {
    if let Event::Incoming(Packet::Publish(publish)) = event {
        let message = Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            json: serde_json::from_slice(&publish.payload).unwrap_or_default(),
            payload: publish.payload.to_vec(),
            properties: publish.properties.clone().unwrap_or_default(),
            retained: publish.retain,
        };
        messages.send_modify(|all| all.push(message));
    }
}
