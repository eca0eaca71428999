//! What executes a session: sockets, tokens and timers.

use std::{collections::VecDeque, future::pending, mem, pin::Pin, sync::Arc, time::Duration};

use aldis_protocol::{CloseCode, Received};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Shared, Ticket,
    options::RoomOptions,
    session::{Output, Session},
};
use crate::{Connection, Dialect, Error, Options, Token, room::delivery::STREAMS};

/// How long the application may take to get a token.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection that is closed may take to send what is left.
const GOODBYE: Duration = Duration::from_secs(2);

/// Something that is waited for beside others.
type Pending<Output> = Pin<Box<dyn Future<Output = Output> + Send>>;

/// Executes a session, until it is over.
pub(super) struct Driver {
    shared: Arc<Shared>,
    options: RoomOptions,
    /// The connection that stands, and what is to be sent on it.
    standing: Option<Box<Connection>>,
    outbox: VecDeque<String>,
    /// The next connection.
    attempt: Option<Pending<Result<Box<Connection>, Error>>>,
    /// A new token for the one that stands.
    renewal: Option<Pending<Result<Option<String>, Error>>>,
    /// Connections that say goodbye.
    closing: JoinSet<()>,
    /// Whoever waits for the first `welcome`.
    joined: Option<oneshot::Sender<Result<(), Error>>>,
}

/// What happened.
enum Happening {
    /// Somebody changed the session, or its time has come.
    Work,
    Attempted(Result<Box<Connection>, Error>),
    Renewed(Result<Option<String>, Error>),
    Received(Result<Received, Error>),
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, options: RoomOptions, joined: oneshot::Sender<Result<(), Error>>) -> Self {
        Self {
            shared,
            options,
            standing: None,
            outbox: VecDeque::new(),
            attempt: None,
            renewal: None,
            closing: JoinSet::new(),
            joined: Some(joined),
        }
    }

    /// Runs to the end of the session.
    pub(super) async fn run(mut self) {
        while let Some((wake_at, reads)) = self.work() {
            let happening = self.wait(wake_at, reads).await;
            self.take(happening);
        }
        while self.closing.join_next().await.is_some() {}
    }

    /// Does everything that there is to do. Returns when to come back, and whether to read meanwhile; nothing once it is over.
    fn work(&mut self) -> Option<(Option<Instant>, bool)> {
        let heard = self.standing.as_ref().map(|connection| self.shared.moment(connection.heard_at()));
        let mut session = self.shared.lock();
        let now = self.shared.now();
        if let Some(heard) = heard {
            session.heard(heard);
        }
        session.poll(now);
        let outputs: Vec<_> = std::iter::from_fn(|| session.take_output()).collect();
        let wake_at = session.next_at(now).map(|at| self.shared.instant(at));
        let reads = !session.is_full();
        // Under the same lock as what there is to do: nothing of the end is left undone.
        let is_over = session.is_over();
        drop(session);
        for output in outputs {
            self.execute(output);
        }
        self.shared.announce();
        (!is_over).then_some((wake_at, reads))
    }

    fn execute(&mut self, output: Output<Ticket>) {
        match output {
            Output::Connect { resume } => self.attempt = Some(Box::pin(connect(self.options.clone(), resume))),
            Output::Abandon => self.attempt = None,
            Output::Send(text) => self.outbox.push_back(text),
            Output::Close(code) => self.close(code),
            Output::RenewToken => {
                let source = self.options.token.clone();
                self.renewal = Some(Box::pin(async move { within(TOKEN_TIMEOUT, "the token", source.get()).await }));
            }
            // Nobody has to wait for it.
            Output::Settled(ticket, fate) => drop(ticket.send(fate)),
            Output::Joined => self.answer(Ok(())),
            Output::NotJoined(error) => self.answer(Err(error)),
        }
    }

    fn answer(&mut self, joined: Result<(), Error>) {
        if let Some(waiting) = self.joined.take() {
            // It may have been dropped meanwhile; then the room leaves.
            let _ = waiting.send(joined);
        }
    }

    /// Lets go of the connection that stands, in the background: it may take a moment.
    fn close(&mut self, code: CloseCode) {
        let outbox = mem::take(&mut self.outbox);
        self.renewal = None;
        if let Some(connection) = self.standing.take() {
            self.closing.spawn(async move {
                // Whatever becomes of it, it is over.
                let _ = timeout(GOODBYE, say_goodbye(connection, outbox, code)).await;
            });
        }
    }

    async fn wait(&mut self, wake_at: Option<Instant>, reads: bool) -> Happening {
        let Self { shared, standing, outbox, attempt, renewal, closing, .. } = self;
        tokio::select! {
            biased;
            () = shared.work.notified() => Happening::Work,
            attempted = ready(attempt) => Happening::Attempted(attempted),
            renewed = ready(renewal) => Happening::Renewed(renewed),
            received = converse(standing, outbox, reads) => Happening::Received(received),
            Some(_) = closing.join_next() => Happening::Work,
            () = sleep(wake_at) => Happening::Work,
        }
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Work => {}
            Happening::Attempted(Ok(connection)) => self.move_to(connection),
            Happening::Attempted(Err(error)) => self.shared.at(|session, now| session.refused(error, now)),
            Happening::Renewed(token) => self.shared.at(|session, now| session.renewed(token.ok().flatten(), now)),
            // What this version does not know is not for it.
            Happening::Received(Err(Error::Unreadable(_))) => {}
            Happening::Received(Ok(received)) => self.shared.at(|session, now| session.received(received, now)),
            Happening::Received(Err(error)) => {
                self.standing = None;
                self.outbox.clear();
                self.renewal = None;
                self.shared.at(|session, now| session.lost(error, now));
            }
        }
    }

    /// The next connection stands: only now the one before it is let go.
    fn move_to(&mut self, connection: Box<Connection>) {
        // What came on it before that is not said again to those who speak no streams.
        while let Some(Ok(Some(received))) = self.standing.as_mut().map(|before| before.try_recv()) {
            self.shared.at(|session, now| session.received(received, now));
        }
        // What was not sent on it goes again on the new one.
        self.outbox.clear();
        self.close(CloseCode::WillResume);
        let connection = self.standing.insert(connection);
        self.shared.at(|session, now| session.welcomed(connection.welcome(), now));
    }
}

/// Whatever ends it, as a runtime that shuts down: nobody waits for ever.
impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.at(Session::leave);
        while let Some(output) = self.shared.at(|session, _| session.take_output()) {
            if let Output::Settled(ticket, fate) = output {
                // Nobody has to wait for it.
                drop(ticket.send(fate));
            }
        }
        self.shared.announce();
        self.shared.done.cancel();
    }
}

/// One attempt, from its token to its `welcome`.
async fn connect(options: RoomOptions, resume: Option<String>) -> Result<Box<Connection>, Error> {
    let token = within(TOKEN_TIMEOUT, "the token", options.token.get()).await?;
    let mut features = vec![STREAMS.to_owned()];
    features.extend(options.features);
    let way = Options {
        room: options.room,
        token: token.map(Token::Subprotocol),
        trust: options.trust,
        ..Options::new(options.url).dialect(Dialect::V1 { resume, features })
    };
    Ok(Box::new(Connection::connect(way).await?))
}

/// Sends what there is to send and waits for a message; for ever where there is no connection.
async fn converse(
    standing: &mut Option<Box<Connection>>,
    outbox: &mut VecDeque<String>,
    reads: bool,
) -> Result<Received, Error> {
    match standing {
        Some(connection) => connection.converse(outbox, reads).await,
        None => pending().await,
    }
}

async fn say_goodbye(mut connection: Box<Connection>, outbox: VecDeque<String>, code: CloseCode) -> Result<(), Error> {
    for text in outbox {
        connection.feed_text(text).await?;
    }
    connection.close(code).await
}

async fn within<V>(
    limit: Duration,
    what: &'static str,
    future: impl Future<Output = Result<V, Error>>,
) -> Result<V, Error> {
    timeout(limit, future).await.unwrap_or(Err(Error::Timeout(what)))
}

/// Waits for what is in there, if anything is, and takes it out.
async fn ready<V>(slot: &mut Option<Pending<V>>) -> V {
    let Some(future) = slot else { return pending().await };
    let value = future.await;
    *slot = None;
    value
}

async fn sleep(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => pending().await,
    }
}
