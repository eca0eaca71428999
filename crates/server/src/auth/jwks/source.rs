//! One issuer: where its keys are, those that it has published, and the task that fetches them.

use std::{fmt, sync::Arc, time::Duration};

use aldis_core::Moment;
use axum::http::{HeaderValue, StatusCode, header::ACCEPT};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::{
    JwksMetrics,
    schedule::{Schedule, Wish},
};
use crate::{
    auth::{Algorithm, Key, KeyRing, RoomScope, jwk},
    clock::Clock,
    node::random_bits,
    outbound::{Caps, HttpsUrl, Outbound, Question},
};

/// What a fetch may cost.
const CAPS: Caps = Caps { deadline: Duration::from_secs(5), body_bytes: 64 * 1_024 };

/// `auth.jwks_urls`: an issuer and where its keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksConfig {
    /// What tokens of these keys must have as `iss`.
    pub issuer: Arc<str>,
    /// Where they are.
    pub url: HttpsUrl,
    /// For which algorithms they may be: `auth.algorithms`.
    pub algorithms: Vec<Algorithm>,
    /// Which rooms their tokens may name.
    pub scope: RoomScope,
}

/// One issuer.
pub struct Source {
    config: JwksConfig,
    outbound: Outbound,
    clock: Clock,
    metrics: Arc<JwksMetrics>,
    schedule: Mutex<Schedule>,
    ring: Mutex<Option<Arc<KeyRing>>>,
    /// How many fetches are over. Whoever waits for one waits for it to change.
    over: watch::Sender<u64>,
    /// Rings when a fetch is wished for before its time.
    alarm: Notify,
}

/// The keys of an issuer at some moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Those that count.
    pub ring: Option<Arc<KeyRing>>,
    /// Whether there may be others.
    pub is_behind: bool,
}

impl Source {
    /// An issuer whose keys nobody has fetched yet: [`run`](Self::run) does.
    #[must_use]
    pub fn new(config: JwksConfig, outbound: Outbound, clock: Clock, metrics: Arc<JwksMetrics>) -> Self {
        Self {
            config,
            outbound,
            clock,
            metrics,
            schedule: Mutex::new(Schedule::new(clock.now())),
            ring: Mutex::default(),
            over: watch::Sender::new(0),
            alarm: Notify::new(),
        }
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &JwksConfig {
        &self.config
    }

    /// The keys at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (counts, is_behind) = {
            let schedule = self.schedule.lock();
            let counts = schedule.counts(self.clock.now());
            (counts, schedule.is_behind() || !counts)
        };
        let ring = if counts { self.ring.lock().clone() } else { None };
        Snapshot { ring, is_behind }
    }

    /// How long ago the keys came, or the start was, in milliseconds.
    #[must_use]
    pub fn age_ms(&self) -> u64 {
        self.clock.now().since(self.schedule.lock().fetched().unwrap_or(Moment(1)))
    }

    /// Asks for keys that are not there: what changes when the fetch is over, or nothing where none will be for now.
    #[must_use]
    pub fn wish(&self) -> Option<watch::Receiver<u64>> {
        // Before the schedule is asked: the fetch may be over at any moment.
        let over = self.over.subscribe();
        let wish = self.schedule.lock().wish(self.clock.now());
        match wish {
            Wish::Begin => {
                self.alarm.notify_one();
                Some(over)
            }
            Wish::Wait => Some(over),
            Wish::Refused => None,
        }
    }

    /// Fetches whenever it is time, for ever.
    pub async fn run(self: Arc<Self>) {
        loop {
            let due = self.schedule.lock().due().unwrap_or_else(|| self.clock.now());
            tokio::select! {
                () = tokio::time::sleep_until(self.clock.instant(due)) => {}
                // The schedule has changed.
                () = self.alarm.notified() => continue,
            }
            self.schedule.lock().begin(self.clock.now());
            let fetched = self.fetch().await;
            let (now, chance) = (self.clock.now(), u64::try_from(random_bits() % 1_001).unwrap_or(0));
            let issuer = &*self.config.issuer;
            match fetched {
                Ok(ring) => {
                    let kids = || ring.keys().iter().map(Key::kid).collect::<Vec<_>>();
                    let changed = self
                        .ring
                        .lock()
                        .as_ref()
                        .is_none_or(|old| !old.keys().iter().map(Key::kid).eq(ring.keys().iter().map(Key::kid)));
                    if changed {
                        tracing::info!(issuer, kids = ?kids(), "the keys of an issuer");
                    }
                    *self.ring.lock() = Some(Arc::new(ring));
                    self.schedule.lock().succeeded(now, chance);
                    self.metrics.fetched();
                }
                Err(problem) => {
                    let mut schedule = self.schedule.lock();
                    schedule.failed(now, chance);
                    let last_good = schedule.counts(now);
                    drop(schedule);
                    self.metrics.failed();
                    tracing::warn!(
                        issuer,
                        problem,
                        last_good,
                        host = self.config.url.host(),
                        "the keys of an issuer could not be fetched"
                    );
                }
            }
            self.over.send_modify(|count| *count += 1);
        }
    }

    async fn fetch(&self) -> Result<KeyRing, String> {
        let mut question = Question::get(&self.config.url);
        question.headers.push((ACCEPT, HeaderValue::from_static("application/json")));
        let answer = self.outbound.ask(question, CAPS).await.map_err(|failure| failure.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answers {}", answer.status()));
        }
        let set = jwk::parse(answer.body(), &self.config.algorithms).map_err(|error| format!("its answer {error}"))?;
        for jwk::PassedOver { kid, why } in &set.passed_over {
            match why {
                jwk::Why::Private => tracing::warn!(issuer = &*self.config.issuer, kid, %why, "a key does not count"),
                _ => tracing::debug!(issuer = &*self.config.issuer, kid, %why, "a key does not count"),
            }
        }
        let mut ring = set.ring.of_issuer(&self.config.issuer);
        if self.config.scope == RoomScope::Patterns {
            ring.allow_patterns_of_all();
        }
        Ok(ring)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("config", &self.config).finish_non_exhaustive()
    }
}
