#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (fuzz::target("json_bodies").run)(data));
