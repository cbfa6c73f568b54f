//! What one client, and all of them together, may take. None of it is for the config: the values fit a page that a
//! scraper, a few probes and a few people look at.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// At once; one more is turned away and counted. Two scrapers, the probes and three browsers with six connections each
    /// are below it, and so many sockets with full buffers are some MiB at most.
    pub connections: usize,
    /// Of a request's first line and header fields. Ours need some hundred, but a browser sends the cookies of every other
    /// program of this host along, whatever its port.
    pub header_bytes: usize,
    /// From the connection, or the last answer, until a request's head has come whole: so a client that sends a byte now
    /// and then is cut off, and an idle one is not kept. A head is one packet, so this is for the network; a scraper that
    /// comes each 15 s connects again, which costs nothing on this scale.
    pub header_time: Duration,
    /// For finding the answer. Less than the 10 s that Prometheus waits by default, so that it hears why.
    pub request_time: Duration,
    /// Questions (`POST /ask`) that may be under way at once; each waits for the model. The queue behind is as short.
    pub asks: usize,
    /// For an answer of the model, whatever the config allows it: below `lifetime`.
    pub answer_time: Duration,
    /// A connection's age at which it is closed after the answer that is under way, and soon if that does not end: whoever
    /// reads slowly, or asks without a pause, does not hold a place for ever.
    pub lifetime: Duration,
    /// For what is under way when a connection or the page is closed; well below the time that a stop may take.
    pub closing: Duration,
    /// Looks at the daemon's state that may be under way at once. They may wait for a lock, each on a thread of its own, and
    /// these threads must stay few when the lock is not given back.
    pub looks: usize,
    /// Between two tries to listen. The port may belong to a daemon that is just ending, or the address to a network that
    /// is not up yet; events matter more than this page, so the daemon goes on without it meanwhile.
    pub retry: Duration,
    /// After a connection could not be accepted: mostly there are no descriptors left, and trying at once would only burn
    /// time.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            header_bytes: 16 << 10,
            header_time: Duration::from_secs(10),
            request_time: Duration::from_secs(5),
            asks: 8,
            answer_time: Duration::from_secs(45),
            lifetime: Duration::from_secs(60),
            closing: Duration::from_secs(1),
            looks: 4,
            retry: Duration::from_secs(30),
            pause: Duration::from_secs(1),
        }
    }
}
