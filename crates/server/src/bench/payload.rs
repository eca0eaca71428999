//! What the load sends: candidates and descriptions of the usual sizes, which carry a number and a time.

use std::{
    fmt::{self, Write as _},
    ops::Range,
    time::Duration,
};

use aldis_client::Outgoing;
use aldis_protocol::PeerId;
use serde_json::json;

/// What stands before the stamp: a candidate's own beginning, in a message of its own or in a description.
const MARK: &str = "candidate:";

/// Digits of the sequence number and of the nanoseconds. Together they are a candidate's foundation, which may have 32 characters.
const SEQUENCE_DIGITS: usize = 12;
const TIME_DIGITS: usize = 16;

/// What follows it; with the stamp the candidate has 162 bytes, as long as Chromium's server-reflexive ones over UDP.
const CANDIDATE_REST: &str = " 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.2 rport 4615 generation 0 ufrag h9Gk network-id 1 network-cost 10";

/// Sizes of Chromium's descriptions for audio, video and data, rounded.
const OFFER_BYTES: usize = 2500;
const ANSWER_BYTES: usize = 2100;

/// What a candidate or a description carries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
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
        let _ = write!(text, "{stamp}");
        text.push_str(CANDIDATE_REST);
        text.push_str(r#"","sdpMid":"0","sdpMLineIndex":0}}"#);
        text
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0SEQUENCE_DIGITS$}{:0TIME_DIGITS$}", self.sequence, self.sent.as_nanos())
    }
}

/// Finds the stamp of a relayed message.
pub(super) fn stamp(text: &str) -> Option<Stamp> {
    let digits = &text[text.find(MARK)? + MARK.len()..];
    let number = |range: Range<usize>| digits.get(range)?.parse::<u64>().ok();
    let sequence = number(0..SEQUENCE_DIGITS)?;
    let sent = Duration::from_nanos(number(SEQUENCE_DIGITS..SEQUENCE_DIGITS + TIME_DIGITS)?);
    Some(Stamp { sequence, sent })
}

/// An offer of the usual size, with its stamp.
pub(super) fn stamped_offer(to: &PeerId, stamp: Stamp) -> Outgoing {
    Outgoing::offer(to, &sdp(OFFER_BYTES, stamp)).into()
}

/// An answer of the usual size, with its stamp.
pub(super) fn stamped_answer(to: &PeerId, stamp: Stamp) -> Outgoing {
    Outgoing::answer(to, &sdp(ANSWER_BYTES, stamp)).into()
}

/// An offer without a stamp that matters.
pub(super) fn offer(to: &PeerId) -> Outgoing {
    stamped_offer(to, Stamp::default())
}

/// An answer without a stamp that matters.
pub(super) fn answer(to: &PeerId) -> Outgoing {
    stamped_answer(to, Stamp::default())
}

/// A candidate without a stamp that matters.
pub(super) fn candidate(to: &PeerId) -> Outgoing {
    let text = format!("{MARK}{}{CANDIDATE_REST}", Stamp::default());
    Outgoing::ice_candidate(to, json!({ "candidate": text, "sdpMid": "0", "sdpMLineIndex": 0 })).into()
}

fn sdp(bytes: usize, stamp: Stamp) -> String {
    let mut text = format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na={MARK}{stamp}{CANDIDATE_REST}\r\n"
    );
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
        for other in [r#"{"type":"pong"}"#, r#""candidate:12""#, r#""candidate:x""#] {
            assert_eq!(stamp(other), None, "{other}");
        }
    }

    #[test]
    fn descriptions_have_the_usual_sizes_and_carry_their_stamps() {
        let to = PeerId::from_random(1);
        let sent = Stamp { sequence: 1, sent: Duration::from_micros(77) };
        assert_eq!([OFFER_BYTES, ANSWER_BYTES].map(|bytes| sdp(bytes, sent).len()), [OFFER_BYTES, ANSWER_BYTES]);
        for description in [stamped_offer(&to, sent), stamped_answer(&to, sent)] {
            assert_eq!(stamp(&description.to_json()), Some(sent));
        }
        assert_eq!(stamp(&offer(&to).to_json()), Some(Stamp::default()));
        assert_eq!(stamp(&candidate(&to).to_json()), Some(Stamp::default()));
    }
}
