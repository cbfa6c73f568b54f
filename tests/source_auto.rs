//! Decoding on demand against real streams, good and bad: what comes out, in which order, and what is left undecoded.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use eyewitness::health::CameraState;
use eyewitness::source::{Decode, Ended, Location, Pace};
use gstreamer::prelude::*;
use support::rtsp_server::{RtspServer, Stream};
use support::scene;
use support::watched::{Seen, Watched, settings};

const X265: &str = "x265enc speed-preset=ultrafast key-int-max=20 option-string=open-gop=0:scenecut=0";
const FILM_UNITS: u64 = ((scene::BEFORE + scene::VISIT + scene::AFTER) * 10) as u64;

fn file(path: &Path) -> Location {
    Location::File { path: path.to_owned(), pace: Pace::Fast, repeat: false }
}

async fn play(path: &Path, decode: Decode, fps: f32) -> Watched {
    Watched::start(settings(file(path), decode, fps)).all().await
}

/// Runs a pipeline to its end, to make a file.
fn make(launch: &str) {
    eyewitness::source::init().unwrap();
    let pipeline = gstreamer::parse::launch(launch).unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let types = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gstreamer::ClockTime::from_seconds(60), &types);
    let end = end.expect("it ends");
    assert_eq!(end.type_(), gstreamer::MessageType::Eos, "{end:?}");
    pipeline.set_state(gstreamer::State::Null).unwrap();
}

fn test_film(folder: &Path, name: &str, count: u32, caps: &str, elements: &str) -> PathBuf {
    let path = folder.join(name);
    make(&format!(
        "videotestsrc num-buffers={count} pattern=smpte75 ! video/x-raw,{caps} ! {elements} ! filesink location={}",
        path.display()
    ));
    path
}

/// The frames but for those lone ones that the gate has put out of its mind: what came before them followed.
fn kept(watched: &Watched) -> Vec<Seen> {
    let frames = watched.seen.iter().enumerate();
    let again = |i: usize, seen: &Seen| watched.seen[i + 1..].iter().any(|later| !later.lone && later.pts <= seen.pts);
    frames.filter(|(i, seen)| !(seen.lone && again(*i, seen))).map(|(_, seen)| *seen).collect()
}

/// Every unit was delivered or left undecoded, once; every frame is settled; times only go forward.
fn adds_up(watched: &Watched, units: u64) {
    let kept = kept(watched);
    let counters = &watched.counters;
    let total = kept.len() as u64 + counters.decode_skipped() + counters.rate_limited();
    assert_eq!(total, units, "{} skipped, wakings {:?}", counters.decode_skipped(), watched.wakings());
    assert_eq!(watched.settled, watched.seen.len());
    assert_eq!(counters.delivered(), watched.seen.len() as u64);
    assert!(kept.is_sorted_by(|a, b| a.at < b.at && a.pts < b.pts), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_played_twice_gives_the_same_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    scene::film(&path);
    for fps in [0.0, 5.0] {
        let (first, second) = (play(&path, Decode::Auto, fps).await, play(&path, Decode::Auto, fps).await);
        assert_eq!(first.seen, second.seen);
        assert_eq!(first.signals, second.signals);
        assert_eq!(first.counters.decode_skipped(), second.counters.decode_skipped());
    }
}

/// The same film in every codec that is here: it sleeps, it wakes, and sees what full decoding sees.
#[tokio::test(flavor = "multi_thread")]
async fn a_visit_is_seen_as_with_full_decoding() {
    eyewitness::source::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let x264 = "x264enc speed-preset=ultrafast key-int-max=20 option-string=scenecut=0";
    // `true`: it may be decoded whole. An open group's keyframes are no good points to begin at, and GStreamer's MPEG-4
    // parser loses the times of what lies between keyframes.
    let encoders = [
        (false, "x264enc", format!("{x264} bframes=0 ! video/x-h264,profile=constrained-baseline ! mp4mux")),
        (false, "x264enc", format!("{x264} bframes=3 b-pyramid=true ! video/x-h264,profile=high ! mp4mux")),
        (true, "x264enc", format!("{x264}:open-gop=1 bframes=2 ! video/x-h264,profile=high ! matroskamux")),
        (false, "x265enc", format!("{X265} ! h265parse ! matroskamux")),
        (false, "vp8enc", "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=20 ! matroskamux".to_owned()),
        (true, "avenc_mpeg4", "avenc_mpeg4 gop-size=20 ! avimux".to_owned()),
    ];
    for (i, (whole, encoder, elements)) in encoders.iter().enumerate() {
        if gstreamer::ElementFactory::find(encoder).is_none() {
            eprintln!("skipped: `{encoder}` is not here");
            continue;
        }
        let path = folder.path().join(format!("{i}.film"));
        scene::film_as(&path, elements);
        let (all, auto) = (play(&path, Decode::All, 0.0).await, play(&path, Decode::Auto, 0.0).await);
        adds_up(&all, FILM_UNITS);
        // Pictures that are shown before their keyframe may lean on what came before it: they are lost where decoding
        // begins there.
        if !elements.contains("open-gop") {
            adds_up(&auto, FILM_UNITS);
        }
        assert!(*whole || auto.lone() >= 2, "{elements}: {:?}", auto.seen);
        assert!(*whole || auto.counters.decode_skipped() > 10, "{elements}: {}", auto.counters.decode_skipped());
        let starts = |watched: &Watched| watched.starts().iter().map(|told| told.at).collect::<Vec<_>>();
        let (all, auto) = (starts(&all), starts(&auto));
        assert_eq!((all.len(), auto.len()), (1, 1), "{elements}");
        assert!(auto[0].abs_diff(all[0]) <= Duration::from_millis(200), "{elements}: {auto:?}, not {all:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_all_stand_alone_are_all_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jpeg.mkv");
    scene::film_as(&path, "jpegenc ! matroskamux");
    let watched = play(&path, Decode::Auto, 0.0).await;
    adds_up(&watched, FILM_UNITS);
    assert_eq!((watched.lone(), watched.counters.decode_skipped()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn keyframes_alone_come_out_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    scene::film_as(
        &path,
        "x264enc speed-preset=ultrafast key-int-max=20 bframes=3 ! video/x-h264,profile=high ! mp4mux",
    );
    let watched = play(&path, Decode::Keyframes, 0.0).await;
    adds_up(&watched, FILM_UNITS);
    assert!(watched.seen.len() >= 7, "{}", watched.seen.len());
    assert_eq!(watched.lone(), 0, "nothing lies between them that could be had");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_keyframe_for_all_means_decoding_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    scene::film_as(
        &path,
        "x264enc speed-preset=ultrafast key-int-max=10000 bframes=0 option-string=scenecut=0 ! mp4mux",
    );
    let watched = play(&path, Decode::Auto, 0.0).await;
    adds_up(&watched, FILM_UNITS);
    assert_eq!((watched.seen.len() as u64, watched.lone()), (FILM_UNITS, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_a_container_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.h264");
    for b_frames in [0, 2] {
        scene::film_as(
            &path,
            &format!(
                "x264enc speed-preset=ultrafast key-int-max=20 bframes={b_frames} option-string=scenecut=0 \
                 ! video/x-h264,stream-format=byte-stream"
            ),
        );
        let watched = play(&path, Decode::Auto, 0.0).await;
        let distinct = kept(&watched).len() as u64 + watched.counters.decode_skipped();
        assert_eq!(distinct, FILM_UNITS, "{b_frames} B-frames");
        assert_eq!(watched.starts().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_that_jumps_back_and_a_size_that_changes() {
    let folder = tempfile::tempdir().unwrap();
    let part = |w: u32, h: u32, name: &str| {
        let ts = "x264enc speed-preset=ultrafast key-int-max=10 bframes=0 ! mpegtsmux";
        let caps = format!("width={w},height={h},framerate=10/1");
        std::fs::read(test_film(folder.path(), name, 60, &caps, ts)).unwrap()
    };
    let path = folder.path().join("joined.ts");
    let parts = [part(320, 240, "a.ts"), part(320, 240, "b.ts"), part(640, 480, "c.ts")];
    std::fs::write(&path, parts.concat()).unwrap();
    let watched = play(&path, Decode::Auto, 0.0).await;
    assert_eq!(watched.settled, watched.seen.len());
    let of = |width| watched.seen.iter().filter(|seen| seen.width == width).count();
    assert!(of(320) >= 26 && of(640) >= 22, "{} and {}", of(320), of(640));
    assert!(watched.lone() > 4, "it sleeps in between: {}", watched.lone());
    assert_eq!(watched.ended().await, Ended::Finished);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_packets_break_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mkv");
    scene::film_as(
        &path,
        "x264enc speed-preset=ultrafast key-int-max=10 bframes=2 ! video/x-h264,profile=high ! matroskamux",
    );
    let whole = std::fs::read(&path).unwrap();
    let mut rng = fastrand::Rng::with_seed(5);
    for round in 0..6 {
        let mut broken = whole.clone();
        for _ in 0..[3, 30, 300][round % 3] {
            // Behind the header, which says what the stream is.
            let at = rng.usize(4000..broken.len());
            broken[at] ^= 1 << rng.u8(0..8);
        }
        std::fs::write(&path, &broken).unwrap();
        let watched = play(&path, Decode::Auto, 0.0).await;
        assert_eq!(watched.settled, watched.seen.len());
        assert!(kept(&watched).len() as u64 + watched.counters.decode_skipped() <= FILM_UNITS + 5);
        assert!(matches!(watched.ended().await, Ended::Finished | Ended::Failed(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_from_nothing_to_eight_thousand() {
    let folder = tempfile::tempdir().unwrap();
    let x264 = "x264enc speed-preset=ultrafast bframes=0 ! matroskamux";
    let huge = test_film(folder.path(), "8k.mkv", 3, "width=7680,height=4320,framerate=5/1", x264);
    let watched = play(&huge, Decode::Auto, 0.0).await;
    assert_eq!(watched.seen.iter().map(|seen| seen.width).collect::<Vec<_>>(), [7680; 3]);

    let tiny = test_film(folder.path(), "1.mkv", 3, "width=1,height=1,framerate=5/1", "vp8enc ! matroskamux");
    let watched = play(&tiny, Decode::Auto, 0.0).await;
    let health = watched.health.borrow().clone();
    assert_eq!(health.state, CameraState::Offline);
    assert!(health.reason.contains("1x1 is outside of what is accepted"), "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_rare_and_frames_that_are_many() {
    let folder = tempfile::tempdir().unwrap();
    let slow = "x264enc speed-preset=ultrafast key-int-max=4 bframes=0 ! matroskamux";
    let path = test_film(folder.path(), "slow.mkv", 40, "width=320,height=240,framerate=1/5", slow);
    let watched = play(&path, Decode::Auto, 0.0).await;
    adds_up(&watched, 40);
    let quick = "x264enc speed-preset=ultrafast key-int-max=120 bframes=0 ! matroskamux";
    let path = test_film(folder.path(), "quick.mkv", 1200, "width=320,height=240,framerate=120/1", quick);
    let watched = play(&path, Decode::Auto, 5.0).await;
    adds_up(&watched, 1200);
    assert!(watched.counters.decode_skipped() > 700, "{}", watched.counters.decode_skipped());
}

/// In real time, from a server: pictures of the time before the trigger, each with the time when it was taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_was_idle_shows_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    scene::film(&path);
    let server = RtspServer::start(&Stream::File { path });
    let mut watched = Watched::start(settings(Location::parse(&server.url()).unwrap(), Decode::Auto, 0.0));
    while watched.starts().is_empty() {
        watched.next().await.unwrap();
    }
    let kept = kept(&watched);
    assert!(watched.lone() >= 1, "it slept: {kept:?}");
    assert!(kept.is_sorted_by(|a, b| a.at < b.at), "{kept:?}");
    // Between two frames lies what lies between their presentation times, also where they were decoded in one go.
    let woken = kept.iter().rposition(|seen| seen.lone).unwrap();
    let steps = kept[woken..].windows(2);
    let off = steps.map(|pair| (pair[1].at - pair[0].at).abs_diff(pair[1].pts.unwrap() - pair[0].pts.unwrap()));
    let off: Vec<Duration> = off.collect();
    let bad = off.iter().filter(|off| **off > Duration::from_millis(60)).count();
    assert!(bad <= 2, "{off:?}");
    let (began, zero) = (watched.starts()[0].at, kept[0].at - kept[0].pts.unwrap());
    let began = (began - zero).as_secs_f64();
    assert!((scene::BEFORE as f64 - 0.05..scene::BEFORE as f64 + 0.6).contains(&began), "{began}");
}
