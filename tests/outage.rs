//! How long things take: events that waited an hour until the broker has them, news meanwhile, a start, and a stop.
//!
//!     make outage

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "torture/mod.rs"]
mod judge;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::{Clock, Moment};
use eyewitness::event::Kind;
use eyewitness::ids::{CameraId, EventId};
use eyewitness::mqtt;
use eyewitness::outbox::{self, Outbox};
use fastrand::Rng;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use judge::daemon::{Daemon, binary};
use judge::ledger::{Key, print};
use judge::listener::Listener;
use judge::proxy::{Proxy, Record};
use judge::stream;
use support::mosquitto::{Mosquitto, Options, free_port};

/// News of each camera come so often meanwhile, and for so long after everything has arrived.
const NEWS_EVERY: Duration = Duration::from_millis(200);
const NEWS_AFTER: Duration = Duration::from_secs(1);
/// The promises.
const ALL_WITHIN: Duration = Duration::from_secs(30);
const NEWS_WITHIN: Duration = Duration::from_secs(1);
const READY_WITHIN: Duration = Duration::from_secs(2);
const STOPPED_WITHIN: Duration = Duration::from_secs(5);
/// Starts and stops that are measured.
const TIMES: usize = 20;
/// Give up.
const BOUND: Duration = Duration::from_secs(180);

/// Cameras with a backlog, and one without.
const BUSY: [&str; 4] = ["door", "yard", "shop", "lane"];
const QUIET: &str = "attic";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_goes_quickly_and_news_do_not_wait_for_it() {
    let count: usize = std::env::var("EYEWITNESS_OUTAGE_EVENTS").map_or(1000, |text| text.parse().unwrap());
    let clock = Clock::system();
    let options = Options { extra: "max_queued_messages 0\n".into(), ..Options::default() };
    let mut broker = Mosquitto::start(&options);
    let proxy = Proxy::start(broker.port(), clock).await;
    let listener = Listener::start(broker.port()).await;
    broker.stop();

    // Everything of the hour, appended at once.
    let folder = tempfile::tempdir().unwrap();
    let settings = outbox::Settings { path: folder.path().join("outbox"), ..outbox::Settings::default() };
    let outbox = Arc::new(Outbox::open(&settings, clock).unwrap());
    let cancel = CancellationToken::new();
    let delivery =
        tokio::spawn(mqtt::run(stream::settings(proxy.port()), stream::inputs(&outbox, clock), cancel.clone()));
    let mut rng = Rng::with_seed(1);
    let begun = clock.now();
    let mut last = None;
    for n in 0..count {
        last = Some(append(&outbox, BUSY[n % BUSY.len()], &mut rng, clock).await);
    }
    if let Some(receipt) = last {
        receipt.kept().await;
    }
    let appended = clock.now().since(begun);
    sleep(Duration::from_secs(2)).await;

    // The broker returns, and so does ordinary life.
    let before = listener.subscriptions();
    let returned = clock.now();
    broker.restart();
    listener.subscribed_since(before).await;
    let mut kept = BTreeMap::<Key, Moment>::new();
    let mut news = interval(NEWS_EVERY);
    news.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut done: Option<Moment> = None;
    while done.is_none_or(|done| clock.now().since(done) < NEWS_AFTER) {
        news.tick().await;
        for camera in [BUSY[0], QUIET] {
            let receipt = append(&outbox, camera, &mut rng, clock).await;
            receipt.kept().await;
            kept.insert((camera.to_owned(), outbox.last_seq(&CameraId::new(camera).unwrap())), clock.now());
        }
        let arrived = proxy.with(|record| acknowledged_of(record, &kept));
        if done.is_none() && arrived >= count {
            done = Some(clock.now());
        }
        assert!(clock.now().since(returned) < BOUND, "{arrived} of {count} after {BOUND:?}: {:?}", outbox.stats());
    }
    cancel.cancel();
    delivery.await.unwrap();

    let (connected, all) = proxy.with(|record| {
        let first = record.sent.values().map(|sent| sent.first).min().unwrap();
        let waited = record.sent.iter().filter(|(key, _)| !kept.contains_key(key));
        (first, waited.filter_map(|(_, sent)| sent.acknowledged).map(|(at, _)| at).max().unwrap())
    });
    let delays = |camera: &str| -> Vec<Duration> {
        proxy.with(|record| {
            let of_camera = kept.iter().filter(|((of, _), _)| of == camera);
            let delay = |(key, at): (&Key, &Moment)| {
                let acknowledged = record.sent.get(key).and_then(|sent| sent.acknowledged).expect("it arrived").0;
                // Until the next try, nothing can go.
                acknowledged.since((*at).max(connected))
            };
            of_camera.map(delay).collect()
        })
    };
    let (busy, quiet) = (delays(BUSY[0]), delays(QUIET));
    let worst = |delays: &[Duration]| *delays.iter().max().unwrap();
    print(
        "after an outage:",
        &[
            ("events that waited", count.to_string()),
            ("kept within (s)", seconds(appended)),
            ("connected after (s)", seconds(connected.since(returned))),
            ("all acknowledged, from the first on (s)", seconds(all.since(connected))),
            ("all acknowledged, from the return on (s)", seconds(all.since(returned))),
            ("news", kept.len().to_string()),
            ("news of another camera, median and worst (s)", median_and_worst(&quiet)),
            ("news of a camera with a backlog, the same", median_and_worst(&busy)),
        ],
    );
    let verdict = listener.with(|ledger| ledger.verdict(&BTreeMap::new(), |_| false));
    assert_eq!((verdict.wrong(), verdict.events as usize), (None, count + kept.len()));
    assert_eq!(proxy.with(|record| std::mem::take(&mut record.faults)), [""; 0]);
    assert!(all.since(connected) < ALL_WITHIN, "{:?}", all.since(connected));
    assert!(worst(&quiet) < NEWS_WITHIN, "{:?}", worst(&quiet));
}

async fn append(outbox: &Outbox, camera: &str, rng: &mut Rng, clock: Clock) -> outbox::Receipt {
    let camera = CameraId::new(camera).unwrap();
    let id = EventId::new(clock.now().wall, rng.u128(..));
    let seq = outbox.last_seq(&camera) + 1;
    outbox.append(stream::event(&camera, seq, Kind::Update, id, rng, clock)).await
}

/// How many of those that waited the broker has acknowledged.
fn acknowledged_of(record: &Record, news: &BTreeMap<Key, Moment>) -> usize {
    record.sent.iter().filter(|(key, sent)| sent.acknowledged.is_some() && !news.contains_key(key)).count()
}

fn seconds(took: Duration) -> String {
    format!("{:.2}", took.as_secs_f64())
}

fn median_and_worst(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort();
    format!("{} {}", seconds(times[times.len() / 2]), seconds(times[times.len() - 1]))
}

/// With the default model and one camera.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: `make outage`"]
async fn it_is_ready_soon_and_stops_soon() {
    let clock = Clock::system();
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::open();
    let config = folder.path().join("eyewitness.toml");
    let text = format!(
        "node = \"box\"\nmqtt.url = \"mqtt://127.0.0.1:{}\"\noutbox.path = \"{}\"\nhttp.listen = \"127.0.0.1:{}\"\n\
         [[camera]]\nid = \"ball\"\nurl = \"test://ball\"\n",
        broker.port(),
        folder.path().join("outbox").display(),
        free_port()
    );
    fs::write(&config, text).unwrap();
    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let begun = clock.now();
        let mut program = Daemon::start(&binary(), 0, &config, folder.path(), clock);
        let told = program.told_until(clock, |told| told.ready > 0).await;
        starts.push(told.ready_at.unwrap().since(begun));
        program.told_until(clock, |told| told.status.contains("broker connected")).await;
        // Something goes on, so that its end has to be told, and nobody answers any more.
        program.says("type=\"start\"", clock).await;
        broker.freeze();
        sleep(Duration::from_millis(500)).await;
        let (status, took) = program.stop(clock).expect("it stops");
        broker.thaw();
        assert!(status.code().is_some(), "{}", program.log_end());
        stops.push(took);
    }
    // It makes what the others find: GStreamer's list of elements, and the graphs as the runtime optimises them.
    let first = starts.remove(0);
    print(
        "start and stop:",
        &[
            ("times", TIMES.to_string()),
            ("from the command to READY=1, median and worst (s)", median_and_worst(&starts)),
            ("the very first start (s)", seconds(first)),
            ("from SIGTERM to the end, broker frozen, median and worst (s)", median_and_worst(&stops)),
        ],
    );
    // On a machine that has other work, too, a single start may be late.
    starts.sort();
    assert!(starts[starts.len() / 2] < READY_WITHIN && stops.iter().max() < Some(&STOPPED_WITHIN));
}
