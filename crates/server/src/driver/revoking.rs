//! What is revoked: lists it, tells every hub, and turns away whoever comes in with it.
//!
//! The list's lock comes after a shard's ([the order](super)): whatever is revoked is in the list before any hub is told, so whoever is
//! looked up under the lock of its room is either found there or already among those whom the hub puts out.

use std::path::PathBuf;

use aldis_core::{
    Hub, Input, Moment, Revocation,
    cluster::Ledger,
    output::Exclusion,
    revocation::{Finding, Full, Kind, Target},
};
use aldis_protocol::{CloseCode, ErrorCode, ServerMessage, WireError, limits::Limit};

use super::{Dirty, Driver};
use crate::{
    connection::outlet::{Farewell, Frame, Handle, Last},
    revoking::{Revoker, file::FileError},
};

impl Driver {
    /// Takes over what a file holds, and keeps it like the list from now on.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn kept_in(mut self, path: PathBuf) -> Result<Self, FileError> {
        self.revoker.kept_in(path, &self.node)?;
        Ok(self)
    }

    /// Whose tokens do not count any more.
    #[must_use]
    pub fn revoker(&self) -> &Revoker {
        &self.revoker
    }

    /// Lets the list of revocations take a step, and puts out whoever that concerns.
    pub fn revoking<T>(&self, dirty: &mut Dirty, step: impl FnOnce(&mut Ledger, Moment, u64) -> T) -> T {
        let (result, news) = self.revoker.step(step);
        for news in &news {
            let unix_ms = self.clock.unix_ms();
            // Who is in a room is put out by its hub; who is in none may have credentials too.
            if let Some(ice) = &self.ice {
                for revocation in news.held(unix_ms) {
                    if let Target::Identity { identity } = &revocation.target {
                        ice.revoke(identity);
                    }
                }
            }
            for shard in &self.shards {
                let mut hub = shard.lock();
                let now = self.clock.now();
                hub.handle_input(now, Input::Revoked { news, unix_ms });
                self.settle(&mut hub, now, dirty);
                let due = hub.poll_timeout();
                drop(hub);
                self.set_alarm(due);
            }
        }
        result
    }

    /// Revokes tokens, here and on every other node.
    ///
    /// # Errors
    /// As many are held as may be.
    pub fn revoke(
        &self,
        target: Target,
        until: u64,
        not_before: u64,
        reason: Option<String>,
    ) -> Result<Revocation, Full> {
        let mut dirty = Dirty::default();
        let imposed =
            self.revoking(&mut dirty, |ledger, _, unix_ms| ledger.impose(unix_ms, target, until, not_before, reason));
        self.flush(dirty);
        let revocation = imposed.inspect_err(|_| self.metrics.limit(Limit::revocations))?;
        tracing::info!(kind = revocation.target.kind().as_str(), "tokens were revoked");
        Ok(revocation)
    }

    /// Takes a revocation back, here and on every other node; says whether it was held.
    pub fn lift(&self, target: &Target) -> bool {
        let mut dirty = Dirty::default();
        let lifted = self.revoking(&mut dirty, |ledger, _, unix_ms| ledger.lift(unix_ms, target));
        self.flush(dirty);
        if lifted.is_some() {
            tracing::info!(kind = target.kind().as_str(), "a revocation was lifted");
        }
        lifted.is_some()
    }

    /// Closes a connection whose token was revoked between the door and its join.
    pub(super) fn turn_away(&self, connection: &Handle, finding: &Finding, now: Moment, dirty: &mut Dirty) {
        self.metrics.turned_away(finding.kind);
        self.metrics.refused(ErrorCode::TokenRevoked);
        self.metrics.closed(CloseCode::Forbidden);
        let farewell = Farewell { error: Some(Box::new(finding.refusal())), last: Last::Ours(CloseCode::Forbidden) };
        // It has no seat, so there is nothing to give back.
        drop(connection.0.close(farewell, now));
        dirty.add(connection.clone());
    }

    /// A moderator keeps somebody out of a room of this hub, whose lock is held: no other hub is concerned.
    pub(super) fn exclude(&self, hub: &mut Hub<Handle>, exclusion: Exclusion<Handle>, now: Moment, dirty: &mut Dirty) {
        let Exclusion { by, id, room, identity, for_ms, reason } = exclusion;
        let target = Target::Member { room, identity };
        let (imposed, news) =
            self.revoker.step(|ledger, _, unix_ms| ledger.impose(unix_ms, target, unix_ms + for_ms, 0, reason));
        for news in &news {
            hub.handle_input(now, Input::Revoked { news, unix_ms: self.clock.unix_ms() });
        }
        match imposed {
            Ok(_) => tracing::info!(kind = Kind::Member.as_str(), "a moderator keeps somebody out"),
            Err(Full { most }) => {
                self.metrics.limit(Limit::revocations);
                let message = format!(
                    "The peer was removed and can come back: {most} are kept out of rooms, half of what limits.revocations allows."
                );
                let error = WireError::with(ErrorCode::Unavailable, message).about(Some(id), None);
                self.metrics.refused(error.code);
                self.push(hub, &by, Frame::Text(ServerMessage::from(error).to_json().into()), now, dirty);
            }
        }
    }
}
