//! What the outbox costs on this disk: time until an event is safe, transactions and bytes of a burst, how long a start takes
//! with many rows waiting, and how quickly they are handed out.
//!
//!     cargo bench --bench outbox -- [--folder DIR] [--seconds 10] [--large MIB]
//!
//! `--folder`: on the disk to be measured (default: this project's target folder). `--large`: also a start with so much
//! waiting (default 256; 0 leaves it out).

#![expect(clippy::print_stdout, reason = "a benchmark's output is its figures")]

use std::collections::VecDeque;
use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::event::Event;
use eyewitness::outbox::{Keeping, Outbox, Settings};

const JSON: &str = r#"{"schema":"eyewitness.event.v1","id":"01JD0000000000000000000000","seq":1,"type":"update","node":"garage","camera":"front-door","started_at":"2026-11-23T09:14:03.120Z","at":"2026-11-23T09:14:03.900Z","ended_at":null,"description":"A man in a dark jacket walks past the parked car to the table and puts a parcel down.","confidence":0.71,"cause":"motion","source":"model","model":"tiny/int8@cpu","region":[0.41,0.1,0.22,0.8],"rules":{"parcel":{"answer":"no","p":0.04}},"checked":{"person":0.98},"timing_ms":{"wait":3.1,"preprocess":0.9,"encode":21.0,"prefill":9.8,"decode":40.2,"total":75.0},"replayed":false}"#;
const ROWS: u64 = 10_000;

struct Options {
    folder: PathBuf,
    seconds: u64,
    large: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options { folder: env!("CARGO_TARGET_TMPDIR").into(), seconds: 10, large: 256 };
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        match word.as_str() {
            "--folder" => options.folder = value.into(),
            "--seconds" => options.seconds = value.parse()?,
            "--large" => options.large = value.parse()?,
            _ => return Err(format!("{word} is no option").into()),
        }
    }
    let folder = tempfile::Builder::new().prefix("outbox-").tempdir_in(&options.folder)?;
    println!("one event is {} bytes of JSON; on {}", JSON.len(), options.folder.display());
    syncs(folder.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    runtime.block_on(async {
        steady(folder.path(), 50, options.seconds).await?;
        steady(folder.path(), 1000, options.seconds).await?;
        flood(folder.path()).await?;
        waiting(folder.path()).await?;
        if options.large > 0 {
            large(folder.path(), options.large << 20).await?;
        }
        Ok(())
    })
}

/// What a plain file's sync takes here.
fn syncs(folder: &Path) -> Result<(), Box<dyn Error>> {
    let clock = Clock::system();
    let mut file = File::create(folder.join("plain"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = clock.now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(clock.now().since(start));
    }
    println!("{:44} {}", "a plain file, 4 KiB and a sync:", spread(times));
    Ok(())
}

/// So many events a second, the consumer away: time from `append` to the receipt.
async fn steady(folder: &Path, rate: u64, seconds: u64) -> Result<(), Box<dyn Error>> {
    let clock = Clock::system();
    let settings = settings(folder, "steady");
    let outbox = Outbox::open(&settings, clock)?;
    let (bytes, start) = (written(), clock.now());
    let mut waits = tokio::task::JoinSet::new();
    for n in 0..rate * seconds {
        let at = start.plus(Duration::from_secs(1) * u32::try_from(n)? / u32::try_from(rate)?);
        tokio::time::sleep_until(clock.instant(at).into()).await;
        let before = clock.now();
        let receipt = outbox.append(event(n)?).await;
        waits.spawn(async move {
            receipt.kept().await;
            clock.now().since(before)
        });
    }
    let times = waits.join_all().await;
    let (commits, took) = (outbox.stats().commits_total, clock.now().since(start));
    println!(
        "{:44} {}, {commits} transactions in {:.1} s, {:.1} KiB written per transaction",
        format!("{rate} events/s for {seconds} s:"),
        spread(times),
        took.as_secs_f64(),
        written().saturating_sub(bytes) as f64 / 1024.0 / commits as f64,
    );
    outbox.close().await;
    fs::remove_dir_all(&settings.path)?;
    Ok(())
}

/// As many events as it takes, each appended and its receipt awaited later.
async fn flood(folder: &Path) -> Result<(), Box<dyn Error>> {
    let clock = Clock::system();
    let settings = settings(folder, "flood");
    let outbox = Outbox::open(&settings, clock)?;
    let start = clock.now();
    fill(&outbox, ROWS).await?;
    let took = clock.now().since(start).as_secs_f64();
    println!(
        "{:44} {:.0} events/s, {} transactions",
        format!("{ROWS} events at once:"),
        ROWS as f64 / took,
        outbox.stats().commits_total
    );
    outbox.close().await;
    fs::remove_dir_all(&settings.path)?;
    Ok(())
}

/// Many rows of an earlier run: how long a start takes, and how long until all were handed out and acknowledged.
async fn waiting(folder: &Path) -> Result<(), Box<dyn Error>> {
    let clock = Clock::system();
    let settings = settings(folder, "waiting");
    let outbox = Outbox::open(&settings, clock)?;
    fill(&outbox, ROWS).await?;
    outbox.close().await;
    drop(outbox);
    let start = clock.now();
    let outbox = Outbox::open(&settings, clock)?;
    let opened = clock.now();
    outbox.connected();
    // A window of 64 on their way, as to a broker that answers at once.
    let mut window = VecDeque::new();
    for _ in 0..ROWS {
        window.push_back(outbox.next().await.row);
        if window.len() == 64 {
            window.drain(..).for_each(|row| _ = outbox.ack(row));
        }
    }
    let offered = clock.now();
    window.into_iter().for_each(|row| _ = outbox.ack(row));
    outbox.close().await;
    println!(
        "{:44} open {}, all handed out and acknowledged {}, close {}, {} transactions",
        format!("{ROWS} rows waiting:"),
        ms(opened.since(start)),
        ms(offered.since(opened)),
        ms(clock.now().since(offered)),
        outbox.stats().commits_total
    );
    fs::remove_dir_all(&settings.path)?;
    Ok(())
}

/// A long outage: the start after a clean stop and after a loss of power, and the memory that the rows take.
async fn large(folder: &Path, bytes: u64) -> Result<(), Box<dyn Error>> {
    let clock = Clock::system();
    let (settings, cut) = (settings(folder, "large"), settings(folder, "cut"));
    let outbox = Outbox::open(&settings, clock)?;
    // Longer numbers make longer events.
    let rows = bytes / (JSON.len() as u64 + 8);
    let start = clock.now();
    fill(&outbox, rows).await?;
    let filled = clock.now().since(start);
    fs::create_dir(&cut.path)?;
    fs::copy(settings.path.join("events.redb"), cut.path.join("events.redb"))?;
    outbox.close().await;
    drop(outbox);
    let size = fs::metadata(settings.path.join("events.redb"))?.len();
    println!(
        "{:44} filled in {}, file of {} MiB",
        format!("{rows} rows ({} MiB):", bytes >> 20),
        ms(filled),
        size >> 20
    );
    for (what, settings) in [("after a clean stop:", &settings), ("after a loss of power:", &cut)] {
        let (before, start) = (resident(), clock.now());
        let outbox = Outbox::open(settings, clock)?;
        let took = clock.now().since(start);
        if outbox.keeping() != Keeping::Disk || outbox.stats().rows < rows {
            return Err(format!("{what} {:?} {:?}", outbox.keeping(), outbox.stats()).into());
        }
        println!(
            "  {:42} open {}, {:.0} bytes of memory per row (whole process)",
            what,
            ms(took),
            resident().saturating_sub(before) as f64 / rows as f64
        );
        outbox.close().await;
    }
    Ok(())
}

async fn fill(outbox: &Outbox, rows: u64) -> Result<(), Box<dyn Error>> {
    let mut last = None;
    for n in 0..rows {
        last = Some(outbox.append(event(n)?).await);
    }
    if let Some(last) = last {
        last.kept().await;
    }
    Ok(())
}

fn event(n: u64) -> Result<Event, Box<dyn Error>> {
    Ok(Event { seq: n + 1, ..Event::from_json(JSON.as_bytes())? })
}

fn settings(folder: &Path, name: &str) -> Settings {
    Settings { path: folder.join(name), ..Settings::default() }
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| ms(times[((times.len() - 1) as f64 * share) as usize]);
    format!("p50 {}, p99 {}, most {}", at(0.5), at(0.99), at(1.0))
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// Bytes that this process gave to the disk.
fn written() -> u64 {
    number("/proc/self/io", "write_bytes:")
}

/// Bytes in memory.
fn resident() -> u64 {
    number("/proc/self/status", "VmRSS:") << 10
}

fn number(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
