//! Whose certificate a `wss://` server may show.

use std::{
    fmt,
    path::Path,
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};

use crate::Error;

/// Whose certificate a `wss://` server may show. Cheap to clone; make one and use it for all connections.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Those that the system trusts.
    ///
    /// # Errors
    /// The system has no root certificates.
    pub fn system() -> Result<Self, Error> {
        static SYSTEM: OnceLock<Trust> = OnceLock::new();
        if let Some(trust) = SYSTEM.get() {
            return Ok(trust.clone());
        }
        let roots = system_roots();
        if roots.is_empty() {
            return Err(Error::Options("this system has no root certificates to trust".to_owned()));
        }
        Ok(SYSTEM.get_or_init(|| Self::roots(roots)).clone())
    }

    /// Those that the system trusts and those of a PEM file.
    ///
    /// # Errors
    /// The file holds no certificate that can be trusted.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let wrong = |why: &dyn fmt::Display| Error::Options(format!("{} cannot be trusted: {why}", path.display()));
        let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        let found = found.map_err(|error| wrong(&error))?;
        if found.is_empty() {
            return Err(wrong(&"it holds no certificate"));
        }
        let mut roots = system_roots();
        for certificate in found {
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
        Ok(Self::roots(roots))
    }

    /// Anybody's: the connection is encrypted and nobody knows to whom. For tests and measurements.
    #[must_use]
    pub fn anybody() -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = builder(&provider).dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)));
        Self(Arc::new(builder.with_no_client_auth()))
    }

    fn roots(roots: RootCertStore) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        Self(Arc::new(builder(&provider).with_root_certificates(roots).with_no_client_auth()))
    }

    /// For other connections that trust the same, as one that asks the server's host for a token.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

fn builder(provider: &Arc<CryptoProvider>) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider));
    builder.with_safe_default_protocol_versions().expect("the provider has suites of TLS 1.2 and 1.3")
}

/// A root that cannot be read is one that is not trusted.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Believes every name. Signatures are checked all the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
