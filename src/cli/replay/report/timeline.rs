//! One run as a time line: the visits, the events, motion against its threshold, and a lane for each outcome. Drawn here
//! as SVG, so that it is there without script and on paper; the script adds the read-out and the zoom.

use std::fmt::Write;

use super::super::record::{Look, Run, Stretch, Visit};
use super::format::{clock, number, percent, text, whole_clock};
use super::lanes::{self, Lane};
use crate::event::Cause;
use crate::gate::Outcome;

/// Width of every drawing in its own units: fine enough for any zoom.
const WIDTH: f64 = 100_000.0;
/// Height of the motion's drawing in its own units.
const HEIGHT: f64 = 1000.0;
/// A frame stands for the time until the next, but not for longer than so many usual distances.
const LONGEST: f64 = 2.5;
/// With more than so many in a row the strokes around them would hide what lies between.
const DENSE: usize = 1500;
/// Shares of the view that get a line.
const MARKS: [(f64, &str); 5] =
    [(0.0001, "0.01\u{a0}%"), (0.001, "0.1\u{a0}%"), (0.01, "1\u{a0}%"), (0.1, "10\u{a0}%"), (0.5, "50\u{a0}%")];

/// `id`: index of the run on the page. `lanes`: which outcomes get a lane, the same for runs that are to be compared.
pub(super) fn timeline(run: &Run, id: usize, lanes: &[Outcome]) -> String {
    let mut out = String::new();
    let name = text(&run.about.clip);
    let _ = write!(out, r#"<div class="scroll"><div class="tracks">"#);
    if let Some(truth) = &run.truth {
        let visits: String = truth.visits.iter().map(|one| visit(one, run.length)).collect();
        out.push_str(&row("visits", "really there", &format!(r#"<div class="band">{visits}</div>"#)));
    }
    out.push_str(&row("events", "events", &format!(r#"<div class="band">{}</div>"#, events(run, id))));
    let motion = Motion::of(run);
    let plot = format!(
        r#"<div class="plot" role="slider" tabindex="0" aria-label="Time line of {name}" aria-orientation="horizontal" aria-valuemin="0" aria-valuemax="{:.1}" aria-valuenow="0" aria-valuetext="Use the arrow keys to step through the frames">{}</div>"#,
        run.length,
        motion.draw(run, id)
    );
    out.push_str(&row("motion", &motion.label(), &plot));
    for outcome in lanes {
        out.push_str(&lane(run, *outcome));
    }
    out.push_str(&row("times", "", &format!(r#"<div class="axis">{}</div>"#, ticks(run.length))));
    out.push_str(r#"<div class="cursor" hidden></div></div></div>"#);
    out
}

/// The outcomes that any of these runs has, in their order, but for those of which no time is known.
pub(super) fn lanes_of(runs: &[&Run]) -> Vec<Outcome> {
    let has = |outcome: &Outcome| runs.iter().any(|run| run.looks.iter().any(|look| look.outcome == *outcome));
    lanes::ALL.into_iter().filter(has).collect()
}

fn row(class: &str, label: &str, content: &str) -> String {
    format!(r#"<div class="row {class}"><div class="label">{label}</div><div class="field">{content}</div></div>"#)
}

fn place(at: f64, length: f64) -> f64 {
    if length > 0.0 { (at / length).clamp(0.0, 1.0) } else { 0.0 }
}

/// `left` and `width` in per cent.
fn span(from: f64, to: f64, length: f64) -> String {
    let (left, right) = (place(from, length) * 100.0, place(to, length) * 100.0);
    format!("left:{left:.3}%;width:{:.3}%", (right - left).max(0.0))
}

fn visit(visit: &Visit, length: f64) -> String {
    let (class, mark) = if visit.is_found() { ("found", "✓") } else { ("missed", "✗") };
    let who = text(&visit.who);
    let hover = format!("{} to {}: {who} ({})", clock(visit.from), clock(visit.to), visit.result());
    format!(
        r#"<span class="visit {class}" style="{}" title="{hover}"><b>{mark}</b> {who}</span>"#,
        span(visit.from, visit.to, length)
    )
}

fn events(run: &Run, id: usize) -> String {
    let one = |(n, event): (usize, &Stretch)| {
        let invented = run.truth.as_ref().is_some_and(|truth| truth.is_invented(event.from));
        let class = match event.cause {
            _ if invented => " invented",
            Cause::Tamper => " tamper",
            _ => "",
        };
        let mark = if invented { "✗ " } else { "" };
        let to = event.to.unwrap_or(run.length);
        let words = text(event.words.as_deref().unwrap_or("no words"));
        let number = n + 1;
        let tail = if invented { "; nobody was there" } else { "" };
        format!(
            r##"<a class="event{class}" style="{}" href="#r{id}e{number}" data-at="{:.2}" title="Event {number}, {} to {}: {words}{tail}"><b>{mark}{number}</b></a>"##,
            span(event.from, to, run.length),
            event.from,
            clock(event.from),
            clock(to),
        )
    };
    run.events.iter().enumerate().map(one).collect()
}

/// The scale of the motion: logarithmic above a fifth of the threshold and even below, so that small values can be read.
struct Motion {
    unit: f64,
    top: f64,
    threshold: Option<f64>,
}

impl Motion {
    fn of(run: &Run) -> Self {
        let seen = || run.looks.iter().filter_map(|look| look.seen);
        let largest = seen().map(|seen| f64::from(seen.motion)).fold(0.0, f64::max);
        let lowest = seen().map(|seen| f64::from(seen.threshold)).filter(|t| *t > 0.0).reduce(f64::min);
        let reference = lowest.unwrap_or(0.0025).clamp(1e-5, 1.0);
        let top = (largest.max(reference * 4.0) * 1.15).clamp(0.001, 1.0);
        Self { unit: reference / 5.0, top, threshold: lowest }
    }

    fn y(&self, share: f64) -> f64 {
        let height = |share: f64| (1.0 + share / self.unit).ln();
        HEIGHT * (1.0 - (height(share.clamp(0.0, 1.0)) / height(self.top)).clamp(0.0, 1.0))
    }

    fn label(&self) -> String {
        let threshold = self.threshold.map(|t| format!("<small>threshold {}</small>", percent(t)));
        format!("motion{}", threshold.unwrap_or_default())
    }

    fn draw(&self, run: &Run, id: usize) -> String {
        let mut line = String::new();
        let mut limit = String::new();
        let (mut first, mut last, mut level) = (0, 0, f64::NAN);
        for look in &run.looks {
            let Some(seen) = look.seen else { continue };
            let x = (place(look.at, run.length) * WIDTH).round() as i64;
            if line.is_empty() {
                first = x;
            }
            last = x;
            let _ =
                write!(line, "{}{x} {:.0}", if line.is_empty() { "M" } else { "L" }, self.y(f64::from(seen.motion)));
            let y = self.y(f64::from(seen.threshold)).round();
            if limit.is_empty() {
                let _ = write!(limit, "M0 {y:.0}");
            } else if (y - level).abs() > 0.5 {
                let _ = write!(limit, "H{x}V{y:.0}");
            }
            level = y;
        }
        let marks = || MARKS.iter().filter(|(share, _)| self.y(*share) > HEIGHT * 0.12);
        let grid: String = marks().map(|(share, _)| format!("M0 {:.0}H{WIDTH:.0}", self.y(*share))).collect();
        let area = format!("{line}L{last} {HEIGHT:.0}L{first} {HEIGHT:.0}Z");
        let (area, limit) =
            if line.is_empty() { (String::new(), String::new()) } else { (area, format!("{limit}H{WIDTH:.0}")) };
        let over = self.threshold.map_or(HEIGHT, |threshold| self.y(threshold));
        let names: String = marks()
            .map(|(share, name)| format!(r#"<i style="top:{:.1}%">{name}</i>"#, self.y(*share) / HEIGHT * 100.0))
            .collect();
        format!(
            r##"<svg class="{}" viewBox="0 0 {WIDTH:.0} {HEIGHT:.0}" preserveAspectRatio="none" aria-hidden="true"><clipPath id="over{id}"><rect width="{WIDTH:.0}" height="{over:.0}"/></clipPath><path class="grid" d="{grid}"/><path class="under" d="{area}"/><path class="over" clip-path="url(#over{id})" d="{area}"/><path class="line" d="{line}"/><path class="limit" d="{limit}"/></svg><div class="marks" aria-hidden="true">{names}</div>"##,
            dense(run.looks.len())
        )
    }
}

fn lane(run: &Run, outcome: Outcome) -> String {
    let Lane { name, label, meaning } = Lane::of(&outcome);
    let count = number(run.count(outcome));
    let button = format!(
        r#"<button type="button" class="key" data-o="{name}" aria-pressed="true" title="{meaning}"><i class="o-{name}"></i>{label} <b>{count}</b></button>"#
    );
    let path = strokes(run, outcome);
    let svg = format!(
        r#"<svg class="{}" viewBox="0 0 {WIDTH:.0} 10" preserveAspectRatio="none" aria-hidden="true"><path d="{path}"/></svg>"#,
        // Twenty times fewer boxes are as dense as a line: each is some pixels wide.
        dense(path.matches('M').count() * 20)
    );
    format!(
        r#"<div class="row lane o-{name}" data-o="{name}"><div class="label">{button}</div><div class="field">{svg}</div></div>"#
    )
}

fn dense(parts: usize) -> &'static str {
    if parts > DENSE { "dense" } else { "" }
}

/// One box for each stretch of looks that ended alike.
fn strokes(run: &Run, outcome: Outcome) -> String {
    let usual = usual_distance(&run.looks);
    let mut out = String::new();
    let mut open: Option<(f64, f64)> = None;
    let mut close = |stretch: Option<(f64, f64)>| {
        if let Some((from, to)) = stretch {
            let (from, to) = (place(from, run.length) * WIDTH, place(to, run.length) * WIDTH);
            let _ = write!(out, "M{from:.0} 0h{:.0}v10h-{:.0}z", to - from, to - from);
        }
    };
    for (place, look) in run.looks.iter().enumerate() {
        let next = run.looks.get(place + 1).map_or(run.length, |next| next.at);
        let until = next.min(look.at + usual * LONGEST).max(look.at);
        if look.outcome != outcome {
            close(open.take());
            continue;
        }
        open = match open {
            Some((from, to)) if look.at <= to + 1e-6 => Some((from, until)),
            other => {
                close(other);
                Some((look.at, until))
            }
        };
    }
    close(open);
    out
}

/// The median: what a pause does not change.
fn usual_distance(looks: &[Look]) -> f64 {
    let mut distances: Vec<_> = looks.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    distances.sort_by(f64::total_cmp);
    distances.get(distances.len() / 2).copied().unwrap_or(0.2).max(0.01)
}

fn ticks(length: f64) -> String {
    const STEPS: [u64; 15] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 86_400];
    let step = STEPS.into_iter().find(|step| length / *step as f64 <= 7.0).unwrap_or(604_800);
    let count = (length / step as f64).floor() as u64;
    let tick = |n: u64| {
        let at = n * step;
        format!(r#"<span style="left:{:.3}%">{}</span>"#, place(at as f64, length) * 100.0, whole_clock(at))
    };
    (0..=count.min(400)).map(tick).collect()
}
