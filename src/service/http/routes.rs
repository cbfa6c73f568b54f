//! What is answered to what.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::hosts::{self, Stranger};
use super::limits::Limits;
use super::questions;
use super::{Readiness, View};
use crate::telemetry::Metrics;

/// What the answers are made of.
pub(super) struct Shared {
    pub(super) view: Arc<dyn View>,
    listening: SocketAddr,
    pub(super) limits: Limits,
    looks: Arc<Semaphore>,
    pub(super) asks: Semaphore,
}

impl Shared {
    pub(super) fn new(view: Arc<dyn View>, listening: SocketAddr, limits: Limits) -> Self {
        let (looks, asks) = (Arc::new(Semaphore::new(limits.looks)), Semaphore::new(limits.asks));
        Self { view, listening, limits, looks, asks }
    }

    /// Looks at the daemon on a thread that may wait; `None` if that takes too long or goes wrong.
    async fn look<T, F>(&self, look: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn View) -> T + Send + 'static,
    {
        let found = async {
            let permit = Arc::clone(&self.looks).acquire_owned().await.ok()?;
            let view = Arc::clone(&self.view);
            let found = tokio::task::spawn_blocking(move || {
                // Held until the look has ended, also if nobody waits for it any more.
                let _permit = permit;
                look(view.as_ref())
            });
            found.await.ok()
        };
        timeout(self.limits.request_time, found).await.ok().flatten()
    }

    fn late(&self) -> Response {
        let words = format!("the daemon does not answer within {} s\n", self.limits.request_time.as_secs_f32());
        (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/ask", post(questions::ask).fallback(questions::only_asked))
        .fallback(unknown)
        .method_not_allowed_fallback(only_read)
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

const INDEX: &str = "\
Eyewitness
/healthz  whether the daemon lives
/readyz   whether it does its work, and what keeps it from it (JSON)
/metrics  its numbers, for Prometheus
/ask      POST {\"camera\":\"door\",\"ask\":\"Is there a dog?\"} (application/json): what a camera sees now, where the config lets it
";

async fn index() -> &'static str {
    INDEX
}

async fn alive(State(shared): State<Arc<Shared>>) -> Response {
    let stuck = shared.view.stuck();
    if stuck.is_empty() {
        return "alive\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("stuck: {}\n", stuck.join(", "))).into_response()
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match shared.look(|view| view.readiness()).await {
        Some(readiness @ Readiness { ready: true, .. }) => Json(readiness).into_response(),
        Some(readiness) => (StatusCode::SERVICE_UNAVAILABLE, Json(readiness)).into_response(),
        None => shared.late(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let modern = accepted.into_iter().any(|value| value.contains("application/openmetrics-text"));
    match shared.look(|view| view.metrics()).await {
        Some(text) if modern => ([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], text).into_response(),
        Some(text) => ([(CONTENT_TYPE, Metrics::CLASSIC_TYPE)], Metrics::classic(&text)).into_response(),
        None => shared.late(),
    }
}

async fn unknown() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "there is nothing here; / names what there is\n")
}

async fn only_read() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")], "this page can only be read: GET or HEAD\n")
        .into_response()
}

/// What holds for every request and every answer.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let with_body = !request.body().is_end_stream();
    let mut response = match refusal(&shared, &request, with_body) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if with_body {
        // Mostly nobody has read the body, so nothing behind it can be understood.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// What was true a moment ago is not kept, and no page of another origin may embed it. There is nothing of CORS: none may
/// read it either.
const ALWAYS: [(HeaderName, &str); 3] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

fn refusal(shared: &Shared, request: &Request, with_body: bool) -> Option<Response> {
    let (status, words) = match hosts::check(request, shared.listening) {
        Err(Stranger::Unclear) => (StatusCode::BAD_REQUEST, "whom is this for? There must be one valid Host field\n"),
        Err(Stranger::Other) => (
            StatusCode::MISDIRECTED_REQUEST,
            "this page is for this machine only and answers to `localhost`, `127.0.0.1` and `[::1]`; \
             a proxy before it must send one of them as Host\n",
        ),
        Ok(()) if with_body && matches!(*request.method(), Method::GET | Method::HEAD) => {
            (StatusCode::PAYLOAD_TOO_LARGE, "requests have no body here\n")
        }
        Ok(()) => return None,
    };
    Some((status, words).into_response())
}
