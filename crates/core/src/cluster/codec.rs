//! How values become the bytes of a frame: fixed order, lengths first, nothing optional left out.
//!
//! Reading takes nothing for granted: whatever is short, too long or out of its alphabet is `None`, never a panic.

use std::sync::Arc;

use aldis_protocol::{
    ErrorCode, Identity, Json, MsgId, Naming, NodeId, Outcome, PeerId, Presence, RoomId, SignalKind, TokenId,
    server::{LeaveReason, ReceiptStatus},
};

use crate::{Duplicates, revocation::Standing};

/// A value that can be part of a frame.
pub(crate) trait Wire: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

/// A struct is its fields, one after the other.
macro_rules! record {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)*
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                $(let $field = Wire::read(bytes)?;)*
                Some(Self { $($field),* })
            }
        }
    };
}

/// An enum is the number of its variant and the fields of that.
macro_rules! variants {
    ($name:ident { $($tag:literal => $variant:ident { $($field:ident),* }),* $(,)? }) => {
        impl Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant { $($field),* } => {
                        out.push($tag);
                        $($field.write(out);)*
                    })*
                }
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                match u8::read(bytes)? {
                    $($tag => {
                        $(let $field = Wire::read(bytes)?;)*
                        Some(Self::$variant { $($field),* })
                    })*
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use {record, variants};

macro_rules! numbers {
    ($($name:ty),*) => {
        $(impl Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let (number, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(Self::from_be_bytes(*number))
            }
        })*
    };
}

numbers!(u8, u32, u64);

/// An id is short: its length is one byte.
macro_rules! ids {
    ($($name:ident),*) => {
        $(impl Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                let text = self.as_str();
                // An id has at most 128 bytes.
                out.push(u8::try_from(text.len()).unwrap_or(0));
                out.extend_from_slice(text.as_bytes());
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let length = u8::read(bytes)?;
                Self::parse(text(bytes, usize::from(length))?).ok()
            }
        })*
    };
}

ids!(RoomId, PeerId, NodeId, Identity, MsgId, TokenId);

impl Wire for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_text(self, out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        long_text(bytes).map(str::to_owned)
    }
}

impl Wire for Arc<str> {
    fn write(&self, out: &mut Vec<u8>) {
        write_text(self, out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        long_text(bytes).map(Self::from)
    }
}

impl Wire for Json {
    fn write(&self, out: &mut Vec<u8>) {
        write_text(self.get(), out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Self::parse(long_text(bytes)?).ok()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            0 => Some(None),
            1 => T::read(bytes).map(Some),
            _ => None,
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).write(out);
        self.iter().for_each(|value| value.write(out));
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let length = u32::read(bytes)?;
        // Grows with what is really there: a length is only a claim, and no value takes no byte.
        (0..length).map(|_| T::read(bytes)).collect()
    }
}

impl<T: Wire> Wire for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_ref().write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        T::read(bytes).map(Self::new)
    }
}

/// What one of a closed list says: its place there. Lists only ever grow at their end.
macro_rules! listed {
    ($($name:ident in $list:expr;)*) => {
        $(impl Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                let at = $list.iter().position(|value| value == self);
                out.push(at.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX));
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                $list.get(usize::from(u8::read(bytes)?)).copied()
            }
        })*
    };
}

listed! {
    Presence in [Self::Here, Self::Away, Self::Gone];
    LeaveReason in [Self::Left, Self::Timeout, Self::Removed, Self::Replaced, Self::Unreachable];
    ReceiptStatus in [Self::Written, Self::Parked];
    Outcome in [Self::NotDelivered, Self::Unknown];
    Duplicates in [Self::Allow, Self::Replace, Self::Reject];
    SignalKind in SignalKind::ALL;
    Standing in [Self::Held, Self::Lifted];
}

/// By name, because the table of error codes is sorted for its readers.
impl Wire for ErrorCode {
    fn write(&self, out: &mut Vec<u8>) {
        write_text(self.as_str(), out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Self::from_name(long_text(bytes)?)
    }
}

impl Wire for Naming {
    fn write(&self, out: &mut Vec<u8>) {
        let tag: u8 = match self {
            Self::Anonymous => 0,
            Self::Named(_) => 1,
            Self::Receipt(_) => 2,
        };
        out.push(tag);
        if let Some(msg) = self.msg() {
            msg.write(out);
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            0 => Some(Self::Anonymous),
            1 => MsgId::read(bytes).map(Self::Named),
            2 => MsgId::read(bytes).map(Self::Receipt),
            _ => None,
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // A frame is far below 4 GiB: `seal` refuses what is not.
    u32::try_from(text.len()).unwrap_or(u32::MAX).write(out);
    out.extend_from_slice(text.as_bytes());
}

fn long_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = u32::read(bytes)?;
    text(bytes, usize::try_from(length).ok()?)
}

fn text<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a str> {
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}
