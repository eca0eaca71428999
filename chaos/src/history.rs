//! What a client saw, and when: the only thing that the checker reads.
//!
//! All clients of a run share one monotonic clock, so that their histories can be laid side by side. On disk a run is a folder: one file of
//! JSON lines per client, and `course.json` for what was done to the cluster meanwhile.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use aldis_client::protocol::{LeaveReason, Outcome, PeerId, Presence};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::faults::Fault;

/// The name of the file beside the histories.
const COURSE: &str = "course.json";

/// A time of a run, in microseconds since its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct At(pub(crate) u64);

impl At {
    /// The time that lies so much later.
    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How much has passed since that time; nothing where it is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", Duration::from_micros(self.0).as_secs_f64())
    }
}

/// The clock of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// It begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// What it shows.
    pub(crate) fn now(self) -> At {
        At::default().plus(self.0.elapsed())
    }
}

/// A peer of a room, as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) id: PeerId,
    pub(crate) presence: Presence,
}

/// What became of a message, as its sender was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fate {
    /// The other side has it.
    Delivered,
    /// It was rejected, by this name, and may have arrived or not.
    Rejected { why: String, outcome: Outcome },
}

/// Something that happened to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Happening {
    /// A stay began: at first, and wherever a session could not go on.
    Joined { me: PeerId, peers: Vec<Seen> },
    /// The connection broke.
    Reconnecting { error: String },
    /// There is a connection again, of the same stay.
    Resumed,
    /// Somebody came.
    PeerJoined { peer: Seen },
    /// Somebody is here, or away.
    PeerUpdated { peer: Seen },
    /// Somebody is gone for good.
    PeerLeft { id: PeerId, reason: LeaveReason },
    /// A message was given to the client. Its numbers count up, so they are the order in which it was asked to send.
    Sent { number: u64, to: PeerId },
    /// The client was told what became of it.
    Settled { number: u64, fate: Fate },
    /// A message of another client came; all but `from`, which the server vouches for, is what the sender wrote into it.
    Delivered { from: PeerId, letter: Letter },
    /// The server does not want this client any more.
    Failed { error: String },
}

/// What is in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// Which client wrote it.
    pub(crate) client: usize,
    /// Which of its messages it is.
    pub(crate) number: u64,
    /// Whom it is for.
    pub(crate) to: PeerId,
    /// Ballast.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) ballast: String,
}

/// A line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) at: At,
    #[serde(flatten)]
    pub(crate) what: Happening,
}

/// Everything that one client saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) client: usize,
    pub(crate) room: usize,
    pub(crate) records: Vec<Record>,
}

/// What was done to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mark {
    /// Something was broken.
    Began,
    /// Everything that was broken is whole again.
    Healed,
}

/// The course of a run: what was done, and from when to when the clients were watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Course {
    pub(crate) fault: Fault,
    /// When the fault was over and everybody had been told what became of their messages. What follows is the end of the run itself.
    pub(crate) ended: At,
    pub(crate) marks: Vec<(At, Mark)>,
}

/// The marks of a run that is under way.
#[derive(Debug)]
pub(crate) struct Marks {
    clock: Clock,
    pub(crate) all: Vec<(At, Mark)>,
}

impl Marks {
    /// None yet.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, all: Vec::new() }
    }

    /// Something was broken, or is whole again, now.
    pub(crate) fn set(&mut self, mark: Mark) {
        self.all.push((self.clock.now(), mark));
    }
}

/// Writes a run into a folder.
pub(crate) fn write(folder: &Path, course: &Course, histories: &[History]) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join(COURSE), serde_json::to_string_pretty(course)?)?;
    for history in histories {
        let name = format!("room-{:03}-client-{:03}.jsonl", history.room, history.client);
        let mut file = BufWriter::new(fs::File::create(folder.join(name))?);
        for record in &history.records {
            serde_json::to_writer(&mut file, record)?;
            file.write_all(b"\n")?;
        }
        file.flush()?;
    }
    Ok(())
}

/// Reads what [`write`](fn@write) wrote.
pub(crate) fn read(folder: &Path) -> anyhow::Result<(Course, Vec<History>)> {
    let course = folder.join(COURSE);
    let course = fs::read_to_string(&course).with_context(|| format!("cannot read {}", course.display()))?;
    let mut histories = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let numbers = path.file_name().and_then(|name| numbers_of(name.to_str()?));
        if let Some((room, client)) = numbers {
            let lines = BufReader::new(fs::File::open(&path)?).lines();
            let records = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<anyhow::Result<_>>();
            let records = records.with_context(|| format!("cannot read {}", path.display()))?;
            histories.insert(client, History { client, room, records });
        }
    }
    Ok((serde_json::from_str(&course)?, histories.into_values().collect()))
}

/// The room and the client in the name of a file.
fn numbers_of(name: &str) -> Option<(usize, usize)> {
    let (room, client) = name.strip_prefix("room-")?.strip_suffix(".jsonl")?.split_once("-client-")?;
    Some((room.parse().ok()?, client.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let id = |text| PeerId::parse(text).expect("an id");
        let seen = Seen { id: id("b"), presence: Presence::Away };
        let letter = Letter { client: 1, number: 7, to: id("a"), ballast: String::new() };
        let rejected = Fate::Rejected { why: "timed-out".to_owned(), outcome: Outcome::Unknown };
        let happenings = [
            Happening::Joined { me: id("a"), peers: vec![seen.clone()] },
            Happening::Reconnecting { error: "closed with 1006".to_owned() },
            Happening::Resumed,
            Happening::PeerJoined { peer: seen.clone() },
            Happening::PeerUpdated { peer: seen },
            Happening::PeerLeft { id: id("b"), reason: LeaveReason::Timeout },
            Happening::Sent { number: 1, to: id("b") },
            Happening::Settled { number: 1, fate: rejected },
            Happening::Settled { number: 2, fate: Fate::Delivered },
            Happening::Delivered { from: id("b"), letter },
            Happening::Failed { error: "no".to_owned() },
        ];
        let records = happenings.map(|what| Record { at: At(5), what }).to_vec();
        let histories = [12, 3].map(|client| History { client, room: client / 2, records: records.clone() });
        let course =
            Course { fault: Fault::Kill, ended: At(9), marks: vec![(At(1), Mark::Began), (At(2), Mark::Healed)] };

        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &course, &histories).expect("written");
        let (read_course, read_histories) = read(folder.path()).expect("read");
        assert_eq!(read_course, course);
        let [twelve, three] = histories;
        assert_eq!(read_histories, [three, twelve], "by their numbers");
    }
}
