//! Ports for brokers, which cannot be told to take any.

use std::{
    net::TcpListener,
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the ports that the system gives to connections, so that none of these takes one between our look and the broker's.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// A port that is free, and that no other test of this process gets.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Processes that run at the same time begin far from each other.
    let start = u16::try_from(process::id().wrapping_mul(397) % u32::from(COUNT)).expect("below the count");
    loop {
        let place = (start + TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind(("127.0.0.1", FIRST + place)).is_ok() {
            return FIRST + place;
        }
    }
}
