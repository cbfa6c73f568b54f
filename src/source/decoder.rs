//! Which decoder a stream gets: what the machine has, in order of preference, unless one is pinned. Pure.

use super::codec::Codec;
use super::problem::Problem;

/// One decoder that may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decoder {
    /// The GStreamer element.
    pub(super) element: &'static str,
    pub(super) hardware: bool,
}

impl Decoder {
    /// The element that brings its pictures out of the device's memory; `None`: the decoder does so itself when asked
    /// for plain memory, as VA-API and V4L2 decoders do.
    pub(super) fn converter(self) -> Option<&'static str> {
        matches!(self.element, "nvv4l2decoder" | "nvjpegdec").then_some("nvvidconv")
    }
}

/// Best first: Jetson, VA-API (new, old), V4L2 (stateful, stateless).
fn hardware(codec: Codec) -> &'static [&'static str] {
    match codec {
        Codec::H264 => &["nvv4l2decoder", "vah264dec", "vaapih264dec", "v4l2h264dec", "v4l2slh264dec"],
        Codec::H265 => &["nvv4l2decoder", "vah265dec", "vaapih265dec", "v4l2h265dec", "v4l2slh265dec"],
        Codec::Vp8 => &["nvv4l2decoder", "vavp8dec", "vaapivp8dec", "v4l2vp8dec", "v4l2slvp8dec"],
        Codec::Vp9 => &["nvv4l2decoder", "vavp9dec", "vaapivp9dec", "v4l2vp9dec", "v4l2slvp9dec"],
        Codec::Av1 => &["nvv4l2decoder", "vaav1dec", "vaapiav1dec", "v4l2av1dec", "v4l2slav1dec"],
        Codec::Mpeg4 => &["nvv4l2decoder", "vaapimpeg4dec", "v4l2mpeg4dec"],
        Codec::Mpeg2 => &["nvv4l2decoder", "vampeg2dec", "vaapimpeg2dec", "v4l2mpeg2dec", "v4l2slmpeg2dec"],
        Codec::Jpeg => &["nvjpegdec", "vajpegdec", "vaapijpegdec", "v4l2jpegdec"],
        Codec::Raw => &[],
    }
}

/// Best first.
fn software(codec: Codec) -> &'static [&'static str] {
    match codec {
        Codec::H264 => &["avdec_h264", "openh264dec"],
        Codec::H265 => &["avdec_h265", "libde265dec"],
        Codec::Vp8 => &["vp8dec", "avdec_vp8"],
        Codec::Vp9 => &["vp9dec", "avdec_vp9"],
        Codec::Av1 => &["dav1ddec", "av1dec", "avdec_av1"],
        Codec::Mpeg4 => &["avdec_mpeg4"],
        Codec::Mpeg2 => &["avdec_mpeg2video", "mpeg2dec"],
        Codec::Jpeg => &["jpegdec", "avdec_mjpeg"],
        Codec::Raw => &[],
    }
}

const CODED: [Codec; 8] =
    [Codec::H264, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Mpeg4, Codec::Mpeg2, Codec::Jpeg];

fn all(codec: Codec) -> impl Iterator<Item = Decoder> {
    let hard = hardware(codec).iter().map(|element| Decoder { element, hardware: true });
    hard.chain(software(codec).iter().map(|element| Decoder { element, hardware: false }))
}

/// Every element that `decoder` in the settings may name, whether this machine has it or not.
#[must_use]
pub fn known() -> Vec<&'static str> {
    let mut names: Vec<_> = CODED.into_iter().flat_map(all).map(|d| d.element).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether `element` is one of the hardware decoders.
pub(super) fn is_hardware(element: &str) -> bool {
    CODED.into_iter().flat_map(all).any(|d| d.hardware && d.element == element)
}

/// The decoders to try for `codec`, best first. `has` says whether the machine has an element, `refused` are those that
/// failed before, `pin` is the only one allowed.
///
/// # Errors
/// [`Problem::Pinned`] or [`Problem::NoDecoder`], naming what there is or what to install.
pub(super) fn choose(
    codec: Codec,
    has: impl Fn(&str) -> bool,
    pin: Option<&str>,
    refused: &[String],
) -> Result<Vec<Decoder>, Problem> {
    let available: Vec<Decoder> = all(codec).filter(|d| has(d.element)).collect();
    if let Some(pin) = pin {
        let Some(found) = available.iter().find(|d| d.element == pin) else {
            let available = available.iter().map(|d| format!("`{}`", d.element)).collect();
            return Err(Problem::Pinned { pin: pin.to_owned(), codec, available });
        };
        return Ok(vec![*found]);
    }
    let left: Vec<Decoder> = available.into_iter().filter(|d| !refused.iter().any(|r| r == d.element)).collect();
    if left.is_empty() { Err(Problem::NoDecoder { codec }) } else { Ok(left) }
}

/// The Debian package with a software decoder for `codec`.
pub(super) fn package(codec: Codec) -> &'static str {
    match codec {
        Codec::Vp8 | Codec::Vp9 | Codec::Jpeg => "gstreamer1.0-plugins-good",
        Codec::Av1 => "gstreamer1.0-plugins-bad",
        _ => "gstreamer1.0-libav",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(codec: Codec, has: &[&str], pin: Option<&str>, refused: &[&str]) -> Result<Vec<&'static str>, Problem> {
        let refused: Vec<String> = refused.iter().map(|r| (*r).to_owned()).collect();
        choose(codec, |e| has.contains(&e), pin, &refused).map(|d| d.iter().map(|d| d.element).collect())
    }

    #[test]
    fn hardware_comes_first_and_software_last() {
        let has = ["openh264dec", "avdec_h264", "v4l2h264dec", "vah264dec", "avdec_h265"];
        let order = ["vah264dec", "v4l2h264dec", "avdec_h264", "openh264dec"];
        assert_eq!(names(Codec::H264, &has, None, &[]).unwrap(), order);
        assert_eq!(names(Codec::H264, &has, None, &["vah264dec"]).unwrap(), order[1..]);
        assert_eq!(names(Codec::H265, &has, None, &[]).unwrap(), ["avdec_h265"]);
    }

    #[test]
    fn only_the_jetson_needs_a_way_out_of_its_memory() {
        let decoders = choose(Codec::H264, |_| true, None, &[]).unwrap();
        assert_eq!(decoders[0].converter(), Some("nvvidconv"));
        assert!(decoders[1..].iter().all(|d| d.converter().is_none()));
    }

    #[test]
    fn a_pin_is_the_only_choice() {
        let has = ["avdec_h264", "vah264dec"];
        assert_eq!(names(Codec::H264, &has, Some("avdec_h264"), &["avdec_h264"]).unwrap(), ["avdec_h264"]);
        let words = names(Codec::H264, &has, Some("avdec_h246"), &[]).unwrap_err().to_string();
        assert!(words.contains("`avdec_h246`") && words.contains("`vah264dec`, `avdec_h264`"), "{words}");
    }

    #[test]
    fn a_codec_without_decoder_names_the_package() {
        let words = names(Codec::H265, &["avdec_h264"], None, &[]).unwrap_err().to_string();
        assert!(words.contains("h265") && words.contains("gstreamer1.0-libav"), "{words}");
    }

    #[test]
    fn every_codec_has_a_software_decoder() {
        assert!(CODED.into_iter().all(|c| !software(c).is_empty()));
        assert!(known().contains(&"avdec_h264"));
    }
}
