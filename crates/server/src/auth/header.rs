//! A token's header, read as it was signed: `alg`, `typ` and `kid`, and nothing else.
//!
//! An allow-list, because what a header may hold besides (`crit`, `b64`, `jku`, `jwk`, `x5u`, `zip`, `cty`) changes how a token has to
//! be read or where its key comes from, and a verifier that ignores it reads another token than the one that was signed (RFC 8725).

use serde_json::value::RawValue;

use super::{
    TokenError,
    error::shorten,
    object::{Object, ObjectError},
};

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
}

impl Header {
    /// Reads the header's JSON. `types` are what `typ` may be.
    pub(super) fn parse(json: &[u8], types: &[String]) -> Result<Self, TokenError> {
        let object = Object::parse(json).map_err(|error| match error {
            ObjectError::NotAnObject => TokenError::Malformed("its header is not a JSON object"),
            ObjectError::Doubled(name) => TokenError::Doubled { part: "header fields", name: shorten(&name) },
        })?;
        if let Some(field) = object.names().find(|name| !matches!(*name, "alg" | "typ" | "kid")) {
            return Err(TokenError::Header { field: shorten(field), problem: "is not accepted" });
        }
        if let Some(typ) = object.get("typ")
            && !types.contains(&string("typ", typ)?)
        {
            return Err(refused("typ", "is not in `auth.types`, which is only \"JWT\" unless it is set"));
        }
        let alg = object.get("alg").ok_or_else(|| refused("alg", "is missing"))?;
        let kid = object.get("kid").map(|kid| string("kid", kid)).transpose()?;
        Ok(Self { alg: string("alg", alg)?, kid })
    }
}

fn string(field: &'static str, value: &RawValue) -> Result<String, TokenError> {
    serde_json::from_str(value.get()).map_err(|_| refused(field, "must be a string"))
}

fn refused(field: &'static str, problem: &'static str) -> TokenError {
    TokenError::Header { field: field.to_owned(), problem }
}
