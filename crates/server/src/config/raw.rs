//! A value that nobody has judged yet.

use std::{convert::Infallible, fmt, str::FromStr};

use serde::{Deserialize, Deserializer};

/// What a flag, a variable or the file says, so far unread. It may be a secret, so it has no `Debug`.
#[derive(Clone)]
pub(super) enum Raw {
    /// Of a flag or a variable: always text.
    Text(String),
    /// Of the file: a value with a type.
    Toml(toml::Value),
}

impl FromStr for Raw {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::Text(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        toml::Value::deserialize(deserializer).map(Self::Toml)
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Toml(toml::Value::String(text)) => f.write_str(text),
            Self::Toml(value) => write!(f, "{value}"),
        }
    }
}

impl Raw {
    /// A string; anything else of the file is refused.
    pub(super) fn text(self) -> Result<String, String> {
        match self {
            Self::Text(text) | Self::Toml(toml::Value::String(text)) => Ok(text),
            Self::Toml(other) => Err(format!("must be a string, not {}", article(&other))),
        }
    }

    /// A whole number that is not negative.
    pub(super) fn number(self) -> Result<u64, String> {
        match self {
            Self::Text(text) => text.parse().map_err(|_| format!("`{text}` is not a whole number")),
            Self::Toml(toml::Value::Integer(number)) => {
                u64::try_from(number).map_err(|_| format!("{number} is negative"))
            }
            Self::Toml(other) => Err(format!("must be a whole number, not {}", article(&other))),
        }
    }

    /// `true` or `false`.
    pub(super) fn switch(self) -> Result<bool, String> {
        match self {
            Self::Text(text) => text.parse().map_err(|_| format!("`{text}` is not true or false")),
            Self::Toml(toml::Value::Boolean(on)) => Ok(on),
            Self::Toml(other) => Err(format!("must be true or false, not {}", article(&other))),
        }
    }

    /// Several strings: an array in the file, or text between commas.
    pub(super) fn list(self) -> Result<Vec<String>, String> {
        match self {
            Self::Text(text) | Self::Toml(toml::Value::String(text)) => {
                Ok(text.split(',').map(|entry| entry.trim_start().to_owned()).collect())
            }
            Self::Toml(toml::Value::Array(values)) => {
                values.into_iter().map(|value| Self::Toml(value).text()).collect()
            }
            Self::Toml(other) => Err(format!("must be an array of strings, not {}", article(&other))),
        }
    }
}

fn article(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::String(_) => "a string",
        toml::Value::Integer(_) => "a whole number",
        toml::Value::Float(_) => "a number with a fraction",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Datetime(_) => "a date",
        toml::Value::Array(_) => "an array",
        toml::Value::Table(_) => "a table",
    }
}
