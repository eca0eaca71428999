//! A relay with every fault that a server and its networks have. In a storm it drops, doubles, delays, reorders and refuses; when it is
//! silent nothing comes through, or only afterwards; when it crashes, everything in it is gone. What it knows of a stay: attached, away
//! for [`WINDOW_MS`] at most, or buried.

use crate::{
    chance::Range,
    checker::Stay,
    messages::{Begins, Delivery, Frame, News, Refusal, Refused, Turn, Welcome},
    scene::{Event, LineId, Scene},
};

/// How long a stay that is away may come back, in milliseconds.
pub(crate) const WINDOW_MS: u64 = 30_000;
/// How many messages wait for one that is away.
const PARKED_MAX: usize = 64;
/// How long one way of a connection takes.
const WAY_MS: Range = (2, 30);
/// How long a storm holds a message up.
const DELAYS_MS: [Range; 5] = [(1, 100), (1, 100), (100, 3_000), (100, 3_000), (3_000, 40_000)];

/// What the weather is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Calm,
    Storm,
    Silent,
    Dammed,
}

/// About a frame that is handed on again, nothing is said to its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandedOn {
    First,
    Again,
}

#[derive(Debug)]
struct Session {
    stay: Stay,
    state: Presence,
    line: LineId,
    parked: Vec<Frame>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Attached,
    Away,
}

/// The relay of one run.
pub(crate) struct Relay {
    pub(crate) weather: Weather,
    /// The stay that follows one whose resume came too late.
    next_stay: fn(Stay) -> Stay,
    sessions: Vec<Session>,
    buried: Vec<Stay>,
    crashes: u32,
    dammed: Vec<Frame>,
}

impl Relay {
    pub(crate) fn new(next_stay: fn(Stay) -> Stay) -> Self {
        Self {
            weather: Weather::Calm,
            next_stay,
            sessions: Vec::new(),
            buried: Vec::new(),
            crashes: 0,
            dammed: Vec::new(),
        }
    }

    /// Whether a stay is attached by a connection that works.
    pub(crate) fn hears(&self, stay: Stay, scene: &Scene) -> bool {
        self.attached(stay).is_some_and(|line| scene.is_open(line))
    }

    pub(crate) fn set_weather(&mut self, weather: Weather, scene: &mut Scene) {
        self.weather = weather;
        if weather != Weather::Dammed {
            for frame in std::mem::take(&mut self.dammed) {
                self.hand_over(frame, HandedOn::First, scene);
            }
        }
    }

    /// Everything in it is gone, and sometimes even who has left.
    pub(crate) fn crash(&mut self, scene: &mut Scene) {
        self.crashes += 1;
        for session in self.sessions.drain(..) {
            scene.cut(session.line);
        }
        self.dammed.clear();
        if scene.chance.happens(0.5) {
            self.buried.clear();
        }
    }

    /// A connection begins, with the stay that it wants to go on with.
    pub(crate) fn attach(&mut self, wanted: Stay, line: LineId, scene: &mut Scene) {
        let late = self.buried.contains(&wanted);
        let stay = if late { (self.next_stay)(wanted) } else { wanted };
        self.buried.retain(|other| *other != stay);
        let named = |state| {
            let others = self.sessions.iter().filter(|other| other.stay != stay && other.state == state);
            others.map(|other| other.stay).collect::<Vec<_>>()
        };
        let welcome = Welcome {
            stay,
            begins: if late { Begins::Anew } else { Begins::Resumed },
            here: named(Presence::Attached),
            away: named(Presence::Away),
            left: self.buried.clone(),
        };
        let former = self.seat(Session { stay, state: Presence::Attached, line, parked: Vec::new() });
        self.down(line, Delivery::Welcome(welcome), scene);
        let Some(former) = former else {
            return self.tell(stay, Turn::Joined, scene);
        };
        scene.cut(former.line);
        for frame in former.parked {
            self.hand_over(frame, HandedOn::First, scene);
        }
        self.tell(stay, Turn::Back, scene);
    }

    /// Puts a session in the place of the former one of its stay, or behind all others.
    fn seat(&mut self, session: Session) -> Option<Session> {
        let place = self.sessions.iter_mut().find(|other| other.stay == session.stay);
        let Some(place) = place else {
            self.sessions.push(session);
            return None;
        };
        Some(std::mem::replace(place, session))
    }

    /// The relay notices that a connection is gone.
    pub(crate) fn lose(&mut self, line: LineId, scene: &mut Scene) {
        scene.cut(line);
        let session = self.sessions.iter_mut().find(|other| other.line == line);
        let Some(session) = session.filter(|session| session.state == Presence::Attached) else {
            return;
        };
        session.state = Presence::Away;
        let stay = session.stay;
        self.tell(stay, Turn::Away, scene);
        scene.agenda.after(WINDOW_MS, Event::Lapses { stay, line });
    }

    /// The window of a stay is over, unless it has come back by another connection.
    pub(crate) fn lapse(&mut self, stay: Stay, line: LineId, scene: &mut Scene) {
        if self.sessions.iter().any(|session| session.stay == stay && session.line == line) {
            self.bury(stay, scene);
        }
    }

    /// A stay is over for good.
    pub(crate) fn bury(&mut self, stay: Stay, scene: &mut Scene) {
        scene.log(format_args!("relay: {stay} is gone"));
        self.sessions.retain(|session| session.stay != stay);
        if !self.buried.contains(&stay) {
            self.buried.push(stay);
        }
        self.tell(stay, Turn::Left, scene);
    }

    /// A frame goes up.
    pub(crate) fn transmit(&self, line: LineId, frame: Frame, scene: &mut Scene) {
        let now = scene.agenda.now();
        let up_at = scene.lines[line].up_at.max(now + scene.chance.between(WAY_MS));
        scene.lines[line].up_at = up_at;
        scene.agenda.after(up_at - now, Event::Rises { crashes: self.crashes, line, frame });
    }

    /// A frame has come up.
    pub(crate) fn rise(&mut self, crashes: u32, line: LineId, frame: Frame, scene: &mut Scene) {
        if crashes == self.crashes && scene.is_open(line) {
            self.route(frame, scene);
        }
    }

    /// A frame goes on that was held up.
    pub(crate) fn resume(&mut self, crashes: u32, frame: Frame, time: HandedOn, scene: &mut Scene) {
        if crashes == self.crashes {
            self.hand_over(frame, time, scene);
        }
    }

    /// Says what it has to say late.
    pub(crate) fn say(&mut self, crashes: u32, line: LineId, news: News, scene: &mut Scene) {
        if crashes == self.crashes {
            self.down(line, Delivery::News(news), scene);
        }
    }

    fn route(&mut self, frame: Frame, scene: &mut Scene) {
        match self.weather {
            Weather::Calm => self.hand_over(frame, HandedOn::First, scene),
            Weather::Storm => self.brave(frame, scene),
            Weather::Silent => {}
            Weather::Dammed => self.dammed.push(frame),
        }
    }

    /// Hands a frame on in a storm.
    fn brave(&mut self, frame: Frame, scene: &mut Scene) {
        if scene.chance.happens(0.15) {
            return;
        }
        if frame.letter.is_some() && scene.chance.happens(0.06) {
            let kind = if scene.chance.happens(0.15) { Refused::Never } else { Refused::Postponed };
            return self.refuse(frame, kind, scene);
        }
        if scene.chance.happens(0.15) {
            self.hold_up(frame, HandedOn::Again, scene);
        }
        if scene.chance.happens(0.2) {
            return self.hold_up(frame, HandedOn::First, scene);
        }
        self.hand_over(frame, HandedOn::First, scene);
    }

    fn hold_up(&self, frame: Frame, time: HandedOn, scene: &mut Scene) {
        let ms = scene.chance.of_ranges(&DELAYS_MS);
        scene.agenda.after(ms, Event::Resumes { crashes: self.crashes, frame, time });
    }

    /// Hands a frame to its receiver.
    fn hand_over(&mut self, frame: Frame, time: HandedOn, scene: &mut Scene) {
        if let Some(line) = self.attached(frame.to) {
            return self.down(line, Delivery::Frame(frame), scene);
        }
        // An acknowledgement is neither parked nor refused, and a copy is not refused after its original was not.
        if frame.letter.is_none() || time == HandedOn::Again {
            return;
        }
        let away = self.sessions.iter_mut().find(|session| session.stay == frame.to);
        match away {
            Some(session) if session.parked.len() < PARKED_MAX => session.parked.push(frame),
            Some(_) | None => {
                let kind = if self.buried.contains(&frame.to) { Refused::Gone } else { Refused::Postponed };
                self.refuse(frame, kind, scene);
            }
        }
    }

    fn refuse(&mut self, frame: Frame, kind: Refused, scene: &mut Scene) {
        let Some((position, line)) = frame.x.s.zip(self.attached(frame.from)) else {
            return;
        };
        let retry_after_ms = scene.chance.of_ranges(&[(0, 0), (0, 3_000)]);
        self.down(line, Delivery::Refusal(Refusal { to: frame.to, position, kind, retry_after_ms }), scene);
    }

    /// Says something of a stay to the others; in a storm late, or not at all.
    fn tell(&mut self, stay: Stay, turn: Turn, scene: &mut Scene) {
        let news = News { turn, stay };
        for other in self.sessions.iter().filter(|other| other.stay != stay) {
            let calm = self.weather == Weather::Calm;
            if !calm && scene.chance.happens(0.4) {
                continue;
            }
            let ms = if calm { 0 } else { scene.chance.between((0, 5_000)) };
            scene.agenda.after(ms, Event::Says { crashes: self.crashes, line: other.line, news });
        }
    }

    /// Something goes down a connection, in order.
    fn down(&self, line: LineId, delivery: Delivery, scene: &mut Scene) {
        let now = scene.agenda.now();
        let down_at = scene.lines[line].down_at.max(now + scene.chance.between(WAY_MS));
        scene.lines[line].down_at = down_at;
        scene.agenda.after(down_at - now, Event::Brings { line, delivery });
    }

    /// The connection by which a stay is attached.
    fn attached(&self, stay: Stay) -> Option<LineId> {
        let session = self.sessions.iter().find(|session| session.stay == stay)?;
        (session.state == Presence::Attached).then_some(session.line)
    }
}
