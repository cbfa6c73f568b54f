//! What must stay silent: an hour in which nobody comes, in the light, weather and noise that cameras see. Each trial has its
//! counterpart: whoever walks through at its end, in the same conditions, is found.

#[path = "gate/canvas.rs"]
mod canvas;

use std::time::Duration;

use canvas::{Canvas, HEIGHT, HORIZON, WIDTH};
use eyewitness::clock::Moment;
use eyewitness::frame::Frame;
use eyewitness::gate::{Gate, Outcome, Settings, Signal};
use eyewitness::ids::CameraId;
use eyewitness::units::Polygon;

/// Frames per second, as the source gives them.
const FPS: f32 = 5.0;

/// One camera over which weather comes.
struct Trial {
    canvas: Canvas,
    gate: Gate,
    frames: u64,
    /// When each event began and was announced.
    events: Vec<(f32, f32)>,
    ended: usize,
    outcomes: Vec<Outcome>,
}

impl Trial {
    fn new(settings: Settings) -> Self {
        Self {
            canvas: Canvas::new(),
            gate: Gate::new(CameraId::new("trial").expect("an id"), settings),
            frames: 0,
            events: Vec::new(),
            ended: 0,
            outcomes: Vec::new(),
        }
    }

    /// Plays on for so many seconds, with whoever crosses from the given second on.
    fn play(&mut self, seconds: f32, passer: Option<f32>, weather: &mut Weather<'_>) {
        let last = self.frames + (seconds * FPS) as u64;
        while self.frames < last {
            let t = self.frames as f32 / FPS;
            self.canvas.clear();
            (weather.behind)(t, &mut self.canvas);
            if let Some(from) = passer {
                self.canvas.passer(t, from, from + 6.0);
            }
            let (noise, clouds) = (weather.over)(t, &mut self.canvas);
            let picture = self.canvas.picture(noise, clouds);
            let at = Moment { mono: Duration::from_secs_f32(t), wall: jiff::Timestamp::UNIX_EPOCH };
            let camera = self.gate.camera().clone();
            let frame = Frame { camera, seq: self.frames, at, pts: None, lone: false, picture };
            self.frames += 1;
            let seen = self.gate.observe(frame);
            self.outcomes.extend(seen.settled.iter().map(|settled| settled.outcome));
            for signal in &seen.signals {
                match signal {
                    Signal::Start(candidate) => self.events.push((candidate.started_at.mono.as_secs_f32(), t)),
                    Signal::Update(_) => {}
                    Signal::End { .. } => self.ended += 1,
                }
            }
        }
    }

    /// Nobody comes for so many seconds, and nothing is said.
    fn nobody(&mut self, seconds: f32, weather: &mut Weather<'_>) {
        self.play(seconds, None, weather);
        assert!(self.events.is_empty(), "{} invented: {:.1?}", self.events.len(), self.events);
    }

    /// Somebody crosses within six seconds, is found in time, and forgotten when gone.
    fn somebody(&mut self, weather: &mut Weather<'_>) {
        let from = self.frames as f32 / FPS + 3.0;
        self.play(16.0, Some(from), weather);
        assert_eq!(self.events.len(), 1, "who crossed from {from:.1} became {:.1?}", self.events);
        let (started, told) = self.events[0];
        assert!((from..from + 1.5).contains(&started), "who came at {from:.1} was seen at {started:.1}");
        assert!(told <= from + 2.5, "who came at {from:.1} was announced at {told:.1}");
        assert_eq!(self.ended, 1, "the event goes on when everybody is gone");
    }
}

/// What comes over the scene at each second: behind whoever is there, and over them. The latter says how strong the
/// sensor's noise is, and its clouds.
struct Weather<'a> {
    behind: &'a mut dyn FnMut(f32, &mut Canvas),
    over: &'a mut dyn FnMut(f32, &mut Canvas) -> (f32, f32),
}

const FINE: (f32, f32) = (2.0, 0.0);

/// The trial and its counterpart.
fn trial(
    seconds: f32,
    mut behind: impl FnMut(f32, &mut Canvas),
    mut over: impl FnMut(f32, &mut Canvas) -> (f32, f32),
) -> Trial {
    let mut weather = Weather { behind: &mut behind, over: &mut over };
    let mut trial = Trial::new(Settings::default());
    trial.nobody(seconds, &mut weather);
    trial.somebody(&mut weather);
    trial
}

fn nothing(_: f32, _: &mut Canvas) {}

/// A fixed but irregular number from 0 to 1 for each whole number.
fn chance(n: i64) -> f32 {
    let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1_u64 << 24) as f32
}

#[test]
fn an_hour_of_noise() {
    // Ten minutes each: a good sensor, a bad one, gain at night, the same with denoising that leaves clouds; and all by turns.
    for noise in [(1.0, 0.0), (5.0, 0.0), (14.0, 0.0), (3.0, 6.0)] {
        trial(600.0, nothing, |_, _| noise);
    }
    trial(1200.0, nothing, |t, canvas| {
        // Night falls within a minute, and the gain with its noise comes with it.
        let night = 0.5 - 0.5 * (t / 300.0 * std::f32::consts::TAU).cos();
        canvas.everywhere(|_, _, luma| luma * (1.0 - 0.75 * night));
        (2.0 + 10.0 * night, 3.0 * night)
    });
}

#[test]
fn a_slow_sunset() {
    trial(900.0, nothing, |t, canvas| {
        let day = 1.0 - 0.8 * (t / 900.0).min(1.0);
        // The shadow of a roof moves over the ground, hard as shadows of the sun are.
        let shadow = 40.0 + t / 5.0;
        canvas.everywhere(|x, y, luma| luma * if y >= HORIZON && (x as f32) < shadow { 0.75 * day } else { day });
        (2.0 + 2.0 * (1.0 - day), 0.0)
    });
}

#[test]
fn a_lamp_every_minute() {
    // The whole view, or a glow with the soft shadow of a post in it.
    trial(360.0, nothing, |t, canvas| {
        let on = ((t % 60.0 - 30.0) / 0.3).clamp(0.0, 1.0);
        canvas.everywhere(|_, _, luma| luma * (0.5 + 0.5 * on));
        FINE
    });
    trial(360.0, nothing, |t, canvas| {
        let on = ((t % 60.0 - 30.0) / 0.3).clamp(0.0, 1.0);
        canvas.everywhere(|x, y, luma| {
            let (dx, dy) = (x as f32 - 100.0, y as f32 - 40.0);
            let post = ((x as f32 - 140.0 - 0.3 * y as f32).abs() / 12.0).min(1.0);
            luma * (0.6 + 0.7 * on * post * (-(dx * dx + dy * dy) / 9000.0).exp())
        });
        FINE
    });
}

#[test]
fn a_window_that_lights_the_ground() {
    trial(300.0, nothing, |t, canvas| {
        if t % 40.0 > 20.0 {
            canvas.area((120.0, 100.0), (80.0, 50.0), |_, _, luma| luma * 1.5);
        }
        FINE
    });
}

#[test]
fn headlights_sweep() {
    trial(300.0, nothing, |t, canvas| {
        let x = 400.0 * (t % 30.0 - 20.0) / 4.0 - 80.0;
        canvas.area((x, 92.0), (80.0, 60.0), |_, _, luma| luma * 1.45 + 4.0);
        FINE
    });
}

#[test]
fn the_infrared_switch() {
    trial(240.0, nothing, |t, canvas| {
        let night = ((t % 80.0 - 40.0) / 1.2).clamp(0.0, 1.0) - ((t % 80.0 - 70.0) / 1.2).clamp(0.0, 1.0);
        canvas.everywhere(|x, y, luma| {
            let (dx, dy) = (x as f32 - 160.0, y as f32 - 90.0);
            let lit = 0.45 + 0.6 * (-(dx * dx + dy * dy) / 16000.0).exp();
            // What is painted is bright in infrared, the glass and the ground are as they were.
            let infrared = if x >= 200 && y < HORIZON || x < 60 { 220.0 - luma } else { luma } * lit;
            luma + night * (infrared - luma)
        });
        (2.0, 0.0)
    });
}

/// Leaves in a rectangle: patches of light and dark that swing with the wind.
fn leaves(canvas: &mut Canvas, at: (f32, f32), size: (f32, f32), swing: (f32, f32)) {
    canvas.area(at, size, |x, y, _| {
        let (x, y) = (x as f32 + swing.0 + 40.0, y as f32 + swing.1 + 40.0);
        let leaf = (x / 5.0) as i64 * 131 + (y / 4.0) as i64 * 17;
        35.0 + 80.0 * chance(leaf)
    });
}

/// Calm at first, then gusts that come within seconds, then calm, then gusts again.
fn gusts(t: f32) -> f32 {
    let wind = ((t - 5.0) / 15.0).clamp(0.0, 1.0) * (0.5 + 0.5 * (t / 23.0).sin()).powf(0.7);
    if (150.0..200.0).contains(&t) { 0.0 } else { wind }
}

#[test]
fn leaves_in_the_wind() {
    for (at, size) in [((250.0, 0.0), (70.0, 110.0)), ((110.0, 15.0), (80.0, 60.0))] {
        let leaves = |t: f32, canvas: &mut Canvas| {
            let wind = 7.0 * gusts(t);
            let swing = (wind * ((t * 4.1).sin() + 0.5 * (t * 7.3).sin()), 0.5 * wind * (t * 5.3).sin());
            leaves(canvas, at, size, swing);
        };
        trial(300.0, leaves, |_, _| FINE);
    }
}

#[test]
fn rain_and_snow() {
    for (drops, size, luma) in [(60, (1.0, 14.0), 60.0), (250, (1.0, 12.0), 40.0), (120, (3.0, 3.0), 90.0)] {
        trial(240.0, nothing, |t, canvas| {
            let now = (drops as f32 * (t / 40.0).min(1.0)) as usize;
            for _ in 0..now {
                let at = (canvas.rng.f32() * WIDTH as f32, canvas.rng.f32() * HEIGHT as f32 - 8.0);
                canvas.area(at, size, |_, _, below| (below + luma).min(235.0));
            }
            FINE
        });
    }
}

#[test]
fn insects_before_the_lens() {
    trial(300.0, nothing, |t, canvas| {
        // One frame in twelve, somewhere else each time.
        if canvas.rng.u8(..12) == 0 && t > 2.0 {
            let at = (canvas.rng.f32() * 280.0, canvas.rng.f32() * 140.0);
            canvas.area(at, (28.0, 20.0), |_, _, luma| 0.3 * luma + 150.0);
        }
        FINE
    });
}

#[test]
fn an_encoder_that_pumps() {
    trial(300.0, nothing, |t, canvas| {
        // Each group of pictures of two seconds begins with coarse blocks, off by some levels, and gets better.
        let (group, left) = ((t / 2.0) as i64, 1.0 - t % 2.0 / 2.0);
        canvas.everywhere(|x, y, luma| {
            let block = chance(group * 1000 + (x / 16 + y / 16 * 20) as i64) - 0.5;
            luma + left * 22.0 * block
        });
        (1.0, 0.0)
    });
}

#[test]
fn a_fluorescent_lamp() {
    trial(300.0, nothing, |t, canvas| {
        canvas.everywhere(|_, y, luma| luma * (1.0 + 0.12 * (y as f32 / 9.0 + t * 2.7).sin()));
        FINE
    });
}

#[test]
fn an_exposure_that_hunts() {
    trial(300.0, nothing, |t, canvas| {
        let gain = 1.0 + 0.3 * (t * 3.0).sin() * (t / 20.0).sin();
        canvas.everywhere(|_, _, luma| luma * gain);
        FINE
    });
}

#[test]
fn a_camera_that_shakes() {
    let shake = |t: f32, canvas: &mut Canvas| {
        let (dx, dy) = (1.6 * (t * 9.1).sin() + 1.6, 1.2 * (t * 7.7).sin() + 1.2);
        canvas.shaken(dx, dy);
    };
    trial(300.0, shake, |_, _| FINE);
}

/// Seven bars, of which each digit shows some.
fn digits(t: f32, canvas: &mut Canvas) {
    let seconds = t as i64;
    let shown = [seconds / 600 % 6, seconds / 60 % 10, seconds / 10 % 6, seconds % 10];
    for (place, digit) in shown.into_iter().enumerate() {
        let x = 8.0 + 14.0 * place as f32;
        for bar in 0..7 {
            if chance(digit * 7 + bar + 3) > 0.4 {
                let (dx, dy) = ((bar % 2) as f32 * 6.0, (bar / 2) as f32 * 4.0);
                canvas.area((x + dx, 6.0 + dy), (4.0, 4.0), |_, _, _| 235.0);
            }
        }
    }
}

#[test]
fn a_clock_in_the_corner() {
    let clock = |t: f32, canvas: &mut Canvas| {
        digits(t, canvas);
        FINE
    };
    trial(400.0, nothing, clock);

    let corner = Polygon(vec![[0.0, 0.0], [0.25, 0.0], [0.25, 0.2], [0.0, 0.2]]);
    let mut masked = Trial::new(Settings { masks: vec![corner], ..Settings::default() });
    let mut over = clock;
    let mut weather = Weather { behind: &mut nothing, over: &mut over };
    masked.nobody(200.0, &mut weather);
    assert!(!masked.outcomes.contains(&Outcome::Lighting));
    masked.somebody(&mut weather);
}
