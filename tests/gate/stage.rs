//! A stage for the gate: a drawn scene, things that move in it, light, sensor noise, and a record of what the gate said.

use std::time::Duration;

use eyewitness::clock::Moment;
use eyewitness::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Range};
use eyewitness::gate::{EndReason, Gate, Observation, Outcome, Settings, Signal};
use eyewitness::ids::CameraId;

/// A textured rectangle in pixels; negative and outside parts are not drawn.
#[derive(Clone, Copy)]
pub(crate) struct Thing {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) w: f64,
    pub(crate) h: f64,
    pub(crate) luma: u8,
}

/// A person of 30 x 90 pixels.
pub(crate) fn person(x: f64) -> Thing {
    Thing { x, y: 60.0, w: 30.0, h: 90.0, luma: 40 }
}

/// A bag of 24 x 20 pixels.
pub(crate) fn bag(x: f64) -> Thing {
    Thing { x, y: 140.0, w: 24.0, h: 20.0, luma: 210 }
}

/// A person who crosses the whole width of 320 pixels from `from` to `to`; out of view at other times.
pub(crate) fn crossing(t: f64, from: f64, to: f64) -> Option<Thing> {
    (from..to).contains(&t).then(|| person(-30.0 + 350.0 * (t - from) / (to - from)))
}

#[derive(Default)]
pub(crate) struct Shot {
    pub(crate) things: Vec<Thing>,
    /// 1 is the usual exposure.
    pub(crate) gain: Option<f64>,
    /// A lamp's glow in the middle of the picture, 0 to 1.
    pub(crate) glow: f64,
    /// Another place altogether.
    pub(crate) elsewhere: bool,
}

impl Shot {
    pub(crate) fn of(things: impl IntoIterator<Item = Thing>) -> Self {
        Self { things: things.into_iter().collect(), ..Self::default() }
    }
}

pub(crate) struct Told {
    pub(crate) started_at: f64,
    pub(crate) told_at: f64,
    pub(crate) ended_at: Option<f64>,
    pub(crate) end_told_at: Option<f64>,
    pub(crate) descriptions: usize,
}

pub(crate) struct Stage {
    pub(crate) gate: Gate,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) events: Vec<Told>,
    pub(crate) settled: Vec<Outcome>,
    /// What decided about the settled frames, where a value did.
    pub(crate) because: Vec<&'static str>,
    pub(crate) given: u64,
    pub(crate) chosen: u64,
    noise: Vec<i16>,
    /// The empty scene, here and elsewhere, at the present size.
    empty: [Vec<f64>; 2],
    rng: fastrand::Rng,
}

pub(crate) fn moment(t: f64) -> Moment {
    Moment { mono: Duration::from_secs_f64(t), wall: jiff::Timestamp::UNIX_EPOCH }
}

impl Stage {
    pub(crate) fn new(settings: Settings) -> Self {
        let gate = Gate::new(CameraId::new("stage").expect("an id"), settings);
        let mut stage = Self {
            gate,
            width: 320,
            height: 180,
            events: Vec::new(),
            settled: Vec::new(),
            because: Vec::new(),
            given: 0,
            chosen: 0,
            noise: Vec::new(),
            empty: [Vec::new(), Vec::new()],
            rng: fastrand::Rng::with_seed(11),
        };
        stage.set_noise(2.0);
        stage
    }

    pub(crate) fn set_noise(&mut self, sigma: f64) {
        let mut normal = || (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0;
        self.noise = (0..8192).map(|_| (normal() * sigma).round() as i16).collect();
    }

    /// Plays from `from` to `to` seconds at `fps`, drawing each frame from what `shot` says.
    pub(crate) fn play(&mut self, from: f64, to: f64, fps: f64, shot: impl Fn(f64) -> Shot) {
        for i in 0..((to - from) * fps).round() as u64 {
            let t = from + i as f64 / fps;
            let picture = self.draw(&shot(t));
            self.give(picture, t);
        }
    }

    pub(crate) fn give(&mut self, picture: Picture, t: f64) -> Observation {
        let camera = self.gate.camera().clone();
        let seq = self.given;
        self.given += 1;
        let observation = self.gate.observe(Frame { camera, seq, at: moment(t), pts: None, lone: false, picture });
        self.note(&observation, t);
        observation
    }

    pub(crate) fn interrupt(&mut self, t: f64, reason: EndReason) -> Observation {
        let observation = self.gate.interrupt(moment(t), reason);
        self.note(&observation, t);
        observation
    }

    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.settled.iter().filter(|o| **o == outcome).count()
    }

    fn note(&mut self, observation: &Observation, t: f64) {
        self.settled.extend(observation.settled.iter().map(|settled| settled.outcome));
        self.because
            .extend(observation.settled.iter().filter_map(|settled| settled.because).map(|because| because.what));
        for signal in &observation.signals {
            match signal {
                Signal::Start(candidate) => {
                    self.chosen += 1;
                    self.events.push(Told {
                        started_at: candidate.started_at.mono.as_secs_f64(),
                        told_at: t,
                        ended_at: None,
                        end_told_at: None,
                        descriptions: 1,
                    });
                }
                Signal::Update(_) => {
                    self.chosen += 1;
                    self.events.last_mut().expect("a start comes first").descriptions += 1;
                }
                Signal::End { ended_at, .. } => {
                    let event = self.events.last_mut().expect("a start comes first");
                    event.ended_at = Some(ended_at.mono.as_secs_f64());
                    event.end_told_at = Some(t);
                }
            }
        }
    }

    pub(crate) fn draw(&mut self, shot: &Shot) -> Picture {
        let (w, h) = (self.width, self.height);
        let (sx, sy) = (320.0 / w as f64, 180.0 / h as f64);
        let place = |i: usize| ((i % w) as f64 * sx, (i / w) as f64 * sy);
        if self.empty[0].len() != w * h {
            self.empty[0] = (0..w * h).map(place).map(|(x, y)| scene(x, y)).collect();
            self.empty[1] = (0..w * h).map(place).map(|(x, y)| scene(y * 1.7 + 31.0, x)).collect();
        }
        let gain = shot.gain.unwrap_or(1.0);
        let mut data = vec![128_u8; w * h + 2 * w.div_ceil(2) * h.div_ceil(2)];
        for (i, pixel) in data[..w * h].iter_mut().enumerate() {
            let (x, y) = place(i);
            let mut luma = self.empty[usize::from(shot.elsewhere)][i];
            for thing in &shot.things {
                if x >= thing.x && x < thing.x + thing.w && y >= thing.y && y < thing.y + thing.h {
                    luma = f64::from(thing.luma) + 4.0 * ((x - thing.x) * 0.3).sin();
                }
            }
            luma *= gain;
            if shot.glow > 0.0 {
                let off = ((x - 160.0).powi(2) + (y - 90.0).powi(2)) / (2.0 * 60.0 * 60.0);
                luma *= 1.0 + shot.glow * (-off).exp();
            }
            let noise = self.noise[self.rng.usize(..self.noise.len())];
            *pixel = (luma.round() as i16 + noise).clamp(0, 255) as u8;
        }
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        Picture::packed(w as u32, h as u32, PixelFormat::I420, colour, data).expect("planes of the size")
    }
}

/// A floor, a wall and some furniture, between 60 and 180.
fn scene(x: f64, y: f64) -> f64 {
    let base = if y < 100.0 { 150.0 } else { 95.0 };
    let texture = 8.0 * (x * 0.21).sin() * (y * 0.17).cos();
    let door = if (200.0..240.0).contains(&x) && (30.0..130.0).contains(&y) { -45.0 } else { 0.0 };
    base + texture + door + x * 0.05
}
