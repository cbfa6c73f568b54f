//! What one description costs, from a 1080p NV12 frame in memory to the words, and whether memory grows.
//!
//!     cargo bench --bench describe -- [--model DIR] [--precision int8] [--threads N] [--rounds N] [--asks N] [--known N]
//!
//! `--known` compares each picture with so many earlier ones, as the answer cache does, and finds none alike enough.
//!
//! Compare with a bare loop over the same three sessions on the same picture, in the same minutes. Figures are medians; use
//! ratios, machines differ.

#![expect(clippy::print_stdout, reason = "a benchmark's output is its figures")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::frame::{Colour, Matrix, Picture, PixelFormat, Range};
use eyewitness::image::read_file;
use eyewitness::units::Region;
use eyewitness::vlm::{Answer, Model, Precision, Provider, Question, Recall, Settings};

struct Options {
    model: PathBuf,
    precision: Precision,
    threads: usize,
    rounds: usize,
    asks: usize,
    known: Option<usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let clock = Clock::system();
    let settings = Settings {
        provider: Provider::Cpu,
        precision: options.precision,
        threads: options.threads,
        ..Settings::new(options.model)
    };
    let before = resident_mib();
    let model = Model::start(settings, clock)?;
    println!("{}, {} threads, {} rounds", model.label(), model.info().threads, options.rounds);
    println!("resident: {before:.0} MiB before, {:.0} MiB with the model loaded", resident_mib());
    let question = Question {
        picture: frame()?,
        view: Region::WHOLE,
        masks: Arc::new([]),
        prompt: "Describe the scene.".into(),
        asks: vec!["Is there a cat?".into(); options.asks],
        max_tokens: 48,
        deadline: clock.now(),
        describe: true,
        recall: options.known.map(|_| Recall { known: Vec::new(), least: 2.0 }),
        check: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let deadline = || clock.now().plus(Duration::from_secs(600));
    let first = runtime.block_on(model.ask(Question { deadline: deadline(), ..question.clone() }))?;
    let recall = options.known.zip(first.likeness).map(|(count, one)| Recall { known: vec![one; count], least: 2.0 });
    let question = Question { recall, ..question };
    let ask = || runtime.block_on(model.ask(Question { deadline: deadline(), ..question.clone() }));
    for _ in 0..5.min(options.rounds) {
        ask()?;
    }
    // Written to beforehand, so that what is kept here does not look like growth.
    let mut times = vec![[f64::NAN; STAGES.len()]; options.rounds];
    let mut last = None;
    for (round, row) in times.iter_mut().enumerate() {
        if round % (options.rounds / 8).max(1) == 0 {
            println!("resident after {round:5} descriptions: {:.1} MiB", resident_mib());
        }
        let answer = ask()?;
        *row = STAGES.map(|(_, of)| of(&answer).as_secs_f64() * 1e3);
        last = Some(answer);
    }
    println!("resident after {:5} descriptions: {:.1} MiB", options.rounds, resident_mib());
    if let Some(last) = last {
        println!("{:?}, {} tokens", last.text, last.tokens);
        report(&times);
    }
    Ok(())
}

type Stage = fn(&Answer) -> Duration;

const STAGES: [(&str, Stage); 7] = [
    ("preprocess", |a| a.timing.preprocess),
    ("encode", |a| a.timing.encode),
    ("prefill", |a| a.timing.prefill),
    ("first token", |a| a.timing.first_token),
    ("decode", |a| a.timing.decode),
    ("whole description", |a| a.timing.total),
    ("outside ONNX Runtime", |a| a.timing.host),
];

/// Milliseconds per round and stage.
fn report(times: &[[f64; STAGES.len()]]) {
    for (stage, (name, _)) in STAGES.iter().enumerate() {
        let mut times: Vec<f64> = times.iter().map(|row| row[stage]).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!("{name:21} median {:8.3} ms   p95 {:8.3} ms   least {:8.3} ms", at(0.5), at(0.95), at(0.0));
    }
}

fn options() -> Result<Options, Box<dyn Error>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let model = root.join("models/tiny");
    let mut options = Options { model, precision: Precision::Auto, threads: 1, rounds: 100, asks: 0, known: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        // Cargo says this to every benchmark.
        if word == "--bench" {
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        match word.as_str() {
            "--model" => options.model = value.into(),
            "--threads" => options.threads = value.parse()?,
            "--rounds" => options.rounds = value.parse()?,
            "--known" => options.known = Some(value.parse()?),
            "--asks" => options.asks = value.parse()?,
            "--precision" => {
                options.precision = match value.as_str() {
                    "fp32" => Precision::Fp32,
                    "fp16" => Precision::Fp16,
                    "int8" => Precision::Int8,
                    "q4" => Precision::Q4,
                    "q4f16" => Precision::Q4f16,
                    _ => return Err(format!("--precision {value}: fp32, fp16, int8, q4 or q4f16").into()),
                }
            }
            _ => return Err(format!("{word} is no option").into()),
        }
    }
    Ok(options)
}

/// A picture of the default model's fixtures, blown up to what a camera sends.
fn frame() -> Result<Picture, Box<dyn Error>> {
    let small = read_file(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/tiny/fixtures/chelsea.png"))?;
    let (width, height) = (1920_usize, 1080_usize);
    let plane = small.plane(0);
    let yuv = |x: usize, y: usize| {
        let (sx, sy) = (x * small.width() as usize / width, y * small.height() as usize / height);
        let [r, g, b] = [0, 1, 2].map(|c| f32::from(plane.data[sy * plane.stride + 3 * sx + c]));
        let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let limited = |v: f32, scale: f32, zero: f32| (v * scale / 255.0 + zero).round() as u8;
        [
            limited(luma, 219.0, 16.0),
            limited((b - luma) / 1.8556, 224.0, 128.0),
            limited((r - luma) / 1.5748, 224.0, 128.0),
        ]
    };
    let mut data: Vec<u8> = (0..width * height).map(|i| yuv(i % width, i / width)[0]).collect();
    for i in 0..width * height / 4 {
        let [_, cb, cr] = yuv(i % (width / 2) * 2, i / (width / 2) * 2);
        data.extend([cb, cr]);
    }
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    Ok(Picture::packed(1920, 1080, PixelFormat::Nv12, colour, data)?)
}

/// Of this process; 0 where /proc does not say.
fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / f64::from(1 << 20)
}
