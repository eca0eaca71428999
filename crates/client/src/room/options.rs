//! Where to join, and as whom.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio_util::task::AbortOnDropHandle;

use crate::{Error, Trust};

/// How long joining may take.
const JOIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Where to join, and as whom.
///
/// ```
/// use aldis_client::RoomOptions;
///
/// # async fn fetch_token() -> Result<String, std::io::Error> { Ok(String::new()) }
/// let options = RoomOptions::new("https://rtc.example.org").room("standup").token_from(fetch_token);
/// ```
#[derive(Clone)]
pub struct RoomOptions {
    pub(crate) url: String,
    pub(crate) room: Option<String>,
    pub(crate) token: TokenSource,
    pub(crate) trust: Option<Trust>,
    pub(crate) features: Vec<String>,
    pub(crate) join_timeout: Duration,
}

/// What a source of tokens may fail with.
pub(crate) type TokenError = Box<dyn std::error::Error + Send + Sync>;

/// Where tokens come from.
#[derive(Clone)]
pub(crate) enum TokenSource {
    /// There is none, and the server wants none.
    None,
    /// One that cannot be renewed.
    Fixed(String),
    /// A function that gets one.
    Ask(Arc<dyn Fn() -> TokenFuture + Send + Sync>),
}

pub(crate) type TokenFuture = Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>>;

impl RoomOptions {
    /// A room of the server at `url` (as [`Options::url`](crate::Options::url)), without a name or a token yet.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            room: None,
            token: TokenSource::None,
            trust: None,
            features: Vec::new(),
            join_timeout: JOIN_TIMEOUT,
        }
    }

    /// Names the room; may be left out where the token names exactly one.
    #[must_use]
    pub fn room(mut self, room: impl Into<String>) -> Self {
        self.room = Some(room.into());
        self
    }

    /// A token that cannot be renewed: when it has expired the room is left with [`Event::Failed`](crate::Event::Failed).
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = TokenSource::Fixed(token.into());
        self
    }

    /// A function that gets a token. It is called for each connection, before the token expires, and once more where the server refuses
    /// one, so it should get a fresh one, within 10 s. Where it fails, or panics, it is called again after a while.
    #[must_use]
    pub fn token_from<F, E>(mut self, get: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.token = TokenSource::Ask(Arc::new(move || {
            let token = get();
            Box::pin(async move { token.await.map_err(Into::into) })
        }));
        self
    }

    /// Chooses whose certificate a TLS server may show; those that the system trusts otherwise.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Names something that this client understands, for its peers to see, beside `streams`: at most 32 bytes, and 15 of them.
    #[must_use]
    pub fn feature(mut self, feature: impl Into<String>) -> Self {
        self.features.push(feature.into());
        self
    }

    /// How long joining may take, all its attempts together: 30 s by default. A connection that breaks later is tried again for ever.
    #[must_use]
    pub fn join_timeout(mut self, timeout: Duration) -> Self {
        self.join_timeout = timeout;
        self
    }
}

impl TokenSource {
    /// Whether asking again may bring another one.
    pub(crate) fn is_renewable(&self) -> bool {
        matches!(self, Self::Ask(_))
    }

    /// Gets one, if there are any.
    pub(crate) async fn get(&self) -> Result<Option<String>, Error> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(token) => Ok(Some(token.clone())),
            Self::Ask(ask) => {
                let ask = Arc::clone(ask);
                // On a task of its own: if it panics, the room is not what ends.
                let asking = AbortOnDropHandle::new(tokio::spawn(async move { ask().await }));
                let token = asking.await.unwrap_or_else(|panicked| Err(panicked.into()));
                token.map(Some).map_err(Error::Token)
            }
        }
    }
}

impl fmt::Debug for RoomOptions {
    /// Never prints the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomOptions").field("url", &self.url).field("room", &self.room).finish_non_exhaustive()
    }
}
