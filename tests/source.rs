//! The source against real peers: an RTSP server, web servers, files, and some that misbehave. Every wait is bounded.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests; clippy.toml lets only test functions themselves")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::frame::{Frame, PixelFormat};
use eyewitness::health::{CameraHealth, CameraState};
use eyewitness::ids::CameraId;
use eyewitness::source::{self, Counters, Decode, Ended, Location, Pace, Settings, Transport, mailbox};
use gstreamer::prelude::*;
use support::rtsp_server::{RtspServer, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Nothing here may take longer; most takes a fraction of it.
const BOUND: Duration = Duration::from_secs(15);

struct Camera {
    frames: mailbox::Receiver<Frame>,
    health: watch::Receiver<CameraHealth>,
    counters: Arc<Counters>,
    task: JoinHandle<Ended>,
    cancel: CancellationToken,
    _guard: DropGuard,
}

impl Camera {
    async fn frame(&mut self) -> Frame {
        let frame = tokio::time::timeout(BOUND, self.frames.take()).await;
        let health = self.health.borrow().clone();
        frame.unwrap_or_else(|_| panic!("no frame: {health:?}")).unwrap_or_else(|| panic!("ended: {health:?}"))
    }

    /// Waits until the camera is so; takes frames meanwhile.
    async fn becomes(&mut self, state: CameraState, reason: &str) -> CameraHealth {
        let wanted = |h: &CameraHealth| h.state == state && h.reason.contains(reason);
        let waited = tokio::time::timeout(BOUND, self.health.wait_for(wanted)).await;
        let last = waited.ok().and_then(|h| h.ok().map(|h| h.clone()));
        last.unwrap_or_else(|| panic!("not {state:?} `{reason}` but {:?}", self.health.borrow()))
    }

    /// Waits for the first failure.
    async fn fails(&mut self) -> CameraHealth {
        let failed = tokio::time::timeout(BOUND, self.health.wait_for(|h| h.failures > 0)).await;
        failed.expect("it fails").unwrap().clone()
    }

    async fn ended(self) -> Ended {
        tokio::time::timeout(BOUND, self.task).await.expect("it ends").unwrap()
    }

    /// Cancels it; that must not take long whatever it does.
    async fn cancelled_quickly(self) {
        self.cancel.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(3), self.task).await;
        assert_eq!(ended.expect("it stops at once").unwrap(), Ended::Cancelled);
    }

    /// Every frame up to the end.
    async fn all(mut self) -> (Vec<Frame>, Ended) {
        let mut frames = Vec::new();
        while let Some(frame) = tokio::time::timeout(BOUND, self.frames.take()).await.expect("it goes on") {
            frames.push(frame);
        }
        assert_eq!(self.frames.superseded(), 0);
        assert_eq!(self.counters.delivered(), frames.len() as u64);
        let ended = self.ended().await;
        (frames, ended)
    }
}

fn settings(url: &str) -> Settings {
    Settings {
        camera: CameraId::new("cam").unwrap(),
        location: Location::parse(url).unwrap(),
        decode: Decode::All,
        decoder: None,
        fps: 0.0,
        timeout: Duration::from_secs(10),
        settle: Duration::from_secs(2),
    }
}

fn start(settings: Settings) -> Camera {
    source::init().unwrap();
    let clock = Clock::system();
    let (out, frames) = mailbox::channel();
    let (health_out, health) = watch::channel(CameraHealth::starting(clock.now().wall));
    let (cancel, counters) = (CancellationToken::new(), Arc::new(Counters::default()));
    let run = source::run(settings, clock, Arc::clone(&counters), Arc::default(), out, health_out, cancel.clone());
    let guard = cancel.clone().drop_guard();
    Camera { frames, health, counters, task: tokio::spawn(run), cancel, _guard: guard }
}

fn played(path: &Path, pace: Pace, fps: f32) -> Settings {
    let location = Location::File { path: path.to_owned(), pace, repeat: false };
    Settings { location, fps, ..settings("test://") }
}

/// Runs a pipeline to its end, to make a file.
fn make(launch: &str) {
    source::init().unwrap();
    let pipeline = gstreamer::parse::launch(launch).unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let types = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let message = bus.timed_pop_filtered(gstreamer::ClockTime::from_seconds(15), &types).expect("it ends");
    assert_eq!(message.type_(), gstreamer::MessageType::Eos, "{message:?}");
    pipeline.set_state(gstreamer::State::Null).unwrap();
}

/// 50 frames, 12.5 per second: 4 s, a keyframe every 10 frames, B-frames as real recordings have them.
fn clip(folder: &Path) -> PathBuf {
    let path = folder.join("clip.mp4");
    make(&format!(
        "videotestsrc num-buffers=50 pattern=ball ! video/x-raw,width=320,height=180,framerate=25/2 \
         ! x264enc key-int-max=10 bframes=2 threads=1 ! video/x-h264,profile=high ! mp4mux faststart=true \
         ! filesink location={}",
        path.display()
    ));
    path
}

#[test]
fn the_length_of_a_recording_is_told() {
    source::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    support::scene::film(&film);
    let length = source::length(&film).unwrap().as_secs_f64();
    assert!((length - support::scene::LENGTH.as_secs_f64()).abs() < 0.2, "{length}");
    let text = folder.path().join("text.mp4");
    std::fs::write(&text, "Dear diary, today I was not a film.\n".repeat(20)).unwrap();
    assert_eq!(source::length(&text), None);
    assert_eq!(source::length(std::path::Path::new("/nowhere.mp4")), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn rtsp_over_tcp_delivers_frames() {
    let server = RtspServer::start(&Stream::ball());
    let mut camera = start(settings(&server.url()));
    let (first, second) = (camera.frame().await, camera.frame().await);
    assert!(matches!(first.picture.format(), PixelFormat::I420 | PixelFormat::Nv12));
    assert_eq!((first.picture.width(), first.picture.height()), (320, 240));
    assert!(second.seq > first.seq && second.at > first.at && second.pts > first.pts);
    let luma = first.picture.plane(0);
    let brightest = luma.data.iter().take(luma.stride * 240).max();
    assert!(brightest > Some(&200), "the ball is white");
    let health = camera.becomes(CameraState::Online, "320x240 h264, decoded by ").await;
    assert_eq!(health.failures, 0);
    camera.cancelled_quickly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn udp_on_request_and_a_recording_as_a_camera() {
    let folder = tempfile::tempdir().unwrap();
    let server = RtspServer::start(&Stream::File { path: clip(folder.path()) });
    let Location::Rtsp { url, .. } = Location::parse(&server.url()).unwrap() else { panic!("it is an RTSP address") };
    let location = Location::Rtsp { url, transport: Transport::Udp };
    let mut camera = start(Settings { location, ..settings("test://") });
    let first = camera.frame().await;
    let mut last = first.clone();
    while last.pts.unwrap() < first.pts.unwrap() + Duration::from_millis(3000) {
        last = camera.frame().await;
    }
    let took = last.at.since(first.at);
    assert!(took > Duration::from_millis(2500), "in real time: {took:?}");
    assert_eq!(camera.counters.reconnects(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_is_not_asked_for() {
    let server = RtspServer::start(&Stream::TestWithSound);
    start(settings(&server.url())).frame().await;
    let server = RtspServer::start(&Stream::Sound);
    start(settings(&server.url())).becomes(CameraState::Offline, "no video").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_back_with_another_size() {
    let server = RtspServer::start(&Stream::ball());
    let mut camera = start(settings(&server.url()));
    let before = camera.frame().await;
    camera.becomes(CameraState::Online, "320x240").await;
    let port = server.stop();
    let health = camera.becomes(CameraState::Offline, "").await;
    assert!(!health.reason.is_empty() && health.failures >= 1, "{health:?}");
    camera.becomes(CameraState::Offline, "connection refused").await;

    let other = Stream::Test { width: 640, height: 360, fps: 10, key_every: 10 };
    let _server = RtspServer::start_on(port, &other, None);
    let health = camera.becomes(CameraState::Online, "640x360").await;
    assert_eq!(health.failures, 0);
    let mut after = camera.frame().await;
    while after.picture.width() == 320 {
        after = camera.frame().await;
    }
    assert!(after.seq > before.seq);
    assert!(camera.counters.reconnects() >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_and_a_wrong_one_is_called_wrong() {
    let server = RtspServer::start_on(0, &Stream::ball(), Some(("viewer", "p@ss")));
    let at = format!("127.0.0.1:{}/stream", server.port());
    start(settings(&format!("rtsp://viewer:p%40ss@{at}"))).frame().await;
    for login in ["viewer:wrong@", ""] {
        let mut camera = start(settings(&format!("rtsp://{login}{at}")));
        let health = camera.becomes(CameraState::Offline, "wrong user name or password").await;
        assert!(!health.reason.contains("viewer"), "{health:?}");
    }
    let mut camera = start(settings(&format!("rtsp://viewer:p%40ss@127.0.0.1:{}/other", server.port())));
    camera.becomes(CameraState::Offline, "404").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listens() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for url in [format!("rtsp://u:s3cret@127.0.0.1:{port}/a"), format!("http://u:s3cret@127.0.0.1:{port}/a")] {
        let mut camera = start(settings(&url));
        let health = camera.becomes(CameraState::Offline, "connection refused").await;
        assert!(health.failures >= 1 && !health.reason.contains("s3cret"), "{health:?}");
        camera.cancelled_quickly().await;
    }
    start(settings("rtsp://no-such-host.invalid/a")).becomes(CameraState::Offline, "host not found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_given_up_and_can_be_cancelled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtsp://{}/a", listener.local_addr().unwrap());
    let mut camera = start(Settings { timeout: Duration::from_secs(1), ..settings(&url) });
    let health = camera.becomes(CameraState::Offline, "no answer").await;
    assert_eq!(health.failures, 1);
    camera.cancelled_quickly().await;
    let camera = start(settings(&url));
    let (_connection, _) = tokio::time::timeout(BOUND, listener.accept()).await.unwrap().unwrap();
    camera.cancelled_quickly().await;
}

/// Between the camera and its server: passes everything on until it is told to hold still, with the connection open.
async fn stalling_proxy(server: u16, stalled: watch::Receiver<bool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut stalled = stalled.clone();
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let still = stalled.wait_for(|stalled| *stalled);
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
                    _ = still => {}
                }
                std::future::pending::<()>().await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_stops_in_the_middle_is_lost_after_the_timeout() {
    let server = RtspServer::start(&Stream::ball());
    let (stall, stalled) = watch::channel(false);
    let port = stalling_proxy(server.port(), stalled).await;
    let url = format!("rtsp://127.0.0.1:{port}/stream");
    let mut camera = start(Settings { timeout: Duration::from_secs(1), ..settings(&url) });
    camera.frame().await;
    stall.send_replace(true);
    camera.becomes(CameraState::Offline, "no picture for 1 s").await;
    stall.send_replace(false);
    camera.becomes(CameraState::Online, "320x240").await;
    stall.send_replace(true);
    camera.cancelled_quickly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_sends_garbage() {
    for scheme in ["rtsp", "http"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/a", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let noise: Vec<u8> = (0..20_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
                // The client may well hang up in the middle.
                drop(stream.write_all(&noise).await);
            }
        });
        let mut camera = start(Settings { timeout: Duration::from_secs(3), ..settings(&url) });
        let health = camera.fails().await;
        assert!(
            health.reason.contains("answers, but not with a stream") || health.reason.contains("no video format"),
            "{health:?}"
        );
        camera.cancelled_quickly().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_as_fast_as_possible_gives_every_frame_with_its_own_time() {
    let folder = tempfile::tempdir().unwrap();
    let (frames, ended) = start(played(&clip(folder.path()), Pace::Fast, 0.0)).all().await;
    assert_eq!(ended, Ended::Finished);
    assert_eq!(frames.len(), 50);
    for (i, frame) in frames.iter().enumerate() {
        let expected = Duration::from_millis(80 * i as u64);
        assert_eq!((frame.seq, frame.pts), (i as u64, Some(expected)));
        assert_eq!(frame.at.since(frames[0].at), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_frames_per_second_are_chosen_evenly() {
    let folder = tempfile::tempdir().unwrap();
    let (frames, _) = start(played(&clip(folder.path()), Pace::Fast, 5.0)).all().await;
    let times: Vec<u128> = frames.iter().map(|f| f.pts.unwrap().as_millis()).collect();
    assert_eq!(times.len(), 20);
    assert_eq!(times[..5], [0, 240, 400, 640, 800]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keyframes_only() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { decode: Decode::Keyframes, ..played(&clip(folder.path()), Pace::Fast, 0.0) };
    let camera = start(settings);
    let counters = Arc::clone(&camera.counters);
    let (frames, _) = camera.all().await;
    assert!((5..=10).contains(&frames.len()), "{}", frames.len());
    assert_eq!(counters.decode_skipped() + frames.len() as u64, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_real_time_takes_its_time_and_can_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short.mp4");
    make(&format!(
        "videotestsrc num-buffers=25 ! video/x-raw,width=160,height=120,framerate=25/1 ! x264enc threads=1 \
         ! mp4mux ! filesink location={}",
        path.display()
    ));
    let location = Location::File { path, pace: Pace::RealTime, repeat: true };
    let mut camera = start(Settings { location, ..settings("test://") });
    let first = camera.frame().await;
    let mut last = first.clone();
    while last.seq < 30 {
        last = camera.frame().await;
    }
    // One round and a bit, less what a busy machine makes the first picture late; unpaced it would be next to nothing.
    let took = last.at.since(first.at);
    assert!(took > Duration::from_millis(700), "{took:?}");
    assert_eq!(camera.counters.reconnects(), 0);
    assert_eq!(camera.health.borrow().state, CameraState::Online);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, text) = (folder.path().join("empty.mp4"), folder.path().join("text.mp4"));
    std::fs::write(&empty, "").unwrap();
    std::fs::write(&text, "This is no video.\n".repeat(100)).unwrap();
    let noise = folder.path().join("noise.mp4");
    std::fs::write(&noise, (0..50_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>())
        .unwrap();
    let sound = folder.path().join("sound.ogg");
    make(&format!("audiotestsrc num-buffers=20 ! vorbisenc ! oggmux ! filesink location={}", sound.display()));
    let cases = [
        (folder.path().join("absent.mp4"), "there is no file"),
        (folder.path().to_owned(), "it is a folder"),
        (empty, "is empty"),
        (text, "text or a web page"),
        (noise, "no video format"),
        (sound, "no video in the stream"),
    ];
    for (path, words) in cases {
        let mut camera = start(played(&path, Pace::RealTime, 0.0));
        camera.becomes(CameraState::Offline, words).await;
        assert!(matches!(camera.ended().await, Ended::Failed(_)), "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_gives_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(clip(folder.path())).unwrap();
    let headless = folder.path().join("headless.mp4");
    std::fs::write(&headless, &whole[..600]).unwrap();
    let settings = Settings { timeout: Duration::from_secs(2), ..played(&headless, Pace::RealTime, 0.0) };
    let reason = start(settings).fails().await.reason;
    // It depends on which plugin notices first.
    assert!(reason.contains("damaged") || reason.contains("no video"), "{reason}");

    let cut = folder.path().join("cut.mp4");
    std::fs::write(&cut, &whole[..whole.len() * 2 / 3]).unwrap();
    let (frames, _) = start(played(&cut, Pace::Fast, 0.0)).all().await;
    assert!((10..50).contains(&frames.len()), "{}", frames.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_may_change_within_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sizes.ts");
    let part = |w: u32, h: u32, name: &str| {
        let part = folder.path().join(name);
        make(&format!(
            "videotestsrc num-buffers=10 ! video/x-raw,width={w},height={h},framerate=25/1 ! x264enc threads=1 bframes=0 \
             ! video/x-h264,stream-format=byte-stream,profile=baseline ! filesink location={}",
            part.display()
        ));
        std::fs::read(part).unwrap()
    };
    let joined = [part(320, 240, "a.h264"), part(640, 480, "b.h264")].concat();
    std::fs::write(&path, joined).unwrap();
    let (frames, ended) = start(played(&path, Pace::Fast, 0.0)).all().await;
    assert_eq!(ended, Ended::Finished);
    let widths: Vec<u32> = frames.iter().map(|f| f.picture.width()).collect();
    assert_eq!(widths, [[320; 10], [640; 10]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_absurd_sizes_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    for (encoder, size, words) in [
        ("identity", (8, 8), "8x8 is outside"),
        ("vp8enc", (8, 8), "8x8 is outside"),
        ("vp8enc cpu-used=16 deadline=1", (16_000, 64), "16000x64 is outside"),
    ] {
        let path = folder.path().join("absurd.mkv");
        let (w, h) = size;
        make(&format!(
            "videotestsrc num-buffers=2 ! video/x-raw,format=I420,width={w},height={h},framerate=5/1 ! {encoder} \
             ! matroskamux ! filesink location={}",
            path.display()
        ));
        start(played(&path, Pace::Fast, 0.0)).becomes(CameraState::Offline, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_pattern() {
    let mut camera = start(Settings { fps: 5.0, ..settings("test://ball") });
    let first = camera.frame().await;
    assert_eq!(first.picture.format(), PixelFormat::Nv12);
    let mut last = first.clone();
    while last.seq < 4 {
        last = camera.frame().await;
    }
    assert_eq!(last.pts.unwrap() - first.pts.unwrap(), Duration::from_millis(800));
    assert!(camera.counters.rate_limited() >= 12);
    camera.becomes(CameraState::Online, "640x480 raw video, 25 frames per second").await;

    // Nobody takes frames for a while: the newest waits, the others are counted.
    let replaced = async {
        while camera.frames.superseded() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(BOUND, replaced).await.expect("frames go on coming");
    let newest = camera.frame().await;
    assert_eq!(newest.seq, last.seq + camera.frames.superseded() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_decoder_is_used_or_the_choices_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path());
    let mut camera = start(Settings { decoder: Some("avdec_h264".into()), ..played(&path, Pace::RealTime, 0.0) });
    camera.becomes(CameraState::Online, "avdec_h264").await;
    let mut camera = start(Settings { decoder: Some("avdec_h246".into()), ..played(&path, Pace::RealTime, 0.0) });
    camera.becomes(CameraState::Offline, "write one of").await;
}

/// Serves one HTTP answer to everybody: `head`, then `body` over and over at `pace`, or once.
async fn web(head: &'static str, body: Vec<Vec<u8>>, again: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/video", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let body = body.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                drop(stream.read(&mut request).await);
                let mut sent = stream.write_all(head.as_bytes()).await;
                let mut tick = tokio::time::interval(Duration::from_millis(40));
                for part in body.iter().cycle().take(if again { usize::MAX } else { body.len() }) {
                    if sent.is_err() {
                        return;
                    }
                    if again {
                        tick.tick().await;
                    }
                    sent = stream.write_all(part).await;
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn motion_jpeg_over_http() {
    let folder = tempfile::tempdir().unwrap();
    make(&format!(
        "videotestsrc num-buffers=5 pattern=ball ! video/x-raw,width=320,height=240,framerate=5/1 ! jpegenc \
         ! multifilesink location={}/%d.jpg",
        folder.path().display()
    ));
    let parts = (0..5).map(|i| {
        let jpeg = std::fs::read(folder.path().join(format!("{i}.jpg"))).unwrap();
        let head = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
        [head.as_bytes(), &jpeg, b"\r\n"].concat()
    });
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\nConnection: close\r\n\r\n";
    let url = web(head, parts.collect(), true).await;
    let mut camera = start(settings(&url));
    let first = camera.frame().await;
    assert_eq!((first.picture.width(), first.picture.format()), (320, PixelFormat::I420));
    assert_eq!(first.picture.colour().range, eyewitness::frame::Range::Full);
    let mut last = first.clone();
    while last.seq < first.seq + 20 {
        last = camera.frame().await;
    }
    assert!(last.at.since(first.at) > Duration::from_millis(500), "at the pace of the camera");
    camera.becomes(CameraState::Online, "320x240 jpeg").await;
    camera.cancelled_quickly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mp4_over_http_plays_at_its_own_pace_and_errors_have_words() {
    let folder = tempfile::tempdir().unwrap();
    let mp4 = std::fs::read(clip(folder.path())).unwrap();
    let url = web("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nConnection: close\r\n\r\n", vec![mp4], false).await;
    let mut camera = start(settings(&url));
    let first = camera.frame().await;
    let mut last = first.clone();
    while last.seq < first.seq + 12 {
        last = camera.frame().await;
    }
    let took = last.at.since(first.at);
    assert!(took > Duration::from_millis(700) && took < Duration::from_secs(3), "{took:?}");
    for (answer, words) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "404"),
        (
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "wrong user name or password",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 28\r\n\r\n<html><body>Hi</body></html>",
            "text",
        ),
    ] {
        let url = web(answer, vec![], false).await;
        let mut camera = start(Settings { timeout: Duration::from_secs(3), ..settings(&url) });
        let health = camera.fails().await;
        assert!(health.reason.contains(words), "{health:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_slow_loses_nothing_in_fast_and_leaving_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path());
    let mut camera = start(Settings { timeout: Duration::from_secs(2), ..played(&path, Pace::Fast, 0.0) });
    let first = camera.frame().await;
    // Longer than the timeout: a full mailbox is no lost camera.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let second = camera.frame().await;
    assert_eq!((first.seq, second.seq), (0, 1));
    drop(camera.frames);
    let ended = tokio::time::timeout(BOUND, camera.task).await.unwrap().unwrap();
    assert!(matches!(ended, Ended::Unwanted | Ended::Finished), "{ended:?}");
}
