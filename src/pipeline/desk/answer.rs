//! One question after the other to the model, and what comes of it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::words::{tidy, yes_or_no};
use super::{Questions, Sight, Waiting, whole_seconds};
use crate::analyst::{Ask, Inbox};
use crate::ask::{Refusal, Reply, Request};
use crate::clock::Moment;
use crate::event::YesNo;
use crate::ids::CameraId;
use crate::rules::{self, Agree, Bounds, Calibrated, Tally};
use crate::units::Region;
use crate::vlm::{AskError, Question};

/// Works until the desk is closed or the daemon stops; then the desk is closed.
pub(in crate::pipeline) async fn serve<A: Ask>(
    desk: Arc<Questions>,
    model: A,
    inbox: Arc<Inbox>,
    stopping: CancellationToken,
) {
    loop {
        let waiting = tokio::select! {
            biased;
            () = stopping.cancelled() => break,
            waiting = desk.next() => waiting,
        };
        let Some(Waiting { request, asked, deadline, mut reply }) = waiting else { break };
        let began = desk.clock.now();
        let answered = tokio::select! {
            biased;
            () = stopping.cancelled() => Err(Refusal::Stopping),
            // Whoever asked is gone, so the model is free for the next one.
            () = reply.closed() => Err(Refusal::Stopping),
            answered = answer(&desk, &model, &request, asked, deadline) => answered,
        };
        let busy = match &answered {
            Ok((_, busy)) => *busy,
            Err(_) => desk.clock.now().since(began),
        };
        inbox.charge(&request.camera, busy);
        // It may be gone.
        reply.send(answered.map(|(reply, _)| reply)).ok();
    }
    desk.close();
}

/// The answer, and how long the model was busy with it.
async fn answer<A: Ask>(
    desk: &Questions,
    model: &A,
    request: &Request,
    asked: Moment,
    deadline: Moment,
) -> Result<(Reply, Duration), Refusal> {
    let Sight { frame, masks, general } = desk.sight(&request.camera)?;
    let began = desk.clock.now();
    let text: Arc<str> = tidy(&request.ask).into();
    let asks = asks(&text, model.both_ways());
    let mut question = Question {
        picture: frame.picture,
        view: Region::WHOLE,
        masks,
        prompt: text.clone(),
        describe: true,
        recall: None,
        // What a description names is asked back; "Yes." names nothing.
        check: asks.is_empty(),
        asks,
        max_tokens: request.max_tokens.unwrap_or(general.max_tokens),
        deadline,
    };
    let answered = match model.ask(question.clone()).await {
        // Words are an answer, too.
        Err(AskError::NoYesNo) => {
            question.asks.clear();
            model.ask(question).await
        }
        answered => answered,
    };
    let answer = answered.map_err(|error| refusal(error, general.deadline))?;
    let busy = answer.timing.total.saturating_sub(answer.timing.wait);
    desk.metrics.answer(answer.tokens as u64, answer.timing.first_token, busy);
    debug!(camera = %request.camera, confidence = answer.confidence, p = answer.p_yes.first(), "answered a question");
    let decided = decided(desk, &request.camera, &text, &answer.p_yes, frame.at);
    let reply = Reply {
        camera: request.camera.clone(),
        ask: request.ask.clone(),
        confidence: answer.confidence,
        answer: decided.map(|(answer, _)| answer),
        p: decided.map(|(_, p)| p),
        frame_at: frame.at.wall,
        model: model.label().to_owned(),
        timing_ms: answer.timing.in_ms(began.since(asked)),
        text: answer.text,
    };
    Ok((reply, busy))
}

/// For yes or no; turned round as well where the model set is better with it.
fn asks(text: &Arc<str>, both_ways: bool) -> Vec<Arc<str>> {
    if !yes_or_no(text) {
        return Vec::new();
    }
    let negated = both_ways.then(|| rules::negated(text)).flatten().map(Arc::from);
    std::iter::once(text.clone()).chain(negated).collect()
}

/// The answer of this one frame and the probability of yes, as the rules have them; `None`: nothing of the kind was asked.
fn decided(desk: &Questions, camera: &CameraId, text: &str, p_yes: &[f32], at: Moment) -> Option<(YesNo, f32)> {
    let p = match *p_yes {
        [plain, turned] => rules::combine(plain, turned),
        [plain, ..] => plain,
        [] => return None,
    };
    let Calibrated { p, calibrated } = desk.calibrations.apply(Some(camera), None, text, p);
    let bounds = if calibrated { Bounds::CALIBRATED } else { Bounds::WIDE };
    Some((Tally::new(Agree::LAST, Duration::ZERO).answer(p, bounds, at).answer, p))
}

fn refusal(error: AskError, deadline: Duration) -> Refusal {
    match error {
        AskError::Expired => Refusal::Late(whole_seconds(deadline)),
        AskError::Prompt(error) => Refusal::Unfit(error.to_string()),
        error => {
            let because = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            Refusal::Model(format!("{error}{because}"))
        }
    }
}
