//! The one frame of a clip that is worth a description: the clip goes through the same source and gate as a camera.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use crate::clock::Clock;
use crate::frame::{Frame, Picture};
use crate::gate::{self, EndReason, Gate, Observation, Signal};
use crate::health::CameraHealth;
use crate::ids::CameraId;
use crate::source::{self, Decode, Location, Pace, mailbox};

/// Frames per second that are looked at.
const FPS: f32 = 5.0;

/// A picture and the second of the clip at which it stands.
pub(super) struct Pick {
    pub(super) picture: Picture,
    pub(super) second: f64,
}

/// The start of the event with the largest moving region; if nothing moves, the first frame.
pub(super) async fn pick(path: &Path, clock: Clock) -> Result<Pick, Failure> {
    source::init().map_err(|error| Failure::running("GStreamer", &error))?;
    let camera = CameraId::new("clip").expect("a constant id");
    let settings = source::Settings {
        camera: camera.clone(),
        location: Location::File { path: path.to_owned(), pace: Pace::Fast, repeat: false },
        decode: Decode::All,
        decoder: None,
        fps: FPS,
        timeout: Duration::from_secs(20),
        settle: Duration::from_secs(2),
    };
    let (frames_in, mut frames) = mailbox::channel();
    let (health_in, health) = watch::channel(CameraHealth::starting(clock.now().wall));
    let cancel = CancellationToken::new();
    let _cancelled_on_return = cancel.clone().drop_guard();
    tokio::spawn(source::run(settings, clock, Arc::default(), Arc::default(), frames_in, health_in, cancel));

    let mut gate = Gate::new(camera, gate::Settings::default());
    let mut best = Best::default();
    let mut last = None;
    while let Some(frame) = frames.take().await {
        best.first.get_or_insert_with(|| frame.clone());
        last = Some(frame.at);
        best.look(gate.observe(frame));
    }
    if let Some(at) = last {
        best.look(gate.interrupt(at, EndReason::Stopped));
    }
    let frame =
        best.moving.map(|(frame, _)| frame).or(best.first).ok_or_else(|| {
            Failure::failed(format!("`{}` gave no frame: {}", path.display(), health.borrow().reason))
        })?;
    Ok(Pick { second: frame.pts.unwrap_or_default().as_secs_f64(), picture: frame.picture })
}

#[derive(Default)]
struct Best {
    first: Option<Frame>,
    moving: Option<(Frame, f32)>,
}

impl Best {
    fn look(&mut self, observation: Observation) {
        for signal in observation.signals {
            let Signal::Start(candidate) = signal else { continue };
            let area = candidate.region.map_or(0.0, |region| region.area());
            if self.moving.as_ref().is_none_or(|(_, best)| area > *best) {
                self.moving = Some((candidate.frame, area));
            }
        }
    }
}
