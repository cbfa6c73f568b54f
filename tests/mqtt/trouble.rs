//! Brokers that are not there, refuse, or are too old: each is said in words, and nothing behind is held up.

use eyewitness::event::Kind;
use eyewitness::mqtt::{self, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::mosquitto::{Mosquitto, Options, free_port};
use crate::support::subscriber::Subscriber;
use crate::{Daemon, SOON, event, seqs_of, settings, wait_for_events};

#[tokio::test]
async fn a_broker_that_never_answers_blocks_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut daemon = Daemon::start(settings(port));
    let (held, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    daemon.append(1..=1000).await;
    let reason = daemon.failed().await;
    drop(held);
    assert!(reason.starts_with(&format!("`127.0.0.1:{port}` did not answer within 10 s")), "{reason}");
    // It comes again after the wait.
    timeout(SOON, listener.accept()).await.unwrap().unwrap();
    assert_eq!(daemon.outbox.stats().rows, 1000);
    daemon.stop().await;
}

#[tokio::test]
async fn nothing_listens() {
    let port = free_port();
    let mut daemon = Daemon::start(settings(port));
    let reason = daemon.failed().await;
    assert_eq!(reason, format!("nothing listens at `127.0.0.1:{port}`: is the broker running, and is the port right?"));
    daemon.until(|connection| connection.failures >= 2).await;
    daemon.stop().await;
    let reason = mqtt::probe(&settings(port), SOON).await.unwrap_err();
    assert!(reason.to_string().starts_with("nothing listens at"));
}

#[tokio::test]
async fn a_wrong_password_is_said() {
    let broker = Mosquitto::start(&Options { users: vec![("eve", "right")], ..Options::default() });
    let with = |username: Option<&str>, password: &str| Settings {
        username: username.map(str::to_owned),
        password: Some(password.into()),
        ..settings(broker.port())
    };
    let mut daemon = Daemon::start(with(Some("eve"), "wrong"));
    let reason = daemon.failed().await;
    assert!(reason.contains("does not accept this user name and password"), "{reason}");
    daemon.stop().await;
    let reason = mqtt::probe(&with(None, ""), SOON).await.unwrap_err().to_string();
    assert!(reason.contains("does not accept a client without a user name"), "{reason}");
    let answer = mqtt::probe(&with(Some("eve"), "right"), SOON).await.unwrap();
    assert_eq!(answer, format!("the broker at `127.0.0.1:{}` answered (MQTT 5, without TLS)", broker.port()));
}

#[tokio::test]
async fn a_broker_of_mqtt_3_is_told() {
    // "Unacceptable protocol version" and the end, and the end alone: what such brokers do.
    for answer in [&[0x20, 0x02, 0x00, 0x01][..], &[]] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let peer = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut connect = [0; 512];
            assert!(socket.read(&mut connect).await.unwrap() > 0);
            socket.write_all(answer).await.unwrap();
        });
        let mut daemon = Daemon::start(settings(port));
        let reason = daemon.failed().await;
        assert!(reason.contains("speaks only MQTT 3.1.1") && reason.contains("mosquitto 1.6 or newer"), "{reason}");
        peer.await.unwrap();
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_refused_event_does_not_hold_up_the_others() {
    let acl = "topic readwrite eyewitness/garage/door/#\ntopic readwrite eyewitness/garage/status\ntopic read #\n";
    let broker = Mosquitto::start(&Options { acl: Some(acl.into()), ..Options::default() });
    let mut subscriber = Subscriber::start(broker.port()).await;
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    daemon.outbox.append(event("forbidden", 1, Kind::Start)).await.kept().await;
    daemon.append(1..=5).await;
    wait_for_events(&mut subscriber, 5).await;
    daemon.delivered().await;
    let stats = daemon.outbox.stats();
    assert_eq!((stats.acked_total, stats.refused_total), (5, 1), "{stats:?}");
    daemon.stop().await;
    assert_eq!(seqs_of(&subscriber), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_event_too_large_for_the_broker_is_set_aside() {
    for limit in ["message_size_limit 2000\n", "max_packet_size 2000\n"] {
        let broker = Mosquitto::start(&Options { extra: limit.into(), ..Options::default() });
        let mut subscriber = Subscriber::start(broker.port()).await;
        let mut daemon = Daemon::start(settings(broker.port()));
        daemon.connected().await;
        let mut large = event("door", 1, Kind::Start);
        large.reason = Some("x".repeat(4000));
        daemon.outbox.append(large).await.kept().await;
        daemon.append(2..=4).await;
        subscriber
            .wait_for("the events behind it", SOON, |all| {
                (2..=4).all(|seq| all.iter().any(|m| m.topic.ends_with("/event") && m.json["seq"] == seq))
            })
            .await;
        daemon.delivered().await;
        let stats = daemon.outbox.stats();
        assert_eq!((stats.acked_total, stats.refused_total), (3, 1), "{limit}: {stats:?}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn two_daemons_of_one_name_are_told() {
    let broker = Mosquitto::open();
    let mut one = Daemon::start(settings(broker.port()));
    one.connected().await;
    let mut other = Daemon::start(settings(broker.port()));
    other.connected().await;
    let reason = one.failed().await;
    assert!(reason.contains("is `node` the same on two machines?"), "{reason}");
    one.task.abort();
    other.task.abort();
}
