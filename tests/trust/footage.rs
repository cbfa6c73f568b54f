//! Labelled clips as pictures, one a second, and the same as other cameras would show them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::frame::{Picture, PixelFormat};
use eyewitness::health::CameraHealth;
use eyewitness::ids::CameraId;
use eyewitness::source::{self, Decode, Location, Pace, mailbox};
use fastrand::Rng;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) struct Clip {
    path: PathBuf,
    name: String,
    fps: f32,
    visits: Vec<(f64, f64)>,
}

/// The clips with labels, if there are any here.
pub(crate) fn clips() -> Option<Vec<Clip>> {
    let folder = std::env::var_os("EYEWITNESS_CLIPS").map(PathBuf::from)?;
    let labels: Value = serde_json::from_slice(&std::fs::read(folder.join("labels.json")).ok()?).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let clips = labels["clips"].as_object().unwrap().iter().map(|(name, clip)| Clip {
        path: folder.join(name),
        name: name.clone(),
        fps: number(&clip["fps"]) as f32,
        visits: clip["events"].as_array().unwrap().iter().map(|e| (number(&e["from"]), number(&e["to"]))).collect(),
    });
    Some(clips.collect())
}

pub(crate) struct Footage {
    pub(crate) name: String,
    /// Visitors are people; else vehicles.
    pub(crate) people: bool,
    /// Second of the clip, and what it shows.
    pub(crate) frames: Vec<(f64, Picture)>,
    visits: Vec<(f64, f64)>,
}

impl Footage {
    pub(crate) async fn read(clip: &Clip) -> Self {
        source::init().unwrap();
        let clock = Clock::system();
        let settings = source::Settings {
            camera: CameraId::new("clip").unwrap(),
            location: Location::File { path: clip.path.clone(), pace: Pace::Fast, repeat: false },
            decode: Decode::All,
            decoder: None,
            fps: clip.fps,
            timeout: Duration::from_secs(20),
            settle: Duration::from_secs(2),
        };
        let (frames_in, mut frames) = mailbox::channel();
        let (health_in, _health) = watch::channel(CameraHealth::starting(clock.now().wall));
        let cancel = CancellationToken::new();
        tokio::spawn(source::run(settings, clock, Arc::default(), Arc::default(), frames_in, health_in, cancel));
        let mut kept = Vec::new();
        while let Some(frame) = frames.take().await {
            let second = frame.pts.unwrap_or_default().as_secs_f64();
            if second + 1e-6 >= kept.len() as f64 {
                // Copied, or the decoder would run out of buffers.
                kept.push((kept.len() as f64, Look::Day.of(&frame.picture, 0)));
            }
        }
        let people = clip.name.contains("person");
        Self { name: clip.name.clone(), people, frames: kept, visits: clip.visits.clone() }
    }

    pub(crate) fn there(&self, second: f64) -> bool {
        self.visits.iter().any(|(from, to)| (*from..*to).contains(&second))
    }

    pub(crate) fn at_an_edge(&self, second: f64) -> bool {
        self.visits.iter().any(|(from, to)| (second - from).abs() < 0.5 || (second - to).abs() < 0.5)
    }
}

/// How a camera shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Day,
    /// A quarter of the light, and noise of 6 of 255.
    Night,
    /// 640x360.
    Small,
    Grey,
}

impl Look {
    pub(crate) const ALL: [Self; 4] = [Self::Day, Self::Night, Self::Small, Self::Grey];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Day => "as it is",
            Self::Night => "night",
            Self::Small => "360 lines",
            Self::Grey => "grey",
        }
    }

    pub(crate) fn of(self, picture: &Picture, seed: u64) -> Picture {
        let (width, height) = match self {
            Self::Small => (640, 360),
            _ => (picture.width(), picture.height()),
        };
        let mut planes = yuv(picture, width, height);
        let mut random = Rng::with_seed(seed);
        for (index, plane) in planes.iter_mut().enumerate() {
            for value in plane {
                *value = match (self, index) {
                    (Self::Night, 0) => (16.0 + (*value - 16.0) * 0.25 + 6.0 * noise(&mut random)).clamp(16.0, 235.0),
                    (Self::Night, _) => (128.0 + (*value - 128.0) * 0.25 + 3.0 * noise(&mut random)).clamp(16.0, 240.0),
                    (Self::Grey, 1..) => 128.0,
                    _ => *value,
                };
            }
        }
        let bytes = planes.concat().into_iter().map(|value| value.round() as u8).collect();
        Picture::packed(width, height, PixelFormat::I420, picture.colour(), bytes).unwrap()
    }
}

/// About normal, of spread 1.
fn noise(random: &mut Rng) -> f32 {
    (0..4).map(|_| random.f32() - 0.5).sum::<f32>() * 3.0_f32.sqrt()
}

/// Luma, Cb and Cr of the picture at a size: each value the mean of what it covers.
fn yuv(picture: &Picture, width: u32, height: u32) -> [Vec<f32>; 3] {
    let (from_w, from_h) = (picture.width() as usize, picture.height() as usize);
    let (to_w, to_h) = (width as usize, height as usize);
    let half = |edge: usize| edge.div_ceil(2);
    let chroma = |channel: usize| {
        let (plane, step, offset) = match picture.format() {
            PixelFormat::Nv12 => (picture.plane(1), 2, channel),
            PixelFormat::I420 => (picture.plane(1 + channel), 1, 0),
            PixelFormat::Rgb => unreachable!("clips are not decoded to RGB"),
        };
        let at = |x: usize, y: usize| f32::from(plane.data[y * plane.stride + x * step + offset]);
        scaled(at, (half(from_w), half(from_h)), (half(to_w), half(to_h)))
    };
    let luma = picture.plane(0);
    let at = |x: usize, y: usize| f32::from(luma.data[y * luma.stride + x]);
    [scaled(at, (from_w, from_h), (to_w, to_h)), chroma(0), chroma(1)]
}

fn scaled(at: impl Fn(usize, usize) -> f32, from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    let cover = |index: usize, from: usize, to: usize| {
        let first = index * from / to;
        first..((index + 1) * from).div_ceil(to).min(from).max(first + 1)
    };
    let mut values = Vec::with_capacity(to.0 * to.1);
    for y in 0..to.1 {
        for x in 0..to.0 {
            let (columns, rows) = (cover(x, from.0, to.0), cover(y, from.1, to.1));
            let count = (columns.len() * rows.len()) as f32;
            let sum: f32 = rows.flat_map(|y| columns.clone().map(move |x| (x, y))).map(|(x, y)| at(x, y)).sum();
            values.push(sum / count);
        }
    }
    values
}
