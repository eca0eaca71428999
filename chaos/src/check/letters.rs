//! Messages: each is settled once and in time, comes once if it was delivered, and in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aldis_client::protocol::{Outcome, PeerId};

use super::{Kind, Verdict, percentile};
use crate::history::{At, Course, Fate, Happening, History, Letter};

/// How long a message may take to be settled: 30 s, and what a late timer adds.
const SETTLED: Duration = Duration::from_secs(31);

/// What senders are told of peers that have left for good.
const GONE: [&str; 2] = ["peer-gone", "peer left"];

/// How many messages met which fate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) sent: usize,
    pub(crate) delivered: usize,
    /// The longest that it took until a sender knew, but for one in a hundred.
    pub(crate) p99: Option<Duration>,
    /// By name.
    pub(crate) rejected: BTreeMap<String, usize>,
}

/// What happened to a message.
struct Passage<'a> {
    sender: &'a History,
    to: &'a PeerId,
    sent: At,
    settled: Option<(At, &'a Fate)>,
    arrivals: usize,
}

impl Passage<'_> {
    /// How long it took until its sender knew that it was delivered.
    fn took(&self) -> Option<Duration> {
        self.settled.filter(|(_, fate)| **fate == Fate::Delivered).map(|(at, _)| at.since(self.sent))
    }
}

/// The messages of a run, by the number of the client and its own.
type Passages<'a> = BTreeMap<(usize, u64), Passage<'a>>;

pub(super) fn check(_: &Course, histories: &[History], verdict: &mut Verdict) {
    let mut passages = Passages::new();
    for history in histories {
        send(history, &mut passages, verdict);
    }
    let stays = histories.iter().map(|history| (history.client, stays(history))).collect();
    let last_stays = histories.iter().filter_map(last_stay).collect();
    for history in histories {
        arrive(history, &stays, &mut passages, verdict);
    }
    for ((_, number), passage) in &passages {
        judge(*number, passage, &last_stays, verdict);
    }
    let mut times: Vec<_> = passages.values().filter_map(Passage::took).collect();
    times.sort_unstable();
    verdict.letters.p99 = percentile(&times, 99);
}

/// Everything that a client sent, and was told of it.
fn send<'a>(history: &'a History, passages: &mut Passages<'a>, verdict: &mut Verdict) {
    for record in &history.records {
        match &record.what {
            Happening::Sent { number, to } => {
                let passage = Passage { sender: history, to, sent: record.at, settled: None, arrivals: 0 };
                passages.insert((history.client, *number), passage);
            }
            Happening::Settled { number, fate } => {
                let passage = passages.get_mut(&(history.client, *number));
                match passage.map(|passage| passage.settled.replace((record.at, fate))) {
                    Some(None) => {}
                    Some(Some(_)) => verdict.blame(Kind::SettledTwice, history, record.at, format!("message {number}")),
                    None => verdict.blame(Kind::Forged, history, record.at, format!("fate of {number}, never sent")),
                }
            }
            _ => {}
        }
    }
}

/// The ids that a client has had.
fn stays(history: &History) -> BTreeSet<&PeerId> {
    let joined = history.records.iter().filter_map(|record| match &record.what {
        Happening::Joined { me, .. } => Some(me),
        _ => None,
    });
    joined.collect()
}

/// The id that a client had in the end: it has never left.
fn last_stay(history: &History) -> Option<&PeerId> {
    history.records.iter().rev().find_map(|record| match &record.what {
        Happening::Joined { me, .. } => Some(me),
        _ => None,
    })
}

/// Everything that came to a client.
fn arrive(
    history: &History,
    stays: &BTreeMap<usize, BTreeSet<&PeerId>>,
    passages: &mut Passages<'_>,
    verdict: &mut Verdict,
) {
    let mut me = None;
    let mut latest: BTreeMap<(&PeerId, &PeerId), u64> = BTreeMap::new();
    for record in &history.records {
        let (from, letter) = match &record.what {
            Happening::Delivered { from, letter } => (from, letter),
            Happening::Joined { me: id, .. } => {
                me = Some(id);
                continue;
            }
            _ => continue,
        };
        let Letter { client, number, to, .. } = letter;
        let named = format!("message {number} of client {client}");
        let mut blame = |kind, why: &str| verdict.blame(kind, history, record.at, format!("{named}{why}"));
        let Some(passage) = passages.get_mut(&(*client, *number)).filter(|passage| passage.to == to) else {
            blame(Kind::Forged, ", which nobody wrote");
            continue;
        };
        passage.arrivals += 1;
        if passage.sender.room != history.room {
            blame(Kind::Forged, ", of another room");
        } else if !stays.get(client).is_some_and(|stays| stays.contains(from)) {
            blame(Kind::Forged, ", as of somebody else");
        } else if me != Some(to) {
            blame(Kind::Forged, ", for somebody else");
        }
        if passage.arrivals > 1 {
            blame(Kind::Duplicated, "");
            continue;
        }
        let latest = latest.entry((from, to)).or_default();
        if number < latest {
            blame(Kind::Reordered, &format!(" came after {latest}"));
        }
        *latest = (*latest).max(*number);
    }
}

/// The end of a message.
fn judge(number: u64, passage: &Passage<'_>, last_stays: &BTreeSet<&PeerId>, verdict: &mut Verdict) {
    let Passage { sender, to, sent, settled, arrivals } = passage;
    let named = format!("message {number} to {to}");
    verdict.letters.sent += 1;
    let Some((at, fate)) = settled else {
        return verdict.blame(Kind::Unsettled, sender, *sent, named);
    };
    if at.since(*sent) > SETTLED {
        verdict.blame(Kind::Unsettled, sender, *sent, format!("{named} for {:?}", at.since(*sent)));
    }
    match fate {
        Fate::Delivered => {
            verdict.letters.delivered += 1;
            if *arrivals == 0 {
                verdict.blame(Kind::Lost, sender, *sent, named);
            }
        }
        Fate::Rejected { why, outcome } => {
            *verdict.letters.rejected.entry(why.clone()).or_default() += 1;
            if *outcome == Outcome::NotDelivered && *arrivals > 0 {
                verdict.blame(Kind::Contradicted, sender, *sent, format!("{named}: {why}"));
            }
            if GONE.contains(&why.as_str()) && last_stays.contains(to) {
                verdict.blame(Kind::GivenUp, sender, *sent, format!("{named}: {why}"));
            }
        }
    }
}
