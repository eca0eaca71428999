//! The TypeScript form of the wire types, generated and checked in: `sdk/src/generated/wire.ts`, and the blocks of
//! `docs/protocol.md` as values of those types, by which the SDK's compiler proves that the two agree:
//! `sdk/test/generated/fixtures.ts`. `ALDIS_BLESS=1 cargo test -p aldis-protocol --test typescript` rewrites both.
//!
//! Nothing that could drift is listed a second time:
//!
//! | of | comes from |
//! |---|---|
//! | the server's messages | the types of `src/`, read as source text ([`source`]) |
//! | the client's messages | the parser: it is asked what it accepts ([`probe`]) |
//! | relayed messages | the sender's form, compared with what [`aldis_protocol::relay`] writes |
//! | error and close codes | their tables |
//!
//! Not by `ts-rs`: it makes one inline union of a tagged enum where an SDK needs an interface for each message, arrays that
//! are mutable and integers that are `bigint` unless each is told otherwise, and it knows nothing of messages that are parsed
//! by hand.

mod declare;
mod probe;
mod source;
mod wire;

#[path = "../common/mod.rs"]
mod common;

use common::{bless_or_compare, fixtures};

/// The tags of the blocks, and the type of what they hold. Claims never reach an SDK.
const FIXTURES: [(&str, &str); 4] =
    [("client", "ClientMessage"), ("relayed", "Relayed"), ("server", "ServerEvent"), ("problem", "WireError")];

#[test]
fn the_wire_types_are_those_of_the_code() {
    let generated = wire::render();
    for line in generated.lines() {
        assert!(line.len() <= declare::WIDTH, "{line}");
    }
    bless_or_compare("sdk/src/generated/wire.ts", &generated);
}

#[test]
fn the_fixtures_are_those_of_the_docs() {
    let types = FIXTURES.map(|(_, ty)| ty).join(", ");
    let mut generated = format!("{}import type {{ {types} }} from '../../src/generated/wire.ts'\n", wire::HEADER);
    for (tag, ty) in FIXTURES {
        let doc = format!("The `json {tag}` blocks of docs/protocol.md.");
        generated.push_str(&format!("\n/** {doc} */\nexport const {tag}: readonly {ty}[] = [\n"));
        for fixture in fixtures(tag) {
            assert!(!fixture.text.is_empty(), "docs/protocol.md:{}: an empty block", fixture.line);
            for line in fixture.text.lines() {
                generated.push_str(&format!("  {line}\n"));
            }
            generated.truncate(generated.len() - 1);
            generated.push_str(",\n");
        }
        generated.push_str("]\n");
    }
    bless_or_compare("sdk/test/generated/fixtures.ts", &generated);
}
