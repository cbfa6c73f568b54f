//! Whom the page answers. A browser lets any web page send requests to this machine under a name that the page's owner
//! points here (DNS rebinding), and then read the answers. The name it came by stands in the request, so a page that is
//! for this machine only answers to this machine's own names.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{Request, Version};

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stranger {
    /// It does not say whom it is for, or says it twice.
    Unclear,
    /// It is for somebody else.
    Other,
}

/// Checks whom a request is for. A listener that others reach has names that we do not know, so there any will do.
pub(super) fn check<B>(request: &Request<B>, listening: SocketAddr) -> Result<(), Stranger> {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() || (field.is_none() && request.version() >= Version::HTTP_11) {
        return Err(Stranger::Unclear);
    }
    if !is_loopback(listening.ip()) {
        return Ok(());
    }
    let named = match field {
        // HTTP/1.0 may leave it out, and no browser speaks that.
        None => None,
        Some(value) => Some(Authority::try_from(value.as_bytes()).map_err(|_| Stranger::Unclear)?),
    };
    // A request to a proxy has the name in its first line.
    let ours = named.iter().chain(request.uri().authority()).all(|name| is_ours(name, listening.ip()));
    if ours { Ok(()) } else { Err(Stranger::Other) }
}

/// The port does not matter: behind a tunnel it is another one.
fn is_ours(name: &Authority, listening: IpAddr) -> bool {
    if name.as_str().contains('@') {
        return false;
    }
    let host = name.host().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => is_loopback(address) || address == listening,
        Err(_) => host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case("localhost"),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str, version: Version, hosts: &[&str], listening: &str) -> Result<(), Stranger> {
        let mut request = Request::builder().uri(uri).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        check(&request.body(()).unwrap(), listening.parse().unwrap())
    }

    fn host(name: &str, listening: &str) -> Result<(), Stranger> {
        asked("/healthz", Version::HTTP_11, &[name], listening)
    }

    #[test]
    fn this_machine_has_some_names() {
        for name in [
            "localhost",
            "LocalHost:8089",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:9",
            "127.1.2.3:8089",
            "[::1]",
            "[::1]:8089",
            "[::ffff:127.0.0.1]:8089",
        ] {
            for listening in ["127.0.0.1:8089", "[::1]:8089", "127.5.5.5:80"] {
                assert_eq!(host(name, listening), Ok(()), "{name} {listening}");
            }
        }
    }

    #[test]
    fn every_other_name_is_a_strangers() {
        for name in [
            "evil.example",
            "evil.example:8089",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.7:8089",
            "0.0.0.0:8089",
            "[::]",
            "localhost@evil.example",
            "evil.example@localhost",
            "2130706433",
            "127.1",
        ] {
            assert_eq!(host(name, "127.0.0.1:8089"), Err(Stranger::Other), "{name}");
            assert_eq!(host(name, "0.0.0.0:8089"), Ok(()), "{name}");
        }
    }

    #[test]
    fn one_name_stands_there_once() {
        let on = "127.0.0.1:8089";
        assert_eq!(asked("/", Version::HTTP_11, &[], on), Err(Stranger::Unclear));
        assert_eq!(asked("/", Version::HTTP_10, &[], on), Ok(()));
        assert_eq!(asked("/", Version::HTTP_10, &["evil.example"], on), Err(Stranger::Other));
        assert_eq!(asked("/", Version::HTTP_11, &["localhost", "localhost"], on), Err(Stranger::Unclear));
        for broken in ["", "local host", "[::1", "a/b"] {
            assert_eq!(host(broken, on), Err(Stranger::Unclear), "{broken}");
        }
    }

    #[test]
    fn the_first_line_counts_too() {
        let on = "127.0.0.1:8089";
        let asked = |uri| asked(uri, Version::HTTP_11, &["localhost"], on);
        assert_eq!(asked("http://localhost:8089/healthz"), Ok(()));
        assert_eq!(asked("http://evil.example/healthz"), Err(Stranger::Other));
    }
}
