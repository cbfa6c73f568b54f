//! Making GStreamer elements, with words for one that is missing.

use gst::glib;
use gst::prelude::*;
use gstreamer as gst;

use super::problem::Problem;

/// Makes the element `name`.
pub(super) fn make(name: &'static str) -> Result<gst::Element, Problem> {
    gst::ElementFactory::make(name).build().map_err(|_| Problem::Missing { element: name, package: package(name) })
}

/// Whether the machine has the element `name`.
pub(super) fn has(name: &str) -> bool {
    gst::ElementFactory::find(name).is_some()
}

/// Sets a property that not every version of the element has.
pub(super) fn set_if_known(element: &gst::Element, property: &str, value: &str) {
    if element.find_property(property).is_some() {
        element.set_property_from_str(property, value);
    }
}

/// Adds `elements` to `bin` and links them in a row.
pub(super) fn chain(bin: &impl glib::object::IsA<gst::Bin>, elements: &[gst::Element]) -> Result<(), Problem> {
    bin.add_many(elements).map_err(|e| Problem::Pipeline(e.to_string()))?;
    gst::Element::link_many(elements).map_err(|e| Problem::Pipeline(e.to_string()))
}

/// The Debian package that holds an element.
pub(super) fn package(element: &str) -> &'static str {
    match element {
        "rtspsrc" | "souphttpsrc" | "v4l2src" => "gstreamer1.0-plugins-good",
        "h264parse" | "h265parse" | "vp9parse" | "av1parse" | "mpeg4videoparse" | "mpegvideoparse" => {
            "gstreamer1.0-plugins-bad"
        }
        "nvarguscamerasrc" | "nvvidconv" | "nvv4l2decoder" | "nvjpegdec" => "nvidia-l4t-gstreamer",
        "filesrc" | "capsfilter" => "libgstreamer1.0-0",
        _ => "gstreamer1.0-plugins-base",
    }
}
