//! `eyewitness check`: is everything in order? What is checked is what `run` uses, by the same code.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::failure::{Failure, chain};
use super::run::{load, load_model};
use super::say;
use crate::clock::Clock;
use crate::config::{CameraConfig, Config, Loaded};
use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};
use crate::health::{CameraHealth, CameraState};
use crate::pipeline::Switches;
use crate::rules::Calibrations;
use crate::source::{self, mailbox};
use crate::telemetry;
use crate::units::Region;
use crate::vlm::{Model, Part, Question};
use crate::{mqtt, outbox};

/// A camera or broker that does not answer within this time is reported as such.
const PATIENCE: Duration = Duration::from_secs(15);

/// The first inference of a large set on a small box takes its time.
const QUESTION: Duration = Duration::from_secs(120);

pub(super) async fn check(path: &Path, online: bool, clock: Clock) -> Result<Exit, Failure> {
    telemetry::init("off", telemetry::LogFormat::Text).map_err(|error| Failure::usage(error.to_string()))?;
    let Loaded { config, notices } = load(path)?;
    row("config", Some(&format!("`{}`: {}", path.display(), cameras(&config))))?;
    for notice in &notices {
        say::talk(&format!("  note: {notice}"));
    }
    let switches = switches(&config);
    source::init().map_err(|error| Failure::running("GStreamer", &error))?;
    let model = load_model(config.model.settings.clone(), clock).await?;
    row("model", Some(&format!("{}, from `{}`", model.label(), config.model.settings.path.display())))?;
    if !model.info().shared_buffers && ["cpu", "cuda"].contains(&model.info().provider) {
        say::talk(
            "  note: this set's attention is not fused: `eyewitness models optimize` writes a set that answers faster",
        );
    }
    measured(&config, &model)?;
    let kept = report("outbox", &outbox::probe(&config.outbox))?;
    if !kept {
        say::talk("  note: `run` would keep waiting events in memory, and go on trying.");
    }
    if !online {
        // The unit asks this before each start: a full disk is no reason not to watch.
        say::talk("Cameras, broker and model were not tried; `--online` does.");
        return Ok(Exit::Done);
    }
    let mut failures = u32::from(!kept);
    failures += u32::from(!report("inference", &inference(&config, &model, clock).await)?);
    row("nodes", Some(&placement(&model)))?;
    for camera in config.cameras.iter().filter(|camera| is_on(camera, &switches)) {
        failures += u32::from(!report(&format!("camera {}", camera.source.camera), &open(camera, clock).await)?);
    }
    for (name, settings) in config.mqtt.iter().flat_map(mqtt::Settings::brokers) {
        let probed = mqtt::probe(&settings, PATIENCE).await.map_err(|error| chain(&error));
        failures += u32::from(!report(name, &probed)?);
    }
    if failures == 0 {
        return Ok(Exit::Done);
    }
    say::talk(&format!("{failures} of these failed; `run` would go on trying."));
    Ok(Exit::Failed)
}

/// What is known of the worth of the model's answers, if anything is.
fn measured(config: &Config, model: &Model) -> Result<(), Failure> {
    let (known, wrong) = Calibrations::of(&config.model.settings.path, config.state.as_deref(), model.label());
    match known.entries().len() {
        0 => {}
        1 => row("calibration", Some("one question was measured"))?,
        n => row("calibration", Some(&format!("{n} questions were measured")))?,
    }
    wrong.iter().for_each(|words| say::talk(&format!("  note: {words}")));
    Ok(())
}

/// What was turned off or on while the daemon ran, as far as whoever checks may read it; said where the config has it otherwise.
fn switches(config: &Config) -> Switches {
    let switches = Switches::read(config.state.as_deref()).unwrap_or_else(|error| {
        say::talk(&format!("  note: {error}; cameras are on or off as the config has them"));
        Switches::default()
    });
    for camera in config.cameras.iter().filter(|camera| is_on(camera, &switches) != camera.enabled) {
        let (now, then) = if camera.enabled { ("off", "on") } else { ("on", "off") };
        let id = &camera.source.camera;
        say::talk(&format!(
            "  note: camera `{id}` was turned {now} while Eyewitness ran, until it is turned {then} again"
        ));
    }
    switches
}

fn is_on(camera: &CameraConfig, switches: &Switches) -> bool {
    switches.of(&camera.source.camera).unwrap_or(camera.enabled)
}

fn cameras(config: &Config) -> String {
    match config.cameras.len() {
        1 => "1 camera".to_owned(),
        n => format!("{n} cameras"),
    }
}

/// Prints one result; returns whether it is a good one.
fn report(what: &str, result: &Result<String, String>) -> Result<bool, Failure> {
    match result {
        Ok(words) => row(what, Some(words))?,
        Err(words) => row(&format!("{what}: {words}"), None)?,
    }
    Ok(result.is_ok())
}

fn row(what: &str, good: Option<&str>) -> Result<(), Failure> {
    let line = match good {
        Some(words) => format!("ok      {what}: {words}"),
        None => format!("failed  {what}"),
    };
    say::data(&line).map_err(|error| Failure::running("stdout", &error))
}

/// What really runs the graphs: "vision_encoder: cpu 216; embed_tokens: cpu 3; ...".
fn placement(model: &Model) -> String {
    let parts = Part::ALL.into_iter().zip(&model.info().placement);
    let parts = parts.map(|(part, placement)| match placement.nodes() {
        0 => format!("{}: not known", part.stem()),
        _ => format!("{}: {placement}", part.stem()),
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// One question about a grey picture: what it says is nothing, that it says something is all.
async fn inference(config: &Config, model: &Model, clock: Clock) -> Result<String, String> {
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    let (width, height) = (640, 360);
    let grey = vec![128; (width * height * 3 / 2) as usize];
    let picture = Picture::packed(width, height, PixelFormat::Nv12, colour, grey).map_err(|error| chain(&error))?;
    let question = Question {
        picture,
        view: Region::WHOLE,
        masks: Arc::new([]),
        prompt: config.model.prompt.clone(),
        describe: true,
        recall: None,
        check: false,
        asks: Vec::new(),
        max_tokens: config.model.max_tokens,
        deadline: clock.now().plus(QUESTION),
    };
    let answer = model.ask(question).await.map_err(|error| chain(&error))?;
    let ms = |took: Duration| took.as_secs_f64() * 1000.0;
    Ok(format!(
        "{} answered a test picture in {:.0} ms, first token after {:.0} ms",
        model.label(),
        ms(answer.timing.total),
        ms(answer.timing.first_token)
    ))
}

/// Opens the camera until it delivers or has failed once.
async fn open(camera: &CameraConfig, clock: Clock) -> Result<String, String> {
    let (frames_in, _frames) = mailbox::channel();
    let (health_in, mut health) = watch::channel(CameraHealth::starting(clock.now().wall));
    let cancel = CancellationToken::new();
    let running = tokio::spawn(source::run(
        camera.source.clone(),
        clock,
        Arc::default(),
        Arc::default(),
        frames_in,
        health_in,
        cancel.clone(),
    ));
    let tried = |health: &CameraHealth| health.state == CameraState::Online || health.failures > 0;
    let outcome = match timeout(PATIENCE, health.wait_for(|health| tried(health))).await {
        Ok(Ok(health)) if health.state == CameraState::Online => Ok(health.reason.clone()),
        Ok(Ok(health)) => Err(health.reason.clone()),
        Ok(Err(_)) => Err("the camera's source ended without a word; this is a bug of ours".to_owned()),
        Err(_) => Err(format!("no frame within {} s", PATIENCE.as_secs())),
    };
    cancel.cancel();
    // The camera should not find its connection still open when `run` comes next.
    let _ = timeout(Duration::from_secs(2), running).await;
    outcome
}
