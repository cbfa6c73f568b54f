//! `[[probe]]`: what else is asked back when a sentence names it.

use std::ops::Range;

use super::camera::at_most;
use crate::config::problem::{Code, Problem};
use crate::config::raw::Section;
use crate::vlm::{Thing, ThingError};

/// Beside those of the model set.
const MOST: usize = 32;

/// All probes; those that are wrong are reported and left out.
pub(super) fn read_all(file: &Section<'_>) -> Vec<Thing> {
    let help = "put words that mean the same into one `[[probe]]`";
    let mut taken: Vec<(String, Range<usize>)> = Vec::new();
    let sections = at_most(MOST, file.sections("probe"), "probes", help);
    sections.iter().filter_map(|section| read(section, &mut taken)).collect()
}

fn read(section: &Section<'_>, taken: &mut Vec<(String, Range<usize>)>) -> Option<Thing> {
    section.require();
    let name = section.filled_text("name");
    let ask = section.filled_text("ask");
    let words = section.texts("words");
    let except = section.texts("except");
    let bound = section.number("bound", |bound| bound > 0.0 && bound < 1.0, "more than 0 and less than 1");
    if section.has("except") && except.is_none() {
        return None;
    }
    let (name, ask, words) = (name?, ask?, words?);
    if let Some((_, first)) = taken.iter().find(|(known, _)| *known == name.value) {
        let label = format!("the first is in line {}", section.reader.line(first));
        let problem = Problem::new(
            Code::Duplicate,
            format!("two probes have the name {}", name.shown()),
            "give each a `name` of its own",
        );
        section.reader.report(problem.at(name.span, label));
        return None;
    }
    let bound = bound.map_or(Thing::BOUND, |found| found.value);
    let except: Vec<String> = except.into_iter().flatten().collect();
    match Thing::new(&name.value, &ask.value, &words, &except, bound) {
        Ok(thing) => {
            taken.push((name.value, name.span));
            Some(thing)
        }
        Err(error) => {
            let (key, help) = place(&error);
            let span = section.span(key).or_else(|| section.header.clone());
            let problem = Problem::new(Code::WrongValue, format!("`{key}`: {error}"), help);
            section.reader.report(match span {
                Some(span) => problem.at(span, ""),
                None => problem,
            });
            None
        }
    }
}

/// The key that is to blame, and what to write.
fn place(error: &ThingError) -> (&'static str, String) {
    match error {
        ThingError::Name(name) => {
            let slug = crate::ids::slug(name);
            let name = if slug.is_empty() { "bench" } else { &slug };
            ("name", format!("write, for example, `name = \"{name}\"`: events say it"))
        }
        ThingError::Question => ("ask", "write one short question whose yes means that it is there".to_owned()),
        ThingError::Bound(_) => ("bound", "write, for example, `bound = 0.5`".to_owned()),
        ThingError::NoWords | ThingError::ManyWords(_) | ThingError::Word(_) => (
            "words",
            "write the words by which sentences name it, such as `words = [\"bench\", \"park bench\"]`".to_owned(),
        ),
    }
}
