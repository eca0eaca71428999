//! `[tls]`: the certificate to serve with.

use std::path::PathBuf;

use conf::Conf;

use super::{Purpose, raw::Raw, reader::Reader};
use crate::tls::TlsFiles;

/// The section, unread. Public only because the derive needs it.
#[derive(Conf, Default)]
#[conf(serde)]
pub struct TlsSection {
    #[conf(long, env)]
    pub(super) cert: Option<Raw>,
    #[conf(long, env)]
    pub(super) key: Option<Raw>,
}

pub(super) fn read(reader: &mut Reader, section: TlsSection, purpose: Purpose) -> Option<TlsFiles> {
    let cert = reader.text("tls.cert", section.cert).map(PathBuf::from);
    let key = reader.text("tls.key", section.key).map(PathBuf::from);
    match (cert, key) {
        (Some(cert), Some(key)) => {
            let files = TlsFiles { cert, key };
            // A tool on another machine has no use for the files.
            if purpose == Purpose::Serve {
                check(reader, &files);
            }
            Some(files)
        }
        (Some(_), None) => {
            reader.refuse(
                "tls.key",
                "is missing although tls.cert is set; set ALDIS_TLS_KEY to the PEM file of its private key",
            );
            None
        }
        (None, Some(_)) => {
            reader.refuse(
                "tls.cert",
                "is missing although tls.key is set; set ALDIS_TLS_CERT to the PEM file of the certificate",
            );
            None
        }
        (None, None) => None,
    }
}

fn check(reader: &mut Reader, files: &TlsFiles) {
    for error in files.load().err().into_iter().flatten() {
        reader.refuse(error.key, error.problem);
    }
}
