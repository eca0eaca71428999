//! A certificate that this machine makes for itself, for development.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::{crypto::aws_lc_rs, pki_types::PrivateKeyDer, sign::CertifiedKey};

/// How long it is good: made fresh at every start, it has to outlive only that.
const VALID: Duration = Duration::from_secs(14 * 86_400);

/// How far a phone's clock may be behind.
const SKEW: Duration = Duration::from_secs(3_600);

/// A certificate for `localhost` and `addrs`, with an ECDSA P-256 key that is nowhere but in memory.
///
/// # Errors
/// The clock is before 1970, or the system has no randomness.
pub fn make(addrs: impl IntoIterator<Item = IpAddr>) -> anyhow::Result<CertifiedKey> {
    let names = std::iter::once("localhost".to_owned()).chain(addrs.into_iter().map(|addr| addr.to_string()));
    let mut params = CertificateParams::new(names.collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, "Aldis, development");
    // Apple's systems take no server without it.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let now = date_time_ymd(1970, 1, 1) + now;
    (params.not_before, params.not_after) = (now - SKEW, now + VALID);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?.der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    Ok(CertifiedKey::from_der(vec![certificate], key, &aws_lc_rs::default_provider())?)
}

#[cfg(test)]
mod tests {
    use rustls::{
        RootCertStore,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
        pki_types::{ServerName, UnixTime},
    };

    use super::*;

    #[test]
    fn it_is_good_for_its_names_and_days_and_no_others() {
        let addrs = ["192.168.1.5", "::1"].map(|addr| addr.parse().expect("an address"));
        let made = make(addrs).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert[0].clone()).expect("a root");
        let provider = aws_lc_rs::default_provider().into();
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().expect("a verifier");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let days = |days: u64| now + Duration::from_secs(days * 86_400);
        let check = |name: &str, at: Duration| {
            let name = ServerName::try_from(name.to_owned()).expect("a name");
            verifier.verify_server_cert(&made.cert[0], &[], &name, &[], UnixTime::since_unix_epoch(at)).is_ok()
        };
        for name in ["localhost", "192.168.1.5", "::1"] {
            assert!(check(name, now) && check(name, days(13)), "{name}");
            assert!(!check(name, days(15)), "{name}");
        }
        assert!(!check("192.168.1.6", now) && !check("example.org", now));
    }
}
