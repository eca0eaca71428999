//! Any bytes from a broker: neither their carrier nor what it carries makes a node panic, and whatever is understood is understood the same
//! way when it is passed on.
//!
//! The bytes are signed here, as a node with the right key and a mistake would: without that the fuzzer would never get past the MAC.

#![no_main]

use aldis_core::cluster::Frame;
use aws_lc_rs::hmac;
use libfuzzer_sys::fuzz_target;

// What it looks for beside itself.
use aldis_server::mac_ring;

// The module alone: what it says is private to the backplane.
#[allow(dead_code, reason = "the backplane's")]
#[path = "../../crates/server/src/backplane/frame.rs"]
mod carrier;

const SUBJECT: &str = "aldis.n";

fuzz_target!(|bytes: &[u8]| {
    read(bytes);

    let key = hmac::Key::new(hmac::HMAC_SHA256, b"fuzz");
    let sealer = carrier::Sealer::new(key.clone().into());
    let name = [&[SUBJECT.len() as u8], SUBJECT.as_bytes()].concat();
    let mac = hmac::sign(&key, &[&*name, bytes].concat());
    let sealed = [bytes, mac.as_ref()].concat();
    if let Ok(frame) = sealer.open(SUBJECT, &sealed) {
        assert_eq!(sealer.seal(SUBJECT, &frame), sealed);
        read(frame.payload);
    }
    // Unsigned, nothing counts.
    assert!(sealer.open(SUBJECT, bytes).is_err());
});

fn read(payload: &[u8]) {
    if let Ok(frame) = Frame::from_bytes(payload) {
        // Not the same bytes: JSON may have come with white space around it.
        assert_eq!(Frame::from_bytes(&frame.to_bytes()), Ok(frame));
    }
}
