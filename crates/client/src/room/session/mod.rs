//! A stay in a room, over all its connections: what comes in, and what is to be done about it.
//!
//! Pure, like its parts: the [`Way`] to the server, the [`Delivery`] to the peers, the [`Roster`] of those, the [`Heartbeat`] of the
//! connection that stands. The driver passes in what happens and the time, executes the [`Output`]s, and comes back at
//! [`next_at`](Session::next_at).

mod heard;

use std::{collections::VecDeque, time::Duration};

use aldis_protocol::{CloseCode, PeerInfo, Received, Welcome, server::IceServers};

use super::{
    backoff::backoff,
    delivery::{Delivery, Due, Takes},
    event::Event,
    failure::Failure,
    heartbeat::{Beat, Heartbeat},
    roster::Roster,
    undelivered::{Undelivered, Why},
    way::{Step, Way},
};
use crate::{Addressed, Error, Outgoing, streams::Moment};

/// How many events may wait for the application before messages of streams do: then their senders' windows are full after a while.
const EVENTS_MAX: usize = 256;

/// How many before nothing more is read from the server: of those without streams nothing else holds up what they say.
const EVENTS_FULL: usize = 1_024;

/// The shortest pause before another new token is sent.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);

/// A number in [0, 1) at each call.
pub(crate) type Chance = Box<dyn FnMut() -> f64 + Send>;

/// What the driver has to do. `T` stands for whoever waits for the fate of a message.
#[derive(Debug)]
pub(crate) enum Output<T> {
    /// Connect, with this resume token; an attempt that is under way is given up.
    Connect { resume: Option<String> },
    /// Give up the attempt that is under way.
    Abandon,
    /// Send this on the connection that stands.
    Send(String),
    /// Close the connection that stands, once everything is sent.
    Close(CloseCode),
    /// Get a new token.
    RenewToken,
    /// Tell what became of a message.
    Settled(T, Result<(), Undelivered>),
    /// The first attempts succeeded.
    Joined,
    /// They failed.
    NotJoined(Error),
}

/// A stay in a room; see the module.
pub(crate) struct Session<T> {
    way: Way,
    delivery: Delivery<T>,
    roster: Roster,
    link: Option<Link>,
    me: Option<PeerInfo>,
    resume: Option<String>,
    ice: IceServers,
    renewable: bool,
    chance: Chance,
    outputs: VecDeque<Output<T>>,
    events: VecDeque<Event>,
    audience: Audience,
}

/// The connection that stands.
struct Link {
    heartbeat: Heartbeat,
    renewal: Renewal,
}

/// How far a new token is.
enum Renewal {
    /// The old one will do.
    None,
    /// It is asked for, so often by now.
    Asking { times: u32 },
    /// It was sent, or there was none: unless the server takes it, another is asked for then.
    Waiting { until: Moment, times: u32 },
}

/// Whether there is room for events where there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Made,
    Unchanged,
}

/// Whether anybody listens.
#[derive(PartialEq, Eq)]
enum Audience {
    Listens,
    Gone,
}

impl<T> Session<T> {
    /// Nothing has happened yet; joining is given up after `patience`.
    pub(crate) fn new(renewable: bool, patience: Duration, chance: Chance, now: Moment) -> Self {
        Self {
            way: Way::new(renewable, patience, now),
            delivery: Delivery::new(),
            roster: Roster::default(),
            link: None,
            me: None,
            resume: None,
            ice: IceServers { ice_servers: Vec::new(), ice_expires_at: None, ice_cuts_at_expiry: false },
            renewable,
            chance,
            outputs: VecDeque::new(),
            events: VecDeque::new(),
            audience: Audience::Listens,
        }
    }

    /// This side, once it has joined.
    pub(crate) fn me(&self) -> Option<&PeerInfo> {
        self.me.as_ref()
    }

    /// The others, oldest first.
    pub(crate) fn peers(&self) -> &[PeerInfo] {
        self.roster.peers()
    }

    /// The ICE servers to use.
    pub(crate) fn ice(&self) -> &IceServers {
        &self.ice
    }

    /// Whether a connection stands.
    pub(crate) fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Whether there will never be another connection.
    pub(crate) fn is_over(&self) -> bool {
        self.way.is_over()
    }

    /// Whether the application has to take events before anything more is read.
    pub(crate) fn is_full(&self) -> bool {
        self.events.len() >= EVENTS_FULL
    }

    fn takes(&self) -> Takes {
        if self.events.len() < EVENTS_MAX { Takes::Everything } else { Takes::Nothing }
    }

    /// What is to be done next.
    pub(crate) fn take_output(&mut self) -> Option<Output<T>> {
        self.outputs.pop_front()
    }

    /// Whether there is anything to be told.
    pub(crate) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// What the application is told next, and whether that makes room for more.
    pub(crate) fn take_event(&mut self, now: Moment) -> (Option<Event>, Space) {
        let (was_full, took) = (self.is_full(), self.takes());
        let event = self.events.pop_front();
        if was_full && let Some(link) = &mut self.link {
            // Nothing was read for as long as it was full.
            link.heartbeat.excuse(now);
        }
        let made = was_full || (took == Takes::Nothing && self.takes() == Takes::Everything);
        (event, if made { Space::Made } else { Space::Unchanged })
    }

    /// Nobody takes events any more.
    pub(crate) fn deafen(&mut self) {
        self.audience = Audience::Gone;
        self.events.clear();
    }

    /// Makes the first attempt.
    pub(crate) fn start(&mut self, now: Moment) {
        let steps = self.way.start(now);
        self.follow(steps, now);
    }

    /// An attempt succeeded: that connection stands, and the one before it is closed.
    pub(crate) fn welcomed(&mut self, welcome: &Welcome, now: Moment) {
        if self.way.is_over() {
            return self.outputs.push_back(Output::Close(CloseCode::Bye));
        }
        let mut due = Due::default();
        self.forget_what_was_to_be_sent();
        self.way.welcomed(now);
        self.delivery.close(now, &mut due);
        self.link = Some(Link { heartbeat: Heartbeat::new(&welcome.heartbeat, now), renewal: Renewal::None });
        self.resume = welcome.resume.as_ref().map(|resume| resume.token.clone());
        self.ice = welcome.ice.clone();
        if self.me.is_none() {
            self.outputs.push_back(Output::Joined);
        }
        self.me = Some(welcome.peer.clone());
        if welcome.resumed {
            self.go_on(welcome, now, &mut due);
        } else {
            self.begin(welcome, now, &mut due);
        }
        // Not before it is known who has left.
        self.delivery.open(&welcome.limits, welcome.peers.len(), now, &mut due);
        self.settle(due, now);
    }

    /// An attempt failed.
    pub(crate) fn refused(&mut self, error: Error, now: Moment) {
        let random = (self.chance)();
        let steps = self.way.refused(Failure::from(error), random, now);
        self.follow(steps, now);
    }

    /// The connection that stood has ended by itself.
    pub(crate) fn lost(&mut self, error: Error, now: Moment) {
        let mut due = Due::default();
        self.forget_what_was_to_be_sent();
        self.link = None;
        self.roster.lost();
        self.delivery.close(now, &mut due);
        self.settle(due, now);
        let random = (self.chance)();
        let steps = self.way.lost(Failure::from(error), random, now);
        self.follow(steps, now);
    }

    /// Something came on the connection that stands, at that time.
    pub(crate) fn heard(&mut self, at: Moment) {
        if let Some(link) = &mut self.link {
            link.heartbeat.heard(at);
        }
    }

    /// A message came on the connection that stands.
    pub(crate) fn received(&mut self, received: Received, now: Moment) {
        let mut due = Due::default();
        match received {
            Received::Server(message) => self.handle(message, now, &mut due),
            Received::Relayed(signal) => {
                for signal in self.delivery.receive(signal, self.takes(), now, &mut due) {
                    self.tell(Event::Signal(signal));
                }
            }
        }
        self.settle(due, now);
    }

    /// The application sends a message to a peer, or to all. Where it is over the ticket comes back: nobody executes outputs any more.
    pub(crate) fn post(&mut self, message: Addressed, ticket: T, now: Moment) -> Result<(), T> {
        if self.way.is_over() {
            return Err(ticket);
        }
        let mut due = Due::default();
        if message.address().is_some() {
            self.delivery.post(message, ticket, now, &mut due);
        } else {
            self.delivery.broadcast(message, ticket, &mut due);
        }
        self.settle(due, now);
        Ok(())
    }

    /// The application sends something to the server. Returns whether there is a connection to send it on.
    pub(crate) fn say(&mut self, message: &Outgoing, now: Moment) -> bool {
        self.send(message, now);
        self.is_connected()
    }

    /// The new token that was asked for, if there is one.
    pub(crate) fn renewed(&mut self, token: Option<String>, now: Moment) {
        let random = (self.chance)();
        let Some(Link { renewal, .. }) = &mut self.link else { return };
        let Renewal::Asking { times } = *renewal else { return };
        // One that fails now may do better after the pause.
        *renewal =
            Renewal::Waiting { until: now + backoff(times, random, RENEWAL_PAUSE), times: times.saturating_add(1) };
        if let Some(token) = token {
            self.send(&Outgoing::auth(&token), now);
        }
    }

    /// The network is another one, or is back.
    pub(crate) fn network_changed(&mut self, now: Moment) {
        let steps = self.way.network_changed(now);
        self.follow(steps, now);
    }

    /// Says goodbye, for good.
    pub(crate) fn leave(&mut self, now: Moment) {
        if self.way.is_over() {
            return;
        }
        self.send(&Outgoing::leave(), now);
        self.finish(CloseCode::Bye);
    }

    /// Does what the time has come for.
    pub(crate) fn poll(&mut self, now: Moment) {
        let steps = self.way.poll(now);
        self.follow(steps, now);
        self.watch(now);
        let mut due = Due::default();
        for change in self.roster.expire(now) {
            self.apply(change, now, &mut due);
        }
        while self.takes() == Takes::Everything {
            let Some(signals) = self.delivery.catch_up(now) else { break };
            for signal in signals {
                self.tell(Event::Signal(signal));
            }
        }
        self.settle(due, now);
    }

    /// When [`poll`](Self::poll) is to be called.
    pub(crate) fn next_at(&self, now: Moment) -> Option<Moment> {
        if self.way.is_over() {
            return None;
        }
        let link = self.link.as_ref();
        let beat = link.filter(|_| !self.is_full()).map(|link| link.heartbeat.next_at());
        let renewal = link.and_then(|link| match link.renewal {
            Renewal::Waiting { until, .. } => Some(until),
            Renewal::None | Renewal::Asking { .. } => None,
        });
        let times = [self.way.next_at(), self.delivery.next_at(now), self.roster.next_at(), beat, renewal];
        times.into_iter().flatten().min()
    }

    /// Looks after the connection that stands.
    fn watch(&mut self, now: Moment) {
        let is_full = self.is_full();
        let Some(link) = &mut self.link else { return };
        if let Renewal::Waiting { until, times } = link.renewal
            && until <= now
        {
            self.ask_for_token(times);
        }
        // Whoever does not read cannot tell.
        let beat = self.link.as_mut().filter(|_| !is_full).and_then(|link| link.heartbeat.poll(now));
        self.beat(beat, now);
    }

    fn beat(&mut self, beat: Option<Beat>, now: Moment) {
        match beat {
            None => {}
            Some(Beat::Ping) => self.outputs.push_back(Output::Send(Outgoing::ping(None).to_json())),
            Some(Beat::Dead) => {
                self.outputs.push_back(Output::Close(CloseCode::WillResume));
                self.lost(Error::Timeout("a sign of life of the server"), now);
            }
        }
    }

    fn ask_for_token(&mut self, times: u32) {
        self.renew(Renewal::Asking { times });
        self.outputs.push_back(Output::RenewToken);
    }

    fn renew(&mut self, renewal: Renewal) {
        if let Some(link) = &mut self.link {
            link.renewal = renewal;
        }
    }

    /// Does what the way to the server asks for.
    fn follow(&mut self, steps: Vec<Step>, now: Moment) {
        for step in steps {
            match step {
                Step::Connect => self.outputs.push_back(Output::Connect { resume: self.resume.clone() }),
                Step::Reconnecting { error, retry_in } => self.tell(Event::Reconnecting { error, retry_in }),
                Step::Doubt => {
                    let beat = self.link.as_mut().and_then(|link| link.heartbeat.doubt(now));
                    self.beat(beat, now);
                }
                Step::Failed(error) => {
                    self.finish(CloseCode::WillResume);
                    if self.me.is_some() {
                        self.tell(Event::Failed(error));
                    } else {
                        self.outputs.push_back(Output::NotJoined(error));
                    }
                }
            }
        }
    }

    fn finish(&mut self, code: CloseCode) {
        let mut due = Due::default();
        self.way.leave();
        self.link = None;
        self.delivery.clear(&Why::Left, &mut due);
        self.outputs.extend(due.fates.into_iter().map(|(ticket, fate)| Output::Settled(ticket, fate)));
        self.outputs.extend([Output::Abandon, Output::Close(code)]);
    }

    /// Sends and tells what came of something.
    fn settle(&mut self, mut due: Due<T>, now: Moment) {
        self.delivery.pump(now, &mut due);
        for message in &due.send {
            self.send(message, now);
        }
        self.outputs.extend(due.fates.into_iter().map(|(ticket, fate)| Output::Settled(ticket, fate)));
    }

    fn send(&mut self, message: &Outgoing, now: Moment) {
        if let Some(link) = &mut self.link {
            link.heartbeat.sent(now);
            self.outputs.push_back(Output::Send(message.to_json()));
        }
    }

    fn tell(&mut self, event: Event) {
        if self.audience == Audience::Gone {
            return;
        }
        // While the server is away only the last attempt is news.
        let is_attempt = matches!(event, Event::Reconnecting { .. });
        if is_attempt && matches!(self.events.back(), Some(Event::Reconnecting { .. })) {
            self.events.pop_back();
        }
        self.events.push_back(event);
    }

    /// What was meant for one connection is not said on another: messages of streams go again by themselves.
    fn forget_what_was_to_be_sent(&mut self) {
        self.outputs.retain(|output| !matches!(output, Output::Send(_)));
    }

    /// A random u32.
    fn epoch(&mut self) -> u32 {
        ((self.chance)() * f64::from(u32::MAX)) as u32
    }
}

#[cfg(test)]
mod tests;
