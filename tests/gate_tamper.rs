//! Cameras that no longer see their scene, with real pictures: covered, out of focus, turned away; and what only looks
//! like it.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::path::Path;
use std::time::Duration;

use eyewitness::clock::Moment;
use eyewitness::event::Cause;
use eyewitness::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Range};
use eyewitness::gate::{Gate, Outcome, Settings, Signal};
use eyewitness::ids::CameraId;
use eyewitness::image;

/// A grey picture, 0 to 255.
#[derive(Clone)]
struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

impl Grey {
    /// A fixture scaled to 640 x 360, plainly: what matters is that its edges and textures are real.
    fn open(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny/fixtures").join(name);
        let picture = image::read_file(&path).unwrap();
        let (w, h) = (picture.width() as usize, picture.height() as usize);
        let plane = picture.plane(0);
        let (width, height) = (640, 360);
        let at = |x: usize, y: usize| {
            let rgb = &plane.data[y * plane.stride + 3 * x..][..3];
            0.3 * f32::from(rgb[0]) + 0.59 * f32::from(rgb[1]) + 0.11 * f32::from(rgb[2])
        };
        let pixel = |i: usize| {
            // Between the four nearest pixels.
            let place = |i: usize, to: usize, from: usize| ((i as f32 + 0.5) * from as f32 / to as f32 - 0.5).max(0.0);
            let (x, y) = (place(i % width, width, w), place(i / width, height, h));
            let (left, top) = (x as usize, y as usize);
            let (right, below) = ((left + 1).min(w - 1), (top + 1).min(h - 1));
            let (fx, fy) = (x.fract(), y.fract());
            let upper = at(left, top) * (1.0 - fx) + at(right, top) * fx;
            let lower = at(left, below) * (1.0 - fx) + at(right, below) * fx;
            upper * (1.0 - fy) + lower * fy
        };
        Self { width, height, pixels: (0..width * height).map(pixel).collect() }
    }

    fn map(&self, pixel: impl Fn(usize, usize, f32) -> f32) -> Self {
        let pixels = self.pixels.iter().enumerate().map(|(i, &v)| pixel(i % self.width, i / self.width, v)).collect();
        Self { pixels, ..*self }
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.pixels[y.min(self.height - 1) * self.width + x.min(self.width - 1)]
    }

    /// A box filter of `side` pixels.
    fn blurred(&self, side: usize) -> Self {
        let mean = |values: &mut dyn Iterator<Item = f32>| values.sum::<f32>() / side as f32;
        let half = side / 2;
        let across = self.map(|x, y, _| mean(&mut (0..side).map(|i| self.at((x + i).saturating_sub(half), y))));
        across.map(|x, y, _| mean(&mut (0..side).map(|i| across.at(x, (y + i).saturating_sub(half)))))
    }

    /// What a camera sees that looks `by` pixels further to the right; what lies there is the picture mirrored.
    fn turned(&self, by: usize) -> Self {
        let mirrored = |x: usize| {
            let x = x % (2 * self.width);
            if x < self.width { x } else { 2 * self.width - 1 - x }
        };
        self.map(|x, y, _| self.at(mirrored(x + by), y))
    }

    fn lit(&self, gain: f32) -> Self {
        self.map(|_, _, v| gain * v)
    }
}

/// A camera that sends what it is told, five times a second, with sensor noise.
struct Camera {
    gate: Gate,
    rng: fastrand::Rng,
    now: f64,
    seq: u64,
    fps: f64,
    told: Vec<String>,
    tampered: usize,
    settled: Vec<Outcome>,
}

impl Camera {
    fn new() -> Self {
        let gate = Gate::new(CameraId::new("tampered").unwrap(), Settings::default());
        let rng = fastrand::Rng::with_seed(5);
        Self { gate, rng, now: 0.0, seq: 0, fps: 5.0, told: Vec::new(), tampered: 0, settled: Vec::new() }
    }

    /// Sends `scene` for so many seconds; it may change with the time since then.
    fn see(&mut self, seconds: f64, mut scene: impl FnMut(f64) -> Grey) {
        let frames = (seconds * self.fps).round() as u32;
        for i in 0..frames {
            let picture = scene(f64::from(i) / self.fps);
            self.give(&picture);
        }
    }

    fn give(&mut self, grey: &Grey) {
        let (w, h) = (grey.width, grey.height);
        let mut data: Vec<u8> = grey
            .pixels
            .iter()
            .map(|v| (v * 0.86 + 16.0 + self.rng.f32() * 6.0 - 3.0).clamp(16.0, 235.0) as u8)
            .collect();
        data.resize(w * h * 3 / 2, 128);
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        let picture = Picture::packed(w as u32, h as u32, PixelFormat::I420, colour, data).unwrap();
        let at = Moment { mono: Duration::from_secs_f64(self.now), wall: jiff::Timestamp::UNIX_EPOCH };
        let camera = self.gate.camera().clone();
        let observation = self.gate.observe(Frame { camera, seq: self.seq, at, pts: None, lone: false, picture });
        self.settled.extend(observation.settled.iter().map(|settled| settled.outcome));
        for signal in observation.signals {
            self.told.push(match signal {
                Signal::Start(c) if c.cause == Cause::Tamper => {
                    self.tampered += 1;
                    format!("{:.1} {}, since {:.1}", self.now, c.reason.unwrap(), c.started_at.mono.as_secs_f64())
                }
                Signal::Start(c) => format!("{:.1} start {:?}", self.now, c.cause),
                Signal::Update(c) => format!("{:.1} update {:?}", self.now, c.cause),
                Signal::End { ended_at, .. } => format!("{:.1} end at {:.1}", self.now, ended_at.mono.as_secs_f64()),
            });
        }
        self.seq += 1;
        self.now += 1.0 / self.fps;
    }
}

const FIXTURES: [&str; 4] = ["astronaut_300.png", "chelsea.png", "coffee_330.png", "rocket.jpg"];

/// A hand comes from below within half a second and stays.
fn cover(scene: &Grey, t: f64, dark: f32) -> Grey {
    let from = (scene.height as f64 * (1.0 - t / 0.6).max(0.0)) as usize;
    scene.map(|x, y, v| if y >= from { dark + 0.01 * x as f32 } else { v })
}

#[test]
fn a_covered_camera_is_said_once_and_until_it_is_uncovered() {
    for name in FIXTURES {
        for dark in [4.0, 90.0] {
            let scene = Grey::open(name);
            let mut camera = Camera::new();
            camera.see(10.0, |_| scene.clone());
            camera.see(30.0, |t| cover(&scene, t, dark));
            camera.see(20.0, |t| cover(&scene, (0.6 - t).max(0.0), dark));
            println!("{name} {dark}: {:#?}", camera.told);
            assert_eq!(camera.tampered, 1, "{name}");
            assert!(camera.told[0].contains("the camera is covered, since 10."), "{name}");
            assert!(camera.told[0].starts_with("12."), "{name}");
            // Perhaps with words about the hand that goes away again.
            let end = camera.told.iter().find(|told| told.contains("end at 4")).unwrap();
            assert!(end.starts_with("40.") || end.starts_with("41."), "{name}: {end}");
        }
    }
}

#[test]
fn a_camera_out_of_focus_is_said_once_and_until_it_is_sharp() {
    for name in FIXTURES {
        let scene = Grey::open(name);
        let blurred = scene.blurred(11);
        let mut camera = Camera::new();
        camera.see(10.0, |_| scene.clone());
        camera.see(20.0, |_| blurred.clone());
        camera.see(10.0, |_| scene.clone());
        println!("{name}: {:#?}", camera.told);
        assert_eq!(camera.tampered, 1, "{name}");
        let at = camera.told.iter().position(|told| told.contains("the camera is out of focus, since 10.")).unwrap();
        assert!(camera.told[at].starts_with("15."), "{name}");
        // Perhaps with words about what moved while it became sharp.
        assert!(camera.told[at..].iter().any(|told| told.contains("end at 30.")), "{name}");
    }
}

#[test]
fn a_camera_that_is_turned_is_said_and_its_new_view_learnt() {
    for name in FIXTURES {
        for seconds in [1.0, 3.0] {
            let scene = Grey::open(name);
            let mut camera = Camera::new();
            camera.see(10.0, |_| scene.clone());
            camera.see(40.0, |t| scene.turned((500.0 * (t / seconds).min(1.0)) as usize));
            println!("{name} in {seconds} s: {:#?}", camera.told);
            assert_eq!(camera.tampered, 1, "{name}");
            assert!(camera.told.iter().any(|told| told.contains("the camera was turned away, since 1")), "{name}");
            assert!(camera.told.last().unwrap().contains("end at"), "{name}");
        }
    }
}

#[test]
fn what_passes_is_no_tampering() {
    for name in FIXTURES {
        let scene = Grey::open(name);
        let mut camera = Camera::new();
        camera.see(10.0, |_| scene.clone());
        // Someone close to the lens for a moment; a second out of focus; a second turned aside.
        camera.see(6.0, |t| if t < 1.2 { cover(&scene, t.min(1.2 - t), 30.0) } else { scene.clone() });
        let blurred = scene.blurred(11);
        camera.see(10.0, |t| if t < 3.0 { blurred.clone() } else { scene.clone() });
        println!("{name}: {:#?}", camera.told);
        assert_eq!(camera.tampered, 0, "{name}");
    }
}

#[test]
fn light_and_weather_are_no_tampering() {
    for name in FIXTURES {
        let scene = Grey::open(name);
        let fog = |t: f64| scene.map(|_, _, v| v + (200.0 - v) * (0.9 * (t / 180.0).min(1.0)) as f32);
        let mut camera = Camera::new();
        camera.see(10.0, |_| scene.clone());
        // A lamp goes off, on, and off altogether.
        camera.see(30.0, |t| scene.lit(if t % 10.0 < 5.0 { 0.15 } else { 1.0 }));
        camera.see(20.0, |t| scene.lit(if t < 10.0 { 0.0 } else { 1.0 }));
        assert_eq!(camera.tampered, 0, "lamp, {name}: {:?}", camera.told);
        // An infrared switch: a second of white, then a brighter and flatter picture.
        camera.see(30.0, |t| if t < 1.0 { scene.lit(9.0) } else { scene.map(|_, _, v| 70.0 + 0.5 * v) });
        assert_eq!(camera.tampered, 0, "infrared, {name}: {:?}", camera.told);
        camera.see(20.0, |_| scene.clone());
        camera.fps = 2.0;
        camera.see(240.0, fog);
        assert_eq!(camera.tampered, 0, "fog, {name}: {:?}", camera.told);
        camera.see(240.0, |t| fog((180.0 - t).max(0.0)));
        // Night falls within five minutes, to nothing at all.
        camera.see(400.0, |t| scene.lit((1.0 - t / 300.0).max(0.0) as f32));
        assert_eq!(camera.tampered, 0, "night, {name}: {:?}", camera.told);
    }
}

#[test]
fn cuts_are_news_and_not_tampering() {
    let scenes = FIXTURES.map(Grey::open);
    let mut camera = Camera::new();
    camera.see(10.0, |_| scenes[0].clone());
    camera.see(15.0, |t| scenes[(t / 1.5) as usize % 4].clone());
    let count = |camera: &Camera, what: &str| camera.told.iter().filter(|told| told.contains(what)).count();
    println!("{:#?}", camera.told);
    // One event, told at the first cut and again at each other.
    assert_eq!((camera.tampered, count(&camera, "start Novelty"), count(&camera, "update Novelty")), (0, 1, 8));
    // Slower ones are an event each.
    camera.see(5.0, |_| scenes[1].clone());
    camera.see(40.0, |t| scenes[(t / 8.0) as usize % 4].clone());
    assert_eq!((camera.tampered, count(&camera, "start Novelty")), (0, 6));
}

#[test]
fn a_cut_for_good_from_a_long_known_scene_is_a_turned_camera() {
    let (home, away) = (Grey::open(FIXTURES[0]), Grey::open(FIXTURES[2]));
    let mut camera = Camera::new();
    camera.fps = 1.0;
    camera.see(660.0, |_| home.clone());
    camera.see(100.0, |_| away.clone());
    assert_eq!(camera.tampered, 1, "{:?}", camera.told);
    assert!(camera.told.last().unwrap().contains("end at"));
}
