//! What the model says about each labelled picture.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::labels::{Clip, Labels, MOST_FRAMES};
use crate::cli::failure::{Failure, chain};
use crate::cli::replay::{Bar, clip_time};
use crate::clock::Clock;
use crate::frame::Picture;
use crate::health::CameraHealth;
use crate::ids::CameraId;
use crate::image;
use crate::rules::calibration::Sample;
use crate::rules::{self, Rule};
use crate::source::{self, Decode, Location, Pace, mailbox};
use crate::units::{Polygon, Region};
use crate::vlm::{Model, Question};

/// Longer than any picture takes on any machine that this is for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A labelled picture and what the model says about it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) sample: Sample,
    /// Which one, for people.
    pub(super) place: String,
}

/// All of them, and how many were left out as unknown or too near to a change.
#[derive(Debug, Default)]
pub(super) struct AllAsked {
    pub(super) asked: Vec<Asked>,
    pub(super) left_out: usize,
}

/// The way of asking: as the daemon does it.
pub(super) struct Asker<'a> {
    pub(super) model: &'a Model,
    pub(super) clock: Clock,
    /// The rule, where it is one; what it asks is said with each picture.
    pub(super) rule: Option<&'a Rule>,
    pub(super) masks: Vec<Polygon>,
}

impl Asker<'_> {
    /// Asks about all labels, stills first, in their order.
    pub(super) async fn all(&self, labels: &Labels, margin: Duration, bar: &Bar) -> Result<AllAsked, Failure> {
        let mut all = AllAsked::default();
        let mut scenes = BTreeMap::new();
        for still in &labels.stills {
            let path = still.path.clone();
            let read = tokio::task::spawn_blocking(move || image::read_file(&path)).await;
            let read = read.map_err(|error| Failure::running("reading the picture", &error))?;
            let picture = read.map_err(|error| Failure::failed(chain(&error)))?;
            let place = still.path.display().to_string();
            let next = scenes.len();
            let stretch = *scenes.entry(still.path.clone()).or_insert(next);
            let p = self.ask(&still.ask, picture, &place).await?;
            all.asked.push(Asked { sample: Sample { p, yes: still.yes, stretch }, place });
        }
        let mut first = scenes.len();
        for (number, clip) in labels.clips.iter().enumerate() {
            bar.begin(&name(&clip.path), number + 1, labels.clips.len());
            clip.length.into_iter().for_each(|length| bar.lasts(length));
            first += self.clip(clip, margin, first, &mut all, bar).await?;
        }
        Ok(all)
    }

    /// Plays a clip and asks where something is known. Returns how many stretches it may have.
    async fn clip(
        &self,
        clip: &Clip,
        margin: Duration,
        first: usize,
        all: &mut AllAsked,
        bar: &Bar,
    ) -> Result<usize, Failure> {
        let (frames_in, mut frames) = mailbox::channel();
        let (health_in, health) = watch::channel(CameraHealth::starting(self.clock.now().wall));
        let cancel = CancellationToken::new();
        let _cancelled_on_return = cancel.clone().drop_guard();
        let settings = source::Settings {
            camera: CameraId::new("clip").expect("a constant id"),
            location: Location::File { path: clip.path.clone(), pace: Pace::Fast, repeat: false },
            decode: Decode::All,
            decoder: None,
            fps: (1.0 / clip.every.as_secs_f64()) as f32,
            timeout: Duration::from_secs(20),
            settle: Duration::from_secs(2),
        };
        tokio::spawn(source::run(settings, self.clock, Arc::default(), Arc::default(), frames_in, health_in, cancel));
        let (mut seen, mut last) = (0, 0);
        while let Some(frame) = frames.take().await {
            seen += 1;
            let second = frame.pts.unwrap_or_default().as_secs_f64();
            bar.at(second);
            let Some(yes) = clip.spans.at(second, margin.as_secs_f64()) else {
                all.left_out += 1;
                continue;
            };
            if all.asked.len() as f64 > MOST_FRAMES {
                let clip = clip.path.display();
                return Err(Failure::usage(format!(
                    "`{clip}` is longer than it says: look at it less often (`every`, `--every`)"
                )));
            }
            let place = format!("{} {}", name(&clip.path), clip_time(second));
            let p = self.ask(&clip.ask, frame.picture, &place).await?;
            last = clip.spans.stretch(second);
            all.asked.push(Asked { sample: Sample { p, yes, stretch: first + last }, place });
        }
        let health = health.borrow();
        if seen == 0 || health.failures > 0 {
            let what = if seen == 0 { "gave no frame" } else { "could not be played to its end" };
            return Err(Failure::failed(format!("`{}` {what}: {}", clip.path.display(), health.reason)));
        }
        Ok(last + 1)
    }

    /// Probability of yes, as the model says it; from both ways of asking where the daemon asks both.
    async fn ask(&self, ask: &str, picture: Picture, place: &str) -> Result<f32, Failure> {
        let negated = self.turned(ask);
        let region = self.rule.and_then(|rule| rule.region.as_ref());
        let outside = region.map(rules::outside);
        let question = Question {
            picture,
            view: region.map_or(Region::WHOLE, rules::around),
            masks: self.masks.iter().cloned().chain(outside).collect(),
            prompt: "".into(),
            asks: std::iter::once(Arc::from(ask)).chain(negated).collect(),
            max_tokens: 1,
            deadline: self.clock.now().plus(PATIENCE),
            describe: false,
            check: false,
            recall: None,
        };
        let answer = self.model.ask(question).await;
        let answer = answer.map_err(|error| Failure::running(&format!("{place} was not answered"), &error))?;
        match answer.p_yes.as_slice() {
            [plain] => Ok(*plain),
            [plain, turned] => Ok(rules::combine(*plain, *turned)),
            _ => Err(Failure::failed(format!("{place}: the model gave no answer"))),
        }
    }

    /// The question turned round, if it is asked that way, too.
    pub(super) fn turned(&self, ask: &str) -> Option<Arc<str>> {
        let own = self.rule.and_then(|rule| rule.negated.clone());
        let made = || rules::negated(ask).filter(|_| self.both_ways()).map(Into::into);
        own.or_else(made)
    }

    fn both_ways(&self) -> bool {
        crate::analyst::Ask::both_ways(self.model)
    }
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
