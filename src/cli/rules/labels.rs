//! Labels as a file: which pictures and clips there are, and what is right. Everything that is wrong with them is said at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::args;
use crate::cli::spans::Spans;
use crate::files;

/// Labels of thousands of pictures.
const LARGEST: u64 = 16 << 20;
/// More pictures take hours and teach nothing more.
pub(super) const MOST_FRAMES: f64 = 20_000.0;
/// More problems than these are only counted.
const MOST_PROBLEMS: usize = 20;

/// What is wanted of a file of labels.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Labels of other questions are left out; `None`: each label says its own.
    pub(super) ask: Option<String>,
    /// Where labels of a replay say something about this rule, that counts.
    pub(super) rule: Option<String>,
    /// File names; empty: all clips.
    pub(super) clips: Vec<String>,
    pub(super) every: Duration,
}

/// What there is to look at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Labels {
    pub(super) stills: Vec<Still>,
    pub(super) clips: Vec<Clip>,
    /// Labels of other questions.
    pub(super) others: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Still {
    pub(super) path: PathBuf,
    pub(super) ask: String,
    pub(super) yes: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Clip {
    pub(super) path: PathBuf,
    pub(super) ask: String,
    pub(super) every: Duration,
    pub(super) spans: Spans,
    /// As its container says.
    pub(super) length: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StillLine {
    image: PathBuf,
    answer: Answer,
    #[serde(default)]
    ask: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Yes,
    No,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClipLine {
    clip: PathBuf,
    #[serde(default)]
    every: Option<String>,
    #[serde(default)]
    ask: Option<String>,
    #[serde(default)]
    yes: Vec<[f64; 2]>,
    #[serde(default)]
    no: Option<Vec<[f64; 2]>>,
    #[serde(default)]
    unknown: Vec<[f64; 2]>,
}

/// A clip as `replay --truth` knows it; what else stands there is for people.
#[derive(Deserialize)]
struct Played {
    #[serde(default)]
    events: Vec<Visit>,
    #[serde(default)]
    rules: BTreeMap<String, Spans>,
}

#[derive(Deserialize)]
struct Visit {
    from: f64,
    to: f64,
}

/// Reads labels and looks whether what they name is there. `length` tells how long a clip lasts.
///
/// # Errors
/// All problems, one line each.
pub(super) fn read(
    path: &Path,
    wanted: &Wanted,
    length: &dyn Fn(&Path) -> Option<Duration>,
) -> Result<Labels, Vec<String>> {
    let bytes = files::read(path, LARGEST).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => vec!["there is no such file".to_owned()],
        _ => vec![error.to_string()],
    })?;
    let file: Value =
        serde_json::from_slice(&bytes).map_err(|error| vec![format!("it is not labels as JSON: {error}")])?;
    let mut reading = Reading {
        folder: path.parent().unwrap_or(Path::new("")),
        wanted,
        length,
        labels: Labels::default(),
        problems: Vec::new(),
    };
    reading.all(&file);
    let Reading { labels, mut problems, .. } = reading;
    let frames = labels.frames();
    if frames > MOST_FRAMES {
        problems.push(format!(
            "that is about {frames:.0} pictures to ask about; at most {MOST_FRAMES} are: look at clips less often (`every`, `--every`)"
        ));
    }
    if labels.stills.is_empty() && labels.clips.is_empty() && problems.is_empty() {
        problems.push(match labels.others {
            0 => "it names no picture and no clip".to_owned(),
            others => format!("its {others} labels are about other questions"),
        });
    }
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    problems.truncate(MOST_PROBLEMS);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    if problems.is_empty() { Ok(labels) } else { Err(problems) }
}

impl Labels {
    /// About how many pictures there are to look at.
    fn frames(&self) -> f64 {
        let of = |clip: &Clip| clip.length.unwrap_or_default().as_secs_f64() / clip.every.as_secs_f64();
        self.stills.len() as f64 + self.clips.iter().map(of).sum::<f64>()
    }
}

struct Reading<'a> {
    folder: &'a Path,
    wanted: &'a Wanted,
    length: &'a dyn Fn(&Path) -> Option<Duration>,
    labels: Labels,
    problems: Vec<String>,
}

impl Reading<'_> {
    fn all(&mut self, file: &Value) {
        let Some(fields) = file.as_object() else {
            self.problems.push("it is not labels: a JSON object with `frames` or `clips` is".to_owned());
            return;
        };
        match fields.get("frames") {
            None => {}
            Some(Value::Array(frames)) => frames.iter().enumerate().for_each(|(n, line)| self.still(n, line)),
            Some(_) => self.problems.push("`frames` is no list".to_owned()),
        }
        match fields.get("clips") {
            None => {}
            Some(Value::Array(clips)) => clips.iter().enumerate().for_each(|(n, line)| self.clip(n, line)),
            Some(Value::Object(clips)) => clips.iter().for_each(|(name, labels)| self.played(name, labels)),
            Some(_) => self.problems.push("`clips` is neither a list nor an object".to_owned()),
        }
        for name in &self.wanted.clips {
            let named = |clip: &Clip| clip.path.file_name().is_some_and(|known| known.to_string_lossy() == **name);
            if self.problems.is_empty() && !self.labels.clips.iter().any(named) {
                self.problems.push(format!("`--clip {name}`: the labels do not name it"));
            }
        }
    }

    fn still(&mut self, number: usize, line: &Value) {
        let place = format!("frames[{number}]");
        let Some(StillLine { image, answer, ask }) = self.line(&place, line) else { return };
        let Some(ask) = self.question(&place, ask) else { return };
        let path = self.folder.join(&image);
        let yes = matches!(answer, Answer::Yes);
        if !path.is_file() {
            self.problems.push(format!("{place}: there is no picture `{}`", path.display()));
        } else if let Some(other) = self.labels.stills.iter().find(|other| other.path == path && other.ask == ask) {
            let what = if other.yes == yes { "is there twice" } else { "is both yes and no" };
            self.problems.push(format!("{place}: `{}` {what}", image.display()));
        }
        self.labels.stills.push(Still { path, ask, yes });
    }

    fn clip(&mut self, number: usize, line: &Value) {
        let place = format!("clips[{number}]");
        let Some(ClipLine { clip, every, ask, yes, no, unknown }) = self.line(&place, line) else { return };
        if !self.is_wanted(&clip) {
            return;
        }
        let Some(ask) = self.question(&place, ask) else { return };
        let every = match every.as_deref().map(args::every) {
            None => self.wanted.every,
            Some(Ok(every)) => every,
            Some(Err(error)) => {
                self.problems.push(format!("{place}: `every`: {error}"));
                return;
            }
        };
        self.add(&format!("{place}, {}", clip.display()), &clip, ask, every, Spans { yes, no, unknown });
    }

    fn played(&mut self, name: &str, labels: &Value) {
        let place = format!("clips, {name}");
        if !self.is_wanted(Path::new(name)) {
            return;
        }
        let Some(Played { events, mut rules }) = self.line(&place, labels) else { return };
        let Some(ask) = self.question(&place, None) else { return };
        let events = || Spans { yes: events.iter().map(|visit| [visit.from, visit.to]).collect(), ..Spans::default() };
        let spans = self.wanted.rule.as_ref().and_then(|rule| rules.remove(rule)).unwrap_or_else(events);
        self.add(&place, Path::new(name), ask, self.wanted.every, spans);
    }

    fn add(&mut self, place: &str, name: &Path, ask: String, every: Duration, spans: Spans) {
        let path = self.folder.join(name);
        if !path.is_file() {
            self.problems.push(format!("{place}: there is no clip `{}`", path.display()));
            return;
        }
        if self.labels.clips.iter().any(|other| other.path == path && other.ask == ask) {
            self.problems.push(format!("{place}: the clip is there twice"));
        }
        let length = (self.length)(&path);
        let wrong = spans.problems(length.map(|length| length.as_secs_f64()));
        self.problems.extend(wrong.into_iter().map(|problem| format!("{place}: {problem}")));
        self.labels.clips.push(Clip { path, ask, every, spans, length });
    }

    fn is_wanted(&self, clip: &Path) -> bool {
        let wanted = &self.wanted.clips;
        wanted.is_empty()
            || clip.file_name().is_some_and(|name| wanted.iter().any(|one| *one == name.to_string_lossy()))
    }

    fn line<T: for<'de> Deserialize<'de>>(&mut self, place: &str, line: &Value) -> Option<T> {
        T::deserialize(line).map_err(|error| self.problems.push(format!("{place}: {error}"))).ok()
    }

    /// What a label asks. `None`: it is about another question, or about none.
    fn question(&mut self, place: &str, own: Option<String>) -> Option<String> {
        let folded = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
        match (own.filter(|ask| !ask.trim().is_empty()), &self.wanted.ask) {
            (Some(own), Some(wanted)) if folded(&own) != folded(wanted) => {
                self.labels.others += 1;
                None
            }
            (_, Some(wanted)) => Some(wanted.clone()),
            (Some(own), None) => Some(own),
            (None, None) => {
                self.problems.push(format!("{place}: it asks nothing: write `ask`, or say `--rule` or `--ask`"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(ask: Option<&str>) -> Wanted {
        Wanted { ask: ask.map(str::to_owned), rule: None, clips: Vec::new(), every: Duration::from_secs(1) }
    }

    fn read_text(text: &str, wanted: &Wanted) -> Result<Labels, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png", "door.mp4", "yard.mp4"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let path = folder.path().join("labels.json");
        std::fs::write(&path, text).unwrap();
        read(&path, wanted, &|_| Some(Duration::from_secs(30)))
    }

    #[test]
    fn both_forms_are_read() {
        let own = r#"{"frames":[{"image":"a.png","answer":"yes"},{"image":"b.png","answer":"no","ask":"Other?"}],
            "clips":[{"clip":"door.mp4","every":"500ms","yes":[[1,2]],"unknown":[[2,3]]}]}"#;
        let labels = read_text(own, &wanted(Some("Is it?"))).unwrap();
        assert_eq!((labels.stills.len(), labels.clips.len(), labels.others), (1, 1, 1));
        assert_eq!((labels.clips[0].every, labels.clips[0].ask.as_str()), (Duration::from_millis(500), "Is it?"));
        let replay = r#"{"about":"x","clips":{"door.mp4":{"fps":10,"events":[{"from":1,"to":2,"who":"x"}]},
            "yard.mp4":{"events":[],"rules":{"gate":{"yes":[[4,5]]}}},"gone.mp4":{"events":[]}}}"#;
        let some = Wanted { clips: vec!["door.mp4".into(), "yard.mp4".into()], ..wanted(Some("Is it?")) };
        let labels = read_text(replay, &some).unwrap();
        let yes: Vec<_> = labels.clips.iter().map(|clip| clip.spans.yes.clone()).collect();
        assert_eq!(yes, [vec![[1.0, 2.0]], vec![]]);
        let labels = read_text(replay, &Wanted { rule: Some("gate".into()), ..some }).unwrap();
        assert_eq!(labels.clips[1].spans.yes, [[4.0, 5.0]]);
    }

    #[test]
    fn all_problems_come_at_once() {
        let text = r#"{"frames":[{"image":"a.png","answer":"maybe"},{"image":"c.png","answer":"yes"},{"image":"a.png","answer":"yes"},
            {"image":"a.png","answer":"no"},{"answer":"no"}],
            "clips":[{"clip":"none.mp4"},{"clip":"door.mp4","yes":[[5,4],[8,40]]},{"clip":"door.mp4","every":"1ms"},
            {"clip":"yard.mp4","yes":[[1,2]],"no":[[0,1]]},{"clip":"yard.mp4","Yes":[]}]}"#;
        let problems = read_text(text, &wanted(Some("Is it?"))).unwrap_err().join("\n");
        for part in [
            "frames[0]: unknown variant `maybe`, expected `yes` or `no`",
            "frames[1]: there is no picture",
            "frames[3]: `a.png` is both yes and no",
            "frames[4]: missing field `image`",
            "clips[0], none.mp4: there is no clip",
            "clips[1], door.mp4: `yes`: [5, 4] is no stretch of time",
            "clips[1], door.mp4: `yes`: [8, 40] goes beyond the clip, which lasts 30.0 s",
            "clips[2]: `every`: it is from",
            "clips[3], yard.mp4: from 2 to 29.5 s nothing is said",
            "clips[4]: unknown field `Yes`",
        ] {
            assert!(problems.contains(part), "{part}:\n{problems}");
        }
        let said = |text: &str, ask| read_text(text, &wanted(ask)).unwrap_err().join("\n");
        assert!(said("[]", None).contains("a JSON object with `frames` or `clips` is"));
        assert!(said("{", None).contains("it is not labels as JSON"));
        assert!(said("{}", None).contains("it names no picture and no clip"));
        assert!(said(r#"{"frames":[{"image":"a.png","answer":"yes"}]}"#, None).contains("it asks nothing"));
        let other = r#"{"frames":[{"image":"a.png","answer":"yes","ask":"A cat?"}]}"#;
        assert!(said(other, Some("A dog?")).contains("its 1 labels are about other questions"));
        let much = r#"{"clips":[{"clip":"door.mp4","every":"100ms"}]}"#;
        assert!(read_text(much, &wanted(Some("?"))).is_ok());
    }
}
