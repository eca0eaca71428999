//! A certificate authority of a test, as companies have one of their own.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// It has signed one certificate, for this machine.
pub(crate) struct Authority {
    /// What a client has to trust.
    pub(crate) trusted: String,
    /// What the server shows.
    pub(crate) certificate: String,
    /// The key for it.
    pub(crate) key: String,
    _folder: TempDir,
}

impl Authority {
    /// One that nobody trusts yet.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
        let certificate = params.signed_by(&key, &own).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name, pem| write(folder.path(), name, pem);
        Self {
            trusted: file("authority.pem", own.pem()),
            certificate: file("certificate.pem", certificate.pem()),
            key: file("key.pem", key.serialize_pem()),
            _folder: folder,
        }
    }
}

/// Writes a file, and says where it is.
fn write(folder: &Path, name: &str, text: String) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}
