//! Questions from anybody, good ones and bad ones.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eyewitness::ask::Refusal;
use eyewitness::mqtt::Settings;
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::desk::{Clerk, reply};
use crate::peer::Peer;
use crate::retained::stranger;
use crate::support::mosquitto::{Mosquitto, Options};
use crate::support::subscriber::{Message, Subscriber};
use crate::{Daemon, SOON, settings, wait_for_events};

const ASK: &str = "eyewitness/garage/door/ask";
const ANSWER: &str = "eyewitness/garage/door/answer";

async fn ask(stranger: &AsyncClient, topic: &str, payload: impl Into<Bytes>) {
    stranger.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
}

/// With a topic for the answer, and data by which the question is known.
async fn ask_for(stranger: &AsyncClient, payload: &str, response_topic: &str, correlation: &[u8]) {
    let properties = PublishProperties {
        response_topic: Some(response_topic.to_owned()),
        correlation_data: Some(Bytes::copy_from_slice(correlation)),
        ..PublishProperties::default()
    };
    stranger.publish_with_properties(ASK, QoS::AtLeastOnce, false, payload.to_owned(), properties).await.unwrap();
}

/// The answers so far, once there are so many.
async fn answers(subscriber: &mut Subscriber, topic: &str, count: usize) -> Vec<Message> {
    subscriber
        .wait_for(&format!("{count} on {topic}"), SOON, |all| all.iter().filter(|m| m.topic == topic).count() >= count)
        .await;
    let found: Vec<_> = subscriber.messages().into_iter().filter(|message| message.topic == topic).collect();
    assert_eq!(found.len(), count);
    assert!(found.iter().all(|message| !message.retained));
    found
}

#[tokio::test]
async fn answers_come_back_to_whoever_asked() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let clerk = Arc::new(Clerk::echo());
    let settings = Settings { response_prefix: Some("flows/answers".into()), ..settings(broker.port()) };
    let mut daemon = Daemon::with_desk(settings, clerk.clone());
    daemon.connected().await;
    let stranger = stranger(broker.port());
    ask(&stranger, ASK, "Is there a dog?").await;
    let answer = &answers(&mut subscriber, ANSWER, 1).await[0];
    assert_eq!(answer.json["text"], "You asked: Is there a dog?");
    assert_eq!((&answer.json["camera"], &answer.json["confidence"]), (&"door".into(), &0.5.into()));
    assert_eq!(answer.properties.correlation_data, None);
    assert_eq!(answer.properties.content_type.as_deref(), Some("application/json"));

    let number = [0, 0xff, 7];
    for topic in ["eyewitness/garage/door/answer/kitchen", "flows/answers/42"] {
        ask_for(&stranger, r#"{"ask":"Is there a cat?","max_tokens":5}"#, topic, &number).await;
        let answer = &answers(&mut subscriber, topic, 1).await[0];
        assert_eq!(answer.json["ask"], "Is there a cat?");
        assert_eq!(answer.properties.correlation_data.as_deref(), Some(&number[..]));
    }
    let asked = clerk.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().map(|request| request.max_tokens).collect::<Vec<_>>(), [None, Some(5), Some(5)]);

    // A camera that is away, one that does not exist, and one that cannot exist.
    for (camera, words) in [
        ("yard", "the camera is offline: nothing listens"),
        ("pond", "there is no camera `pond`"),
        ("No such", "there is no camera `No such`"),
    ] {
        ask(&stranger, &format!("eyewitness/garage/{camera}/ask"), "Is there a dog?").await;
        let answer = &answers(&mut subscriber, &format!("eyewitness/garage/{camera}/answer"), 1).await[0];
        assert_eq!((&answer.json["error"], &answer.json["ask"]), (&words.into(), &"Is there a dog?".into()));
    }
    daemon.stop().await;
}

#[tokio::test]
async fn questions_that_make_no_sense_are_answered_in_words() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let clerk = Arc::new(Clerk::echo());
    let mut daemon = Daemon::with_desk(settings(broker.port()), clerk.clone());
    daemon.connected().await;
    let stranger = stranger(broker.port());
    // 10 MB: the broker keeps it to itself, since we said what we take. 200 kB: read, and refused.
    ask(&stranger, ASK, vec![b'x'; 10_000_000]).await;
    ask(&stranger, ASK, vec![b'x'; 200_000]).await;
    ask(&stranger, ASK, &b"Is there a d\xf6g?"[..]).await;
    ask(&stranger, ASK, "").await;
    ask(&stranger, ASK, "x".repeat(501)).await;
    ask(&stranger, ASK, r#"{"ask":"a","max_tokens":1000000}"#).await;
    ask(&stranger, ASK, r#"{"ask":["#).await;
    let said: Vec<_> = answers(&mut subscriber, ANSWER, 6).await.into_iter().map(|m| m.json).collect();
    for (said, wanted) in said.iter().zip([
        "this has 200000 bytes, and at most 8192 are read",
        "this is no UTF-8 from byte 12 on",
        "the question is empty",
        "the question has 501 characters; at most 500 are read",
        "`max_tokens` is from 1 to 128",
        "invalid type: sequence, expected a string",
    ]) {
        assert!(said["error"].as_str().unwrap().contains(wanted), "{said} {wanted}");
    }
    assert!(clerk.asked.lock().unwrap().is_empty());

    // Topics on which nobody is to speak through us. mosquitto lets wildcards through, too.
    let data = [7];
    let topics = [
        ("eyewitness/garage/door/status", "is not allowed"),
        ("eyewitness/garage/yard/answer", "is not allowed"),
        ("eyewitness/other/door/answer", "is not allowed"),
        ("homeassistant/device/x/config", "is not allowed"),
        ("anywhere", "is not allowed"),
        ("flows/answers/me", "is not allowed"),
        ("eyewitness/garage/door/answer/#", "holds a wildcard"),
        ("+", "holds a wildcard"),
        ("$SYS/x", "belongs to the broker"),
    ];
    for (topic, _) in topics {
        ask_for(&stranger, "Is there a dog?", topic, &data).await;
    }
    let refused = answers(&mut subscriber, ANSWER, 15).await.split_off(6);
    for (refused, (_, why)) in refused.iter().zip(topics) {
        let words = refused.json["error"].as_str().unwrap();
        let start = format!("the response topic {why}: use `eyewitness/garage/door/answer`");
        assert!(words.starts_with(&start), "{words}");
        assert_eq!(refused.properties.correlation_data.as_deref(), Some(&data[..]));
    }
    assert!(clerk.asked.lock().unwrap().is_empty());
    let strange =
        |m: &Message| m.topic == "anywhere" || m.topic.starts_with("flows") || m.topic.starts_with("homeassistant");
    assert!(!subscriber.messages().iter().any(strange));
    // And all goes on as before.
    ask(&stranger, ASK, "Is there a dog?").await;
    assert_eq!(answers(&mut subscriber, ANSWER, 16).await[15].json["text"], "You asked: Is there a dog?");
    assert_eq!(daemon.connection.borrow().connects_total, 1);
    daemon.stop().await;
}

#[tokio::test]
async fn a_thousand_at_once_hold_nothing_up() {
    // The broker is to throw nothing away itself.
    let broker = Mosquitto::start(&Options { extra: "max_queued_messages 0\n".into(), ..Options::default() });
    let mut subscriber = Subscriber::start(broker.port()).await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let clerk = Arc::new(Clerk::new(move |request| {
        let held = held.clone();
        Box::pin(async move {
            held.acquire().await.map_err(|_| Refusal::Stopping)?.forget();
            reply(&request)
        })
    }));
    let mut daemon = Daemon::with_desk(settings(broker.port()), clerk.clone());
    daemon.connected().await;
    let stranger = stranger(broker.port());
    for number in 0..1000 {
        ask(&stranger, ASK, format!("Question {number}?")).await;
    }
    daemon.append(1..=50).await;
    wait_for_events(&mut subscriber, 50).await;
    let refused = answers(&mut subscriber, ANSWER, 1000 - 16).await;
    let busy = "too many questions are waiting; ask again in a moment";
    assert!(refused.iter().all(|answer| answer.json["error"] == busy));
    gate.add_permits(16);
    let answered = answers(&mut subscriber, ANSWER, 1000).await.split_off(1000 - 16);
    assert!(answered.iter().all(|answer| answer.json["error"].is_null()));
    assert_eq!((clerk.asked.lock().unwrap().len(), daemon.connection.borrow().connects_total), (16, 1));
    daemon.stop().await;
}

#[tokio::test]
async fn whoever_waits_when_we_go_is_told() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let clerk = Arc::new(Clerk::new(|_| Box::pin(std::future::pending())));
    let mut daemon = Daemon::with_desk(settings(broker.port()), clerk.clone());
    daemon.connected().await;
    ask(&stranger(broker.port()), ASK, "Is there a dog?").await;
    for _ in 0..100 {
        if clerk.asked.lock().unwrap().len() == 1 {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    daemon.stop().await;
    assert_eq!(answers(&mut subscriber, ANSWER, 1).await[0].json["error"], "Eyewitness is stopping");
}

#[tokio::test]
async fn a_desk_that_fails_costs_one_answer() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let clerk = Arc::new(Clerk::new(|request| {
        Box::pin(async move {
            assert!(&*request.ask != "Fail!", "as it was asked to");
            reply(&request)
        })
    }));
    let mut daemon = Daemon::with_desk(settings(broker.port()), clerk);
    daemon.connected().await;
    let stranger = stranger(broker.port());
    ask(&stranger, ASK, "Fail!").await;
    let failed = &answers(&mut subscriber, ANSWER, 1).await[0];
    assert!(failed.json["error"].as_str().unwrap().starts_with("the model could not answer"), "{}", failed.json);
    ask(&stranger, ASK, "Is there a dog?").await;
    assert_eq!(answers(&mut subscriber, ANSWER, 2).await[1].json["text"], "You asked: Is there a dog?");
    daemon.stop().await;
}

#[tokio::test]
async fn access_rules_may_forbid_questions() {
    // Written to by anybody, read by nobody but the subscriber of this test.
    let users = vec![("box", "b"), ("eye", "e")];
    let acl = "user box\ntopic write eyewitness/#\ntopic read eyewitness/garage/status\nuser eye\ntopic readwrite #\n";
    let broker = Mosquitto::start(&Options { users, acl: Some(acl.into()), ..Options::default() });
    let mut options = rumqttc::v5::MqttOptions::new("eye", "127.0.0.1", broker.port());
    options.set_credentials("eye", "e");
    let mut subscriber = Subscriber::with_options(options).await;
    let clerk = Arc::new(Clerk::echo());
    let settings = Settings { username: Some("box".into()), password: Some("b".into()), ..settings(broker.port()) };
    let mut daemon = Daemon::with_desk(settings, clerk.clone());
    daemon.connected().await;
    daemon.append(1..=3).await;
    wait_for_events(&mut subscriber, 3).await;
    daemon.delivered().await;
    assert_eq!((daemon.outbox.stats().refused_total, daemon.connection.borrow().connects_total), (0, 1));
    daemon.stop().await;
}

#[tokio::test]
async fn a_broker_that_lets_everything_through_gets_no_answer_on_it() {
    // mosquitto would refuse some of these itself.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clerk = Arc::new(Clerk::echo());
    let settings = settings(listener.local_addr().unwrap().port());
    let daemon = Daemon::with_desk(Settings { response_prefix: Some("flows".into()), ..settings }, clerk.clone());
    let mut peer = Peer::accept(&listener, &[]).await;
    peer.drain().await;
    for topic in ["flows/#", "flows/+/x", "eyewitness/garage/door/answer/#", "$share/x/flows/y", "flows/\u{ffff}", ""] {
        let length = |bytes: usize| u8::try_from(bytes).unwrap();
        let properties = [&[0x08, 0, length(topic.len())], topic.as_bytes()].concat();
        let body =
            [&[0, length(ASK.len())], ASK.as_bytes(), &[length(properties.len())], &properties, b"Is it?"].concat();
        peer.send(&[&[0x30, length(body.len())], &body[..]].concat()).await;
        let answers = peer.drain().await;
        assert_eq!(answers.iter().map(|answer| answer.topic.as_str()).collect::<Vec<_>>(), [ANSWER], "{topic}");
        let words = answers[0].payload["error"].as_str().unwrap();
        assert!(words.starts_with("the response topic ") && words.contains("or below `flows/`"), "{words}");
    }
    assert!(clerk.asked.lock().unwrap().is_empty());
    assert_eq!(daemon.connection.borrow().connects_total, 1);
    daemon.task.abort();
}
