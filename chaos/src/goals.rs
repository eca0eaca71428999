//! What the long form has to reach, beside breaking no promise.

use std::time::Duration;

use crate::{check::Verdict, faults::Fault};

/// The share of stays that go on, in percent.
const RESUMED: f64 = 99.5;

/// How soon after a kill half of the clients are back, and nearly all.
const HALF_BACK: Duration = Duration::from_secs(1);
const ALL_BACK: Duration = Duration::from_millis(2_500);

/// How soon after a healing all peers of a room see the same.
const AGREED: Duration = Duration::from_secs(5);

/// Which goals a run has missed, in words.
pub(crate) fn missed(fault: Fault, verdict: &Verdict) -> Vec<String> {
    let returns = &verdict.returns;
    let shares = [("stays", returns.resumed_percent()), ("stays of whole rooms", returns.together_percent())];
    let shares = shares.into_iter().filter_map(|(what, share)| {
        share.filter(|share| *share < RESUMED).map(|share| format!("{share:.2} % of {what} went on, not {RESUMED} %"))
    });
    let times = [
        ("half of the clients were back", returns.gap(50).filter(|_| fault == Fault::Kill), HALF_BACK),
        ("99 % of the clients were back", returns.gap(99).filter(|_| fault == Fault::Kill), ALL_BACK),
        ("all rosters agreed", verdict.rosters.agreed, AGREED),
    ];
    let times = times.into_iter().filter_map(|(what, time, goal)| {
        time.filter(|time| *time > goal).map(|time| format!("{what} after {time:.1?}, not {goal:?}"))
    });
    shares.chain(times).collect()
}
