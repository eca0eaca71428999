//! What the load sends: candidates that carry a number and a time, and descriptions of the usual sizes.

use std::{fmt::Write as _, ops::Range, time::Duration};

use aldis_client::Outgoing;
use aldis_protocol::PeerId;
use serde_json::json;

/// What stands before the stamp in a relayed candidate.
const MARK: &str = r#""candidate:"#;

/// Digits of the sequence number and of the nanoseconds. Together they are a candidate's foundation, which may have 32 characters.
const SEQUENCE_DIGITS: usize = 12;
const TIME_DIGITS: usize = 16;

/// What follows it; with the stamp the candidate has 162 bytes, as long as Chromium's server-reflexive ones over UDP.
const CANDIDATE_REST: &str = " 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.2 rport 4615 generation 0 ufrag h9Gk network-id 1 network-cost 10";

/// Sizes of Chromium's descriptions for audio, video and data, rounded.
const OFFER_BYTES: usize = 2500;
const ANSWER_BYTES: usize = 2100;

/// What a candidate carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Its place among all that its sender sent, from 0.
    pub(super) sequence: u64,
    /// When it was sent, on the load's own clock.
    pub(super) sent: Duration,
}

/// Writes candidates for one receiver.
pub(super) struct Candidates {
    head: String,
}

impl Candidates {
    /// For the peer `to`.
    pub(super) fn to(to: &PeerId) -> Self {
        Self { head: format!(r#"{{"type":"ice-candidate","to":"{to}","candidate":{{"candidate":"candidate:"#) }
    }

    /// One message with its stamp.
    pub(super) fn message(&self, stamp: Stamp) -> String {
        let mut text = String::with_capacity(self.head.len() + 200);
        text.push_str(&self.head);
        // Writing to a string cannot fail.
        let _ = write!(text, "{:0SEQUENCE_DIGITS$}{:0TIME_DIGITS$}", stamp.sequence, stamp.sent.as_nanos());
        text.push_str(CANDIDATE_REST);
        text.push_str(r#"","sdpMid":"0","sdpMLineIndex":0}}"#);
        text
    }
}

/// Finds the stamp of a relayed candidate.
pub(super) fn stamp(text: &str) -> Option<Stamp> {
    let digits = &text[text.find(MARK)? + MARK.len()..];
    let number = |range: Range<usize>| digits.get(range)?.parse::<u64>().ok();
    let sequence = number(0..SEQUENCE_DIGITS)?;
    let sent = Duration::from_nanos(number(SEQUENCE_DIGITS..SEQUENCE_DIGITS + TIME_DIGITS)?);
    Some(Stamp { sequence, sent })
}

/// An offer of the usual size.
pub(super) fn offer(to: &PeerId) -> Outgoing {
    Outgoing::offer(to, &sdp(OFFER_BYTES)).into()
}

/// An answer of the usual size.
pub(super) fn answer(to: &PeerId) -> Outgoing {
    Outgoing::answer(to, &sdp(ANSWER_BYTES)).into()
}

/// A candidate without a stamp that matters.
pub(super) fn candidate(to: &PeerId) -> Outgoing {
    let text = format!("candidate:{:028}{CANDIDATE_REST}", 0);
    Outgoing::ice_candidate(to, json!({ "candidate": text, "sdpMid": "0", "sdpMLineIndex": 0 })).into()
}

fn sdp(bytes: usize) -> String {
    let mut text = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n".to_owned();
    while text.len() < bytes {
        text.push_str("a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n");
    }
    text.truncate(bytes);
    text
}

#[cfg(test)]
mod tests {
    use aldis_protocol::{ClientMessage, Limits, Signal};

    use super::*;

    #[test]
    fn a_candidate_carries_its_stamp_through_the_relay() {
        let to = PeerId::from_random(1);
        let sent = Stamp { sequence: 4711, sent: Duration::from_nanos(1_234_567_890) };
        let text = Candidates::to(&to).message(sent);
        assert_eq!(text.len(), 280);
        let ClientMessage::Signal(signal) = ClientMessage::parse(&text, &Limits::default()).expect("a message") else {
            panic!("no signal: {text}");
        };
        let Signal { payload: Some(payload), .. } = signal else { panic!("no candidate: {text}") };
        let candidate: serde_json::Value = serde_json::from_str(payload.get()).expect("JSON");
        assert_eq!(candidate["candidate"].as_str().map(str::len), Some(162));
        let mut relayed = String::new();
        signal.splice(&PeerId::from_random(2), &mut relayed);
        assert_eq!(stamp(&relayed), Some(sent));
        for other in [r#"{"type":"pong"}"#, r#""candidate:12"#, r#""candidate:x"#] {
            assert_eq!(stamp(other), None, "{other}");
        }
    }

    #[test]
    fn descriptions_have_the_usual_sizes() {
        assert_eq!([sdp(OFFER_BYTES).len(), sdp(ANSWER_BYTES).len()], [OFFER_BYTES, ANSWER_BYTES]);
    }
}
