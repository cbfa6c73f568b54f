//! The pipeline as a service: started, watched, told to systemd, stopped. No stage's business belongs here.

pub mod http;
mod notify;
mod page;
mod reload;
mod signals;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use self::page::{Page, Shown};
use self::reload::Around;
pub use self::reload::Reload;
pub use self::signals::{ReloadSignal, StopSignals};
use crate::clock::Clock;
use crate::config::Config;
use crate::health::CameraState;
use crate::mqtt;
use crate::outbox::Outbox;
use crate::pipeline::{Audience, Pipeline, Vitals};
use crate::telemetry::{LogHandle, Metrics};
use crate::vlm::{self, Model};

/// Between two looks at how it is; and before it is ready, when somebody waits.
const LOOK: Duration = Duration::from_millis(500);
const LOOK_FOR_READY: Duration = Duration::from_millis(25);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Asked to, and everything was drained in time.
    Stopped,
    /// All sources were clips, and they are over.
    Over,
    /// Asked to a second time, or the drain took too long: something may be undelivered.
    Hurried,
}

/// What the service is made of.
pub struct Parts {
    pub config: Config,
    pub model: Model,
    pub outbox: Outbox,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub audience: Arc<dyn Audience>,
    pub signals: StopSignals,
    /// `None`: SIGHUP means nothing here.
    pub reload: Option<Reload>,
    /// Whose filter follows the config.
    pub log: LogHandle,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Runs until a signal or until all sources have ended.
pub async fn run(parts: Parts) -> Ended {
    let Parts { config, model, outbox, metrics, clock, audience, mut signals, mut reload, log } = parts;
    let info = model.info();
    metrics.model(&info.label);
    for (part, placement) in vlm::Part::ALL.into_iter().zip(&info.placement) {
        placement.0.iter().for_each(|(provider, nodes)| metrics.placed(part.stem(), provider, *nodes));
    }
    let label = info.label.clone();
    let mut pipeline = Pipeline::start(&config, model, outbox, metrics.clone(), clock, audience);
    let vitals = pipeline.vitals();
    let (desk, asks) = (pipeline.desk(), AtomicBool::default());
    let shown = Shown { vitals: vitals.clone(), metrics, model: label, clock, desk, asks };
    let page = Page::start(shown, config.http);
    let mut around = Around { page, log, settings: config.log.clone() };
    let mut tick = every(LOOK_FOR_READY);
    let mut told = Told::new(clock);
    let name = loop {
        tokio::select! {
            name = signals.next() => break name,
            () = pipeline.ended() => {
                notify::stopping();
                around.page.stop().await;
                return Ended::Over;
            }
            () = reload::asked(&mut reload) => {
                // A wish to stop does not wait for a reload that may have to wait for a camera.
                tokio::select! {
                    name = signals.next() => break name,
                    () = reload::reload(reload.as_ref(), &mut pipeline, &mut around) => told.again(),
                }
            }
            _ = tick.tick() => {
                if told.look(&vitals) {
                    tick = every(LOOK);
                }
            }
        }
    };
    info!("{name}: stopping; a second signal ends it at once");
    notify::stopping();
    let ended = tokio::select! {
        in_time = pipeline.stop() => {
            if in_time { Ended::Stopped } else {
                warn!("not everything could be finished in time");
                Ended::Hurried
            }
        }
        name = signals.next() => {
            warn!("{name} again: ending at once");
            return Ended::Hurried;
        }
    };
    // Up to here it could be asked how the stop goes.
    around.page.stop().await;
    ended
}

fn every(period: Duration) -> Interval {
    let mut tick = interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

/// What systemd was told already.
struct Told {
    clock: Clock,
    ready: bool,
    status: String,
    watchdog: Option<Duration>,
    fed: Duration,
    stuck: bool,
}

impl Told {
    fn new(clock: Clock) -> Self {
        let watchdog = notify::watchdog_interval();
        Self { clock, ready: false, status: String::new(), watchdog, fed: Duration::ZERO, stuck: false }
    }

    /// Whether it has just become ready.
    fn look(&mut self, vitals: &Vitals) -> bool {
        let becomes_ready = !self.ready && is_ready(vitals);
        if becomes_ready {
            self.ready = true;
            notify::ready();
            info!("ready");
        }
        let status = status(vitals);
        if status != self.status {
            notify::status(&status);
            self.status = status;
        }
        self.feed(vitals);
        becomes_ready
    }

    /// A reload is over; systemd waits to hear it.
    fn again(&mut self) {
        if self.ready {
            notify::ready();
        }
        self.status.clear();
    }

    /// The watchdog is fed by progress: if a part is stuck, systemd ends the process and starts it again.
    fn feed(&mut self, vitals: &Vitals) {
        let now = self.clock.now();
        let stuck = vitals.stuck(now);
        if !stuck.is_empty() {
            if !self.stuck {
                error!(parts = ?stuck, "stuck: the watchdog is not fed any more");
            }
            self.stuck = true;
            return;
        }
        self.stuck = false;
        if let Some(every) = self.watchdog
            && (self.fed.is_zero() || now.mono.saturating_sub(self.fed) >= every)
        {
            notify::watchdog();
            self.fed = now.mono;
        }
    }
}

/// Ready: the first camera delivers, or every one was tried.
fn is_ready(vitals: &Vitals) -> bool {
    let mut all_tried = true;
    for (_, health) in vitals.cameras() {
        match health.state {
            CameraState::Online => return true,
            CameraState::Offline if health.failures == 0 => all_tried = false,
            CameraState::Offline | CameraState::Disabled => {}
        }
    }
    all_tried
}

/// One line for people: `systemctl status` shows it.
fn status(vitals: &Vitals) -> String {
    let mut online = 0;
    let (mut offline, mut off) = (Vec::new(), Vec::new());
    for (id, health) in vitals.cameras() {
        match health.state {
            CameraState::Online => online += 1,
            CameraState::Offline => offline.push(format!("{id} is offline ({})", health.reason)),
            CameraState::Disabled => off.push(format!("{id} is off ({})", health.reason)),
        }
    }
    let all = online + offline.len();
    let mut words = format!("{online} of {all} camera{} online", if all == 1 { "" } else { "s" });
    for camera in offline.into_iter().chain(off) {
        words.push_str("; ");
        words.push_str(&camera);
    }
    match vitals.connection() {
        None => words.push_str("; no broker in the config"),
        Some(connection) if connection.state == mqtt::ConnectionState::Connected => {
            words.push_str("; broker connected");
        }
        Some(connection) => words.push_str(&format!("; no broker: {}", connection.reason)),
    }
    words
}
