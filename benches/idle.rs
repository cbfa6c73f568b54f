//! What an idle camera costs, and how much later than with full decoding an event begins.
//!
//!     cargo bench --bench idle -- [--seconds N] [--visits N]
//!
//! A 1080p25 H.264 camera with two-second groups of pictures and mild sensor noise is served over RTSP by this process. At
//! the same time run: the program with `decode = "auto"`, the program with `decode = "all"`, and the floor: a
//! gst-launch-1.0 that receives, parses and decodes keyframes, and nothing else. CPU seconds are of the whole processes.
//! Then somebody walks through the picture a few times, at different moments of a group.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark ends at what it did not expect, and reads the clock"
)]

#[path = "../tests/support/rtsp_server.rs"]
#[expect(unreachable_pub, reason = "the tests share it")]
mod rtsp_server;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use rtsp_server::{RtspServer, Stream};

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;
const FPS: usize = 25;
const KEY_EVERY: usize = 2 * FPS;
/// The program is awake for a while after it has connected.
const WARM_UP: Duration = Duration::from_secs(12);
/// A visit begins so many frames after its keyframe, each time later.
const PHASES: [usize; 6] = [7, 21, 46, 33, 2, 14];
/// Whole groups.
const SETTLING: usize = 2 * KEY_EVERY;
const WALK: usize = 3 * FPS;
const BETWEEN: usize = 8 * FPS;

fn main() {
    let seconds = option("--seconds").unwrap_or(60);
    let visits = option("--visits").unwrap_or(4).min(PHASES.len());
    gstreamer::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::new();
    let calm = encode(&scene, std::iter::repeat_n(None, 10 * FPS));
    println!("idle stream: {:.0} kbit/s", kbits(&calm));
    cost(folder.path(), &calm, seconds);
    delay(folder.path(), &scene, &calm, visits);
}

fn option(name: &str) -> Option<usize> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1).and_then(|value| value.parse().ok())
}

fn cost(folder: &Path, calm: &[Unit], seconds: usize) {
    if seconds == 0 {
        return;
    }
    let film = folder.join("idle.mp4");
    let length = (seconds + 3 * WARM_UP.as_secs() as usize) * FPS;
    mux(calm.iter().cycle().take(length), &film);
    let server = RtspServer::start(&Stream::File { path: film });
    let auto = Daemon::start(folder, "auto", &server.url());
    let all = Daemon::start(folder, "all", &server.url());
    let floor = Floor::start(&server.url());
    std::thread::sleep(WARM_UP);
    let processes = [auto.child.id(), all.child.id(), floor.0.id()];
    let before = processes.map(cpu_seconds);
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let after = processes.map(cpu_seconds);
    let used: Vec<f64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    for (name, used) in ["auto", "all", "floor"].iter().zip(&used) {
        println!("{name:<6} {used:7.2} CPU s in {seconds} s ({:.2} % of a core)", 100.0 * used / seconds as f64);
    }
    println!("auto / floor: {:.2} (goal: at most 1.3)", used[0] / used[2]);
    println!("auto / all:   {:.2} (goal: at most 0.35)", used[0] / used[1]);
}

fn delay(folder: &Path, scene: &Scene, calm: &[Unit], visits: usize) {
    if visits == 0 {
        return;
    }
    let (mut units, mut begins) = (calm.to_vec(), Vec::new());
    for phase in &PHASES[..visits] {
        units.extend(calm.iter().take(BETWEEN).cloned());
        begins.push(units.len() + phase);
        let walk = |n: usize| n.checked_sub(*phase).filter(|n| *n < WALK);
        units.extend(encode(scene, (0..(phase + WALK).next_multiple_of(KEY_EVERY)).map(walk)));
    }
    units.extend(calm.iter().take(BETWEEN).cloned());
    let film = folder.join("visits.mp4");
    mux(units.iter(), &film);
    let sent: Arc<Mutex<Sent>> = Arc::default();
    let noting = sent.clone();
    let server = RtspServer::start_watched(&Stream::File { path: film }, move |media, pts| {
        let mut sent = noting.lock().unwrap();
        let count = sent.len().max(media + 1);
        sent.resize_with(count, Vec::new);
        sent[media].push((pts, Instant::now()));
    });
    let daemons = ["auto", "all"].map(|decode| (decode, Daemon::start(folder, decode, &server.url())));
    let length = Duration::from_secs((units.len() / FPS) as u64);
    std::thread::sleep(length + Duration::from_secs(6));
    let mut all = Vec::new();
    for (media, (decode, daemon)) in daemons.iter().enumerate() {
        let sent = sent.lock().unwrap()[media].clone();
        let starts: Vec<Instant> = daemon.starts();
        let delays: Vec<Option<f64>> = begins.iter().map(|begin| delay_of(*begin, &sent, &starts)).collect();
        let known: Vec<f64> = delays.iter().flatten().copied().collect();
        let mean = 1000.0 * known.iter().sum::<f64>() / known.len().max(1) as f64;
        let shown: Vec<String> =
            delays.iter().map(|delay| delay.map_or("missed".to_owned(), |d| format!("{:.0}", 1000.0 * d))).collect();
        println!("{decode:<5} first moving frame to start message: mean {mean:.0} ms ({} ms)", shown.join(", "));
        all.push(mean);
    }
    println!("auto - all: {:.0} ms (goal: at most 300)", all[0] - all[1]);
}

/// When each frame was sent, per client, with its time in the stream.
type Sent = Vec<Vec<(Duration, Instant)>>;

/// From the moment at which frame `begin` was sent to the first start after it.
fn delay_of(begin: usize, sent: &[(Duration, Instant)], starts: &[Instant]) -> Option<f64> {
    let pts = Duration::from_millis((begin * 1000 / FPS) as u64);
    let (_, moment) = sent.iter().find(|(at, _)| *at >= pts)?;
    let start = starts.iter().find(|start| *start > moment)?;
    let delay = start.duration_since(*moment).as_secs_f64();
    (delay < 8.0).then_some(delay)
}

/// One coded picture.
#[derive(Clone)]
struct Unit(gstreamer::Buffer);

fn kbits(units: &[Unit]) -> f64 {
    let bytes: usize = units.iter().map(|unit| unit.0.size()).sum();
    bytes as f64 * 8.0 / 1000.0 * FPS as f64 / units.len() as f64
}

/// A photograph, with noise, and somebody who walks through it.
struct Scene {
    luma: Vec<u8>,
    noise: Vec<i8>,
}

impl Scene {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny/fixtures/coffee_330.png");
        let photo = image::open(path).unwrap();
        let filter = image::imageops::FilterType::Triangle;
        let luma = photo.resize_exact(WIDTH as u32, HEIGHT as u32, filter).to_luma8().into_raw();
        let mut rng = fastrand::Rng::with_seed(1);
        // About normal, with a standard deviation of 1.3 grey levels.
        let noise =
            (0..1 << 22).map(|_| ((0..4).map(|_| rng.f32()).sum::<f32>() - 2.0) * 2.25).map(|n| n.round() as i8);
        Self { luma, noise: noise.collect() }
    }

    /// I420. `step`: of the walk.
    fn frame(&self, n: usize, step: Option<usize>) -> Vec<u8> {
        let offset = n.wrapping_mul(1_000_003);
        let noisy = |(i, v): (usize, &u8)| v.saturating_add_signed(self.noise[(i + offset) % self.noise.len()]);
        let mut frame: Vec<u8> = self.luma.iter().enumerate().map(noisy).collect();
        if let Some(step) = step {
            // In from the left at walking pace, in a chequered shirt.
            let right = step * 24;
            for y in 300..900 {
                for x in right.saturating_sub(240)..right.min(WIDTH) {
                    frame[y * WIDTH + x] = if (right - x) / 24 % 2 == y / 40 % 2 { 40 } else { 90 };
                }
            }
        }
        frame.resize(WIDTH * HEIGHT * 3 / 2, 128);
        frame
    }
}

/// Encodes frames, each with its step of the walk; the first is a keyframe. The encoder has settled before the first of them, as a camera's has:
/// its first groups cost many times as much as a calm scene does later.
fn encode(scene: &Scene, steps: impl Iterator<Item = Option<usize>>) -> Vec<Unit> {
    let pipeline = launch(&format!(
        "appsrc name=src format=time block=true caps=video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={FPS}/1 \
         ! x264enc pass=qual quantizer=26 speed-preset=veryfast tune=zerolatency key-int-max={KEY_EVERY} \
         option-string=scenecut=0 ! video/x-h264,stream-format=byte-stream,alignment=au,profile=high \
         ! appsink name=sink sync=false"
    ));
    let src = pipeline.by_name("src").unwrap().downcast::<AppSrc>().unwrap();
    let sink = pipeline.by_name("sink").unwrap().downcast::<AppSink>().unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let taking = std::thread::spawn(move || {
        let mut units = Vec::new();
        while let Ok(sample) = sink.pull_sample() {
            units.push(Unit(sample.buffer_owned().unwrap()));
        }
        units
    });
    for (n, step) in std::iter::repeat_n(None, SETTLING).chain(steps).enumerate() {
        let mut buffer = gstreamer::Buffer::from_slice(scene.frame(n, step));
        buffer.get_mut().unwrap().set_pts(gstreamer::ClockTime::from_mseconds((n * 1000 / FPS) as u64));
        src.push_buffer(buffer).unwrap();
    }
    src.end_of_stream().unwrap();
    let units = taking.join().unwrap();
    pipeline.set_state(gstreamer::State::Null).unwrap();
    units[SETTLING..].to_vec()
}

/// Writes the units as a film, one frame time apart.
fn mux<'a>(units: impl Iterator<Item = &'a Unit>, path: &Path) {
    let pipeline = launch(&format!(
        "appsrc name=src format=time block=true caps=video/x-h264,stream-format=byte-stream,alignment=au,framerate={FPS}/1 \
         ! h264parse ! mp4mux ! filesink location=\"{}\"",
        path.display()
    ));
    let src = pipeline.by_name("src").unwrap().downcast::<AppSrc>().unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    for (n, unit) in units.enumerate() {
        let mut buffer = unit.0.copy();
        let at = gstreamer::ClockTime::from_mseconds((n * 1000 / FPS) as u64);
        let inner = buffer.make_mut();
        inner.set_pts(at);
        inner.set_dts(at);
        src.push_buffer(buffer).unwrap();
    }
    src.end_of_stream().unwrap();
    let types = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gstreamer::ClockTime::from_seconds(60), &types);
    assert_eq!(end.unwrap().type_(), gstreamer::MessageType::Eos);
    pipeline.set_state(gstreamer::State::Null).unwrap();
}

fn launch(text: &str) -> gstreamer::Pipeline {
    gstreamer::parse::launch(text).unwrap().downcast::<gstreamer::Pipeline>().unwrap()
}

/// The program, watching one camera.
struct Daemon {
    child: Child,
    starts: Arc<Mutex<Vec<Instant>>>,
}

impl Daemon {
    /// Returns when the camera is online.
    fn start(folder: &Path, decode: &str, url: &str) -> Self {
        let config: PathBuf = folder.join(format!("{decode}.toml"));
        let text = format!(
            "node = \"bench\"\n[outbox]\npath = \"off\"\n[http]\nlisten = \"off\"\n[model]\nthreads = 1\n[[camera]]\nid = \"{decode}\"\nurl = \"{url}\"\ndecode = \"{decode}\"\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_eyewitness"))
            .args(["run", "--config"])
            .arg(&config)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (log, starts) = (BufReader::new(child.stderr.take().unwrap()), Arc::new(Mutex::new(Vec::new())));
        let (online, is_online) = mpsc::sync_channel(1);
        let noted = starts.clone();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if line.contains("type=\"start\"") {
                    noted.lock().unwrap().push(Instant::now());
                } else if line.contains("online") {
                    online.try_send(()).ok();
                } else if line.contains("WARN") || line.contains("ERROR") {
                    println!("{line}");
                }
            }
        });
        if is_online.recv_timeout(Duration::from_secs(20)).is_err() {
            panic!("`decode = {decode}` does not come online");
        }
        Self { child, starts }
    }

    fn starts(&self) -> Vec<Instant> {
        self.starts.lock().unwrap().clone()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What cannot be done without: receive, parse, decode keyframes.
struct Floor(Child);

impl Floor {
    fn start(url: &str) -> Self {
        let source = format!("location={url}");
        let row = "protocols=tcp latency=200 ! rtph264depay ! h264parse ! identity drop-buffer-flags=delta-unit \
                   ! avdec_h264 ! fakesink sync=false";
        let child = Command::new("gst-launch-1.0")
            .args(["-q", "rtspsrc", &source])
            .args(row.split_whitespace())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// User and system time of a process so far.
fn cpu_seconds(pid: u32) -> f64 {
    let stat =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_else(|_| panic!("process {pid} has ended"));
    // The name may hold anything; what follows it is counted from the last bracket.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    // Ticks are hundredths of a second on every Linux that there is.
    ticks / 100.0
}
