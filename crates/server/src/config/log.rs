//! `[log]`: what is logged, and how.

use conf::Conf;
use tracing_subscriber::EnvFilter;

use super::{raw::Raw, reader::Reader};

/// Default of `log.filter`.
const FILTER: &str = "info";

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `log.filter`, ALDIS_LOG: a level or directives, as `info,aldis_server::auth=debug`; it parses as an [`EnvFilter`].
    pub filter: String,
    /// `log.format`, ALDIS_LOG_FORMAT.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Pretty where stderr is a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// The section, unread. Public only because the derive needs it.
#[derive(Conf, Default)]
#[conf(serde)]
pub struct LogSection {
    #[conf(env = "LOG")]
    pub(super) filter: Option<Raw>,
    #[conf(env = "LOG_FORMAT")]
    pub(super) format: Option<Raw>,
}

pub(super) fn read(reader: &mut Reader, section: LogSection) -> LogConfig {
    let filter = reader.text_or("log.filter", section.filter, FILTER);
    if let Err(error) = EnvFilter::builder().parse(&filter) {
        reader.refuse("log.filter", format!("`{filter}`: {error}"));
    }
    let format = match reader.text_or("log.format", section.format, "auto").as_str() {
        "auto" => LogFormat::Auto,
        "pretty" => LogFormat::Pretty,
        "json" => LogFormat::Json,
        other => {
            reader.refuse("log.format", format!("`{other}` is not auto, pretty or json"));
            LogFormat::Auto
        }
    };
    LogConfig { filter, format }
}
