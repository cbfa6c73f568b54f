//! `eyewitness explain`: why a camera's frames went no further at some time, out of the journal that the daemon keeps, or
//! of a recording that is played for it.

mod when;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::when::{Asked, clip_second, time};
use super::args::{DEFAULT_CONFIG, ExplainArgs};
use super::exit::Exit;
use super::failure::{Failure, chain};
use super::replay::{Setup, choose, clip_time, records};
use super::run::load;
use super::say;
use crate::clock::Clock;
use crate::config::Config;
use crate::journal::{self, Record, Window};
use crate::source;
use crate::telemetry;
use crate::units::parse_duration;

/// Where the service keeps its journal, as the unit file has it.
const SERVICE: &str = "/var/lib/eyewitness/decisions";

pub(super) async fn explain(args: ExplainArgs, clock: Clock) -> Result<Exit, Failure> {
    telemetry::init("warn,eyewitness::source=error", telemetry::LogFormat::Text)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let length = args.length.as_deref().map(parse_duration).transpose();
    let length = length.map_err(|error| Failure::usage(format!("`--for`: {error}")))?;
    let sentences = match &args.clip {
        Some(clip) => of_clip(clip, &args, length, clock).await?,
        None => of_camera(&args, length, clock)?,
    };
    for sentence in sentences {
        say::data(&sentence).map_err(|error| Failure::running("stdout", &error))?;
    }
    Ok(Exit::Done)
}

async fn of_clip(
    clip: &Path,
    args: &ExplainArgs,
    length: Option<Duration>,
    clock: Clock,
) -> Result<Vec<String>, Failure> {
    if !clip.is_file() {
        return Err(Failure::usage(format!("there is no clip `{}`: check the name", clip.display())));
    }
    let at = clip_second(&args.at).ok_or_else(|| {
        Failure::usage(format!("`--at {}` is no time of a clip: write seconds, such as 12.3, or 1:05", args.at))
    })?;
    let setup = match &args.config {
        Some(path) => Setup::load(path, args.camera.as_deref())?,
        None => Setup::defaults()?,
    };
    source::init().map_err(|error| Failure::running("GStreamer", &error))?;
    let records = records(clip, &setup, clock).await?;
    let zero = Timestamp::UNIX_EPOCH;
    let from = zero.checked_add(at).unwrap_or(Timestamp::MAX);
    let window = Window { from, to: later(from, length.unwrap_or(when::USUAL)) };
    let show = |at: Timestamp| clip_time(at.duration_since(zero).as_secs_f64());
    let covers = records.first().map(Record::from).zip(records.iter().map(Record::to).max());
    let touching: Vec<_> = records.into_iter().filter(|record| touches(record, window)).collect();
    if touching.is_empty() {
        let range =
            covers.map_or_else(String::new, |(from, to)| format!(": it lasts from {} to {}", show(from), show(to)));
        return Err(Failure::failed(format!("`{}` has no frame at {}{range}", clip.display(), show(window.from))));
    }
    Ok(journal::explain(&touching, window, &show))
}

fn of_camera(args: &ExplainArgs, length: Option<Duration>, clock: Clock) -> Result<Vec<String>, Failure> {
    let path = args.config.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG));
    let config = load(path)?.config;
    let camera = config.cameras[choose(&config, path, args.camera.as_deref())?].source.camera.to_string();
    let zone = TimeZone::system();
    let now = clock.now().wall;
    let Asked { from, usual } =
        time(&args.at, now, &zone).map_err(|error| Failure::usage(format!("`--at {}`: {error}", args.at)))?;
    let window = Window { from, to: later(from, length.unwrap_or(usual)) };
    let folder = folder(&config);
    let read = journal::read(&folder, &camera, window.from, window.to)
        .map_err(|error| Failure::failed(format!("{}\n  help: {}", chain(&error), help(&folder))))?;
    let show = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%H:%M:%S%.1f").to_string();
    if read.records.is_empty() {
        let day = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        let range = match read.covers {
            Some((from, to)) => format!("it knows this camera from {} to {}", day(from), day(to)),
            None => format!("it knows nothing of this camera, only of: {}", read.cameras.join(", ")),
        };
        return Err(Failure::failed(format!(
            "the decision journal has nothing of `{camera}` at {}: {range}\n  help: it is written at most a minute late",
            day(window.from)
        )));
    }
    // What is to come is no gap; only a recording that was watched at its own speed may have run ahead.
    let known = read.records.iter().map(Record::to).max().unwrap_or(now).max(now);
    let window = Window { to: window.to.min(known), ..window };
    Ok(journal::explain(&read.records, window, &show))
}

/// The journal's folder: the config's, or the service's.
fn folder(config: &Config) -> PathBuf {
    config.explain.path.clone().unwrap_or_else(|| PathBuf::from(SERVICE))
}

fn help(folder: &Path) -> String {
    if folder.exists() {
        "run it as a user who may read this folder, such as with sudo".to_owned()
    } else {
        "the daemon keeps one if `path` stands in `[explain]` of its config, or if systemd runs it".to_owned()
    }
}

fn touches(record: &Record, window: Window) -> bool {
    record.to() >= window.from && record.from() <= window.to
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
