//! A real RTSP server inside the test process, on a loopback port, that can die and come back.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use gst_rtsp_server::prelude::*;
use gstreamer::glib;
use gstreamer_rtsp_server as gst_rtsp_server;

/// What the server sends. H.264 unless said.
#[derive(Debug, Clone)]
pub enum Stream {
    /// An `.mp4` with H.264, in real time; each client gets it once, from its beginning, and then the stream ends.
    File { path: PathBuf },
    /// A moving ball.
    Test { width: u32, height: u32, fps: u32, key_every: u32 },
    /// A moving ball, and sound that nobody should ask for.
    TestWithSound,
    /// Sound only.
    Sound,
}

impl Stream {
    /// 320x240, 25 frames per second, a keyframe every second.
    pub fn ball() -> Self {
        Self::Test { width: 320, height: 240, fps: 25, key_every: 25 }
    }

    fn launch(&self) -> String {
        match self {
            Self::File { path } => format!(
                "( filesrc location={} ! qtdemux ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )",
                path.display()
            ),
            Self::Test { width, height, fps, key_every } => format!("( {} )", ball(*width, *height, *fps, *key_every)),
            Self::TestWithSound => format!("( {} {} name=pay1 )", ball(320, 240, 25, 25), SOUND),
            Self::Sound => format!("( {SOUND} name=pay0 )"),
        }
    }
}

const SOUND: &str = "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay";

fn ball(width: u32, height: u32, fps: u32, key_every: u32) -> String {
    format!(
        "videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},framerate={fps}/1 \
         ! x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max={key_every} \
         ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96"
    )
}

/// A running server. Dropping it cuts every client and closes the port.
#[derive(Debug)]
pub struct RtspServer {
    port: u16,
    context: glib::MainContext,
    main: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
}

type Sends = Arc<dyn Fn(usize, Duration) + Send + Sync>;
type Watch = fn(usize, Duration);

/// User name and password (digest).
pub type Login = (&'static str, &'static str);

impl RtspServer {
    /// Starts on a free port.
    pub fn start(stream: &Stream) -> Self {
        Self::start_on(0, stream, None)
    }

    /// Starts on `port` (0: a free one), open to everybody or to one login.
    pub fn start_on(port: u16, stream: &Stream, login: Option<Login>) -> Self {
        Self::open(port, stream, login, None)
    }

    /// Starts on a free port; `sends` hears of every picture when it is sent, with the number of the client.
    pub fn start_watched(stream: &Stream, sends: impl Fn(usize, Duration) + Send + Sync + 'static) -> Self {
        Self::open(0, stream, None, Some(Arc::new(sends)))
    }

    fn open(port: u16, stream: &Stream, login: Option<Login>, sends: Option<Sends>) -> Self {
        gstreamer::init().unwrap();
        let context = glib::MainContext::new();
        let main = glib::MainLoop::new(Some(&context), false);
        let (ready, bound) = mpsc::sync_channel(1);
        let (thread_context, thread_main, launch) = (context.clone(), main.clone(), stream.launch());
        let thread = std::thread::spawn(move || {
            thread_context
                .with_thread_default(|| serve(&thread_context, &thread_main, port, &launch, login, sends, &ready))
                .unwrap();
        });
        let port = bound.recv().expect("the server starts");
        Self { port, context, main, thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/stream", self.port)
    }

    /// Cuts every client, closes the port and gives it back for a new start.
    pub fn stop(mut self) -> u16 {
        self.halt();
        self.port
    }

    fn halt(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let main = self.main.clone();
        self.context.invoke(move || main.quit());
        thread.join().unwrap();
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        self.halt();
    }
}

fn serve(
    context: &glib::MainContext,
    main: &glib::MainLoop,
    port: u16,
    launch: &str,
    login: Option<Login>,
    sends: Option<Sends>,
    ready: &mpsc::SyncSender<u16>,
) {
    let server = gst_rtsp_server::RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&port.to_string());
    let factory = gst_rtsp_server::RTSPMediaFactory::new();
    factory.set_launch(launch);
    if let Some(login) = login {
        protect(&server, &factory, login);
    }
    if let Some(sends) = sends {
        watch(&factory, sends);
    }
    server.mount_points().expect("a new server has mount points").add_factory("/stream", factory);
    let source = server.create_source(gstreamer_rtsp_server::gio::Cancellable::NONE).expect("the port is free");
    source.attach(Some(context));
    ready.send(u16::try_from(server.bound_port()).unwrap()).unwrap();
    main.run();
    source.destroy();
    server.client_filter(Some(&mut |_, client| {
        client.close();
        gst_rtsp_server::RTSPFilterResult::Remove
    }));
}

fn watch(factory: &gst_rtsp_server::RTSPMediaFactory, sends: Sends) {
    let count = AtomicUsize::new(0);
    factory.connect_media_configure(move |_, media| {
        let client = count.fetch_add(1, Ordering::SeqCst);
        let sends = sends.clone();
        let payloader = media.element().downcast::<gstreamer::Bin>().unwrap().by_name("pay0").unwrap();
        payloader.static_pad("sink").unwrap().add_probe(gstreamer::PadProbeType::BUFFER, move |_, info| {
            if let Some(pts) = info.buffer().and_then(|buffer| buffer.pts()) {
                sends(client, Duration::from_nanos(pts.nseconds()));
            }
            gstreamer::PadProbeReturn::Ok
        });
    });
}

fn protect(server: &gst_rtsp_server::RTSPServer, factory: &gst_rtsp_server::RTSPMediaFactory, (user, password): Login) {
    let auth = gst_rtsp_server::RTSPAuth::new();
    auth.set_supported_methods(gst_rtsp_server::gst_rtsp::RTSPAuthMethod::Digest);
    let token = gst_rtsp_server::RTSPToken::builder().field("media.factory.role", "viewer").build();
    auth.add_digest(user, password, &token);
    server.set_auth(Some(&auth));
    let role = gstreamer::Structure::builder("viewer")
        .field("media.factory.access", true)
        .field("media.factory.construct", true)
        .build();
    factory.add_role_from_structure(&role);
}

/// Not every test file uses everything here; this does.
const _: fn(&Stream) -> RtspServer = RtspServer::start;
const _: fn(&Stream, Watch) -> RtspServer = RtspServer::start_watched;
const _: fn(&RtspServer) -> u16 = RtspServer::port;
const _: fn(&RtspServer) -> String = RtspServer::url;
const _: fn(RtspServer) -> u16 = RtspServer::stop;
const _: fn() -> Stream = Stream::ball;
const _: fn() -> [Stream; 3] = || [Stream::File { path: PathBuf::new() }, Stream::TestWithSound, Stream::Sound];
