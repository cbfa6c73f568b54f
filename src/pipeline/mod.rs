//! From a config to the running system. Every channel between the stages is made here, and they are joined again here
//! when the daemon stops: sources first, delivery last.

mod audience;
mod camera;
mod delivery;
mod listener;
mod progress;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span, warn};

pub use self::audience::Audience;
use self::camera::CameraLoop;
use self::delivery::{Cameras, Delivery};
use self::listener::Deliver;
pub use self::progress::Progress;
use crate::analyst::{self, Allowance, Ask, Inbox};
use crate::clock::Clock;
use crate::config::{CameraConfig, Config};
use crate::gate::Gate;
use crate::health::{CameraHealth, CameraState};
use crate::ids::CameraId;
use crate::mqtt::Connection;
use crate::outbox::Outbox;
use crate::source::{self, Counters, Demand, Location, Pace, mailbox};
use crate::telemetry::Metrics;

/// The share of `stop_timeout` that draining may take; the rest is for the process to end.
const DRAIN: f32 = 0.9;

/// The running system.
pub struct Pipeline {
    cameras: Cameras,
    connection: Option<watch::Receiver<Connection>>,
    outbox: Arc<Outbox>,
    progress: Arc<Progress>,
    drain: Duration,
    /// Ends the sources, and with them, one after the other, everything behind them.
    stopping: CancellationToken,
    /// Joins everything in pipeline order.
    whole: JoinHandle<()>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("cameras", &self.cameras).finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Starts every stage. Nothing of it fails: what is wrong with a camera or the broker is said in their health. `model`
    /// may be shared (`Arc<Model>`): it outlives the pipeline then.
    #[must_use]
    pub fn start(
        config: &Config,
        model: impl Ask + 'static,
        metrics: Arc<Metrics>,
        clock: Clock,
        audience: Arc<dyn Audience>,
    ) -> Self {
        Self::begin(config, model, None, metrics, clock, audience)
    }

    /// The same for clips that play as fast as they are understood, such that the same clips give the same events each
    /// time: their ids come from `seed`, nothing in them depends on how fast the machine is, and the model has all the time
    /// it needs.
    #[must_use]
    pub fn replay(
        config: &Config,
        model: impl Ask + 'static,
        seed: u64,
        metrics: Arc<Metrics>,
        clock: Clock,
        audience: Arc<dyn Audience>,
    ) -> Self {
        Self::begin(config, model, Some(seed), metrics, clock, audience)
    }

    fn begin(
        config: &Config,
        model: impl Ask + 'static,
        seed: Option<u64>,
        metrics: Arc<Metrics>,
        clock: Clock,
        audience: Arc<dyn Audience>,
    ) -> Self {
        let enabled: Vec<_> = config.cameras.iter().filter(|camera| camera.enabled).cloned().collect();
        let settings = analyst_settings(config, &enabled, seed);
        let shared = Shared {
            inbox: Arc::new(Inbox::new(&settings, clock)),
            outbox: Arc::new(Outbox::new(&config.outbox, clock)),
            progress: Arc::new(Progress::new(part_names(&enabled), clock.now())),
            stopping: CancellationToken::new(),
            metrics,
            clock,
            audience,
        };
        let mut cameras = disabled(config, clock);
        let mut gates = Vec::new();
        for (lane, camera) in enabled.iter().enumerate() {
            let (health_in, health) = watch::channel(CameraHealth::starting(clock.now().wall));
            cameras.push((camera.source.camera.clone(), health.clone()));
            gates.push(start_camera(camera, lane, health_in, health, &shared));
        }
        let analyst = start_analyst(settings, model, &shared);
        let stop_delivery = CancellationToken::new();
        let part = enabled.len() + 1;
        let Delivery { connection, task: delivery } =
            delivery::start(config.mqtt.clone(), cameras.clone(), &shared, part, stop_delivery.clone());
        let inbox = shared.inbox.clone();
        let whole = tokio::spawn(async move {
            for gate in gates {
                joined("camera", gate.await);
            }
            inbox.close();
            joined("analyst", analyst.await);
            stop_delivery.cancel();
            joined("delivery", delivery.await);
        });
        let Shared { outbox, progress, stopping, .. } = shared;
        let drain = config.stop_timeout.mul_f32(DRAIN);
        Self { cameras, connection, outbox, progress, drain, stopping, whole }
    }

    /// Every camera with its health.
    #[must_use]
    pub fn cameras(&self) -> &[(CameraId, watch::Receiver<CameraHealth>)] {
        &self.cameras
    }

    /// The broker's state; `None` without a broker.
    #[must_use]
    pub fn connection(&self) -> Option<&watch::Receiver<Connection>> {
        self.connection.as_ref()
    }

    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Returns when all sources have ended by themselves (clips that do not repeat) and all of it is delivered.
    pub async fn ended(&mut self) {
        if let Err(error) = (&mut self.whole).await {
            warn!(%error, "the pipeline ended badly");
        }
    }

    /// Stops in pipeline order: sources, gates, analyst, delivery. Returns whether all of it ended in time.
    pub async fn stop(mut self) -> bool {
        self.stopping.cancel();
        let in_time = timeout(self.drain, &mut self.whole).await.is_ok();
        if !in_time {
            self.whole.abort();
        }
        in_time
    }
}

fn part_names(enabled: &[CameraConfig]) -> Vec<String> {
    let cameras = enabled.iter().map(|camera| format!("camera {}", camera.source.camera));
    cameras.chain(["analyst".to_owned(), "delivery".to_owned()]).collect()
}

fn disabled(config: &Config, clock: Clock) -> Cameras {
    let since = clock.now().wall;
    let health = |_: &CameraConfig| CameraHealth {
        state: CameraState::Disabled,
        since,
        reason: "disabled in the config".into(),
        failures: 0,
    };
    let off = config.cameras.iter().filter(|camera| !camera.enabled);
    off.map(|camera| (camera.source.camera.clone(), watch::channel(health(camera)).1)).collect()
}

/// What the parts share.
struct Shared {
    inbox: Arc<Inbox>,
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
    progress: Arc<Progress>,
    clock: Clock,
    stopping: CancellationToken,
    audience: Arc<dyn Audience>,
}

fn start_camera(
    camera: &CameraConfig,
    lane: usize,
    health_in: watch::Sender<CameraHealth>,
    health: watch::Receiver<CameraHealth>,
    shared: &Shared,
) -> JoinHandle<()> {
    let id = camera.source.camera.clone();
    let (frames_in, frames) = mailbox::channel();
    let counters = Arc::new(Counters::default());
    let demand = Arc::new(Demand::default());
    let span = info_span!("camera", camera = %id);
    let cancel = shared.stopping.child_token();
    let source = source::run(
        camera.source.clone(),
        shared.clock,
        counters.clone(),
        demand.clone(),
        frames_in,
        health_in,
        cancel,
    );
    tokio::spawn(source);
    let gate = CameraLoop {
        gate: Gate::new(id.clone(), camera.gate.clone()),
        camera: id,
        lane,
        frames,
        health,
        counters,
        demand,
        inbox: shared.inbox.clone(),
        metrics: shared.metrics.clone(),
        progress: shared.progress.clone(),
        part: lane,
        clock: shared.clock,
        audience: shared.audience.clone(),
        patient: is_fast(camera),
        stopping: shared.stopping.clone(),
    };
    tokio::spawn(gate.run().instrument(span))
}

/// A clip that plays as fast as it is understood.
fn is_fast(camera: &CameraConfig) -> bool {
    matches!(camera.source.location, Location::File { pace: Pace::Fast, .. })
}

fn analyst_settings(config: &Config, enabled: &[CameraConfig], seed: Option<u64>) -> analyst::Settings {
    let camera = |camera: &CameraConfig| analyst::Camera {
        id: camera.source.camera.clone(),
        prompt: camera.prompt.clone(),
        rules: camera.rules.clone(),
        masks: camera.gate.masks.clone().into(),
        view: camera.view,
        reuse_for: camera.gate.reuse_for,
        allowance: Allowance { calls: camera.gate.budget, share: camera.gate.share },
        own_time: is_fast(camera),
    };
    analyst::Settings {
        node: config.node.clone(),
        cameras: enabled.iter().map(camera).collect(),
        max_tokens: config.model.max_tokens,
        allowance: Allowance { calls: config.model.budget, share: config.model.share },
        deadline: config.model.deadline,
        seed,
    }
}

fn start_analyst(settings: analyst::Settings, model: impl Ask + 'static, shared: &Shared) -> JoinHandle<()> {
    let part = settings.cameras.len();
    let listener = Deliver {
        outbox: shared.outbox.clone(),
        metrics: shared.metrics.clone(),
        progress: shared.progress.clone(),
        part,
        clock: shared.clock,
        audience: shared.audience.clone(),
    };
    let (inbox, clock, stopping) = (shared.inbox.clone(), shared.clock, shared.stopping.clone());
    let progress = shared.progress.clone();
    tokio::spawn(async move {
        analyst::run(settings, inbox, model, listener, clock, stopping).await;
        progress.over(part);
    })
}

fn joined(part: &str, result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result {
        warn!(part, %error, "a part of the pipeline ended badly");
    }
}
