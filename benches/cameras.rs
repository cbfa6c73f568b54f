//! What a box with several cameras costs: files in a loop, in real time, through the whole walk with the default model.
//!
//!     cargo bench --bench cameras -- [--clips DIR] [--cameras N] [--seconds N] [--threads N] [--decode all]
//!
//! Without a folder of clips every camera plays the demo clip. It prints how old frames were when the gate had looked at
//! them, and what the process took. With `--decode all` it fails when a frame was older than a second; otherwise pictures
//! from before a trigger, which were kept undecoded, are as old as they are meant to be.

#![expect(clippy::print_stdout, reason = "a benchmark's output is its figures")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::config::Config;
use eyewitness::frame::Frame;
use eyewitness::gate::{Motion, Outcome};
use eyewitness::ids::CameraId;
use eyewitness::outbox::Outbox;
use eyewitness::pipeline::{Audience, Pipeline};
use eyewitness::telemetry::Metrics;
use eyewitness::vlm::Model;

struct Options {
    clips: Vec<PathBuf>,
    cameras: usize,
    seconds: u64,
    threads: usize,
    decode: String,
}

/// Files open and codecs settle within so long; nobody promises a frame's age before that.
const WARM_UP: Duration = Duration::from_secs(5);

struct Ages {
    clock: Clock,
    from: Duration,
    /// Seconds from capture until the gate had looked.
    ages: Mutex<Vec<f32>>,
}

impl Audience for Ages {
    fn observed(&self, _camera: &CameraId, frame: &Frame, _motion: &Motion) {
        let now = self.clock.now();
        if now.mono >= self.from {
            let age = now.since(frame.at).as_secs_f32();
            self.ages.lock().unwrap_or_else(PoisonError::into_inner).push(age);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    eyewitness::source::init()?;
    let clock = Clock::system();
    let text = config(&options);
    let config = Config::parse("the benchmark", &text, &|_| None)?.config;
    let model = Model::start(config.model.settings.clone(), clock)?;
    let metrics = Arc::new(Metrics::new());
    let from = clock.now().mono + WARM_UP;
    let ages = Arc::new(Ages { clock, from, ages: Mutex::new(Vec::new()) });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (cpu, most) = runtime.block_on(async {
        let outbox = Outbox::new(&config.outbox, clock);
        let pipeline = Pipeline::start(&config, model, outbox, metrics.clone(), clock, ages.clone());
        let mut most: f64 = 0.0;
        let before = cpu_seconds();
        for _ in 0..options.seconds {
            tokio::time::sleep(Duration::from_secs(1)).await;
            most = most.max(resident_mib());
        }
        let cpu = cpu_seconds() - before;
        pipeline.stop().await;
        (cpu, most)
    });
    let mut ages = ages.ages.lock().unwrap_or_else(PoisonError::into_inner).clone();
    report(&options, &metrics, cpu, most, &mut ages)
}

fn report(options: &Options, metrics: &Metrics, cpu: f64, most: f64, ages: &mut [f32]) -> Result<(), Box<dyn Error>> {
    ages.sort_by(f32::total_cmp);
    let at = |share: f64| ages.get(((ages.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f32::NAN);
    println!("{} cameras, {} s, {} clips", options.cameras, options.seconds, options.clips.len());
    println!(
        "age at the gate: median {:.3} s, p99 {:.3} s, most {:.3} s ({} frames)",
        at(0.5),
        at(0.99),
        at(1.0),
        ages.len()
    );
    println!("resident at most {most:.0} MiB; {:.0} % of a core", 100.0 * cpu / options.seconds as f64);
    for outcome in Outcome::ALL {
        let frames: u64 = (0..options.cameras).map(|n| metrics.frames_of(&format!("c{n}"), outcome.name())).sum();
        println!("  {frames:>7}  {}", outcome.name());
    }
    match at(1.0) {
        age if age < 1.0 || options.decode != "all" => Ok(()),
        age => Err(format!("a frame was {age:.3} s old at the gate").into()),
    }
}

fn config(options: &Options) -> String {
    let quoted = |path: &Path| serde_json::Value::from(path.to_string_lossy().replace("${", "$${")).to_string();
    let mut text = format!("node = \"bench\"\n[model]\nthreads = {}\n", options.threads);
    for n in 0..options.cameras {
        let clip = quoted(&options.clips[n % options.clips.len()]);
        text.push_str(&format!(
            "[[camera]]\nid = \"c{n}\"\nurl = {clip}\nloop = true\ndecode = \"{}\"\n",
            options.decode
        ));
    }
    text
}

fn options() -> Result<Options, Box<dyn Error>> {
    let demo = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/clips/bikes.mp4");
    let mut options = Options { clips: vec![demo], cameras: 8, seconds: 60, threads: 1, decode: "auto".into() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        // Cargo says this to every benchmark.
        if word == "--bench" {
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        match word.as_str() {
            "--clips" => options.clips = clips(Path::new(&value))?,
            "--cameras" => options.cameras = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--decode" => options.decode = value,
            "--threads" => options.threads = value.parse()?,
            _ => return Err(format!("{word} is no option").into()),
        }
    }
    if options.clips.is_empty() { Err("the folder holds no .mp4".into()) } else { Ok(options) }
}

fn clips(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)?.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "mp4"));
    found.sort();
    Ok(found)
}

/// Of this process, user and system; 0 where /proc does not say.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |n: usize| after.split_whitespace().nth(n).and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
    // Linux counts hundredths of a second here on every machine we know.
    (ticks(11) + ticks(12)) / 100.0
}

/// Of this process; 0 where /proc does not say.
fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / f64::from(1 << 20)
}
