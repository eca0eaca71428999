//! Gets credentials made by providers elsewhere: one request at a time for an identity, within budgets, and again by the next provider
//! where one fails.
//!
//! ```text
//!  who ─► fresh ones in the ledger? ─► under way already? ─► which provider is not left alone? ─► budget ─► a flight of its own
//!                                                                    │ one that makes them here
//!                                                                    └────────────────────────► done
//! ```
//!
//! A *flight* is a task that asks one provider after another, each of them twice at most. Whoever wants credentials of the same identity
//! meanwhile waits for the same flight. It ends with its answer, or with the server.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aldis_core::Moment;
use aldis_protocol::{Identity, Limits, limits::Limit};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    time::{Instant, timeout},
};

use super::{
    budget::{Budget, Payer, Spent},
    chain::{Chain, Link},
    ledger::{Entered, Ledger, Live},
    metrics::TurnMetrics,
    provider::{Minted, Minting, Order, Place, ProviderError, Revoking},
};
use crate::{bell::Bell, clock::Clock, telemetry::metrics::Metrics};

/// How often one provider is asked for one thing: once more where the first failure may pass.
const ATTEMPTS: usize = 2;

/// When a client that got nothing is tried again, at least.
const RETRY: Duration = Duration::from_secs(15);

/// What all this needs of the server around it.
pub struct Surroundings {
    /// `turn_…` of them.
    pub limits: Arc<Limits>,
    /// The clocks.
    pub clock: Clock,
    /// Where limits that are hit are counted.
    pub metrics: Arc<Metrics>,
    /// Where providers are counted.
    pub turn: Arc<TurnMetrics>,
    /// Rings when the server ends: then nobody is asked any more.
    pub abort: Arc<Bell>,
}

/// The office of one server.
pub(super) struct Office {
    around: Surroundings,
    /// Requests to providers that may be under way.
    requests: Semaphore,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    ledger: Ledger,
    budget: Budget,
    flights: HashMap<Identity, Flight>,
    next: u64,
}

/// Credentials that are being made. What lands when its flight is not on the desk any more was revoked meanwhile.
struct Flight {
    number: u64,
    landing: Landing,
}

type Landing = watch::Receiver<Option<Live>>;

/// What there is for somebody.
pub(super) enum Found {
    /// Credentials.
    Live(Live),
    /// They are being made.
    Underway {
        /// Where they will be.
        landing: Landing,
        /// What does meanwhile.
        left: Option<Live>,
    },
    /// Nobody may be asked now.
    Nothing {
        /// When it may be tried again.
        retry_after: Duration,
        /// What does meanwhile.
        left: Option<Live>,
    },
}

/// Waits for a flight. Nothing where no provider had anything, or where it was revoked.
pub(super) async fn landed(mut landing: Landing) -> Option<Live> {
    landing.wait_for(Option::is_some).await.ok().and_then(|live| live.clone())
}

/// When whoever waited in vain tries again.
pub(super) fn retry_after() -> Duration {
    RETRY
}

impl Office {
    pub(super) fn new(around: Surroundings) -> Self {
        let most = usize::try_from(around.limits.turn_requests).unwrap_or(usize::MAX);
        Self { requests: Semaphore::new(most.min(Semaphore::MAX_PERMITS)), around, desk: Mutex::default() }
    }

    pub(super) fn around(&self) -> &Surroundings {
        &self.around
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.around.clock
    }

    pub(super) fn turn(&self) -> &TurnMetrics {
        &self.around.turn
    }

    /// Finds credentials, or has them made.
    pub(super) fn find(self: &Arc<Self>, chain: &Chain, payer: &Payer<'_>, tag: &str) -> Found {
        let Surroundings { limits, clock, metrics, turn, .. } = &self.around;
        let now = clock.now();
        let mut desk = self.desk.lock();
        if let Some(live) = desk.ledger.fresh(payer.identity, now) {
            turn.reused();
            return Found::Live(live);
        }
        let left = desk.ledger.left(payer.identity, now);
        if let Some(flight) = desk.flights.get(payer.identity) {
            return Found::Underway { landing: flight.landing.clone(), left };
        }
        let links = chain.for_whom(tag);
        let mut retry_after = RETRY;
        for link in &links {
            match link.provider.place() {
                Place::Here => {
                    if let Some(live) = self.make_here(link, tag, now) {
                        return Found::Live(live);
                    }
                }
                Place::Elsewhere if !link.lets_through(now) => {}
                Place::Elsewhere => match desk.budget.pay(payer, now, limits) {
                    Ok(()) => {
                        let landing = self.depart(&mut desk, links, payer.identity.clone(), tag.to_owned());
                        return Found::Underway { landing, left };
                    }
                    Err(Spent { limit, wait_ms }) => {
                        metrics.limit(limit);
                        retry_after = Duration::from_millis(wait_ms);
                        break;
                    }
                },
            }
        }
        // Whoever may not have more made elsewhere may have those of a provider that asks for nothing.
        let spare = links.iter().find_map(|link| self.make_here(link, tag, now));
        spare.map_or(Found::Nothing { retry_after, left }, Found::Live)
    }

    /// Takes back all that live of an identity, also what is being made for it now.
    pub(super) fn revoke(self: &Arc<Self>, identity: &Identity) {
        let live = {
            let mut desk = self.desk.lock();
            desk.flights.remove(identity);
            desk.ledger.take(identity, self.around.clock.now())
        };
        for live in live {
            self.take_back(live);
        }
    }

    fn make_here(&self, link: &Arc<Link>, tag: &str, now: Moment) -> Option<Live> {
        let order = Order { tag, now_unix_s: self.around.clock.unix_ms() / 1_000 };
        if link.provider.place() == Place::Elsewhere {
            return None;
        }
        match link.provider.mint(&order) {
            Minting::Done(minted) => {
                link.metrics.minted();
                Some(Live::new(Arc::new(minted), Arc::clone(link), now))
            }
            Minting::Underway(_) => None,
        }
    }

    /// Begins a flight.
    fn depart(self: &Arc<Self>, desk: &mut Desk, links: Vec<Arc<Link>>, identity: Identity, tag: String) -> Landing {
        let (gate, landing) = watch::channel(None);
        let number = desk.next;
        desk.next += 1;
        desk.flights.insert(identity.clone(), Flight { number, landing: landing.clone() });
        let airborne = Airborne { office: Arc::clone(self), identity, number, gate };
        let abort = self.around.abort.token();
        tokio::spawn(abort.run_until_cancelled_owned(async move {
            if let Some(live) = airborne.office.ask_around(&links, &tag).await {
                airborne.land(live);
            }
        }));
        landing
    }

    /// Asks one provider after another.
    async fn ask_around(&self, links: &[Arc<Link>], tag: &str) -> Option<Live> {
        for link in links {
            let now = self.around.clock.now();
            let made = match link.provider.place() {
                Place::Here => self.make_here(link, tag, now),
                Place::Elsewhere => {
                    self.ask(link, tag).await.map(|(minted, made)| Live::new(Arc::new(minted), Arc::clone(link), made))
                }
            };
            if made.is_some() {
                return made;
            }
        }
        None
    }

    /// Asks one provider, unless it is left alone.
    async fn ask(&self, link: &Link, tag: &str) -> Option<(Minted, Moment)> {
        let Surroundings { limits, clock, .. } = &self.around;
        for _ in 0..ATTEMPTS {
            let _place = self.place().await?;
            let now = clock.now();
            if !link.admit(now, limits) {
                return None;
            }
            let order = Order { tag, now_unix_s: clock.unix_ms() / 1_000 };
            let Minting::Underway(answer) = link.provider.mint(&order) else { return None };
            let began = Instant::now();
            let answer = timeout(Duration::from_millis(limits.turn_request_ms), answer).await;
            link.metrics.took(began.elapsed());
            match answer.unwrap_or(Err(ProviderError::Late)) {
                Ok(minted) => {
                    link.succeeded();
                    link.metrics.minted();
                    return Some((minted, now));
                }
                Err(error) => {
                    link.metrics.failed(error.outcome());
                    link.failed(&error, clock.now(), limits);
                    if !error.is_passing() {
                        return None;
                    }
                }
            }
        }
        None
    }

    /// Asks a provider to take credentials back, in a task of its own.
    fn take_back(self: &Arc<Self>, live: Live) {
        let office = Arc::clone(self);
        let abort = self.around.abort.token();
        tokio::spawn(abort.run_until_cancelled_owned(async move {
            let Some(username) = live.minted.username() else { return };
            let deadline = Duration::from_millis(office.around.limits.turn_request_ms);
            let mut outcome = "ok";
            for _ in 0..ATTEMPTS {
                let Some(_place) = office.place().await else { return };
                let Revoking::Underway(answer) = live.link.provider.revoke(username) else {
                    outcome = "impossible";
                    break;
                };
                match timeout(deadline, answer).await.unwrap_or(Err(ProviderError::Late)) {
                    Ok(()) => {
                        outcome = "ok";
                        break;
                    }
                    Err(error) => {
                        outcome = error.outcome();
                        tracing::debug!(provider = live.link.name, %error, "TURN credentials were not taken back");
                        if !error.is_passing() {
                            break;
                        }
                    }
                }
            }
            live.link.metrics.revoked(outcome);
        }));
    }

    /// A place among the requests that are under way.
    async fn place(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(place) = self.requests.try_acquire() {
            return Some(place);
        }
        self.around.metrics.limit(Limit::turn_requests);
        self.requests.acquire().await.ok()
    }

    fn enter(&self, desk: &mut Desk, identity: &Identity, live: &Live) {
        // What is made here is not kept.
        if live.link.provider.place() == Place::Here {
            return;
        }
        let Surroundings { limits, clock, metrics, .. } = &self.around;
        let entered = desk.ledger.enter(identity, live.clone(), clock.now(), limits.turn_credentials_tracked);
        if entered == Entered::InPlaceOfOthers {
            metrics.limit(Limit::turn_credentials_tracked);
        }
    }
}

/// A flight, to its task. However that ends, the desk forgets it, and whoever waits for it knows.
struct Airborne {
    office: Arc<Office>,
    identity: Identity,
    number: u64,
    gate: watch::Sender<Option<Live>>,
}

impl Airborne {
    /// Hands out what was made, or takes it back where that was asked for meanwhile.
    fn land(self, live: Live) {
        let mut desk = self.office.desk.lock();
        if self.is_awaited(&desk) {
            self.office.enter(&mut desk, &self.identity, &live);
            self.gate.send_replace(Some(live));
        } else {
            drop(desk);
            self.office.take_back(live);
        }
    }

    fn is_awaited(&self, desk: &Desk) -> bool {
        desk.flights.get(&self.identity).is_some_and(|flight| flight.number == self.number)
    }
}

impl Drop for Airborne {
    fn drop(&mut self) {
        let mut desk = self.office.desk.lock();
        if self.is_awaited(&desk) {
            desk.flights.remove(&self.identity);
        }
    }
}
