//! What the rules of a camera said, held against what was right. Hears a pipeline; what is shown of it stands elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::figures::second;
use crate::analyst::Ruling;
use crate::cli::spans::Spans;
use crate::event::YesNo;
use crate::frame::Frame;
use crate::ids::{CameraId, RuleId};
use crate::image::thumbnail;
use crate::pipeline::Audience;
use crate::rules::calibration::{Score, Scored};
use crate::rules::{self, Rule};
use crate::units::{Polygon, Region};

/// Answers of one rule that are counted; further ones are counted as left out.
const MOST_ANSWERS: usize = 1_000_000;
/// Frames of one rule and clip that are kept: those it got wrong, and those it was unsure about.
pub(super) const MOST_WRONG: usize = 60;
const MOST_UNSURE: usize = 20;
/// In pixels.
const WIDTH: u32 = 320;

/// One rule over one clip.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RuleVerdict {
    pub(super) rule: String,
    /// Empty: it was never asked.
    pub(super) ask: String,
    /// Its probabilities were measured.
    pub(super) calibrated: bool,
    pub(super) answers: Vec<Scored>,
    /// Answers about frames of which the labels know nothing.
    pub(super) unknown: u64,
    pub(super) answers_left_out: u64,
    /// Frames that it got wrong or was unsure about, in their order.
    pub(super) off: Vec<Off>,
    pub(super) off_left_out: u64,
}

/// A frame about which a rule was wrong or unsure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Off {
    /// Second of the clip.
    pub(super) at: f64,
    pub(super) answer: YesNo,
    /// Probability of yes, 0 to 1.
    pub(super) p: f32,
    /// What was right.
    pub(super) yes: bool,
    /// JPEG, if pictures were wanted and it could be made.
    pub(super) jpeg: Option<Vec<u8>>,
    /// Width and height of the frame, in pixels.
    pub(super) size: (u32, u32),
    /// The part that the rule is about.
    pub(super) region: Option<Region>,
}

impl RuleVerdict {
    pub(super) fn score(&self) -> Score {
        Score::of(&self.answers)
    }

    /// The rules of several clips, those of one name together, without their frames.
    pub(super) fn sum<'a>(all: impl Iterator<Item = &'a Self>) -> Vec<Self> {
        let mut sums: BTreeMap<&str, Self> = BTreeMap::new();
        for one in all {
            let sum = sums.entry(&one.rule).or_insert_with(|| Self { rule: one.rule.clone(), ..Self::default() });
            if !one.ask.is_empty() {
                sum.ask.clone_from(&one.ask);
            }
            sum.calibrated |= one.calibrated;
            sum.answers.extend_from_slice(&one.answers);
            sum.unknown += one.unknown;
            sum.answers_left_out += one.answers_left_out;
            sum.off_left_out += one.off_left_out + one.off.len() as u64;
        }
        sums.into_values().collect()
    }

    fn hear(&mut self, frame: &Frame, at: f64, ruling: &Ruling, truth: &Spans, eye: &Eye) {
        self.ask = ruling.ask.to_string();
        self.calibrated = ruling.calibrated;
        let Some(yes) = truth.at(at, 0.0) else {
            self.unknown += 1;
            return;
        };
        if self.answers.len() >= MOST_ANSWERS {
            self.answers_left_out += 1;
            return;
        }
        let Ruling { p, answer, .. } = *ruling;
        self.answers.push(Scored { p, answer, yes });
        let right = if yes { YesNo::Yes } else { YesNo::No };
        if answer == right {
            return;
        }
        let alike = |off: &&Off| (off.answer == YesNo::Unsure) == (answer == YesNo::Unsure);
        let most = if answer == YesNo::Unsure { MOST_UNSURE } else { MOST_WRONG };
        if self.off.iter().filter(alike).count() >= most {
            self.off_left_out += 1;
            return;
        }
        let picture = &frame.picture;
        self.off.push(Off {
            at,
            answer,
            p,
            yes,
            jpeg: if eye.open { thumbnail(picture, &eye.masks, WIDTH) } else { None },
            size: (picture.width(), picture.height()),
            region: eye.regions.get(&ruling.rule).copied(),
        });
    }
}

/// What is needed for pictures.
#[derive(Debug)]
struct Eye {
    open: bool,
    /// Pictures do not show what the model does not see.
    masks: Vec<Polygon>,
    regions: BTreeMap<RuleId, Region>,
}

/// Holds what the rules of one camera say against labels.
#[derive(Debug)]
pub(super) struct Judge {
    camera: CameraId,
    start: Timestamp,
    truth: BTreeMap<String, Spans>,
    eye: Eye,
    heard: Mutex<BTreeMap<String, RuleVerdict>>,
}

impl Judge {
    /// `pictures`: frames that were answered wrongly are kept, small.
    pub(super) fn new(
        camera: CameraId,
        start: Timestamp,
        truth: BTreeMap<String, Spans>,
        rules: &[Rule],
        masks: Vec<Polygon>,
        pictures: bool,
    ) -> Self {
        let region = |rule: &Rule| Some((rule.id.clone(), rules::around(rule.region.as_ref()?)));
        let eye = Eye { open: pictures, masks, regions: rules.iter().filter_map(region).collect() };
        let name = |rule: &String| (rule.clone(), RuleVerdict { rule: rule.clone(), ..RuleVerdict::default() });
        let heard = Mutex::new(truth.keys().map(name).collect());
        Self { camera, start, truth, eye, heard }
    }

    /// One verdict for each rule that the labels know, in the order of their names.
    pub(super) fn finish(&self) -> Vec<RuleVerdict> {
        std::mem::take(&mut *self.heard()).into_values().collect()
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<String, RuleVerdict>> {
        // What was heard before a panic elsewhere is still true.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audience for Judge {
    fn ruled(&self, camera: &CameraId, frame: &Frame, ruling: &Ruling) {
        let name = ruling.rule.as_str();
        let Some(truth) = self.truth.get(name).filter(|_| *camera == self.camera) else { return };
        let at = second(frame.at.wall, self.start);
        if let Some(verdict) = self.heard().get_mut(name) {
            verdict.hear(frame, at, ruling, truth, &self.eye);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Moment;
    use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};
    use crate::rules::State;

    fn id() -> CameraId {
        CameraId::new("door").unwrap()
    }

    fn frame(at: f64) -> Frame {
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        let luma = (0..320 * 180).map(|place| (40 + place % 320 / 2) as u8);
        let mut data: Vec<u8> = luma.collect();
        data.resize(320 * 180 * 3 / 2, 118);
        let picture = Picture::packed(320, 180, PixelFormat::I420, colour, data).unwrap();
        let at = Moment { mono: Duration::ZERO, wall: Timestamp::UNIX_EPOCH }.plus(Duration::from_secs_f64(at));
        Frame { camera: id(), seq: 1, at, pts: None, lone: false, picture }
    }

    fn ruling(rule: &str, p: f32) -> Ruling {
        Ruling {
            rule: RuleId::new(rule).unwrap(),
            ask: "Is there a person?".into(),
            p,
            calibrated: false,
            answer: YesNo::from_probability(p),
            state: State::Unsure,
            turned_on: false,
            alert: false,
        }
    }

    /// A rule `person` that was asked each second of ten, with yes from 2 to 6 and 6 to 7 unknown.
    pub(in crate::cli::replay) fn judged(pictures: bool) -> Vec<RuleVerdict> {
        let truth = serde_json::from_str::<Spans>(r#"{"yes":[[2,6]],"unknown":[[6,7]]}"#).unwrap();
        let truth = [("person".to_owned(), truth), ("never".to_owned(), Spans::default())].into();
        let region = Polygon(vec![[0.5, 0.0], [1.0, 0.0], [1.0, 1.0]]);
        let rule = Rule { region: Some(region), ..Rule::new(RuleId::new("person").unwrap(), "Is there a person?") };
        let judge = Judge::new(id(), Timestamp::UNIX_EPOCH, truth, &[rule], Vec::new(), pictures);
        for (second, p) in [0.1, 0.9, 0.9, 0.95, 0.1, 0.5, 0.9, 0.0, 0.0, 0.1].into_iter().enumerate() {
            judge.ruled(&id(), &frame(second as f64), &ruling("person", p));
        }
        judge.ruled(&id(), &frame(3.0), &ruling("other", 0.9));
        judge.ruled(&CameraId::new("yard").unwrap(), &frame(3.0), &ruling("person", 0.0));
        judge.finish()
    }

    #[test]
    fn answers_are_held_against_what_is_right() {
        let verdicts = judged(true);
        let [never, person] = verdicts.as_slice() else { unreachable!("two rules are known") };
        assert_eq!((never.rule.as_str(), never.ask.as_str(), never.answers.len()), ("never", "", 0));
        let score = person.score();
        assert_eq!((score.true_yes, score.false_yes, score.false_no, score.unsure_yes, score.true_no), (2, 1, 1, 1, 4));
        assert_eq!(person.unknown, 1);
        let off: Vec<_> = person.off.iter().map(|off| (off.at, off.answer, off.yes)).collect();
        assert_eq!(off, [(1.0, YesNo::Yes, false), (4.0, YesNo::No, true), (5.0, YesNo::Unsure, true)]);
        assert_eq!(person.off[0].region, Some(Region { x: 0.5, y: 0.0, w: 0.5, h: 1.0 }));
        assert!(person.off.iter().all(|off| off.jpeg.as_ref().is_some_and(|jpeg| jpeg.starts_with(&[0xff, 0xd8]))));
        assert!(judged(false)[1].off.iter().all(|off| off.jpeg.is_none()));
        let sum = RuleVerdict::sum(verdicts.iter().chain(&judged(false)));
        assert_eq!((sum.len(), sum[1].answers.len(), sum[1].score().error()), (2, 18, score.error()));
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let truth = [("person".to_owned(), Spans::default())].into();
        let judge = Judge::new(id(), Timestamp::UNIX_EPOCH, truth, &[], Vec::new(), false);
        for second in 0..100 {
            judge.ruled(&id(), &frame(f64::from(second)), &ruling("person", if second % 2 == 0 { 0.9 } else { 0.5 }));
        }
        let verdict = judge.finish().remove(0);
        assert_eq!((verdict.answers.len(), verdict.off.len(), verdict.off_left_out), (100, 50 + MOST_UNSURE, 30));
    }
}
