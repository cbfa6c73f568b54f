//! `eyewitness rules`: what a model's answers are worth, measured on labels.
//!
//! `labels` reads what is right, `asking` asks the model, `outcome` fits and says what came of it, `save` keeps it.

mod args;
mod asking;
mod labels;
mod outcome;
mod save;

use std::path::Path;

use self::args::FitArgs;
pub(super) use self::args::RulesCommand;
use self::asking::Asker;
use self::labels::Wanted;
pub(super) use self::outcome::score_json;
use self::outcome::{About, Outcome};
use super::args::DEFAULT_CONFIG;
use super::describe::model_settings;
use super::exit::Exit;
use super::failure::Failure;
use super::replay::Bar;
use super::run::{load, load_model};
use super::say;
use crate::clock::Clock;
use crate::config::Config;
use crate::ids::{CameraId, RuleId};
use crate::rules::Rule;
use crate::rules::calibration::{Entry, FitError, Target};
use crate::source;
use crate::telemetry;
use crate::units::Polygon;
use crate::vlm;

pub(super) async fn rules(command: RulesCommand, clock: Clock) -> Result<Exit, Failure> {
    match command {
        RulesCommand::Fit(args) => fit(args, clock).await,
    }
}

async fn fit(args: FitArgs, clock: Clock) -> Result<Exit, Failure> {
    telemetry::init("warn,eyewitness::source=error", telemetry::LogFormat::Text)
        .map_err(|error| Failure::usage(error.to_string()))?;
    source::init().map_err(|error| Failure::running("GStreamer", &error))?;
    let subject = Subject::of(&args)?;
    let wanted = Wanted {
        ask: subject.asked.then(|| subject.rule.ask.to_string()),
        rule: subject.camera.as_ref().map(|_| subject.rule.id.to_string()),
        clips: args.clip.clone(),
        every: args.every,
    };
    let path = args.labels.clone();
    let read = tokio::task::spawn_blocking(move || labels::read(&path, &wanted, &source::length)).await;
    let read = read.map_err(|error| Failure::running("the labels", &error))?;
    let labels = read.map_err(|problems| refused(&args.labels, &problems))?;
    // Before the model works for minutes.
    let set = subject.model.path.clone();
    let target = args.save.as_deref().map(|to| save::target(to, &set, subject.state.as_deref())).transpose()?;

    let model = load_model(subject.model.clone(), clock).await?;
    let bar = Bar::new();
    let rule = subject.camera.is_some().then_some(&subject.rule);
    let asker = Asker { model: &model, clock, rule, masks: subject.masks.clone() };
    let all = asker.all(&labels, args.margin, &bar).await;
    bar.end();
    let all = all?;
    let about = About {
        what: &subject.what(),
        model: model.label(),
        turned: subject.asked.then(|| asker.turned(&subject.rule.ask)).flatten().map(|turned| turned.to_string()),
        left_out: all.left_out,
        rule: &subject.rule,
    };
    let outcome = Outcome::of(&all.asked, about).map_err(|error| unfit(&args.labels, error))?;
    let data = |text: &str| say::data(text).map_err(|error| Failure::running("stdout", &error));
    if !args.json {
        data(&outcome.text())?;
    }
    outcome.warnings().iter().for_each(|warning| say::talk(&format!("Warning: {warning}.")));
    let hopeless = outcome.hopeless();
    let saved = match &target {
        Some(path) if hopeless.is_none() => {
            let [yes, no] = outcome.labels.map(|labels| u32::try_from(labels).unwrap_or(u32::MAX));
            let calibration = outcome.fitted.calibration.clone();
            let entry =
                Entry { model: model.label().to_owned(), target: subject.target(), calibration, labels: [yes, no] };
            Some(save::save(path, entry)?)
        }
        _ => None,
    };
    let written = saved.is_some();
    match (&saved, &hopeless, &target) {
        (Some(words), ..) => say::talk(words),
        (None, Some(why), Some(_)) => say::talk(&format!("eyewitness: nothing was saved: {why}")),
        (None, Some(why), None) => say::talk(&format!("Warning: {why}.")),
        (None, None, _) => say::talk("Nothing was written: `--save` does that."),
    }
    let refused = target.is_some() && !written;
    if args.json {
        let path = target.filter(|_| written).map(|path| path.display().to_string());
        data(&outcome.json(path.as_deref()).to_string())?;
    }
    Ok(if refused { Exit::Failed } else { Exit::Done })
}

fn refused(path: &Path, problems: &[String]) -> Failure {
    let shown = path.display();
    match problems {
        [one] => Failure::usage(format!("the labels `{shown}` cannot be used: {one}")),
        all => Failure::usage(format!("the labels `{shown}` cannot be used:\n  {}", all.join("\n  "))),
    }
}

fn unfit(path: &Path, error: FitError) -> Failure {
    let shown = path.display();
    match error {
        FitError::Nothing => {
            Failure::usage(format!("the labels `{shown}` leave nothing to learn from: all of it is unknown"))
        }
        FitError::OneKind(_) => Failure::usage(format!("the labels `{shown}` cannot be used: {error}")),
        FitError::NoNumber | FitError::Backwards => Failure::failed(error.to_string()),
    }
}

/// What is fitted, and with what.
struct Subject {
    /// `None`: a question of nobody in particular, or several.
    camera: Option<CameraId>,
    /// The rule, or one with everything as it is without a word in the config.
    rule: Rule,
    /// Whether one question is meant; else each label has its own.
    asked: bool,
    masks: Vec<Polygon>,
    model: vlm::Settings,
    state: Option<std::path::PathBuf>,
}

impl Subject {
    fn of(args: &FitArgs) -> Result<Self, Failure> {
        let path = args.config.as_deref().or_else(|| args.rule.is_some().then_some(Path::new(DEFAULT_CONFIG)));
        let config = match path {
            Some(path) => load(path)?.config,
            None => defaults()?,
        };
        let model = match (&args.model, path) {
            (Some(folder), _) => model_settings(Some(folder), config.model.settings.threads)?,
            (None, Some(_)) => config.model.settings.clone(),
            (None, None) => model_settings(None, 0)?,
        };
        let state = config.state.clone();
        if let Some(named) = &args.rule {
            let (camera, rule) = find(&config, named)?;
            return Ok(Self {
                masks: camera.gate.masks.clone(),
                rule: rule.clone(),
                camera: Some(camera.source.camera.clone()),
                asked: true,
                model,
                state,
            });
        }
        let ask = args.ask.as_deref().map(str::trim);
        if ask == Some("") {
            return Err(Failure::usage("`--ask` asks nothing: write a question, such as `--ask 'Is there a person?'`"));
        }
        let rule = Rule::new(RuleId::new("question").expect("a constant id"), ask.unwrap_or_default());
        Ok(Self { camera: None, rule, asked: ask.is_some(), masks: Vec::new(), model, state })
    }

    fn target(&self) -> Target {
        match &self.camera {
            Some(camera) => Target::rule(camera.clone(), self.rule.id.clone(), &self.rule.ask),
            None if self.asked => Target::ask(&self.rule.ask),
            None => Target::Default,
        }
    }

    fn what(&self) -> String {
        match &self.camera {
            Some(camera) => format!("{camera}/{}: {}", self.rule.id, self.rule.ask),
            None if self.asked => self.rule.ask.to_string(),
            None => "Whatever is asked".to_owned(),
        }
    }
}

/// A config in which nothing is said, for where this user's state is.
fn defaults() -> Result<Config, Failure> {
    let env = |name: &str| std::env::var(name).ok();
    let loaded = Config::parse("the defaults", "[[camera]]\nid = \"clip\"\nurl = \"test://\"\n", &env);
    loaded.map(|loaded| loaded.config).map_err(|error| Failure::config(&error))
}

/// The rule that `CAMERA/RULE` names.
fn find<'a>(config: &'a Config, named: &str) -> Result<(&'a crate::config::CameraConfig, &'a Rule), Failure> {
    let all = || config.cameras.iter().flat_map(|camera| camera.rules.iter().map(move |rule| (camera, rule)));
    let name = |(camera, rule): &(&crate::config::CameraConfig, &Rule)| format!("{}/{}", camera.source.camera, rule.id);
    all().find(|one| name(one) == named).ok_or_else(|| {
        let known: Vec<_> = all().map(|one| format!("`{}`", name(&one))).collect();
        let help = if known.is_empty() {
            "the config has no rule: write a `[[camera.rule]]` with `id` and `ask`".to_owned()
        } else {
            format!("its rules are {}", known.join(", "))
        };
        Failure::usage(format!("there is no rule `{named}` in the config\n  help: {help}"))
    })
}
