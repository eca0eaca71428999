//! Ports for programs that cannot be told to take any, and for nodes that come back where they were.

use std::{
    net::TcpListener,
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the ports that the system gives to connections, so that none of these takes one between our look and the program's; and apart
/// from those of the server's tests.
const FIRST: u16 = 4_000;
const COUNT: u16 = 7_500;

/// A port that is free, and that nobody else in this process gets.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Runners that run at the same time begin far from each other.
    let start = u16::try_from(process::id().wrapping_mul(397) % u32::from(COUNT)).unwrap_or(0);
    loop {
        let place = (start + TAKEN.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", FIRST + place)).is_ok() {
            return FIRST + place;
        }
    }
}
