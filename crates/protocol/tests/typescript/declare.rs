//! TypeScript declarations and how they are written.

/// The longest line of the file.
pub(crate) const WIDTH: usize = 130;

/// One exported type.
pub(crate) struct Declaration {
    pub(crate) name: String,
    docs: Vec<String>,
    body: Body,
}

enum Body {
    Alias(String),
    Interface { extends: Vec<String>, tag: Option<String>, fields: Vec<Field> },
    Literals(Vec<Literal>),
}

/// A property of an interface.
#[derive(Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) optional: bool,
    pub(crate) docs: Vec<String>,
}

/// A member of a union of literals.
pub(crate) struct Literal {
    pub(crate) text: String,
    pub(crate) docs: Vec<String>,
}

impl Declaration {
    pub(crate) fn alias(name: String, docs: Vec<String>, of: &str) -> Self {
        Self { name, docs, body: Body::Alias(of.to_owned()) }
    }

    /// The union of other declarations, one a line.
    pub(crate) fn union(name: &str, doc: &str, of: &[Self]) -> Self {
        let names: Vec<_> = of.iter().map(|member| member.name.as_str()).collect();
        Self::alias(name.to_owned(), vec![doc.to_owned()], &format!("\n  | {}", names.join("\n  | ")))
    }

    pub(crate) fn interface(
        name: String,
        docs: Vec<String>,
        extends: Vec<String>,
        tag: Option<String>,
        fields: Vec<Field>,
    ) -> Self {
        Self { name, docs, body: Body::Interface { extends, tag, fields } }
    }

    pub(crate) fn literals(name: String, docs: Vec<String>, members: Vec<Literal>) -> Self {
        Self { name, docs, body: Body::Literals(members) }
    }

    /// Shows it in use, line by line.
    pub(crate) fn with_example(mut self, lines: &[&str]) -> Self {
        self.docs.extend(["".to_owned(), "@example".to_owned()]);
        self.docs.extend(lines.iter().map(|&line| line.to_owned()));
        self
    }

    /// The types that it names.
    pub(crate) fn references(&self) -> Vec<&str> {
        match &self.body {
            Body::Interface { extends, fields, .. } => {
                let types = fields.iter().map(|field| field.ty.as_str()).chain(extends.iter().map(String::as_str));
                types.map(|ty| ty.trim_start_matches("readonly ").trim_end_matches("[]")).collect()
            }
            Body::Alias(_) | Body::Literals(_) => Vec::new(),
        }
    }

    pub(crate) fn write(&self, out: &mut String) {
        comment(&self.docs, "", out);
        let name = &self.name;
        match &self.body {
            Body::Alias(of) => {
                let space = if of.starts_with('\n') { "" } else { " " };
                out.push_str(&format!("export type {name} ={space}{of}\n"));
            }
            Body::Literals(members) => {
                out.push_str(&format!("export type {name} =\n"));
                for member in members {
                    comment(&member.docs, "  ", out);
                    out.push_str(&format!("  | {}\n", member.text));
                }
            }
            Body::Interface { extends, tag, fields } => {
                let extends =
                    if extends.is_empty() { String::new() } else { format!(" extends {}", extends.join(", ")) };
                out.push_str(&format!("export interface {name}{extends} {{\n"));
                if let Some(tag) = tag {
                    out.push_str(&format!("  type: '{tag}'\n"));
                }
                for Field { name, ty, optional, docs } in fields {
                    comment(docs, "  ", out);
                    let mark = if *optional { "?" } else { "" };
                    out.push_str(&format!("  {name}{mark}: {ty}\n"));
                }
                out.push_str("}\n");
            }
        }
        out.push('\n');
    }
}

/// A TSDoc comment: on one line where it fits.
pub(crate) fn comment(docs: &[String], indent: &str, out: &mut String) {
    let plain = |doc: &String| !doc.contains("[`") && !doc.contains("*/");
    assert!(docs.iter().all(plain), "a link of rustdoc, or the end of the comment: {docs:?}");
    let line = format!("{indent}/** {} */\n", docs.join(" "));
    if docs.len() == 1 && line.len() <= WIDTH {
        out.push_str(&line);
        return;
    }
    out.push_str(&format!("{indent}/**\n"));
    for doc in docs {
        out.push_str(format!("{indent} * {doc}").trim_end());
        out.push('\n');
    }
    out.push_str(&format!("{indent} */\n"));
}

/// `PeerJoined` is `peer-joined`.
pub(crate) fn kebab_case(name: &str) -> String {
    let mut out = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(char.to_ascii_lowercase());
    }
    out
}

/// `window_ms` is `windowMs`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (initial, rest) = word.split_at(1);
        out.push_str(&initial.to_ascii_uppercase());
        out.push_str(rest);
    }
    out
}
