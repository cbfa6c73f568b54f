//! Made-up runs, and the labelled clips where they are there. `EYEWITNESS_REPORTS` names a folder that takes the pages,
//! to be looked at.

mod made;
mod parsed;
mod real;

use std::path::Path;

use super::super::record::{MOST_PICTURES, Run, Truth, Visit};
use super::page;
use crate::gate::Outcome;
use made::{evil, long, quiet, short};
use parsed::Parsed;

/// Keeps a page for whoever wants to look at it.
fn keep(name: &str, page: &str) {
    if let Some(folder) = std::env::var_os("EYEWITNESS_REPORTS") {
        std::fs::write(Path::new(&folder).join(name), page).unwrap();
    }
}

fn all_pages() -> Vec<(&'static str, String)> {
    let (a, b) = (short("a.toml", 0.5), short("b.toml", 0.7));
    vec![
        ("short.html", page(&[short("door.toml", 0.5)], None)),
        ("several.html", page(&[short("door.toml", 0.5), quiet(), evil()], None)),
        ("versus.html", page(&[a], Some(&[b]))),
        ("quiet.html", page(&[quiet()], None)),
        ("nothing.html", page(&[Run::default()], None)),
        ("evil.html", page(&[evil()], None)),
        ("none.html", page(&[], None)),
    ]
}

#[test]
fn every_page_is_whole_and_asks_nobody_for_anything() {
    let pages = all_pages();
    pages.iter().for_each(|(name, page)| keep(name, page));
    for (name, page) in pages {
        let parsed = Parsed::new(&page).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (element, attribute, value) in &parsed.attributes {
            let local = value.starts_with('#') || value.starts_with("data:image/jpeg;base64,");
            assert!(local || !matches!(attribute.as_str(), "src" | "href" | "action" | "srcset"), "{name}: {value}");
            assert!(!attribute.starts_with("on"), "{name}: {element} {attribute}");
        }
        for outside in ["http://", "https://", "@import", "url(//", "fetch(", "innerHTML", "XMLHttpRequest"] {
            assert!(!page.contains(outside), "{name} holds {outside}");
        }
        assert!(page.contains("default-src 'none'"), "{name}");
        assert!(!page.replace("{{script}}", "").contains("{{"), "{name} has a place left to fill");
        assert_eq!(parsed.ids.len(), parsed.ids.iter().collect::<std::collections::BTreeSet<_>>().len(), "{name}");
        for link in parsed.attributes.iter().filter(|(.., value)| value.starts_with('#')).map(|(.., value)| &value[1..])
        {
            assert!(parsed.ids.iter().any(|id| id == link), "{name}: nothing is called {link}");
        }
    }
}

#[test]
fn what_comes_from_outside_stays_text() {
    let page = page(&[evil()], None);
    let parsed = Parsed::new(&page).unwrap();
    assert_eq!(parsed.elements.iter().filter(|element| *element == "script").count(), 2, "the data and ours");
    assert!(!parsed.elements.iter().any(|element| element == "b1" || element == "iframe"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(
        page.contains("{&#123;{script}}") || page.contains("{{script}}"),
        "what looks like our template stays as it is"
    );
    assert_eq!(page.matches("const data = JSON.parse").count(), 1, "and is not filled in");
    assert!(page.contains("Grüße 🐈 日本語"));
    let data = parsed.data();
    assert_eq!(data["runs"][0]["events"][0][2], made::EVIL.replace('\u{202e}', "\u{fffd}"));
}

#[test]
fn what_was_corrected_shows_both_sentences() {
    let page = page(&[short("door.toml", 0.5)], None).replace('\u{a0}', " ");
    assert_eq!(page.matches("<del>Not this: The man sits down at the table.</del></p><p class=\"words\">").count(), 3);
    assert!(!page.contains("<del>Not this: A man"), "a start went out as it was said first");
    assert!(page.contains("3 sentences were corrected.") && page.contains("person? 98 %"));
    let cost = page.split("<table class=\"cost\">").nth(1).unwrap().split("</table>").next().unwrap();
    let cell =
        |name: &str| cost.split(name).nth(1).unwrap().split("<td class=\"n\">").nth(1).unwrap().split('<').next();
    assert_eq!((cell("sentences asked back"), cell("of those corrected")), (Some("6"), Some("3")));
}

#[test]
fn rules_have_a_table_and_their_wrong_frames() {
    let page = page(&[short("door.toml", 0.5)], None).replace('\u{a0}', " ");
    let table = page.split("<table class=\"rules\">").nth(1).unwrap().split("</table>").next().unwrap();
    for part in [
        "never asked",
        "Is there a person?",
        "not calibrated, 1 not labelled",
        "<td class=\"n bad\">22 %</td>",
        "67 %",
        "50 %",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let frames =
        page.split("Where <code>person</code> was wrong or unsure").nth(1).unwrap().split("</ol>").next().unwrap();
    assert_eq!(
        (frames.matches("<li class=\"card wrong\"").count(), frames.matches("<li class=\"card unsure\"").count()),
        (2, 1)
    );
    assert_eq!(frames.matches("src=\"data:image/jpeg;base64,/9j/").count(), 3, "JPEGs");
    assert!(frames.contains("<b>said yes</b>, 90 % yes; right is no"), "{frames}");
    assert!(frames.contains("title=\"what the rule is about\""));
    // Labels that know no rule show nothing of it.
    assert!(!self::page(&[quiet()], None).contains("held against what is right"));
}

#[test]
fn the_counters_add_up() {
    let run = short("door.toml", 0.5);
    let frames: u64 = Outcome::ALL.iter().map(|outcome| run.count(*outcome)).sum();
    assert_eq!(frames, run.frames());
    let page = page(&[run], None);
    let table = page.split("<table class=\"counters\">").nth(1).unwrap().split("</table>").next().unwrap();
    let numbers: Vec<u64> = table
        .split("<td class=\"n\">")
        .skip(1)
        .step_by(2)
        .map(|cell| cell.split('<').next().unwrap().replace(',', "").parse().unwrap())
        .collect();
    let (sum, parts) = numbers.split_last().unwrap();
    assert_eq!(parts.len(), Outcome::ALL.len());
    assert_eq!((parts.iter().sum::<u64>(), *sum), (frames, frames));
}

#[test]
fn every_look_is_in_the_data() {
    let run = short("door.toml", 0.5);
    let (looks, events) = (run.looks.len(), run.events.len());
    let page = page(&[run], None);
    let data = Parsed::new(&page).unwrap().data();
    for column in ["t", "o", "motion", "threshold", "light", "because"] {
        assert_eq!(data["runs"][0][column].as_array().unwrap().len(), looks, "{column}");
    }
    assert_eq!(data["runs"][0]["events"].as_array().unwrap().len(), events);
    assert_eq!(data["outcomes"].as_array().unwrap().len(), Outcome::ALL.len());
}

#[test]
fn it_says_what_it_came_to() {
    let plain = |page: String| page.replace('\u{a0}', " ");
    let mut run = short("door.toml", 0.5);
    let text = plain(page(&[run.clone()], None));
    assert!(text.contains("<h1>3 events in 1 min</h1>"), "{}", &text[text.find("<h1>").unwrap()..][..200]);
    assert!(text.contains("6 of 300 decoded frames were described (2.0 %)."));
    assert!(text.contains("100 others (25 %) did not even have to be decoded."));
    assert!(text.contains("All 3 visits were found, and nothing was invented."));
    run.truth = Some(Truth {
        visits: vec![Visit { from: 10.0, to: 14.0, who: "a cat".into(), ..Visit::default() }],
        invented: vec![run.events[1].from],
    });
    let text = plain(page(&[run], None));
    assert!(text.contains("0 of 1 visit found, 1 invented"));
    assert!(text.contains("class=\"visit missed\"") && text.contains("class=\"event invented\""));
}

#[test]
fn several_clips_are_listed_first() {
    let text = page(&[short("door.toml", 0.5), quiet()], None);
    let list = text.split("<table class=\"list\">").nth(1).unwrap().split("</table>").next().unwrap();
    assert!(list.contains("<a href=\"#c0\">door.mp4</a>") && list.contains("<a href=\"#c1\">night.mp4</a>"), "{list}");
    assert!(list.contains("3/3, nothing invented") && list.contains("<td>not labelled</td>"), "{list}");
    assert!(!page(&[quiet()], None).contains("class=\"list\""));
}

#[test]
fn a_clip_without_frames_says_so() {
    let text = page(&[Run::default()], None);
    assert!(text.contains("<h1>No frame was seen</h1>") && text.contains("the defaults"));
}

#[test]
fn two_configs_stand_beside_each_other() {
    let text = page(&[short("a.toml", 0.5)], Some(&[short("b.toml", 0.7)]));
    assert!(text.contains("What differs between the configs"));
    let row = "<th scope=\"row\"><code>camera[door].gate.sensitivity</code></th><td><code>0.5</code></td><td><code>0.7</code></td>";
    assert!(text.contains(row));
    assert!(!text.contains("<code>camera[door].gate.settle</code>"), "what is the same is not listed");
    assert_eq!(text.matches("class=\"panel\"").count(), 2);
}

#[test]
fn a_day_is_no_larger_than_some_megabytes() {
    let run = long();
    assert_eq!(run.pictures.len(), MOST_PICTURES);
    let page = page(&[run], None);
    keep("long.html", &page);
    assert!(Parsed::new(&page).is_ok());
    assert!(page.contains("A long run: frames that ended alike within"));
    assert!(page.contains("a report keeps 400 pictures"));
    assert!(page.len() < 6 << 20, "{} bytes", page.len());
}
