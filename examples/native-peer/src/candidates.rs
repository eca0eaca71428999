//! Candidates that wait for the description they belong to.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use webrtc::peer_connection::RTCIceCandidateInit;

/// How long one waits.
const HOLD: Duration = Duration::from_secs(10);

/// How many wait; the oldest makes room.
const HOLD_MAX: usize = 64;

/// The candidates of one connection that came too early.
#[derive(Default)]
pub struct Candidates(VecDeque<(Instant, RTCIceCandidateInit)>);

impl Candidates {
    /// Keeps one.
    pub fn hold(&mut self, candidate: RTCIceCandidateInit, now: Instant) {
        self.0.push_back((now, candidate));
        if self.0.len() > HOLD_MAX {
            self.0.pop_front();
        }
    }

    /// Gives back those that belong to a description, and forgets those that have waited too long.
    pub fn release(&mut self, sdp: &str, now: Instant) -> Vec<RTCIceCandidateInit> {
        let waiting = self.0.drain(..).filter(|(since, _)| now.duration_since(*since) < HOLD);
        let (ready, early): (VecDeque<_>, _) = waiting.partition(|(_, candidate)| belongs(candidate, sdp));
        self.0 = early;
        ready.into_iter().map(|(_, candidate)| candidate).collect()
    }
}

/// Whether a candidate is for what remains where all sections share one transport: that of the first, without a component for RTCP. Firefox
/// names others with the same credentials: a connection over one of those would lead nowhere.
pub fn is_shared(candidate: &RTCIceCandidateInit) -> bool {
    let component = candidate.candidate.split_ascii_whitespace().nth(1);
    candidate.sdp_mline_index.unwrap_or_default() == 0 && component.is_none_or(|component| component == "1")
}

/// Whether a candidate is of this description: RFC 8839, section 5.4.
pub fn belongs(candidate: &RTCIceCandidateInit, sdp: &str) -> bool {
    match candidate.username_fragment.as_deref() {
        None | Some("") => true,
        Some(fragment) => fragments(sdp).any(|known| known == fragment),
    }
}

/// The user fragments of a description's ICE.
pub fn fragments(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines().filter_map(|line| line.strip_prefix("a=ice-ufrag:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fragment: Option<&str>) -> RTCIceCandidateInit {
        RTCIceCandidateInit { username_fragment: fragment.map(str::to_owned), ..Default::default() }
    }

    #[test]
    fn one_waits_for_its_description_and_not_for_ever() {
        let start = Instant::now();
        let mut candidates = Candidates::default();
        candidates.hold(of(Some("old")), start);
        candidates.hold(of(Some("new")), start + HOLD / 2);
        assert_eq!(candidates.release("a=ice-ufrag:ne\r\n", start), []);
        assert_eq!(candidates.release("v=0\r\na=ice-ufrag:new\r\n", start + HOLD), [of(Some("new"))]);
        assert_eq!(candidates.release("a=ice-ufrag:old\r\n", start + HOLD), [], "it has waited too long");
    }

    #[test]
    fn the_oldest_makes_room() {
        let now = Instant::now();
        let mut candidates = Candidates::default();
        (0..=HOLD_MAX).for_each(|at| candidates.hold(of(Some(&at.to_string())), now));
        assert_eq!(candidates.release("a=ice-ufrag:0\n", now), []);
        assert_eq!(candidates.release("a=ice-ufrag:64\n", now).len(), 1);
    }

    #[test]
    fn only_those_of_the_shared_transport_count() {
        let cases = [
            (Some(0), "candidate:0 1 UDP 2122187007 192.0.2.2 47598 typ host", true),
            (None, "candidate:0 1 UDP 2122187007 192.0.2.2 47598 typ host", true),
            (Some(0), "", true),
            (Some(0), "candidate:0 2 UDP 2122187006 192.0.2.2 34010 typ host", false),
            (Some(2), "candidate:0 1 UDP 2122187007 192.0.2.2 52029 typ host", false),
        ];
        for (sdp_mline_index, candidate, expected) in cases {
            let candidate = candidate.to_owned();
            let candidate = RTCIceCandidateInit { candidate, sdp_mline_index, ..Default::default() };
            assert_eq!(is_shared(&candidate), expected, "{candidate:?}");
        }
    }

    #[test]
    fn one_that_names_no_description_belongs_to_any() {
        assert!(belongs(&of(None), "v=0\r\n") && belongs(&of(Some("")), "v=0\r\n"));
        assert!(!belongs(&of(Some("a")), "v=0\r\n"));
    }
}
