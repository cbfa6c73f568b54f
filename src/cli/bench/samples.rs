//! A run that never was, for tests.

use std::collections::BTreeMap;

use super::document::{Document, Model, Picture, Runtime, SCHEMA};
use super::frame_to_broker::FrameToBroker;
use crate::measure::{Allocations, Machine, Memory, Placement, Rounds, Spread, StageTimes, Summary};

fn times(stage: &str, median: f64) -> StageTimes {
    StageTimes {
        stage: stage.into(),
        ms: Spread { median, p95: median * 1.5, least: median / 2.0, most: median * 2.0 },
    }
}

fn summary(variant: &str, precision: &str, threads: usize, tokens: usize) -> Summary {
    Summary {
        label: format!("tiny/{variant}"),
        provider: "cpu".into(),
        precision: [precision, precision, precision].map(str::to_owned),
        threads,
        library: "/usr/lib/libonnxruntime.so.1.32.0".into(),
        rounds: Rounds { warm_up: 3, timed: 20 },
        prompt_tokens: 95,
        tokens,
        text: "A man walks.".into(),
        load_ms: 412.0,
        stages: vec![
            times("wait", 0.02),
            times("encode", 20.0),
            times("per token", 3.25),
            times("whole description", 1234.5),
        ],
        host_share: 0.032,
        memory: Some(Memory { before_mib: 20.0, after_mib: 110.0, peak_mib: 130.5, peak_is_own: true }),
        allocations: Some(Allocations {
            count: Spread { median: 412.0, p95: 420.0, least: 410.0, most: 420.0 },
            rounds: 5,
        }),
        placement: vec![Placement { part: "decoder".into(), provider: "cpu".into(), nodes: 210 }],
    }
}

pub(super) fn document() -> Document {
    let machine = Machine {
        cpu: "AMD EPYC 7B13".into(),
        cores: 2,
        architecture: "x86_64".into(),
        memory_mib: 7948,
        system: "Debian GNU/Linux 12 (bookworm)".into(),
        load: 0.4,
    };
    let sha256 = BTreeMap::from([("int8".to_owned(), "3f2a91c0".repeat(8)), ("fp32".to_owned(), "77".repeat(32))]);
    Document {
        schema: SCHEMA.into(),
        version: "0.1.0".into(),
        debug_build: false,
        at: jiff::Timestamp::UNIX_EPOCH,
        machine,
        runtime: Runtime { library: "/usr/lib/libonnxruntime.so.1.32.0".into(), version: Some("1.32.0".into()) },
        model: Model { name: "tiny".into(), sha256 },
        picture: Picture {
            words: "a drawn 1920x1080 frame, NV12 as from a camera".into(),
            width: 1920,
            height: 1080,
            format: "nv12".into(),
        },
        prompt: "Describe the scene.".into(),
        max_tokens: 48,
        combinations: vec![summary("int8@cpu", "int8", 2, 9), summary("fp32@cpu", "fp32", 1, 9)],
        frame_to_broker: Some(FrameToBroker {
            name: "int8@cpu, 2 threads".into(),
            events: 20,
            stages: vec![times("publish", 0.5), times("frame to acknowledgement", 60.0)],
        }),
        frame_to_broker_skipped: None,
        compared: None,
    }
}
