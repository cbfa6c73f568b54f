//! Pictures of what was described.

use std::sync::Arc;

use bytes::Bytes;
use eyewitness::event::{Event, Kind};
use eyewitness::ids::CameraId;
use eyewitness::mqtt::{Settings, Snapshot, Snapshots};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::peer::Peer;
use crate::retained::{cameras, kept};
use crate::support::mosquitto::{Mosquitto, Options};
use crate::support::subscriber::Subscriber;
use crate::{Daemon, SOON, event, settings, wait_for_events};

const PICTURE: &str = "eyewitness/garage/door/snapshot";

fn with_pictures(port: u16) -> Settings {
    Settings { snapshots: Some(Default::default()), ..settings(port) }
}

/// An event of the door, and its picture of so many bytes.
fn with_picture(seq: u64, bytes: usize) -> (Event, Snapshots) {
    let mut event = event("door", seq, Kind::Update);
    let name = format!("{}-{seq}", event.id);
    event.snapshot = Some(name.clone());
    let jpeg = Bytes::from([&[0xff, 0xd8, 0xff, 0xe0][..], &vec![7; bytes]].concat());
    let picture = Snapshot { jpeg, name, event: event.id, seq, at: event.at };
    (event, Arc::new([(CameraId::new("door").unwrap(), Arc::new(picture))].into()))
}

#[tokio::test]
async fn a_picture_is_there_before_its_event_and_says_where_it_belongs() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let mut daemon = Daemon::start(with_pictures(broker.port()));
    daemon.connected().await;
    for seq in 1..=5 {
        let (event, pictures) = with_picture(seq, 50_000);
        daemon.snapshots.send_replace(pictures);
        daemon.outbox.append(event).await.kept().await;
        wait_for_events(&mut subscriber, usize::try_from(seq).unwrap()).await;
        let all = subscriber.messages();
        let last = all.iter().rfind(|m| m.topic == PICTURE).expect("the picture comes before the event");
        assert_eq!(last.payload.len(), 50_004);
        let event = all.iter().rfind(|m| m.topic.ends_with("/event")).unwrap();
        assert_eq!(last.user("snapshot"), event.json["snapshot"].as_str());
        assert_eq!((last.user("event"), last.user("at")), (event.json["id"].as_str(), event.json["at"].as_str()));
        assert_eq!(last.user("seq"), Some(seq.to_string().as_str()));
        assert_eq!(last.properties.content_type.as_deref(), Some("image/jpeg"));
    }
    assert_eq!(subscriber.messages().iter().filter(|m| m.topic == PICTURE).count(), 5, "each once");
    assert!(kept(&broker).await.contains(&PICTURE.to_owned()));

    // Gone with the camera.
    let (_senders, list) = cameras(&["yard"]);
    daemon.cameras.send_replace(list);
    subscriber
        .wait_for("it is taken back", SOON, |all| all.iter().any(|m| m.topic == PICTURE && m.payload.is_empty()))
        .await;
    let stats = daemon.outbox.stats();
    assert_eq!((stats.acked_total, stats.refused_total, daemon.connection.borrow().connects_total), (5, 0, 1));
    daemon.stop().await;
}

#[tokio::test]
async fn the_newest_is_said_again_and_none_when_they_are_off() {
    let mut broker = Mosquitto::open();
    let mut daemon = Daemon::start(with_pictures(broker.port()));
    let (_, pictures) = with_picture(1, 300_000);
    daemon.snapshots.send_replace(pictures.clone());
    let mut subscriber = Subscriber::start(broker.port()).await;
    subscriber.wait_for("the picture", SOON, |all| all.iter().any(|m| m.topic == PICTURE)).await;
    broker.kill();
    daemon.failed().await;
    broker.forget();
    broker.restart();
    daemon.connected().await;
    let mut subscriber = Subscriber::start(broker.port()).await;
    subscriber.wait_for("the picture again", SOON, |all| all.iter().any(|m| m.topic == PICTURE)).await;
    daemon.stop().await;

    // A run without pictures takes it back, though it is larger than what it would be shown, and publishes none.
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.snapshots.send_replace(pictures);
    daemon.connected().await;
    subscriber
        .wait_for("it is taken back", SOON, |all| {
            all.iter().rfind(|m| m.topic == PICTURE).is_some_and(|m| m.payload.is_empty())
        })
        .await;
    daemon.append([1]).await;
    daemon.delivered().await;
    assert!(!kept(&broker).await.contains(&PICTURE.to_owned()));
    daemon.stop().await;
}

#[tokio::test]
async fn one_that_is_too_large_holds_nothing_up() {
    for limit in ["max_packet_size 20000\n", "message_size_limit 20000\n"] {
        let broker = Mosquitto::start(&Options { extra: limit.into(), ..Options::default() });
        let mut subscriber = Subscriber::start(broker.port()).await;
        let mut daemon = Daemon::start(with_pictures(broker.port()));
        daemon.connected().await;
        for (seq, bytes) in [(1, 50_000), (2, 60_000), (3, 1000)] {
            let (event, pictures) = with_picture(seq, bytes);
            daemon.snapshots.send_replace(pictures);
            daemon.outbox.append(event).await.kept().await;
        }
        wait_for_events(&mut subscriber, 3).await;
        subscriber
            .wait_for("the small one", SOON, |all| all.iter().any(|m| m.topic == PICTURE && m.payload.len() == 1004))
            .await;
        let stats = daemon.outbox.stats();
        assert_eq!((stats.refused_total, daemon.connection.borrow().connects_total), (0, 1), "{limit}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_broker_that_hangs_up_over_pictures_gets_none_any_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let daemon = Daemon::start(with_pictures(listener.local_addr().unwrap().port()));
    daemon.snapshots.send_replace(with_picture(1, 50).1);
    let mut pictures = 0;
    let patience = async {
        loop {
            let mut peer = Peer::accept(&listener, &[]).await;
            // Everything else is acknowledged until it is quiet.
            let hung_up = loop {
                match peer.publish().await {
                    Some(publish) if publish.topic == PICTURE => break true,
                    Some(publish) => peer.acknowledge(publish.packet).await,
                    None => break false,
                }
            };
            if !hung_up {
                return peer;
            }
            pictures += 1;
            peer.hang_up();
        }
    };
    let mut peer = timeout(SOON, patience).await.expect("it is left alone with pictures");
    assert_eq!(pictures, 3);
    let (event, picture) = with_picture(2, 50);
    daemon.snapshots.send_replace(picture);
    daemon.outbox.append(event).await.kept().await;
    let all = timeout(SOON, peer.drain_until_delivered(&daemon)).await.unwrap();
    assert!(all.iter().all(|publish| publish.topic != PICTURE));
    assert_eq!((daemon.outbox.stats().acked_total, daemon.outbox.stats().refused_total), (1, 0));
    daemon.task.abort();
}
