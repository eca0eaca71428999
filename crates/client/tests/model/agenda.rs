//! Virtual time: what happens next, in order, without waiting for it.

use std::collections::BTreeMap;

use aldis_client::streams::Moment;

/// What is planned; what is planned for one moment happens in the order in which it was planned.
pub(crate) struct Agenda<Event> {
    now: u64,
    plans: u64,
    planned: BTreeMap<(u64, u64), Event>,
}

impl<Event> Agenda<Event> {
    pub(crate) fn new() -> Self {
        Self { now: 0, plans: 0, planned: BTreeMap::new() }
    }

    /// The time, in milliseconds.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// The time, as streams have it.
    pub(crate) fn moment(&self) -> Moment {
        Moment::from_millis(self.now)
    }

    /// Plans something.
    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        self.planned.insert((self.now + ms, self.plans), event);
        self.plans += 1;
    }

    /// Lets time pass until the next thing that happens up to a moment, or until that moment.
    pub(crate) fn next_until(&mut self, end: u64) -> Option<Event> {
        let next = self.planned.first_entry().filter(|entry| entry.key().0 <= end);
        let Some(next) = next else {
            self.now = end;
            return None;
        };
        let ((at, _), event) = next.remove_entry();
        self.now = at;
        Some(event)
    }
}
