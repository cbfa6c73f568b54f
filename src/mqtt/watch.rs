//! Subscribes to what Eyewitness says, for `eyewitness watch`.

use std::time::Duration;

use rumqttc::v5::Event;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, SubscribeReasonCode};
use tokio::time;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::backoff::Backoff;

use super::client::{self, Client};
use super::diagnosis::Stage;
use super::reason::{self, Reason};
use super::settings::Settings;
use super::topics;

/// Calls `on_message` with topic and payload of each event and each status under the prefix, retained ones first.
/// Reconnects for ever, with waits from 1 s to 30 s, until `cancel`.
pub async fn watch(settings: Settings, mut on_message: impl FnMut(&str, &[u8]), cancel: CancellationToken) {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    loop {
        let reason = tokio::select! {
            reason = watch_once(&settings, &mut on_message, &mut backoff) => reason,
            () = cancel.cancelled() => return,
        };
        let wait = backoff.wait();
        warn!(%reason, "no connection to the broker; trying again in {:.1} s", wait.as_secs_f32());
        tokio::select! {
            () = time::sleep(wait) => {}
            () = cancel.cancelled() => return,
        }
    }
}

/// One connection's life; returns why it ended.
async fn watch_once(settings: &Settings, on_message: &mut impl FnMut(&str, &[u8]), backoff: &mut Backoff) -> Reason {
    match listen(settings, on_message, backoff).await {
        Ok(never) => match never {},
        Err(reason) => reason,
    }
}

async fn listen(
    settings: &Settings,
    on_message: &mut impl FnMut(&str, &[u8]),
    backoff: &mut Backoff,
) -> Result<std::convert::Infallible, Reason> {
    let id = format!("eyewitness-watch-{:016x}", fastrand::u64(..));
    let (mut client, _) = Client::connect(settings, client::options(settings, id, None)?).await?;
    client.subscribe(topics::watched(&settings.prefix).map(|topic| Filter::new(topic, QoS::AtLeastOnce)))?;
    loop {
        match client.event(settings, Stage::Connected).await? {
            Event::Incoming(Packet::Publish(publish)) => {
                // A topic that is no text is none of ours.
                if let Ok(topic) = std::str::from_utf8(&publish.topic) {
                    on_message(topic, &publish.payload);
                }
            }
            Event::Incoming(Packet::SubAck(answer)) => {
                let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                if !answer.return_codes.iter().all(granted) {
                    let problem = "it does not let this client subscribe: check its access rules".to_owned();
                    return Err(Reason::Rejected { address: reason::address(settings), problem });
                }
                backoff.reset();
                info!(address = reason::address(settings), "watching");
            }
            _ => {}
        }
    }
}
