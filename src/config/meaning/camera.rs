//! `[[camera]]` with its gate and rules.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{address, model, regions, rule};
use crate::analyst::View;
use crate::config::CameraConfig;
use crate::config::problem::{Code, Problem};
use crate::config::raw::{Section, Text};
use crate::gate;
use crate::ids::{CameraId, RuleId};
use crate::rules::{Places, Rule};
use crate::source::{self, Decode};

const FPS: f32 = 5.0;
const MOST_FPS: f64 = 60.0;
const TIMEOUT: Duration = Duration::from_secs(20);

/// Each takes threads, a connection and a decoder: more than one box has, whatever it is.
const MOST_CAMERAS: usize = 64;

/// Each is a question more about every picture that is described.
const MOST_RULES: usize = Places::MOST;

/// All cameras; each reports its own problems, and those that they have together.
pub(super) fn read_all(file: &Section<'_>, prompt: &Arc<str>) -> Vec<CameraConfig> {
    let sections = file.sections("camera");
    if sections.is_empty() && !file.has_table("camera") {
        let help = "write `[[camera]]` on a line of its own, and below it `id = \"front-door\"` and \
                    `url = \"rtsp://10.0.0.20/stream1\"`; the documented example is `config/eyewitness.toml` of the \
                    source, `/usr/share/doc/eyewitness/eyewitness.toml` once installed";
        let message =
            if file.reader.is_empty() { "the file is empty: there is no camera" } else { "there is no camera" };
        file.reader.report(Problem::new(Code::Missing, message, help));
    }
    let sections = at_most(MOST_CAMERAS, sections, "cameras", "let another box, or another `node`, watch the others");
    let mut names = Names::new("two cameras");
    sections.iter().filter_map(|section| read(section, prompt, &mut names)).collect()
}

fn read(section: &Section<'_>, prompt: &Arc<str>, names: &mut Names) -> Option<CameraConfig> {
    section.require();
    let id = name(section, names, CameraId::new);
    let location = address::read(section);
    let decodes = [("auto", Decode::Auto), ("all", Decode::All), ("keyframes", Decode::Keyframes)];
    let decode = section.choice("decode", &decodes);
    let decoder = section.filled_text("decoder").and_then(|text| element(section, text));
    let fps = section.number("fps", |fps| fps > 0.0 && fps <= MOST_FPS, "more than 0 and at most 60");
    let timeout = section.duration("timeout", Duration::from_secs(1)..=Duration::from_secs(3600));
    let own_prompt = model::question(section, "prompt");
    let views = [("whole", View::Whole), ("region", View::Region), ("both", View::Both)];
    let view = section.choice("view", &views);
    let gate = gate::Settings {
        masks: regions::read(section, "masks"),
        zones: regions::read(section, "zones"),
        ..gate(&section.section("gate"))
    };
    let enabled = section.switch("enabled");
    let rules = rules(section);
    Some(CameraConfig {
        source: source::Settings {
            camera: id?,
            location: location?,
            decode: decode.map_or_else(Decode::default, |found| found.value),
            decoder,
            fps: fps.map_or(FPS, |found| found.value),
            timeout: timeout.map_or(TIMEOUT, |found| found.value),
            settle: gate.settle,
        },
        gate,
        prompt: own_prompt.unwrap_or_else(|| Arc::clone(prompt)),
        // A rule may be about what does not move.
        view: view.map_or(if rules.is_empty() { View::Region } else { View::Whole }, |found| found.value),
        rules,
        enabled: enabled.is_none_or(|found| found.value),
    })
}

fn gate(section: &Section<'_>) -> gate::Settings {
    let default = gate::Settings::default();
    let (short, long) = (Duration::from_millis(100), Duration::from_secs(86_400));
    let settings = gate::Settings {
        sensitivity: section
            .number("sensitivity", |value| (0.0..=1.0).contains(&value), "from 0 to 1")
            .map_or(default.sensitivity, |found| found.value),
        settle: section.duration("settle", short..=long).map_or(default.settle, |found| found.value),
        min_interval: section
            .duration("min_interval", Duration::ZERO..=long)
            .map_or(default.min_interval, |found| found.value),
        refresh: section.duration("refresh", short..=long).map_or(default.refresh, |found| found.value),
        reuse_for: section.duration("reuse_for", Duration::ZERO..=long).map_or(default.reuse_for, |found| found.value),
        budget: model::budget(section).unwrap_or(default.budget),
        share: model::share(section).unwrap_or(default.share),
        masks: default.masks,
        zones: default.zones,
    };
    if settings.min_interval > settings.refresh {
        let span = section.span("min_interval").or_else(|| section.span("refresh"));
        let message =
            format!("`min_interval` ({:?}) is longer than `refresh` ({:?})", settings.min_interval, settings.refresh);
        let help = "`min_interval` is the shortest time between two descriptions, `refresh` the longest: \
                    make the first smaller or the second larger";
        let problem = Problem::new(Code::Conflict, message, help);
        section.reader.report(match span {
            Some(span) => problem.at(span, ""),
            None => problem,
        });
    }
    settings
}

fn rules(camera: &Section<'_>) -> Vec<Rule> {
    let mut names = Names::new("two rules of this camera");
    let read = |section: &Section<'_>| {
        section.require();
        let id = name(section, &mut names, RuleId::new);
        rule::read(section, id)
    };
    let help = "put several questions into one, or let a second `[[camera]]` of the same `url` ask the others";
    at_most(MOST_RULES, camera.sections("rule"), "rules of one camera", help).iter().filter_map(read).collect()
}

/// The first `most` tables; if there are more, the next one is where that is said.
pub(super) fn at_most<'a>(most: usize, mut sections: Vec<Section<'a>>, what: &str, help: &str) -> Vec<Section<'a>> {
    if let Some(next) = sections.get(most) {
        let message = format!("there are {} {what}; at most {most} are allowed", sections.len());
        let problem = Problem::new(Code::WrongValue, message, help);
        next.reader.report(match &next.header {
            Some(header) => problem.at(header.clone(), "the first that is too many"),
            None => problem,
        });
        sections.truncate(most);
    }
    sections
}

/// The names that are taken, and where.
struct Names {
    who: &'static str,
    taken: BTreeMap<String, Range<usize>>,
}

impl Names {
    fn new(who: &'static str) -> Self {
        Self { who, taken: BTreeMap::new() }
    }
}

/// The section's `id`, which nobody else has.
fn name<T: Display>(
    section: &Section<'_>,
    names: &mut Names,
    make: fn(&str) -> Result<T, crate::ids::IdError>,
) -> Option<T> {
    let text = section.text("id")?;
    let id = super::id(section, "id", &text, make)?;
    if let Some(first) = names.taken.get(&text.value) {
        let message = format!("{} have the id {}", names.who, text.shown());
        let label = format!("the first is in line {}", section.reader.line(first));
        let problem = Problem::new(Code::Duplicate, message, "give each an `id` of its own");
        section.reader.report(problem.at(text.span, label));
        return None;
    }
    names.taken.insert(text.value, text.span);
    Some(id)
}

/// The name of a GStreamer element; whether the machine has it turns out when the camera is opened.
fn element(section: &Section<'_>, text: Text) -> Option<String> {
    if text.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return Some(text.value);
    }
    let message = format!("{} is not the name of a GStreamer element", text.shown());
    let help =
        "write one name, such as `decoder = \"avdec_h264\"`; `gst-inspect-1.0 | grep -i h264` lists what there is";
    section.reader.report(Problem::new(Code::WrongValue, message, help).at(text.span, ""));
    None
}
