//! The way to the server as tables: what happens, when, and what is to be done then.

use aldis_protocol::{CloseCode, ErrorCode, WireError};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn at(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

fn closed(code: CloseCode) -> Failure {
    Error::Closed { code: code.code(), reason: String::new(), error: None }.into()
}

fn broke() -> Failure {
    Error::Closed { code: 1006, reason: String::new(), error: None }.into()
}

fn overloaded(ms: u64) -> Failure {
    let problem = WireError::new(ErrorCode::Overloaded).retry_after(ms);
    Error::Refused { status: 503, problem: Some(Box::new(problem)) }.into()
}

/// What is to be done, in words.
fn words(steps: &[Step]) -> Vec<String> {
    let word = |step: &Step| match step {
        Step::Connect => "connect".to_owned(),
        Step::Reconnecting { retry_in, .. } => format!("reconnecting in {}", retry_in.as_millis()),
        Step::Failed(error) => format!("failed: {error}"),
        Step::Doubt => "doubt".to_owned(),
    };
    steps.iter().map(word).collect()
}

/// Two connections later than its first, so that nothing is fresh.
fn standing() -> Way {
    let mut way = Way::new(true, PATIENCE, at(0));
    assert_eq!(words(&way.start(at(0))), ["connect"]);
    way.welcomed(at(10));
    assert_eq!(words(&way.poll(at(5_010))), [""; 0]);
    way
}

#[test]
fn what_an_end_means() {
    let cases = [
        (closed(CloseCode::Restart), "reconnecting in 250"),
        (closed(CloseCode::Timeout), "reconnecting in 250"),
        (closed(CloseCode::SlowReader), "reconnecting in 250"),
        (broke(), "reconnecting in 250"),
        (closed(CloseCode::Overload), "reconnecting in 2000"),
        (closed(CloseCode::RateLimited), "reconnecting in 2000"),
        (closed(CloseCode::Removed), "failed: closed with 4410"),
        (closed(CloseCode::Replaced), "failed: closed with 4409"),
        (closed(CloseCode::Forbidden), "failed: closed with 4403"),
    ];
    for (failure, expected) in cases {
        let mut way = standing();
        assert_eq!(words(&way.lost(failure, 0.5, at(10_000))), [expected]);
        assert!(!way.stands());
        assert_eq!(way.is_over(), expected.starts_with("failed"));
    }
    for failure in [closed(CloseCode::Unauthorized), closed(CloseCode::Superseded)] {
        let mut way = standing();
        assert_eq!(words(&way.lost(failure, 0.5, at(10_000))), ["reconnecting in 0", "connect"]);
    }
}

#[test]
fn waits_grow_and_a_connection_that_stands_for_a_while_ends_that() {
    let mut way = standing();
    assert_eq!(words(&way.lost(broke(), 0.5, at(10_000))), ["reconnecting in 250"]);
    let mut now = 10_250;
    for wait in [500, 1_000, 2_000, 4_000, 7_500, 7_500] {
        assert_eq!(way.next_at(), Some(at(now)));
        assert_eq!(words(&way.poll(at(now))), ["connect"]);
        assert_eq!(words(&way.refused(broke(), 0.5, at(now))), [format!("reconnecting in {wait}")]);
        now += wait;
    }
    // One that breaks at once is no success.
    assert_eq!(words(&way.poll(at(now))), ["connect"]);
    way.welcomed(at(now));
    assert_eq!(words(&way.lost(broke(), 0.5, at(now + 4_999))), ["reconnecting in 7500"]);
    assert_eq!(words(&way.poll(at(now + 12_499))), ["connect"]);
    way.welcomed(at(now + 12_500));
    assert_eq!(words(&way.poll(at(now + 17_500))), [""; 0]);
    assert_eq!(words(&way.lost(broke(), 0.5, at(now + 17_501))), ["reconnecting in 250"]);
}

#[test]
fn what_the_server_asks_for_is_obeyed_whatever_happens_to_the_network() {
    let mut way = standing();
    way.lost(broke(), 0.0, at(10_000));
    assert_eq!(words(&way.poll(at(10_000))), ["connect"]);
    assert_eq!(words(&way.refused(overloaded(4_000), 0.5, at(10_000))), ["reconnecting in 4500"]);
    assert_eq!(words(&way.network_changed(at(11_000))), [""; 0]);
    assert_eq!(way.next_at(), Some(at(14_000)));
    assert_eq!(words(&way.poll(at(13_999))), [""; 0]);
    assert_eq!(words(&way.poll(at(14_000))), ["connect"]);
}

#[test]
fn a_network_that_is_back_is_tried_at_once_but_not_again_and_again() {
    let mut way = standing();
    assert_eq!(words(&way.network_changed(at(9_000))), ["doubt"]);
    way.lost(broke(), 0.9, at(10_000));
    way.network_changed(at(10_100));
    assert_eq!(words(&way.poll(at(10_100))), ["connect"]);
    way.refused(broke(), 0.9, at(10_200));
    way.network_changed(at(10_300));
    assert_eq!(way.next_at(), Some(at(11_100)), "a second after the last attempt");
    // An attempt that hangs is replaced.
    assert_eq!(words(&way.poll(at(11_100))), ["connect"]);
    assert_eq!(words(&way.network_changed(at(12_099))), [""; 0]);
    assert_eq!(words(&way.network_changed(at(12_100))), ["connect"]);
}

#[test]
fn a_server_that_goes_is_left_when_the_next_connection_stands() {
    let mut way = standing();
    way.hinted(Duration::from_secs(25), 0.4, at(10_000));
    way.hinted(Duration::from_secs(1), 0.4, at(10_000));
    assert_eq!(way.next_at(), Some(at(17_500)), "the first hint counts");
    assert_eq!(words(&way.poll(at(20_000))), ["connect"]);
    assert!(way.stands());
    // Another one that cannot be had yet costs nothing: not even a word.
    assert_eq!(words(&way.refused(broke(), 0.5, at(20_010))), [""; 0]);
    assert_eq!(words(&way.poll(at(20_259))), [""; 0]);
    assert_eq!(words(&way.poll(at(20_260))), ["connect"]);
    way.welcomed(at(20_270));
    assert!(way.stands());
}

#[test]
fn who_breaks_while_the_next_is_on_its_way_changes_nothing_about_that() {
    // Hinted: at once.
    let mut way = standing();
    way.hinted(Duration::from_secs(25), 0.4, at(10_000));
    assert_eq!(words(&way.lost(closed(CloseCode::Restart), 0.5, at(11_000))), ["reconnecting in 0", "connect"]);
    // Trying: it goes on.
    assert_eq!(words(&way.refused(broke(), 0.0, at(11_100))), ["reconnecting in 0"]);
    assert_eq!(words(&way.poll(at(11_100))), ["connect"]);
    way.welcomed(at(11_200));
    way.hinted(Duration::from_secs(1), 0.0, at(20_000));
    assert_eq!(words(&way.poll(at(20_000))), ["connect"]);
    assert_eq!(words(&way.lost(closed(CloseCode::Superseded), 0.5, at(20_100))), [""; 0]);
    assert_eq!(way.next_at(), None, "its `welcome` is on the way");
    // Waiting: it goes on too, and says how long.
    let mut way = standing();
    way.hinted(Duration::ZERO, 0.0, at(10_000));
    way.poll(at(10_000));
    way.refused(overloaded(5_000), 0.0, at(10_100));
    assert_eq!(words(&way.lost(broke(), 0.5, at(11_100))), ["reconnecting in 4000"]);
    assert_eq!(words(&way.poll(at(15_100))), ["connect"]);
}

#[test]
fn superseded_twice_in_a_row_is_no_race_against_oneself() {
    let mut way = standing();
    assert_eq!(words(&way.lost(closed(CloseCode::Superseded), 0.5, at(10_000))), ["reconnecting in 0", "connect"]);
    way.welcomed(at(10_010));
    assert_eq!(words(&way.lost(closed(CloseCode::Superseded), 0.5, at(10_020))), ["reconnecting in 500"]);
}

#[test]
fn a_second_token_that_is_refused_is_final_and_so_is_the_first_that_cannot_be_renewed() {
    let mut way = standing();
    let refused = || closed(CloseCode::Unauthorized);
    assert_eq!(words(&way.lost(refused(), 0.5, at(10_000))), ["reconnecting in 0", "connect"]);
    assert_eq!(words(&way.refused(refused(), 0.5, at(10_100))), ["failed: closed with 4401"]);
    assert_eq!(words(&way.poll(at(60_000))), [""; 0]);
    assert_eq!((way.next_at(), way.is_over()), (None, true));

    let mut way = Way::new(false, PATIENCE, at(0));
    way.start(at(0));
    assert_eq!(words(&way.refused(refused(), 0.5, at(100))), ["failed: closed with 4401"]);
}

#[test]
fn joining_is_given_up_with_the_last_reason() {
    let mut way = Way::new(true, PATIENCE, at(0));
    way.start(at(0));
    let mut now = at(0);
    let mut attempts = 1;
    let end = loop {
        let steps = way.refused(broke(), 0.99, now);
        if !steps.is_empty() {
            break words(&steps);
        }
        now = way.next_at().expect("another attempt");
        assert_eq!(words(&way.poll(now)), ["connect"], "nothing is told before it has joined");
        attempts += 1;
    };
    assert_eq!((end, attempts), (vec!["failed: closed with 1006".to_owned()], 6));
    assert!(now < at(30_000));

    // An attempt that hangs.
    let mut way = Way::new(true, PATIENCE, at(0));
    way.start(at(0));
    assert_eq!(way.next_at(), Some(at(30_000)));
    assert_eq!(words(&way.poll(at(30_000))), ["failed: joining took too long"]);
    assert_eq!(words(&way.refused(broke(), 0.5, at(30_001))), [""; 0]);
}

#[test]
fn who_has_left_stays_away() {
    let mut way = standing();
    way.hinted(Duration::from_secs(1), 0.5, at(10_000));
    way.leave();
    assert_eq!((way.next_at(), way.stands(), way.is_over()), (None, false, true));
    assert_eq!(words(&way.lost(broke(), 0.5, at(10_100))), [""; 0]);
    assert_eq!(words(&way.poll(at(20_000))), [""; 0]);
}
