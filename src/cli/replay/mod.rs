//! `eyewitness replay`: recordings through the same pipeline as a camera, as fast as they can be understood, on their
//! own clock.
//!
//! `clips` finds them, `setup` makes one camera's config of what was given, `play` runs the pipeline and `ear` hears it,
//! `truth` holds the events against labels, `ruled` the rules' answers, `table`, `compare` and `document` say what came of it, `report` draws it.

mod bar;
mod clips;
mod compare;
mod document;
mod ear;
mod figures;
mod models;
mod play;
mod record;
mod report;
mod ruled;
mod setup;
mod table;
mod truth;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::bar::Bar;
use self::ear::EventFile;
use self::figures::Played;
use self::models::Models;
pub(super) use self::play::records;
use self::play::{Player, Wanted};
pub(super) use self::setup::{Setup, choose};
pub(super) use self::table::clip_time;
use self::truth::{Labels, Verdict};
use super::args::ReplayArgs;
use super::exit::Exit;
use super::failure::Failure;
use super::say;
use crate::clock::Clock;
use crate::files;
use crate::service::StopSignals;
use crate::source;
use crate::telemetry;

pub(super) async fn replay(args: ReplayArgs, clock: Clock) -> Result<Exit, Failure> {
    // Why a clip cannot be played is said with its name; the log would say it twice.
    telemetry::init("warn,eyewitness::source=error", telemetry::LogFormat::Text)
        .map_err(|error| Failure::usage(error.to_string()))?;
    if args.json && EventFile::is_stdout(args.events.as_deref()) {
        return Err(Failure::usage("`--json` and `--events -` both want stdout: give the events a file"));
    }
    let clips = clips::find(&args.clips)?;
    let labels = args.truth.as_deref().map(|path| labels(path, &clips)).transpose()?;
    let setups = setups(&args)?;
    let events = args.events.as_deref().map(EventFile::create).transpose()?.map(Arc::new);
    source::init().map_err(|error| Failure::running("GStreamer", &error))?;
    let signals = StopSignals::new().map_err(|error| Failure::running("signals", &error))?;
    let models = Models::load(&setups, clock).await?;
    let bar = Arc::new(Bar::new());
    let mut player = Player { clock: clock.with_clips_from(args.start), start: args.start, bar, signals };
    let out = Out { json: args.json, lines: !args.json && !EventFile::is_stdout(args.events.as_deref()) };
    let mut all = All { rounds: Vec::new(), clips: clips.len() };
    for (number, clip) in clips.iter().enumerate() {
        let mut round = Vec::new();
        for setup in &setups {
            player.bar.begin(&file_name(clip), number + 1, clips.len());
            let first = round.is_empty();
            let known = labels.as_ref().and_then(|labels| labels.clips.get(&file_name(clip)));
            let wanted = Wanted {
                lines: out.lines,
                events: events.clone().filter(|_| first),
                record: args.report.is_some(),
                rules: known.map(|known| known.rules.clone()).unwrap_or_default(),
            };
            out.heading(clip, setup, &setups)?;
            let mut played = player.play(clip, setup, models.of(setup), wanted).await?;
            played.judge(labels.as_ref());
            out.one(&played)?;
            let stopped = played.stopped;
            round.push(played);
            if stopped {
                break;
            }
        }
        let stopped = round.iter().any(|played| played.stopped);
        out.round(&round, &setups)?;
        all.rounds.push(round);
        if stopped {
            break;
        }
    }
    player.bar.end();
    if let Some(events) = &events {
        events.finish()?;
    }
    all.say(&out, &setups)?;
    if let Some(path) = &args.report {
        all.write_report(path, &setups)?;
    }
    Ok(all.exit(args.strict))
}

/// The config that was given, and the one it is compared with.
fn setups(args: &ReplayArgs) -> Result<Vec<Setup>, Failure> {
    let mut setups = vec![match &args.config {
        Some(path) => Setup::load(path, args.camera.as_deref())?,
        None if args.camera.is_some() && args.compare.is_none() => {
            return Err(Failure::usage("`--camera` names a camera of a config: name that with `-c FILE`"));
        }
        None => Setup::defaults()?,
    }];
    if let Some(path) = &args.compare {
        setups.push(Setup::load(path, args.camera.as_deref())?);
    }
    Ok(setups)
}

/// Labels of thousands of clips.
const LARGEST_LABELS: u64 = 16 << 20;

fn labels(path: &Path, clips: &[PathBuf]) -> Result<Labels, Failure> {
    let shown = path.display();
    let text = files::read(path, LARGEST_LABELS).map_err(|error| {
        let why = if error.kind() == std::io::ErrorKind::NotFound {
            "there is no such file".into()
        } else {
            error.to_string()
        };
        Failure::usage(format!("the labels `{shown}` cannot be read: {why}"))
    })?;
    let labels =
        Labels::read(&text).map_err(|error| Failure::usage(format!("the labels `{shown}` cannot be read: {error}")))?;
    if clips.iter().any(|clip| labels.clips.contains_key(&file_name(clip))) {
        return Ok(labels);
    }
    let known: Vec<_> = labels.clips.keys().take(5).map(|name| format!("`{name}`")).collect();
    Err(Failure::usage(format!(
        "the labels `{shown}` name none of the clips\n  help: they are known by file name; the labels name {}",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    )))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Where results go: for people, or as JSON.
struct Out {
    json: bool,
    /// Whether stdout takes lines for people; else stderr does.
    lines: bool,
}

impl Out {
    fn text(&self, text: &str) -> Result<(), Failure> {
        if !self.lines {
            if !self.json {
                say::talk(text);
            }
            return Ok(());
        }
        say::data(text).map_err(|error| Failure::running("stdout", &error))
    }

    fn heading(&self, clip: &Path, setup: &Setup, setups: &[Setup]) -> Result<(), Failure> {
        let with = if setups.len() > 1 { format!(" with {}", setup.name) } else { String::new() };
        self.text(&format!("{}{with}", clip.display()))
    }

    fn one(&self, played: &Played) -> Result<(), Failure> {
        if let Some(problem) = &played.problem {
            say::talk(&format!("eyewitness: {problem}"));
        }
        self.text(&table::one(played))
    }

    /// What all setups made of one clip.
    fn round(&self, round: &[Played], setups: &[Setup]) -> Result<(), Failure> {
        if self.json {
            let document = document::of(round, setups);
            return say::data(&document.to_string()).map_err(|error| Failure::running("stdout", &error));
        }
        Ok(())
    }
}

/// Everything that was played: per clip what each setup made of it.
struct All {
    rounds: Vec<Vec<Played>>,
    /// How many clips there were to play.
    clips: usize,
}

impl All {
    fn say(&self, out: &Out, setups: &[Setup]) -> Result<(), Failure> {
        if let Some(played) = self.rounds.iter().flatten().find(|played| played.stopped) {
            say::talk(&format!(
                "Stopped in clip {} of {}, `{}`, at {}.",
                self.rounds.len(),
                self.clips,
                played.clip,
                table::clip_time(played.figures.length)
            ));
        }
        if setups.len() > 1 {
            out.text(&compare::text(&self.rounds, setups))?;
        } else if self.rounds.len() > 1 {
            let all: Vec<_> = self.rounds.iter().flatten().collect();
            out.text(&table::total(&all))?;
        }
        Ok(())
    }

    fn write_report(&self, path: &Path, setups: &[Setup]) -> Result<(), Failure> {
        let runs = |setup: usize| {
            self.rounds.iter().filter_map(move |round| round.get(setup)?.run.clone()).collect::<Vec<_>>()
        };
        let other = (setups.len() > 1).then(|| runs(1));
        let page = report::page(&runs(0), other.as_deref());
        fs::write(path, page).map_err(|error| Failure::running(&format!("the report `{}`", path.display()), &error))?;
        say::talk(&format!("The report is `{}`.", path.display()));
        Ok(())
    }

    fn exit(&self, strict: bool) -> Exit {
        let failed = |played: &Played| {
            let missed = strict && !played.verdict.as_ref().is_none_or(Verdict::is_perfect);
            played.problem.is_some() || played.stopped || !played.figures.add_up() || missed
        };
        if self.rounds.iter().flatten().any(failed) { Exit::Failed } else { Exit::Done }
    }
}
