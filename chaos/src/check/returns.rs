//! Connections that broke: who came back, as whom, and how soon.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Kind, Verdict, during};
use crate::{
    faults::Fault,
    history::{At, Course, Happening, History, Mark},
};

/// A connection that breaks so soon after a node was killed was one of that node.
const OF_THE_NODE: Duration = Duration::from_secs(5);

/// How connections fared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// How often a connection took the place of another without a gap.
    pub(crate) moved: usize,
    /// How often a stay went on after a gap, and how often it could not.
    pub(crate) resumed: usize,
    pub(crate) anew: usize,
    /// The same of those whose whole room sat on a node that was killed.
    pub(crate) together_resumed: usize,
    pub(crate) together_anew: usize,
    /// How long the gaps were, sorted; after a kill from the kill on.
    pub(crate) gaps: Vec<Duration>,
}

/// A time without a connection.
struct Gap {
    /// When it began by itself.
    lost: At,
    /// The kill that it is due to.
    kill: Option<At>,
    room: usize,
    client: usize,
    back: At,
    resumed: bool,
}

pub(super) fn check(course: &Course, histories: &[History], verdict: &mut Verdict) {
    let kills = kills(course);
    let gaps: Vec<_> = histories.iter().flat_map(|history| gaps(course, history, &kills, verdict)).collect();
    let together = together(histories, &gaps);
    let figures = &mut verdict.returns;
    for gap in &gaps {
        let both = gap.kill.is_some_and(|kill| together.contains(&(kill, gap.room)));
        let (all, of_together) = if gap.resumed {
            (&mut figures.resumed, &mut figures.together_resumed)
        } else {
            (&mut figures.anew, &mut figures.together_anew)
        };
        *all += 1;
        *of_together += usize::from(both);
        figures.gaps.push(gap.back.since(gap.kill.unwrap_or(gap.lost)));
    }
    figures.gaps.sort_unstable();
}

impl Figures {
    /// The share of stays that went on, in percent.
    pub(crate) fn resumed_percent(&self) -> Option<f64> {
        percent(self.resumed, self.anew)
    }

    /// The same of those whose whole room sat on a node that was killed.
    pub(crate) fn together_percent(&self) -> Option<f64> {
        percent(self.together_resumed, self.together_anew)
    }

    /// The gap than which so many percent are not longer.
    pub(crate) fn gap(&self, percentile: usize) -> Option<Duration> {
        super::percentile(&self.gaps, percentile)
    }
}

fn percent(of: usize, rest: usize) -> Option<f64> {
    let all = of + rest;
    (all > 0).then(|| 100.0 * of as f64 / all as f64)
}

/// When nodes were killed.
fn kills(course: &Course) -> Vec<At> {
    if !matches!(course.fault, Fault::Kill | Fault::Control) {
        return Vec::new();
    }
    course.marks.iter().filter(|(_, mark)| *mark == Mark::Began).map(|(at, _)| *at).collect()
}

/// The gaps of one client.
fn gaps(course: &Course, history: &History, kills: &[At], verdict: &mut Verdict) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut lost = None;
    let mut is_in = false;
    for record in during(course, history) {
        let resumed = match &record.what {
            Happening::Reconnecting { .. } => {
                lost = lost.or(Some(record.at));
                continue;
            }
            Happening::Failed { error } => {
                verdict.blame(Kind::Refused, history, record.at, error.clone());
                continue;
            }
            Happening::Resumed => true,
            Happening::Joined { .. } => false,
            _ => continue,
        };
        if !is_in {
            is_in = true;
        } else if resumed && lost.is_none() {
            verdict.returns.moved += 1;
        } else {
            let lost = lost.unwrap_or(record.at);
            let kill = kills.iter().rfind(|kill| **kill <= lost && lost.since(**kill) < OF_THE_NODE).copied();
            gaps.push(Gap { lost, kill, room: history.room, client: history.client, back: record.at, resumed });
        }
        lost = None;
    }
    if let Some(lost) = lost {
        verdict.blame(Kind::Absent, history, lost, "its connection broke and it has not come back");
    }
    gaps
}

/// The rooms that sat on one node when it was killed.
fn together(histories: &[History], gaps: &[Gap]) -> BTreeSet<(At, usize)> {
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for history in histories {
        *sizes.entry(history.room).or_default() += 1;
    }
    let mut hit: BTreeMap<(At, usize), BTreeSet<usize>> = BTreeMap::new();
    for gap in gaps {
        if let Some(kill) = gap.kill {
            hit.entry((kill, gap.room)).or_default().insert(gap.client);
        }
    }
    let whole = |room: &usize, clients: &BTreeSet<usize>| sizes.get(room) == Some(&clients.len());
    hit.into_iter().filter(|((_, room), clients)| whole(room, clients)).map(|(place, _)| place).collect()
}
