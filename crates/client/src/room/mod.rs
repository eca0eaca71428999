//! A room that is stayed in: reconnects, resumes, and loses nothing.

mod backoff;
mod delivery;
mod driver;
mod event;
mod failure;
mod heartbeat;
mod options;
mod pace;
mod roster;
mod session;
mod undelivered;
mod way;

use std::{
    fmt,
    future::IntoFuture,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use aldis_protocol::{Outcome, PeerId, PeerInfo, server::IceServers};
use futures_util::stream::{Stream, unfold};
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::{
    driver::Driver,
    session::{Session, Space},
};
pub use self::{
    event::Event,
    options::RoomOptions,
    undelivered::{Undelivered, Why},
};
use crate::{Addressed, Error, Outgoing, Payload, streams::Moment};

/// Whoever waits for the fate of a message.
type Ticket = oneshot::Sender<Result<(), Undelivered>>;

/// A stay in a room. Cheap to clone; all clones are the same stay. When the last one is dropped the room is left.
///
/// Connections between peers are the application's: it sends offers, answers and candidates by [`send`](Self::send) and hears those of
/// others as [`Event::Signal`]. They go on while the connection to the server is away, and that comes back by itself.
///
/// ```no_run
/// use aldis_client::{Event, Outgoing, Room, RoomOptions};
/// use serde_json::json;
///
/// # async fn example(jwt: String) -> Result<(), Box<dyn std::error::Error>> {
/// let (room, mut events) = Room::join(RoomOptions::new("http://localhost:7654").room("lobby").token(jwt)).await?;
/// while let Some(event) = events.next().await {
///     match event {
///         Event::PeerJoined(peer) => drop(room.send(Outgoing::message(&peer.id, json!("hello")))),
///         Event::Signal(signal) => println!("{} from {}", signal.kind.as_str(), signal.from),
///         Event::Failed(error) => return Err(error.into()),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Room {
    shared: Arc<Shared>,
    /// Dropped with the last clone.
    _stay: Arc<Stay>,
}

/// What happens in a room, in order: the other half of [`Room::join`].
///
/// Take them as they come, or drop this where nobody wants to know. As long as 256 wait, messages of peers that speak streams do too, and
/// hold up their senders; at 1,024 nothing more is read from the server, which takes such a client for dead after a while.
pub struct Events {
    shared: Arc<Shared>,
}

/// A message on its way, which goes whether or not this is awaited. Resolves once it was delivered.
///
/// To a peer that speaks streams (the SDK for browsers does, and so does this client) that is when the peer has it, once and in order; to
/// others, when the server has written it to their connection; for all peers at once, when it was handed to the connection. Otherwise
/// [`Undelivered`] says what became of it: within 31 s, and where the peer speaks no streams within 66 s.
///
/// It is no future but becomes one (`.await`, or `.into_future()` for those who collect them), so that whoever does not care need not say so.
/// The task that takes [`Events`] should not wait for it: whoever has left meanwhile answers by an event.
#[derive(Debug)]
pub struct Sending(oneshot::Receiver<Result<(), Undelivered>>);

/// The future of a [`Sending`].
#[derive(Debug)]
pub struct Sent(oneshot::Receiver<Result<(), Undelivered>>);

/// What the handles and the driver share.
struct Shared {
    session: Mutex<Session<Ticket>>,
    origin: Instant,
    /// For the driver: there is something to do.
    work: Notify,
    /// For whoever takes events: there is one.
    news: Notify,
    /// The driver has ended.
    done: CancellationToken,
}

/// Leaves when it is dropped.
struct Stay(Arc<Shared>);

impl Room {
    /// Joins a room. The first event is [`Event::Joined`]. Needs a tokio runtime, on which the stay lives from then on.
    ///
    /// # Errors
    /// The server refuses this client for good, or could not be reached in [`RoomOptions::join_timeout`].
    pub async fn join(options: RoomOptions) -> Result<(Self, Events), Error> {
        let origin = Instant::now();
        let now = Moment::from(Duration::ZERO);
        let mut session =
            Session::new(options.token.is_renewable(), options.join_timeout, Box::new(fastrand::f64), now);
        session.start(now);
        let shared = Arc::new(Shared {
            session: Mutex::new(session),
            origin,
            work: Notify::new(),
            news: Notify::new(),
            done: CancellationToken::new(),
        });
        let room = Self { shared: Arc::clone(&shared), _stay: Arc::new(Stay(Arc::clone(&shared))) };
        let events = Events { shared: Arc::clone(&shared) };
        let (joined, joining) = oneshot::channel();
        tokio::spawn(Driver::new(shared, options, joined).run());
        joining.await.unwrap_or(Err(Error::Timeout("joining")))?;
        Ok((room, events))
    }

    /// This side, as the others see it. After a session that could not go on it has another id.
    #[must_use]
    pub fn me(&self) -> PeerInfo {
        self.shared.lock().me().cloned().expect("nobody has a room before its `welcome`")
    }

    /// The others: oldest first as the last `welcome` had them, then whoever came since. This may be ahead of the events that were not
    /// taken yet.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.shared.lock().peers().to_vec()
    }

    /// The ICE servers to make connections with.
    #[must_use]
    pub fn ice_servers(&self) -> IceServers {
        self.shared.lock().ice().clone()
    }

    /// Whether there is a connection to the server at the moment. Messages for peers wait for one.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.lock().is_connected()
    }

    /// Sends a signal to another peer, or to all where it has no address. It goes on its way at once, whatever is done with the result.
    ///
    /// Its name and its receipt are this client's: [`Addressed::msg`] and [`Addressed::receipt`] have no effect here. Of its `x` the
    /// fields `s` and `a` are.
    pub fn send(&self, message: impl Into<Addressed>) -> Sending {
        let (ticket, fate) = oneshot::channel();
        let posted = self.shared.change(|session, now| session.post(message.into(), ticket, now));
        if let Err(ticket) = posted {
            // Its receiver is in this function.
            let _ = ticket.send(Err(Undelivered::not(Why::Left)));
        }
        Sending(fate)
    }

    /// Gives this side other attributes: a JSON object of at most 1 KiB, for the others to see. Returns whether there is a connection.
    ///
    /// The server keeps them as long as the stay lasts on it: set them again after [`Event::Joined`], and after [`Event::Resumed`] where
    /// the server may be another one.
    pub fn set_attributes(&self, attributes: impl Into<Payload>) -> bool {
        self.say(&Outgoing::update(attributes))
    }

    /// Asks for fresh ICE servers; they come as [`Event::IceServers`]. Returns whether there is a connection.
    pub fn refresh_ice_servers(&self) -> bool {
        self.say(&Outgoing::ice_servers())
    }

    /// For those who lost their connection to a peer: has the server look whether it is there. What it finds comes as
    /// [`Event::PeerUpdated`], if it is news. Returns whether there is a connection.
    pub fn check(&self, id: &PeerId) -> bool {
        self.say(&Outgoing::check(id))
    }

    /// Removes a peer from the room, for a reason that it is told; needs `moderate` in the token. Returns whether there is a connection.
    pub fn remove(&self, id: &PeerId, reason: Option<&str>) -> bool {
        self.say(&Outgoing::remove(id, reason))
    }

    fn say(&self, message: &Outgoing) -> bool {
        self.shared.change(|session, now| session.say(message, now))
    }

    /// For those who know that the network is another one, or is back: a connection that looks open is asked for a sign of life, and one
    /// that is waited for is tried at once.
    pub fn network_changed(&self) {
        self.shared.change(Session::network_changed);
    }

    /// Leaves, for good: the others see it at once, or where there is no connection after a while. Everything that is on its way is given
    /// up. Resolves when the server knows, or does not answer for 2 s: so this, and not a mere drop, is how a program ends.
    pub async fn leave(self) {
        self.shared.change(Session::leave);
        self.shared.done.cancelled().await;
    }

    /// The peer of this id, if it is in the room.
    #[must_use]
    pub fn peer(&self, id: &PeerId) -> Option<PeerInfo> {
        self.shared.lock().peers().iter().find(|peer| peer.id == *id).cloned()
    }
}

impl Events {
    /// The next event; `None` once the room was left, or after [`Event::Failed`]. May be dropped halfway and loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.shared.take_event() {
                Taken::Event(event) => return Some(event),
                Taken::End => return None,
                Taken::Nothing => self.shared.news.notified().await,
            }
        }
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Event> {
        unfold(self, async |mut events| Some((events.next().await?, events)))
    }
}

/// What comes next.
enum Taken {
    Event(Event),
    /// Not yet.
    Nothing,
    /// Nothing any more.
    End,
}

impl IntoFuture for Sending {
    type Output = Result<(), Undelivered>;
    type IntoFuture = Sent;

    fn into_future(self) -> Sent {
        Sent(self.0)
    }
}

impl Future for Sent {
    type Output = Result<(), Undelivered>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let fate = ready!(Pin::new(&mut self.0).poll(context));
        // Every ticket is used; nobody could say more of one that was not.
        Poll::Ready(fate.unwrap_or(Err(Undelivered { outcome: Outcome::Unknown, why: Why::Left })))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Session<Ticket>> {
        self.session.lock()
    }

    fn now(&self) -> Moment {
        self.moment(Instant::now())
    }

    fn moment(&self, at: Instant) -> Moment {
        Moment::from(at.saturating_duration_since(self.origin))
    }

    fn instant(&self, at: Moment) -> Instant {
        // A server may ask to be left alone for longer than clocks reach.
        const FAR: Duration = Duration::from_secs(86_400 * 365);
        self.origin + at.since_origin().min(FAR)
    }

    /// Changes the session. The time is taken under its lock, so that it never goes back.
    fn at<V>(&self, change: impl FnOnce(&mut Session<Ticket>, Moment) -> V) -> V {
        let mut session = self.lock();
        change(&mut session, self.now())
    }

    /// Changes the session and has the driver see to it.
    fn change<V>(&self, change: impl FnOnce(&mut Session<Ticket>, Moment) -> V) -> V {
        let value = self.at(change);
        self.work.notify_one();
        value
    }

    /// Under one lock: what is told last must not come in between.
    fn take_event(&self) -> Taken {
        let mut session = self.lock();
        let (event, space) = session.take_event(self.now());
        if space == Space::Made {
            self.work.notify_one();
        }
        match event {
            Some(event) => Taken::Event(event),
            None if session.is_over() => Taken::End,
            None => Taken::Nothing,
        }
    }

    /// Wakes whoever waits for an event, or for the end.
    fn announce(&self) {
        let session = self.lock();
        if session.has_event() || session.is_over() {
            self.news.notify_one();
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.change(Session::leave);
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.shared.change(|session, _| session.deafen());
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("me", &self.shared.lock().me().map(|me| &me.id)).finish_non_exhaustive()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
