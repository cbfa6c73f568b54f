#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyewitness_fuzz::run("command", data));
