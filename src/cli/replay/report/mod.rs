//! The page about one or several runs: one file without anything from elsewhere. Made here in whole, so that it can be
//! read without script and on paper; `page.js` adds the read-out, the zoom and the switches. `style.css` has the looks.

mod cards;
mod data;
mod format;
mod headline;
mod lanes;
mod ruled;
mod settings;
mod tables;
#[cfg(test)]
mod tests;
mod timeline;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};

use self::format::{json, text};
use super::record::Run;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

/// The page. `other`: the same clips with another config, in the same order, to be put beside.
#[must_use]
pub(super) fn page(runs: &[Run], other: Option<&[Run]>) -> String {
    let clips: Vec<Clip<'_>> = (0..runs.len())
        .map(|place| Clip { runs: std::iter::once(runs).chain(other).filter_map(|runs| runs.get(place)).collect() })
        .collect();
    let (title, head) = head(runs, other);
    let several = clips.len() > 1;
    let mut sections = if several { list(&clips) } else { String::new() };
    let mut first = 0;
    for (place, clip) in clips.iter().enumerate() {
        sections.push_str(&clip.section(place, first, several));
        first += clip.runs.len();
    }
    let data = data::data(clips.iter().flat_map(|clip| clip.runs.iter().copied()));
    fill(
        PAGE,
        &[
            ("policy", &policy()),
            ("title", &text(&format!("{title} · Eyewitness"))),
            ("style", STYLE),
            ("head", &head),
            ("sections", &sections),
            ("version", env!("CARGO_PKG_VERSION")),
            ("data", &json(&data)),
            ("script", SCRIPT),
        ],
    )
}

/// Nothing is fetched, and no script runs but ours, whatever stands in the words of a model.
fn policy() -> String {
    let script = BASE64.encode(digest(&SHA256, SCRIPT.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
         form-action 'none'"
    )
}

/// The headline; the title of the page, and what stands on top of it.
fn head(runs: &[Run], other: Option<&[Run]>) -> (String, String) {
    let total = |runs: &[Run]| headline::total(&runs.iter().collect::<Vec<_>>());
    let (a, b) = (total(runs), other.map(total));
    let lead = |run: &Run| text(&headline::lead(run));
    match (runs, other.unwrap_or_default(), b) {
        ([first, ..], [second, ..], Some(b)) => {
            let title = headline::versus_title(&a, &b);
            let content = format!(
                r#"<h1>{}</h1><p class="lead"><b class="ab">A</b>{}</p><p class="lead"><b class="ab">B</b>{}</p>{}{}"#,
                text(&title),
                lead(&a),
                lead(&b),
                scrolled(&headline::versus(&a, &b, [&first.about.config, &second.about.config])),
                scrolled(&settings::differing(first, second))
            );
            (title, content)
        }
        _ => {
            let title = headline::title(&a);
            let content =
                format!(r#"<h1>{}</h1><p class="lead">{}</p>{}"#, text(&title), lead(&a), headline::tiles(&a));
            (title, content)
        }
    }
}

/// All clips, one line for each run.
fn list(clips: &[Clip<'_>]) -> String {
    let lines = clips.iter().enumerate().flat_map(|(place, clip)| {
        clip.runs.iter().enumerate().map(move |(nth, run)| tables::list_line(place, &clip.letter(nth), run))
    });
    scrolled(&tables::list(&lines.collect::<String>()))
}

/// One clip with its run, or with both.
struct Clip<'a> {
    runs: Vec<&'a Run>,
}

impl Clip<'_> {
    /// `place`: index of the clip; `first`: of its first run on the page. `of_several`: there are other clips.
    fn section(&self, place: usize, first: usize, of_several: bool) -> String {
        let columns = if self.runs.len() > 1 { " pair" } else { "" };
        let lanes = timeline::lanes_of(&self.runs);
        let name = self.runs.first().map(|run| text(&run.about.clip)).unwrap_or_default();
        let lead = match self.runs.as_slice() {
            [run] if of_several => {
                format!(r#"<p class="lead">{}: {}</p>"#, headline::title(run), text(&headline::lead(run)))
            }
            _ => String::new(),
        };
        let numbered = || self.runs.iter().enumerate().map(|(place, run)| (first + place, *run));
        let timelines: String =
            numbered().map(|(id, run)| format!("{}{}", self.name(id - first, run), panel(run, id, &lanes))).collect();
        let cards: String = numbered()
            .map(|(id, run)| format!("<div>{}{}</div>", self.name(id - first, run), cards::cards(run, id)))
            .collect();
        let rules: String = numbered()
            .filter_map(|(id, run)| {
                Some(format!("<div>{}{}</div>", self.name(id - first, run), ruled::rules(run, id)?))
            })
            .collect();
        let rules = match rules.as_str() {
            "" => rules,
            _ => format!(r#"<h3>The rules, held against what is right</h3><div class="shots{columns}">{rules}</div>"#),
        };
        let truths: String = numbered()
            .filter_map(|(id, run)| tables::truth(run, &self.letter(id - first)))
            .map(|table| scrolled(&table))
            .collect();
        let configs: String = self.runs.iter().map(|run| settings::config(run)).collect();
        format!(
            r#"<section class="clip" id="c{place}"><header><h2>{name}</h2>{}</header>{lead}{timelines}<h3>What was passed on</h3><div class="shots{columns}">{cards}</div>{rules}<h3>The numbers</h3><div class="numbers{columns}">{}{}{truths}</div>{configs}</section>"#,
            self.facts(),
            scrolled(&tables::counters(&self.runs)),
            scrolled(&tables::cost(&self.runs)),
        )
    }

    /// Which of two configs it is; nothing where there is one.
    fn letter(&self, place: usize) -> String {
        let letter = ["A", "B"].get(place).copied().unwrap_or_default();
        if self.runs.len() == 1 { String::new() } else { format!(r#"<b class="ab">{letter}</b>"#) }
    }

    fn name(&self, place: usize, run: &Run) -> String {
        match self.letter(place).as_str() {
            "" => String::new(),
            letter => format!("<h4>{letter}{}</h4>", text(&run.about.config)),
        }
    }

    fn facts(&self) -> String {
        let Some(run) = self.runs.first() else { return String::new() };
        let about = &run.about;
        let facts = [
            Some(format::duration(run.length)),
            (!about.camera.is_empty()).then(|| format!("camera {}", text(&about.camera))),
            (!about.model.is_empty()).then(|| text(&about.model)),
        ];
        let facts: Vec<_> = facts.into_iter().flatten().collect();
        format!(r#"<p class="meta">{}</p>"#, facts.join(" · "))
    }
}

/// A time line with its read-out and buttons.
fn panel(run: &Run, id: usize, lanes: &[crate::gate::Outcome]) -> String {
    let note = run.grain.map(|grain| {
        format!(
            r#"<p class="note">A long run: frames that ended alike within {} are drawn as one, with the most motion of them.</p>"#,
            format::duration(grain)
        )
    });
    format!(
        r#"<div class="panel" id="r{id}" data-run="{id}">{}<div class="tools"><output class="read">Move over the time line, tap it, or step through it with the arrow keys.</output><span class="zoom"><button type="button" data-zoom="-1" aria-label="Zoom out" title="Zoom out (-)">−</button><button type="button" data-zoom="0" title="The whole clip (0)">fit</button><button type="button" data-zoom="1" aria-label="Zoom in" title="Zoom in (+), or draw over the motion with the mouse">+</button></span></div>{}</div>"#,
        timeline::timeline(run, id, lanes),
        note.unwrap_or_default()
    )
}

/// A wide table scrolls by itself: the page never does.
fn scrolled(table: &str) -> String {
    format!(r#"<div class="wide">{table}</div>"#)
}

/// The template with its `{{names}}` filled in, each once, in one pass: what is filled in is not looked at again.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() + values.iter().map(|(_, value)| value.len()).sum::<usize>());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, after)) = after.split_once("}}") else { break };
        if let Some((_, value)) = values.iter().find(|(other, _)| *other == name) {
            out.push_str(value);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
