//! What a subscriber got, held against what was promised: every number once or more, in order, the same words each time.
//! Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

/// Enough to see what is wrong.
const SHOWN: usize = 8;

/// A camera and the number of one of its messages.
pub type Key = (String, u64);

/// One message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub key: Key,
    pub id: String,
    /// It says that it waited for a broker.
    pub replayed: bool,
    /// Of everything else in it.
    pub print: u64,
}

impl Arrival {
    /// `None` if it is no event.
    pub fn of(payload: &[u8]) -> Option<Self> {
        let mut json: Value = serde_json::from_slice(payload).ok()?;
        let replayed = json.get("replayed")?.as_bool()?;
        json["replayed"] = Value::Null;
        let mut hasher = DefaultHasher::new();
        json.to_string().hash(&mut hasher);
        let key = (json["camera"].as_str()?.to_owned(), json["seq"].as_u64()?);
        Some(Self { key, id: json["id"].as_str()?.to_owned(), replayed, print: hasher.finish() })
    }
}

#[derive(Debug)]
struct Seen {
    id: String,
    print: u64,
    copies: u64,
    /// Copies that do not say that they waited.
    unmarked: u64,
}

#[derive(Debug, Default)]
pub struct Ledger {
    seen: BTreeMap<Key, Seen>,
    highest: BTreeMap<String, u64>,
    faults: Vec<String>,
}

impl Ledger {
    pub fn arrive(&mut self, arrival: Arrival) {
        let Arrival { key, id, replayed, print } = arrival;
        let unmarked = u64::from(!replayed);
        if let Some(seen) = self.seen.get_mut(&key) {
            seen.copies += 1;
            seen.unmarked += unmarked;
            if seen.print != print {
                self.faults
                    .push(format!("{} {} came with two different contents ({} and {id})", key.0, key.1, seen.id));
            }
            return;
        }
        let highest = self.highest.entry(key.0.clone()).or_insert(0);
        if key.1 < *highest {
            self.faults.push(format!("{} {} came for the first time after {highest}", key.0, key.1));
        }
        *highest = key.1.max(*highest);
        self.seen.insert(key, Seen { id, print, copies: 1, unmarked });
    }

    /// Different messages so far.
    pub fn events(&self) -> u64 {
        self.seen.len() as u64
    }

    /// Copies beyond the first.
    pub fn duplicates(&self) -> u64 {
        self.seen.values().map(|seen| seen.copies - 1).sum()
    }

    /// Numbers below the highest that have not come.
    pub fn gaps(&self) -> u64 {
        self.highest.values().sum::<u64>() - self.events()
    }

    pub fn has(&self, key: &Key) -> bool {
        self.seen.contains_key(key)
    }

    /// With `announced`: what the sender said to have kept, with its id. `excused`: the broker had it, and was then
    /// killed or lost its memory.
    pub fn verdict(&self, announced: &BTreeMap<Key, String>, excused: impl Fn(&Key) -> bool) -> Verdict {
        let mut faults = self.faults.clone();
        for (key, id) in announced {
            match self.seen.get(key) {
                Some(seen) if seen.id != *id => {
                    faults.push(format!("{} {} was announced as {id} and came as {}", key.0, key.1, seen.id));
                }
                _ => {}
            }
        }
        let mut expected = self.highest.clone();
        for (camera, seq) in announced.keys() {
            let highest = expected.entry(camera.clone()).or_insert(0);
            *highest = (*highest).max(*seq);
        }
        let all = expected.iter().flat_map(|(camera, highest)| (1..=*highest).map(|seq| (camera.clone(), seq)));
        let (excused, lost): (Vec<Key>, Vec<Key>) =
            all.filter(|key| !self.seen.contains_key(key)).partition(|key| excused(key));
        Verdict {
            announced: announced.len() as u64,
            events: self.events(),
            duplicates: self.duplicates(),
            unmarked: self.seen.values().map(|seen| seen.unmarked.saturating_sub(1)).sum(),
            lost_by_broker: excused.len() as u64,
            lost,
            faults,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub announced: u64,
    pub events: u64,
    pub duplicates: u64,
    /// Copies beyond the first that do not say that they waited.
    pub unmarked: u64,
    /// Acknowledged by a broker that did not live to hand them on.
    pub lost_by_broker: u64,
    pub lost: Vec<Key>,
    /// Out of order, or not the same each time.
    pub faults: Vec<String>,
}

impl Verdict {
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        vec![
            ("announced", self.announced.to_string()),
            ("arrived", self.events.to_string()),
            ("duplicates", self.duplicates.to_string()),
            ("lost by a broker after its acknowledgement", self.lost_by_broker.to_string()),
            ("out of order or changed", self.faults.len().to_string()),
            ("LOST", self.lost.len().to_string()),
        ]
    }

    /// What is wrong, if anything.
    pub fn wrong(&self) -> Option<String> {
        let mut text = String::new();
        if !self.lost.is_empty() {
            let shown: Vec<_> = self.lost.iter().take(SHOWN).collect();
            writeln!(text, "{} lost, such as {shown:?}", self.lost.len()).ok()?;
        }
        if !self.faults.is_empty() {
            let shown = self.faults[..self.faults.len().min(SHOWN)].join("\n");
            writeln!(text, "{} faults, such as\n{shown}", self.faults.len()).ok()?;
        }
        (!text.is_empty()).then_some(text)
    }
}

/// A table for people, on stderr.
pub fn print(title: &str, rows: &[(&str, String)]) {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> = rows.iter().map(|(name, value)| format!("  {name:<width$}  {value:>10}")).collect();
    eprintln!("{title}\n{}", lines.join("\n"));
}

/// The judge is judged: each breach is found.
mod tests {
    use super::*;

    fn arrival(seq: u64, print: u64, replayed: bool) -> Arrival {
        Arrival { key: ("a".into(), seq), id: format!("id{seq}"), replayed, print }
    }

    fn ledger(arrivals: &[(u64, u64, bool)]) -> Ledger {
        let mut ledger = Ledger::default();
        arrivals.iter().for_each(|(seq, print, replayed)| ledger.arrive(arrival(*seq, *print, *replayed)));
        ledger
    }

    #[test]
    fn what_is_in_order_is_well() {
        let ledger = ledger(&[(1, 1, false), (2, 2, false), (1, 1, true), (2, 2, true), (3, 3, false)]);
        let verdict = ledger.verdict(&[(("a".into(), 3), "id3".into())].into(), |_| false);
        assert_eq!((verdict.wrong(), verdict.duplicates, verdict.unmarked), (None, 2, 0));
        assert_eq!(ledger.gaps(), 0);
    }

    #[test]
    fn each_breach_is_found() {
        let wrong = |arrivals: &[(u64, u64, bool)], announced: &[(u64, &str)]| {
            let announced = announced.iter().map(|(seq, id)| (("a".into(), *seq), (*id).to_owned())).collect();
            ledger(arrivals).verdict(&announced, |key| key.1 == 2).wrong().unwrap_or_default()
        };
        assert_eq!(wrong(&[(1, 1, false), (3, 3, false)], &[]), "", "2 is excused");
        assert!(wrong(&[(1, 1, false), (4, 4, false)], &[]).contains("1 lost, such as [(\"a\", 3)]"));
        assert!(wrong(&[(1, 1, false)], &[(3, "id3")]).contains("1 lost, such as [(\"a\", 3)]"));
        assert!(wrong(&[(1, 1, false)], &[(1, "other")]).contains("announced as other"));
        assert!(wrong(&[(1, 1, false), (1, 7, true)], &[]).contains("two different contents"));
        assert!(wrong(&[(3, 3, false), (1, 1, false)], &[]).contains("came for the first time after 3"));
        assert_eq!(ledger(&[(1, 1, false), (1, 1, false)]).verdict(&BTreeMap::new(), |_| false).unmarked, 1);
    }

    #[test]
    fn an_event_is_read_from_its_json() {
        let json = |replayed| format!(r#"{{"id":"X","camera":"a","seq":7,"replayed":{replayed},"description":"b"}}"#);
        let (first, again) =
            (Arrival::of(json(false).as_bytes()).unwrap(), Arrival::of(json(true).as_bytes()).unwrap());
        assert_eq!((first.key.clone(), first.id.as_str()), (("a".to_owned(), 7), "X"));
        assert_eq!((first.replayed, again.replayed, first.print == again.print), (false, true, true));
        assert_eq!(Arrival::of(b"{}"), None);
    }
}
