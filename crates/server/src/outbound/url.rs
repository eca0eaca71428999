//! A URL that can be asked.

use std::{fmt, str::FromStr};

use axum::http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use thiserror::Error;

/// An `https://` URL: host, port, path and query.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpsUrl {
    authority: Authority,
    path_and_query: PathAndQuery,
}

/// Why a text is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UrlError {
    /// It is no URL at all.
    #[error("is no URL; write `https://host/path`")]
    Form,
    /// Another scheme.
    #[error("must begin with `https://`: what comes over it is believed")]
    Scheme,
    /// A login, which would end up in logs.
    #[error("must not hold a login (`user:password@`)")]
    Login,
    /// A fragment, which is never sent.
    #[error("must not hold a fragment (`#…`)")]
    Fragment,
}

impl FromStr for HttpsUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let parts = text.parse::<Uri>().map_err(|_| UrlError::Form)?.into_parts();
        match parts.scheme {
            Some(scheme) if scheme == Scheme::HTTPS => {}
            Some(_) => return Err(UrlError::Scheme),
            None => return Err(UrlError::Form),
        }
        let authority = parts.authority.ok_or(UrlError::Form)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Login);
        }
        // The library reads a port that is none as no port.
        let ends_with_host = authority.as_str().len() == authority.host().len();
        if authority.host().is_empty() || (authority.port_u16().is_none() && !ends_with_host) {
            return Err(UrlError::Form);
        }
        let path_and_query = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { authority, path_and_query })
    }
}

impl HttpsUrl {
    /// The host: a name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(443)
    }

    pub(super) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    pub(super) fn path_and_query(&self) -> &str {
        self.path_and_query.as_str()
    }
}

/// The whole URL.
impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority, self.path_and_query)
    }
}

/// Host and port: an account may be in the path, and a key in the query.
impl fmt::Debug for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}/…", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_host_port_path_and_query() {
        let cases = [
            ("https://id.example.org", "id.example.org", 443, "/"),
            ("https://id.example.org:8443/.well-known/jwks.json", "id.example.org", 8_443, "/.well-known/jwks.json"),
            ("HTTPS://a/b?c=d&e", "a", 443, "/b?c=d&e"),
            ("https://[::1]:1/x", "::1", 1, "/x"),
        ];
        for (text, host, port, path) in cases {
            let url: HttpsUrl = text.parse().expect(text);
            assert_eq!((url.host(), url.port(), url.path_and_query()), (host, port, path), "{text}");
        }
        let secret: HttpsUrl = "https://a.example/account/canary?key=canary".parse().expect("a URL");
        assert_eq!(format!("{secret:?}"), "https://a.example/…");
        assert!(secret.to_string().contains("canary"));
    }

    #[test]
    fn anything_else_is_refused() {
        let cases = [
            ("", UrlError::Form),
            ("id.example.org/keys", UrlError::Form),
            ("/keys", UrlError::Form),
            ("https://", UrlError::Form),
            ("https:///keys", UrlError::Form),
            ("https://a b/", UrlError::Form),
            ("https://a:99999/", UrlError::Form),
            ("https://a:/", UrlError::Form),
            ("http://a/", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Form),
            ("ftp://a/", UrlError::Scheme),
            ("https://ann:canary@a/", UrlError::Login),
            ("https://public.example@10.0.0.1/", UrlError::Login),
            ("https://a/#x", UrlError::Fragment),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<HttpsUrl>().expect_err(text), expected, "{text}");
        }
    }
}
