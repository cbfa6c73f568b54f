//! RTSP streams that end again and again, as recordings and restarted cameras do, leave nothing behind. What this looks
//! for happened once in a hundred streams, and on a busy machine only: start several at once.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod support;

use std::fs;
use std::time::Duration;

use eyewitness::source::{Decode, Location};
use gstreamer::prelude::*;
use support::rtsp_server::{RtspServer, Stream};
use support::watched::{Watched, settings};
use tokio::time::sleep;

/// So many at a time, each left at another moment around the end of its stream.
const CAMERAS: u32 = 10;
const ROUNDS: u32 = 20;
/// Of the stream: 20 pictures.
const LENGTH: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(90);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute, for what is rare: `make torture`"]
async fn streams_that_end_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    write(&film);
    let server = RtspServer::start(&Stream::File { path: film });
    for _ in 0..ROUNDS {
        let cameras: Vec<_> = (0..CAMERAS)
            .map(|n| {
                let location = Location::parse(&server.url()).unwrap();
                let mut camera = Watched::start(settings(location, Decode::Keyframes, 5.0));
                tokio::spawn(async move {
                    camera.next().await.expect("a first picture");
                    let watching = async { while camera.next().await.is_some() {} };
                    tokio::time::timeout(LENGTH + BETWEEN * n - BETWEEN * 2, watching).await.ok();
                })
            })
            .collect();
        for camera in cameras {
            camera.await.unwrap();
        }
    }
    // A stop that hangs keeps its thread for good.
    let mut stopping = stopping();
    for _ in 0..50 {
        if stopping == 0 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
        stopping = self::stopping();
    }
    assert_eq!(stopping, 0, "of {} streams, so many have not stopped", CAMERAS * ROUNDS);
}

/// Threads of this process that stop a stream.
fn stopping() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path().join("comm"));
    tasks.filter(|name| fs::read_to_string(name).unwrap_or_default().trim() == "source-stop").count()
}

/// A moving ball.
fn write(path: &std::path::Path) {
    gstreamer::init().unwrap();
    let pipeline = gstreamer::parse::launch(&format!(
        "videotestsrc num-buffers=20 pattern=ball ! video/x-raw,width=160,height=120,framerate=10/1 \
         ! x264enc tune=zerolatency key-int-max=5 ! h264parse ! mp4mux ! filesink location={}",
        path.display()
    ))
    .unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let types = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gstreamer::ClockTime::from_seconds(30), &types);
    assert_eq!(end.unwrap().type_(), gstreamer::MessageType::Eos);
    pipeline.set_state(gstreamer::State::Null).unwrap();
}
