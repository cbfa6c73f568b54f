//! The cameras that are watched: started, changed, turned off and on, stopped one by one, while the others go on.

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument, info, info_span, warn};

use super::camera::CameraLoop;
use super::desk::{Newest, Order, Seat};
use super::switches::Switches;
use super::{Shared, rules, settings};
use crate::config::CameraConfig;
use crate::gate::{self, EndReason, Gate};
use crate::health::{CameraHealth, CameraState};
use crate::ids::CameraId;
use crate::mqtt;
use crate::source::{self, Counters, Demand, mailbox};
use crate::units::Polygon;

/// Beyond what a source needs to see that its camera is silent, on a busy machine.
const SLACK: Duration = Duration::from_secs(60);

/// Why a camera is disabled, in its health.
const NOT_ENABLED: &str = "disabled in the config";
const TURNED_OFF: &str = "turned off";

/// All cameras of the config, in its order.
pub(super) struct Watched {
    /// What they run by.
    wanted: Vec<Wanted>,
    cameras: Vec<Camera>,
    switches: Switches,
    /// Kept while the pipeline is not to end by itself, although no camera may be running.
    lasting: Option<TaskTrackerToken>,
    /// The list as delivery sees it.
    list: watch::Sender<mqtt::Cameras>,
    /// Counts the gates that run.
    running: TaskTracker,
}

/// A camera as config and switch have it.
#[derive(Clone)]
struct Wanted {
    config: CameraConfig,
    /// Why it is not watched; `None`: it is.
    off: Option<&'static str>,
}

struct Camera {
    id: CameraId,
    masks: Arc<[Polygon]>,
    newest: Newest,
    health: watch::Receiver<CameraHealth>,
    /// `None`: it is disabled.
    running: Option<Running>,
}

struct Running {
    lane: usize,
    leaving: CancellationToken,
    why: Arc<OnceLock<EndReason>>,
    gate: watch::Sender<gate::Settings>,
    /// Comes when the gate has settled its last frame.
    over: oneshot::Receiver<()>,
}

impl Watched {
    /// Switches are kept in the `state` folder, if there is one.
    pub(super) fn new(state: Option<&Path>) -> Self {
        let running = TaskTracker::new();
        // Closed, it still takes tasks; it only says when there are none.
        running.close();
        let (switches, warning) = Switches::open(state);
        if let Some(warning) = warning {
            warn!("{warning}");
        }
        let list = watch::Sender::new(mqtt::Cameras::from([]));
        Self { wanted: Vec::new(), cameras: Vec::new(), switches, lasting: None, list, running }
    }

    /// From now on it ends with the last camera.
    pub(super) fn end(&mut self) {
        self.lasting = None;
    }

    /// Returns when no gate runs any more.
    pub(super) fn all_ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let running = self.running.clone();
        async move { running.wait().await }
    }

    /// Every camera with its health; another list when the config changes.
    pub(super) fn list(&self) -> watch::Receiver<mqtt::Cameras> {
        self.list.subscribe()
    }

    pub(super) fn start_all(&mut self, cameras: &[CameraConfig], shared: &Shared) {
        rules::list(&shared.rules, cameras, shared.clock.now().wall);
        self.wanted = self.want(cameras);
        self.last_or_not(shared);
        self.cameras = self.wanted.iter().map(|wanted| self.start(wanted, shared)).collect();
        self.publish(shared);
    }

    /// Brings what runs to other configs. Cameras that are the same are not touched.
    pub(super) async fn change(&mut self, configs: &[CameraConfig], shared: &Shared) {
        // While the last camera is changed for another, there is none; that is no end.
        let _meanwhile = self.running.token();
        let new = self.want(configs);
        let old = std::mem::replace(&mut self.wanted, new.clone());
        self.last_or_not(shared);
        let mut before = std::mem::take(&mut self.cameras);
        // First what goes, so that a device is free for whoever opens it next.
        let mut leaving = Vec::new();
        let mut kept = Vec::new();
        for camera in before.drain(..) {
            let same_id = |wanted: &&Wanted| *wanted.id() == camera.id;
            let (was, is) = (old.iter().find(same_id), new.iter().find(same_id));
            let stays = was.zip(is).is_some_and(|(was, is)| was.config.source == is.config.source && was.off == is.off);
            if stays { kept.push(camera) } else { leaving.push((camera, is.map(|is| is.off))) }
        }
        for (camera, is) in &leaving {
            camera.leave(if *is == Some(Some(TURNED_OFF)) { EndReason::TurnedOff } else { EndReason::Reconfigured });
        }
        for (camera, is) in leaving {
            // Gone from the config, or disabled there: a camera that nobody watches is neither up nor down.
            let for_good = is.is_none_or(|off| off.is_some());
            camera.left(shared, for_good).await;
        }
        rules::list(&shared.rules, configs, shared.clock.now().wall);
        for wanted in &new {
            match kept.iter().position(|camera| camera.id == *wanted.id()) {
                Some(index) => {
                    let mut camera = kept.swap_remove(index);
                    camera.adjust(&wanted.config, shared);
                    self.cameras.push(camera);
                }
                None => {
                    let camera = self.start(wanted, shared);
                    self.cameras.push(camera);
                }
            }
        }
        self.publish(shared);
    }

    /// Turns a camera off or on, and keeps that. One that has left meanwhile is no error.
    async fn turn(&mut self, Order { camera, on }: Order, shared: &Shared) {
        if !self.wanted.iter().any(|wanted| *wanted.id() == camera) {
            return;
        }
        info!(%camera, "turned {}", if on { "on" } else { "off" });
        self.switches.set(camera.clone(), on);
        let configs: Vec<_> = self.wanted.iter().map(|wanted| wanted.config.clone()).collect();
        self.change(&configs, shared).await;
        let switches = self.switches.clone();
        let written = spawn_blocking(move || switches.write()).await;
        if let Err(problem) = written.map_err(|error| error.to_string()).and_then(|written| written) {
            warn!(%camera, problem, "this switch will not survive a restart");
        }
    }

    /// What config and switches come to. Cameras that left the config lose their switches.
    fn want(&mut self, configs: &[CameraConfig]) -> Vec<Wanted> {
        self.switches.keep(&configs.iter().map(|config| &config.source.camera).collect());
        let one = |config: &CameraConfig| {
            let off = match self.switches.of(&config.source.camera) {
                Some(true) => None,
                Some(false) => Some(TURNED_OFF),
                None => (!config.enabled).then_some(NOT_ENABLED),
            };
            Wanted { config: config.clone(), off }
        };
        configs.iter().map(one).collect()
    }

    fn last_or_not(&mut self, shared: &Shared) {
        let on = self.wanted.iter().filter(|wanted| wanted.off.is_none()).map(|wanted| &wanted.config);
        let lasts = !settings::ends_by_itself(on) && !shared.stopping.is_cancelled();
        self.lasting = lasts.then(|| self.running.token());
    }

    fn publish(&self, shared: &Shared) {
        let seat = |camera: &Camera| Seat {
            health: camera.health.clone(),
            masks: camera.masks.clone(),
            newest: camera.newest.clone(),
        };
        shared.desk.seat(self.cameras.iter().map(|camera| (camera.id.clone(), seat(camera))).collect());
        let cameras = self.cameras.iter().map(|camera| (camera.id.clone(), camera.health.clone()));
        self.list.send_replace(cameras.collect());
    }

    fn start(&self, wanted: &Wanted, shared: &Shared) -> Camera {
        let config = &wanted.config;
        let (id, since) = (config.source.camera.clone(), shared.clock.now().wall);
        let (masks, newest) = (config.gate.masks.clone().into(), Newest::default());
        if let Some(reason) = wanted.off {
            let disabled = CameraHealth { state: CameraState::Disabled, since, reason: reason.to_owned(), failures: 0 };
            return Camera { id, masks, newest, health: watch::channel(disabled).1, running: None };
        }
        let (health_in, health) = watch::channel(CameraHealth::starting(since));
        // Known from the start, so that an alert need not wait for the first picture.
        shared.metrics.camera_up(id.as_str(), false);
        let running = self.run(config, health_in, health.clone(), newest.clone(), shared);
        Camera { id, masks, newest, health, running: Some(running) }
    }

    fn run(
        &self,
        config: &CameraConfig,
        health_in: watch::Sender<CameraHealth>,
        health: watch::Receiver<CameraHealth>,
        newest: Newest,
        shared: &Shared,
    ) -> Running {
        let id = config.source.camera.clone();
        let lane = shared.inbox.enter(settings::camera(config));
        let leaving = shared.stopping.child_token();
        let why = Arc::<OnceLock<EndReason>>::default();
        let (frames_in, frames) = mailbox::channel();
        let (gate, gate_settings) = watch::channel(config.gate.clone());
        let counters = Arc::new(Counters::default());
        let demand = Arc::new(Demand::default());
        tokio::spawn(source::run(
            config.source.clone(),
            shared.clock,
            counters.clone(),
            demand.clone(),
            frames_in,
            health_in,
            leaving.clone(),
        ));
        let span = info_span!("camera", camera = %id);
        let gate_loop = CameraLoop {
            gate: Gate::new(id.clone(), config.gate.clone()),
            settings: gate_settings,
            beat: shared.progress.part(format!("camera {id}"), shared.clock.now()),
            camera: id,
            lane,
            frames,
            health,
            counters,
            demand,
            inbox: shared.inbox.clone(),
            metrics: shared.metrics.clone(),
            clock: shared.clock,
            audience: shared.audience.clone(),
            patient: settings::is_fast(config),
            stopping: shared.stopping.clone(),
            silence: config.source.timeout * 3 + SLACK,
            up: false,
            was_up: false,
            leaving: leaving.clone(),
            why: why.clone(),
            newest,
        };
        let (ended, over) = oneshot::channel();
        let work = async move {
            gate_loop.run().await;
            // Nobody may be waiting.
            ended.send(()).ok();
        };
        self.running.spawn(work.instrument(span));
        Running { lane, leaving, why, gate, over }
    }
}

/// Carries out orders, one after the other, until the daemon stops.
pub(super) async fn switch(
    mut orders: mpsc::Receiver<Order>,
    watched: Arc<Mutex<Watched>>,
    shared: Shared,
    stopping: CancellationToken,
) {
    loop {
        let order = tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            order = orders.recv() => order,
        };
        let Some(order) = order else { return };
        watched.lock().await.turn(order, &shared).await;
    }
}

impl Wanted {
    fn id(&self) -> &CameraId {
        &self.config.source.camera
    }
}

impl Camera {
    fn leave(&self, why: EndReason) {
        if let Some(running) = &self.running {
            // It leaves once.
            running.why.set(why).ok();
            running.leaving.cancel();
        }
    }

    /// Waits until its last frame is settled, which takes a second or so.
    async fn left(self, shared: &Shared, for_good: bool) {
        if let Some(running) = self.running {
            // An error says that it has ended, too.
            running.over.await.ok();
            shared.inbox.leave(running.lane);
        }
        if for_good {
            shared.metrics.forget_camera(self.id.as_str());
        } else {
            shared.metrics.camera_up(self.id.as_str(), false);
        }
    }

    /// Other settings for a camera whose source is the same.
    fn adjust(&mut self, config: &CameraConfig, shared: &Shared) {
        self.masks = config.gate.masks.clone().into();
        let Some(running) = &self.running else { return };
        running.gate.send_if_modified(|settings| {
            // Budgets and the age of answers are the analyst's: they are no reason to learn the scene anew.
            let gate::Settings { reuse_for, budget, share, .. } = config.gate;
            let changed = gate::Settings { reuse_for, budget, share, ..settings.clone() } != config.gate;
            settings.clone_from(&config.gate);
            changed
        });
        shared.inbox.enter(settings::camera(config));
    }
}
