//! What a side needs of a stream, and a stream put together from two others, one for each direction, so that a mutant can change one.

use std::time::Duration;

use aldis_client::streams::{Acknowledgement, Moment, Position, Received, Settled, Stream, StreamHeader};

use crate::checker::Letter;

/// A bare acknowledgement comes without a letter.
pub(crate) type Real = Stream<Letter, Option<Letter>>;
pub(crate) type Answer = Received<Option<Letter>, Letter>;
pub(crate) type Sent = (Letter, StreamHeader);

/// What a side needs of a stream. A mutant has another one inside, and does itself what it does otherwise.
pub(crate) trait AnyStream {
    /// What does everything that is not done here; whoever does everything is that itself.
    fn inner(&mut self) -> &mut dyn AnyStream;

    fn send(&mut self, letter: Letter, bytes: usize, now: Moment) -> bool {
        self.inner().send(letter, bytes, now)
    }

    fn peek(&mut self, now: Moment) -> Option<usize> {
        self.inner().peek(now)
    }

    fn take(&mut self, now: Moment) -> Option<Sent> {
        self.inner().take(now)
    }

    fn take_ack(&mut self, now: Moment) -> Option<Acknowledgement> {
        self.inner().take_ack(now)
    }

    fn receive(&mut self, x: StreamHeader, letter: Option<Letter>, bytes: usize, now: Moment) -> Answer {
        self.inner().receive(x, letter, bytes, now)
    }

    fn postpone(&mut self, position: Position, retry_after: Duration, now: Moment) {
        self.inner().postpone(position, retry_after, now);
    }

    fn refuse(&mut self, position: Position) -> Vec<Settled<Letter>> {
        self.inner().refuse(position)
    }

    fn open(&mut self, now: Moment) {
        self.inner().open(now);
    }

    fn shut(&mut self) {
        self.inner().shut();
    }

    fn hurry(&mut self, now: Moment) {
        self.inner().hurry(now);
    }

    fn expire(&mut self, now: Moment) -> Vec<Settled<Letter>> {
        self.inner().expire(now)
    }

    fn end(&mut self) -> Vec<Settled<Letter>> {
        self.inner().end()
    }

    fn next_at(&mut self, now: Moment) -> Option<Moment> {
        self.inner().next_at(now)
    }
}

impl AnyStream for Real {
    fn inner(&mut self) -> &mut dyn AnyStream {
        self
    }

    fn send(&mut self, letter: Letter, bytes: usize, now: Moment) -> bool {
        Stream::send(self, letter, bytes, now).is_ok()
    }

    fn peek(&mut self, now: Moment) -> Option<usize> {
        Stream::peek(self, now)
    }

    fn take(&mut self, now: Moment) -> Option<Sent> {
        Stream::take(self, now).map(|taken| (*taken.item, taken.header()))
    }

    fn take_ack(&mut self, now: Moment) -> Option<Acknowledgement> {
        Stream::take_ack(self, now)
    }

    fn receive(&mut self, x: StreamHeader, letter: Option<Letter>, bytes: usize, now: Moment) -> Answer {
        Stream::receive(self, x, letter, bytes, now)
    }

    fn postpone(&mut self, position: Position, retry_after: Duration, now: Moment) {
        Stream::postpone(self, position, retry_after, now);
    }

    fn refuse(&mut self, position: Position) -> Vec<Settled<Letter>> {
        Stream::refuse(self, position)
    }

    fn open(&mut self, now: Moment) {
        Stream::open(self, now);
    }

    fn shut(&mut self) {
        Stream::shut(self);
    }

    fn hurry(&mut self, now: Moment) {
        Stream::hurry(self, now);
    }

    fn expire(&mut self, now: Moment) -> Vec<Settled<Letter>> {
        Stream::expire(self, now)
    }

    fn end(&mut self) -> Vec<Settled<Letter>> {
        Stream::end(self)
    }

    fn next_at(&mut self, now: Moment) -> Option<Moment> {
        Stream::next_at(self, now)
    }
}

/// It does what [`Stream`] does.
pub(crate) struct Halves {
    pub(crate) outgoing: Real,
    pub(crate) incoming: Real,
}

impl Halves {
    pub(crate) fn new(epoch: u32) -> Self {
        Self { outgoing: Stream::new(epoch), incoming: Stream::new(0) }
    }
}

impl AnyStream for Halves {
    fn inner(&mut self) -> &mut dyn AnyStream {
        &mut self.outgoing
    }

    fn take(&mut self, now: Moment) -> Option<Sent> {
        let (letter, x) = AnyStream::take(&mut self.outgoing, now)?;
        self.incoming.hurry(now);
        Some((letter, StreamHeader { a: self.incoming.take_ack(now), ..x }))
    }

    fn take_ack(&mut self, now: Moment) -> Option<Acknowledgement> {
        self.incoming.take_ack(now)
    }

    fn receive(&mut self, x: StreamHeader, letter: Option<Letter>, bytes: usize, now: Moment) -> Answer {
        let Received { settled, .. } = self.outgoing.receive(StreamHeader { s: None, ..x }, letter, bytes, now);
        let received = self.incoming.receive(StreamHeader { a: None, ..x }, letter, bytes, now);
        Received { settled, ..received }
    }

    fn hurry(&mut self, now: Moment) {
        self.incoming.hurry(now);
    }

    fn next_at(&mut self, now: Moment) -> Option<Moment> {
        [self.outgoing.next_at(now), self.incoming.next_at(now)].into_iter().flatten().min()
    }
}
