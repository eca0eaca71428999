//! The subscriptions a node wants, and how far each of them is.
//!
//! ```text
//!            subscribe            next            confirmed
//!   (none) ───────────▶ Wanted ────────▶ Asked ─────────────▶ Confirmed
//!      ▲                  ▲ ▲                │                     │
//!      │                  │ └──── lost ──────┴─────────────────────┤
//!      └──── next ─── Unwanted ◀───────────── unsubscribe ─────────┘
//! ```
//!
//! Only what is wanted is kept, so changes made while the broker is away cost nothing and are sent once, by their result.

use std::{collections::HashMap, sync::Arc};

use super::subject::Subject;

/// How many subjects are sent in one command: large enough to be rare, small enough not to hold up what is beside it.
const BATCH: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Wanted,
    Asked,
    Confirmed,
    Unwanted,
}

/// The wanted subscriptions, by the name the broker knows them by.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    subjects: HashMap<Arc<str>, (Subject, Stage)>,
    /// Names whose stage is, or was, `Wanted` or `Unwanted`; looking for them in the map would cost a walk each time.
    changed: Vec<Arc<str>>,
}

/// What to send next. Subscribing twice is the same as once, so what was confirmed and then changed twice is simply sent again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Subscribe(Vec<Arc<str>>),
    Unsubscribe(Vec<Arc<str>>),
}

impl Wanted {
    /// From now on this subject is wanted.
    pub(super) fn subscribe(&mut self, name: &Arc<str>, subject: Subject) {
        let (_, stage) = self.subjects.entry(name.clone()).or_insert((subject, Stage::Unwanted));
        if *stage == Stage::Unwanted {
            *stage = Stage::Wanted;
            self.changed.push(name.clone());
        }
    }

    /// It is not wanted any more.
    pub(super) fn unsubscribe(&mut self, name: &Arc<str>) {
        if let Some((_, stage)) = self.subjects.get_mut(name)
            && *stage != Stage::Unwanted
        {
            *stage = Stage::Unwanted;
            self.changed.push(name.clone());
        }
    }

    /// What to send next, if anything: of one kind, in the order it was wanted.
    pub(super) fn next(&mut self) -> Option<Change> {
        let (mut subscribe, mut unsubscribe) = (Vec::new(), Vec::new());
        let mut taken = 0;
        for name in &self.changed {
            match self.subjects.get_mut(name) {
                Some((_, stage @ Stage::Wanted)) if unsubscribe.is_empty() && subscribe.len() < BATCH => {
                    *stage = Stage::Asked;
                    subscribe.push(name.clone());
                }
                Some((_, Stage::Unwanted)) if subscribe.is_empty() && unsubscribe.len() < BATCH => {
                    self.subjects.remove(name);
                    unsubscribe.push(name.clone());
                }
                Some((_, Stage::Wanted | Stage::Unwanted)) => break,
                // It was changed twice, and sent by the first of its two entries.
                Some(_) | None => {}
            }
            taken += 1;
        }
        self.changed.drain(..taken);
        match (subscribe.is_empty(), unsubscribe.is_empty()) {
            (false, _) => Some(Change::Subscribe(subscribe)),
            (_, false) => Some(Change::Unsubscribe(unsubscribe)),
            (true, true) => None,
        }
    }

    /// The broker confirmed these: returns the subjects that are subscribed now.
    pub(super) fn confirmed(&mut self, names: &[Arc<str>]) -> Vec<Subject> {
        let mut subjects = Vec::with_capacity(names.len());
        for name in names {
            if let Some((subject, stage @ Stage::Asked)) = self.subjects.get_mut(name) {
                *stage = Stage::Confirmed;
                subjects.push(subject.clone());
            }
        }
        subjects
    }

    /// The connection was lost, and all subscriptions with it.
    pub(super) fn lost(&mut self) {
        self.subjects.retain(|_, (_, stage)| *stage != Stage::Unwanted);
        self.changed.clear();
        for (name, (_, stage)) in &mut self.subjects {
            *stage = Stage::Wanted;
            self.changed.push(name.clone());
        }
    }

    /// The subject of this name, while it is wanted.
    pub(super) fn subject(&self, name: &str) -> Option<&Subject> {
        self.subjects.get(name).filter(|(_, stage)| *stage != Stage::Unwanted).map(|(subject, _)| subject)
    }

    /// Whether the broker has confirmed this subscription.
    pub(super) fn is_confirmed(&self, name: &str) -> bool {
        matches!(self.subjects.get(name), Some((_, Stage::Confirmed)))
    }
}

#[cfg(test)]
mod tests {
    use aldis_protocol::RoomId;

    use super::*;

    fn room(text: &str) -> (Arc<str>, Subject) {
        (Arc::from(text), Subject::Room(RoomId::parse(text).expect("a room")))
    }

    fn subscribe(wanted: &mut Wanted, text: &str) {
        let (name, subject) = room(text);
        wanted.subscribe(&name, subject);
    }

    fn unsubscribe(wanted: &mut Wanted, text: &str) {
        wanted.unsubscribe(&Arc::from(text));
    }

    fn names(texts: &[&str]) -> Vec<Arc<str>> {
        texts.iter().map(|text| Arc::from(*text)).collect()
    }

    #[test]
    fn what_is_wanted_is_asked_for_once_and_confirmed() {
        let mut wanted = Wanted::default();
        for text in ["a", "b", "a"] {
            subscribe(&mut wanted, text);
        }
        assert_eq!(wanted.next(), Some(Change::Subscribe(names(&["a", "b"]))));
        assert_eq!(wanted.next(), None);
        assert_eq!(wanted.confirmed(&names(&["a", "b", "c"])), [room("a").1, room("b").1]);
        assert_eq!(wanted.confirmed(&names(&["a"])), []);
        assert_eq!(wanted.subject("a"), Some(&room("a").1));
        unsubscribe(&mut wanted, "a");
        assert_eq!(wanted.subject("a"), None);
        assert_eq!(wanted.next(), Some(Change::Unsubscribe(names(&["a"]))));
        assert_eq!(wanted.next(), None);
    }

    #[test]
    fn changes_are_sent_by_their_result() {
        let mut wanted = Wanted::default();
        subscribe(&mut wanted, "a");
        unsubscribe(&mut wanted, "a");
        subscribe(&mut wanted, "a");
        assert_eq!(wanted.next(), Some(Change::Subscribe(names(&["a"]))));
        // Left and wanted again before the confirmation came: only the second one counts.
        unsubscribe(&mut wanted, "a");
        subscribe(&mut wanted, "a");
        assert_eq!(wanted.confirmed(&names(&["a"])), []);
        assert_eq!(wanted.next(), Some(Change::Subscribe(names(&["a"]))));
        assert_eq!(wanted.confirmed(&names(&["a"])), [room("a").1]);
        assert_eq!(wanted.next(), None);
    }

    #[test]
    fn what_was_left_before_its_confirmation_is_left() {
        let mut wanted = Wanted::default();
        subscribe(&mut wanted, "a");
        assert!(wanted.next().is_some());
        unsubscribe(&mut wanted, "a");
        assert_eq!(wanted.confirmed(&names(&["a"])), []);
        assert_eq!(wanted.next(), Some(Change::Unsubscribe(names(&["a"]))));
    }

    #[test]
    fn a_lost_connection_leaves_what_is_wanted() {
        let mut wanted = Wanted::default();
        for text in ["asked", "confirmed", "left"] {
            subscribe(&mut wanted, text);
        }
        assert!(wanted.next().is_some());
        assert_eq!(wanted.confirmed(&names(&["confirmed", "left"])).len(), 2);
        unsubscribe(&mut wanted, "left");
        wanted.lost();
        subscribe(&mut wanted, "new");
        let Some(Change::Subscribe(mut asked)) = wanted.next() else { panic!("subscriptions") };
        asked.sort();
        assert_eq!(asked, names(&["asked", "confirmed", "new"]));
        assert_eq!(wanted.next(), None);
    }

    #[test]
    fn many_go_in_batches_and_kinds_apart() {
        let mut wanted = Wanted::default();
        for number in 0..=BATCH {
            subscribe(&mut wanted, &format!("r{number}"));
        }
        unsubscribe(&mut wanted, "r0");
        let mut sizes = Vec::new();
        while let Some(change) = wanted.next() {
            sizes.push(match change {
                Change::Subscribe(names) => (names.len(), 0),
                Change::Unsubscribe(names) => (0, names.len()),
            });
        }
        assert_eq!(sizes, [(0, 1), (BATCH, 0)]);
    }
}
