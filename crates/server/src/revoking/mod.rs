//! Whose tokens do not count any more: the list of a node, and who asks it.
//!
//! The [`Ledger`] of the core has the list and what is said of it between nodes. Here it gets its lock, the wall's time and a way out; what
//! it says has to be enforced is handed to the hubs by [`Driver::revoking`](crate::driver::Driver::revoking), without that lock.

pub mod file;
mod keeper;
pub mod written;

use std::{path::PathBuf, sync::Arc};

use aldis_core::{
    Moment, Revocations, Stamp,
    cluster::{Ledger, LedgerFigures, LedgerOutput},
    revocation::{self, Finding, Kind, Revocation},
};
use aldis_protocol::{Identity, Limits, NodeId, RoomId, limits::Limit};

pub use keeper::Keeping;

use file::FileError;
use keeper::Keeper;

use crate::{
    auth::{TokenError, Verified},
    clock::Clock,
    cluster::Publisher,
    sync::Mutex,
    telemetry::metrics::Metrics,
};

/// The revocations of one node.
pub struct Revoker {
    ledger: Mutex<Ledger>,
    most: usize,
    publisher: Option<Arc<Publisher>>,
    /// What looks after the file; none where nothing has to outlive the cluster.
    keeper: Option<Keeper>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Revoker {
    /// Of a node alone. Nothing is revoked yet.
    #[must_use]
    pub fn alone(limits: &Limits, metrics: Arc<Metrics>, clock: Clock) -> Self {
        let most = usize::try_from(limits.revocations).unwrap_or(usize::MAX);
        Self { ledger: Mutex::new(Ledger::alone(most)), most, publisher: None, keeper: None, metrics, clock }
    }

    /// The same of a node among others, which starts now.
    #[must_use]
    pub(crate) fn among_others(self, publisher: Arc<Publisher>) -> Self {
        let ledger = Mutex::new(Ledger::among_others(self.most, self.clock.now()));
        Self { ledger, publisher: Some(publisher), ..self }
    }

    /// Takes over what a file holds, and keeps it like the list from now on, with [`keep`](Self::keep). Before anybody is let in.
    ///
    /// # Errors
    /// The file cannot be read, a line of it makes no sense, or it cannot be written.
    pub(crate) fn kept_in(&mut self, path: PathBuf, node: &NodeId) -> Result<(), FileError> {
        let held = file::read(&path)?;
        let now = self.clock.unix_ms();
        let lasting = held.iter().filter(|one| one.terms.until > now).count();
        if lasting > self.most.saturating_mul(revocation::MERGED) {
            return Err(FileError::TooMany { path, lasting, most: self.most });
        }
        let (lines, _) = (held.len(), self.step(|ledger, _, unix_ms| ledger.merge(unix_ms, &held)));
        let (revision, all) = self.snapshot();
        // What is over goes, and a disk that takes nothing is known at once.
        file::write(&path, node, &all)?;
        tracing::info!(lines, held = all.len(), "revocations were read from their file");
        self.keeper = Some(Keeper::new(path, node.clone(), revision));
        Ok(())
    }

    /// Lets a good token through unless it was revoked.
    ///
    /// # Errors
    /// It was.
    pub fn admit(&self, token: Verified) -> Result<Verified, TokenError> {
        match self.find(&token.room, &token.identity, &token.stamp()) {
            None => Ok(token),
            Some(finding) => {
                self.metrics.turned_away(finding.kind);
                Err(TokenError::Revoked(finding))
            }
        }
    }

    /// Whether a token with this identity and stamp is revoked for this room.
    #[must_use]
    pub fn find(&self, room: &RoomId, identity: &Identity, stamp: &Stamp) -> Option<Finding> {
        self.ledger.lock().find(self.clock.unix_ms(), room, identity, stamp)
    }

    /// Whether it knows what the other nodes know, as far as that could be found out.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.ledger.lock().is_settled()
    }

    /// What is held.
    #[must_use]
    pub fn list(&self) -> Vec<Revocation> {
        self.ledger.lock().list().held(self.clock.unix_ms()).collect()
    }

    /// The most that is held.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// How many are held, by kind.
    #[must_use]
    pub fn held(&self) -> [(Kind, usize); 5] {
        self.ledger.lock().held(self.clock.unix_ms())
    }

    /// What was counted between nodes.
    #[must_use]
    pub(crate) fn figures(&self) -> LedgerFigures {
        self.ledger.lock().figures()
    }

    /// When a step with [`Ledger::handle_timeout`] is due.
    #[must_use]
    pub(crate) fn due(&self) -> Option<Moment> {
        self.ledger.lock().poll_timeout()
    }

    fn revision(&self) -> u64 {
        self.ledger.lock().list().revision()
    }

    /// All that is held or remembered, and which revision that is.
    fn snapshot(&self) -> (u64, Vec<Revocation>) {
        let ledger = self.ledger.lock();
        (ledger.list().revision(), ledger.list().all(self.clock.unix_ms()).collect())
    }

    /// Shows the whole list to somebody who does not come back to it.
    pub(crate) fn show(&self, look: impl FnOnce(&Revocations, u64)) {
        look(self.ledger.lock().list(), self.clock.unix_ms());
    }

    /// Lets the ledger take a step, publishes what follows, and returns what the hubs have to enforce.
    pub(crate) fn step<T>(&self, step: impl FnOnce(&mut Ledger, Moment, u64) -> T) -> (T, Vec<Revocations>) {
        let mut ledger = self.ledger.lock();
        let overflowed = ledger.figures().overflowed;
        let result = step(&mut ledger, self.clock.now(), self.clock.unix_ms());
        let mut news = Vec::new();
        while let Some(output) = ledger.poll_output() {
            match (output, &self.publisher) {
                (LedgerOutput::Enforce(list), _) => news.push(list),
                (LedgerOutput::Publish { subject, frame }, Some(publisher)) => {
                    publisher.publish_revocations(&subject, frame);
                }
                (LedgerOutput::Publish { .. }, None) => {}
            }
        }
        let overflowed = ledger.figures().overflowed - overflowed;
        let revision = ledger.list().revision();
        drop(ledger);
        if let Some(keeper) = &self.keeper {
            keeper.changed(revision);
        }
        if overflowed > 0 {
            self.metrics.limit(Limit::revocations);
            tracing::warn!(count = overflowed, "no place for revocations of another node: limits.revocations");
        }
        (result, news)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_does_not_fit_is_not_made_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("revoked");
        let line = |jti: u32, until: u64| format!("{{\"jti\":\"{jti}\",\"until\":{until}}}\n");
        let clock = Clock::start();
        let later = clock.unix_ms() + 60_000;
        let limits = Limits { revocations: 1, ..Limits::default() };
        let open = |text: &str| {
            fs::write(&path, text).expect("written");
            let mut revoker = Revoker::alone(&limits, Arc::new(Metrics::new()), clock);
            revoker.kept_in(path.clone(), &NodeId::parse("north").expect("an id"))
        };
        // As much as may be held where two halves of a cluster were full; what is over counts for nothing.
        open(&[line(1, later), line(2, later), line(3, 9)].concat()).expect("it fits");
        let full = [line(1, later), line(2, later), line(3, later)].concat();
        let error = open(&full).expect_err("too many").to_string();
        assert!(error.ends_with("holds 3 revocations; limits.revocations = 1 is too small for them"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("a file"), full, "nothing of it is lost");
    }
}
