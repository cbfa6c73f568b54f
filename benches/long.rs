//! Many descriptions of ever other pictures with ever other prompts: does memory stay flat, and is any of them slow?
//!
//!     cargo bench --bench long -- [--rounds 20000] [--threads N] [--model DIR]
//!
//! Pictures are random parts of a 1080p frame with random masks, prompts are more than the engine keeps, up to three questions
//! go with them.

#![expect(clippy::print_stdout, reason = "a benchmark's output is its figures")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::frame::{Colour, Matrix, Picture, PixelFormat, Range};
use eyewitness::units::{Polygon, Region};
use eyewitness::vlm::{Model, Provider, Question, Settings};

/// More than the engine keeps, so that it makes them anew again and again.
const PROMPTS: usize = 100;
const THINGS: [&str; 5] = ["person", "car", "dog", "bicycle", "parcel"];
/// Places in a run where memory is read.
const READINGS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut rounds, mut threads) = (20_000, 1);
    let mut model = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        match word.as_str() {
            "--rounds" => rounds = value.parse()?,
            "--threads" => threads = value.parse()?,
            "--model" => model = value.into(),
            _ => return Err(format!("{word} is no option").into()),
        }
    }
    run(rounds, threads, &model)
}

fn run(rounds: usize, threads: usize, set: &Path) -> Result<(), Box<dyn Error>> {
    let clock = Clock::system();
    let model = Model::start(Settings { provider: Provider::Cpu, threads, ..Settings::new(set) }, clock)?;
    println!("{}, {threads} threads, {rounds} descriptions", model.label());
    let prompts: Vec<Arc<str>> = (0..PROMPTS).map(|n| format!("Describe what number {n} does.").into()).collect();
    let asks: Vec<Arc<str>> = THINGS.iter().map(|thing| format!("Is there a {thing}?").into()).collect();
    let mut random = fastrand::Rng::with_seed(7);
    let frame = frame(&mut random)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    // Written to beforehand, so that what is kept here does not look like growth.
    let mut times = vec![f64::NAN; rounds];
    let mut readings = Vec::with_capacity(READINGS + 1);
    for (round, time) in times.iter_mut().enumerate() {
        if round % (rounds / READINGS).max(1) == 0 {
            readings.push((round, resident_mib()));
            println!("after {round:6}: {:.1} MiB", resident_mib());
        }
        let side = 0.2 + 0.8 * random.f32();
        let place = |random: &mut fastrand::Rng| random.f32() * (1.0 - side);
        let view = Region { x: place(&mut random), y: place(&mut random), w: side, h: side };
        let corner = random.f32();
        let masks = Arc::new([Polygon(vec![[0.0, 0.0], [corner, 0.0], [0.0, corner]])]);
        let question = Question {
            picture: frame.clone(),
            view,
            masks,
            prompt: Arc::clone(&prompts[random.usize(..PROMPTS)]),
            asks: asks[..random.usize(..4)].to_vec(),
            max_tokens: 48,
            deadline: clock.now().plus(Duration::from_secs(600)),
            describe: true,
            recall: None,
            check: false,
        };
        *time = runtime.block_on(model.ask(question))?.timing.first_token.as_secs_f64() * 1e3;
    }
    println!("after {rounds:6}: {:.1} MiB", resident_mib());
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let (median, p99) = (at(0.5), at(0.99));
    println!("first token: median {median:.1} ms, p99 {p99:.1} ms ({:.2} times), most {:.1} ms", p99 / median, at(1.0));
    // The first half fills caches.
    let half = &readings[readings.len() / 2..];
    println!("second half: {:.2} KiB per description", slope(half) * 1024.0);
    Ok(())
}

/// Least squares, MiB per description.
fn slope(readings: &[(usize, f64)]) -> f64 {
    let count = readings.len() as f64;
    let mean = |of: &dyn Fn(&(usize, f64)) -> f64| readings.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|r| r.0 as f64), mean(&|r| r.1));
    let above: f64 = readings.iter().map(|r| (r.0 as f64 - x) * (r.1 - y)).sum();
    let below: f64 = readings.iter().map(|r| (r.0 as f64 - x).powi(2)).sum();
    above / below.max(1.0)
}

/// Soft blobs: what is in it does not matter, that each part of it is another picture does.
fn frame(random: &mut fastrand::Rng) -> Result<Picture, Box<dyn Error>> {
    let (width, height) = (1920_usize, 1080_usize);
    let blobs: Vec<[f32; 4]> = (0..40)
        .map(|_| [random.f32() * 1920.0, random.f32() * 1080.0, 30.0 + random.f32() * 200.0, random.f32()])
        .collect();
    let value = |x: usize, y: usize| {
        let lit = blobs.iter().rfind(|b| (x as f32 - b[0]).hypot(y as f32 - b[1]) < b[2]);
        lit.map_or(90, |b| 16 + (b[3] * 219.0) as u8)
    };
    let mut data: Vec<u8> = (0..width * height).map(|i| value(i % width, i / width)).collect();
    data.extend((0..width * height / 2).map(|i| value(i % width, 2 * (i / width)) / 2 + 64));
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    Ok(Picture::packed(1920, 1080, PixelFormat::Nv12, colour, data)?)
}

/// Of this process; 0 where /proc does not say.
fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / f64::from(1 << 20)
}
