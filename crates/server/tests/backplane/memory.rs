//! The bus inside a process.

use std::cell::Cell;

use aldis_server::backplane::{Event, MAX_PAYLOAD, MemoryBus, Refused};

use crate::{
    brokers::{Broker, within},
    contract::contract,
    support::{Hears, Node},
};

contract!(MemoryBus);

/// How many of the largest frames a node keeps for whoever takes them: 32 MiB.
const KEPT: u64 = 256;

/// Says as much as one can who is heard by nobody.
async fn flood(speaker: &Node, hearer: &Node, frames: u64) {
    let text = "x".repeat(MAX_PAYLOAD);
    for _ in 0..frames {
        within("room in the queue", async {
            while speaker.say(&hearer.inbox(), &text) == Err(Refused::Full) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn what_nobody_takes_is_bounded_in_bytes_and_what_is_dropped_is_told() {
    let bus = MemoryBus::start().await;
    let (mut north, mut south) = (bus.node("north"), bus.node("south"));
    north.up().await;
    south.up().await;
    flood(&south, &north, KEPT + 44).await;
    north.counts("dropped_total{reason=\"full\"}", 44.0).await;
    let (taken, told) = (Cell::new(0), Cell::new(0));
    let all = |event: &Event| {
        match event {
            Event::Frame { .. } => taken.set(taken.get() + 1),
            Event::Gap { events } => told.set(told.get() + events),
            _ => {}
        }
        (taken.get() + told.get() == KEPT + 44).then_some(())
    };
    north.until("every frame, or word of it", all).await;
    assert_eq!((taken.get(), told.get()), (KEPT, 44));
    // There is room again.
    south.say(&north.inbox(), "hello").expect("accepted");
    assert_eq!(north.heard().await, "hello");
}
