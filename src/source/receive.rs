//! The first of a connection's two pipelines: receives, takes apart and parses, up to an appsink of access units of the
//! one video stream. Sound and everything else is not even asked for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use secrecy::SecretString;

use super::codec::Codec;
use super::decode::limit;
use super::elements::{chain, make, set_if_known};
use super::ending;
use super::life::{Life, Signal};
use super::location::{Address, Location, Pace, Transport};
use super::problem::Problem;
use super::router::Router;

/// How long RTP packets that arrive out of order are waited for. Packets in order do not wait.
const REORDER: Duration = Duration::from_millis(200);

/// How long a camera may take to hear that we leave.
const TEARDOWN: Duration = Duration::from_millis(100);

pub(super) struct ReceivePipeline {
    pipeline: gst::Pipeline,
}

impl ReceivePipeline {
    /// Builds the pipeline for `location`; nothing is opened yet.
    pub(super) fn build(
        location: &Location,
        timeout: Duration,
        router: &Arc<Router>,
        life: &Arc<Life>,
    ) -> Result<Self, Problem> {
        let pipeline = gst::Pipeline::new();
        // One clock for ever: a clock of a stream's own could get lost with it.
        pipeline.use_clock(Some(&gst::SystemClock::obtain()));
        match location {
            Location::Rtsp { url, transport } => rtsp(&pipeline, url, *transport, timeout, router, life)?,
            Location::Http { url } => http(&pipeline, url, timeout, router, life)?,
            Location::File { path, pace, .. } => {
                let source = make("filesrc")?;
                source.set_property("location", path);
                let pacing = if *pace == Pace::RealTime { Pacing::All } else { Pacing::None };
                parsed(&pipeline, &source, pacing, router, life)?;
            }
            Location::V4l2 { device } => {
                let source = make("v4l2src")?;
                source.set_property_from_str("device", &device.display().to_string());
                direct(&pipeline, vec![source, filter("video/x-raw;image/jpeg")?], router)?;
            }
            Location::Csi { sensor } => csi(&pipeline, *sensor, router)?,
            Location::Test { pattern } => {
                let source = make("videotestsrc")?;
                source.set_property("is-live", true);
                source.set_property_from_str("pattern", pattern);
                let size = filter("video/x-raw,format=NV12,width=640,height=480,framerate=25/1")?;
                direct(&pipeline, vec![source, size], router)?;
            }
        }
        watch(&pipeline, life);
        Ok(Self { pipeline })
    }

    /// Opens the source. May block (a device, a file on a dead network share).
    pub(super) fn start(&self) -> Result<(), Problem> {
        self.pipeline.set_state(gst::State::Playing).map(drop).map_err(|e| Problem::Pipeline(e.to_string()))
    }

    /// May block as long as the source does.
    pub(super) fn stop(&self) {
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::debug!("the stream did not stop in order");
        }
    }
}

impl Drop for ReceivePipeline {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The elements behind the one video stream, as soon as there is one.
type Branch = Arc<Mutex<Option<Vec<gst::Element>>>>;

/// Which streams are slowed down to the pace of their own timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pacing {
    /// Pictures come when the camera sends them, or as fast as they are taken.
    None,
    All,
    /// Files and playlists behind a web server arrive faster than they play; a sequence of JPEGs is live.
    NotJpeg,
}

fn rtsp(
    pipeline: &gst::Pipeline,
    url: &SecretString,
    transport: Transport,
    timeout: Duration,
    router: &Arc<Router>,
    life: &Arc<Life>,
) -> Result<(), Problem> {
    let source = make("rtspsrc")?;
    address(&source, url)?;
    source.set_property_from_str("protocols", if transport == Transport::Udp { "udp" } else { "tcp" });
    source.set_property("latency", u32::try_from(REORDER.as_millis()).unwrap_or(u32::MAX));
    source.set_property("drop-on-latency", true);
    source.set_property("tcp-timeout", u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX));
    source.set_property("teardown-timeout", u64::try_from(TEARDOWN.as_nanos()).unwrap_or(u64::MAX));
    set_if_known(&source, "user-agent", concat!("eyewitness/", env!("CARGO_PKG_VERSION")));
    source.connect("select-stream", false, |values| {
        let caps = values.get(2).and_then(|v| v.get::<gst::Caps>().ok());
        Some(caps.is_some_and(|caps| is_video_rtp(&caps)).to_value())
    });

    ending::past_the_jitter_buffer(&source, router, REORDER);
    pipeline.add(&source).map_err(|e| Problem::Pipeline(e.to_string()))?;
    let branch: Branch = Arc::default();
    let (weak, router, told, kept) = (pipeline.downgrade(), Arc::clone(router), Arc::clone(life), Arc::clone(&branch));
    source.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let mut branch = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_video_rtp(&caps) || !is_free(&pipeline, &mut branch) {
            return;
        }
        let led = unpacked(&pipeline, &caps, &router, &told).and_then(|row| lead(&pipeline, pad, row, &mut branch));
        if let Err(problem) = led {
            told.tell(Signal::Failed(problem));
        }
    });
    let no_video = no_video(&branch, life);
    source.connect_no_more_pads(move |_| no_video());
    Ok(())
}

/// What takes a stream out of its RTP packets. What nearly every camera sends goes the shortest way; for the rest there
/// is an element that finds out what to do, and parses everything once more.
fn unpacked(
    pipeline: &gst::Pipeline,
    caps: &gst::Caps,
    router: &Arc<Router>,
    life: &Arc<Life>,
) -> Result<Vec<gst::Element>, Problem> {
    let encoding = caps.structure(0).and_then(|s| s.get::<&str>("encoding-name").ok());
    let (unpacker, codec) = match encoding {
        Some("H264") => ("rtph264depay", Codec::H264),
        Some("H265") => ("rtph265depay", Codec::H265),
        _ => return Ok(vec![parser(pipeline, Pacing::None, router, life)?]),
    };
    let mut elements = vec![make(unpacker)?];
    elements.extend(row(codec, false, router)?);
    Ok(elements)
}

fn is_video_rtp(caps: &gst::Caps) -> bool {
    caps.structure(0).and_then(|s| s.get::<&str>("media").ok()) == Some("video")
}

fn http(
    pipeline: &gst::Pipeline,
    url: &SecretString,
    timeout: Duration,
    router: &Arc<Router>,
    life: &Arc<Life>,
) -> Result<(), Problem> {
    let source = make("souphttpsrc")?;
    address(&source, url)?;
    // A sequence of JPEGs has no other times than those of its arrival.
    source.set_property("do-timestamp", true);
    source.set_property("timeout", u32::try_from(timeout.as_secs().max(1)).unwrap_or(u32::MAX));
    // Trying again is `run`'s business, with its waits.
    source.set_property("retries", 0i32);
    parsed(pipeline, &source, Pacing::NotJpeg, router, life)
}

/// Sets the address without credentials, and these apart from it, so that no message about the address holds them.
fn address(source: &gst::Element, url: &SecretString) -> Result<(), Problem> {
    let address = Address::split(url).ok_or_else(|| Problem::Pipeline("the address cannot be read".to_owned()))?;
    source.set_property("location", &address.bare);
    if let Some(user) = &address.user {
        source.set_property("user-id", user);
    }
    if let Some(password) = &address.password {
        source.set_property("user-pw", password);
    }
    Ok(())
}

fn csi(pipeline: &gst::Pipeline, sensor: u32, router: &Arc<Router>) -> Result<(), Problem> {
    let source = make("nvarguscamerasrc")?;
    source.set_property_from_str("sensor-id", &sensor.to_string());
    // Right at the sensor, so that only wanted pictures leave the device's memory.
    limit(&source, router.frames());
    let row = vec![
        source,
        filter("video/x-raw(memory:NVMM),format=NV12")?,
        make("nvvidconv")?,
        filter("video/x-raw,format=NV12")?,
    ];
    direct(pipeline, row, router)
}

fn filter(caps: &str) -> Result<gst::Element, Problem> {
    let filter = make("capsfilter")?;
    filter.set_property_from_str("caps", caps);
    Ok(filter)
}

/// A source whose pictures need no parsing.
fn direct(pipeline: &gst::Pipeline, mut row: Vec<gst::Element>, router: &Arc<Router>) -> Result<(), Problem> {
    row.push(output(router, false).upcast());
    chain(pipeline, &row)
}

/// A source of bytes in any container.
fn parsed(
    pipeline: &gst::Pipeline,
    source: &gst::Element,
    pacing: Pacing,
    router: &Arc<Router>,
    life: &Arc<Life>,
) -> Result<(), Problem> {
    let parser = parser(pipeline, pacing, router, life)?;
    chain(pipeline, &[source.clone(), parser])
}

/// Takes apart whatever comes; its first video stream goes on to the router.
fn parser(
    pipeline: &gst::Pipeline,
    pacing: Pacing,
    router: &Arc<Router>,
    life: &Arc<Life>,
) -> Result<gst::Element, Problem> {
    let parser = make("parsebin")?;
    let branch: Branch = Arc::default();
    let (weak, router, told, kept) = (pipeline.downgrade(), Arc::clone(router), Arc::clone(life), Arc::clone(&branch));
    parser.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let mut branch = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(problem) = attach(&pipeline, pad, pacing, &router, &mut branch) {
            told.tell(Signal::Failed(problem));
        }
    });
    // Both say that no more streams will come: one with the list of streams, one at the end of the data.
    let (empty, told) = (no_video(&branch, life), no_video(&branch, life));
    parser.connect_no_more_pads(move |_| empty());
    parser.connect("drained", false, move |_| {
        told();
        None
    });
    Ok(parser)
}

/// Tells of a stream without video, if there is none by now.
fn no_video(branch: &Branch, life: &Arc<Life>) -> impl Fn() + Send + Sync + 'static {
    let (branch, life) = (Arc::clone(branch), Arc::clone(life));
    move || {
        if branch.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            life.tell(Signal::Failed(Problem::NoVideo));
        }
    }
}

/// Leads a parsed stream to the router, if it is video and the first one, or follows one that is gone.
fn attach(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    pacing: Pacing,
    router: &Arc<Router>,
    branch: &mut Option<Vec<gst::Element>>,
) -> Result<(), Problem> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let Some(structure) = caps.structure(0) else { return Ok(()) };
    let name = structure.name().as_str();
    let codec = match Codec::of(name, structure.get("mpegversion").ok()) {
        Some(codec) => codec,
        // A web page, such as a camera's log-in.
        None if name == "text/html" => return Err(Problem::Text),
        None if name.starts_with("video/") => return Err(Problem::UnknownCodec(name.to_owned())),
        None => return Ok(()),
    };
    if !is_free(pipeline, branch) {
        return Ok(());
    }
    let paced = match pacing {
        Pacing::None => false,
        Pacing::All => true,
        Pacing::NotJpeg => codec != Codec::Jpeg,
    };
    lead(pipeline, pad, row(codec, paced, router)?, branch)
}

/// Whether there is no video stream yet; one that is gone is taken out.
fn is_free(pipeline: &gst::Pipeline, branch: &mut Option<Vec<gst::Element>>) -> bool {
    let Some(old) = branch.as_ref() else { return true };
    if old.first().and_then(|e| e.static_pad("sink")).is_some_and(|pad| pad.is_linked()) {
        return false;
    }
    remove(pipeline, old);
    *branch = None;
    true
}

/// Puts the elements behind the pad of a running pipeline.
fn lead(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    row: Vec<gst::Element>,
    branch: &mut Option<Vec<gst::Element>>,
) -> Result<(), Problem> {
    chain(pipeline, &row)?;
    for element in row.iter().rev() {
        element.sync_state_with_parent().map_err(|e| Problem::Pipeline(e.to_string()))?;
    }
    let input = row.first().and_then(|e| e.static_pad("sink"));
    let linked = input.is_some_and(|input| pad.link(&input).is_ok());
    *branch = Some(row);
    if linked { Ok(()) } else { Err(Problem::Pipeline("the stream does not fit its parser".to_owned())) }
}

fn row(codec: Codec, paced: bool, router: &Arc<Router>) -> Result<Vec<gst::Element>, Problem> {
    let mut row = Vec::new();
    if let Some((name, caps)) = codec.parser() {
        let parser = make(name)?;
        // Parameter sets with every keyframe: decoding can begin at any of them.
        set_if_known(&parser, "config-interval", "-1");
        row.extend([parser, filter(caps)?]);
    }
    row.push(output(router, paced).upcast());
    Ok(row)
}

fn remove(pipeline: &gst::Pipeline, row: &[gst::Element]) {
    for element in row {
        if element.set_state(gst::State::Null).is_err() || pipeline.remove(element).is_err() {
            tracing::debug!("a stream that is gone could not be taken out");
        }
    }
}

/// `paced`: each unit waits for its time. Then playing begins with the first unit, not before it (`async`), so that a
/// slow start does not make the first seconds late.
fn output(router: &Arc<Router>, paced: bool) -> gst_app::AppSink {
    let sink = gst_app::AppSink::builder().sync(paced).async_(paced).enable_last_sample(false).max_buffers(1).build();
    let (routing, ending) = (Arc::clone(router), Arc::clone(router));
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                routing.route(&sample)
            })
            .eos(move |_| ending.end())
            .build(),
    );
    sink
}

/// Tells of errors; nothing else on this pipeline's bus matters, and nothing is kept there.
fn watch(pipeline: &gst::Pipeline, life: &Arc<Life>) {
    let Some(bus) = pipeline.bus() else { return };
    let life = Arc::clone(life);
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::Error(error) = message.view() {
            let debug = error.debug();
            let problem = Problem::from_gst(&error.error(), debug.as_deref());
            let details = super::redact::text(debug.as_deref().unwrap_or(""));
            tracing::debug!(%problem, details, "receive pipeline");
            life.tell(Signal::Failed(problem));
        }
        gst::BusSyncReply::Drop
    });
}
