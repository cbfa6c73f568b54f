//! GLib's network classes, made by one thread before several need them.
//!
//! GLib (2.74, Debian 12) can hang for good when one thread makes the first object of a class while another registers a type that the
//! class names: the first holds the lock of classes and waits for the type, the second registers the type and waits for the lock. An
//! RTSP camera and an HTTP camera that open at the same moment did that in three of fifty starts of a busy machine, and no camera
//! of the process opened any more.

use gio::{InetSocketAddress, Socket, SocketClient, SocketFamily, SocketProtocol, SocketType};
use gstreamer as gst;

/// Elements whose plugins register network types when they are loaded.
const ELEMENTS: [&str; 2] = ["souphttpsrc", "rtspsrc"];

/// Makes them, once; what cannot be made here is missed when a camera needs it, with words.
pub(super) fn make() {
    drop(InetSocketAddress::from_string("127.0.0.1", 0));
    drop(Socket::new(SocketFamily::Ipv4, SocketType::Stream, SocketProtocol::Tcp));
    drop(SocketClient::new());
    for element in ELEMENTS {
        drop(gst::ElementFactory::make(element).build());
    }
}
