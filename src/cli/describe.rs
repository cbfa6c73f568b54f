//! `eyewitness describe`: one sentence per picture or clip, with what it cost.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::args::DescribeArgs;
use super::clip;
use super::exit::Exit;
use super::failure::{Failure, chain};
use super::run::load_model;
use super::say;
use crate::clock::Clock;
use crate::event::YesNo;
use crate::frame::Picture;
use crate::image;
use crate::telemetry;
use crate::units::Region;
use crate::vlm::{self, Answer, Model, Question};

/// Longer than any picture takes on any machine that this is for; an endless answer has to end somewhere.
const DEADLINE: Duration = Duration::from_secs(120);

/// What is described of a file.
struct Sight {
    picture: Picture,
    /// Second of the clip; `None` for a picture.
    second: Option<f64>,
}

pub(super) async fn describe(args: DescribeArgs, clock: Clock) -> Result<Exit, Failure> {
    // Why a clip gives no frame is said with its name; the log would say it twice.
    telemetry::init("warn,eyewitness::source=error", telemetry::LogFormat::Text)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let model = load_model(settings(&args)?, clock).await?;
    let mut exit = Exit::Done;
    for file in &args.files {
        match one(file, &args, &model, clock).await {
            Ok(text) => say::data(&text).map_err(|error| Failure::running("stdout", &error))?,
            // The other files are described all the same.
            Err(failure) => {
                say::talk(&failure.to_string());
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}

/// The settings of a model that is used from the command line.
pub(super) fn model_settings(folder: Option<&Path>, threads: usize) -> Result<vlm::Settings, Failure> {
    let path = match folder {
        Some(folder) => folder.to_owned(),
        None => crate::config::default_model_path().ok_or_else(|| {
            Failure::report(
                Exit::Config,
                "eyewitness: the default model set `models/tiny` was not found beside the program\n  \
                 help: name a model set with `--model DIR`"
                    .into(),
            )
        })?,
    };
    Ok(vlm::Settings { threads, cache: crate::config::cache_folder(), ..vlm::Settings::new(path) })
}

fn settings(args: &DescribeArgs) -> Result<vlm::Settings, Failure> {
    model_settings(args.model.as_deref(), args.threads)
}

async fn one(file: &Path, args: &DescribeArgs, model: &Model, clock: Clock) -> Result<String, Failure> {
    let sight = look(file, clock).await?;
    let (width, height) = (sight.picture.width(), sight.picture.height());
    let question = Question {
        picture: sight.picture,
        view: Region::WHOLE,
        masks: Arc::new([]),
        prompt: args.prompt.as_str().into(),
        describe: true,
        recall: None,
        check: !args.no_check,
        asks: args.ask.iter().map(|ask| ask.as_str().into()).collect(),
        max_tokens: 48,
        deadline: clock.now().plus(DEADLINE),
    };
    let answer = model
        .ask(question)
        .await
        .map_err(|error| Failure::running(&format!("`{}` was not described", file.display()), &error))?;
    let found =
        Found { file, width, height, second: sight.second, answer: &answer, asks: &args.ask, model: model.label() };
    Ok(if args.json { found.json() } else { found.text() })
}

async fn look(file: &Path, clock: Clock) -> Result<Sight, Failure> {
    if is_clip(file) {
        let pick = clip::pick(file, clock).await?;
        return Ok(Sight { picture: pick.picture, second: Some(pick.second) });
    }
    let path = file.to_owned();
    let read = tokio::task::spawn_blocking(move || image::read_file(&path)).await;
    let read = read.map_err(|error| Failure::running("reading the picture", &error))?;
    let picture = read.map_err(|error| Failure::failed(chain(&error)))?;
    Ok(Sight { picture, second: None })
}

/// By its name: what is no clip is read as a picture, whose reader looks at the contents.
pub(super) fn is_clip(file: &Path) -> bool {
    const CLIPS: [&str; 12] = ["mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "mpg", "mpeg", "mjpeg", "h264", "h265"];
    let ending = file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| CLIPS.contains(&ending.as_str()))
}

/// What is printed about one file.
struct Found<'a> {
    file: &'a Path,
    width: u32,
    height: u32,
    second: Option<f64>,
    answer: &'a Answer,
    asks: &'a [String],
    model: &'a str,
}

impl Found<'_> {
    fn text(&self) -> String {
        let t = &self.answer.timing;
        let at = self.second.map_or_else(String::new, |second| format!(" at {second:.1} s"));
        let mut lines = vec![format!(
            "{}{at}: {}  ({:.0} %, {:.0} ms)",
            self.file.display(),
            self.answer.text,
            self.answer.confidence * 100.0,
            ms(t.total)
        )];
        lines.extend(self.checked());
        for (ask, p) in self.asks.iter().zip(&self.answer.p_yes) {
            lines.push(format!("  {ask} {}  ({:.0} % yes)", YesNo::from_probability(*p).name(), p * 100.0));
        }
        lines.push(format!(
            "  {}x{}, {}: preprocess {:.1} ms, encode {:.1}, prefill {:.1}, first token after {:.1}, {} tokens in {:.1}",
            self.width,
            self.height,
            self.model,
            ms(t.preprocess),
            ms(t.encode),
            ms(t.prefill),
            ms(t.first_token),
            self.answer.tokens,
            ms(t.decode)
        ));
        lines.join("\n")
    }

    /// What was asked back, and what was said before that.
    fn checked(&self) -> Vec<String> {
        let answer = self.answer;
        let each: Vec<String> = answer.checked.iter().map(|(name, p)| format!("{name} {:.0} %", p * 100.0)).collect();
        let mut lines = Vec::new();
        if !each.is_empty() {
            let agrees = if answer.agrees { "" } else { "; no sentence agrees with it" };
            lines.push(format!("  checked: {}{agrees}  ({:.1} ms)", each.join(", "), ms(answer.timing.check)));
        }
        if let Some(before) = &answer.before {
            lines.push(format!("  before that: {before}"));
        }
        lines
    }

    fn json(&self) -> String {
        let t = &self.answer.timing;
        let round = |value: f64| (value * 10_000.0).round() / 10_000.0;
        let asks: Vec<_> = self
            .asks
            .iter()
            .zip(&self.answer.p_yes)
            .map(
                |(ask, p)| json!({"ask": ask, "answer": YesNo::from_probability(*p).name(), "p": round(f64::from(*p))}),
            )
            .collect();
        json!({
            "file": self.file.display().to_string(),
            "width": self.width,
            "height": self.height,
            "second": self.second,
            "description": self.answer.text,
            "confidence": round(f64::from(self.answer.confidence)),
            "tokens": self.answer.tokens,
            "checked": self.answer.checked.iter()
                .map(|(name, p)| (name.to_string(), json!(round(f64::from(*p)))))
                .collect::<serde_json::Map<_, _>>(),
            "agrees": self.answer.agrees,
            "corrections": self.answer.corrections,
            "before": self.answer.before,
            "asks": asks,
            "model": self.model,
            "timing_ms": {
                "preprocess": round(ms(t.preprocess)), "encode": round(ms(t.encode)), "prefill": round(ms(t.prefill)),
                "first_token": round(ms(t.first_token)), "decode": round(ms(t.decode)),
                "check": round(ms(t.check)), "total": round(ms(t.total)),
            },
        })
        .to_string()
    }
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
