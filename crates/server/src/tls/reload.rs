//! The certificate of one server: from its files at the start, and from what they hold when they are read again.
//!
//! When that is, is said by [`crate::reload`]. The new certificate serves new handshakes, and a broken one changes nothing.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Acceptor, CertificateError, TlsFiles, certificate::Contents};
use crate::reload::{Print, Printer};

/// Looks after the certificate of one server.
pub struct Reloader {
    acceptor: Arc<Acceptor>,
    served: Mutex<Served>,
}

/// What handshakes are served with.
struct Served {
    files: TlsFiles,
    /// What was in them.
    print: Print,
}

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// The files hold what is served already.
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
        let contents = files.read().map_err(|mut errors| errors.remove(0))?;
        let certificate = files.parse(&contents).map_err(|mut errors| errors.remove(0))?;
        let acceptor = Arc::new(Acceptor::new(certificate)?);
        let print = print(&contents);
        Ok(Self { acceptor, served: Mutex::new(Served { files, print }) })
    }

    /// What new handshakes are served with.
    #[must_use]
    pub fn acceptor(&self) -> &Arc<Acceptor> {
        &self.acceptor
    }

    /// Loads the files again.
    pub fn reload(&self) -> Reload {
        let files = self.served.lock().files.clone();
        self.load(&files)
    }

    /// Loads these files, which may be others. What is served already is left as it is: a new key for session tickets would make
    /// every client shake hands in full.
    pub fn load(&self, files: &TlsFiles) -> Reload {
        let loaded = files.read().and_then(|contents| {
            let print = print(&contents);
            if self.served.lock().print == print {
                return Ok(Reload::Nothing);
            }
            let replaced = self.acceptor.replace(files.parse(&contents)?);
            replaced.map_err(|error| vec![CertificateError { key: "tls.cert", problem: error.to_string() }])?;
            *self.served.lock() = Served { files: files.clone(), print };
            Ok(Reload::Replaced)
        });
        match loaded {
            Ok(reload) => {
                if reload == Reload::Replaced {
                    tracing::info!("new handshakes are served with the new certificate");
                }
                reload
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

fn print(contents: &Contents) -> Print {
    let mut printer = Printer::default();
    printer.add(&contents.cert);
    printer.add(&contents.key);
    printer.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tls::certificate::tests::{folder, renew};

    #[test]
    fn what_the_files_hold_is_served_and_only_a_change_counts() {
        let (_folder, files) = folder();
        let reloader = Reloader::start(files.clone()).expect("good files");
        assert_eq!(reloader.reload(), Reload::Nothing);
        renew(&files);
        assert_eq!([reloader.reload(), reloader.reload()], [Reload::Replaced, Reload::Nothing]);
        let (_other_folder, other) = folder();
        assert_eq!([reloader.load(&other), reloader.reload()], [Reload::Replaced, Reload::Nothing]);
    }

    #[test]
    fn a_broken_file_is_refused_and_its_repair_is_loaded() {
        let (_folder, files) = folder();
        let reloader = Reloader::start(files.clone()).expect("good files");
        fs::write(&files.cert, "nothing").expect("written");
        assert!(matches!(reloader.reload(), Reload::Refused(errors) if errors[0].key == "tls.cert"));
        fs::remove_file(&files.cert).expect("removed");
        assert!(matches!(reloader.reload(), Reload::Refused(errors) if errors[0].problem.contains("does not exist")));
        renew(&files);
        assert_eq!(reloader.reload(), Reload::Replaced);
        fs::write(&files.key, "nothing").expect("written");
        assert!(matches!(reloader.reload(), Reload::Refused(errors) if errors[0].key == "tls.key"));
    }
}
