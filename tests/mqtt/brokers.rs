//! A second broker, and the way back to the first.

use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::mqtt::{self, ConnectionState, Fallback, Settings};
use tokio::net::TcpListener;

use crate::peer::Peer;
use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::subscriber::Subscriber;
use crate::{Daemon, SOON, seqs_of, settings, wait_for_events, wait_for_state};

fn with_second(first: u16, second: u16, return_after: Duration) -> Settings {
    let fallback = Fallback { host: "127.0.0.1".into(), port: second, tls: None, return_after };
    Settings { fallback: Some(fallback), ..settings(first) }
}

const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn the_second_broker_serves_until_the_first_is_back() {
    let (mut first, second) = (Mosquitto::open(), Mosquitto::open());
    let mut at_first = Subscriber::start(first.port()).await;
    let mut at_second = Subscriber::start(second.port()).await;
    let mut daemon = Daemon::start(with_second(first.port(), second.port(), Duration::from_secs(1)));
    daemon.connected().await;
    daemon.append(1..=5).await;
    wait_for_events(&mut at_first, 5).await;

    first.stop();
    let on_second = format!("connected to `127.0.0.1:{}`, the second broker: ", second.port());
    let connection = daemon.until(|connection| connection.reason.starts_with(&on_second)).await;
    assert_eq!(connection.state, ConnectionState::Connected);
    assert!(connection.reason.contains(&format!("127.0.0.1:{}", first.port())), "{}", connection.reason);
    daemon.append(6..=10).await;
    wait_for_events(&mut at_second, 5).await;
    wait_for_state(&mut at_second, "eyewitness/garage/status", "online").await;

    first.restart();
    let on_first = format!("connected to `127.0.0.1:{}`", first.port());
    daemon.until(|connection| connection.reason == on_first).await;
    daemon.append(11..=15).await;
    at_first
        .wait_for("the last event", SOON, |all| all.iter().any(|m| m.topic.ends_with("/event") && m.json["seq"] == 15))
        .await;
    daemon.delivered().await;
    assert_eq!(daemon.outbox.stats().acked_total, 15);
    assert_eq!(seqs_of(&at_second), (6..=10).collect::<Vec<_>>());
    // Who listens at the second broker knows that the node is elsewhere.
    wait_for_state(&mut at_second, "eyewitness/garage/status", "offline").await;
    let status = at_second.on("eyewitness/garage/status");
    assert_eq!(status.last().unwrap()["reason"], "it is at its first broker again");
    daemon.stop().await;
    wait_for_state(&mut at_first, "eyewitness/garage/status", "stopped").await;
}

#[tokio::test]
async fn a_broker_that_sends_us_to_another_is_left_at_once() {
    // With CONNACK (use another server), and with DISCONNECT (server moved) after a good beginning.
    for connack in [true, false] {
        let second = Mosquitto::open();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut daemon = Daemon::start(with_second(port, second.port(), NEVER));
        daemon.append(1..=3).await;
        let clock = Clock::system();
        let mut peer = Peer::greeted(&listener).await;
        if connack {
            peer.answer(0x9c, &[]).await;
        } else {
            peer.answer(0, &[]).await;
            peer.event().await;
            peer.send(&[0xe0, 2, 0x9d, 0]).await;
        }
        let begun = clock.now();
        let second_is = format!(
            "connected to `127.0.0.1:{}`, the second broker: the broker at `127.0.0.1:{port}` wants",
            second.port()
        );
        daemon.until(|connection| connection.reason.starts_with(&second_is)).await;
        let took = clock.now().since(begun);
        assert!(took < Duration::from_millis(900), "{took:?}");
        daemon.delivered().await;
        assert_eq!(daemon.outbox.stats().acked_total, 3);
        daemon.stop().await;
    }
}

#[tokio::test]
async fn both_brokers_are_named_when_neither_works() {
    let (first, second) = (free_port(), free_port());
    let settings = with_second(first, second, NEVER);
    let mut daemon = Daemon::start(settings.clone());
    let both = format!(
        "nothing listens at `127.0.0.1:{first}`: is the broker running, and is the port right?; \
         and the second broker: nothing listens at `127.0.0.1:{second}`"
    );
    let connection = daemon.until(|connection| connection.reason.starts_with(&both)).await;
    assert_eq!(connection.failures, 2);
    // Each is tried once in a round, and between the rounds there is a wait.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(daemon.connection.borrow().failures, 2);
    daemon.until(|connection| connection.failures == 4).await;
    daemon.stop().await;

    let names: Vec<_> = settings.brokers().iter().map(|(name, settings)| (*name, settings.port)).collect();
    assert_eq!(names, [("broker", first), ("second broker", second)]);
    for (_, settings) in settings.brokers() {
        assert!(mqtt::probe(&settings, SOON).await.is_err());
    }
}

#[tokio::test]
async fn a_first_broker_that_hangs_up_at_once_is_not_insisted_on() {
    let second = Mosquitto::open();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut daemon = Daemon::start(with_second(port, second.port(), NEVER));
    daemon.append(1..=3).await;
    Peer::accept(&listener, &[]).await.hang_up();
    daemon.until(|connection| connection.reason.contains("the second broker")).await;
    daemon.delivered().await;
    daemon.stop().await;
}
