//! What was published and may come back because nobody reads it.

use std::collections::VecDeque;

use aldis_core::{
    Moment,
    cluster::{RoomFrame, Subject},
};

/// How long a frame may come back, in milliseconds. A broker that needs longer is no broker any more: probes find that out within three of
/// their intervals, and then what did not go out comes back.
const WAIT_MS: u64 = 8_000;

/// The most bytes that wait. Beyond it the oldest cannot come back: its sender then hears of it when its receipt is overdue.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Published frames by their tags, which are consecutive.
#[derive(Default)]
pub(super) struct Outstanding {
    /// The tag of the first one.
    first: u64,
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

struct Waiting {
    since: Moment,
    bytes: usize,
    /// None once it has come back.
    sent: Option<(Subject, Box<RoomFrame>)>,
}

impl Outstanding {
    /// Remembers a frame of so many bytes, and gives it a tag.
    pub(super) fn push(&mut self, now: Moment, bytes: usize, subject: Subject, frame: Box<RoomFrame>) -> u64 {
        self.forget(now);
        self.bytes += bytes;
        self.waiting.push_back(Waiting { since: now, bytes, sent: Some((subject, frame)) });
        while self.bytes > MAX_BYTES {
            self.drop_first();
        }
        self.first + self.waiting.len() as u64 - 1
    }

    /// The frame of a tag, once, if it is remembered.
    pub(super) fn take(&mut self, tag: u64) -> Option<(Subject, Box<RoomFrame>)> {
        let place = usize::try_from(tag.checked_sub(self.first)?).ok()?;
        self.waiting.get_mut(place)?.sent.take()
    }

    /// Forgets what will not come back.
    pub(super) fn forget(&mut self, now: Moment) {
        while self.waiting.front().is_some_and(|waiting| now.since(waiting.since) > WAIT_MS) {
            self.drop_first();
        }
        if self.waiting.is_empty() {
            // A burst leaves no memory behind.
            self.waiting = VecDeque::new();
        }
    }

    fn drop_first(&mut self) {
        if let Some(waiting) = self.waiting.pop_front() {
            self.first += 1;
            self.bytes -= waiting.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use aldis_core::cluster::frame::Body;
    use aldis_protocol::RoomId;

    use super::*;

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).expect("a room")
    }

    fn push(outstanding: &mut Outstanding, now: u64, bytes: usize, name: &str) -> u64 {
        let frame = RoomFrame { room: room(name), seq: 0, version: 0, body: Body::Announce {} };
        outstanding.push(Moment(now), bytes, Subject::Room(room(name)), Box::new(frame))
    }

    fn take(outstanding: &mut Outstanding, tag: u64) -> Option<String> {
        outstanding.take(tag).map(|(_, frame)| frame.room.as_str().to_owned())
    }

    #[test]
    fn each_comes_back_once_by_its_tag() {
        let mut outstanding = Outstanding::default();
        let tags = ["a", "b", "c"].map(|name| push(&mut outstanding, 0, 1, name));
        assert_eq!(take(&mut outstanding, tags[1]), Some("b".to_owned()));
        assert_eq!(take(&mut outstanding, tags[1]), None);
        assert_eq!(take(&mut outstanding, tags[2] + 1), None);
        assert_eq!(take(&mut outstanding, tags[0]), Some("a".to_owned()));
        assert_eq!(take(&mut outstanding, tags[2]), Some("c".to_owned()));
    }

    #[test]
    fn what_is_old_is_forgotten_and_tags_go_on() {
        let mut outstanding = Outstanding::default();
        let old = push(&mut outstanding, 0, 1, "old");
        let young = push(&mut outstanding, WAIT_MS, 1, "young");
        outstanding.forget(Moment(WAIT_MS + 1));
        assert_eq!(take(&mut outstanding, old), None);
        assert_eq!(take(&mut outstanding, young), Some("young".to_owned()));
        outstanding.forget(Moment(3 * WAIT_MS));
        let last = push(&mut outstanding, 3 * WAIT_MS, 1, "last");
        assert_eq!((last, take(&mut outstanding, last)), (young + 1, Some("last".to_owned())));
    }

    #[test]
    fn its_bytes_are_bounded() {
        let mut outstanding = Outstanding::default();
        let first = push(&mut outstanding, 0, MAX_BYTES, "first");
        assert_eq!(take(&mut outstanding, first), Some("first".to_owned()));
        let second = push(&mut outstanding, 0, MAX_BYTES, "second");
        let third = push(&mut outstanding, 0, 1, "third");
        assert_eq!(take(&mut outstanding, second), None);
        assert_eq!(take(&mut outstanding, third), Some("third".to_owned()));
    }
}
