//! A JSON object whose names differ: the shape of a token's header and of its claims.
//!
//! A parser that takes the last of two equal names and one that takes the first read two different tokens, so doubled names are
//! refused, as RFC 7519 section 4 allows.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Names and unread values, in the order of the text.
#[derive(Debug)]
pub(super) struct Object<'a>(Vec<(String, &'a RawValue)>);

/// Why a text is not such an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ObjectError {
    /// It is something else, or not JSON.
    NotAnObject,
    /// A name appears twice.
    Doubled(String),
}

impl<'a> Object<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ObjectError::NotAnObject)?;
        let object: Self = serde_json::from_str(text).map_err(|_| ObjectError::NotAnObject)?;
        let mut seen = HashSet::new();
        match object.0.iter().find(|(name, _)| !seen.insert(name)) {
            Some((name, _)) => Err(ObjectError::Doubled(name.clone())),
            None => Ok(object),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Entries).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_without_doubled_names() {
        for good in ["{}", r#"{"a":1}"#, r#" {"a":{"a":1},"b":[1,1]} "#] {
            assert!(Object::parse(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", "[]", "null", "1", "{", r#"{"a":1}x"#, r#"["a"]"#, "{\"a\":\"\u{1}\"}"] {
            assert_eq!(Object::parse(bad.as_bytes()).expect_err(bad), ObjectError::NotAnObject, "{bad}");
        }
        // An escape does not hide a doubled name.
        for doubled in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#] {
            assert_eq!(Object::parse(doubled.as_bytes()).expect_err(doubled), ObjectError::Doubled("a".into()));
        }
        assert_eq!(Object::parse(b"{\"\xff\":1}").expect_err("not UTF-8"), ObjectError::NotAnObject);
    }
}
