//! One linear pass over a message before it is relayed.
//!
//! A payload is opaque to the server, but two things in it would hurt whoever parses it next: nesting deep enough to overflow a
//! recursive parser, and a lone surrogate escape (`"\ud800"`), which is no Unicode text. Neither is caught by a parser that
//! keeps values raw. Everything else passes verbatim.

use memchr::memchr2;

/// What the scan refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Objects and arrays nest deeper than the limit.
    TooDeep,
    /// A string holds half of a surrogate pair.
    LoneSurrogate,
}

/// Checks that `text` nests at most `max_depth` deep and holds no lone surrogate.
///
/// The text need not be valid JSON: what is not is for the parser to refuse, and is scanned without a panic.
///
/// # Errors
/// Says which of the two it found first.
pub fn scan(text: &str, max_depth: usize) -> Result<(), Refused> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > max_depth {
                    return Err(Refused::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = skip_string(bytes, at)?,
            _ => {}
        }
    }
    Ok(())
}

/// Goes from behind an opening quote to behind its closing one, or to the end of the text.
fn skip_string(bytes: &[u8], mut at: usize) -> Result<usize, Refused> {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return Ok(at + 1);
        }
        if bytes.get(at + 1) != Some(&b'u') {
            at += 2;
            continue;
        }
        match hex4(bytes, at + 2) {
            Some(0xD800..=0xDBFF) => {
                let low = (bytes.get(at + 6..at + 8) == Some(b"\\u")).then(|| hex4(bytes, at + 8)).flatten();
                if !matches!(low, Some(0xDC00..=0xDFFF)) {
                    return Err(Refused::LoneSurrogate);
                }
                at += 12;
            }
            Some(0xDC00..=0xDFFF) => return Err(Refused::LoneSurrogate),
            _ => at += 2,
        }
    }
    Ok(bytes.len())
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(at..at + 4)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let cases: &[(&str, Result<(), Refused>)] = &[
            (r#"{"a":[1,{"b":"c"}]}"#, Ok(())),
            (&nested(32), Ok(())),
            (&nested(33), Err(Refused::TooDeep)),
            (&nested(30_000), Err(Refused::TooDeep)),
            // Brackets inside strings are text.
            (r#"{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}"#, Ok(())),
            (r#"{"a":"\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}"#, Ok(())),
            (r#"{"a":"\\"}"#, Ok(())),
            (r#""\ud83d\ude00""#, Ok(())),
            (r#""\uD83D\uDE00""#, Ok(())),
            (r#""\ud800""#, Err(Refused::LoneSurrogate)),
            (r#""\udc00""#, Err(Refused::LoneSurrogate)),
            (r#""\ud800\ud800""#, Err(Refused::LoneSurrogate)),
            (r#""\ud800x""#, Err(Refused::LoneSurrogate)),
            // An escaped backslash before `ud800` is plain text.
            (r#""\\ud800""#, Ok(())),
            (r#""\\\ud800""#, Err(Refused::LoneSurrogate)),
            (r#""\u00e4""#, Ok(())),
            // Not JSON: the parser's business, no panic here.
            (r#""\"#, Ok(())),
            (r#""\u"#, Ok(())),
            (r#""\ud8"#, Ok(())),
            ("]]]]", Ok(())),
            ("", Ok(())),
        ];
        for (text, expected) in cases {
            assert_eq!(scan(text, 32), *expected, "{}", &text[..text.len().min(60)]);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_it(text in r#"[\[\]{}"\\uUdD8cC0-9a ]{0,64}"#) {
            let _ = scan(&text, 4);
        }

        #[test]
        fn what_serde_writes_passes(text in ".{0,64}") {
            let json = serde_json::to_string(&text).expect("a string serialises");
            proptest::prop_assert_eq!(scan(&json, 1), Ok(()));
        }
    }
}
