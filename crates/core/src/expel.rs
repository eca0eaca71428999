//! Who is put out of a room, and kept out: revoked tokens, and moderators who remove for a while.

use aldis_protocol::{CloseCode, Identity, PeerId, server::LeaveReason};

use crate::{
    Event, Join, Output, Revocations, Seat, hub::Effects, join::Pending, output::Exclusion, revocation::Finding,
    room::Room, session::Session,
};

/// What a moderator asks for.
pub(crate) struct Removal<'a> {
    pub(crate) id: &'a PeerId,
    pub(crate) reason: Option<String>,
    pub(crate) for_ms: Option<u64>,
}

impl<C: Clone + PartialEq> Room<C> {
    /// Keeps whom a moderator has removed out of the room, if that was asked for.
    pub(crate) fn exclude(&self, by: &Seat<C>, removal: Removal<'_>, identity: Identity, effects: &mut Effects<C>) {
        let Removal { id, reason, for_ms: Some(for_ms) } = removal else { return };
        let (by, id, room) = (by.connection.clone(), id.clone(), self.id.clone());
        effects.push(Output::Exclude(Box::new(Exclusion { by, id, room, identity, for_ms, reason })));
    }

    /// Whether somebody is here, or comes in, with a token that these revoke.
    pub(crate) fn holds(&self, news: &Revocations, unix_ms: u64) -> bool {
        self.sessions.iter().any(|session| self.revokes(news, unix_ms, session).is_some())
            || self.joining.iter().any(|pending| self.revokes_join(news, unix_ms, &pending.join).is_some())
    }

    /// Puts out whoever is here, or comes in, with a token that these revoke.
    pub(crate) fn revoked(&mut self, news: &Revocations, unix_ms: u64, effects: &mut Effects<C>) {
        while let Some((at, found)) = self
            .joining
            .iter()
            .enumerate()
            .find_map(|(at, pending)| self.revokes_join(news, unix_ms, &pending.join).map(|found| (at, found)))
        {
            let Pending { join, .. } = self.joining.remove(at);
            effects.event(Event::Revoked(found.kind));
            let error = Some(Box::new(found.refusal()));
            effects.push(Output::Close { connection: join.connection, code: CloseCode::Forbidden, error });
        }
        while let Some((index, found)) = self
            .sessions
            .iter()
            .enumerate()
            .find_map(|(index, session)| self.revokes(news, unix_ms, session).map(|found| (index, found)))
        {
            effects.event(Event::Revoked(found.kind));
            if let Some(connection) = self.sessions[index].connection() {
                let (code, error) = found.expulsion();
                let error = Some(Box::new(error));
                effects.push(Output::Close { connection: connection.clone(), code, error });
            }
            self.gone(index, LeaveReason::Removed, effects);
        }
    }

    fn revokes(&self, news: &Revocations, unix_ms: u64, session: &Session<C>) -> Option<Finding> {
        news.find(unix_ms, &self.id, &session.profile.identity, &session.stamp)
    }

    fn revokes_join(&self, news: &Revocations, unix_ms: u64, join: &Join<C>) -> Option<Finding> {
        news.find(unix_ms, &self.id, &join.profile.identity, &join.stamp)
    }
}
