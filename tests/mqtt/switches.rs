//! Cameras that are turned off and on from outside.

use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::health::{CameraHealth, CameraState};
use rumqttc::v5::mqttbytes::QoS;
use tokio::time::sleep;

use crate::desk::Clerk;
use crate::retained::stranger;
use crate::support::mosquitto::Mosquitto;
use crate::support::subscriber::Subscriber;
use crate::{Daemon, SOON, settings};

const SET: &str = "eyewitness/garage/door/enabled/set";
const STATE: &str = "eyewitness/garage/door/enabled/state";

async fn wait_for_payload(subscriber: &mut Subscriber, topic: &str, payload: &str) {
    subscriber
        .wait_for(&format!("`{topic}` is {payload}"), SOON, |all| {
            all.iter().rfind(|m| m.topic == topic).is_some_and(|m| m.payload == payload.as_bytes())
        })
        .await;
}

#[tokio::test]
async fn a_switch_is_obeyed_and_shows_how_the_camera_is() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let clerk = Arc::new(Clerk::echo());
    let mut daemon = Daemon::with_desk(settings(broker.port()), clerk.clone());
    daemon.connected().await;
    wait_for_payload(&mut subscriber, STATE, "ON").await;
    let stranger = stranger(broker.port());
    let send = async |topic: &str, payload: &[u8]| {
        stranger.publish(topic, QoS::AtLeastOnce, false, payload.to_owned()).await.unwrap();
    };
    for nonsense in [&b"off"[..], b"", b"0", b"\xff\xfe", b" OFF", b"TOGGLE"] {
        send(SET, nonsense).await;
    }
    send("eyewitness/garage/No camera/enabled/set", b"OFF").await;
    send("eyewitness/garage/yard/enabled/set", b"OFF").await;
    send(SET, b"OFF").await;
    subscriber.wait_for("the command", SOON, |all| all.iter().any(|m| m.payload == b"OFF" && m.topic == SET)).await;
    for _ in 0..100 {
        if clerk.ordered.lock().unwrap().len() == 2 {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(*clerk.ordered.lock().unwrap(), [("yard".to_owned(), false), ("door".to_owned(), false)]);
    // The state follows from how the camera is, not from what was ordered.
    assert_eq!(subscriber.messages().iter().filter(|m| m.topic == STATE).count(), 1);
    let now = Clock::system().now().wall;
    let health = |state| CameraHealth { state, reason: "turned off".into(), ..CameraHealth::starting(now) };
    daemon.door.send_replace(health(CameraState::Disabled));
    wait_for_payload(&mut subscriber, STATE, "OFF").await;
    daemon.door.send_replace(health(CameraState::Online));
    wait_for_payload(&mut subscriber, STATE, "ON").await;
    daemon.door.send_replace(health(CameraState::Offline));
    daemon.append([1]).await;
    daemon.delivered().await;
    let said: Vec<_> = subscriber.messages().into_iter().filter(|m| m.topic == STATE).map(|m| m.payload).collect();
    assert_eq!(said, [&b"ON"[..], b"OFF", b"ON"]);
    assert_eq!(daemon.connection.borrow().connects_total, 1);
    daemon.stop().await;
}

#[tokio::test]
async fn a_retained_command_is_not_obeyed() {
    let broker = Mosquitto::open();
    let stranger = stranger(broker.port());
    let mut subscriber = Subscriber::start(broker.port()).await;
    stranger.publish(SET, QoS::AtLeastOnce, true, "OFF").await.unwrap();
    stranger.publish("eyewitness/garage/door/ask", QoS::AtLeastOnce, true, "Is there a dog?").await.unwrap();
    subscriber.wait_for("both", SOON, |all| all.len() == 2).await;
    let clerk = Arc::new(Clerk::echo());
    let mut daemon = Daemon::with_desk(settings(broker.port()), clerk.clone());
    daemon.connected().await;
    // One that comes while we listen is a command, whatever its flag.
    stranger.publish(SET, QoS::AtLeastOnce, true, "ON").await.unwrap();
    for _ in 0..100 {
        if !clerk.ordered.lock().unwrap().is_empty() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(*clerk.ordered.lock().unwrap(), [("door".to_owned(), true)]);
    assert!(clerk.asked.lock().unwrap().is_empty());
    daemon.stop().await;
}
