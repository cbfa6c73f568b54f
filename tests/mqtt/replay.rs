//! Ten thousand events that waited: how fast the broker has them, and what a live event waits meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::event::{Event, Kind, RuleAnswer, TimingMs, YesNo};
use eyewitness::ids::RuleId;
use eyewitness::outbox::{self, Outbox};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, MqttOptions};
use tokio::time::{sleep, timeout};

use crate::support::mosquitto::{Mosquitto, Options};
use crate::{Daemon, event, settings};

const WAITING: u64 = 10_000;
const CAMERAS: u64 = 4;
const BOUND: Duration = Duration::from_secs(30);

/// As large as events of a real camera are.
fn real(camera: &str, seq: u64) -> Event {
    let mut event = event(camera, seq, Kind::Update);
    event.description = Some(format!("A man in a dark jacket walks to the table with a parcel, number {seq}."));
    event.model = Some("tiny/int8@cpu".into());
    event.rules = [(RuleId::new("parcel").unwrap(), RuleAnswer { answer: YesNo::Yes, p: 0.98 })].into();
    event.timing_ms = Some(TimingMs::default());
    event
}

/// The outbox does not hold a broker up, and neither do we: several thousand a second even with unoptimised libraries.
/// With `cargo test --release --test mqtt ten_thousand -- --nocapture` it is a benchmark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_waiting_events_are_delivered_within_the_bound() {
    let clock = Clock::system();
    let outbox = Arc::new(Outbox::new(&outbox::Settings::default(), clock));
    for seq in 1..=WAITING / CAMERAS {
        for camera in 0..CAMERAS {
            outbox.append(real(&format!("camera-{camera}"), seq)).await.kept().await;
        }
    }
    // Everything as it is by default, but for the queue to the subscriber, which is not what is measured.
    let broker =
        Mosquitto::start(&Options { extra: "max_queued_messages 0\nlog_type error\n".into(), ..Options::default() });
    let mut options = MqttOptions::new("counts", "127.0.0.1", broker.port());
    options.set_max_packet_size(Some(1 << 20)).set_receive_maximum(Some(1000));
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("eyewitness/+/+/event", QoS::AtLeastOnce).await.unwrap();
    let mut arrivals = tokio::spawn(async move {
        let _client = client;
        let (mut last, mut live, mut count) = (BTreeMap::<String, u64>::new(), Vec::new(), 0);
        while count < WAITING || live.len() < 10 {
            let rumqttc::v5::Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() else { continue };
            let event: serde_json::Value = serde_json::from_slice(&publish.payload).unwrap();
            let (camera, seq) = (event["camera"].as_str().unwrap().to_owned(), event["seq"].as_u64().unwrap());
            if event["replayed"] == false {
                live.push((camera.clone(), seq, clock.now()));
            } else {
                count += 1;
            }
            let before = last.insert(camera, seq).unwrap_or_default();
            assert_eq!(seq, before + 1, "in order, without a gap, once");
        }
        (clock.now(), live)
    });
    sleep(Duration::from_millis(100)).await;

    let mut daemon = Daemon::with_outbox(settings(broker.port()), outbox.clone());
    daemon.connected().await;
    let begun = clock.now();
    let mut appended = BTreeMap::new();
    for n in 1..=5 {
        for (camera, seq) in [("camera-0", WAITING / CAMERAS + n), ("door", n)] {
            outbox.append(real(camera, seq)).await.kept().await;
            appended.insert((camera.to_owned(), seq), clock.now());
        }
        sleep(Duration::from_millis(50)).await;
    }
    let (ended, live) = timeout(BOUND, &mut arrivals).await.expect("within the bound").unwrap();
    daemon.delivered().await;
    let took = ended.since(begun);
    let wait = |of: &str| {
        let waits = live.iter().filter(|(camera, ..)| camera == of);
        waits.map(|(camera, seq, at)| at.since(appended[&(camera.clone(), *seq)])).max().unwrap()
    };
    println!(
        "{WAITING} events in {took:.2?} ({:.0} a second); a live event waited at most {:.2?} (same camera), {:.2?} (another)",
        WAITING as f64 / took.as_secs_f64(),
        wait("camera-0"),
        wait("door"),
    );
    let stats = outbox.stats();
    assert_eq!((stats.acked_total, stats.refused_total, stats.evicted_total), (WAITING + 10, 0, 0));
    daemon.stop().await;
}
