//! The wire types as their source declares them: names, serde's attributes and doc comments.
//!
//! What this reader does not know (a type, an attribute of serde, a link in a doc comment) it refuses with a panic, so that
//! nothing is left out in silence.

use std::{fs, path::Path};

use syn::{
    Attribute, Expr, ExprLit, Fields, GenericArgument, Item, ItemEnum, ItemStruct, Lit, LitStr, Meta, PathArguments,
    Token, Type,
    parse::{ParseBuffer, ParseStream, Parser},
    punctuated::Punctuated,
};

use crate::declare::{Declaration, Field, Literal, camel_case, kebab_case};

/// The modules that declare what is on the wire.
const MODULES: [&str; 7] = ["client", "close", "error", "id", "limits", "received", "server"];

/// Rust's name and TypeScript's, where they differ: an SDK has peers of its own.
const RENAMED: [(&str, &str); 4] =
    [("PeerInfo", "WirePeer"), ("Presence", "CheckedPresence"), ("RoomInfo", "Room"), ("WireLimits", "ClientLimits")];

/// Fields whose TypeScript type is not what their Rust type says.
const RETYPED: [(&str, &str, &str); 2] = [
    // `gone` is only in `checked`.
    ("PeerInfo", "presence", "Presence"),
    // The DOM's `RTCIceServer` takes no readonly array.
    ("IceServer", "urls", "string[]"),
];

/// The attributes of serde on a field that this reader understands.
const FIELD_ATTRIBUTES: [&str; 4] = ["default", "flatten", "rename", "skip_serializing_if"];

/// Every item of [`MODULES`].
pub(crate) struct Source {
    items: Vec<(&'static str, Item)>,
}

/// A variant of an enum.
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) docs: Vec<String>,
}

/// What a message of the server holds.
pub(crate) enum Content {
    /// The fields of this type.
    Of(String),
    /// Its own.
    Own(Vec<Field>),
}

/// A row of the table of signals.
pub(crate) struct Signal {
    pub(crate) name: String,
    pub(crate) tag: String,
    pub(crate) docs: Vec<String>,
}

impl Source {
    pub(crate) fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut items = Vec::new();
        for module in MODULES {
            let path = folder.join(module).with_extension("rs");
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            items.extend(file.items.into_iter().map(|item| (module, item)));
        }
        Self { items }
    }

    /// A struct as an interface, a unit enum as a union, by its TypeScript name.
    pub(crate) fn declaration(&self, name: &str) -> Declaration {
        let rust = RENAMED.iter().find(|(_, to)| *to == name).map_or(name, |(from, _)| from);
        let found = self.items.iter().find_map(|(_, item)| match item {
            Item::Struct(item) if item.ident == rust => Some(interface(item)),
            Item::Enum(item) if item.ident == rust => Some(union(item)),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no type `{rust}` in {MODULES:?}"))
    }

    /// The names of an enum's variants.
    pub(crate) fn variants(&self, name: &str) -> Vec<Variant> {
        self.enumeration(name).variants.iter().map(Variant::read).collect()
    }

    /// The messages of an enum that serde tags.
    pub(crate) fn tagged(&self, name: &str) -> Vec<(Variant, Content)> {
        let item = self.enumeration(name);
        let tagged = [("tag", "type"), ("rename_all", "kebab-case"), ("rename_all_fields", "camelCase")];
        expect_serde(&item.ident, &item.attrs, &tagged);
        let messages = item.variants.iter().map(|variant| {
            expect_serde(&variant.ident, &variant.attrs, &[]);
            let content = match &variant.fields {
                Fields::Unnamed(fields) => Content::Of(renamed(&type_name(&fields.unnamed[0].ty))),
                fields => Content::Own(fields.iter().filter_map(|field| self::fields(name, field).1).collect()),
            };
            (Variant::read(variant), content)
        });
        messages.collect()
    }

    fn enumeration(&self, name: &str) -> &ItemEnum {
        let found = self.items.iter().find_map(|(_, item)| match item {
            Item::Enum(item) if item.ident == name => Some(item),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no enum `{name}` in {MODULES:?}"))
    }

    /// The fields of a struct, with their doc comments.
    pub(crate) fn documented(&self, module: &str, name: &str) -> Vec<(String, Vec<String>)> {
        let found = self.items.iter().find_map(|(of, item)| match item {
            Item::Struct(item) if *of == module && item.ident == name => Some(item),
            _ => None,
        });
        let item = found.unwrap_or_else(|| panic!("no struct `{module}::{name}`"));
        item.fields.iter().map(|field| (wire_name(field), docs(&field.attrs))).collect()
    }

    /// The strings that were checked once, as aliases.
    pub(crate) fn ids(&self) -> Vec<Declaration> {
        self.calls("id", |input: ParseStream<'_>| {
            let attributes = input.call(Attribute::parse_outer)?;
            let name: syn::Ident = input.parse()?;
            input.parse::<Token![,]>()?;
            Punctuated::<Expr, Token![,]>::parse_terminated(input)?;
            Ok(Declaration::alias(name.to_string(), docs(&attributes), "string"))
        })
    }

    /// The table of signals.
    pub(crate) fn signals(&self) -> Vec<Signal> {
        let row = |input: ParseStream<'_>| {
            let name: syn::Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let tag: LitStr = input.parse()?;
            input.parse::<Token![,]>()?;
            input.parse::<Expr>()?;
            input.parse::<Token![,]>()?;
            input.parse::<syn::Ident>()?;
            input.parse::<Token![,]>()?;
            let doc: LitStr = input.parse()?;
            Ok(Signal { name: name.to_string(), tag: tag.value(), docs: vec![doc.value()] })
        };
        let tables = self.calls("signal_kinds", |input: ParseStream<'_>| input.parse_terminated(row, Token![;]));
        tables.into_iter().flatten().collect()
    }

    /// Parses the body of every call of a macro.
    fn calls<T>(&self, name: &str, parser: impl Parser<Output = T> + Copy) -> Vec<T> {
        let calls = self.items.iter().filter_map(|(_, item)| match item {
            Item::Macro(call) if call.mac.path.is_ident(name) => Some(&call.mac),
            _ => None,
        });
        calls.map(|call| call.parse_body_with(parser).unwrap_or_else(|error| panic!("{name}!: {error}"))).collect()
    }
}

impl Variant {
    fn read(variant: &syn::Variant) -> Self {
        Self { name: variant.ident.to_string(), docs: docs(&variant.attrs) }
    }
}

/// The TypeScript name of a Rust type.
fn renamed(rust: &str) -> String {
    let new = RENAMED.iter().find(|(from, _)| *from == rust).map_or(rust, |(_, to)| to);
    new.to_owned()
}

fn interface(item: &ItemStruct) -> Declaration {
    let rust = item.ident.to_string();
    if item.fields.iter().any(|field| field.ident.as_ref().is_some_and(|name| name.to_string().contains('_'))) {
        expect_serde(&item.ident, &item.attrs, &[("rename_all", "camelCase")]);
    }
    let (mut extends, mut own) = (Vec::new(), Vec::new());
    for field in &item.fields {
        let (base, field) = fields(&rust, field);
        extends.extend(base);
        own.extend(field);
    }
    Declaration::interface(renamed(&rust), docs(&item.attrs), extends, None, own)
}

fn union(item: &ItemEnum) -> Declaration {
    expect_serde(&item.ident, &item.attrs, &[("rename_all", "kebab-case")]);
    let members = item.variants.iter().map(|variant| {
        assert!(variant.fields.is_empty(), "`{}::{}` has fields", item.ident, variant.ident);
        Literal { text: format!("'{}'", kebab_case(&variant.ident.to_string())), docs: docs(&variant.attrs) }
    });
    Declaration::literals(renamed(&item.ident.to_string()), docs(&item.attrs), members.collect())
}

/// A field on the wire: the type whose fields it brings, or itself.
fn fields(owner: &str, field: &syn::Field) -> (Option<String>, Option<Field>) {
    let has = |name| serde(&field.attrs).iter().any(|(attribute, _)| attribute == name);
    for (attribute, _) in serde(&field.attrs) {
        assert!(FIELD_ATTRIBUTES.contains(&attribute.as_str()), "`{owner}`: serde's `{attribute}` has no form here");
    }
    if has("flatten") {
        return (Some(renamed(&type_name(&field.ty))), None);
    }
    let name = wire_name(field);
    let optional = has("skip_serializing_if");
    let is_option = type_name(&field.ty) == "Option";
    assert_eq!(optional, is_option, "`{owner}.{name}`: `null` on the wire has no TypeScript form here");
    let retyped = RETYPED.iter().find(|(of, field, _)| *of == owner && *field == name);
    let ty = retyped.map_or_else(|| typescript(&field.ty), |(_, _, ty)| (*ty).to_owned());
    (None, Some(Field { name, ty, optional, docs: docs(&field.attrs) }))
}

/// A field's own name on the wire, or the one that every type here gives it.
fn wire_name(field: &syn::Field) -> String {
    let renamed = serde(&field.attrs).into_iter().find_map(|(name, value)| value.filter(|_| name == "rename"));
    renamed.unwrap_or_else(|| camel_case(&field.ident.as_ref().expect("a named field").to_string()))
}

/// serde's attributes on a field, a variant or a type.
fn serde(attributes: &[Attribute]) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let parsed = attribute.parse_nested_meta(|meta| {
            let value = meta.value().and_then(ParseBuffer::parse::<LitStr>).ok().map(|text| text.value());
            found.push((meta.path.require_ident()?.to_string(), value));
            Ok(())
        });
        parsed.expect("serde's own syntax");
    }
    found
}

/// Refuses a type that serde writes in another way than this reader takes it to.
fn expect_serde(name: &syn::Ident, attributes: &[Attribute], expected: &[(&str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
    assert_eq!(serde(attributes), expected, "serde's attributes of `{name}`");
}

/// The text of a doc comment, line by line.
fn docs(attributes: &[Attribute]) -> Vec<String> {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => literal(&pair.value),
        _ => None,
    });
    let lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    assert!(!lines.is_empty(), "everything on the wire is documented");
    lines
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

fn typescript(ty: &Type) -> String {
    let name = type_name(ty);
    match name.as_str() {
        "Box" | "Option" => typescript(argument(ty)),
        "Vec" => format!("readonly {}[]", typescript(argument(ty))),
        "String" => "string".to_owned(),
        "bool" => "boolean".to_owned(),
        "u16" | "u32" | "u64" | "Number" => "number".to_owned(),
        "Json" => "unknown".to_owned(),
        _ => renamed(&name),
    }
}

/// The last segment of a type's path, past a `Box`.
fn type_name(ty: &Type) -> String {
    let Type::Path(path) = ty else { panic!("a type that is no path") };
    let name = path.path.segments.last().expect("a path has segments").ident.to_string();
    if name == "Box" { type_name(argument(ty)) } else { name }
}

fn argument(ty: &Type) -> &Type {
    let Type::Path(path) = ty else { panic!("a type that is no path") };
    let Some(PathArguments::AngleBracketed(arguments)) = path.path.segments.last().map(|last| &last.arguments) else {
        panic!("a type without an argument");
    };
    match &arguments.args[0] {
        GenericArgument::Type(ty) => ty,
        _ => panic!("an argument that is no type"),
    }
}
