#![no_main]

use std::panic;

// libFuzzer's hook ends the process at a panic that is caught, too, as those of the tokenizers library are (`vlm::caught`).
// Without it a panic that nobody catches still ends it.
libfuzzer_sys::fuzz_target!(init: panic::set_hook(Box::new(|_| {})), |data: &[u8]| eyewitness_fuzz::run("model", data));
