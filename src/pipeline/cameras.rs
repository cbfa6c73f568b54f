//! The cameras that are watched: started, changed, stopped one by one, while the others go on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument, info_span};

use super::camera::CameraLoop;
use super::{Shared, rules, settings};
use crate::config::CameraConfig;
use crate::gate::{self, Gate};
use crate::health::{CameraHealth, CameraState};
use crate::ids::CameraId;
use crate::mqtt;
use crate::source::{self, Counters, Demand, mailbox};

/// Beyond what a source needs to see that its camera is silent, on a busy machine.
const SLACK: Duration = Duration::from_secs(60);

/// All cameras of the config, in its order.
pub(super) struct Watched {
    cameras: Vec<Camera>,
    /// The list as delivery sees it.
    list: watch::Sender<mqtt::Cameras>,
    /// Counts the gates that run.
    running: TaskTracker,
}

struct Camera {
    id: CameraId,
    health: watch::Receiver<CameraHealth>,
    /// `None`: it is disabled.
    running: Option<Running>,
}

struct Running {
    lane: usize,
    leaving: CancellationToken,
    gate: watch::Sender<gate::Settings>,
    /// Comes when the gate has settled its last frame.
    over: oneshot::Receiver<()>,
}

impl Watched {
    pub(super) fn new() -> Self {
        let running = TaskTracker::new();
        // Closed, it still takes tasks; it only says when there are none.
        running.close();
        Self { cameras: Vec::new(), list: watch::Sender::new(Arc::new([])), running }
    }

    /// While this is kept, [`Watched::all_ended`] does not return.
    pub(super) fn last(&self) -> TaskTrackerToken {
        self.running.token()
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
        self.cameras = cameras.iter().map(|camera| self.start(camera, shared)).collect();
        self.publish();
    }

    /// Brings what runs from the `old` configs to the `new` ones. Cameras that are the same are not touched.
    pub(super) async fn change(&mut self, old: &[CameraConfig], new: &[CameraConfig], shared: &Shared) {
        let mut before = std::mem::take(&mut self.cameras);
        // First what goes, so that a device is free for whoever opens it next.
        let mut leaving = Vec::new();
        let mut kept = Vec::new();
        for camera in before.drain(..) {
            let same_id = |config: &&CameraConfig| config.source.camera == camera.id;
            let (was, is) = (old.iter().find(same_id), new.iter().find(same_id));
            let stays = was.zip(is).is_some_and(|(was, is)| was.source == is.source && was.enabled == is.enabled);
            let for_good = is.is_none_or(|is| !is.enabled);
            if stays { kept.push(camera) } else { leaving.push((camera, for_good)) }
        }
        for (camera, _) in &leaving {
            camera.leave();
        }
        for (camera, for_good) in leaving {
            camera.left(shared, for_good).await;
        }
        rules::list(&shared.rules, new, shared.clock.now().wall);
        for config in new {
            match kept.iter().position(|camera| camera.id == config.source.camera) {
                Some(index) => {
                    let camera = kept.swap_remove(index);
                    camera.adjust(config, shared);
                    self.cameras.push(camera);
                }
                None => {
                    let camera = self.start(config, shared);
                    self.cameras.push(camera);
                }
            }
        }
        self.publish();
    }

    fn publish(&self) {
        let cameras = self.cameras.iter().map(|camera| (camera.id.clone(), camera.health.clone()));
        self.list.send_replace(cameras.collect());
    }

    fn start(&self, config: &CameraConfig, shared: &Shared) -> Camera {
        let (id, since) = (config.source.camera.clone(), shared.clock.now().wall);
        if !config.enabled {
            let disabled = CameraHealth {
                state: CameraState::Disabled,
                since,
                reason: "disabled in the config".into(),
                failures: 0,
            };
            return Camera { id, health: watch::channel(disabled).1, running: None };
        }
        let (health_in, health) = watch::channel(CameraHealth::starting(since));
        // Known from the start, so that an alert need not wait for the first picture.
        shared.metrics.camera_up(id.as_str(), false);
        let running = self.run(config, health_in, health.clone(), shared);
        Camera { id, health, running: Some(running) }
    }

    fn run(
        &self,
        config: &CameraConfig,
        health_in: watch::Sender<CameraHealth>,
        health: watch::Receiver<CameraHealth>,
        shared: &Shared,
    ) -> Running {
        let id = config.source.camera.clone();
        let lane = shared.inbox.enter(settings::camera(config));
        let leaving = shared.stopping.child_token();
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
        };
        let (ended, over) = oneshot::channel();
        let work = async move {
            gate_loop.run().await;
            // Nobody may be waiting.
            ended.send(()).ok();
        };
        self.running.spawn(work.instrument(span));
        Running { lane, leaving, gate, over }
    }
}

impl Camera {
    fn leave(&self) {
        if let Some(running) = &self.running {
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
        // A camera that nobody watches is neither up nor down.
        if for_good {
            shared.metrics.forget_camera(self.id.as_str());
        } else {
            shared.metrics.camera_up(self.id.as_str(), false);
        }
    }

    /// Other settings for a camera whose source is the same.
    fn adjust(&self, config: &CameraConfig, shared: &Shared) {
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
