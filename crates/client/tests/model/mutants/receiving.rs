//! Rules that a receiver may miss.

use std::collections::{BTreeMap, BTreeSet};

use aldis_client::streams::{Acknowledgement, Moment, Position, Stream, StreamHeader};

use super::Changed;
use crate::{
    checker::Letter,
    halves::{Answer, AnyStream, Sent},
};

/// What came before is delivered again. It knows what that was.
#[derive(Default)]
pub(super) struct WithoutDedupe(BTreeSet<u64>);

impl AnyStream for Changed<WithoutDedupe> {
    fn inner(&mut self) -> &mut dyn AnyStream {
        &mut self.halves
    }

    fn receive(&mut self, x: StreamHeader, letter: Option<Letter>, bytes: usize, now: Moment) -> Answer {
        let WithoutDedupe(had) = &mut self.change;
        let mut answer = self.halves.receive(x, letter, bytes, now);
        let again = x.s.is_some() && letter.is_some_and(|letter| had.contains(&letter.id));
        had.extend(answer.delivered.iter().flatten().map(|one| one.id));
        if again {
            answer.delivered.insert(0, letter);
        }
        answer
    }
}

/// The highest place that came is acknowledged, whatever is missing below it.
#[derive(Default)]
pub(super) struct AcknowledgesTheHighest(BTreeMap<u32, u64>);

impl AcknowledgesTheHighest {
    fn answer(&self, a: Acknowledgement) -> Acknowledgement {
        match a {
            Acknowledgement::Arrived(Position { e, n }) => {
                Acknowledgement::Arrived(Position { e, n: self.0.get(&e).copied().unwrap_or(n) })
            }
            Acknowledgement::Reset { .. } => a,
        }
    }
}

impl AnyStream for Changed<AcknowledgesTheHighest> {
    fn inner(&mut self) -> &mut dyn AnyStream {
        &mut self.halves
    }

    fn take(&mut self, now: Moment) -> Option<Sent> {
        let (letter, x) = self.halves.take(now)?;
        Some((letter, StreamHeader { a: x.a.map(|a| self.change.answer(a)), ..x }))
    }

    fn take_ack(&mut self, now: Moment) -> Option<Acknowledgement> {
        self.halves.take_ack(now).map(|a| self.change.answer(a))
    }

    fn receive(&mut self, x: StreamHeader, letter: Option<Letter>, bytes: usize, now: Moment) -> Answer {
        if let Some(Position { e, n }) = x.s {
            let highest = self.change.0.entry(e).or_default();
            *highest = n.max(*highest);
        }
        self.halves.receive(x, letter, bytes, now)
    }
}

/// What is known of the other end's messages does not outlive a connection.
#[derive(Default)]
pub(super) enum ForgetsOnReconnect {
    #[default]
    Open,
    Shut,
}

impl AnyStream for Changed<ForgetsOnReconnect> {
    fn inner(&mut self) -> &mut dyn AnyStream {
        &mut self.halves
    }

    fn open(&mut self, now: Moment) {
        if matches!(self.change, ForgetsOnReconnect::Shut) {
            self.halves.incoming = Stream::new(0);
        }
        self.change = ForgetsOnReconnect::Open;
        self.halves.open(now);
    }

    fn shut(&mut self) {
        self.change = ForgetsOnReconnect::Shut;
        self.halves.shut();
    }
}

/// An older epoch is taken for a new one. It knows the epoch that it takes for the newest.
#[derive(Default)]
pub(super) struct WithoutTombstones(Option<u32>);

impl AnyStream for Changed<WithoutTombstones> {
    fn inner(&mut self) -> &mut dyn AnyStream {
        &mut self.halves
    }

    fn receive(&mut self, x: StreamHeader, letter: Option<Letter>, bytes: usize, now: Moment) -> Answer {
        if let Some(Position { e, .. }) = x.s
            && self.change.0.replace(e) != Some(e)
        {
            self.halves.incoming = Stream::new(0);
        }
        self.halves.receive(x, letter, bytes, now)
    }
}

/// An epoch begins with whatever comes of it first.
#[derive(Default)]
pub(super) struct BeginsAnywhere {
    epoch: Option<u32>,
    /// How many places were skipped.
    skipped: u64,
}

impl BeginsAnywhere {
    /// Where a message would be, had its epoch begun with what came first.
    fn place(&mut self, Position { e, n }: Position) -> Position {
        if self.epoch.is_none_or(|epoch| (1..1 << 31).contains(&e.wrapping_sub(epoch))) {
            self.epoch = Some(e);
            self.skipped = n.saturating_sub(1);
        }
        let skipped = if self.epoch == Some(e) { self.skipped } else { 0 };
        Position { e, n: n.saturating_sub(skipped) }
    }

    fn answer(&self, a: Acknowledgement) -> Acknowledgement {
        match a {
            Acknowledgement::Arrived(Position { e, n }) => {
                Acknowledgement::Arrived(Position { e, n: n + self.skipped })
            }
            Acknowledgement::Reset { .. } => a,
        }
    }
}

impl AnyStream for Changed<BeginsAnywhere> {
    fn inner(&mut self) -> &mut dyn AnyStream {
        &mut self.halves
    }

    fn take(&mut self, now: Moment) -> Option<Sent> {
        let (letter, x) = self.halves.take(now)?;
        Some((letter, StreamHeader { a: x.a.map(|a| self.change.answer(a)), ..x }))
    }

    fn take_ack(&mut self, now: Moment) -> Option<Acknowledgement> {
        self.halves.take_ack(now).map(|a| self.change.answer(a))
    }

    fn receive(&mut self, x: StreamHeader, letter: Option<Letter>, bytes: usize, now: Moment) -> Answer {
        let s = x.s.map(|s| self.change.place(s));
        self.halves.receive(StreamHeader { s, ..x }, letter, bytes, now)
    }
}
