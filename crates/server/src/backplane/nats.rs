//! NATS, alone or as a cluster.
//!
//! One connection publishes and another one is subscribed: on one alone, a server that holds back a fast publisher would hold back
//! what it reads as well. A publish that asks for it carries a reply subject, to which the server itself answers 503 where nobody
//! reads. On a room's subject that question goes out on the subscribing connection, which does not hear itself: there, nobody is
//! nobody else. Whoever knows the reply subject can answer in the server's place, so a part of it is random. The library would heal a broken connection by itself, without a word on what was lost; so a broken one ends the link.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use async_nats::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, RequestErrorKind, ServerAddr, ServerError,
    StatusCode, Subscriber,
};
use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{
    StreamExt,
    stream::{SelectAll, TakeUntil},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::sync::Mutex;

use super::{
    MAX_PAYLOAD,
    address::{Servers, Transport},
    broker::{Broker, Link},
    health::{Cause, Failure},
    inlet::Inlet,
    outgoing::{Outgoing, Queue, Unread},
    subject::{Prefix, Subject},
};

/// How long one server may take to let a connection in before the next one is tried.
const CONNECT_TIME: Duration = Duration::from_secs(1);

/// How many messages of one subject the library holds for its reader, which hands them on without waiting.
const SUBJECT_CAPACITY: usize = 8_192;

/// How many frames the library holds for a connection that does not take them: at most as many bytes as our own queue holds. Its default
/// would be a quarter of a gibibyte.
const CLIENT_CAPACITY: usize = 64;

/// What a frame has beside its payload, with room to spare.
const OVERHEAD: usize = 1_024;

/// A NATS, as its address names it.
#[derive(Debug)]
pub(super) struct Nats {
    servers: Servers,
    prefix: Prefix,
}

impl Nats {
    pub(super) fn new(servers: Servers, prefix: Prefix) -> Self {
        Self { servers, prefix }
    }

    fn options(&self, inlet: &Inlet) -> ConnectOptions {
        let inlet = inlet.clone();
        let mut options = ConnectOptions::new()
            .name("aldis")
            .connection_timeout(CONNECT_TIME)
            .subscription_capacity(SUBJECT_CAPACITY)
            .client_capacity(CLIENT_CAPACITY)
            .custom_inbox_prefix(format!("{}.reply", self.prefix))
            // The library's own attempts end soon after those at the start would: the next link is ours.
            .max_reconnects(self.servers.seeds.len())
            .event_callback(move |event| {
                if let Some(failure) = failure_of(&event) {
                    inlet.failed(failure);
                }
                std::future::ready(())
            });
        if let Some(login) = &self.servers.login {
            let password = String::from_utf8_lossy(login.password.expose()).into_owned();
            options = match &login.user {
                Some(user) => options.user_and_password(user.clone(), password),
                None => options.token(password),
            };
        }
        options.require_tls(self.servers.transport == Transport::Tls)
    }
}

impl Broker for Nats {
    type Link = NatsLink;

    async fn connect(&self, inlet: &Inlet) -> Result<NatsLink, Failure> {
        let scheme = match self.servers.transport {
            Transport::Plain => "nats",
            Transport::Tls => "tls",
        };
        let addresses: Result<Vec<ServerAddr>, _> =
            self.servers.seeds.iter().map(|seed| format!("{scheme}://{seed}").parse()).collect();
        let addresses = addresses.map_err(|error| Failure::new(Cause::Unreachable, &error))?;
        let publishing = self.options(inlet).connect(&addresses).await.map_err(refused)?;
        let subscribing = self.options(inlet).no_echo().connect(&addresses).await.map_err(refused)?;
        if publishing.max_payload() < MAX_PAYLOAD + OVERHEAD {
            return Err(Failure::new(Cause::Refused, "the server's max_payload is below 132096 bytes"));
        }
        let replies = format!("{}.unread.{}", self.prefix, unguessable()?);
        let [inboxes, rooms] = [(&publishing, "inbox"), (&subscribing, "room")].map(|(client, kind)| {
            let (client, replies, inlet) = (client.clone(), format!("{replies}.{kind}"), inlet.clone());
            async move { Asker::new(client, replies, inlet).await }
        });
        let (subscriptions, new) = mpsc::unbounded_channel();
        Ok(NatsLink {
            inboxes: inboxes.await?,
            rooms: rooms.await?,
            nowhere: format!("{}.nowhere", self.prefix),
            subscribed: Mutex::default(),
            subscriptions,
            _reader: AbortOnDropHandle::new(tokio::spawn(read(new, inlet.clone()))),
        })
    }
}

/// 128 random bits, as a part of a subject.
fn unguessable() -> Result<String, Failure> {
    let mut bits = [0; 16];
    rand::fill(&mut bits).map_err(|_| Failure::new(Cause::Unreachable, "the system gives no random bits"))?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}

/// A connection on which one can ask whether anybody reads.
struct Asker {
    client: Client,
    replies: String,
    _reader: AbortOnDropHandle<()>,
}

impl Asker {
    async fn new(client: Client, replies: String, inlet: Inlet) -> Result<Self, Failure> {
        let mut answers = client.subscribe(format!("{replies}.*")).await.map_err(lost)?;
        let reader = tokio::spawn(async move {
            while let Some(answer) = answers.next().await {
                let tag = answer.subject.rsplit('.').next().and_then(|tag| tag.parse().ok());
                if let (Some(StatusCode::NO_RESPONDERS), Some(tag)) = (answer.status, tag) {
                    inlet.unread(tag);
                }
            }
        });
        Ok(Self { client, replies, _reader: AbortOnDropHandle::new(reader) })
    }

    async fn publish(&self, outgoing: Outgoing, tag: u64) -> Result<(), Failure> {
        let Outgoing { name, bytes, .. } = outgoing;
        let reply = format!("{}.{tag}", self.replies);
        self.client.publish_with_reply(name.to_string(), reply, bytes.into()).await.map_err(lost)
    }
}

/// The two connections to servers of a NATS.
pub(super) struct NatsLink {
    /// On the publishing connection.
    inboxes: Asker,
    /// On the subscribing connection.
    rooms: Asker,
    nowhere: String,
    /// What ends the subscription of each name when it is dropped.
    subscribed: Mutex<HashMap<Arc<str>, oneshot::Sender<Infallible>>>,
    subscriptions: mpsc::UnboundedSender<Subscription>,
    _reader: AbortOnDropHandle<()>,
}

/// A subscription, until it is not wanted any more.
type Subscription = TakeUntil<Subscriber, oneshot::Receiver<Infallible>>;

/// Hands on what all subscriptions of a link bring. One task for all: it is woken for them in the order in which the library fills
/// them, so that what a node says in a room and then to an inbox mostly arrives like that. A task for each would turn it round.
async fn read(mut new: mpsc::UnboundedReceiver<Subscription>, inlet: Inlet) {
    let mut subscriptions = SelectAll::new();
    loop {
        tokio::select! {
            subscription = new.recv() => match subscription {
                Some(subscription) => subscriptions.push(subscription),
                None => return,
            },
            Some(message) = subscriptions.next() => inlet.message(&message.subject, &message.payload),
        }
    }
}

impl Link for NatsLink {
    async fn publish(&self, queue: &mut Queue) -> Result<Infallible, Failure> {
        // One by one: the library takes its time, and what it has not taken can still be handed back.
        while let Some(outgoing) = queue.next().await {
            match (outgoing.unread, &outgoing.subject) {
                (Unread::Report(tag), Subject::Room(_)) => self.rooms.publish(outgoing, tag).await?,
                (Unread::Report(tag), Subject::Inbox(_) | Subject::Nodes) => {
                    self.inboxes.publish(outgoing, tag).await?;
                }
                (Unread::Ignore, _) => {
                    let Outgoing { name, bytes, .. } = outgoing;
                    self.inboxes.client.publish(name.to_string(), bytes.into()).await.map_err(lost)?;
                }
            }
        }
        // Nobody publishes any more: the backplane is being dropped, and this with it.
        std::future::pending().await
    }

    async fn subscribe(&self, names: &[Arc<str>]) -> Result<(), Failure> {
        let client = &self.rooms.client;
        for name in names {
            if self.subscribed.lock().contains_key(name) {
                continue;
            }
            let (wanted, unwanted) = oneshot::channel();
            let messages = client.subscribe(name.to_string()).await.map_err(lost)?;
            // Its reader lives as long as the link.
            let _ = self.subscriptions.send(messages.take_until(unwanted));
            self.subscribed.lock().insert(name.clone(), wanted);
        }
        // A server answers in the order of what it was sent: when it says that nobody reads this, it has read all of the above.
        match client.request(self.nowhere.clone(), Vec::new().into()).await {
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(()),
            Err(error) => Err(lost(error)),
            Ok(_) => Err(Failure::new(Cause::Refused, &format!("somebody answers on {}", self.nowhere))),
        }
    }

    async fn unsubscribe(&self, names: &[Arc<str>]) -> Result<(), Failure> {
        let mut subscribed = self.subscribed.lock();
        for name in names {
            // Its stream ends, and with that the subscription.
            subscribed.remove(name);
        }
        Ok(())
    }
}

fn failure_of(event: &Event) -> Option<Failure> {
    let cause = match event {
        Event::Connected | Event::Draining => return None,
        Event::Disconnected | Event::Closed | Event::ClientError(_) => Cause::Lost,
        Event::LameDuckMode => Cause::LameDuck,
        Event::SlowConsumer(_) | Event::ServerError(ServerError::SlowConsumer(_)) => Cause::SlowConsumer,
        Event::ServerError(_) => Cause::Refused,
    };
    Some(Failure::new(cause, event))
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn refused(error: ConnectError) -> Failure {
    let cause = match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => Cause::Refused,
        _ => Cause::Unreachable,
    };
    Failure::new(cause, &error)
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn lost(error: impl ToString) -> Failure {
    Failure::new(Cause::Lost, &error)
}
