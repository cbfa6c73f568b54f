//! `[[camera.rule]]`: a question, when it is asked, and what its answers come to.

use std::time::Duration;

use super::{model, regions};
use crate::config::problem::{Code, Problem};
use crate::config::raw::Section;
use crate::ids::RuleId;
use crate::rules::{Agree, Rule, When};
use crate::units;

const SHORT: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(86_400);

/// How often a rule is asked that is always asked.
const EVERY: Duration = Duration::from_secs(10);

/// What stands beside `id`.
pub(super) fn read(section: &Section<'_>, id: Option<RuleId>) -> Option<Rule> {
    let ask = model::question(section, "ask");
    let negated = model::question(section, "ask_negated");
    let when = when(section);
    let region = regions::one(section, "region");
    let share = |name| section.number(name, |value| (0.0..=1.0).contains(&value), "from 0 to 1");
    let (on, off) = (share("on_above"), share("off_below"));
    if let (Some(on), Some(off)) = (&on, &off)
        && off.value > on.value
    {
        let message = format!("`off_below` ({}) is larger than `on_above` ({})", off.value, on.value);
        let help = "an answer at or above `on_above` is yes, one below `off_below` is no, and between them it is unsure: \
                    exchange the two, or give both the same value if nothing shall be unsure";
        section.reader.report(Problem::new(Code::Conflict, message, help).at(off.span.clone(), ""));
    }
    let hold = section.duration("hold", Duration::ZERO..=LONG);
    let agree = agree(section);
    let alert = section.switch("alert");
    Some(Rule {
        negated,
        when,
        region,
        on_above: on.map(|found| found.value),
        off_below: off.map(|found| found.value),
        hold: hold.map_or(Duration::ZERO, |found| found.value),
        agree,
        alert: alert.is_some_and(|found| found.value),
        ..Rule::new(id?, ask?)
    })
}

fn when(section: &Section<'_>) -> When {
    let every = section.duration("every", SHORT..=LONG);
    let Some(text) = section.filled_text("when") else {
        lonely_every(section);
        return When::Event;
    };
    let always = text.value == "always";
    if !always {
        lonely_every(section);
    }
    match text.value.as_str() {
        "event" => When::Event,
        "always" => When::Always(every.map_or(EVERY, |found| found.value)),
        other => match units::parse_duration(other) {
            Ok(period) if (SHORT..=LONG).contains(&period) => When::During(period),
            Ok(_) => {
                section.out_of_range("when", &text.span, "\"event\", \"always\", or from \"500ms\" to \"1d\"");
                When::Event
            }
            Err(_) => {
                let message = format!("`when`: {} says no time", text.shown());
                let help = "write \"event\" (asked at an event's start, updates and end), a time such as \"10s\" (and so \
                            often while the event goes on), or \"always\" (and when nothing goes on, see `every`)";
                section.reader.report(Problem::new(Code::WrongValue, message, help).at(text.span, ""));
                When::Event
            }
        },
    }
}

/// `every` means something with `when = "always"` only.
fn lonely_every(section: &Section<'_>) {
    let Some(span) = section.span("every") else { return };
    let help =
        "write `when = \"always\"` beside it; for a schedule while an event goes on, `when = \"10s\"` alone is enough";
    let message = "`every` has no meaning without `when = \"always\"`";
    section.reader.report(Problem::new(Code::Conflict, message, help).at(span, ""));
}

/// "2 of 3".
fn agree(section: &Section<'_>) -> Agree {
    let Some(text) = section.filled_text("agree") else { return Agree::LAST };
    let words: Vec<&str> = text.value.split_whitespace().collect();
    let numbers = match words.as_slice() {
        [least, "of", of] => least.parse().ok().zip(of.parse().ok()),
        _ => None,
    };
    let refuse = |message: String, help: &str| {
        section.reader.report(Problem::new(Code::WrongValue, message, help).at(text.span.clone(), ""));
        Agree::LAST
    };
    let Some((least, of)) = numbers else {
        return refuse(
            format!("`agree`: {} is not so many of so many", text.shown()),
            "write, for example, `agree = \"2 of 3\"`",
        );
    };
    if of > Agree::MOST {
        return refuse(
            format!("`agree`: at most {} answers are looked back at", Agree::MOST),
            "write a smaller second number",
        );
    }
    if least > of || least * 2 <= of {
        let help = "the first number is more than half of the second, and not more than it, or yes and no could both have \
                    enough: \"2 of 3\", \"3 of 5\", \"3 of 3\"";
        return refuse(format!("`agree`: {least} of {of} answers cannot decide"), help);
    }
    Agree { least, of }
}
