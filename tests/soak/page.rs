//! The daemon's own listener, asked as a monitor would.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(5);

/// Status and body; `None` if there is no answer.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, BOUND).ok()?;
    stream.set_read_timeout(Some(BOUND)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// The sum of a metric over its labels.
pub fn metric(body: &str, name: &str) -> Option<f64> {
    let values: Vec<f64> = body
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with([' ', '{']))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse().ok())
        .collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed() {
        let body = "# TYPE a counter\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3\na_total_more 9\nb 1.5\n";
        assert_eq!(metric(body, "a_total"), Some(5.0));
        assert_eq!(metric(body, "b"), Some(1.5));
        assert_eq!(metric(body, "c"), None);
    }
}
