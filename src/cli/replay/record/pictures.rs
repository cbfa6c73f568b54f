//! The frames that were passed on, small, with what was said about them. When there are too many, pictures of events
//! that go on make room for pictures of events that start.

use std::collections::VecDeque;

use crate::event::{Cause, Event, Kind, Source, YesNo};
use crate::gate::Candidate;
use crate::ids::EventId;
use crate::image::thumbnail;
use crate::units::{Polygon, Region};
use crate::vlm::Answer;

/// Pictures that are kept; further messages are counted.
pub(in crate::cli::replay) const MOST_PICTURES: usize = 400;
/// Chosen frames whose event has not come yet: the analyst's inbox holds fewer.
const MOST_WAITING: usize = 16;
/// In pixels.
const WIDTH: u32 = 320;
/// Two names of one moment may differ by rounding.
const SAME: f64 = 0.002;

/// One message about an event, with the frame that it is about.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli::replay) struct Picture {
    pub(in crate::cli::replay) event: EventId,
    pub(in crate::cli::replay) start: bool,
    /// Second of the clip.
    pub(in crate::cli::replay) at: f64,
    /// JPEG, at most 320 pixels wide; `None` if it could not be made.
    pub(in crate::cli::replay) jpeg: Option<Vec<u8>>,
    /// Width and height of the frame, in pixels.
    pub(in crate::cli::replay) size: (u32, u32),
    /// Where it moves.
    pub(in crate::cli::replay) region: Option<Region>,
    pub(in crate::cli::replay) words: Option<String>,
    /// Why there are no words.
    pub(in crate::cli::replay) reason: Option<String>,
    /// 0 to 1.
    pub(in crate::cli::replay) confidence: Option<f32>,
    pub(in crate::cli::replay) source: Source,
    pub(in crate::cli::replay) cause: Cause,
    pub(in crate::cli::replay) rules: Vec<RuleSaid>,
    /// What the words name and was asked back, with the probability of yes.
    pub(in crate::cli::replay) checked: Vec<(String, f32)>,
    /// What asking back came to, if these are the model's words about this frame.
    pub(in crate::cli::replay) correction: Option<Correction>,
}

/// What asking back about a sentence came to.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli::replay) struct Correction {
    /// The sentence that went out.
    pub(in crate::cli::replay) text: String,
    /// The first one, if it is another.
    pub(in crate::cli::replay) before: Option<String>,
    /// Nothing speaks against what went out.
    pub(in crate::cli::replay) agrees: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli::replay) struct RuleSaid {
    pub(in crate::cli::replay) id: String,
    pub(in crate::cli::replay) answer: YesNo,
    /// Probability of yes, 0 to 1.
    pub(in crate::cli::replay) p: f32,
}

/// A frame that was passed on and about which nothing was said yet.
#[derive(Debug)]
struct Waiting {
    at: f64,
    start: bool,
    jpeg: Option<Vec<u8>>,
    size: (u32, u32),
    region: Option<Region>,
}

#[derive(Debug, Default)]
pub(super) struct Pictures {
    kept: Vec<Picture>,
    waiting: VecDeque<Waiting>,
    /// Of the answers since the last message: two at most, one for each part of a picture.
    corrections: Vec<Correction>,
    left_out: u64,
}

impl Pictures {
    /// Makes the small picture at once: the decoder wants its buffer back.
    pub(super) fn chosen(&mut self, candidate: &Candidate, at: f64, start: bool, masks: &[Polygon]) {
        let picture = &candidate.frame.picture;
        if self.waiting.len() >= MOST_WAITING {
            self.waiting.pop_front();
        }
        let room = start || self.kept.len() < MOST_PICTURES;
        let jpeg = if room { thumbnail(picture, masks, WIDTH) } else { None };
        let size = (picture.width(), picture.height());
        self.waiting.push_back(Waiting { at, start, jpeg, size, region: candidate.region });
    }

    /// The model has described something; the message about it comes next.
    pub(super) fn answered(&mut self, answer: &Answer) {
        let Answer { text, before, agrees, .. } = answer;
        if self.corrections.len() < MOST_WAITING && (before.is_some() || !agrees) {
            self.corrections.push(Correction { text: text.clone(), before: before.clone(), agrees: *agrees });
        }
    }

    /// A start or an update. What was passed on before it and never came is over.
    pub(super) fn told(&mut self, event: &Event, at: f64) {
        let start = event.kind == Kind::Start;
        let mine = |waiting: &Waiting| waiting.start == start && (waiting.at - at).abs() < SAME;
        let Waiting { jpeg, size, region, .. } = match self.waiting.iter().position(mine) {
            Some(place) => self.waiting.drain(..=place).next_back(),
            None => None,
        }
        .unwrap_or(Waiting { at, start, jpeg: None, size: (16, 9), region: None });
        let words = event.description.as_deref();
        let correction =
            std::mem::take(&mut self.corrections).into_iter().find(|correction| words == Some(&correction.text));
        if !self.room(start) {
            return;
        }
        let checked = event.checked.iter().map(|(name, p)| (name.clone(), *p)).collect();
        let rules =
            event.rules.iter().map(|(id, rule)| RuleSaid { id: id.to_string(), answer: rule.answer, p: rule.p });
        self.kept.push(Picture {
            event: event.id,
            start,
            at,
            jpeg,
            size,
            region: event.region.or(region),
            words: event.description.clone(),
            reason: event.reason.clone(),
            confidence: event.confidence,
            source: event.source,
            cause: event.cause,
            rules: rules.collect(),
            checked,
            correction: correction.filter(|_| event.source == Source::Model),
        });
    }

    /// Pictures in order of time, and how many messages found no room.
    pub(super) fn into_parts(self) -> (Vec<Picture>, u64) {
        (self.kept, self.left_out)
    }

    /// Whether there is room for one more, of a start at the cost of the latest update.
    fn room(&mut self, start: bool) -> bool {
        if self.kept.len() < MOST_PICTURES {
            return true;
        }
        self.left_out += 1;
        let update = self.kept.iter().rposition(|picture| !picture.start).filter(|_| start);
        update.map(|place| self.kept.remove(place)).is_some()
    }
}
