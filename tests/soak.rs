//! Hours of an ordinary bad life: cameras and a broker that come and go, and a config that changes, while memory and
//! descriptors are watched and every event is accounted for.
//!
//!     make soak MINUTES=120
//!
//! It runs the program that EYEWITNESS_BINARY names (`make` names the release build) with low priority; random choices follow
//! EYEWITNESS_SOAK_SEED. Samples, each with what had happened by then, and the program's log are written to
//! EYEWITNESS_SOAK_OUT (`target/soak`), a line a minute to stderr. Ctrl-C ends it early, with its table.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test ends at what it did not expect, somebody watches, and nobody is outside"
)]

#[path = "soak/config.rs"]
mod config;
#[path = "soak/page.rs"]
mod page;
#[path = "soak/sample.rs"]
mod sample;
#[path = "soak/slope.rs"]
mod slope;
mod support;
#[path = "torture/mod.rs"]
mod torture;
#[path = "soak/world.rs"]
mod world;

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use sample::{JUDGED_MINUTES, Sample, Trend, WARM_UP_MINUTES};
use world::World;

const SAMPLE_EVERY: Duration = Duration::from_secs(10);
const PAGE_EVERY: Duration = Duration::from_secs(30);
/// Before the first trouble, and for all events to arrive after the last.
const CALM: Duration = Duration::from_secs(30);
const SETTLE: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs for EYEWITNESS_SOAK_MINUTES; `make soak MINUTES=n`"]
async fn soak() {
    let minutes: f64 = variable("EYEWITNESS_SOAK_MINUTES").map_or(5.0, |text| text.parse().expect("minutes"));
    let seed: u64 = variable("EYEWITNESS_SOAK_SEED").map_or(1, |text| text.parse().expect("a number"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = variable("EYEWITNESS_SOAK_OUT").map_or_else(|| root.join("target/soak"), PathBuf::from);
    let binary = torture::daemon::binary();
    fs::create_dir_all(&out).unwrap();
    fs::remove_file(out.join("daemon.log")).ok();
    let mut csv = File::create(out.join("samples.csv")).unwrap();
    writeln!(csv, "{}", Sample::CSV_HEAD).unwrap();
    eprintln!("soak: {minutes} minutes of {}, seed {seed}, into {}", binary.display(), out.display());

    let mut world = World::start(&binary, &out, seed).await;
    eprintln!("soak: the program is {}, the log {}", world.daemon.pid(), out.join("daemon.log").display());
    let samples = live(&mut world, minutes, &mut csv).await;
    let ran = samples.last().map_or(0.0, |sample| sample.minutes);
    world.calm().await;
    settle(&mut world).await;
    let end = world.stop().await;
    report(&world, &samples, ran, &end);
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// Makes trouble and takes samples until the time is over or somebody says stop.
async fn live(world: &mut World, minutes: f64, csv: &mut File) -> Vec<Sample> {
    let begun = world.clock.now();
    let mut samples: Vec<Sample> = Vec::new();
    let mut sampling = interval(SAMPLE_EVERY);
    let mut asking = interval(PAGE_EVERY);
    sampling.set_missed_tick_behavior(MissedTickBehavior::Delay);
    asking.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trouble = Box::pin(sleep(CALM));
    let mut said = 0.0;
    loop {
        tokio::select! {
            _ = sampling.tick() => {
                let now = world.clock.now().since(begun).as_secs_f64() / 60.0;
                let Some(sample) = world.daemon.ended().is_none().then(|| Sample::of(world.daemon.pid(), now)).flatten() else {
                    panic!("the program is gone after {now:.1} minutes:\n{}", world.daemon.log_end());
                };
                samples.push(sample);
                writeln!(csv, "{},{}", sample.csv(), world.csv()).unwrap();
                if now >= minutes {
                    return samples;
                }
                if now - said >= 1.0 {
                    said = now.floor();
                    let Sample { rss_mib, threads, descriptors, .. } = sample;
                    eprintln!(
                        "soak {now:4.0} min: {rss_mib:.1} MiB, {threads} threads, {descriptors} descriptors; {}",
                        world.line()
                    );
                }
            }
            _ = asking.tick() => world.ask_pages().await,
            () = &mut trouble => {
                let pause = world.step().await;
                trouble = Box::pin(sleep(pause));
            }
            _ = tokio::signal::ctrl_c() => {
                eprintln!("soak: ended early");
                return samples;
            }
        }
    }
}

/// Waits until the broker has what was announced, as far as can be seen from outside.
async fn settle(world: &mut World) {
    let begun = world.clock.now();
    while world.clock.now().since(begun) < SETTLE {
        sleep(Duration::from_secs(1)).await;
        if world.is_quiet() {
            return;
        }
    }
    eprintln!("soak: not all was acknowledged within {SETTLE:?} after the last trouble");
}

fn report(world: &World, samples: &[Sample], ran: f64, end: &world::End) {
    let trend = Trend::of(samples);
    let verdict = world.verdict();
    let told = world.daemon.told();
    let Trend { first_mib, last_mib, max_mib, mib_per_hour, threads_per_hour, descriptors_per_hour, fewest, cores } =
        trend;
    let mut rows = vec![("minutes", format!("{ran:.0}")), ("CPU, cores", format!("{cores:.2}"))];
    rows.extend(verdict.rows());
    rows.extend(world.made.rows());
    rows.extend([
        ("RSS after the warm-up, last, most (MiB)", format!("{first_mib:.1} {last_mib:.1} {max_mib:.1}")),
        ("RSS slope (MiB/h)", format!("{mib_per_hour:+.2}")),
        ("threads slope (1/h)", format!("{threads_per_hour:+.2}")),
        ("descriptors slope (1/h)", format!("{descriptors_per_hour:+.2}")),
        ("fewest descriptors, first and last third", format!("{} {}", fewest.0, fewest.1)),
        ("told systemd READY, RELOADING", format!("{} {}", told.ready, told.reloading)),
        ("watchdog fed, longest pause (s)", format!("{} {:.1}", told.watchdog, told.longest_silence.as_secs_f64())),
        ("stop (s), status", format!("{:.1} {}", end.took.as_secs_f64(), end.status)),
    ]);
    torture::ledger::print("soak:", &rows);
    eprintln!(
        "  slopes: Theil-Sen over the samples (10 s apart) after the first {WARM_UP_MINUTES} minutes; judged from {JUDGED_MINUTES} minutes on"
    );

    let mut wrong = trend.wrong(ran);
    wrong.extend(verdict.wrong());
    wrong.extend(world.wrong());
    if end.status != "0" {
        wrong.push(format!("it ended with status {}", end.status));
    }
    if end.took > Duration::from_secs(5) {
        wrong.push(format!("it took {:?} to stop", end.took));
    }
    assert!(verdict.events > 0, "nothing happened at all:\n{}", world.daemon.log_end());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
