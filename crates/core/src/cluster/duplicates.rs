//! One identity several times in a room: the rules of its tokens, where a session comes back and where rooms merge.

use aldis_protocol::{CloseCode, ErrorCode, WireError, server::LeaveReason};

use crate::{Duplicates, Output, cluster::frame::Entry, hub::Effects, room::Room, session::Session};

impl<C: Clone + PartialEq> Room<C> {
    /// The rules of its identity between a session that has just come and the peers of other nodes.
    pub(crate) fn settle_with_others(&mut self, index: usize, effects: &mut Effects<C>) {
        let identity = self.sessions[index].profile.identity.clone();
        let same = self.remotes().iter().filter(|remote| remote.entry.identity == identity);
        let others: Vec<_> = same.map(|remote| Entry::clone(&remote.entry)).collect();
        others.iter().for_each(|other| self.settle_duplicates(other, effects));
    }

    /// The same between a session that resumes and those of this node: it was not asked at the door.
    pub(crate) fn settle_at_home(&mut self, index: usize, effects: &mut Effects<C>) {
        let identity = &self.sessions[index].profile.identity;
        let same = self.sessions.iter().filter(|session| session.profile.identity == *identity);
        let entries: Vec<_> = same.map(Session::entry).collect();
        entries.iter().for_each(|other| self.settle_duplicates(other, effects));
    }

    /// What becomes of sessions of ours beside another of their identity: the newer one's token decides, on every node alike.
    pub(crate) fn settle_duplicates(&mut self, other: &Entry, effects: &mut Effects<C>) {
        while let Some(index) = self.sessions.iter().position(|session| {
            let ours = session.place() > other.place();
            let rule = if ours { session.duplicates } else { other.duplicates };
            session.profile.identity == other.identity
                && session.id != other.id
                && (rule == Duplicates::Replace && !ours || rule == Duplicates::Reject && ours)
        }) {
            let (code, close) = if self.sessions[index].place() > other.place() {
                (ErrorCode::IdentityTaken, CloseCode::Full)
            } else {
                (ErrorCode::Replaced, CloseCode::Replaced)
            };
            if let Some(connection) = self.sessions[index].connection() {
                let error = Some(Box::new(WireError::new(code)));
                effects.push(Output::Close { connection: connection.clone(), code: close, error });
            }
            self.gone(index, LeaveReason::Replaced, effects);
        }
    }
}
