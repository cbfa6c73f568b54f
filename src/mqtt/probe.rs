//! Connects once and says whether that works, for `check --online`.

use std::time::Duration;

use tokio::time;

use super::client::{self, Client};
use super::reason::{self, Reason};
use super::settings::Settings;

/// For the good-bye; the answer is known by then.
const FAREWELL: Duration = Duration::from_millis(500);

/// Connects to the broker with a client id of its own, so that it does not disturb a daemon that runs, and disconnects.
/// Returns a sentence.
///
/// # Errors
/// [`Reason`] when there is no connection within `timeout`.
pub async fn probe(settings: &Settings, timeout: Duration) -> Result<String, Reason> {
    let address = reason::address(settings);
    let id = format!("eyewitness-{}-check-{:08x}", settings.node, fastrand::u32(..));
    let options = client::options(settings, id, None)?;
    let connected = time::timeout(timeout, Client::connect(settings, options)).await;
    let (client, _) =
        connected.map_err(|_| Reason::Timeout { address: address.clone(), seconds: timeout.as_secs() })??;
    // The answer is known; a broker that is slow to hang up changes nothing.
    time::timeout(FAREWELL, client.disconnect(settings)).await.ok();
    let how = match &settings.tls {
        None => "without TLS",
        Some(tls) if tls.verify => "with TLS",
        Some(_) => "with TLS, its certificate not verified",
    };
    Ok(format!("the broker at `{address}` answered (MQTT 5, {how})"))
}
