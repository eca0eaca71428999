//! Two PEM files to a certificate with its key, or what is wrong with them.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    sign::CertifiedKey,
};

/// `[tls]`: where the certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// `tls.cert`: the certificate and after it those of its issuers, PEM.
    pub cert: PathBuf,
    /// `tls.key`: the private key, PEM.
    pub key: PathBuf,
}

/// What the files hold, unread.
pub(super) struct Contents {
    pub(super) cert: Vec<u8>,
    pub(super) key: Vec<u8>,
}

/// What is wrong with a certificate, in words for whoever has to put it right. It never holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateError {
    /// Which key of the configuration names the file.
    pub key: &'static str,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

impl std::error::Error for CertificateError {}

const CERT: &str = "tls.cert";
const KEY: &str = "tls.key";

impl TlsFiles {
    /// Reads and checks both files.
    ///
    /// # Errors
    /// What is wrong with each of them.
    pub fn load(&self) -> Result<CertifiedKey, Vec<CertificateError>> {
        self.parse(&self.read()?)
    }

    pub(super) fn read(&self) -> Result<Contents, Vec<CertificateError>> {
        match (read(CERT, &self.cert), read(KEY, &self.key)) {
            (Ok(cert), Ok(key)) => Ok(Contents { cert, key }),
            (cert, key) => Err(cert.err().into_iter().chain(key.err()).collect()),
        }
    }

    pub(super) fn parse(&self, contents: &Contents) -> Result<CertifiedKey, Vec<CertificateError>> {
        match (self.chain(&contents.cert), self.private_key(&contents.key)) {
            (Ok(chain), Ok(key)) => self.join(chain, key).map_err(|error| vec![error]),
            (chain, key) => Err(chain.err().into_iter().chain(key.err()).collect()),
        }
    }

    fn chain(&self, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        let file = self.cert.display();
        let refuse = |problem| CertificateError { key: CERT, problem };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match chain {
            Ok(chain) if chain.is_empty() => Err(refuse(format!(
                "{file} holds no certificate; it must be PEM with BEGIN CERTIFICATE, as certbot's fullchain.pem"
            ))),
            Ok(chain) => Ok(chain),
            Err(error) => Err(refuse(format!("{file} is no sound PEM ({error}); write the file again"))),
        }
    }

    fn private_key(&self, pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
        let file = self.key.display();
        PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
            let problem = match error {
                pem::Error::NoItemsFound => format!(
                    "{file} holds no private key; it must be PEM with BEGIN PRIVATE KEY and without a passphrase, as certbot's \
                     privkey.pem"
                ),
                error => format!("{file} is no sound PEM ({error}); write the file again"),
            };
            CertificateError { key: KEY, problem }
        })
    }

    fn join(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<CertifiedKey, CertificateError> {
        let (cert, file) = (self.cert.display(), self.key.display());
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => CertificateError {
                key: KEY,
                problem: format!(
                    "{file} is not the key of the first certificate in {cert}; name the two files that were made together"
                ),
            },
            rustls::Error::InvalidCertificate(error) => CertificateError {
                key: CERT,
                problem: format!("the first certificate in {cert} cannot be used ({error}); have it issued again"),
            },
            error => CertificateError {
                key: KEY,
                problem: format!("{file} cannot be used ({error}); ECDSA P-256, Ed25519 and RSA keys can"),
            },
        })
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|error| {
        let file = path.display();
        let problem = match error.kind() {
            io::ErrorKind::NotFound => format!("{file} does not exist; give the path of a PEM file"),
            io::ErrorKind::PermissionDenied => {
                format!("{file} may not be read by the user that runs the server; allow it that")
            }
            _ => format!("{file} cannot be read: {error}"),
        };
        CertificateError { key, problem }
    })
}

#[cfg(test)]
pub(super) mod tests {
    use rcgen::{CertifiedKey as Made, KeyPair, generate_simple_self_signed};

    use super::*;

    /// A folder with a certificate for `localhost` and its key.
    pub(crate) fn folder() -> (tempfile::TempDir, TlsFiles) {
        let folder = tempfile::tempdir().expect("a folder");
        let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        renew(&files);
        (folder, files)
    }

    /// Writes a new certificate and its key.
    pub(crate) fn renew(files: &TlsFiles) {
        let Made { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(&files.cert, cert.pem()).expect("written");
        fs::write(&files.key, signing_key.serialize_pem()).expect("written");
    }

    fn problems(files: &TlsFiles) -> Vec<String> {
        let errors = files.load().expect_err("a mistake");
        let folder = files.cert.parent().expect("a folder").display().to_string();
        errors.iter().map(|error| error.to_string().replace(&folder, "DIR")).collect()
    }

    #[test]
    fn a_pair_that_belongs_together_is_good() {
        let (_folder, files) = folder();
        assert_eq!(files.load().expect("good").cert.len(), 1);
    }

    #[test]
    fn each_mistake_names_the_key_and_the_file_and_what_to_do() {
        let (_folder, files) = folder();
        let good = fs::read(&files.cert).expect("a certificate");

        fs::write(&files.key, KeyPair::generate().expect("a key").serialize_pem()).expect("written");
        assert_eq!(
            problems(&files),
            [
                "tls.key: DIR/key.pem is not the key of the first certificate in DIR/cert.pem; name the two files that were made \
              together"
            ]
        );
        fs::write(&files.key, &good).expect("written");
        fs::write(&files.cert, "nothing").expect("written");
        assert_eq!(
            problems(&files),
            [
                "tls.cert: DIR/cert.pem holds no certificate; it must be PEM with BEGIN CERTIFICATE, as certbot's fullchain.pem",
                "tls.key: DIR/key.pem holds no private key; it must be PEM with BEGIN PRIVATE KEY and without a passphrase, as \
                 certbot's privkey.pem",
            ]
        );
        fs::write(&files.cert, &good[..good.len() / 2]).expect("written");
        assert!(problems(&files)[0].starts_with("tls.cert: DIR/cert.pem is no sound PEM"), "{:?}", problems(&files));
        fs::remove_file(&files.cert).expect("removed");
        fs::remove_file(&files.key).expect("removed");
        assert_eq!(
            problems(&files),
            [
                "tls.cert: DIR/cert.pem does not exist; give the path of a PEM file",
                "tls.key: DIR/key.pem does not exist; give the path of a PEM file",
            ]
        );
    }
}
