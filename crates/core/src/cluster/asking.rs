//! A join that asks the others first.
//!
//! ```text
//!   Subscribing ──confirmed──► Asking ──every node that an answer named has answered──► completed
//!        │                        ├── nobody reads the room's subject, or no answer in 3 round trips
//!        └──── backplane down ────┴── 300 ms
//! ```
//! Whoever answers late is shown by `peer-joined`. A claim rides in the question, so a session moves in one round trip.

use aldis_protocol::{NodeId, PeerId};

use crate::{
    Age, Join, Moment, Ticket,
    cluster::{
        Subject,
        frame::{Body, Claim, Entry},
        shared::{Reach, Subscription},
    },
    hub::Effects,
    room::Room,
};

/// The shortest and the longest time that a join waits for answers.
const FIRST_ANSWER_MS: u64 = 50;
const LAST_ANSWER_MS: u64 = 300;

/// How long a subscription may take before a join goes on without it.
const SUBSCRIBE_MS: u64 = 1_000;

/// How long a joiner on another node counts for admission.
pub(crate) const JOINER_MS: u64 = 2_000;

/// How far a join is with its questions.
pub(crate) enum Stage {
    /// A lone node asks nobody.
    Alone,
    Subscribing {
        until: Moment,
    },
    Asking(Box<Asking>),
}

/// A question and its answers.
pub(crate) struct Asking {
    first: Option<Moment>,
    until: Moment,
    answered: Vec<NodeId>,
    named: Vec<NodeId>,
    /// The session that its owner let go for this join.
    pub(crate) yielded: Option<Entry>,
}

impl Asking {
    fn is_complete(&self) -> bool {
        !self.answered.is_empty() && self.missing().next().is_none()
    }

    fn missing(&self) -> impl Iterator<Item = &NodeId> {
        self.named.iter().filter(|node| !self.answered.contains(node))
    }
}

/// An answer, apart from the roster in it.
pub(crate) struct Answer {
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) yielded: Option<Entry>,
}

impl<C: Clone + PartialEq> Room<C> {
    /// Begins to ask, or completes at once where there is nothing to ask.
    pub(crate) fn begin(&mut self, connection: &C, effects: &mut Effects<C>) {
        let Some(index) = self.pending(connection) else { return };
        let join = &self.joining[index].join;
        let kept = matches!(&join.ticket, Some(ticket) if ticket.age == Age::Fresh && self.find(ticket.peer.as_str()).is_some());
        let local = effects.member.as_ref().is_none_or(|member| member.reach == Reach::Local);
        if kept || local {
            return self.confirmed(connection, effects);
        }
        let confirmed = self.shared.as_ref().is_some_and(|shared| shared.subscription == Subscription::Confirmed);
        self.joining[index].stage = Stage::Subscribing { until: effects.now.after(SUBSCRIBE_MS) };
        if confirmed {
            self.ask(index, effects);
        }
        self.arm_shared(effects);
    }

    /// The room's subject reaches us.
    pub(crate) fn subscribed(&mut self, effects: &mut Effects<C>) {
        let Some(shared) = &mut self.shared else { return };
        shared.subscription = Subscription::Confirmed;
        for index in 0..self.joining.len() {
            if matches!(self.joining[index].stage, Stage::Subscribing { .. }) {
                self.ask(index, effects);
            }
        }
        self.arm_shared(effects);
    }

    /// Asks everybody about the room, whatever we know of it, and says what we have.
    pub(crate) fn resynchronize(&mut self, effects: &mut Effects<C>) {
        if self.is_open() {
            // An announcement to which each answers whose version of ours is another, and a question.
            self.publish_to_room(Body::Ask { asker: None }, effects);
        }
    }

    fn ask(&mut self, index: usize, effects: &mut Effects<C>) {
        let rtt = effects.member.as_ref().map_or(0, |member| member.rtt);
        let first = (3 * rtt).clamp(FIRST_ANSWER_MS, LAST_ANSWER_MS);
        let pending = &mut self.joining[index];
        pending.stage = Stage::Asking(Box::new(Asking {
            first: Some(effects.now.after(first)),
            until: effects.now.after(LAST_ANSWER_MS),
            answered: Vec::new(),
            named: Vec::new(),
            yielded: None,
        }));
        let Join { fresh, ticket, .. } = &pending.join;
        let claim = match ticket {
            Some(Ticket { age: Age::Fresh, peer, generation, .. }) => {
                Some(Claim { peer: peer.clone(), generation: *generation })
            }
            Some(Ticket { age: Age::Expired, .. }) | None => None,
        };
        let body = Body::Who { asker: fresh.clone(), joining: pending.place, claim };
        self.publish_to_room(body, effects);
    }

    /// A node has answered, with all parts of its roster.
    pub(crate) fn answered(&mut self, from: &NodeId, asker: &PeerId, answer: Answer, effects: &mut Effects<C>) {
        let me = effects.member.as_ref().map(|member| member.node.clone());
        let Some(index) = self.asking_of(asker) else { return };
        let Stage::Asking(asking) = &mut self.joining[index].stage else { return };
        asking.answered.push(from.clone());
        asking.named.extend(answer.nodes.into_iter().filter(|node| Some(node) != me.as_ref()));
        if answer.yielded.is_some() {
            asking.yielded = answer.yielded;
        }
        if asking.is_complete() {
            let connection = self.joining[index].join.connection.clone();
            self.confirmed(&connection, effects);
        }
    }

    /// Nobody reads what a join was asking: the whole room's subject, or the inbox of one node.
    pub(crate) fn unanswered(&mut self, subject: &Subject, asker: &PeerId, effects: &mut Effects<C>) {
        match subject {
            Subject::Inbox(node) => {
                let answer = Answer { nodes: Vec::new(), yielded: None };
                self.answered(node, asker, answer, effects);
            }
            Subject::Room(_) | Subject::Nodes => {
                if let Some(index) = self.asking_of(asker) {
                    let connection = self.joining[index].join.connection.clone();
                    self.confirmed(&connection, effects);
                }
            }
        }
    }

    /// Goes on without those who do not answer.
    pub(crate) fn asking_due(&mut self, effects: &mut Effects<C>) {
        let now = effects.now;
        let mut complete = Vec::new();
        let mut again = Vec::new();
        for pending in &mut self.joining {
            match &mut pending.stage {
                Stage::Alone => {}
                Stage::Subscribing { until } if *until <= now => complete.push(pending.join.connection.clone()),
                Stage::Subscribing { .. } => {}
                Stage::Asking(asking) if asking.until <= now => complete.push(pending.join.connection.clone()),
                Stage::Asking(asking) => {
                    if asking.first.take_if(|first| *first <= now).is_some() {
                        if asking.answered.is_empty() {
                            complete.push(pending.join.connection.clone());
                        }
                        // Named, and silent: its answer is lost, or it is dead and nobody reads its inbox.
                        again.extend(asking.missing().map(|node| (node.clone(), pending.join.fresh.clone())));
                    }
                }
            }
        }
        for (node, asker) in again {
            self.publish(Subject::Inbox(node), Body::Ask { asker: Some(asker) }, effects);
        }
        complete.iter().for_each(|connection| self.confirmed(connection, effects));
    }

    /// Nobody can be asked any more.
    pub(crate) fn complete_all(&mut self, effects: &mut Effects<C>) {
        let connections: Vec<_> = self.joining.iter().map(|pending| pending.join.connection.clone()).collect();
        connections.iter().for_each(|connection| self.confirmed(connection, effects));
    }

    /// When the next join goes on without an answer.
    pub(crate) fn next_answer(&self) -> Option<Moment> {
        let due = self.joining.iter().filter_map(|pending| match &pending.stage {
            Stage::Alone => None,
            Stage::Subscribing { until } => Some(*until),
            Stage::Asking(asking) => Some(asking.first.unwrap_or(asking.until)),
        });
        due.min()
    }

    fn pending(&self, connection: &C) -> Option<usize> {
        self.joining.iter().position(|pending| pending.join.connection == *connection)
    }

    fn asking_of(&self, asker: &PeerId) -> Option<usize> {
        self.joining.iter().position(|pending| pending.join.fresh == *asker)
    }
}
