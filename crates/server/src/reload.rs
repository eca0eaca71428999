//! The configuration and the files that it names, when they change: keys of tokens, the cluster's secret, the certificate. Nobody is
//! disconnected by it.
//!
//! ```text
//!  SIGHUP ─────────────────────────────┐
//!  every 5 s: the files, seen twice ───┴─► load it all again ─► nothing wrong with it ─► apply, piece by piece
//!                                                            └► a mistake: WARN with its key, count, and all stays as it was
//! ```
//!
//! The files are read every few seconds and compared by content. That sees what a notification of the system would: certbot's
//! renamed files, the symlinks that Kubernetes swaps, an editor's copy. And it sees what one would not, as on a network drive. It
//! costs a few small reads. Several files cannot change at the same moment, so a change counts when it was seen twice.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};

use aws_lc_rs::digest::{Context, SHA256};
use parking_lot::Mutex;

use crate::{
    config::{Config, ConfigError, Loaded, Row, Secret},
    node::Node,
    resume::ClusterKeys,
    tls,
};

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_secs(5);

/// What a running server takes over, by section or key. What else changes is said to need a restart.
const RELOADED: [&str; 7] =
    ["auth.", "tls.", "outbound.", "stun.", "turn.", "cluster_secret", "accepted_cluster_secrets"];

/// Loads the configuration as it was loaded at the start.
pub type Load = Arc<dyn Fn() -> Result<Loaded, ConfigError> + Send + Sync>;

/// Reads again what a server was started from.
pub struct Reloader {
    node: Arc<Node>,
    certificate: Option<Arc<tls::Reloader>>,
    state: Mutex<State>,
}

struct State {
    /// Without it only the certificate's files are read again.
    load: Option<Load>,
    files: Vec<PathBuf>,
    counts: BTreeMap<&'static str, Setting>,
    seen: Seen,
}

/// What a key came to when it was last taken over: nothing, or a digest of its value, which may be secret.
type Setting = Option<Print>;

/// What a reload came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The files are as they were, or have just changed.
    Nothing,
    /// What they say counts.
    Applied,
    /// There is a mistake in them, and nothing has changed.
    Refused,
}

impl Reloader {
    /// Looks after a server that was started from a value: only its certificate comes from files.
    #[must_use]
    pub fn new(node: Arc<Node>, certificate: Option<Arc<tls::Reloader>>, config: &Config) -> Self {
        let files: Vec<_> = config.tls.iter().flat_map(|tls| [tls.cert.clone(), tls.key.clone()]).collect();
        let seen = Seen::new(print(&files));
        let state = Mutex::new(State { load: None, files, counts: BTreeMap::new(), seen });
        Self { node, certificate, state }
    }

    /// Has all of the configuration loaded again from now on. `loaded` is what the server was started with.
    pub fn load_by(&self, load: Load, loaded: &Loaded) {
        let seen = Seen::new(print(&loaded.files));
        let counts = settings(&loaded.rows);
        *self.state.lock() = State { load: Some(load), files: loaded.files.clone(), counts, seen };
    }

    /// Whether there is a file that may change.
    #[must_use]
    pub fn has_files(&self) -> bool {
        !self.state.lock().files.is_empty()
    }

    /// Looks at the files from time to time, for ever.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PERIOD).await;
            self.in_background(Self::look).await;
        }
    }

    /// Loads everything now, changed or not: somebody asked.
    pub async fn reload(self: &Arc<Self>) -> Outcome {
        self.in_background(Self::reload_now).await
    }

    /// A file may be on a drive that does not answer.
    async fn in_background(self: &Arc<Self>, what: fn(&Self) -> Outcome) -> Outcome {
        let reloader = Arc::clone(self);
        // The fetching of keys that a reload may begin belongs to the runtime.
        let runtime = tokio::runtime::Handle::current();
        let done = tokio::task::spawn_blocking(move || {
            let _within = runtime.enter();
            what(&reloader)
        });
        done.await.unwrap_or(Outcome::Nothing)
    }

    /// Loads everything if a file has changed and is the same as at the last look.
    fn look(&self) -> Outcome {
        let mut state = self.state.lock();
        let print = print(&state.files);
        if state.seen.look(print) { self.judge(&mut state) } else { Outcome::Nothing }
    }

    fn reload_now(&self) -> Outcome {
        let mut state = self.state.lock();
        state.seen = Seen::new(print(&state.files));
        self.judge(&mut state)
    }

    fn judge(&self, state: &mut State) -> Outcome {
        let applied = match &state.load {
            None => match self.certificate.as_ref().map(|certificate| certificate.reload()) {
                Some(tls::reload::Reload::Refused(_)) => Err(()),
                _ => Ok(()),
            },
            Some(load) => match load() {
                Ok(loaded) => self.apply(&loaded.config).map(|()| {
                    for key in take_over(&mut state.counts, settings(&loaded.rows)) {
                        tracing::warn!(key, "has changed, and counts after a restart");
                    }
                    if loaded.files != state.files {
                        state.seen = Seen::new(print(&loaded.files));
                    }
                    state.files = loaded.files;
                }),
                Err(error) => {
                    for mistake in &error.mistakes {
                        let key = mistake.key.as_str();
                        tracing::warn!(key, %mistake, "the configuration was not reloaded; the old one goes on");
                    }
                    Err(())
                }
            },
        };
        match applied {
            Ok(()) => {
                tracing::info!("the configuration was reloaded");
                self.node.metrics.reloaded();
                Outcome::Applied
            }
            Err(()) => {
                self.node.metrics.reload_failed();
                Outcome::Refused
            }
        }
    }

    /// Has a running server go by another configuration: the one place where that happens. What a section brings is taken over here,
    /// and its prefix is in `RELOADED`.
    ///
    /// The files were judged when the configuration was loaded, so what fails here has changed since.
    fn apply(&self, config: &Config) -> Result<(), ()> {
        let refuse = |key: &'static str, problem: &dyn std::fmt::Display| {
            tracing::warn!(key, %problem, "the configuration was not reloaded; the old one goes on");
        };
        // A server that has no secret any more goes on with the last one, or with its random one.
        let keys = config
            .cluster_secret
            .as_ref()
            .map(|secret| ClusterKeys::accepting(Some(secret), &config.accepted_cluster_secrets));
        let keys = keys.transpose().map_err(|error| refuse("cluster_secret", &error))?;
        match (&self.certificate, &config.tls) {
            (Some(certificate), Some(files)) => {
                if let tls::reload::Reload::Refused(_) = certificate.load(files) {
                    return Err(());
                }
            }
            (None, Some(_)) | (Some(_), None) => {
                tracing::warn!(key = "tls.cert", "whether the server speaks TLS counts after a restart");
            }
            (None, None) => {}
        }
        let tokens = self.node.tokens.replace(&config.auth, &config.outbound);
        tokens.map_err(|error| refuse("outbound.ca_file", &error))?;
        let ice = self.node.ice.replace(&config.ice, &config.outbound);
        ice.map_err(|error| refuse("outbound.ca_file", &error))?;
        if let Some(keys) = keys {
            self.node.keys.replace(&keys);
        }
        Ok(())
    }
}

fn settings(rows: &[Row]) -> BTreeMap<&'static str, Setting> {
    let setting = |row: &Row| {
        let hidden = row.hidden.as_ref().map_or(&[][..], Secret::expose);
        (!row.value.is_empty()).then(|| Printer::default().with(row.value.as_bytes()).with(hidden).finish())
    };
    rows.iter().map(|row| (row.key, setting(row))).collect()
}

/// Notes what counts now, and returns the keys whose change does not before a restart. They are named again at each reload until they
/// are as they were.
fn take_over(counts: &mut BTreeMap<&'static str, Setting>, new: BTreeMap<&'static str, Setting>) -> Vec<&'static str> {
    let mut waiting = Vec::new();
    for (key, setting) in new {
        // The cluster's keys can be replaced, but not taken away.
        let is_taken =
            RELOADED.iter().any(|reloaded| key.starts_with(reloaded)) && (key != "cluster_secret" || setting.is_some());
        let before = counts.get(key).copied().flatten();
        if is_taken {
            counts.insert(key, setting);
        } else if before != setting {
            waiting.push(key);
        }
    }
    waiting
}

/// What was found in files: a digest, so that no copy of a key stays in memory.
pub(crate) type Print = [u8; 32];

/// Makes a print of several texts.
pub(crate) struct Printer(Context);

impl Default for Printer {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Printer {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(&bytes.len().to_be_bytes());
        self.0.update(bytes);
    }

    /// The same, in a chain.
    fn with(mut self, bytes: &[u8]) -> Self {
        self.add(bytes);
        self
    }

    pub(crate) fn finish(self) -> Print {
        let mut print = Print::default();
        print.copy_from_slice(self.0.finish().as_ref());
        print
    }
}

fn print(files: &[PathBuf]) -> Print {
    let mut printer = Printer::default();
    for file in files {
        match fs::read(file) {
            Ok(bytes) => printer.add(&bytes),
            Err(error) => printer.add(error.kind().to_string().as_bytes()),
        }
    }
    printer.finish()
}

/// Whether a change is one: when it was seen twice.
#[derive(Debug)]
struct Seen {
    /// What was loaded last, or was found to be broken.
    judged: Print,
    /// What was found once since.
    changed: Option<Print>,
}

impl Seen {
    fn new(judged: Print) -> Self {
        Self { judged, changed: None }
    }

    /// Whether what was found now is to be judged.
    fn look(&mut self, print: Print) -> bool {
        if print == self.judged {
            self.changed = None;
            return false;
        }
        if self.changed.replace(print) != Some(print) {
            return false;
        }
        *self = Self::new(print);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    #[test]
    fn a_change_counts_when_it_was_seen_twice() {
        let [a, b, c] = [1, 2, 3].map(|byte| [byte; 32]);
        let mut seen = Seen::new(a);
        let looks = [a, b, b, b, c, b, b, a, c, a, a, a].map(|print| seen.look(print));
        let expected = [false, false, true, false, false, false, false, false, false, false, true, false];
        assert_eq!(looks, expected);
    }

    #[test]
    fn files_are_told_apart_and_so_is_one_that_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = ["a", "b"].map(|name| folder.path().join(name));
        let mut prints = vec![print(&files)];
        for [a, b] in [["", ""], ["x", ""], ["", "x"], ["xy", "z"], ["x", "yz"]] {
            fs::write(&files[0], a).expect("written");
            fs::write(&files[1], b).expect("written");
            prints.push(print(&files));
            assert_eq!(print(&files), *prints.last().expect("one"));
        }
        let found = prints.len();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), found);
    }

    fn row(key: &'static str, value: &str, hidden: Option<&str>) -> Row {
        Row { key, value: value.to_owned(), source: Source::Default, hidden: hidden.map(Secret::new) }
    }

    #[test]
    fn what_needs_a_restart_is_told_from_what_does_not() {
        let rows = |listen: &str, issuer: &str| {
            settings(&[row("listen", listen, None), row("auth.issuer", issuer, None), row("log.filter", "a", None)])
        };
        let mut counts = rows("a", "a");
        assert_eq!(take_over(&mut counts, rows("b", "b")), ["listen"]);
        // Again, until it is what this server began with.
        assert_eq!(take_over(&mut counts, rows("b", "c")), ["listen"]);
        assert_eq!(take_over(&mut counts, rows("a", "b")), [""; 0]);
    }

    #[test]
    fn a_change_that_is_masked_is_one() {
        let rows = |key: Option<&str>, login: &str, cluster: Option<&str>| {
            let masked = |key, secret: Option<&str>| row(key, secret.map_or("", |_| "[redacted]"), secret);
            settings(&[
                masked("admin_key", key),
                row("backplane", "redis://host:6379", Some(login)),
                masked("cluster_secret", cluster),
                masked("auth.keys", cluster),
            ])
        };
        let start = || rows(Some("a"), "redis://a:b@host", Some("a"));
        let nothing: [&str; 0] = [];
        for (now, waiting) in [
            (start(), &nothing[..]),
            (rows(Some("b"), "redis://a:b@host", Some("a")), &["admin_key"]),
            (rows(None, "redis://a:b@host", Some("a")), &["admin_key"]),
            (rows(Some("a"), "redis://a:c@host", Some("a")), &["backplane"]),
            (rows(Some("a"), "redis://a:b@host", Some("b")), &nothing),
            // This node goes on with the secret that it has.
            (rows(Some("a"), "redis://a:b@host", None), &["cluster_secret"]),
        ] {
            assert_eq!(take_over(&mut start(), now), waiting);
        }
        let mut counts = rows(None, "redis://a:b@host", None);
        assert_eq!(take_over(&mut counts, start()), ["admin_key"]);
        assert_eq!(take_over(&mut counts, rows(None, "redis://a:b@host", None)), ["cluster_secret"]);
    }
}
