//! Any bytes where a PROXY header is expected: reading it never panics, takes not one byte beyond it, and finds the same whatever follows.

#![no_main]

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use aldis_server::proxy_protocol::{Origin, read};
use libfuzzer_sys::fuzz_target;

/// What no header is longer than.
const MOST: usize = 2_048;

fuzz_target!(|bytes: &[u8]| {
    let Some((origin, length)) = header(bytes) else { return };
    assert!(length <= MOST);
    assert_eq!(header(&bytes[..length]), Some((origin, length)), "nothing was read beyond it");
    let followed = [&bytes[..length], b"GET / HTTP/1.1\r\n"].concat();
    assert_eq!(header(&followed), Some((origin, length)));
    assert_eq!(header(&bytes[..length - 1]), None, "all of it was needed");
});

/// Whom a header names, and how long it is.
fn header(bytes: &[u8]) -> Option<(Origin, usize)> {
    let mut rest = bytes;
    let found = match pin!(read(&mut rest)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(found) => found.ok(),
        Poll::Pending => panic!("bytes that are there are not waited for"),
    };
    found.map(|origin| (origin, bytes.len() - rest.len()))
}
