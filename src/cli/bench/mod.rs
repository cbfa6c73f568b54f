//! `eyewitness bench`: what a description costs on this machine, stage by stage, and from a frame to the broker.
//!
//! `measure` does the measuring; here it is decided what is measured (`plan`, `picture`, `frame_to_broker`), kept (`document`), compared
//! and shown (`table`, `columns`).

mod bar;
mod columns;
mod compare;
mod document;
mod frame_to_broker;
mod picture;
mod plan;
#[cfg(test)]
mod samples;
mod table;

use std::path::Path;
use std::time::Duration;

use self::bar::Bar;
use self::document::{Document, Runtime, SCHEMA};
use self::frame_to_broker::FrameToBroker;
use self::picture::Sight;
use self::plan::{Combination, Plan};
use super::args::BenchArgs;
use super::exit::Exit;
use super::failure::Failure;
use super::say;
use crate::clock::Clock;
use crate::frame::PixelFormat;
use crate::measure::{CountingAllocator, Instruments, Machine, MeasureError, Summary, combination};
use crate::service::StopSignals;
use crate::telemetry;

pub(super) async fn bench(
    args: BenchArgs,
    allocator: &'static CountingAllocator,
    clock: Clock,
) -> Result<Exit, Failure> {
    // Whatever keeps the broker away is said with the figures.
    telemetry::init("warn,eyewitness::mqtt=error", telemetry::LogFormat::Text)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let mut signals = StopSignals::new().map_err(|error| Failure::running("signals", &error))?;
    // The broker that it starts must not outlive it.
    tokio::select! {
        ended = run(args, Instruments { clock, allocator: Some(allocator) }) => ended,
        name = signals.next() => Err(Failure::failed(format!("{name}: stopped before there were figures"))),
    }
}

async fn run(args: BenchArgs, with: Instruments) -> Result<Exit, Failure> {
    let earlier = args.compare.as_deref().map(|path| Ok((path, Document::read(path)?))).transpose()?;
    let sight = Sight::of(args.image.as_deref())?;
    let plan = Plan::new(&args, &sight, with.clock)?;
    let mut document = facts(&plan, &sight, with.clock);
    let mut exit = Exit::Done;
    let mut first = None;
    for (number, combination) in plan.combinations.iter().enumerate() {
        match one(&plan, combination, number, with).await {
            Ok(summary) => {
                document.runtime = Runtime::of(Path::new(&summary.library));
                first.get_or_insert(combination);
                document.combinations.push(summary);
            }
            // The others are measured all the same.
            Err(failure) => {
                say::talk(&failure.to_string());
                exit = failure.exit;
            }
        }
    }
    let Some(first) = first else { return Ok(exit) };
    if args.no_mqtt {
        document.frame_to_broker_skipped = Some("`--no-mqtt` said so".into());
    } else {
        match to_broker(first, &document.combinations[0], with.clock).await {
            Ok(way) => document.frame_to_broker = Some(way),
            Err(why) => document.frame_to_broker_skipped = Some(why),
        }
    }
    document.compared =
        earlier.map(|(path, earlier)| compare::compare(&earlier, &document, &path.display().to_string()));
    let text = if args.json { document.json() } else { table::text(&document).trim_end().to_owned() };
    say::data(&text).map_err(|error| Failure::running("stdout", &error))?;
    Ok(exit)
}

/// What is known before anything is measured.
fn facts(plan: &Plan, sight: &Sight, clock: Clock) -> Document {
    let format = match sight.picture.format() {
        PixelFormat::Nv12 => "nv12",
        PixelFormat::I420 => "i420",
        PixelFormat::Rgb => "rgb",
    };
    Document {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        debug_build: cfg!(debug_assertions),
        at: clock.now().wall,
        machine: Machine::here(),
        runtime: Runtime { library: String::new(), version: None },
        model: plan.model.clone(),
        picture: document::Picture {
            words: sight.words.clone(),
            width: sight.picture.width(),
            height: sight.picture.height(),
            format: format.to_owned(),
        },
        prompt: plan.question.prompt.to_string(),
        max_tokens: plan.question.max_tokens,
        combinations: Vec::new(),
        frame_to_broker: None,
        frame_to_broker_skipped: None,
        compared: None,
    }
}

async fn one(plan: &Plan, what: &Combination, number: usize, with: Instruments) -> Result<Summary, Failure> {
    let all = plan.combinations.len();
    let name = if all > 1 { format!("{} ({} of {all})", what.name, number + 1) } else { what.name.clone() };
    let bar = Bar::begin(&name, plan.rounds.timed);
    let measured = combination(&what.settings, &plan.question, plan.rounds, with, |step| bar.at(step)).await;
    measured.map_err(|error| match error {
        MeasureError::Load(error) => Failure::config(&error),
        error => Failure::running(&format!("{} was not measured", what.name), &error),
    })
}

/// With the first combination. `summary` is what was measured of it.
async fn to_broker(what: &Combination, summary: &Summary, clock: Clock) -> Result<FrameToBroker, String> {
    let rounds = summary.rounds.timed;
    let _bar = Bar::begin("the way from a frame to the broker", 0);
    let took = summary.ms("whole description").map_or(Duration::ZERO, |ms| Duration::from_secs_f64(ms.p95 / 1000.0));
    frame_to_broker::measure(what, compare::name(summary), rounds, took, clock).await
}
