//! What a node makes of the silence of others, and of frames that are late.

use aldis_core::{
    Cluster, Moment,
    cluster::{ClusterInput, ClusterOutput, Envelope, Extent, Frame, NodeFrame, Passage, Tidings},
};
use aldis_protocol::NodeId;

fn node(name: &str) -> NodeId {
    NodeId::parse(name).expect("an id")
}

/// A connected node that has heard `other`, at one second.
fn two() -> Cluster {
    let mut cluster = Cluster::new(node("me"));
    cluster.handle_timeout(Moment(1_000));
    cluster.handle_input(Moment(1_000), ClusterInput::BackplaneUp);
    assert_eq!(beat(&mut cluster, 1_000, 1), Passage::Timely);
    tidings(&mut cluster);
    cluster
}

/// A beat of `other`, whose clock is 500 ms behind.
fn beat(cluster: &mut Cluster, now: u64, number: u64) -> Passage {
    arrives(cluster, now, now - 500, NodeFrame::Beat { number })
}

fn arrives(cluster: &mut Cluster, now: u64, sent: u64, frame: NodeFrame) -> Passage {
    let envelope = Envelope { from: node("other"), sent: Moment(sent), frame: Frame::Node { frame } };
    cluster.handle_envelope(Moment(now), &envelope)
}

/// Runs until then, and hears its own probe or does not.
fn run(cluster: &mut Cluster, from: u64, to: u64, probe: ClusterInput) -> Vec<Tidings> {
    let mut heard = Vec::new();
    for now in (from..=to).step_by(1_000) {
        cluster.handle_input(Moment(now), probe);
        cluster.handle_timeout(Moment(now));
        heard.extend(tidings(cluster));
    }
    heard
}

fn tidings(cluster: &mut Cluster) -> Vec<Tidings> {
    let outputs = std::iter::from_fn(|| cluster.poll_output());
    let told = outputs.filter_map(|output| match output {
        ClusterOutput::Tell(tidings) if !matches!(tidings, Tidings::Rtt(_)) => Some(tidings),
        _ => None,
    });
    told.collect()
}

const HEALTHY: ClusterInput = ClusterInput::ProbeHealthy { rtt_ms: 1 };

#[test]
fn a_node_is_silent_after_its_lease_and_heard_again() {
    let mut cluster = two();
    assert_eq!(run(&mut cluster, 2_000, 15_000, HEALTHY), []);
    assert_eq!(run(&mut cluster, 16_000, 16_000, HEALTHY), [Tidings::Silent(node("other"))]);
    assert_eq!(cluster.live().count(), 0);
    beat(&mut cluster, 17_000, 9);
    // It spoke meanwhile, and we did not hear it.
    let compare = Tidings::Compare(node("other"), Extent::All);
    assert_eq!(tidings(&mut cluster), [Tidings::Heard(node("other")), compare]);
    assert_eq!(cluster.live().collect::<Vec<_>>(), [&node("other")]);
}

#[test]
fn silence_counts_only_while_we_hear_ourselves() {
    let mut cluster = two();
    assert_eq!(run(&mut cluster, 2_000, 10_000, HEALTHY), []);
    assert_eq!(run(&mut cluster, 11_000, 60_000, ClusterInput::ProbeMissed), [Tidings::Down]);
    assert_eq!(run(&mut cluster, 61_000, 65_000, HEALTHY), [Tidings::Up]);
    assert_eq!(run(&mut cluster, 66_000, 66_000, HEALTHY), [Tidings::Silent(node("other"))]);
}

#[test]
fn silence_does_not_count_while_we_were_stopped() {
    let mut cluster = two();
    assert_eq!(run(&mut cluster, 2_000, 10_000, HEALTHY), []);
    // What we know is old: everything is asked again.
    assert_eq!(run(&mut cluster, 100_000, 105_000, HEALTHY), [Tidings::Up]);
    beat(&mut cluster, 105_000, 2);
    assert_eq!(tidings(&mut cluster), []);
}

#[test]
fn a_frame_that_was_held_up_is_dropped_whatever_the_clocks_say() {
    let mut cluster = two();
    assert_eq!(arrives(&mut cluster, 40_000, 39_500, NodeFrame::Beat { number: 2 }), Passage::Timely);
    assert_eq!(arrives(&mut cluster, 80_000, 50_000, NodeFrame::Beat { number: 3 }), Passage::Timely);
    assert_eq!(arrives(&mut cluster, 80_600, 50_000, NodeFrame::Beat { number: 4 }), Passage::Dropped);
    // Its own frames come back to it on a room's subject.
    let own = Envelope { from: node("me"), sent: Moment(0), frame: Frame::Node { frame: NodeFrame::Bye {} } };
    assert_eq!(cluster.handle_envelope(Moment(81_000), &own), Passage::Dropped);
}

#[test]
fn a_goodbye_needs_no_lease() {
    let mut cluster = two();
    arrives(&mut cluster, 2_000, 1_500, NodeFrame::Bye {});
    assert_eq!(tidings(&mut cluster), [Tidings::Silent(node("other"))]);
    assert_eq!(run(&mut cluster, 2_000, 90_000, HEALTHY), []);
}

#[test]
fn what_was_lost_on_the_way_in_is_asked_for_with_the_next_beat_and_once() {
    let mut cluster = two();
    assert_eq!(run(&mut cluster, 2_000, 4_000, HEALTHY), []);
    for _ in 0..3 {
        cluster.handle_input(Moment(4_500), ClusterInput::FramesMissed);
    }
    assert_eq!(tidings(&mut cluster), [], "more would come on top");
    assert_eq!(run(&mut cluster, 5_000, 8_000, HEALTHY), [Tidings::Up]);
}
