//! One outage in fair weather, with a message each second both ways.

use crate::{
    checker::{Counts, Stay},
    scene::Event,
    world::{RULES, World},
};

fn run(outage_ms: u64, relay_after_ms: u64) -> Counts {
    let mut world = World::new(1, RULES);
    world.outage_ms = Some(outage_ms);
    for side in [0, 1] {
        world.connect(side);
    }
    world.run_until(500);
    for second in 1..=120 {
        for side in [0, 1] {
            world.scene.agenda.after(second * 1_000, Event::Writes { side, count: 1 });
        }
    }
    world.scene.agenda.after(10_000, Event::Cuts { side: 1, relay_after_ms, side_after_ms: 0 });
    world.run_until(130_000);
    let number = if outage_ms.saturating_sub(relay_after_ms) < 30_000 { 1 } else { 2 };
    assert_eq!(world.scene.stays[1], Stay { side: 1, number });
    world.finish();
    assert!(world.scene.checker.violations.is_empty(), "{:?}", world.scene.checker.violations);
    world.scene.checker.counts
}

#[test]
fn outages_up_to_25_s_lose_nothing() {
    for (outage_ms, relay_after_ms) in [(1_000, 0), (20_000, 0), (20_000, 25_000), (25_000, 25_000)] {
        let Counts { sent, delivered, .. } = run(outage_ms, relay_after_ms);
        assert_eq!((sent, delivered), (240, 240), "{outage_ms} ms, noticed after {relay_after_ms}");
    }
}

#[test]
fn of_longer_ones_what_is_rejected_is_what_was_sent_during_the_outage() {
    // The stay goes on after the first; after the second another one begins.
    for (outage_ms, relay_after_ms) in [(40_000, 20_000), (70_000, 0)] {
        let Counts { sent, delivered, .. } = run(outage_ms, relay_after_ms);
        let rejected = sent - delivered;
        assert!((1..=2 * outage_ms / 1_000).contains(&rejected), "{outage_ms} ms: {rejected} of {sent}");
    }
}
