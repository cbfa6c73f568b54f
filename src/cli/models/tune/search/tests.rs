//! The search on made-up devices.

use super::*;
use crate::cli::models::tune::judge::Count;

/// A device whose figures are made up.
struct Made {
    /// Milliseconds of encode and of a decoder's token, per precision.
    vision: fn(Precision) -> f64,
    decoder: fn(Precision) -> f64,
    /// Time with so many threads against that with one.
    threads: fn(usize) -> f64,
    /// Words of 100 that stay the same.
    same: fn(&Way) -> usize,
    fails: fn(&Way) -> Option<&'static str>,
    /// Trials that there is time for.
    time: usize,
    small: fn(u32) -> usize,
    asked: Vec<Way>,
}

const MADE: Made = Made {
    vision: |precision| if precision == Precision::Int8 { 100.0 } else { 300.0 },
    decoder: |precision| if precision == Precision::Int8 { 5.0 } else { 15.0 },
    threads: |threads| 1.0 / threads as f64,
    same: |_| 100,
    fails: |_| None,
    time: 100,
    small: |_| 100,
    asked: Vec::new(),
};

fn agreement(same: usize) -> Agreement {
    Agreement { words: Count { same, of: 100 }, ..Agreement::default() }
}

impl Bench for Made {
    fn reference(&mut self, way: &Way, to_come: usize) -> Result<Measured, Missing> {
        self.try_out(way, 0.0, to_come)
    }

    fn try_out(&mut self, way: &Way, below: f64, to_come: usize) -> Result<Measured, Missing> {
        assert!(to_come > 0);
        if self.time == 0 {
            return Err(Missing::Time);
        }
        self.time -= 1;
        self.asked.push(way.clone());
        if let Some(why) = (self.fails)(way) {
            return Err(Missing::Fails(why.into()));
        }
        let size = f64::from(way.edge).powi(2) / f64::from(512).powi(2);
        let threads = (self.threads)(way.threads);
        let encode = (self.vision)(way.parts[0]) * size * threads;
        let per_token = (self.decoder)(way.parts[2]) * threads;
        let cost = Cost { encode, first_token: encode + 4.0 * per_token, per_token, rounds: 3 };
        Ok(Measured { cost, agreement: (cost.description() < below).then(|| agreement((self.same)(way))) })
    }

    fn small_views(&mut self, small: &Way, large: &Way, _: usize) -> Result<Agreement, Missing> {
        assert!(small.edge < large.edge);
        Ok(agreement((self.small)(small.edge)))
    }
}

fn plan() -> Plan {
    let all = vec![Precision::Fp32, Precision::Fp16, Precision::Int8];
    Plan {
        available: [all.clone(), all.clone(), all],
        likely: [Precision::Int8, Precision::Q4, Precision::Fp32, Precision::Fp16, Precision::Q4f16],
        tables: vec![(Precision::Fp32, 4), (Precision::Fp16, 2), (Precision::Int8, 1)],
        threads: vec![1, 2, 4],
        own: 512,
        edges: Vec::new(),
    }
}

fn parts(vision: Precision, embed: Precision, decoder: Precision) -> [Precision; 3] {
    [vision, embed, decoder]
}

#[test]
fn the_fastest_that_holds_is_kept() {
    let mut made = MADE;
    let found = search(&plan(), &mut made).unwrap();
    assert_eq!((found.way.parts, found.way.threads), ([Precision::Int8; 3], 4));
    assert_eq!((found.reference.parts, found.edges), ([Precision::Fp32; 3], vec![512]));
    assert_eq!(found.agreement, Some(agreement(100)));
    // The reference, int8, two more thread counts, two more of vision and of the decoder; no table is smaller.
    assert_eq!(made.asked.len(), 1 + 1 + 2 + 2 + 2);
    let kept: Vec<_> = found.rows.iter().filter(|row| row.kept).map(|row| row.stage).collect();
    assert_eq!(kept, [Stage::Reference, Stage::All, Stage::Threads]);
}

#[test]
fn eight_bits_may_lose_to_sixteen() {
    let vision = |precision| match precision {
        Precision::Fp16 => 50.0,
        Precision::Int8 => 400.0,
        _ => 300.0,
    };
    let found = search(&plan(), &mut Made { vision, ..MADE }).unwrap();
    assert_eq!(found.way.parts, parts(Precision::Fp16, Precision::Int8, Precision::Int8));
    // Slower in all parts: then nothing of it is taken but the smaller table.
    let slow = |precision| if precision == Precision::Fp32 { 10.0 } else { 20.0 };
    let found = search(&plan(), &mut Made { vision: slow, decoder: slow, ..MADE }).unwrap();
    assert_eq!(found.way.parts, parts(Precision::Fp32, Precision::Int8, Precision::Fp32));
    let all = found.rows.iter().find(|row| row.stage == Stage::All).unwrap();
    assert_eq!((all.kept, all.verdict.as_str()), (false, "100 % slower"));
}

#[test]
fn what_says_something_else_is_not_kept_however_fast() {
    // The decoder in int8 does not hold, the rest does.
    let same = |way: &Way| if way.parts[2] == Precision::Int8 { 80 } else { 97 };
    let found = search(&plan(), &mut Made { same, ..MADE }).unwrap();
    assert_eq!(found.way.parts, parts(Precision::Int8, Precision::Int8, Precision::Fp32));
    assert_eq!(found.agreement, Some(agreement(97)));
    assert!(found.rows.iter().any(|row| row.stage == Stage::Decoder && row.verdict.starts_with("only 80 %")));
    // Nothing holds: the reference is kept, and only its threads are chosen.
    let found = search(&plan(), &mut Made { same: |_| 80, ..MADE }).unwrap();
    assert_eq!((found.way.parts, found.way.threads), ([Precision::Fp32; 3], 4));
    // Each holds alone, both together do not: what was kept was measured as a whole.
    let same = |way: &Way| 100 - 4 * way.parts.iter().filter(|part| **part == Precision::Int8).count();
    let found = search(&plan(), &mut Made { same, ..MADE }).unwrap();
    assert_eq!(found.way.parts, parts(Precision::Int8, Precision::Fp16, Precision::Fp32));
    assert_eq!(found.agreement, Some(agreement(96)));
}

#[test]
fn few_threads_are_enough_where_more_gain_little() {
    let threads = |threads: usize| [1.0, 0.5, 0.0, 0.46][threads - 1];
    let found = search(&plan(), &mut Made { threads, ..MADE }).unwrap();
    assert_eq!(found.way.threads, 2);
    let verdicts: Vec<_> =
        found.rows.iter().filter(|row| row.stage == Stage::Threads).map(|row| &row.verdict).collect();
    assert_eq!(verdicts, ["only 8 % faster; it must be 10 %", "as fast, and leaves cores to decoding", "100 % slower"]);
    // More threads that are slower.
    let found = search(&plan(), &mut Made { threads: |threads| threads as f64, ..MADE }).unwrap();
    assert_eq!(found.way.threads, 1);
}

#[test]
fn small_pictures_must_hold_and_be_worth_it() {
    let sized = Plan { edges: vec![384, 256], ..plan() };
    let found = search(&sized, &mut Made { ..MADE }).unwrap();
    assert_eq!((found.way.edge, found.edges), (256, vec![256]));
    // Whole pictures need 384; regions of 256 pixels do not.
    let same = |way: &Way| if way.edge == 256 { 60 } else { 100 };
    let found = search(&sized, &mut Made { same, ..MADE }).unwrap();
    assert_eq!((found.way.edge, &found.edges), (384, &vec![256, 384]));
    let kept: Vec<_> = found.rows.iter().filter(|row| row.kept && row.stage == Stage::Picture).collect();
    assert_eq!((kept.len(), kept[0].way.edge), (1, 384));
    // Nothing holds for whole pictures, and only 384 for regions.
    let same = |way: &Way| if way.edge < 512 { 60 } else { 100 };
    let small = |edge| if edge == 384 { 99 } else { 70 };
    let found = search(&sized, &mut Made { same, small, ..MADE }).unwrap();
    assert_eq!(found.edges, [384, 512]);
    // Encoding is next to nothing: smaller pictures gain nothing.
    let found = search(&sized, &mut Made { vision: |_| 1.0, ..MADE }).unwrap();
    assert_eq!(found.edges, [512]);
    assert!(found.rows.iter().any(|row| row.verdict == "only 0 % faster; it must be 20 %"), "{:?}", found.rows);
    // A graph of one size.
    let fails = |way: &Way| (way.edge != 512).then_some("it takes pictures of 512 pixels only");
    let mut made = Made { fails, ..MADE };
    let found = search(&sized, &mut made).unwrap();
    assert_eq!((found.edges, made.asked.iter().filter(|way| way.edge != 512).count()), (vec![512], 1));
    assert_eq!(found.not_measured, [""; 0]);
}

#[test]
fn when_the_time_is_up_it_takes_what_it_has() {
    assert_eq!(search(&plan(), &mut Made { time: 0, ..MADE }), Err(Nothing::TooShort));
    let found = search(&plan(), &mut Made { time: 1, ..MADE }).unwrap();
    assert_eq!(found.way.parts, [Precision::Fp32; 3]);
    assert_eq!(found.not_measured.len(), 1 + 2 + 2 + 2 + 2, "{:?}", found.not_measured);
    assert_eq!(found.not_measured[..3], ["int8", "2 threads", "1 thread"]);
    let found = search(&plan(), &mut Made { time: 3, ..MADE }).unwrap();
    assert_eq!((found.way.parts, found.way.threads), ([Precision::Int8; 3], 4));
    assert_eq!(found.not_measured, ["1 thread", "fp32 vision", "fp16 vision", "fp32 decoder", "fp16 decoder"]);
}

#[test]
fn what_does_not_run_is_passed_over() {
    let fails = |way: &Way| way.parts.contains(&Precision::Fp32).then_some("no such operator");
    let found = search(&plan(), &mut Made { fails, ..MADE }).unwrap();
    assert_eq!(found.reference.parts, [Precision::Fp16; 3]);
    assert_eq!((found.rows[0].verdict.as_str(), found.rows[0].kept), ("no such operator", false));
    assert_eq!(found.way.parts, [Precision::Int8; 3]);
    let nothing = search(&plan(), &mut Made { fails: |_| Some("no"), ..MADE }).unwrap_err();
    assert_eq!(nothing, Nothing::NothingRuns(vec!["fp32: no".into(), "fp16: no".into(), "int8: no".into()]));
}

#[test]
fn one_precision_leaves_the_threads() {
    let only = vec![Precision::Int8];
    let alone = Plan { available: [only.clone(), only.clone(), only], tables: vec![(Precision::Int8, 1)], ..plan() };
    let mut made = MADE;
    let found = search(&alone, &mut made).unwrap();
    assert_eq!((found.way.parts, found.way.threads, made.asked.len()), ([Precision::Int8; 3], 4, 3));
    assert_eq!(found.agreement, None);
}
