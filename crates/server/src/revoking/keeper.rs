//! Keeps the file like the list: one task, which writes the newest state whenever there is one.

use std::{path::PathBuf, sync::Arc, time::Duration};

use aldis_protocol::NodeId;
use tokio::sync::watch;

use super::{Revoker, file};

/// The pause after a write that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// How long an order waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is on the disk.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kept {
    /// The last revision that somebody tried to write.
    revision: u64,
    /// Whether that worked.
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Outcome {
    #[default]
    Written,
    Failed,
}

/// Whether a revocation outlives a restart of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// There is no file for it.
    NoFile,
    /// It is on the disk.
    Kept,
    /// It is not, for now: the disk refuses it or takes long.
    Unkept,
}

/// The file of a list.
pub(super) struct Keeper {
    path: PathBuf,
    node: NodeId,
    changes: watch::Sender<u64>,
    kept: watch::Sender<Kept>,
}

impl Keeper {
    pub(super) fn new(path: PathBuf, node: NodeId, revision: u64) -> Self {
        let kept = Kept { revision, outcome: Outcome::Written };
        Self { path, node, changes: watch::Sender::new(revision), kept: watch::Sender::new(kept) }
    }

    /// The list has changed.
    pub(super) fn changed(&self, revision: u64) {
        self.changes.send_if_modified(|newest| std::mem::replace(newest, (*newest).max(revision)) < revision);
    }

    /// Waits until a revision was written, or was not.
    async fn wait(&self, revision: u64) -> Keeping {
        let mut kept = self.kept.subscribe();
        // Its sender is this.
        let tried = tokio::time::timeout(PATIENCE, kept.wait_for(|kept| kept.revision >= revision)).await;
        match tried.map(|kept| kept.map(|kept| kept.outcome)) {
            Ok(Ok(Outcome::Written)) => Keeping::Kept,
            Ok(Ok(Outcome::Failed) | Err(_)) | Err(_) => Keeping::Unkept,
        }
    }
}

impl Revoker {
    /// Waits until what is held now is on the disk, for a while.
    pub async fn kept(&self) -> Keeping {
        match &self.keeper {
            None => Keeping::NoFile,
            Some(keeper) => keeper.wait(self.revision()).await,
        }
    }

    /// Writes the file whenever the list has changed, for ever. A node without a file has nothing to do.
    pub async fn keep(&self) {
        let Some(keeper) = &self.keeper else { return };
        let mut changes = keeper.changes.subscribe();
        let mut failing = false;
        loop {
            if failing {
                tokio::time::sleep(AGAIN).await;
            } else if changes.changed().await.is_err() {
                return;
            }
            changes.mark_unchanged();
            let (revision, all) = self.snapshot();
            let (path, node) = (keeper.path.clone(), keeper.node.clone());
            let all = Arc::<[_]>::from(all);
            let written = tokio::task::spawn_blocking(move || file::write(&path, &node, &all)).await;
            let outcome = match written {
                Ok(Ok(())) => Outcome::Written,
                Ok(Err(error)) => {
                    if !failing {
                        let error = anyhow::Error::from(error);
                        tracing::error!(
                            error = format!("{error:#}"),
                            "revocations would not survive a restart of all nodes"
                        );
                    }
                    Outcome::Failed
                }
                // The runtime ends.
                Err(_) => return,
            };
            if failing && outcome == Outcome::Written {
                tracing::info!("revocations_file is written again");
            }
            failing = outcome == Outcome::Failed;
            keeper.kept.send_replace(Kept { revision, outcome });
        }
    }
}
