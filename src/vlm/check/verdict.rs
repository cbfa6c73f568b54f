//! Which of several sentences goes out, by what was asked about the things that they name. Pure.

/// One sentence, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sentence {
    /// The things it names, as indices.
    pub named: Vec<usize>,
    pub empty: bool,
}

/// How sure a model is of each thing; `None`: it was not asked.
pub(super) struct Evidence<'a> {
    pub p: &'a [Option<f32>],
    pub bounds: &'a [f32],
}

/// The choice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Verdict {
    /// Of the sentences.
    pub chosen: usize,
    /// Nothing that was asked speaks against it.
    pub agrees: bool,
    /// The lowest probability of what it names against its bound; 1 if it agrees.
    pub sure: f32,
}

impl Evidence<'_> {
    /// Whether what was asked speaks against a thing's being there.
    pub(super) fn contradicts(&self, thing: usize) -> bool {
        self.p[thing].is_some_and(|p| p < self.bounds[thing])
    }

    /// By how much a sentence is contradicted: the sum of what its things lack.
    fn against(&self, sentence: &Sentence) -> f32 {
        let lacks = |thing: &usize| self.p[*thing].map_or(0.0, |p| (self.bounds[*thing] - p).max(0.0));
        sentence.named.iter().map(lacks).sum()
    }

    /// The sentence that contradicts least, the earliest of several; an empty one only if there is no other. At least one must be
    /// there.
    pub(super) fn verdict(&self, sentences: &[Sentence]) -> Verdict {
        let mut chosen = 0;
        for (index, sentence) in sentences.iter().enumerate().skip(1) {
            let best = &sentences[chosen];
            let better = match (best.empty, sentence.empty) {
                (true, false) => true,
                (false, true) => false,
                _ => self.against(sentence) < self.against(best),
            };
            if better {
                chosen = index;
            }
        }
        let named = sentences.get(chosen).map_or(&[][..], |sentence| &sentence.named);
        let against = named.iter().filter(|thing| self.contradicts(**thing)).filter_map(|thing| self.p[*thing]);
        let sure = against.fold(1.0, f32::min);
        Verdict { chosen, agrees: !named.iter().any(|thing| self.contradicts(*thing)), sure }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sentence(named: &[usize]) -> Sentence {
        Sentence { named: named.to_vec(), empty: false }
    }

    #[test]
    fn the_least_contradicted_goes_out() {
        let evidence = Evidence { p: &[Some(0.03), Some(0.99), Some(0.4), None], bounds: &[0.5; 4] };
        let verdict = evidence.verdict(&[sentence(&[0, 1]), sentence(&[2]), sentence(&[1])]);
        assert_eq!(verdict, Verdict { chosen: 2, agrees: true, sure: 1.0 });
        let verdict = evidence.verdict(&[sentence(&[0, 1]), sentence(&[2])]);
        assert_eq!(verdict, Verdict { chosen: 1, agrees: false, sure: 0.4 });
        // What was not asked speaks against nothing.
        assert!(evidence.verdict(&[sentence(&[3])]).agrees);
        assert!(evidence.verdict(&[sentence(&[])]).agrees);
    }

    #[test]
    fn an_empty_sentence_is_the_last_resort() {
        let evidence = Evidence { p: &[Some(0.0)], bounds: &[0.5] };
        let empty = Sentence { named: Vec::new(), empty: true };
        assert_eq!(evidence.verdict(&[sentence(&[0]), empty.clone()]).chosen, 0);
        assert_eq!(evidence.verdict(&[empty.clone(), sentence(&[0])]).chosen, 1);
        assert_eq!(evidence.verdict(&[empty]).chosen, 0);
    }

    proptest! {
        #[test]
        fn a_sentence_that_agrees_is_never_passed_over(
            p in prop::collection::vec(prop::option::of(0.0_f32..=1.0), 4),
            named in prop::collection::vec(prop::collection::vec(0_usize..4, 0..4), 1..4),
        ) {
            let evidence = Evidence { p: &p, bounds: &[0.5; 4] };
            let sentences: Vec<Sentence> = named.iter().map(|named| sentence(named)).collect();
            let agrees = |s: &Sentence| !s.named.iter().any(|thing| evidence.contradicts(*thing));
            let verdict = evidence.verdict(&sentences);
            prop_assert_eq!(verdict.agrees, sentences.iter().any(agrees));
            prop_assert_eq!(verdict.agrees, agrees(&sentences[verdict.chosen]));
            prop_assert!(verdict.agrees == (verdict.sure == 1.0) && (0.0..=1.0).contains(&verdict.sure));
        }
    }
}
