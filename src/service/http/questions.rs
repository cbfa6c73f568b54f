//! `POST /ask`: a question about what a camera sees now. Only JSON, only a few at once, and nothing from web pages: a browser
//! names the page that sends something (`Origin`), and none of ours asks.

use std::sync::Arc;

use axum::Json;
use axum::body::{BodyDataStream, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, EXPECT, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::limits::Limits;
use super::routes::Shared;
use crate::ask::{self, MAX_PAYLOAD, Refusal};
use crate::ids::{self, CameraId};

/// What the body says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    camera: String,
    ask: String,
    max_tokens: Option<usize>,
}

#[derive(Serialize)]
struct Failed {
    error: String,
}

pub(super) async fn ask(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    match answer(&shared, request).await {
        Ok(reply) => Json(reply).into_response(),
        Err((status, error)) => (status, Json(Failed { error })).into_response(),
    }
}

pub(super) async fn only_asked() -> Response {
    let error = "questions come with POST".to_owned();
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")], Json(Failed { error })).into_response()
}

type Unanswered = (StatusCode, String);

async fn answer(shared: &Shared, request: Request) -> Result<ask::Reply, Unanswered> {
    let (head, body) = request.into_parts();
    let least = body.size_hint().lower();
    let mut body = body.into_data_stream();
    let desk = shared.view.desk().ok_or_else(|| (StatusCode::FORBIDDEN, FORBIDDEN.to_owned()));
    let desk = match desk.and_then(|desk| checked(&head.headers).map(|()| desk)) {
        Ok(desk) => desk,
        Err(refusal) => {
            drain(&mut body, &head.headers, &shared.limits).await;
            return Err(refusal);
        }
    };
    let body = whole(&mut body, least, &head.headers, &shared.limits).await?;
    let request = read(&body)?;
    let _turn = shared.asks.try_acquire().map_err(|_| unanswered(&Refusal::Busy))?;
    let answered = timeout(shared.limits.answer_time, desk.ask(request)).await;
    let late = || Err(Refusal::Late(shared.limits.answer_time.as_secs()));
    answered.unwrap_or_else(|_| late()).map_err(|refusal| unanswered(&refusal))
}

const FORBIDDEN: &str = "questions are not taken here: `ask = true` in `[http]` of the config allows them to whoever reaches this \
                         address; without it, ask over MQTT or on the machine itself";

/// A web page may send text and forms anywhere, but JSON only after the browser has asked, which nobody here answers.
fn checked(headers: &HeaderMap) -> Result<(), Unanswered> {
    if headers.contains_key(ORIGIN) {
        return Err((StatusCode::FORBIDDEN, "web pages do not ask here".to_owned()));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let words = "a question is JSON: send it with `Content-Type: application/json`";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, words.to_owned()));
    }
    Ok(())
}

/// All of the body, within its bounds of size and time; `least` bytes were promised.
async fn whole(
    body: &mut BodyDataStream,
    least: u64,
    headers: &HeaderMap,
    limits: &Limits,
) -> Result<Vec<u8>, Unanswered> {
    let too_large = || (StatusCode::PAYLOAD_TOO_LARGE, format!("a question has at most {MAX_PAYLOAD} bytes"));
    if least > MAX_PAYLOAD as u64 {
        drain(body, headers, limits).await;
        return Err(too_large());
    }
    let mut read = Vec::new();
    let reading = async {
        while let Some(part) = body.next().await {
            let part: Bytes = part.map_err(|_| (StatusCode::BAD_REQUEST, "the body ended early".to_owned()))?;
            if read.len() + part.len() > MAX_PAYLOAD {
                return Ok(false);
            }
            read.extend_from_slice(&part);
        }
        Ok(true)
    };
    match timeout(limits.request_time, reading).await {
        Ok(Ok(true)) => Ok(read),
        Ok(Ok(false)) => {
            drain(body, headers, limits).await;
            Err(too_large())
        }
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the question did not come in time".to_owned())),
    }
}

/// Takes what comes and throws it away, for a moment: a client that is still sending may not hear an answer. One that asks first
/// whether it shall send hears it.
async fn drain(body: &mut BodyDataStream, headers: &HeaderMap, limits: &Limits) {
    if !headers.contains_key(EXPECT) {
        drop(timeout(limits.closing, async { while let Some(Ok(_)) = body.next().await {} }).await);
    }
}

fn read(body: &[u8]) -> Result<ask::Request, Unanswered> {
    let asked: Asked = serde_json::from_slice(body).map_err(|error| {
        let words = "the body is JSON such as {\"camera\":\"door\",\"ask\":\"Is there a dog?\"}";
        (StatusCode::BAD_REQUEST, format!("{words}: {error}"))
    })?;
    let Asked { camera, ask, max_tokens } = asked;
    let camera = CameraId::new(&camera).map_err(|_| {
        let shown: String = camera.chars().take(ids::MAX_LEN).collect();
        unanswered(&Refusal::NoCamera(shown))
    })?;
    Ok(ask::Request { camera, ask: ask.into(), max_tokens })
}

fn unanswered(refusal: &Refusal) -> Unanswered {
    let status = match refusal {
        Refusal::Unreadable(_) | Refusal::Empty | Refusal::TooLong(_) | Refusal::Tokens | Refusal::Unfit(_) => {
            StatusCode::BAD_REQUEST
        }
        Refusal::NoCamera(_) => StatusCode::NOT_FOUND,
        Refusal::NotWatching { .. } | Refusal::NoFrame => StatusCode::CONFLICT,
        Refusal::Busy => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Late(_) => StatusCode::GATEWAY_TIMEOUT,
        Refusal::Model(_) | Refusal::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, refusal.to_string())
}
