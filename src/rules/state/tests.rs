use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { on: 0.7, off: 0.3 };

fn at(seconds: f64) -> Moment {
    let mono = Duration::from_secs_f64(seconds);
    Moment { mono, wall: jiff::Timestamp::from_millisecond(mono.as_millis() as i64).unwrap() }
}

fn tally(least: usize, of: usize, hold: u64) -> Tally {
    Tally::new(Agree { least, of }, Duration::from_secs(hold))
}

/// The states after these answers, a second apart.
fn states(tally: &mut Tally, answers: &[f32]) -> String {
    let letter = |(second, p): (usize, &f32)| match tally.answer(*p, BOUNDS, at(second as f64)).state {
        State::On => '+',
        State::Off => '-',
        State::Unsure => '?',
    };
    answers.iter().enumerate().map(letter).collect()
}

#[test]
fn the_last_answer_decides_and_a_lean_keeps() {
    // 0.6 leans to yes, 0.4 to no.
    assert_eq!(states(&mut tally(1, 1, 0), &[0.6, 0.9, 0.6, 0.4, 0.6, 0.1, 0.4, 0.6, 0.7, 0.3, 0.29]), "?++??--?+?-");
    assert_eq!(states(&mut tally(1, 1, 0), &[0.9, f32::NAN, 0.1, f32::NAN]), "+?-?");
}

#[test]
fn two_of_three_are_not_moved_by_one() {
    assert_eq!(states(&mut tally(2, 3, 0), &[0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.9, 0.1, 0.9, 0.9]), "?+++----++");
    // Neither two yes nor two no nor two unsure: it stays as it is.
    assert_eq!(states(&mut tally(2, 3, 0), &[0.9, 0.9, 0.1, 0.45, 0.9, 0.45, 0.45]), "?++++??");
}

#[test]
fn it_stays_on_for_a_while_and_goes_off_by_itself() {
    let mut door = tally(1, 1, 10);
    assert!(door.answer(0.9, BOUNDS, at(0.0)).turned_on);
    assert_eq!(door.answer(0.1, BOUNDS, at(4.0)), Step { answer: YesNo::No, state: State::On, turned_on: false });
    assert_eq!(door.due(), Some(at(10.0)));
    assert!(!door.tick(at(9.9)) && door.tick(at(10.0)) && !door.tick(at(11.0)));
    assert_eq!((door.state(), door.due()), (State::Off, None));
    // A yes in the meantime begins it anew, and is no turning on.
    assert!(door.answer(0.9, BOUNDS, at(20.0)).turned_on);
    door.answer(0.1, BOUNDS, at(25.0));
    assert!(!door.answer(0.9, BOUNDS, at(26.0)).turned_on);
    door.answer(0.1, BOUNDS, at(27.0));
    assert_eq!(door.due(), Some(at(36.0)));
    // An answer that comes late ends it, too, whatever it says.
    assert!(door.answer(0.9, BOUNDS, at(40.0)).turned_on);
}

fn answers() -> impl Strategy<Value = Vec<(f32, f64)>> {
    let p = prop_oneof![8 => 0f32..=1.0, 1 => Just(f32::NAN), 1 => prop::sample::select(vec![0.3, 0.5, 0.7])];
    prop::collection::vec((p, 0f64..5.0), 0..60)
}

proptest! {
    /// Certain answers that all say the same lead there, from wherever it was, and say when it turned on at most once.
    #[test]
    fn agreement_wins(before in answers(), least in 1usize..5, spare in 0usize..4, yes: bool, hold in 0u64..8) {
        let of = least + spare.min(least - 1);
        let mut tally = tally(least, of, hold);
        let mut now = 0.0;
        for (p, step) in before {
            now += step;
            tally.answer(p, BOUNDS, at(now));
        }
        let (was, mut turned) = (tally.state(), 0);
        for _ in 0..of {
            now += 1.0;
            turned += u32::from(tally.answer(if yes { 0.95 } else { 0.05 }, BOUNDS, at(now)).turned_on);
        }
        tally.tick(at(now + hold as f64));
        prop_assert_eq!(tally.state(), if yes { State::On } else { State::Off });
        // One that was only held on may have gone off meanwhile.
        prop_assert!(turned <= u32::from(yes) && (turned == 1 || !yes || was == State::On));
    }

    /// On begins only with enough votes for it; on is left only when its hold is over; and no time is waited for twice.
    #[test]
    fn what_is_on_has_a_reason(answers in answers(), least in 1usize..4, spare in 0usize..3, hold in 0u64..20) {
        let of = least + spare.min(least - 1);
        let mut tally = tally(least, of, hold);
        let (mut now, mut last_yes) = (0.0, None);
        for (p, step) in answers {
            now += step;
            let before = tally.state();
            let due = tally.due();
            tally.tick(at(now));
            if let Some(due) = due {
                prop_assert_eq!(tally.state() == State::On, at(now) < due);
            } else {
                prop_assert_eq!(tally.state(), before);
            }
            let held = tally.state() == State::On;
            let step = tally.answer(p, BOUNDS, at(now));
            if step.answer == YesNo::Yes {
                last_yes = Some(now);
            }
            prop_assert_eq!(step.turned_on, !held && step.state == State::On);
            if step.turned_on {
                prop_assert!(tally.count(State::On) >= least);
            }
            if held && last_yes.is_some_and(|last| now - last < hold as f64 - 1e-3) {
                prop_assert_eq!(step.state, State::On);
            }
            prop_assert!(tally.votes.len() <= of);
            prop_assert!(tally.due().is_none_or(|due| due > at(now)));
        }
    }

    /// The surer of two answers never says less.
    #[test]
    fn more_is_not_less(p in 0f32..=1.0, more in 0f32..=1.0, on in 0.5f32..=1.0, off in 0f32..0.5) {
        let rank = |p: f32| match (Bounds { on, off }).answer(p) {
            YesNo::No => 0,
            YesNo::Unsure => 1,
            YesNo::Yes => 2,
        };
        prop_assert!(rank(p.max(more)) >= rank(p.min(more)));
    }
}
