//! The text of `wire.ts`.

use aldis_protocol::{
    BEARER_PREFIX, CloseCode, ErrorCode, FEATURES, PROTOCOL, SUBPROTOCOL, close::Reconnect, error::Effect,
};

use crate::{
    declare::{Declaration, Field, Literal, comment, kebab_case},
    probe,
    source::{Content, Signal, Source, Variant},
};

pub(crate) const HEADER: &str = "\
// Generated from crates/protocol; do not edit: `ALDIS_BLESS=1 cargo test -p aldis-protocol --test typescript`

";

/// Types that are written below, and not read from the source.
const OWN: [&str; 3] = ["ErrorCode", "JsonObject", "Presence"];

/// The types that an application meets, each in use.
const EXAMPLES: [(&str, &[&str]); 5] = [
    (
        "ErrorCode",
        &[
            "const final: readonly ErrorCode[] = ['removed', 'replaced']",
            "room.on('status', ({ error }) => {",
            "  if (final.some((code) => code === error?.code)) show('You cannot come back.')",
            "})",
        ],
    ),
    (
        "IceServer",
        &[
            "const hasTurn = ({ urls }: IceServer) => urls.some((url) => url.startsWith('turn'))",
            "show(client.iceServers.some(hasTurn))",
        ],
    ),
    ("JsonObject", &["const attributes: JsonObject = { muted: true, hand: 'up' }", "room.setAttributes(attributes)"]),
    (
        "LeaveReason",
        &[
            "const words: Partial<Record<LeaveReason, string>> = { removed: 'was removed', timeout: 'has lost the connection' }",
            "room.on('peer-left', ({ peer, reason }) => show(peer.identity, words[reason] ?? 'left'))",
        ],
    ),
    (
        "Presence",
        &[
            "const words: Record<Presence, string> = { here: '', away: 'out of reach for the moment' }",
            "room.on('peer-updated', ({ peer }) => show(peer.identity, words[peer.presence]))",
        ],
    ),
];

/// The whole file.
pub(crate) fn render() -> String {
    let source = Source::read();
    let messages = messages(&source);
    let mut out = HEADER.to_owned();
    constants(&mut out);
    let ids = source.ids();
    let types = types(&source, &ids, &messages);
    for declaration in ids.into_iter().chain(own(&source)).chain(types) {
        shown(declaration).write(&mut out);
    }
    for declaration in &messages {
        declaration.write(&mut out);
    }
    errors(&mut out);
    closes(&source, &mut out);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// With its example, if it has one.
fn shown(declaration: Declaration) -> Declaration {
    match EXAMPLES.iter().find(|(name, _)| *name == declaration.name) {
        Some((_, example)) => declaration.with_example(example),
        None => declaration,
    }
}

fn constants(out: &mut String) {
    let mut constant = |doc: &str, name: &str, value: &str| {
        comment(&[doc.to_owned()], "", out);
        out.push_str(&format!("export const {name} = {value}\n\n"));
    };
    constant(
        "The version of the protocol: `hello.protocol` and `welcome.protocol`.",
        "PROTOCOL",
        &PROTOCOL.to_string(),
    );
    constant(
        "The WebSocket subprotocol of a client that speaks first and may resume.",
        "SUBPROTOCOL",
        &quoted(SUBPROTOCOL),
    );
    constant("The prefix of the subprotocol entry that carries a token.", "BEARER_PREFIX", &quoted(BEARER_PREFIX));
    let features = FEATURES.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(" | ");
    let doc = "What this version of the server may name in `welcome.features`.".to_owned();
    Declaration::alias("ServerFeature".to_owned(), vec![doc], &features).write(out);
}

fn own(source: &Source) -> [Declaration; 2] {
    assert!(source.variants("Presence").iter().any(|presence| presence.name == "Gone"));
    let alias = |name: &str, doc: &str, of| Declaration::alias(name.to_owned(), vec![doc.to_owned()], of);
    [
        alias("JsonObject", "A JSON object that nobody looked into.", "{ readonly [key: string]: unknown }"),
        alias("Presence", "Whether the connection of a peer in the room is there.", "Exclude<CheckedPresence, 'gone'>"),
    ]
}

/// Every message, and the unions of them.
fn messages(source: &Source) -> Vec<Declaration> {
    let envelope = source.documented("client", "Envelope");
    let events: Vec<_> = source.tagged("ServerMessage").into_iter().map(event).collect();
    let requests = source.variants("ClientMessage").into_iter().filter(|variant| variant.name != "Signal");
    let requests: Vec<_> = requests.map(|variant| request(variant, &envelope)).collect();
    let signals = source.signals();
    let sent: Vec<_> = signals.iter().map(|signal| probe::fields(&signal.tag, &envelope)).collect();
    let from = from(source);
    let relayed = signals.iter().zip(&sent).map(|(signal, sent)| probe::relayed(&signal.tag, sent, &from)).collect();
    let (sent_base, sent) =
        family("SignalBase", "What every signal may carry.", &signals, sent, |name| format!("{name}Signal"));
    let (relayed_base, relayed) =
        family("RelayedBase", "What every relayed signal carries.", &signals, relayed, |name| format!("Relayed{name}"));

    let event = Declaration::union("ServerEvent", "What a client gets of the server itself.", &events);
    let relay =
        Declaration::union("Relayed", "What a client gets of another peer; the server vouches for `from`.", &relayed);
    let request = Declaration::union("ClientRequest", "What a client sends to the server.", &requests);
    let signal = Declaration::union("Signal", "What a client sends to other peers.", &sent);
    let doc = |text: &str| vec![text.to_owned()];
    let got = Declaration::alias("ServerMessage".to_owned(), doc("What a client gets."), "ServerEvent | Relayed");
    let gives = Declaration::alias("ClientMessage".to_owned(), doc("What a client sends."), "ClientRequest | Signal");
    let tags = Declaration::alias("SignalType".to_owned(), doc("The types that are relayed."), "Signal['type']");
    let groups = [
        events,
        vec![event, relayed_base],
        relayed,
        vec![relay, got],
        requests,
        vec![request, sent_base],
        sent,
        vec![signal, gives, tags],
    ];
    groups.into_iter().flatten().collect()
}

fn event((variant, content): (Variant, Content)) -> Declaration {
    let (base, fields) = match content {
        Content::Of(base) => (vec![base], Vec::new()),
        Content::Own(fields) => (Vec::new(), fields),
    };
    let tag = Some(kebab_case(&variant.name));
    Declaration::interface(format!("{}Message", variant.name), variant.docs, base, tag, fields)
}

fn request(variant: Variant, envelope: &[(String, Vec<String>)]) -> Declaration {
    let tag = kebab_case(&variant.name);
    let fields = probe::fields(&tag, envelope);
    Declaration::interface(format!("{}Request", variant.name), variant.docs, Vec::new(), Some(tag), fields)
}

/// Who sent a relayed signal.
fn from(source: &Source) -> Field {
    let mut fields = source.documented("received", "Relayed").into_iter();
    let (name, docs) = fields.find(|(name, _)| name == "from").expect("a relayed signal has a sender");
    Field { name, ty: "PeerId".to_owned(), optional: false, docs }
}

/// One interface a signal, and the one of the fields that all of them have.
fn family(
    base: &str,
    doc: &str,
    signals: &[Signal],
    fields: Vec<Vec<Field>>,
    name: fn(&str) -> String,
) -> (Declaration, Vec<Declaration>) {
    let shared: Vec<_> =
        fields[0].iter().filter(|field| fields.iter().all(|all| all.contains(field))).cloned().collect();
    let members = signals.iter().zip(fields).map(|(signal, mut own)| {
        own.retain(|field| !shared.contains(field));
        let (docs, tag) = (signal.docs.clone(), Some(signal.tag.clone()));
        Declaration::interface(name(&signal.name), docs, vec![base.to_owned()], tag, own)
    });
    let members = members.collect();
    (Declaration::interface(base.to_owned(), vec![doc.to_owned()], Vec::new(), None, shared), members)
}

/// The types that the messages need, each once, in the order in which they are first named.
fn types(source: &Source, ids: &[Declaration], messages: &[Declaration]) -> Vec<Declaration> {
    const BUILT_IN: [&str; 6] = ["boolean", "number", "string", "true", "unknown", "RTCIceCandidateInit | null"];
    let mut found: Vec<Declaration> = Vec::new();
    // `Presence` is made from it.
    let mut queue = vec!["CheckedPresence".to_owned()];
    queue.extend(messages.iter().rev().flat_map(Declaration::references).map(str::to_owned));
    while let Some(name) = queue.pop() {
        let known = BUILT_IN.contains(&name.as_str())
            || OWN.contains(&name.as_str())
            || ids.iter().chain(messages).chain(&found).any(|declaration| declaration.name == name);
        if !known {
            let declaration = source.declaration(&name);
            queue.extend(declaration.references().into_iter().rev().map(str::to_owned));
            found.push(declaration);
        }
    }
    found
}

fn errors(out: &mut String) {
    let codes = ErrorCode::ALL.iter();
    let codes = codes.map(|code| Literal { text: quoted(code.as_str()), docs: vec![code.meaning().to_owned()] });
    let doc = "What went wrong, as clients match on it.".to_owned();
    shown(Declaration::literals("ErrorCode".to_owned(), vec![doc], codes.collect())).write(out);
    let mut list = |name: &str, doc: &str, has: fn(ErrorCode) -> bool| {
        comment(&[doc.to_owned()], "", out);
        out.push_str(&format!("export const {name}: readonly ErrorCode[] = [\n"));
        for code in ErrorCode::ALL.iter().filter(|&&code| has(code)) {
            out.push_str(&format!("  '{code}',\n"));
        }
        out.push_str("]\n\n");
    };
    list("RETRYABLE_CODES", "The same thing may work later without a change.", ErrorCode::retryable);
    list("STREAM_ENDING_CODES", "No later message to the peer of `to` will do better.", ErrorCode::ends_stream);
}

fn closes(source: &Source, out: &mut String) {
    let codes = CloseCode::ALL.iter();
    let codes =
        codes.map(|close| Literal { text: close.code().to_string(), docs: vec![format!("{}.", close.meaning())] });
    let doc = "Why a connection was closed.".to_owned();
    Declaration::literals("CloseCode".to_owned(), vec![doc], codes.collect()).write(out);
    let policies = source.variants("Reconnect").into_iter();
    let policies = policies.map(|policy| Literal { text: quoted(&kebab_case(&policy.name)), docs: policy.docs });
    let doc = "What a client should do after a close.".to_owned();
    Declaration::literals("ReconnectPolicy".to_owned(), vec![doc], policies.collect()).write(out);
    out.push_str(
        "/** A row of the table of close codes. */
export interface CloseRow {
  /** What a client should do next. */
  readonly reconnect: ReconnectPolicy
  /** The error codes that close with it, where there are any; the `error` itself comes before the close. */
  readonly errors?: readonly ErrorCode[]
}

/** The close codes. Any other, and a connection that ends without one, is to be taken as `yes`. */
export const CLOSE_CODES: { readonly [code in CloseCode]: CloseRow } = {
",
    );
    for close in CloseCode::ALL {
        let reconnect = kebab_case(&format!("{:?}", close.reconnect()));
        out.push_str(&format!("  {}: {{ reconnect: '{reconnect}'", close.code()));
        let errors = ErrorCode::ALL.iter().filter(|code| code.effect() == Effect::Closes(*close));
        let errors: Vec<_> = errors.map(|code| quoted(code.as_str())).collect();
        if !errors.is_empty() {
            out.push_str(&format!(", errors: [{}]", errors.join(", ")));
        }
        out.push_str(" },\n");
    }
    out.push_str("}\n\n");
    short_closes(out);
}

/// What an SDK needs of the table at run time: browsers load it, so it is short.
fn short_closes(out: &mut String) {
    out.push_str("/** What to do after a close, where it is not `yes`. */\n");
    out.push_str("export const RECONNECT: { readonly [code: number]: ReconnectPolicy } = {\n");
    for close in CloseCode::ALL.iter().filter(|close| close.reconnect() != Reconnect::Yes) {
        out.push_str(&format!("  {}: '{}',\n", close.code(), kebab_case(&format!("{:?}", close.reconnect()))));
    }
    out.push_str("}\n\n");
    out.push_str("/** The errors that come right before a close, apart from those about tokens: they may come without one, too. */\n");
    out.push_str("export const PARTING_CODES: readonly ErrorCode[] = [\n");
    let parting = |code: &&ErrorCode| {
        matches!(code.effect(), Effect::Closes(close) if close != CloseCode::Unauthorized)
            && **code != ErrorCode::TokenRevoked
    };
    for code in ErrorCode::ALL.iter().filter(parting) {
        out.push_str(&format!("  '{code}',\n"));
    }
    out.push_str("]\n");
}

/// Codes and names need no escape.
fn quoted(text: &str) -> String {
    format!("'{text}'")
}
