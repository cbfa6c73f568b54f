//! A real MQTT client that hears every event, and hears it again after whatever happened to the broker.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::ledger::{Arrival, Ledger};

const NAME: &str = "listener";
const RETRY: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub struct Listener {
    ledger: Arc<Mutex<Ledger>>,
    subscriptions: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Has subscribed to all events when this returns.
    pub async fn start(port: u16) -> Self {
        let mut options = MqttOptions::new(NAME, "127.0.0.1", port);
        options.set_clean_start(false).set_session_expiry_interval(Some(86_400)).set_keep_alive(Duration::from_secs(5));
        options.set_max_packet_size(Some(1 << 20));
        let (client, events) = AsyncClient::new(options, 10);
        let (count, subscriptions) = watch::channel(0);
        let ledger = Arc::<Mutex<Ledger>>::default();
        let task = tokio::spawn(listen(client, events, Arc::clone(&ledger), count));
        let listener = Self { ledger, subscriptions, task };
        listener.subscribed_since(0).await;
        listener
    }

    /// How often it has subscribed: once for each connection.
    pub fn subscriptions(&self) -> u64 {
        *self.subscriptions.borrow()
    }

    /// Waits until it has subscribed once more than `before` times.
    pub async fn subscribed_since(&self, before: u64) {
        let mut subscriptions = self.subscriptions.clone();
        let again = timeout(Duration::from_secs(30), subscriptions.wait_for(|count| *count > before)).await;
        again.expect("the listener subscribes again in time").expect("it goes on for ever");
    }

    pub fn with<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.ledger.lock().unwrap())
    }
}

async fn listen(client: AsyncClient, mut events: EventLoop, ledger: Arc<Mutex<Ledger>>, count: watch::Sender<u64>) {
    loop {
        match events.poll().await {
            // The session may be gone, so each connection subscribes.
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                client.try_subscribe("+/+/+/event", QoS::AtLeastOnce).expect("one request at a time");
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => count.send_modify(|count| *count += 1),
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let arrival = Arrival::of(&publish.payload).expect("an event");
                ledger.lock().unwrap().arrive(arrival);
            }
            Ok(_) => {}
            Err(_) => sleep(RETRY).await,
        }
    }
}
