//! One POST to a status page, for `eyewitness ask` on the machine itself.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer is some hundred bytes; whoever answers there may be somebody else.
const MOST: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error(
        "`{address}` cannot be reached: is Eyewitness running there, and the address that of `listen` in its `[http]`?"
    )]
    Connect { address: String, source: std::io::Error },
    #[error("`{address}` does not speak HTTP as it should")]
    Http { address: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("there was no answer within {0} s")]
    Late(u64),
}

/// Sends JSON to `path` at `address` (host and port), and returns what is answered.
///
/// # Errors
/// [`PostError`] if there is no answer within `patience`.
pub async fn post(
    address: &str,
    path: &str,
    json: Vec<u8>,
    patience: Duration,
) -> Result<(StatusCode, Vec<u8>), PostError> {
    let late = |_| PostError::Late(patience.as_secs_f64().ceil() as u64);
    timeout(patience, posted(address, path, json)).await.map_err(late)?
}

async fn posted(address: &str, path: &str, json: Vec<u8>) -> Result<(StatusCode, Vec<u8>), PostError> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|source| PostError::Connect { address: address.to_owned(), source })?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, address)
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(json))
        .map_err(|error| http(address, error))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| http(address, error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| http(address, error))?;
        let status = response.status();
        let body = to_bytes(Body::new(response.into_body()), MOST).await.map_err(|error| http(address, error))?;
        Ok((status, body.to_vec()))
    };
    tokio::pin!(exchange, connection);
    // The connection moves the exchange; when it has ended, what was read is still to be looked at.
    tokio::select! {
        biased;
        done = &mut exchange => done,
        _ = &mut connection => exchange.await,
    }
}

fn http(address: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PostError {
    PostError::Http { address: address.to_owned(), source: source.into() }
}
