//! Somebody in a room, who writes down what is said and what is heard.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aldis_client::{Event, Events, Outgoing, Room, RoomOptions, Undelivered};
use aldis_protocol::{Json, Outcome, PeerId, SignalKind};
use aldis_server::config::{Config, Secret};
use serde_json::json;

use crate::support::{Rig, Token, within};

/// Of a server whose sessions survive it.
pub(super) fn clustered(config: &mut Config) {
    config.cluster_secret = Some(Secret::new("cluster-0123456789abcdef-0123456789"));
}

/// Somebody who stays; see the module.
pub(super) struct Guest {
    pub(super) room: Room,
    pub(super) events: Events,
    /// How often it was told that there is no connection.
    pub(super) breaks: u32,
    /// What was heard, by who said it.
    heard: BTreeMap<PeerId, Vec<u64>>,
}

/// What is said in a while, and what became of it.
pub(super) type Fates = Vec<Result<(), Undelivered>>;

impl Guest {
    /// Joins by a way, with a token of the server.
    pub(super) async fn join(rig: &Rig, url: impl Into<String>, token: impl Into<Token>) -> Self {
        let token = rig.mint(token);
        Self::enter(RoomOptions::new(url).token_from(move || {
            let token = token.clone();
            async move { Ok::<_, std::io::Error>(token) }
        }))
        .await
    }

    pub(super) async fn enter(options: RoomOptions) -> Self {
        let (room, mut events) = within("the welcome", Room::join(options)).await.expect("joined");
        let event = within("an event", events.next()).await;
        assert!(matches!(event, Some(Event::Joined { .. })), "{event:?}");
        Self { room, events, breaks: 0, heard: BTreeMap::new() }
    }

    pub(super) fn id(&self) -> PeerId {
        self.room.me().id
    }

    /// Waits for the first event that `pick` takes; what is heard meanwhile is written down.
    pub(super) async fn until<V>(&mut self, what: &str, mut pick: impl FnMut(Event) -> Option<V>) -> V {
        within(what, async {
            loop {
                let event = self.events.next().await.unwrap_or_else(|| panic!("the end came before {what}"));
                if let Event::Signal(signal) = &event
                    && signal.kind == SignalKind::Message
                {
                    let said = signal.payload.as_ref().map(Json::get).and_then(|data| data.parse().ok());
                    self.heard.entry(signal.from.clone()).or_default().push(said.expect("a number"));
                }
                self.breaks += u32::from(matches!(event, Event::Reconnecting { .. }));
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        })
        .await
    }

    /// Waits until somebody of this name is there.
    pub(super) async fn meets(&mut self, name: &str) -> PeerId {
        let find =
            |room: &Room| room.peers().into_iter().find(|peer| peer.identity.as_str() == name).map(|peer| peer.id);
        match find(&self.room) {
            Some(id) => id,
            None => {
                self.until(name, |event| match event {
                    Event::PeerJoined(peer) if peer.identity.as_str() == name => Some(peer.id),
                    _ => None,
                })
                .await
            }
        }
    }

    /// Waits until so many messages of somebody were heard; they have to be the first, in order and once.
    pub(super) async fn hears(&mut self, from: &PeerId, count: u64) {
        while self.heard_of(from).len() < usize::try_from(count).expect("few") {
            self.until("a message", |event| matches!(event, Event::Signal(_)).then_some(())).await;
        }
        assert_eq!(self.heard_of(from), (1..=count).collect::<Vec<_>>());
    }

    pub(super) fn heard_of(&self, from: &PeerId) -> Vec<u64> {
        self.heard.get(from).cloned().unwrap_or_default()
    }

    /// Waits until its connection is there again.
    pub(super) async fn is_back(&mut self) {
        self.until("the way back", |event| matches!(event, Event::Resumed).then_some(())).await;
    }
}

/// Says the numbers from 1 to `count` to somebody, one every so often, and waits for their fates.
pub(super) async fn talk(room: &Room, to: &PeerId, count: u64, every: Duration) -> Fates {
    let mut interval = tokio::time::interval(every);
    let mut sendings = Vec::new();
    for number in 1..=count {
        interval.tick().await;
        sendings.push(room.send(Outgoing::message(to, json!(number))));
    }
    let mut fates = Fates::new();
    for sending in sendings {
        fates.push(tokio::time::timeout(Duration::from_secs(33), sending.into_future()).await.expect("a fate"));
    }
    fates
}

/// The numbers that were not delivered, and whether that is certain.
pub(super) fn undelivered(fates: &Fates) -> Vec<(u64, Outcome)> {
    let fates = (1..).zip(fates);
    fates.filter_map(|(number, fate)| fate.as_ref().err().map(|error| (number, error.outcome))).collect()
}

/// A source of tokens whose next one a test chooses.
#[derive(Clone, Default)]
pub(super) struct Purse(Arc<std::sync::Mutex<Vec<String>>>);

impl Purse {
    /// The last token is given again and again.
    pub(super) fn with(tokens: impl IntoIterator<Item = String>) -> Self {
        let mut tokens: Vec<_> = tokens.into_iter().collect();
        tokens.reverse();
        Self(Arc::new(std::sync::Mutex::new(tokens)))
    }

    pub(super) fn options(&self, url: impl Into<String>) -> RoomOptions {
        let purse = self.clone();
        RoomOptions::new(url).token_from(move || {
            let mut tokens = purse.0.lock().expect("sound");
            let token = if tokens.len() > 1 { tokens.pop() } else { tokens.last().cloned() };
            async move { token.ok_or("the purse is empty") }
        })
    }

    pub(super) fn put(&self, token: String) {
        *self.0.lock().expect("sound") = vec![token];
    }

    pub(super) fn left(&self) -> usize {
        self.0.lock().expect("sound").len()
    }
}
