//! What a client asks of the server itself: hello, auth, ice-servers, ping. Everything else is the room's.

use aldis_core::{Age, Departure, Dialect, Permission, Ticket};
use aldis_protocol::{
    ClientMessage, CloseCode, ErrorCode, Hello, PROTOCOL, ServerMessage, WireError, client::Rejection, error::Effect,
    limits::Limit,
};

use super::{Asking, Connection, Places, Stage, supply::Entrance};
use crate::{
    auth::{TokenError, Verified},
    driver::Dirty,
    node::Node,
};

impl Connection {
    pub(super) fn handle_message(&mut self, message: ClientMessage<'_>, dirty: &mut Dirty) {
        match (&self.stage, message) {
            (Stage::Greeting { .. }, ClientMessage::Hello(hello)) => self.hello(hello),
            (Stage::Greeting { .. }, _) => {
                self.out_of_turn("The first message of an `aldis.v1` client must be `hello`.");
            }
            (Stage::Seated(_), ClientMessage::Hello(_)) => {
                self.out_of_turn("`hello` comes once, as the first message of a client that offered `aldis.v1`.");
            }
            (Stage::Seated(seated), ClientMessage::Ping(t)) => {
                self.node.driver.message(&seated.seat, ClientMessage::Ping(None), self.now, dirty);
                self.say(&ServerMessage::Pong { t });
            }
            (Stage::Seated(seated), ClientMessage::IceServers) => {
                self.node.driver.message(&seated.seat, ClientMessage::IceServers, self.now, dirty);
                self.push_ice();
            }
            (Stage::Seated(seated), ClientMessage::Auth(token)) => {
                self.node.driver.message(&seated.seat, ClientMessage::Auth(String::new()), self.now, dirty);
                self.auth(&token);
            }
            (Stage::Seated(seated), message) => {
                if let ClientMessage::Frozen = message {
                    self.liveness.freeze();
                }
                self.node.driver.message(&seated.seat, message, self.now, dirty);
            }
            (Stage::Supplying(_) | Stage::Joining(_) | Stage::Closing { .. } | Stage::Ended, _) => {}
        }
    }

    fn out_of_turn(&mut self, message: &str) {
        self.reject(Rejection { error: WireError::with(ErrorCode::BadEnvelope, message), limit: None });
    }

    fn hello(&mut self, hello: Hello) {
        if let Err(error) = check_protocol(&hello) {
            return self.close(CloseCode::Version, Some(error), Departure::Lost);
        }
        let ticket = hello.resume.as_deref().and_then(|resume| ticket(&self.node, &self.token, resume));
        match self.places.admit(&self.node, ticket.as_ref()) {
            Ok(()) => self.join(Entrance { dialect: Dialect::V1, features: hello.features, ticket }),
            Err(error) => {
                let code = match error.code.effect() {
                    Effect::Closes(code) => code,
                    Effect::Lives | Effect::Strike | Effect::Http => CloseCode::Full,
                };
                self.close(code, Some(error), Departure::Lost);
            }
        }
    }

    /// A new token in band: of the same identity and room, or it is refused and the old one stays.
    fn auth(&mut self, token: &str) {
        let verified = self.node.tokens.verify(token, Some(&self.token.room));
        let fetched = verified.as_ref().err().and_then(|error| self.node.tokens.fetching(error));
        match fetched {
            // Its key may be about to come. Meanwhile the old token counts, and nobody else waits.
            Some(fetched) => {
                let asking = Asking { token: token.to_owned(), fetched: Box::pin(fetched) };
                if self.asking.replace(Box::new(asking)).is_some() {
                    // Its answer is due; the newer token's comes later.
                    self.renew(Err(TokenError::KeysUnavailable));
                }
            }
            None => self.renew(verified),
        }
    }

    /// The same once more, when the keys have come or have not.
    pub(super) fn auth_again(&mut self, token: &str) {
        if matches!(self.stage, Stage::Seated(_)) {
            let verified = self.node.tokens.verify(token, Some(&self.token.room));
            self.renew(verified);
        }
    }

    fn renew(&mut self, verified: Result<Verified, TokenError>) {
        let verified = match verified.and_then(|token| self.node.driver.revoker().admit(token)) {
            Ok(verified) if verified.identity == self.token.identity => verified,
            Ok(_) => {
                let message = "`auth`: `token` is of another identity; connect anew to change it.";
                let hint = "Give every token of a stay the same `sub`.".to_owned();
                return self
                    .say(&WireError { hint: Some(hint), ..WireError::with(ErrorCode::Forbidden, message) }.into());
            }
            Err(error) => {
                self.node.metrics.token_refused(&error);
                let mut error = WireError::from(&error);
                if matches!(error.code.effect(), Effect::Closes(_)) || error.code == ErrorCode::Unavailable {
                    // The old token still counts until it expires: the connection lives.
                    error.message = format!("`auth`: {}", error.message);
                }
                return self.say(&error.into());
            }
        };
        let turn = |token: &Verified| token.grant.allows(Permission::Turn);
        let turned = turn(&self.token) != turn(&verified);
        *self.token = verified;
        let expires_at = self.token.expires_at;
        let profile = self.profile();
        if let Stage::Seated(seated) = &mut self.stage {
            seated.deadlines.renew_token(&self.node, &self.token);
            self.node.driver.authorized(&seated.seat, profile, self.token.grant, self.token.stamp());
        }
        self.say(&ServerMessage::AuthOk { token_expires_at: expires_at });
        if turned && self.node.ice.has_turn() {
            self.push_ice();
        }
    }
}

/// Whether this server speaks the version of a `hello`.
///
/// # Errors
/// It does not.
pub fn check_protocol(hello: &Hello) -> Result<(), WireError> {
    if hello.protocol == PROTOCOL {
        return Ok(());
    }
    let message = format!("`hello`: `protocol` {} is not supported; this server speaks {PROTOCOL}.", hello.protocol);
    Err(WireError::with(ErrorCode::ProtocolUnsupported, message))
}

/// What a resume token proves, shown together with a token that was checked.
#[must_use]
pub fn ticket(node: &Node, token: &Verified, resume: &str) -> Option<Ticket> {
    node.driver.ticket(resume, &token.identity, &token.room)
}

/// Whether it resumes, and not only proves who this was.
#[must_use]
pub fn resumes(ticket: Option<&Ticket>) -> bool {
    ticket.is_some_and(|ticket| ticket.age == Age::Fresh)
}

impl Places {
    /// Whether there is a place for the identity. A resume always enters: the connection that it takes the session over from may
    /// still be counted.
    ///
    /// # Errors
    /// There is none, or the node takes nobody new for now.
    pub fn admit(&self, node: &Node, ticket: Option<&Ticket>) -> Result<(), WireError> {
        if resumes(ticket) {
            return Ok(());
        }
        node.takes_joins()?;
        if self.identity.is_some() {
            return Ok(());
        }
        node.metrics.limit(Limit::connections_per_identity);
        Err(WireError::new(ErrorCode::ConnectionLimit))
    }
}
