//! What asking costs, each kind of question in turn on the same frames, so that whatever else the machine does meets all alike.

use std::time::Duration;

use eyewitness::vlm::Question;

use super::footage::{Clip, Footage};
use super::{Bench, share};

/// Rounds over the frames.
const ROUNDS: usize = 5;
/// Frames of each clip, spread over all that show a visitor: as many with cars, of which most sentences are said again, as with
/// people, of which none is.
const FRAMES: usize = 10;

/// Of one frame.
struct Took {
    plain: Duration,
    checked: Duration,
    corrected: bool,
    /// Yes/no questions without a description.
    one: Duration,
    five: Duration,
    /// A description with so many.
    with_one: Duration,
    with_five: Duration,
    /// A question as a prompt, answered in words.
    asked: Duration,
}

pub(crate) async fn measure(bench: &Bench, clips: &[Clip], wrong: &mut Vec<String>) {
    let mut all = Vec::new();
    for clip in clips {
        let footage = Footage::read(clip).await;
        let inside = |second: f64| footage.there(second) && !footage.at_an_edge(second);
        let shown: Vec<_> = footage.frames.iter().filter(|(second, _)| inside(*second)).collect();
        for (_, picture) in shown.iter().step_by((shown.len() / FRAMES).max(1)).take(FRAMES) {
            for _ in 0..ROUNDS {
                all.push(took(bench, &bench.question(picture)).await);
            }
        }
    }
    let median =
        |value: &dyn Fn(&Took) -> Duration| middle(all.iter().map(|took| value(took).as_secs_f64() * 1e3).collect());
    let ratio = |some: &dyn Fn(&Took) -> bool, above: &dyn Fn(&Took) -> Duration, below: &dyn Fn(&Took) -> Duration| {
        let some = all.iter().filter(|took| some(took));
        middle(some.map(|took| above(took).as_secs_f64() / below(took).as_secs_f64()).collect())
    };
    let every: &dyn Fn(&Took) -> bool = &|_| true;
    let corrected = all.iter().filter(|took| took.corrected).count();
    println!("\ntimes, medians over {} frames with a visitor, {ROUNDS} rounds, in turns", all.len() / ROUNDS);
    println!("  a plain description {:.1} ms, a checked one {:.1} ms", median(&|t| t.plain), median(&|t| t.checked));
    let checked = ratio(every, &|t| t.checked, &|t| t.plain);
    let mean: f64 = all.iter().map(|t| t.checked.as_secs_f64()).sum::<f64>()
        / all.iter().map(|t| t.plain.as_secs_f64()).sum::<f64>();
    println!("  checked / plain: {checked:.2} (all together {mean:.2})");
    println!(
        "    of those that were not said again {:.2}; of the {:.0} % that were {:.2}",
        ratio(&|t| !t.corrected, &|t| t.checked, &|t| t.plain),
        share(corrected, all.len()),
        ratio(&|t| t.corrected, &|t| t.checked, &|t| t.plain)
    );
    let rules = ratio(every, &|t| t.five, &|t| t.one);
    println!("  one yes/no question {:.1} ms, five {:.1} ms: {rules:.2}", median(&|t| t.one), median(&|t| t.five));
    println!(
        "  a description with one {:.1} ms, with five {:.1} ms: {:.2}",
        median(&|t| t.with_one),
        median(&|t| t.with_five),
        ratio(every, &|t| t.with_five, &|t| t.with_one)
    );
    let asked = ratio(every, &|t| t.asked, &|t| t.plain);
    println!(
        "  a question answered in words / a description: {asked:.2}; with yes or no: {:.2}",
        ratio(every, &|t| t.one, &|t| t.plain)
    );
    for (what, value, target) in [
        ("checked / plain", checked, 1.4),
        ("five rules / one", rules, 1.6),
        ("a question / a description", asked, 1.5),
    ] {
        if value > target {
            wrong.push(format!("{what}: {value:.2}, not {target}"));
        }
    }
}

async fn took(bench: &Bench, question: &Question) -> Took {
    let asks: Vec<std::sync::Arc<str>> =
        ["Is there a person?", "Is there a car?", "Is there a dog?", "Is there a bicycle?", "Is someone running?"]
            .map(Into::into)
            .into();
    let ask = async |question: Question| {
        let began = bench.clock.now();
        let deadline = began.plus(Duration::from_secs(60));
        let answer = bench.ask(Question { deadline, ..question }).await;
        (bench.clock.now().since(began), answer)
    };
    let with = |asks: &[std::sync::Arc<str>], describe| Question { asks: asks.to_vec(), describe, ..question.clone() };
    let (plain, _) = ask(question.clone()).await;
    let (checked, answer) = ask(Question { check: true, ..question.clone() }).await;
    Took {
        plain,
        checked,
        corrected: answer.corrections > 0,
        one: ask(with(&asks[..1], false)).await.0,
        five: ask(with(&asks, false)).await.0,
        with_one: ask(with(&asks[..1], true)).await.0,
        with_five: ask(with(&asks, true)).await.0,
        asked: ask(Question { prompt: "Is there a person?".into(), ..question.clone() }).await.0,
    }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
