//! The control: a client that believes what most believe, that a message which was written to a socket has arrived.
//!
//! It reconnects and resumes, and has no streams. In a run in which a node dies, the checker has to find what it lost.

use std::{future::pending, time::Duration};

use aldis_client::{
    Connection, Dialect, Error, Options, Token, Undelivered, Why,
    protocol::{CloseCode, Outcome, PeerInfo, Received, ServerMessage, Welcome},
};
use anyhow::Context as _;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    client::Ticket,
    desk::{Desk, Stage},
    history::{Happening, History, Seen},
};

/// The pause before each attempt to connect.
const PAUSE: Duration = Duration::from_millis(500);

/// Stays until it is told to leave. Returns what it saw.
pub(crate) async fn stay(ticket: Ticket, desk: Desk, mut stage: watch::Receiver<Stage>) -> anyhow::Result<History> {
    let mut plain = Plain { ticket, desk, peers: Vec::new(), resume: None };
    let mut connection = plain.connect().await.context("a client was not let in")?;
    plain.desk.joined();
    while *stage.borrow_and_update() != Stage::Leave {
        let Err(error) = plain.talk(&mut connection, &mut stage).await else { continue };
        plain.desk.note(Happening::Reconnecting { error: error.to_string() });
        connection = loop {
            sleep(PAUSE).await;
            if let Ok(connection) = plain.connect().await {
                break connection;
            }
        };
    }
    // Whether the server says goodbye is no matter here.
    let _ = connection.close(CloseCode::Bye).await;
    Ok(plain.desk.close())
}

/// What outlives a connection.
struct Plain {
    ticket: Ticket,
    desk: Desk,
    peers: Vec<PeerInfo>,
    resume: Option<String>,
}

impl Plain {
    async fn connect(&mut self) -> Result<Connection, Error> {
        let dialect = Dialect::V1 { resume: self.resume.clone(), features: Vec::new() };
        let token = Token::Subprotocol(self.ticket.token.clone());
        let url = format!("ws://127.0.0.1:{}", self.ticket.port);
        let options = Options::new(url).room(&self.ticket.room).token(token).dialect(dialect);
        let connection = Connection::connect(options).await?;
        self.welcomed(connection.welcome());
        Ok(connection)
    }

    fn welcomed(&mut self, welcome: &Welcome) {
        self.resume = welcome.resume.as_ref().map(|resume| resume.token.clone());
        self.peers.clone_from(&welcome.peers);
        self.desk.sees(&self.peers);
        self.desk.note(if welcome.resumed {
            Happening::Resumed
        } else {
            Happening::Joined { me: welcome.peer.id.clone(), peers: welcome.peers.iter().map(Seen::from).collect() }
        });
    }

    /// Talks until the connection breaks or the stage is another one.
    async fn talk(&mut self, connection: &mut Connection, stage: &mut watch::Receiver<Stage>) -> Result<(), Error> {
        let mut talk_at = Instant::now() + self.desk.pause();
        loop {
            let talks = *stage.borrow() == Stage::Talk;
            tokio::select! {
                received = connection.recv() => self.hear(received?),
                changed = stage.changed() => match changed {
                    Ok(()) => return Ok(()),
                    // The run is over, and this task with it.
                    Err(_) => pending().await,
                },
                () = sleep_until(talk_at), if talks => {
                    self.say(connection).await?;
                    talk_at = Instant::now() + self.desk.pause();
                }
            }
        }
    }

    async fn say(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let mut sent = Ok(());
        for (number, message) in self.desk.burst(&self.peers) {
            if sent.is_ok() {
                sent = connection.send(message).await;
            }
            // As if that meant anything.
            let broke = Undelivered { outcome: Outcome::Unknown, why: Why::ConnectionBroke };
            self.desk.settled(number, sent.as_ref().copied().map_err(|_| broke));
        }
        sent
    }

    fn hear(&mut self, received: Received) {
        match received {
            Received::Relayed(signal) => self.desk.delivered(&signal),
            Received::Server(ServerMessage::Resume { token }) => self.resume = Some(token),
            Received::Server(ServerMessage::PeerJoined { peer }) => {
                self.desk.note(Happening::PeerJoined { peer: Seen::from(&*peer) });
                self.peers.push(*peer);
                self.desk.sees(&self.peers);
            }
            Received::Server(ServerMessage::PeerLeft { id, reason, .. }) => {
                self.peers.retain(|peer| peer.id != id);
                self.desk.sees(&self.peers);
                self.desk.note(Happening::PeerLeft { id, reason });
            }
            Received::Server(_) => {}
        }
    }
}
