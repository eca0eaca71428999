//! Redis and Valkey, alone or behind sentinels.
//!
//! One connection publishes, in pipelines of which several are on their way; another one is subscribed. The answer to `PUBLISH` is
//! the number of readers: none is known at once. Any number above says nothing about delivery.
//!
//! The subscribed connection speaks RESP3, since Redis 6.0: there the library hands each message to a function, and holds none. Its
//! subscriptions over RESP2 end in a queue without a bound. A node that reads too slowly lets its socket fill, and Redis cuts it off by
//! `client-output-buffer-limit`.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesOrdered};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, Msg, ProtocolVersion, PushInfo,
    PushKind, RedisConnectionInfo, RedisError, RedisResult, Value,
    aio::{MultiplexedConnection, SendError},
};
use tokio::time::timeout;

use super::{
    address::{Login, Seed, Servers, Transport},
    broker::{Broker, Link},
    health::{Cause, Failure},
    inlet::Inlet,
    outgoing::{Outgoing, Queue, Unread},
    turns::Turns,
};

/// How long one server may take to accept a connection before the next one is tried.
const CONNECT_TIME: Duration = Duration::from_secs(1);

/// How long it may take until both connections are open and it is known to be a primary. Less than an attempt has, so that each one gets
/// past a server that accepts connections and then is silent.
const OPEN_TIME: Duration = Duration::from_secs(3);

/// How long an answer may take. Longer than it takes the probes to notice, who say better what is wrong.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// How many pipelines are on their way together: the next one is written while the one before is answered.
const PIPELINES: usize = 4;

/// How to find the primary.
#[derive(Debug)]
enum Discovery {
    /// It is one of the servers.
    Servers,
    /// The servers are sentinels, which call it this.
    Sentinels(String),
}

/// A Redis, as its address names it.
#[derive(Debug)]
pub(super) struct Redis {
    servers: Arc<Turns>,
    discovery: Arc<Discovery>,
}

impl Redis {
    /// One of these servers.
    pub(super) fn servers(servers: &Servers) -> Self {
        Self { servers: Turns::of(servers), discovery: Arc::new(Discovery::Servers) }
    }

    /// The primary that these sentinels call `service`.
    pub(super) fn behind(sentinels: &Servers, service: String) -> Self {
        Self { servers: Turns::of(sentinels), discovery: Arc::new(Discovery::Sentinels(service)) }
    }

    /// Opens both connections to a server, if it is a primary.
    async fn open(&self, seed: &Seed, inlet: &Inlet) -> Result<RedisLink, Failure> {
        let Servers { login, transport, .. } = &self.servers.servers;
        let login = credentials(login.as_ref()).set_protocol(ProtocolVersion::RESP3);
        let client = client(seed, *transport, login).map_err(failure)?;
        let publisher = client.get_multiplexed_async_connection_with_config(&config()).await.map_err(unreached)?;
        is_primary(&publisher).await?;
        let heard = inlet.clone();
        let reading = config().set_push_sender(move |push| {
            hear(&heard, push);
            Ok::<_, SendError>(())
        });
        let subscriber = client.get_multiplexed_async_connection_with_config(&reading).await.map_err(unreached)?;
        Ok(RedisLink {
            publisher,
            subscriber,
            inlet: inlet.clone(),
            primary: seed.clone(),
            servers: self.servers.clone(),
            discovery: self.discovery.clone(),
        })
    }
}

impl Broker for Redis {
    type Link = RedisLink;

    async fn connect(&self, inlet: &Inlet) -> Result<RedisLink, Failure> {
        match &*self.discovery {
            Discovery::Sentinels(service) => self.open(&ask_sentinels(&self.servers, service).await?, inlet).await,
            Discovery::Servers => {
                let mut last = Failure::new(Cause::Unreachable, "no server");
                for seed in self.servers.once() {
                    match timeout(OPEN_TIME, self.open(seed, inlet)).await {
                        Ok(Ok(link)) => return Ok(link),
                        Ok(Err(failure)) => last = failure,
                        Err(_) => last = Failure::new(Cause::Unreachable, "the server does not answer"),
                    }
                    self.servers.pass();
                }
                Err(last)
            }
        }
    }
}

/// The two connections to a primary.
pub(super) struct RedisLink {
    publisher: MultiplexedConnection,
    subscriber: MultiplexedConnection,
    inlet: Inlet,
    primary: Seed,
    servers: Arc<Turns>,
    discovery: Arc<Discovery>,
}

impl RedisLink {
    /// Sends a batch, and gives it back with its answers.
    fn send(&self, batch: Vec<Outgoing>) -> impl Future<Output = (Vec<Outgoing>, RedisResult<Vec<Value>>)> + use<> {
        let mut connection = self.publisher.clone();
        async move {
            let mut pipeline = redis::Pipeline::with_capacity(batch.len());
            for outgoing in &batch {
                pipeline.cmd("PUBLISH").arg(&*outgoing.name).arg(outgoing.bytes.as_slice());
            }
            let answers = connection.send_packed_commands(&pipeline, 0, batch.len()).await;
            (batch, answers)
        }
    }

    /// Reads the answers to a batch.
    fn answered(&self, batch: Vec<Outgoing>, answers: RedisResult<Vec<Value>>) -> Result<(), Failure> {
        for (outgoing, answer) in batch.into_iter().zip(answers.map_err(failure)?) {
            match answer {
                Value::Int(readers) => {
                    if let Unread::Report(tag) = outgoing.unread
                        && usize::try_from(readers).unwrap_or_default() <= self.inlet.own_share(&outgoing.name)
                    {
                        self.inlet.unread(tag);
                    }
                }
                Value::ServerError(error) => return Err(failure(error.into())),
                _ => return Err(Failure::new(Cause::Refused, "the answer to PUBLISH is no number")),
            }
        }
        Ok(())
    }
}

impl Link for RedisLink {
    async fn publish(&self, queue: &mut Queue) -> Result<Infallible, Failure> {
        let mut pipelines = FuturesOrdered::new();
        loop {
            tokio::select! {
                // Answers first: this also writes a new pipeline before another one is made, which keeps their order.
                biased;
                Some((batch, answers)) = pipelines.next() => self.answered(batch, answers)?,
                batch = queue.take(), if pipelines.len() < PIPELINES => pipelines.push_back(self.send(batch)),
            }
        }
    }

    async fn subscribe(&self, names: &[Arc<str>]) -> Result<(), Failure> {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        self.subscriber.clone().subscribe(names).await.map_err(failure)
    }

    async fn unsubscribe(&self, names: &[Arc<str>]) -> Result<(), Failure> {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        self.subscriber.clone().unsubscribe(names).await.map_err(failure)
    }

    /// A primary can become a replica without closing a connection, and one that was cut off can go on as if it were still the one.
    async fn check(&self) -> Result<(), Failure> {
        is_primary(&self.publisher).await?;
        if let Discovery::Sentinels(service) = &*self.discovery {
            // While no sentinel answers, the primary that was named last stays the one.
            if let Ok(primary) = ask_sentinels(&self.servers, service).await
                && primary != self.primary
            {
                return Err(Failure::new(Cause::Moved, &format!("the primary is {primary} now")));
            }
        }
        Ok(())
    }
}

/// Takes what the subscribed connection brings, on the task that reads its socket. Never waits.
fn hear(inlet: &Inlet, push: PushInfo) {
    match push.kind {
        PushKind::Disconnection => inlet.failed(Failure::new(Cause::Lost, "the subscription was closed")),
        // Confirmations are for whoever subscribed.
        _ => {
            if let Some(message) = Msg::from_push_info(push) {
                inlet.message(message.get_channel_name(), message.get_payload_bytes());
            }
        }
    }
}

fn credentials(login: Option<&Login>) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default();
    if let Some(Login { user, password }) = login {
        info = info.set_password(String::from_utf8_lossy(password.expose()));
        if let Some(user) = user {
            info = info.set_username(user);
        }
    }
    info
}

fn client(seed: &Seed, transport: Transport, login: RedisConnectionInfo) -> RedisResult<Client> {
    let Seed { host, port } = seed.clone();
    let address = match transport {
        Transport::Plain => ConnectionAddr::Tcp(host, port),
        Transport::Tls => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
    };
    Client::open(address.into_connection_info()?.set_redis_settings(login))
}

fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIME)).set_response_timeout(Some(ANSWER_TIME))
}

/// What is published at a replica reaches only who is subscribed there, and is no error.
async fn is_primary(connection: &MultiplexedConnection) -> Result<(), Failure> {
    match redis::cmd("ROLE").query_async::<Value>(&mut connection.clone()).await {
        Ok(Value::Array(role)) if matches!(&role[..], [Value::BulkString(name), ..] if name == b"slave") => {
            Err(Failure::new(Cause::ReadOnly, "this server is a replica"))
        }
        Ok(_) => Ok(()),
        // Where asking is not allowed, only the probes tell.
        Err(error) if error.code() == Some("NOPERM") => Ok(()),
        Err(error) => Err(failure(error)),
    }
}

/// The primary, from the first sentinel that knows it.
async fn ask_sentinels(sentinels: &Turns, service: &str) -> Result<Seed, Failure> {
    let mut last = Failure::new(Cause::Unreachable, "no sentinel");
    for seed in sentinels.once() {
        let asked = ask_sentinel(seed, sentinels.servers.login.as_ref(), service);
        match timeout(CONNECT_TIME, asked).await {
            Ok(Ok(Some((host, port)))) => return Ok(Seed { host, port }),
            Ok(Ok(None)) => last = Failure::new(Cause::Unreachable, "the sentinel knows no primary of this name"),
            Ok(Err(error)) => last = unreached(error),
            Err(_) => last = Failure::new(Cause::Unreachable, "a sentinel does not answer"),
        }
        sentinels.pass();
    }
    Err(last)
}

/// Where a sentinel says that the primary is. The login goes only to a sentinel that asks for one: most have none, and one that has
/// none refuses whoever brings one.
async fn ask_sentinel(seed: &Seed, login: Option<&Login>, service: &str) -> RedisResult<Option<(String, u16)>> {
    let ask = async |login| {
        let client = client(seed, Transport::Plain, credentials(login))?;
        let mut sentinel = client.get_multiplexed_async_connection_with_config(&config()).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
        question.query_async(&mut sentinel).await
    };
    match ask(None).await {
        Err(error) if login.is_some() && matches!(error.code(), Some("NOAUTH" | "NOPERM")) => ask(login).await,
        answer => answer,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn failure(error: RedisError) -> Failure {
    let cause = match error.code() {
        Some("READONLY") => Cause::ReadOnly,
        Some("LOADING" | "MASTERDOWN") => Cause::Unreachable,
        Some(_) => Cause::Refused,
        None if error.kind() == ErrorKind::AuthenticationFailed => Cause::Refused,
        None if error.is_connection_refusal() || error.is_timeout() => Cause::Unreachable,
        None => Cause::Lost,
    };
    Failure::new(cause, &error)
}

/// A failure before there was a connection that could be lost.
fn unreached(error: RedisError) -> Failure {
    let failure = failure(error);
    match failure.cause {
        Cause::Lost => Failure { cause: Cause::Unreachable, ..failure },
        _ => failure,
    }
}
