//! `probes.json` of a model set: what to ask about which words, and whether this model is the better for it. Pure.

use serde::Deserialize;

use super::thing::{MOST_THINGS, Thing, ThingError};

/// The only schema so far.
const SCHEMA: &str = "eyewitness.probes.v1";

/// What a model set says about asking back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Probes {
    /// Names differ.
    pub things: Vec<Thing>,
    /// Sentences of this set are better checked.
    pub check: bool,
    /// Answers of this set are better if a question is asked turned round as well.
    pub negate: bool,
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProbesError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("`schema` is `{0}`; this version reads `{SCHEMA}`")]
    Schema(String),
    #[error("there are {0} things; at most {MOST_THINGS} are allowed")]
    Many(usize),
    #[error("two things are called `{0}`")]
    Twice(String),
    #[error("`{name}`: {source}")]
    Thing { name: String, source: ThingError },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    check: bool,
    #[serde(default)]
    negate: bool,
    things: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    question: String,
    words: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    bound: Option<f32>,
}

impl Probes {
    /// Bytes of the largest file that is read.
    pub(in crate::vlm) const LARGEST: u64 = 256 << 10;

    /// Reads what `probes.json` holds.
    ///
    /// # Errors
    /// [`ProbesError`]
    pub fn from_json(json: &str) -> Result<Self, ProbesError> {
        let file: File = serde_json::from_str(json)?;
        if file.schema != SCHEMA {
            return Err(ProbesError::Schema(file.schema.chars().take(80).collect()));
        }
        let mut probes = Self { things: Vec::new(), check: file.check, negate: file.negate };
        if file.things.len() > MOST_THINGS {
            return Err(ProbesError::Many(file.things.len()));
        }
        for entry in file.things {
            let bound = entry.bound.unwrap_or(Thing::BOUND);
            let thing = Thing::new(&entry.name, &entry.question, &entry.words, &entry.except, bound);
            let thing =
                thing.map_err(|source| ProbesError::Thing { name: entry.name.chars().take(80).collect(), source })?;
            if probes.things.iter().any(|known| known.name == thing.name) {
                return Err(ProbesError::Twice(entry.name));
            }
            probes.things.push(thing);
        }
        Ok(probes)
    }

    /// With more things; one that has the name of another takes its place. Those beyond the bound are left out.
    #[must_use]
    pub fn with(mut self, more: &[Thing]) -> Self {
        for thing in more {
            match self.things.iter_mut().find(|known| known.name == thing.name) {
                Some(known) => *known = thing.clone(),
                None => self.things.push(thing.clone()),
            }
        }
        self.things.truncate(MOST_THINGS);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::split;
    use super::*;

    fn tiny() -> Probes {
        Probes::from_json(include_str!("../../../models/tiny/probes.json")).unwrap()
    }

    #[test]
    fn the_default_set_asks_about_people_vehicles_and_animals() {
        let probes = tiny();
        assert!(probes.check && !probes.negate);
        let named = |text: &str| -> Vec<String> {
            let words = split(text);
            probes.things.iter().filter(|thing| thing.words.named(&words)).map(|thing| thing.name.to_string()).collect()
        };
        assert_eq!(named("A man is sitting on a bench in front of a car."), ["person", "car"]);
        assert_eq!(named("Two puppies and a pickup near the bus stop"), ["truck", "dog"]);
        assert_eq!(named("A dark picture with nothing visible."), [] as [&str; 0]);
        assert_eq!(named("A couple of ducks beside the train tracks"), ["bird"]);
        assert_eq!(named("A cyclist rides a bike"), ["person", "bicycle"]);
    }

    #[test]
    fn a_wrong_file_says_what_is_wrong() {
        let wrong = |json: &str| Probes::from_json(json).unwrap_err().to_string();
        assert!(wrong("{").contains("EOF"));
        assert!(wrong(r#"{"schema":"x","check":true,"things":[]}"#).contains("eyewitness.probes.v1"));
        assert!(
            wrong(r#"{"schema":"eyewitness.probes.v1","check":true,"things":[],"thing":1}"#).contains("unknown field")
        );
        let thing = r#"{"name":"a","question":"q","words":["w"]}"#;
        let file = |things: &str| format!(r#"{{"schema":"eyewitness.probes.v1","check":true,"things":[{things}]}}"#);
        assert!(wrong(&file(&format!("{thing},{thing}"))).contains("two things are called `a`"));
        let many: Vec<String> = (0..65).map(|n| thing.replace("\"a\"", &format!("\"a{n}\""))).collect();
        assert!(wrong(&file(&many.join(","))).contains("65 things"));
        assert!(wrong(&file(&thing.replace("[\"w\"]", "[]"))).contains("`a`: there are no words"));
        assert!(wrong(&file(&thing.replace("]}", "],\"bound\":3}"))).contains("the bound is 3"));
        assert_eq!(Probes::from_json(&file(thing)).unwrap().things.len(), 1);
    }

    #[test]
    fn the_config_adds_and_replaces() {
        let thing = |name: &str, bound| Thing::new(name, "q", &["w"], &[] as &[&str], bound).unwrap();
        let with = tiny().with(&[thing("person", 0.9), thing("parcel", 0.4)]);
        assert_eq!(with.things.len(), tiny().things.len() + 1);
        assert_eq!((with.things[0].bound, &*with.things.last().unwrap().name), (0.9, "parcel"));
        let many: Vec<Thing> = (0..100).map(|n| thing(&format!("t{n}"), 0.5)).collect();
        assert_eq!(tiny().with(&many).things.len(), MOST_THINGS);
    }
}
