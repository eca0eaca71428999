//! Rules that a sender may miss.

use std::{collections::BTreeSet, time::Duration};

use aldis_client::streams::{Acknowledgement, Fate, Moment, Position, Settled, StreamHeader};

use super::Changed;
use crate::{
    checker::Letter,
    halves::{Answer, AnyStream, Sent},
};

/// What was written counts as delivered.
#[derive(Default)]
pub(super) struct SettledOnWrite {
    written: BTreeSet<u64>,
    untold: Vec<Letter>,
}

impl SettledOnWrite {
    fn rest(&mut self, settled: Vec<Settled<Letter>>) -> Vec<Settled<Letter>> {
        let told = self.untold.drain(..).map(|item| Settled { item, outcome: Fate::Delivered });
        told.chain(settled.into_iter().filter(|one| !self.written.contains(&one.item.id))).collect()
    }
}

impl AnyStream for Changed<SettledOnWrite> {
    fn inner(&mut self) -> &mut dyn AnyStream {
        &mut self.halves
    }

    fn take(&mut self, now: Moment) -> Option<Sent> {
        let next = self.halves.take(now)?;
        if self.change.written.insert(next.0.id) {
            self.change.untold.push(next.0);
        }
        Some(next)
    }

    fn receive(&mut self, x: StreamHeader, letter: Option<Letter>, bytes: usize, now: Moment) -> Answer {
        let answer = self.halves.receive(x, letter, bytes, now);
        Answer { settled: self.change.rest(answer.settled), ..answer }
    }

    fn refuse(&mut self, position: Position) -> Vec<Settled<Letter>> {
        self.change.rest(self.halves.refuse(position))
    }

    fn expire(&mut self, now: Moment) -> Vec<Settled<Letter>> {
        self.change.rest(self.halves.expire(now))
    }

    fn end(&mut self) -> Vec<Settled<Letter>> {
        self.change.rest(self.halves.end())
    }

    fn next_at(&mut self, now: Moment) -> Option<Moment> {
        if self.change.untold.is_empty() { self.halves.next_at(now) } else { Some(now) }
    }
}

/// Nothing is sent a second time.
#[derive(Default)]
pub(super) struct WithoutRetransmission {
    sent: BTreeSet<u64>,
    next: Option<(usize, Sent)>,
}

impl AnyStream for Changed<WithoutRetransmission> {
    fn inner(&mut self) -> &mut dyn AnyStream {
        &mut self.halves
    }

    fn peek(&mut self, now: Moment) -> Option<usize> {
        while self.change.next.is_none()
            && let Some(bytes) = self.halves.peek(now)
            && let Some(taken) = self.halves.take(now)
        {
            if !self.change.sent.contains(&taken.0.id) {
                self.change.next = Some((bytes, taken));
            }
        }
        self.change.next.map(|(bytes, _)| bytes)
    }

    fn take(&mut self, now: Moment) -> Option<Sent> {
        self.peek(now);
        let (_, taken) = self.change.next.take()?;
        self.change.sent.insert(taken.0.id);
        Some(taken)
    }
}

/// Every epoch has the same number. It knows the one that this one would have.
#[derive(Default)]
pub(super) struct ConstantEpoch(u32);

const NUMBER: u32 = 7;

impl AnyStream for Changed<ConstantEpoch> {
    fn inner(&mut self) -> &mut dyn AnyStream {
        &mut self.halves
    }

    fn take(&mut self, now: Moment) -> Option<Sent> {
        let (letter, x) = self.halves.take(now)?;
        let s = x.s.map(|Position { e, n }| {
            self.change.0 = e;
            Position { e: NUMBER, n }
        });
        Some((letter, StreamHeader { s, ..x }))
    }

    fn receive(&mut self, x: StreamHeader, letter: Option<Letter>, bytes: usize, now: Moment) -> Answer {
        let e = self.change.0;
        let a = x.a.map(|a| match a {
            Acknowledgement::Arrived(Position { n, .. }) => Acknowledgement::Arrived(Position { e, n }),
            Acknowledgement::Reset { .. } => Acknowledgement::Reset { e },
        });
        self.halves.receive(StreamHeader { a, ..x }, letter, bytes, now)
    }

    fn postpone(&mut self, Position { n, .. }: Position, retry_after: Duration, now: Moment) {
        self.halves.postpone(Position { e: self.change.0, n }, retry_after, now);
    }

    fn refuse(&mut self, Position { n, .. }: Position) -> Vec<Settled<Letter>> {
        self.halves.refuse(Position { e: self.change.0, n })
    }
}
