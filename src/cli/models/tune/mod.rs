//! `eyewitness models tune`: which way of running a set is fastest on this device and still says the same.
//!
//! `search` decides what is tried and kept, `judge` what counts as the same; both are pure. `trials` runs the model on `questions`, and
//! `report` explains. `checks` tells whether asking back what sentences name helps.

mod checks;
mod judge;
mod questions;
mod report;
mod search;
mod trials;
mod way;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::questions::Questions;
use self::report::Report;
use self::search::{Nothing, Plan, search};
use self::trials::{Trials, clock_face};
use super::args::TuneArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::say;
use crate::clock::Clock;
use crate::config;
use crate::measure::Machine;
use crate::service::StopSignals;
use crate::telemetry;
use crate::vlm::{self, Choice, Device, ModelSet, Part, Precision};

pub(super) async fn tune(args: TuneArgs, clock: Clock) -> Result<Exit, Failure> {
    // What does not load is said with the figures.
    telemetry::init("off", telemetry::LogFormat::Text).map_err(|error| Failure::usage(error.to_string()))?;
    let mut signals = StopSignals::new().map_err(|error| Failure::running("signals", &error))?;
    let (folder, dry_run, as_json) = (args.dir.clone(), args.dry_run, args.json);
    let work = tokio::task::spawn_blocking(move || measured(&args, clock));
    let (report, choice) = tokio::select! {
        done = work => done.map_err(|error| Failure::running("tuning", &error))??,
        name = signals.next() => return Err(Failure::failed(format!("stopped by {name}; nothing was written"))),
    };
    let written = if dry_run { Ok(None) } else { write(&choice, &folder).map(Some) };
    let place = written.as_ref().ok().and_then(|place| place.as_ref().map(|place| place.display().to_string()));
    let text = if as_json { report.json(place.as_deref()) } else { report.text().trim_end().to_owned() };
    say::data(&text).map_err(|error| Failure::running("stdout", &error))?;
    if written?.is_none() {
        say::talk("nothing was written: `--dry-run` said so");
    }
    Ok(Exit::Done)
}

/// Says where, too: nobody would look for it in the cache.
fn write(choice: &Choice, folder: &Path) -> Result<PathBuf, Failure> {
    let cache = config::cache_folder();
    let place = choice.write(folder, cache.as_deref()).map_err(|error| {
        let text = format!(
            "the choice could not be written, neither into `{}` nor into a cache folder; make one of them writable",
            folder.display()
        );
        Failure::running(&text, &error)
    })?;
    if place.starts_with(folder) {
        say::talk(&format!("written to `{}`", place.display()));
    } else {
        say::talk(&format!(
            "`{}` cannot be written, so the choice was written to `{}`\n  help: a daemon finds it there if its `cache` in \
             `[model]` is the same folder",
            folder.display(),
            place.display()
        ));
    }
    Ok(place)
}

fn measured(args: &TuneArgs, clock: Clock) -> Result<(Report, Choice), Failure> {
    let began = clock.now();
    let set = ModelSet::open(&args.dir, Precision::Auto).map_err(|error| Failure::config(&error))?;
    let graphs = vlm::graphs(&args.dir).map_err(|error| Failure::running("the folder `onnx`", &error))?;
    let questions = Questions::new(&args.picture, &args.dir)?;
    let device = Device::here(None, args.provider.into()).map_err(|error| Failure::config(&error))?;
    let plan = plan(args, &set, &device)?;
    let machine = Machine::here();
    let (whose, of_pictures, asks) = (questions.whose, questions.pictures(), questions.asks());
    let ends = began.plus(args.limit);
    // The last tenth is for what sentences name, where there is something to ask.
    let search_ends = if set.probes.is_some() { began.plus(args.limit * 9 / 10) } else { ends };
    let mut trials = Trials::new(args.dir.clone(), args.provider.into(), questions, clock, search_ends);
    let found = search(&plan, &mut trials).map_err(|nothing| failed(&nothing, args))?;
    let report = Report {
        set: set.name.clone(),
        machine,
        provider: device.provider.clone(),
        runtime: device.runtime.clone(),
        limit_s: args.limit.as_secs_f64(),
        took_s: clock.now().since(began).as_secs_f64(),
        pictures: trials.pictures(),
        of_pictures,
        whose,
        asks,
        alone: plan.available.iter().all(|part| part.len() == 1),
        checks: checks::checks(&set, args.provider.into(), &found.way, &trials.questions, clock, ends),
        found,
    };
    let (way, edges) = (&report.found.way, report.found.edges.clone());
    let choice = Choice::new(device, graphs, way.parts, way.threads, edges, report.because());
    Ok((report, choice))
}

fn failed(nothing: &Nothing, args: &TuneArgs) -> Failure {
    match nothing {
        Nothing::TooShort => Failure::failed(format!(
            "within {} not even the graphs that all others are held against could be measured; nothing was written\n  help: \
             allow more time with `--limit`",
            clock_face(args.limit)
        )),
        Nothing::NothingRuns(why) => Failure::report(
            Exit::Config,
            format!("eyewitness: no graphs of `{}` run here:\n  {}", args.dir.display(), why.join("\n  ")),
        ),
    }
}

/// What there is to choose from.
fn plan(args: &TuneArgs, set: &ModelSet, device: &Device) -> Result<Plan, Failure> {
    let files = vlm::available(&args.dir);
    for (part, files) in Part::ALL.iter().zip(&files) {
        if files.is_empty() {
            let text = "has no graph in fp32, fp16, int8, q4 or q4f16: there is nothing to choose from";
            return Err(Failure::report(
                Exit::Config,
                format!("eyewitness: the {} of `{}` {text}", part.words(), args.dir.display()),
            ));
        }
    }
    let cpu = device.provider == "cpu";
    let likely = if cpu {
        [Precision::Int8, Precision::Q4, Precision::Fp32, Precision::Fp16, Precision::Q4f16]
    } else {
        [Precision::Fp16, Precision::Q4f16, Precision::Fp32, Precision::Int8, Precision::Q4]
    };
    let own = set.picture.width;
    Ok(Plan {
        tables: files[1].clone(),
        available: files.map(|part| part.into_iter().map(|(precision, _)| precision).collect()),
        likely,
        threads: threads(&args.threads, device.cores, cpu),
        own,
        edges: smaller(own, set.image_tokens),
    })
}

/// Ascending. Elsewhere than on the CPU they hardly matter.
fn threads(asked: &[u16], cores: usize, cpu: bool) -> Vec<usize> {
    let mut threads = match (asked, cpu) {
        ([], true) => vec![1, 2.min(cores), cores.div_ceil(2), cores],
        ([], false) => vec![cores],
        (asked, _) => asked.iter().map(|threads| usize::from(*threads)).collect(),
    };
    threads.sort_unstable();
    threads.dedup();
    threads
}

/// Edges that are worth a try, the largest first: smaller than the set's own and a whole number of image tokens.
fn smaller(own: u32, image_tokens: usize) -> Vec<u32> {
    let (full, tokens) = (u64::from(own).pow(2), image_tokens as u64);
    let whole = |edge: &u32| *edge < own && (tokens * u64::from(*edge).pow(2)).is_multiple_of(full);
    [384, 256].into_iter().filter(whole).collect()
}

/// "90s" and the like, for clap.
pub(super) fn limit(text: &str) -> Result<Duration, String> {
    let limit = crate::units::parse_duration(text).map_err(|error| error.to_string())?;
    if limit < Duration::from_secs(1) { Err("less than a second measures nothing".into()) } else { Ok(limit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_few_or_half_or_all() {
        assert_eq!(threads(&[], 1, true), [1]);
        assert_eq!(threads(&[], 2, true), [1, 2]);
        assert_eq!(threads(&[], 4, true), [1, 2, 4]);
        assert_eq!(threads(&[], 12, true), [1, 2, 6, 12]);
        assert_eq!(threads(&[], 12, false), [12]);
        assert_eq!(threads(&[4, 1, 4], 12, false), [1, 4]);
    }

    #[test]
    fn only_sizes_of_whole_tokens_are_tried() {
        assert_eq!(smaller(512, 64), [384, 256]);
        assert_eq!(smaller(384, 36), [256]);
        assert!(smaller(288, 64).is_empty());
        assert!(smaller(256, 16).is_empty());
    }

    #[test]
    fn limits() {
        assert_eq!(limit("3m"), Ok(Duration::from_secs(180)));
        assert!(limit("10").unwrap_err().contains("write a number and `ms`"));
        assert!(limit("10ms").is_err());
    }
}
