//! Asks one question over the broker, for `eyewitness ask`: finds the box that has the camera by what is retained about it, sends
//! the question with a topic for the answer, and waits.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::Event;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Filter, Packet, PubAckReason, Publish, PublishProperties, SubAck, SubscribeReasonCode,
};
use tokio::time::{self, Instant, sleep_until, timeout};

use super::boxes::{Boxes, NotFound};
use super::client::{self, Client};
use super::diagnosis::Stage;
use super::reason::{self, Reason};
use super::settings::Settings;
use super::topics;
use crate::ids::{CameraId, NodeId};

/// After the last retained message, this long without another means that there are no more.
const QUIET: Duration = Duration::from_millis(300);
/// Who was not found by then is not there: retained messages come with the subscription.
const SEARCH: Duration = Duration::from_secs(2);
/// For the good-bye; the answer is known by then.
const FAREWELL: Duration = Duration::from_millis(500);

/// A question to a camera.
#[derive(Debug, Clone)]
pub struct Asked {
    pub camera: CameraId,
    /// `None`: the only box that has such a camera.
    pub node: Option<NodeId>,
    /// As the topic `ask` takes it.
    pub payload: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    #[error(transparent)]
    Broker(#[from] Reason),
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error("the broker at `{address}` does not let this client {what}: check its access rules")]
    Forbidden { address: String, what: String },
    #[error("nobody listens at `{topic}`: is the box an older version, or does the broker forbid it to listen there?")]
    Unheard { topic: String },
    #[error("there was no answer within {0} s")]
    Late(u64),
}

/// Asks, and returns what was answered: JSON with `text`, or with `error`.
///
/// # Errors
/// [`Unanswered`] if there is none within `patience`.
pub async fn ask(settings: &Settings, asked: &Asked, patience: Duration) -> Result<Bytes, Unanswered> {
    let late = |_| Unanswered::Late(patience.as_secs_f64().ceil() as u64);
    timeout(patience, answered(settings, asked, patience)).await.map_err(late)?
}

async fn answered(settings: &Settings, asked: &Asked, patience: Duration) -> Result<Bytes, Unanswered> {
    let id = format!("eyewitness-ask-{:016x}", fastrand::u64(..));
    let (mut client, _) = Client::connect(settings, client::options(settings, id, None)?).await?;
    let node = find(&mut client, settings, asked).await?;
    let answer = question(&mut client, settings, asked, &node, patience).await?;
    time::timeout(FAREWELL, client.disconnect(settings)).await.ok();
    Ok(answer)
}

/// The box that has the camera.
async fn find(client: &mut Client, settings: &Settings, asked: &Asked) -> Result<NodeId, Unanswered> {
    let filters = topics::statuses(&settings.prefix);
    client.subscribe(filters.map(|topic| Filter::new(topic, QoS::AtLeastOnce)))?;
    let mut boxes = Boxes::new(&settings.prefix);
    // Nobody counts the time before the broker has answered.
    let mut until: Option<(Instant, Instant)> = None;
    loop {
        let found = boxes.find(&asked.camera, asked.node.as_ref());
        // A box that was named is enough; without a name there may be one more.
        if asked.node.is_some()
            && let Ok(node) = found
        {
            return Ok(node);
        }
        let next = until.map(|(quiet, end)| if found.is_ok() { quiet.min(end) } else { end });
        let event = tokio::select! {
            event = client.event(settings, Stage::Connected) => event?,
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => return Ok(found?),
        };
        match event {
            Event::Incoming(Packet::Publish(publish)) => {
                if let Ok(topic) = std::str::from_utf8(&publish.topic) {
                    boxes.heard(topic, &publish.payload);
                }
                until = until.map(|(_, end)| (Instant::now() + QUIET, end));
            }
            Event::Incoming(Packet::SubAck(answer)) => {
                granted(&answer, settings, "see which boxes there are")?;
                until = Some((Instant::now() + QUIET, Instant::now() + SEARCH));
            }
            _ => {}
        }
    }
}

/// Sends the question once the way back is there.
async fn question(
    client: &mut Client,
    settings: &Settings,
    asked: &Asked,
    node: &NodeId,
    patience: Duration,
) -> Result<Bytes, Unanswered> {
    let base = format!("{}/{node}/{}", settings.prefix, asked.camera);
    let (topic, response) = (format!("{base}/ask"), format!("{base}/answer/{:016x}", fastrand::u64(..)));
    let correlation = Bytes::copy_from_slice(&fastrand::u128(..).to_be_bytes());
    client.subscribe([Filter::new(response.clone(), QoS::AtLeastOnce)])?;
    let ours = |publish: &Publish| {
        let its = publish.properties.as_ref().and_then(|properties| properties.correlation_data.as_ref());
        publish.topic == response && its == Some(&correlation)
    };
    loop {
        match client.event(settings, Stage::Connected).await? {
            Event::Incoming(Packet::SubAck(answer)) => {
                granted(&answer, settings, "hear answers")?;
                let properties = PublishProperties {
                    response_topic: Some(response.clone()),
                    correlation_data: Some(correlation.clone()),
                    message_expiry_interval: u32::try_from(patience.as_secs().max(1)).ok(),
                    ..PublishProperties::default()
                };
                client.request(&topic, asked.payload.clone(), properties)?;
            }
            Event::Incoming(Packet::PubAck(answer)) => match answer.reason {
                PubAckReason::Success => {}
                PubAckReason::NoMatchingSubscribers => return Err(Unanswered::Unheard { topic }),
                PubAckReason::NotAuthorized => return Err(forbidden(settings, format!("write to `{topic}`"))),
                other => {
                    let (address, problem) = (reason::address(settings), format!("{other:?}"));
                    return Err(Reason::Rejected { address, problem }.into());
                }
            },
            Event::Incoming(Packet::Publish(publish)) if ours(&publish) => return Ok(publish.payload),
            _ => {}
        }
    }
}

fn granted(answer: &SubAck, settings: &Settings, what: &str) -> Result<(), Unanswered> {
    let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
    if answer.return_codes.iter().all(granted) { Ok(()) } else { Err(forbidden(settings, what.to_owned())) }
}

fn forbidden(settings: &Settings, what: String) -> Unanswered {
    Unanswered::Forbidden { address: reason::address(settings), what }
}
