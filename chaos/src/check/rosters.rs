//! Who sees whom: nobody leaves who did not, nobody speaks who is not there, and all peers of a room see the same room when it is whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aldis_client::protocol::{PeerId, Presence};

use super::{Kind, Verdict, during};
use crate::{
    faults::Fault,
    history::{At, Course, Happening, History, Mark, Seen},
};

/// How much must follow upon a healing for the time until rosters agree to say anything.
const WINDOW: Duration = Duration::from_secs(5);

/// How rosters fared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Everything that clients were told of others since something was broken first.
    pub(crate) events: usize,
    /// How long after a healing the last rooms agreed, at worst.
    pub(crate) agreed: Option<Duration>,
}

/// One client's view.
#[derive(Debug, Default)]
struct View<'a> {
    me: Option<&'a PeerId>,
    others: BTreeMap<&'a PeerId, Presence>,
}

/// From when to when the peers of a room saw different rooms.
struct Disagreement {
    began: At,
    ended: At,
}

pub(super) fn check(course: &Course, histories: &[History], verdict: &mut Verdict) {
    let mut rooms: BTreeMap<usize, Vec<&History>> = BTreeMap::new();
    for history in histories {
        look(course, history, verdict);
        rooms.entry(history.room).or_default().push(history);
    }
    let disagreements: Vec<_> = rooms.values().flat_map(|room| disagreements(course, room, verdict)).collect();
    let windows = windows(course);
    verdict.rosters.agreed = windows.iter().map(|window| agreed(window, &disagreements)).max();
}

/// Goes through one client's history.
fn look(course: &Course, history: &History, verdict: &mut Verdict) {
    let broken_at = course.marks.first().map_or(course.ended, |(at, _)| *at);
    let mut view = View::default();
    for record in during(course, history) {
        let told = match &record.what {
            Happening::Delivered { from, .. } if !view.others.contains_key(from) => {
                verdict.blame(Kind::Stranger, history, record.at, format!("a message of {from}"));
                continue;
            }
            Happening::PeerLeft { id, reason } => {
                verdict.blame(Kind::PeerLeft, history, record.at, format!("{id}: {reason:?}"));
                format!("{id} left")
            }
            Happening::PeerJoined { peer } => format!("{} joined", peer.id),
            Happening::PeerUpdated { peer } => format!("{} is {:?}", peer.id, peer.presence),
            _ => String::new(),
        };
        view.take(&record.what);
        if !told.is_empty() && record.at >= broken_at {
            verdict.rosters.events += 1;
            if course.fault == Fault::Cut {
                verdict.blame(Kind::RosterEvent, history, record.at, told);
            }
        }
    }
}

/// Goes through the histories of a room side by side.
fn disagreements(course: &Course, room: &[&History], verdict: &mut Verdict) -> Vec<Disagreement> {
    let mut records: Vec<_> = room
        .iter()
        .enumerate()
        .flat_map(|(place, history)| during(course, history).map(move |record| (record.at, place, &record.what)))
        .collect();
    // Stable: what happened to one client keeps its order.
    records.sort_by_key(|(at, ..)| *at);
    let mut views: Vec<View<'_>> = room.iter().map(|_| View::default()).collect();
    let mut found = Vec::new();
    let mut since = Some(At::default());
    for (at, place, what) in records {
        if !views[place].take(what) {
            continue;
        }
        match (since, disagrees(&views)) {
            (None, Some(_)) => since = Some(at),
            (Some(began), None) => {
                found.push(Disagreement { began, ended: at });
                since = None;
            }
            _ => {}
        }
    }
    if let (Some(began), Some(place)) = (since, disagrees(&views)) {
        let seen = views[place].here().len();
        let what = format!("it sees {seen} of {} others", room.len() - 1);
        verdict.blame(Kind::Disagreed, room[place], began, what);
        found.push(Disagreement { began, ended: course.ended });
    }
    found
}

/// Whose view is not what all of them together say.
fn disagrees(views: &[View<'_>]) -> Option<usize> {
    let everybody: BTreeSet<_> = views.iter().filter_map(|view| view.me).collect();
    views.iter().position(|view| {
        let mut all = view.here();
        all.extend(view.me);
        view.me.is_none() || all != everybody || everybody.len() != views.len()
    })
}

/// From each healing to what was broken next.
fn windows(course: &Course) -> Vec<(At, At)> {
    let mut windows = Vec::new();
    for (index, (at, mark)) in course.marks.iter().enumerate() {
        let next = course.marks.get(index + 1).map_or(course.ended, |(next, _)| *next);
        if *mark == Mark::Healed && next.since(*at) >= WINDOW {
            windows.push((*at, next));
        }
    }
    windows
}

/// How long it took in a window until all agreed.
fn agreed((healed, until): &(At, At), disagreements: &[Disagreement]) -> Duration {
    let within = disagreements.iter().filter(|disagreement| disagreement.began < *until);
    within.map(|disagreement| disagreement.ended.min(*until).since(*healed)).max().unwrap_or_default()
}

impl<'a> View<'a> {
    /// Follows what happened. Returns whether it is about anybody.
    fn take(&mut self, what: &'a Happening) -> bool {
        match what {
            Happening::Joined { me, peers } => {
                self.me = Some(me);
                self.others = peers.iter().map(|Seen { id, presence }| (id, *presence)).collect();
            }
            Happening::PeerJoined { peer } | Happening::PeerUpdated { peer } => {
                self.others.insert(&peer.id, peer.presence);
            }
            Happening::PeerLeft { id, .. } => {
                self.others.remove(id);
            }
            _ => return false,
        }
        true
    }

    /// Who is there.
    fn here(&self) -> BTreeSet<&'a PeerId> {
        self.others.iter().filter(|(_, presence)| **presence == Presence::Here).map(|(id, _)| *id).collect()
    }
}
