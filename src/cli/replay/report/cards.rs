//! What was passed on, as cards: the picture with the place where it moves, and what was said about it.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::super::record::{MOST_PICTURES, Picture, RuleSaid, Run};
use super::format::{clock, count, percent, text};
use crate::event::{Cause, Source, YesNo};
use crate::units::Region;

/// `id`: index of the run on the page.
pub(super) fn cards(run: &Run, id: usize) -> String {
    if run.pictures.is_empty() {
        return r#"<p class="empty">Nothing was passed on to the model: no event began in this clip.</p>"#.to_owned();
    }
    let mut seen = Vec::new();
    let mut out = String::from(r#"<ol class="cards">"#);
    for picture in &run.pictures {
        let number = run.events.iter().position(|event| event.id == picture.event).map(|place| place + 1);
        // The first card of an event is where its band leads to.
        let anchor = number.filter(|number| !seen.contains(number));
        seen.extend(anchor);
        out.push_str(&card(picture, number, anchor.map(|number| format!(r#" id="r{id}e{number}""#)), id));
    }
    out.push_str("</ol>");
    if run.pictures_left_out > 0 {
        let _ = write!(
            out,
            r#"<p class="note">{} more had no room here: a report keeps {MOST_PICTURES} pictures, those of starts first.</p>"#,
            count(run.pictures_left_out, "message")
        );
    }
    out
}

fn card(picture: &Picture, number: Option<usize>, anchor: Option<String>, id: usize) -> String {
    let anchor = anchor.unwrap_or_default();
    let class = if picture.start { "card start" } else { "card" };
    let event = number.map_or_else(|| "an event".to_owned(), |number| format!("event {number}"));
    let what = if picture.start { format!("{event} starts") } else { format!("{event} goes on") };
    format!(
        r##"<li class="{class}"{anchor} data-at="{:.2}"><div class="shot">{}</div><div class="said"><p class="when"><a class="at" href="#r{id}" data-at="{:.2}">{}</a> {what}</p>{}<p class="facts">{}</p></div></li>"##,
        picture.at,
        shot(picture),
        picture.at,
        clock(picture.at),
        words(picture),
        facts(picture)
    )
}

fn shot(picture: &Picture) -> String {
    let outline = picture.region.map(|region| outline(region, "where it moves")).unwrap_or_default();
    image(picture.jpeg.as_deref(), picture.size, &clock(picture.at), &outline)
}

/// A frame with what is drawn over it, or its place where there is none.
pub(super) fn image(jpeg: Option<&[u8]>, (width, height): (u32, u32), at: &str, over: &str) -> String {
    match jpeg {
        Some(jpeg) => format!(
            r#"<div class="frame" style="aspect-ratio:{width}/{height}"><img alt="The frame at {at}" decoding="async" width="{width}" height="{height}" src="data:image/jpeg;base64,{}">{over}</div>"#,
            BASE64.encode(jpeg)
        ),
        None => {
            format!(r#"<div class="frame none" style="aspect-ratio:{width}/{height}"><span>no picture</span></div>"#)
        }
    }
}

/// `title`: what it is, in words.
pub(super) fn outline(region: Region, title: &str) -> String {
    let share = |v: f32| f64::from(v).clamp(0.0, 1.0) * 100.0;
    format!(
        r#"<i class="moves" style="left:{:.1}%;top:{:.1}%;width:{:.1}%;height:{:.1}%" title="{title}"></i>"#,
        share(region.x),
        share(region.y),
        share(region.w),
        share(region.h)
    )
}

fn words(picture: &Picture) -> String {
    match (&picture.words, &picture.reason) {
        (Some(words), _) => format!(r#"{}<p class="words">{}</p>"#, before(picture), text(words)),
        (None, Some(reason)) => format!(r#"<p class="words none">No words: {}</p>"#, text(reason)),
        (None, None) => r#"<p class="words none">No words</p>"#.to_owned(),
    }
}

/// The first sentence, where another one went out.
fn before(picture: &Picture) -> String {
    let first = picture.correction.as_ref().and_then(|correction| correction.before.as_deref());
    first.map_or_else(String::new, |first| {
        format!(
            r#"<p class="before" title="said first; what was asked back spoke against it"><del>{}</del></p>"#,
            text(first)
        )
    })
}

fn facts(picture: &Picture) -> String {
    let mut facts = Vec::new();
    if let Some(confidence) = picture.confidence {
        let confidence = f64::from(confidence).clamp(0.0, 1.0);
        facts.push(format!(
            r#"<span class="sure" title="mean probability of the words"><i style="width:{:.0}%"></i></span>{} sure"#,
            confidence * 100.0,
            percent(confidence)
        ));
    }
    facts.push(format!(r#"<span title="where the words come from">{}</span>"#, source(picture.source)));
    facts.push(format!(r#"<span title="why this frame was looked at">{}</span>"#, cause(picture.cause)));
    facts.extend(picture.checked.iter().map(checked));
    if picture.correction.as_ref().is_some_and(|correction| !correction.agrees) {
        let title = "what was asked back speaks against every sentence that was tried";
        facts.push(format!(r#"<span class="bad" title="{title}">doubtful</span>"#));
    }
    facts.extend(picture.rules.iter().map(rule));
    facts.iter().map(|fact| format!(r#"<span class="fact">{fact}</span>"#)).collect::<Vec<_>>().join(" ")
}

fn rule(rule: &RuleSaid) -> String {
    let answer = rule.answer.name();
    let class = match rule.answer {
        YesNo::Yes => "yes",
        YesNo::No => "no",
        YesNo::Unsure => "unsure",
    };
    let p = percent(f64::from(rule.p));
    format!(r#"<span class="rule {class}" title="{p} yes">{}: {answer}</span>"#, text(&rule.id))
}

/// What the sentence names, asked back.
fn checked((name, p): &(String, f32)) -> String {
    let p = percent(f64::from(*p));
    format!(r#"<span title="asked back: {p} yes">{}? {p}</span>"#, text(name))
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Model => "by the model",
        Source::Cache => "known answer",
        Source::None => "no words",
    }
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Motion => "motion",
        Cause::Novelty => "another scene",
        Cause::Refresh => "time had passed",
        Cause::Command => "asked for",
        Cause::Startup => "just started",
        Cause::Tamper => "tampering",
        Cause::Rule => "a rule turned on",
    }
}
