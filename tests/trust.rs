//! What the default model's answers and sentences are worth on recorded footage with ground truth, and what asking costs:
//!
//!     make trust
//!
//! One frame a second of each clip in `EYEWITNESS_CLIPS`, as it is, at night (darkened, with noise), at 360 lines and in grey.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints what it measured")]

#[path = "trust/footage.rs"]
mod footage;
#[path = "trust/times.rs"]
mod times;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::frame::Picture;
use eyewitness::units::Region;
use eyewitness::vlm::{Answer, Model, Provider, Question, Settings};
use footage::{Footage, Look};

/// What is asked of each frame. The last two are about nothing that is ever there.
const ASKS: [&str; 8] = [
    "Is there a person?",
    "Is there someone?",
    "Is there no person?",
    "Is there a vehicle?",
    "Is there a car?",
    "Is there no vehicle?",
    "Is there a dog?",
    "Is there a boat?",
];

/// Between these a rule that was never fitted is unsure.
const UNSURE: std::ops::Range<f32> = 0.25..0.75;

/// Words for people; a list of its own, so that the set's table is not its own judge.
const PEOPLE: [&str; 44] = [
    "man",
    "men",
    "woman",
    "women",
    "person",
    "persons",
    "people",
    "someone",
    "somebody",
    "boy",
    "boys",
    "girl",
    "girls",
    "child",
    "children",
    "kid",
    "kids",
    "baby",
    "toddler",
    "guy",
    "guys",
    "lady",
    "ladies",
    "player",
    "players",
    "rider",
    "riders",
    "worker",
    "workers",
    "driver",
    "drivers",
    "skateboarder",
    "skier",
    "snowboarder",
    "surfer",
    "cyclist",
    "biker",
    "climber",
    "hiker",
    "swimmer",
    "runner",
    "he",
    "she",
    "crowd",
];

pub(crate) struct Bench {
    pub(crate) model: Model,
    pub(crate) clock: Clock,
}

impl Bench {
    fn start() -> Self {
        let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
        let clock = Clock::system();
        let settings = Settings { provider: Provider::Cpu, threads: 1, ..Settings::new(set) };
        Self { model: Model::start(settings, clock).unwrap(), clock }
    }

    pub(crate) fn question(&self, picture: &Picture) -> Question {
        Question {
            picture: picture.clone(),
            view: Region::WHOLE,
            masks: Arc::new([]),
            prompt: "Describe the scene.".into(),
            asks: Vec::new(),
            max_tokens: 48,
            deadline: self.clock.now().plus(Duration::from_secs(60)),
            describe: true,
            recall: None,
            check: false,
        }
    }

    pub(crate) async fn ask(&self, question: Question) -> Answer {
        self.model.ask(question).await.unwrap()
    }
}

/// One frame as it was answered.
struct Seen {
    second: f64,
    /// Somebody or something is in view.
    there: bool,
    /// Less than half a second from where that changes: the labels are given to the half second, and what is in view then is a
    /// shadow or the tip of a shoe.
    edge: bool,
    p: Vec<f32>,
    plain: String,
    checked: Answer,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make trust: takes minutes and recorded footage"]
async fn trust() {
    let Some(clips) = footage::clips() else {
        eprintln!("skipped: EYEWITNESS_CLIPS names no folder with labels.json and its clips");
        return;
    };
    let bench = Bench::start();
    println!("{}; {} things can be asked back", bench.model.label(), bench.model.info().things);
    let mut wrong = Vec::new();
    times::measure(&bench, &clips, &mut wrong).await;
    for clip in &clips {
        let footage = Footage::read(clip).await;
        for look in Look::ALL {
            let seen = look_at(&bench, &footage, look).await;
            println!("\n{} ({}): {} frames, {} with the visitor", footage.name, look.name(), seen.len(), there(&seen));
            answers(&seen, &footage, look, &mut wrong);
            sentences(&seen, &footage, look, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "targets that were missed:\n  {}", wrong.join("\n  "));
}

fn there(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| seen.there).count()
}

async fn look_at(bench: &Bench, footage: &Footage, look: Look) -> Vec<Seen> {
    let mut all = Vec::new();
    for (second, picture) in &footage.frames {
        let picture = look.of(picture, *second as u64);
        let asks = ASKS.map(Into::into).to_vec();
        let rules = bench.ask(Question { asks, describe: false, ..bench.question(&picture) }).await;
        let plain = bench.ask(bench.question(&picture)).await;
        let checked = bench.ask(Question { check: true, ..bench.question(&picture) }).await;
        all.push(Seen {
            second: *second,
            there: footage.there(*second),
            edge: footage.at_an_edge(*second),
            p: rules.p_yes,
            plain: plain.text,
            checked,
        });
    }
    all
}

/// Errors and unsure answers of each wording.
fn answers(seen: &[Seen], footage: &Footage, look: Look, wrong: &mut Vec<String>) {
    println!("  question                 all frames: wrong, unsure | without the edges: frames, wrong, unsure");
    for (index, ask) in ASKS.iter().enumerate() {
        let about_people = index < 3;
        let about_vehicles = (3..6).contains(&index);
        let truth = |seen: &Seen| match (footage.people, about_people, about_vehicles) {
            (true, true, _) | (false, _, true) => seen.there,
            _ => false,
        };
        let rates = |edges: bool| {
            let some: Vec<&Seen> = seen.iter().filter(|seen| edges || !seen.edge).collect();
            let unsure = some.iter().filter(|seen| UNSURE.contains(&seen.p[index])).count();
            let is_wrong =
                |seen: &&&Seen| !UNSURE.contains(&seen.p[index]) && (seen.p[index] >= UNSURE.end) != truth(seen);
            (some.len(), share(some.iter().filter(is_wrong).count(), some.len()), share(unsure, some.len()))
        };
        let ((_, all_wrong, all_unsure), (frames, inner_wrong, inner_unsure)) = (rates(true), rates(false));
        println!(
            "  {ask:24} {all_wrong:17.1} % {all_unsure:6.1} % | {frames:18} {inner_wrong:7.1} % {inner_unsure:6.1} %"
        );
        let target = [("Is there a person?", true), ("Is there a vehicle?", false)].contains(&(*ask, footage.people));
        if target && look == Look::Day && (inner_wrong > 2.0 || inner_unsure > 5.0) {
            wrong.push(format!("{}, {ask}: wrong {inner_wrong:.1} %, unsure {inner_unsure:.1} %", footage.name));
        }
    }
    for seen in seen.iter().filter(|seen| look == Look::Day && footage.people && seen.there && seen.p[0] < UNSURE.end) {
        println!("  at {:.0} s: person {:.3}, at an edge: {}", seen.second, seen.p[0], seen.edge);
    }
}

/// Sentences that name people, before and after.
fn sentences(seen: &[Seen], footage: &Footage, look: Look, wrong: &mut Vec<String>) {
    let some: Vec<&Seen> = seen.iter().filter(|seen| !seen.edge).collect();
    let with: Vec<&Seen> = some.iter().filter(|seen| seen.there).copied().collect();
    let without: Vec<&Seen> = some.iter().filter(|seen| !seen.there).copied().collect();
    for (what, frames) in [("with the visitor", &with), ("with nothing in view", &without)] {
        let before = frames.iter().filter(|seen| names_people(&seen.plain)).count();
        let after = frames.iter().filter(|seen| names_people(&seen.checked.text)).count();
        let again = frames.iter().filter(|seen| seen.checked.corrections > 0).count();
        let against = frames.iter().filter(|seen| !seen.checked.agrees).count();
        let count = frames.len();
        println!(
            "  {count} frames {what}: sentences that name people {before} before, {after} after; {again} said again, {against} \
             that nothing agreed with"
        );
    }
    if look == Look::Day {
        for seen in with.iter().filter(|seen| seen.checked.before.is_some() || !footage.people).take(12) {
            println!("    {:3.0} s: {} -> {} {:?}", seen.second, seen.plain, seen.checked.text, seen.checked.checked);
        }
        let named = share(with.iter().filter(|seen| names_people(&seen.checked.text)).count(), with.len());
        if footage.people && named < 98.0 || !footage.people && named > 5.0 {
            wrong.push(format!("{}: {named:.1} % of the sentences name people", footage.name));
        }
    }
}

fn names_people(text: &str) -> bool {
    let text = text.to_lowercase();
    text.split(|c: char| !c.is_alphanumeric()).any(|word| PEOPLE.contains(&word))
}

pub(crate) fn share(some: usize, all: usize) -> f64 {
    100.0 * some as f64 / all.max(1) as f64
}
