//! `eyewitness demo`: a clip as a camera, everything else brought along.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::args::DemoArgs;
use super::broker::{Broker, BrokerError, free_port};
use super::describe::model_settings;
use super::exit::Exit;
use super::failure::{Failure, chain};
use super::lines::Line;
use super::run::{load_model, report};
use super::say;
use super::summary::Summary;
use crate::clock::Clock;
use crate::config::Config;
use crate::event::Event;
use crate::outbox::Outbox;
use crate::pipeline::Audience;
use crate::service::{self, Ended, Parts, StopSignals};
use crate::source;
use crate::telemetry::{self, Metrics};

/// The camera's id in the demo.
const CAMERA: &str = "street";

pub(super) async fn demo(args: DemoArgs, clock: Clock) -> Result<Exit, Failure> {
    let log = telemetry::init("warn", telemetry::LogFormat::Text).map_err(|error| Failure::usage(error.to_string()))?;
    source::init().map_err(|error| Failure::running("GStreamer", &error))?;
    let clip = find_clip(args.clip.as_deref())?;
    let repeat = !args.once && std::io::stdout().is_terminal();
    let signals = StopSignals::new().map_err(|error| Failure::running("signals", &error))?;
    let (broker, url) = broker(args.broker).await;
    let page = free_port().ok();
    let config = config(&clip, repeat, url.as_deref(), args.model.as_deref(), page)?;
    let model = load_model(config.model.settings.clone(), clock).await?;
    introduce(&clip, model.label(), url.as_deref(), repeat, page);

    let metrics = Arc::new(Metrics::new());
    let began = clock.now();
    let outbox = Outbox::new(&config.outbox, clock);
    let audience = Arc::new(Printer { zone: TimeZone::system() });
    let ended = service::run(Parts {
        config,
        model,
        outbox,
        metrics: metrics.clone(),
        clock,
        audience,
        signals,
        reload: None,
        log,
    })
    .await;
    drop(broker);
    let summary = Summary::of(&metrics, CAMERA, clock.now().since(began));
    if ended == Ended::Over && summary.saw_nothing() {
        let clip = clip.display();
        return Err(Failure::failed(format!(
            "`{clip}` gave no picture, see above\n  help: give a video, such as an MP4 with H.264"
        )));
    }
    say::talk(&summary.to_string());
    // Ctrl-C is how this demo ends when it repeats the clip.
    Ok(if ended == Ended::Hurried { Exit::Failed } else { Exit::Done })
}

fn find_clip(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(clip) = asked {
        return match clip.is_file() {
            true => Ok(clip.to_owned()),
            false => {
                Err(Failure::usage(format!("there is no clip `{}`: check the name after `--clip`", clip.display())))
            }
        };
    }
    const PLACE: &str = ".cache/clips/bikes.mp4";
    // In a checkout: where we stand, or two folders above the program (target/release).
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(|program| program.ancestors().nth(3)).map(|root| root.join(PLACE));
    [Some(PathBuf::from(PLACE)), beside].into_iter().flatten().find(|clip| clip.is_file()).ok_or_else(|| {
        Failure::failed(
            "the demo clip is not here\n  help: `make demo` in a checkout fetches it, or name a clip with `--clip FILE`",
        )
    })
}

/// The broker that we started, if we did, and the address to deliver to, if there is any.
async fn broker(asked: Option<String>) -> (Option<Broker>, Option<String>) {
    if asked.is_some() {
        return (None, asked);
    }
    match Broker::start().await {
        Ok(broker) => {
            let url = format!("mqtt://127.0.0.1:{}", broker.port);
            (Some(broker), Some(url))
        }
        Err(error @ BrokerError::Absent) => {
            say::talk(&format!("{error}, so events are printed only. (Debian: `apt install mosquitto`)"));
            (None, None)
        }
        Err(error) => {
            say::talk(&format!("{}; events are printed only.", chain(&error)));
            (None, None)
        }
    }
}

/// The demo's config goes the way of every config: through the same text and the same checks.
fn config(
    clip: &Path,
    repeat: bool,
    broker: Option<&str>,
    model: Option<&Path>,
    page: Option<u16>,
) -> Result<Config, Failure> {
    // A JSON string is a TOML string too.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let model = model_settings(model, 0)?.path;
    let mut text = format!("node = \"demo\"\n\n[model]\npath = {}\n\n", quoted(&literal(&model)));
    if let Some(url) = broker {
        text.push_str(&format!("[mqtt]\nurl = {}\n\n", quoted(&url.replace("${", "$${"))));
    }
    let listen = page.map_or("off".to_owned(), |port| format!("127.0.0.1:{port}"));
    text.push_str(&format!("[http]\nlisten = \"{listen}\"\n\n"));
    text.push_str(&format!(
        "[[camera]]\nid = \"{CAMERA}\"\nurl = {}\nloop = {repeat}\n",
        quoted(&literal(&std::path::absolute(clip).unwrap_or_else(|_| clip.to_owned())))
    ));
    let env = |_: &str| None;
    // What can be wrong in it came from the command line.
    let loaded =
        Config::parse("the command line", &text, &env).map_err(|error| Failure::report(Exit::Usage, report(&error)))?;
    Ok(loaded.config)
}

/// A path as a config string: what looks like a variable in it is none.
fn literal(path: &Path) -> String {
    path.to_string_lossy().replace("${", "$${")
}

fn introduce(clip: &Path, model: &str, broker: Option<&str>, repeat: bool, page: Option<u16>) {
    say::talk(&format!("Watching `{}` as camera `{CAMERA}`, in real time, with the model {model}.", clip.display()));
    if let Some(url) = broker {
        let port = url.rsplit(':').next().unwrap_or_default();
        say::talk(&format!(
            "Events go to {url} too; another terminal can listen: mosquitto_sub -p {port} -v -t 'eyewitness/#'"
        ));
    }
    if let Some(port) = page {
        say::talk(&format!("How it is doing, and its numbers: http://127.0.0.1:{port}/"));
    }
    if repeat {
        say::talk("The clip repeats; Ctrl-C ends it.");
    }
    say::talk("");
}

/// Prints each event as a line.
struct Printer {
    zone: TimeZone,
}

impl Audience for Printer {
    fn event(&self, event: &Event) {
        // A closed stdout ends nothing: the events go to the broker all the same.
        let _ = say::data(&Line::of_event(event).show(&self.zone));
    }
}
