//! Questions from outside that are being answered, and answers that wait to be published. Both are bounded, so that nobody who
//! asks too much holds up delivery or takes memory: what is too much is refused in words, and then only counted.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;
use tokio::task::{Id, JoinError, JoinSet};
use tracing::{debug, warn};

use crate::ask::{Desk, Refusal, Reply, Request};

use super::command::{Refused, ReturnAddress};
use super::message::{Message, Properties};

/// Questions that the desk has and has not answered.
const OPEN: usize = 16;
/// Answers that wait for room in the window, in bytes on the wire. The refusals of a thousand questions are a quarter of it.
const WAITING: usize = 1 << 20;

/// Somebody's question, while it is open.
#[derive(Debug)]
struct Open {
    to: ReturnAddress,
    request: Request,
}

/// One connection's questions. What is open or waiting when it ends goes with it: whoever asked sees the connection end, too.
#[derive(Debug, Default)]
pub(super) struct Questions {
    answering: JoinSet<Result<Reply, Refusal>>,
    open: HashMap<Id, Open>,
    waiting: VecDeque<Message>,
    bytes: usize,
    dropped: u64,
}

impl Questions {
    /// Takes a question to the desk, or refuses it.
    pub(super) fn ask(&mut self, desk: &dyn Desk, request: Request, to: ReturnAddress) {
        if self.open.len() >= OPEN {
            return self.refuse(&request, to, &Refusal::Busy);
        }
        debug!(camera = %request.camera, "a question came");
        let answering = desk.ask(request.clone());
        // A task of its own: whatever the desk does, delivery goes on.
        let id = self.answering.spawn(answering).id();
        self.open.insert(id, Open { to, request });
    }

    /// The next answer, and puts it among those that wait. For ever, while none is open.
    pub(super) async fn answered(&mut self) {
        match self.answering.join_next_with_id().await {
            Some(Ok((id, answer))) => self.close(id, answer),
            // Withdrawn when we went.
            Some(Err(error)) if error.is_cancelled() => _ = self.open.remove(&error.id()),
            Some(Err(error)) => self.close(error.id(), Err(failed(&error))),
            None => std::future::pending().await,
        }
    }

    /// The answer that leaves next.
    pub(super) fn next(&mut self) -> Option<Message> {
        let next = self.waiting.pop_front()?;
        self.bytes -= next.wire_size();
        Some(next)
    }

    /// Whether an answer waits to leave.
    pub(super) fn has_answers(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// All that is open is refused: we go.
    pub(super) fn stop(&mut self) {
        self.answering.abort_all();
        for Open { to, request } in std::mem::take(&mut self.open).into_values() {
            self.refuse(&request, to, &Refusal::Stopping);
        }
    }

    /// What cannot even be asked.
    pub(super) fn refused(&mut self, refused: Refused) {
        let Refused { to, ask, words } = refused;
        debug!(topic = to.topic, reason = words, "a question was refused");
        self.wait(answer(to, &Failed { error: words, ask: ask.as_deref() }));
    }

    /// The connection has ended.
    pub(super) fn ended(&self) {
        let (open, waiting, dropped) = (self.open.len(), self.waiting.len(), self.dropped);
        if open + waiting > 0 || dropped > 0 {
            debug!(open, waiting, dropped, "questions of this connection stay without an answer");
        }
    }

    fn refuse(&mut self, request: &Request, to: ReturnAddress, refusal: &Refusal) {
        debug!(camera = %request.camera, reason = %refusal, "a question was refused");
        self.wait(answer(to, &Failed { error: refusal.to_string(), ask: Some(&request.ask) }));
    }

    fn close(&mut self, id: Id, answered: Result<Reply, Refusal>) {
        let Some(Open { to, request }) = self.open.remove(&id) else { return };
        match answered {
            Ok(reply) => self.wait(answer(to, &reply)),
            Err(refusal) => self.refuse(&request, to, &refusal),
        }
    }

    fn wait(&mut self, answer: Message) {
        let size = answer.wire_size();
        if self.bytes + size > WAITING {
            self.dropped += 1;
            if self.dropped == 1 {
                debug!("more answers wait than there is room for: some are dropped");
            }
            return;
        }
        self.bytes += size;
        self.waiting.push_back(answer);
    }
}

#[derive(Serialize)]
struct Failed<'a> {
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask: Option<&'a str>,
}

fn answer(to: ReturnAddress, payload: &impl Serialize) -> Message {
    let ReturnAddress { topic, correlation } = to;
    let properties = Properties { correlation, content_type: Some("application/json"), user: Vec::new() };
    Message { properties, ..Message::new(topic, payload, false) }
}

fn failed(error: &JoinError) -> Refusal {
    warn!(%error, "the answer to a question failed");
    Refusal::Model("it failed in an unexpected way; the log says more".to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ids::CameraId;

    fn address(correlation: usize) -> ReturnAddress {
        let correlation = (correlation > 0).then(|| Bytes::from(vec![0xff; correlation]));
        ReturnAddress { topic: "p/n/c/answer".into(), correlation }
    }

    #[test]
    fn answers_that_nobody_takes_are_bounded_in_bytes() {
        let mut questions = Questions::default();
        for _ in 0..10_000 {
            questions.refused(Refused { to: address(1000), ask: Some("Is there a dog?".into()), words: "no".into() });
        }
        assert!(questions.bytes <= WAITING && questions.waiting.len() > 900, "{}", questions.waiting.len());
        assert_eq!(questions.dropped + questions.waiting.len() as u64, 10_000);
        while questions.next().is_some() {}
        assert_eq!((questions.bytes, questions.has_answers()), (0, false));
    }

    #[tokio::test]
    async fn so_many_are_open_and_the_others_are_refused() {
        struct Silent;
        impl Desk for Silent {
            fn ask(&self, _request: Request) -> crate::ask::Answering {
                Box::pin(std::future::pending())
            }
            fn enable(&self, _camera: &CameraId, _on: bool) -> Result<(), Refusal> {
                Ok(())
            }
        }
        let mut questions = Questions::default();
        let request = Request { camera: CameraId::new("c").unwrap(), ask: "Is there a dog?".into(), max_tokens: None };
        for _ in 0..20 {
            questions.ask(&Silent, request.clone(), address(0));
        }
        assert_eq!((questions.open.len(), questions.waiting.len()), (OPEN, 20 - OPEN));
        questions.stop();
        assert_eq!((questions.open.len(), questions.waiting.len()), (0, 20));
        let last = questions.waiting.back().unwrap();
        assert_eq!(last.payload, r#"{"error":"Eyewitness is stopping","ask":"Is there a dog?"}"#);
        // What was withdrawn is nobody's answer any more.
        for _ in 0..OPEN {
            questions.answered().await;
        }
        assert_eq!(questions.waiting.len(), 20);
    }
}
