//! In which order ways are tried, and which is kept. Whoever can try a way out is passed in, so this is pure.
//!
//! One thing at a time, each on top of what was kept so far: what was kept was measured as a whole, and held.

use serde::Serialize;

use super::judge::Agreement;
use super::way::{Cost, Way, counted, gain};
use crate::vlm::Precision;

/// Another precision must be so much faster: less is chance.
pub(super) const PART_GAIN: f64 = 0.05;
/// More threads must be so much faster, or the cores are left to decoding.
pub(super) const THREADS_GAIN: f64 = 0.1;
/// Smaller pictures must be so much faster, or nothing is risked for them.
pub(super) const SIZE_GAIN: f64 = 0.2;

/// What came of trying.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub(super) cost: Cost,
    /// `None`: nobody needed it.
    pub(super) agreement: Option<Agreement>,
}

/// Why nothing came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// There was no time left.
    Time,
    /// It does not load, or does not run; in words.
    Fails(String),
}

/// Where ways can be tried.
pub(super) trait Bench {
    /// Asks it everything, keeps its answers to hold all others against them, and times it. `to_come`: how many trials the time
    /// has to last for, with this one; the same below.
    fn reference(&mut self, way: &Way, to_come: usize) -> Result<Measured, Missing>;
    /// Times it and, if a description takes less than `below` milliseconds, holds its answers against the reference's: what is
    /// too slow need not be right.
    fn try_out(&mut self, way: &Way, below: f64, to_come: usize) -> Result<Measured, Missing>;
    /// Holds `small`'s answers about views that its own edge shows whole against `large`'s.
    fn small_views(&mut self, small: &Way, large: &Way, to_come: usize) -> Result<Agreement, Missing>;
}

/// What there is to choose from.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Of vision, embed, decoder; none is empty. The highest first.
    pub(super) available: [Vec<Precision>; 3],
    /// What is fastest as a rule on such a device comes first.
    pub(super) likely: [Precision; 5],
    /// Sizes of the embedding table's files, in bytes.
    pub(super) tables: Vec<(Precision, u64)>,
    /// Ascending, not empty.
    pub(super) threads: Vec<usize>,
    /// The set's own edge in pixels.
    pub(super) own: u32,
    /// Smaller ones, the largest first.
    pub(super) edges: Vec<u32>,
}

/// What a trial was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stage {
    Reference,
    All,
    Threads,
    Vision,
    Decoder,
    Embed,
    Picture,
    Region,
}

impl Stage {
    /// What of `way` is tried.
    fn words(self, way: &Way) -> String {
        let [vision, embed, decoder] = way.parts.map(Precision::name);
        match self {
            Self::Reference | Self::All => way.words(),
            Self::Threads => counted(way.threads, "thread"),
            Self::Vision => format!("{vision} vision"),
            Self::Decoder => format!("{decoder} decoder"),
            Self::Embed => format!("{embed} embed"),
            Self::Picture => format!("pictures of {} pixels", way.edge),
            Self::Region => format!("regions of {} pixels", way.edge),
        }
    }
}

/// One trial and what was made of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) stage: Stage,
    pub(super) way: Way,
    pub(super) cost: Option<Cost>,
    pub(super) agreement: Option<Agreement>,
    pub(super) verdict: String,
    /// It was kept at that point.
    pub(super) kept: bool,
}

/// The end of a search.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) rows: Vec<Row>,
    pub(super) way: Way,
    pub(super) cost: Cost,
    pub(super) agreement: Option<Agreement>,
    /// Edges that are enough, ascending; the last is that of whole pictures.
    pub(super) edges: Vec<u32>,
    pub(super) reference: Way,
    pub(super) reference_cost: Cost,
    /// What there was no time for.
    pub(super) not_measured: Vec<String>,
}

/// Nothing can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Nothing {
    /// The reference took all of the time.
    TooShort,
    /// Nothing loads: each with its reason.
    NothingRuns(Vec<String>),
}

/// Tries ways until the best one is known, or the time is up.
pub(super) fn search(plan: &Plan, bench: &mut dyn Bench) -> Result<Found, Nothing> {
    let mut search = Search { plan, bench, rows: Vec::new(), not_measured: Vec::new(), to_come: plan.trials() };
    let reference = search.reference()?;
    let mut best = search.likely(&reference);
    search.threads(&mut best);
    search.part(&mut best, Stage::Vision);
    search.part(&mut best, Stage::Decoder);
    search.embed(&mut best);
    let small = search.picture(&mut best);
    let mut edges = search.regions(&best, &small);
    edges.push(best.way.edge);
    let Search { rows, not_measured, .. } = search;
    Ok(Found {
        rows,
        way: best.way,
        cost: best.cost,
        agreement: best.agreement,
        edges,
        reference: reference.way,
        reference_cost: reference.cost,
        not_measured,
    })
}

impl Plan {
    /// How many trials there are, about.
    fn trials(&self) -> usize {
        let others: usize = self.available.iter().map(|part| part.len() - 1).sum();
        2 + self.threads.len() + others + 2 * self.edges.len()
    }

    /// No thread more.
    fn most_threads(&self) -> usize {
        self.threads.last().copied().unwrap_or(1)
    }

    fn way(&self, parts: [Precision; 3]) -> Way {
        Way { parts, threads: self.most_threads(), edge: self.own }
    }

    /// From the highest that there is downwards, until one runs.
    fn references(&self) -> Vec<Way> {
        let highest = |part: &[Precision], at: usize| part[at.min(part.len() - 1)];
        let steps = self.available.iter().map(Vec::len).max().unwrap_or(0);
        (0..steps).map(|at| self.way([0, 1, 2].map(|part: usize| highest(&self.available[part], at)))).collect()
    }
}

/// What was kept so far.
#[derive(Debug, Clone)]
struct Best {
    way: Way,
    cost: Cost,
    agreement: Option<Agreement>,
}

struct Search<'a> {
    plan: &'a Plan,
    bench: &'a mut dyn Bench,
    rows: Vec<Row>,
    not_measured: Vec<String>,
    to_come: usize,
}

impl Search<'_> {
    fn next(&mut self) -> usize {
        let to_come = self.to_come.max(1);
        self.to_come = to_come - 1;
        to_come
    }

    fn row(&mut self, stage: Stage, way: &Way, measured: Option<Measured>, verdict: impl Into<String>) -> usize {
        let (cost, agreement) = (measured.map(|m| m.cost), measured.and_then(|m| m.agreement));
        self.rows.push(Row { stage, way: way.clone(), cost, agreement, verdict: verdict.into(), kept: false });
        self.rows.len() - 1
    }

    fn missing(&mut self, stage: Stage, way: &Way, why: Missing) {
        match why {
            Missing::Time => {
                self.row(stage, way, None, "not measured: the time was up");
                self.not_measured.push(stage.words(way));
            }
            Missing::Fails(why) => _ = self.row(stage, way, None, why),
        }
    }

    fn keep(&mut self, row: usize, verdict: &str) {
        self.rows[row].kept = true;
        self.rows[row].verdict = verdict.to_owned();
    }

    fn reference(&mut self) -> Result<Best, Nothing> {
        let mut why = Vec::new();
        for way in self.plan.references() {
            let to_come = self.next();
            match self.bench.reference(&way, to_come) {
                Ok(measured) => {
                    let row = self.row(Stage::Reference, &way, Some(measured), "what all others are held against");
                    self.rows[row].kept = true;
                    return Ok(Best { way, cost: measured.cost, agreement: None });
                }
                Err(Missing::Time) => return Err(Nothing::TooShort),
                Err(Missing::Fails(reason)) => {
                    self.row(Stage::Reference, &way, None, &reason);
                    why.push(format!("{}: {reason}", way.words()));
                }
            }
        }
        Err(Nothing::NothingRuns(why))
    }

    /// What is fastest as a rule, in all parts at once: if it holds, the search begins there.
    fn likely(&mut self, reference: &Best) -> Best {
        let first = |part: &Vec<Precision>| self.plan.likely.into_iter().find(|precision| part.contains(precision));
        let [vision, embed, decoder] = [0, 1, 2].map(|part: usize| first(&self.plan.available[part]));
        let current = reference.way.parts;
        let parts = [vision.unwrap_or(current[0]), embed.unwrap_or(current[1]), decoder.unwrap_or(current[2])];
        if parts == reference.way.parts {
            return reference.clone();
        }
        let way = self.plan.way(parts);
        self.better(Stage::All, way, reference.clone(), PART_GAIN)
    }

    /// Tries `way`: it is kept if it holds and is faster than `best` by more than `least`.
    fn better(&mut self, stage: Stage, way: Way, best: Best, least: f64) -> Best {
        let to_come = self.next();
        let below = best.cost.description() * (1.0 - least);
        let measured = match self.bench.try_out(&way, below, to_come) {
            Ok(measured) => measured,
            Err(why) => {
                self.missing(stage, &way, why);
                return best;
            }
        };
        let row = self.row(stage, &way, Some(measured), String::new());
        let gain = gain(&best.cost, &measured.cost);
        if gain <= least {
            self.rows[row].verdict = compared(gain, least);
        } else if let Some(wrong) = measured.agreement.and_then(|agreement| agreement.wrong()) {
            self.rows[row].verdict = wrong;
        } else {
            self.keep(row, &format!("{:.0} % faster, and it holds", gain * 100.0));
            return Best { way, cost: measured.cost, agreement: measured.agreement };
        }
        best
    }

    /// As few as are about as fast.
    fn threads(&mut self, best: &mut Best) {
        let mut tried = Vec::new();
        for threads in self.plan.threads.iter().rev().copied() {
            let way = Way { threads, ..best.way.clone() };
            if threads == best.way.threads {
                let known = Measured { cost: best.cost, agreement: None };
                tried.push((self.row(Stage::Threads, &way, Some(known), String::new()), way, best.cost));
                continue;
            }
            let to_come = self.next();
            match self.bench.try_out(&way, 0.0, to_come) {
                Ok(measured) => {
                    tried.push((self.row(Stage::Threads, &way, Some(measured), String::new()), way, measured.cost));
                }
                Err(why) => self.missing(Stage::Threads, &way, why),
            }
        }
        let Some(fastest) = tried.iter().map(|(.., cost)| *cost).min_by(faster) else { return };
        // The fewest come last.
        let chosen = tried.iter().rposition(|(.., cost)| gain(cost, &fastest) < THREADS_GAIN).unwrap_or(0);
        for (at, (row, _, cost)) in tried.iter().enumerate() {
            let gain = gain(&tried[chosen].2, cost);
            let verdict = match at.cmp(&chosen) {
                _ if tried.len() == 1 => "nothing to choose from".to_owned(),
                std::cmp::Ordering::Equal if *cost == fastest => "the fastest".to_owned(),
                std::cmp::Ordering::Equal => "as fast, and leaves cores to decoding".to_owned(),
                _ => compared(gain, THREADS_GAIN),
            };
            self.rows[*row].verdict = verdict;
        }
        let (row, way, cost) = tried.swap_remove(chosen);
        self.rows[row].kept = true;
        (best.way, best.cost) = (way, cost);
    }

    /// Other precisions of one part.
    fn part(&mut self, best: &mut Best, stage: Stage) {
        let part = if stage == Stage::Vision { 0 } else { 2 };
        let now = best.way.parts[part];
        for precision in self.plan.available[part].iter().copied().filter(|precision| *precision != now) {
            let mut way = best.way.clone();
            way.parts[part] = precision;
            *best = self.better(stage, way, best.clone(), PART_GAIN);
        }
    }

    /// The table costs no time worth mentioning: the smallest that holds is enough.
    fn embed(&mut self, best: &mut Best) {
        let size =
            |precision| self.plan.tables.iter().find(|table| table.0 == precision).map_or(u64::MAX, |table| table.1);
        let mut smaller = self.plan.tables.clone();
        smaller.retain(|(_, bytes)| *bytes < size(best.way.parts[1]));
        smaller.sort_by_key(|(_, bytes)| *bytes);
        for (precision, _) in smaller {
            let mut way = best.way.clone();
            way.parts[1] = precision;
            let tried = self.better(Stage::Embed, way.clone(), best.clone(), -THREADS_GAIN);
            if tried.way == way {
                if let Some(row) = self.rows.last_mut() {
                    row.verdict = "less memory, and it holds".into();
                }
                *best = tried;
                return;
            }
        }
    }

    /// Smaller whole pictures. Returns the edges that would be faster by enough.
    fn picture(&mut self, best: &mut Best) -> Vec<u32> {
        let full = best.clone();
        let mut small = Vec::new();
        for edge in self.plan.edges.iter().copied() {
            let way = Way { edge, ..full.way.clone() };
            let (before, late) = (self.rows.len(), self.not_measured.len());
            let tried = self.better(Stage::Picture, way, full.clone(), SIZE_GAIN);
            let Some(cost) = self.rows[before].cost else {
                if self.not_measured.len() > late {
                    continue;
                }
                // A graph that takes one size only takes no other one either.
                return small;
            };
            if gain(&full.cost, &cost) > SIZE_GAIN {
                small.push(edge);
            }
            if tried.way.edge == edge && gain(&best.cost, &tried.cost) > 0.0 {
                self.rows.iter_mut().filter(|row| row.stage == Stage::Picture).for_each(|row| row.kept = false);
                self.rows[before].kept = true;
                *best = tried;
            } else {
                self.rows[before].kept = false;
            }
        }
        small
    }

    /// Of the edges that are smaller than a whole picture's: those that are enough for views that they show whole, ascending.
    fn regions(&mut self, best: &Best, small: &[u32]) -> Vec<u32> {
        let mut enough = Vec::new();
        for edge in small.iter().copied().filter(|edge| *edge < best.way.edge) {
            let way = Way { edge, ..best.way.clone() };
            let to_come = self.next();
            match self.bench.small_views(&way, &best.way, to_come) {
                Ok(agreement) => {
                    let wrong = agreement.wrong();
                    let verdict = wrong.clone().unwrap_or_else(|| format!("enough for regions of up to {edge} pixels"));
                    let row = self.row(Stage::Region, &way, None, verdict);
                    (self.rows[row].agreement, self.rows[row].kept) = (Some(agreement), wrong.is_none());
                    enough.extend(wrong.is_none().then_some(edge));
                }
                Err(why) => self.missing(Stage::Region, &way, why),
            }
        }
        enough.sort_unstable();
        enough
    }
}

fn faster(a: &Cost, b: &Cost) -> std::cmp::Ordering {
    a.description().total_cmp(&b.description())
}

/// Why a gain was not enough.
fn compared(gain: f64, least: f64) -> String {
    let percent = gain * 100.0;
    if gain < -1.05 {
        format!("takes {:.1} times as long", 1.0 - gain)
    } else if percent <= -0.5 {
        format!("{:.0} % slower", -percent)
    } else if least > 0.0 && gain <= least {
        format!("only {:.0} % faster; it must be {:.0} %", percent.max(0.0), least * 100.0)
    } else {
        "not faster".into()
    }
}

#[cfg(test)]
mod tests;
