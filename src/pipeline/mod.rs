//! From a config to the running system. Every channel between the stages is made here, and they are joined again here
//! when the daemon stops: sources first, delivery last.

mod announce;
mod audience;
mod camera;
mod cameras;
mod delivery;
mod desk;
mod listener;
mod progress;
mod reload;
mod rules;
mod settings;
mod snapshots;
mod switches;
mod unfinished;
mod vitals;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

pub use self::audience::Audience;
use self::cameras::Watched;
use self::delivery::Delivery;
use self::desk::Questions;
use self::listener::Deliver;
pub use self::progress::Progress;
pub use self::reload::Applied;
use self::snapshots::Snapshots;
pub use self::switches::{SwitchError, Switches};
pub use self::vitals::Vitals;
use crate::analyst::{self, Ask, Inbox};
use crate::ask::Desk;
use crate::clock::Clock;
use crate::config::Config;
use crate::mqtt::{self, Connection};
use crate::outbox::Outbox;
use crate::rules::{Calibrations, RuleStates};
use crate::telemetry::Metrics;

/// The share of `stop_timeout` that draining may take; the rest is for the process to end.
const DRAIN: f32 = 0.9;

/// The running system.
pub struct Pipeline {
    /// What it runs by.
    config: Config,
    /// A reload and a switch go one after the other.
    watched: Arc<Mutex<Watched>>,
    cameras: watch::Receiver<mqtt::Cameras>,
    connection: watch::Sender<Option<watch::Receiver<Connection>>>,
    delivery: Arc<Mutex<Option<Delivery>>>,
    shared: Shared,
    /// Joins everything in pipeline order.
    whole: JoinHandle<()>,
}

/// What the parts share.
#[derive(Clone)]
struct Shared {
    inbox: Arc<Inbox>,
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
    progress: Arc<Progress>,
    clock: Clock,
    /// Ends the sources, and with them, one after the other, everything behind them.
    stopping: CancellationToken,
    audience: Arc<dyn Audience>,
    /// Every rule as it stands: the analyst writes, delivery reads.
    rules: watch::Sender<RuleStates>,
    /// Makes pictures of what was described, if the config asks for any.
    snapshots: Arc<Snapshots>,
    desk: Arc<Questions>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Starts every stage. Nothing of it fails: what is wrong with a camera or the broker is said in their health. `model`
    /// may be shared (`Arc<Model>`): it outlives the pipeline then.
    #[must_use]
    pub fn start(
        config: &Config,
        model: impl Ask + 'static,
        outbox: Outbox,
        metrics: Arc<Metrics>,
        clock: Clock,
        audience: Arc<dyn Audience>,
    ) -> Self {
        Self::begin(config, model, outbox, None, metrics, clock, audience)
    }

    /// The same for clips that play as fast as they are understood, such that the same clips give the same events each
    /// time: their ids come from `seed`, nothing in them depends on how fast the machine is, and the model has all the time
    /// it needs. Events wait in memory.
    #[must_use]
    pub fn replay(
        config: &Config,
        model: impl Ask + 'static,
        seed: u64,
        metrics: Arc<Metrics>,
        clock: Clock,
        audience: Arc<dyn Audience>,
    ) -> Self {
        Self::begin(config, model, Outbox::new(&config.outbox, clock), Some(seed), metrics, clock, audience)
    }

    fn begin(
        config: &Config,
        model: impl Ask + 'static,
        outbox: Outbox,
        seed: Option<u64>,
        metrics: Arc<Metrics>,
        clock: Clock,
        audience: Arc<dyn Audience>,
    ) -> Self {
        let (calibrations, wrong) =
            Calibrations::of(&config.model.settings.path, config.state.as_deref(), model.label());
        wrong.iter().for_each(|words| warn!("{words}"));
        let model = Arc::new(model);
        let calibrations = Arc::new(calibrations);
        let analyst_settings = settings::analyst(config, calibrations.clone(), seed);
        let (desk, orders) = Questions::new(analyst_settings.general, calibrations, metrics.clone(), clock);
        let shared = Shared {
            inbox: Arc::new(Inbox::new(&analyst_settings, clock)),
            outbox: Arc::new(outbox),
            progress: Arc::default(),
            stopping: CancellationToken::new(),
            snapshots: Arc::new(Snapshots::new(metrics.clone())),
            metrics,
            clock,
            audience,
            rules: watch::Sender::default(),
            desk,
        };
        settings::apply_snapshots(config, &shared.snapshots);
        // A replay plays its camera whatever became of it elsewhere.
        let mut watched = Watched::new(config.state.as_deref().filter(|_| seed.is_none()));
        watched.start_all(&config.cameras, &shared);
        let analyst = start_analyst(analyst_settings, model.clone(), &shared);
        let (cameras, sources) = (watched.list(), watched.all_ended());
        let (connection, delivery) = delivery::start(config.mqtt.clone(), cameras.clone(), &shared);
        let delivery = Arc::new(Mutex::new(Some(delivery)));
        let watched = Arc::new(Mutex::new(watched));
        let (inbox, outbox, last, stopping) =
            (shared.inbox.clone(), shared.outbox.clone(), delivery.clone(), shared.stopping.clone());
        let answering = desk::serve(shared.desk.clone(), model, inbox.clone(), stopping.clone());
        let answering = AbortOnDropHandle::new(tokio::spawn(answering));
        let switching = cameras::switch(orders, watched.clone(), shared.clone(), stopping);
        let switching = AbortOnDropHandle::new(tokio::spawn(switching));
        let desk = shared.desk.clone();
        let whole = tokio::spawn(async move {
            sources.await;
            desk.close();
            joined("questions", answering.await);
            // It ends with the daemon; what is over is not turned on again.
            drop(switching);
            inbox.close();
            joined("analyst", analyst.await);
            if let Some(delivery) = last.lock().await.take() {
                delivery.stop().await;
            }
            outbox.close().await;
        });
        let connection = watch::Sender::new(connection);
        Self { config: config.clone(), watched, cameras, connection, delivery, shared, whole }
    }

    /// How it is, for whoever asks from outside.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        Vitals {
            progress: self.shared.progress.clone(),
            outbox: self.shared.outbox.clone(),
            cameras: self.cameras.clone(),
            connection: self.connection.subscribe(),
        }
    }

    /// Every camera with its health, in the config's order.
    #[must_use]
    pub fn cameras(&self) -> mqtt::Cameras {
        self.cameras.borrow().clone()
    }

    /// Where questions about what the cameras see go.
    #[must_use]
    pub fn desk(&self) -> Arc<dyn Desk> {
        self.shared.desk.clone()
    }

    /// The broker's state; `None` without a broker.
    #[must_use]
    pub fn connection(&self) -> Option<watch::Receiver<Connection>> {
        self.connection.borrow().clone()
    }

    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.shared.outbox
    }

    /// Returns when all sources have ended by themselves (clips that do not repeat) and all of it is delivered.
    pub async fn ended(&mut self) {
        if let Err(error) = (&mut self.whole).await {
            warn!(%error, "the pipeline ended badly");
        }
    }

    /// Stops in pipeline order: sources, gates, analyst, delivery. Returns whether all of it ended in time.
    pub async fn stop(mut self) -> bool {
        self.shared.stopping.cancel();
        let drain: Duration = self.config.stop_timeout.mul_f32(DRAIN);
        let (watched, whole) = (&self.watched, &mut self.whole);
        let ends = async {
            watched.lock().await.end();
            whole.await
        };
        let in_time = timeout(drain, ends).await.is_ok();
        if !in_time {
            self.whole.abort();
            // What was acknowledged shall not come again, if that can still be written.
            timeout(LAST_WRITE, self.shared.outbox.close()).await.ok();
        }
        in_time
    }
}

/// For what the outbox has not written when a stop took too long.
const LAST_WRITE: Duration = Duration::from_millis(300);

fn start_analyst(settings: analyst::Settings, model: impl Ask + 'static, shared: &Shared) -> JoinHandle<()> {
    let (kept, announcing) = announce::start(shared);
    let listener = Deliver {
        outbox: shared.outbox.clone(),
        metrics: shared.metrics.clone(),
        beat: shared.progress.part("analyst", shared.clock.now()),
        clock: shared.clock,
        kept,
        audience: shared.audience.clone(),
        rules: shared.rules.clone(),
        snapshots: shared.snapshots.clone(),
    };
    let (inbox, clock, stopping) = (shared.inbox.clone(), shared.clock, shared.stopping.clone());
    let shared = shared.clone();
    tokio::spawn(async move {
        unfinished::tell(&shared).await;
        analyst::run(settings, inbox, model, listener, clock, stopping).await;
        joined("announcing", announcing.await);
    })
}

fn joined(part: &str, result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result {
        warn!(part, %error, "a part of the pipeline ended badly");
    }
}
