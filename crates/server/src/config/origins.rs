//! `allowed_origins`: whose pages may connect.

use super::{raw::Raw, reader::Reader};

/// Whose pages may connect. Programs that are no browsers send no origin and are not concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origins {
    /// Anybody's: tokens protect the server, nothing rides on cookies.
    #[default]
    Any,
    /// Only pages of exactly these origins.
    Only(Vec<String>),
}

impl Origins {
    /// Whether a page of this origin may connect: the value of its `Origin` header, compared byte by byte. Browsers write an origin
    /// in one way only, so whatever differs comes from no page that the operator means.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(origins) => origins.iter().any(|allowed| allowed == origin),
        }
    }
}

pub(super) fn read(reader: &mut Reader, raw: Option<Raw>) -> Origins {
    const KEY: &str = "allowed_origins";
    let origins = reader.list(KEY, raw);
    for origin in &origins {
        if let Err(problem) = check(origin) {
            reader.refuse(KEY, format!("`{origin}` {problem}"));
        }
    }
    if origins.is_empty() { Origins::Any } else { Origins::Only(origins) }
}

/// Checks that browsers may send this very text: scheme, host in lower case, a port only where it is not the scheme's own.
fn check(origin: &str) -> Result<(), &'static str> {
    const FORM: &str = "is not an origin: `https://app.example.org`, with a port only where it is not the usual one";
    if origin == "*" {
        return Err("is no origin; leave the list empty for any");
    }
    if origin == "null" {
        return Err("is what files and sandboxed frames send, so anybody's page can be it");
    }
    let (scheme, rest) = origin.split_once("://").ok_or(FORM)?;
    let scheme_is_one = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    if !scheme_is_one || rest.is_empty() {
        return Err(FORM);
    }
    if rest.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("must be in lower case: browsers send it so");
    }
    if rest.contains('*') {
        return Err("is a pattern; list every origin, for a forgotten subdomain is a way in");
    }
    if rest.bytes().any(|byte| matches!(byte, b'/' | b'?' | b'#' | b'@') || !byte.is_ascii_graphic()) {
        return Err(FORM);
    }
    match (scheme, rest.rsplit_once(':')) {
        ("https", Some((_, "443"))) | ("http", Some((_, "80"))) => Err("names the usual port: browsers leave it out"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_exactly_what_a_browser_sends() {
        for good in ["https://app.example.org", "http://localhost:3000", "https://[::1]:8443", "capacitor://localhost"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let bad = [
            "*",
            "null",
            "app.example.org",
            "https://",
            "https://app.example.org/",
            "https://App.example.org",
            "https://*.example.org",
            "https://app.example.org:443",
            "http://app.example.org:80",
            "https://u@example.org",
            "HTTPS://app.example.org",
            "https://app.example.org ",
        ];
        for bad in bad {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_exact_text_is_allowed() {
        let only = Origins::Only(vec!["https://app.example.org".into()]);
        assert!(only.allow("https://app.example.org"));
        for other in
            ["https://app.example.org.evil.com", "https://evil-app.example.org", "http://app.example.org", "null"]
                .into_iter()
                .chain(["https://App.example.org", "https://app.example.org/", "https://app.example.org:443", ""])
        {
            assert!(!only.allow(other), "{other}");
        }
        assert!(Origins::Any.allow("null"));
    }
}
