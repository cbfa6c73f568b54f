//! When the answer to a question is yes over a clip, as somebody wrote it down. Pure.

use serde::Deserialize;

/// Stretches of a clip, each `[from, to]` in its seconds; `to` is not part of it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spans {
    #[serde(default)]
    pub(super) yes: Vec<[f64; 2]>,
    /// Without it everything else is no.
    #[serde(default)]
    pub(super) no: Option<Vec<[f64; 2]>>,
    /// Left out: somebody is half in view, or it cannot be told.
    #[serde(default)]
    pub(super) unknown: Vec<[f64; 2]>,
}

/// A label may reach so many seconds beyond a clip: its last frame lasts, too.
const BEYOND: f64 = 0.5;
/// Shorter gaps and overlaps are rounding.
const ROUNDING: f64 = 0.001;

impl Spans {
    /// All that is wrong with them, in words. `length`: of the clip in seconds, where it is known.
    pub(super) fn problems(&self, length: Option<f64>) -> Vec<String> {
        let mut problems = Vec::new();
        let mut all: Vec<(&str, [f64; 2])> = Vec::new();
        for (name, [from, to]) in self.named() {
            if !(from >= 0.0 && to > from && to.is_finite()) {
                problems.push(format!("`{name}`: [{from}, {to}] is no stretch of time"));
                continue;
            }
            if let Some(length) = length
                && to > length + BEYOND
            {
                problems.push(format!("`{name}`: [{from}, {to}] goes beyond the clip, which lasts {length:.1} s"));
            }
            all.push((name, [from, to]));
        }
        all.sort_by(|a, b| a.1[0].total_cmp(&b.1[0]));
        for pair in all.windows(2) {
            let [(name, [from, to]), (other, [other_from, other_to])] = [pair[0], pair[1]];
            if other_from < to - ROUNDING {
                problems.push(format!("`{name}` [{from}, {to}] and `{other}` [{other_from}, {other_to}] overlap"));
            }
        }
        if self.no.is_some() {
            problems.extend(gaps(&all, length).map(|[from, to]| {
                format!(
                    "from {from} to {to} s nothing is said: put it into `yes`, `no` or `unknown`, or leave `no` out"
                )
            }));
        }
        problems
    }

    /// What is right at a second; `None`: unknown, or no more than `margin` seconds from a change.
    pub(super) fn at(&self, second: f64, margin: f64) -> Option<bool> {
        let near = margin > 0.0 && self.changes().any(|change| (change - second).abs() <= margin);
        if near { None } else { self.exactly(second) }
    }

    /// Numbers the stretches: seconds between two changes have the same number. Pictures of one stretch look alike.
    pub(super) fn stretch(&self, second: f64) -> usize {
        self.changes().filter(|change| *change <= second).count()
    }

    fn exactly(&self, second: f64) -> Option<bool> {
        let within = |spans: &[[f64; 2]]| spans.iter().any(|[from, to]| (*from..*to).contains(&second));
        match &self.no {
            _ if within(&self.unknown) => None,
            _ if within(&self.yes) => Some(true),
            Some(no) => within(no).then_some(false),
            None => Some(false),
        }
    }

    /// Where the answer becomes another one. Neighbours that say the same have no change between them.
    fn changes(&self) -> impl Iterator<Item = f64> {
        let mut ends: Vec<_> = self.named().into_iter().flat_map(|(_, span)| span).filter(|end| *end > 0.0).collect();
        ends.sort_by(f64::total_cmp);
        ends.dedup();
        ends.into_iter().filter(|end| self.exactly(end - ROUNDING) != self.exactly(end + ROUNDING))
    }

    fn named(&self) -> Vec<(&'static str, [f64; 2])> {
        let no = self.no.as_deref().unwrap_or_default();
        let lists = [("yes", self.yes.as_slice()), ("no", no), ("unknown", self.unknown.as_slice())];
        lists.into_iter().flat_map(|(name, spans)| spans.iter().map(move |span| (name, *span))).collect()
    }
}

/// What lies between sorted stretches.
fn gaps(sorted: &[(&str, [f64; 2])], length: Option<f64>) -> impl Iterator<Item = [f64; 2]> {
    let mut reached = 0.0_f64;
    let mut gaps = Vec::new();
    for (_, [from, to]) in sorted {
        gaps.push([reached, *from]);
        reached = reached.max(*to);
    }
    gaps.extend(length.map(|length| [reached, length - BEYOND]));
    gaps.into_iter().filter(|[from, to]| to - from > ROUNDING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(json: &str) -> Spans {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_not_yes_is_no_unless_it_is_said() {
        let visit = spans(r#"{"yes":[[6,20],[20,21],[30,31]],"unknown":[[21,22]]}"#);
        assert_eq!(
            [0.0, 6.0, 19.9, 20.0, 21.5, 22.0, 30.5, 31.0].map(|at| visit.at(at, 0.0)),
            [Some(false), Some(true), Some(true), Some(true), None, Some(false), Some(true), Some(false),]
        );
        // Near a change nothing is claimed; 20 is none.
        assert_eq!(
            [5.4, 5.6, 6.5, 6.6, 20.0].map(|at| visit.at(at, 0.5)),
            [Some(false), None, None, Some(true), Some(true)]
        );
        assert_eq!([0.0, 6.0, 20.5, 21.0, 25.0, 30.0, 40.0].map(|at| visit.stretch(at)), [0, 1, 1, 2, 3, 4, 5]);
        let told = spans(r#"{"yes":[[1,2]],"no":[[0,1],[3,9]]}"#);
        assert_eq!([0.5, 1.5, 2.5, 4.0].map(|at| told.at(at, 0.0)), [Some(false), Some(true), None, Some(false)]);
    }

    #[test]
    fn all_that_is_wrong_is_said() {
        let wrong = spans(r#"{"yes":[[6,20],[5,5],[-1,2],[130,150]],"unknown":[[19,22]]}"#);
        let problems = wrong.problems(Some(139.4));
        assert_eq!(
            problems,
            [
                "`yes`: [5, 5] is no stretch of time",
                "`yes`: [-1, 2] is no stretch of time",
                "`yes`: [130, 150] goes beyond the clip, which lasts 139.4 s",
                "`yes` [6, 20] and `unknown` [19, 22] overlap",
            ]
        );
        assert_eq!(spans(r#"{"yes":[[6,20]]}"#).problems(None), Vec::<String>::new());
        let gaps = spans(r#"{"yes":[[6,20]],"no":[[0,6],[22,29.8]]}"#).problems(Some(30.0));
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert!(gaps[0].starts_with("from 20 to 22 s nothing is said"), "{gaps:?}");
        assert!(spans(r#"{"yes":[[0,1e400]]}"#.replace("1e400", "1e300").as_str()).problems(Some(9.0)).len() == 1);
        assert!(serde_json::from_str::<Spans>(r#"{"Yes":[]}"#).is_err());
    }
}
