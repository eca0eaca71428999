//! The files when they change: the new certificate serves new handshakes, a broken one is a warning.
//!
//! The files are read every few seconds and compared by content. That sees what a notification of the system would: certbot's
//! renamed files, the symlinks that Kubernetes swaps, an editor's copy. And it sees what one would not, as on a network drive. It
//! costs two small reads. The two files cannot change at the same moment, so a change counts when it was seen twice.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{self, SHA256};
use parking_lot::Mutex;

use super::{Acceptor, CertificateError, TlsFiles, certificate::Contents};

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_secs(5);

/// What was found in the files: a digest, so that no copy of the key stays in memory.
type Print = [u8; 32];

/// Looks after the certificate of one server.
pub struct Reloader {
    files: TlsFiles,
    acceptor: Arc<Acceptor>,
    seen: Mutex<Seen>,
}

struct Seen {
    /// What was loaded last, or was found to be broken.
    judged: Print,
    /// What was found once since.
    changed: Option<Print>,
}

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// The files are as they were, or have just changed.
    Nothing,
    /// New handshakes are served with what the files hold now.
    Replaced,
    /// What the files hold cannot be served; the old certificate goes on.
    Refused(Vec<CertificateError>),
}

impl Reloader {
    /// Loads the files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn start(files: TlsFiles) -> anyhow::Result<Self> {
        let found = files.read();
        let judged = print(&found);
        let certificate = found.and_then(|contents| files.parse(&contents)).map_err(|mut errors| errors.remove(0))?;
        let acceptor = Arc::new(Acceptor::new(certificate)?);
        Ok(Self { files, acceptor, seen: Mutex::new(Seen { judged, changed: None }) })
    }

    /// What new handshakes are served with.
    #[must_use]
    pub fn acceptor(&self) -> &Arc<Acceptor> {
        &self.acceptor
    }

    /// Looks at the files from time to time, for ever.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PERIOD).await;
            let reloader = Arc::clone(&self);
            // A file may be on a drive that does not answer.
            let _looked = tokio::task::spawn_blocking(move || reloader.look()).await;
        }
    }

    /// Loads the files now, changed or not: somebody asked.
    pub fn reload(&self) -> Reload {
        let found = self.files.read();
        let mut seen = self.seen.lock();
        *seen = Seen { judged: print(&found), changed: None };
        self.judge(found)
    }

    /// Loads the files if they have changed and are the same as at the last look.
    pub fn look(&self) -> Reload {
        let found = self.files.read();
        let print = print(&found);
        let mut seen = self.seen.lock();
        if print == seen.judged {
            seen.changed = None;
            return Reload::Nothing;
        }
        if seen.changed.replace(print) != Some(print) {
            return Reload::Nothing;
        }
        *seen = Seen { judged: print, changed: None };
        self.judge(found)
    }

    fn judge(&self, found: Result<Contents, Vec<CertificateError>>) -> Reload {
        let loaded = found.and_then(|contents| self.files.parse(&contents)).and_then(|certificate| {
            let replaced = self.acceptor.replace(certificate);
            replaced.map_err(|error| vec![CertificateError { key: "tls.cert", problem: error.to_string() }])
        });
        match loaded {
            Ok(()) => {
                tracing::info!("new handshakes are served with the new certificate");
                Reload::Replaced
            }
            Err(errors) => {
                for error in &errors {
                    tracing::warn!(%error, "the certificate was not reloaded; the old one goes on serving");
                }
                Reload::Refused(errors)
            }
        }
    }
}

fn print(found: &Result<Contents, Vec<CertificateError>>) -> Print {
    let mut context = digest::Context::new(&SHA256);
    match found {
        Ok(Contents { cert, key }) => {
            context.update(&cert.len().to_be_bytes());
            context.update(cert);
            context.update(key);
        }
        Err(errors) => errors.iter().for_each(|error| context.update(error.to_string().as_bytes())),
    }
    let mut print = Print::default();
    print.copy_from_slice(context.finish().as_ref());
    print
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tls::certificate::tests::{folder, renew};

    #[test]
    fn a_change_counts_when_it_was_seen_twice() {
        let (_folder, files) = folder();
        let reloader = Reloader::start(files.clone()).expect("good files");
        assert_eq!([reloader.look(), reloader.look()], [Reload::Nothing, Reload::Nothing]);
        renew(&files);
        assert_eq!(reloader.look(), Reload::Nothing);
        // It is still being written.
        renew(&files);
        assert_eq!(reloader.look(), Reload::Nothing);
        assert_eq!(reloader.look(), Reload::Replaced);
        assert_eq!(reloader.look(), Reload::Nothing);
    }

    #[test]
    fn a_broken_file_is_refused_once_and_its_repair_is_loaded() {
        let (_folder, files) = folder();
        let reloader = Reloader::start(files.clone()).expect("good files");
        fs::write(&files.cert, "nothing").expect("written");
        assert_eq!(reloader.look(), Reload::Nothing);
        assert!(matches!(reloader.look(), Reload::Refused(errors) if errors[0].key == "tls.cert"));
        assert_eq!([reloader.look(), reloader.look()], [Reload::Nothing, Reload::Nothing]);
        fs::remove_file(&files.cert).expect("removed");
        assert_eq!(reloader.look(), Reload::Nothing);
        assert!(matches!(reloader.look(), Reload::Refused(errors) if errors[0].problem.contains("does not exist")));
        renew(&files);
        assert_eq!([reloader.look(), reloader.look()], [Reload::Nothing, Reload::Replaced]);
    }

    #[test]
    fn whoever_asks_is_served_at_once() {
        let (_folder, files) = folder();
        let reloader = Reloader::start(files.clone()).expect("good files");
        renew(&files);
        assert_eq!([reloader.reload(), reloader.look()], [Reload::Replaced, Reload::Nothing]);
        fs::write(&files.key, "nothing").expect("written");
        assert!(matches!(reloader.reload(), Reload::Refused(errors) if errors[0].key == "tls.key"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_found_without_asking() {
        let (_folder, files) = folder();
        let reloader = Arc::new(Reloader::start(files.clone()).expect("good files"));
        let watching = tokio::spawn(Arc::clone(&reloader).watch());
        renew(&files);
        let (renewed, old) = (print(&files.read()), reloader.seen.lock().judged);
        assert_ne!(renewed, old);
        tokio::time::sleep(3 * PERIOD).await;
        assert_eq!(reloader.seen.lock().judged, renewed);
        watching.abort();
    }
}
