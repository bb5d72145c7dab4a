#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| socketio_proto_fuzz::bodies::snapshot::snapshot(input));
