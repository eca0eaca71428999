//! What a token allows in a room.

/// One thing a token may allow: an entry of its `can`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Send offers, answers, candidates, hangups and what goes between SDKs.
    Signal,
    /// Send `message`.
    Message,
    /// Get TURN credentials; without it only STUN.
    Turn,
    /// Send without `to`, to everybody in the room.
    Broadcast,
    /// Remove peers.
    Moderate,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 5] = [Self::Signal, Self::Message, Self::Turn, Self::Broadcast, Self::Moderate];

    /// The name in `can`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Message => "message",
            Self::Turn => "turn",
            Self::Broadcast => "broadcast",
            Self::Moderate => "moderate",
        }
    }

    /// Finds a permission by its name in `can`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The permissions of a session. The default is what a token without `can` allows: `signal`, `message` and `turn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant(u8);

impl Grant {
    /// Allows nothing but being in the room.
    pub const NONE: Self = Self(0);

    /// Adds a permission.
    #[must_use]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | permission.bit())
    }

    /// Whether the permission is among them.
    #[must_use]
    pub const fn allows(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }
}

impl Default for Grant {
    fn default() -> Self {
        Self::NONE.with(Permission::Signal).with(Permission::Message).with(Permission::Turn)
    }
}

impl FromIterator<Permission> for Grant {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::NONE, Self::with)
    }
}

/// What happens when an identity joins a room that it is in already: the joiner's `duplicates`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// Both stay.
    #[default]
    Allow,
    /// The newcomer stays, the others of the identity are closed with 4409.
    Replace,
    /// The newcomer is refused with 4423.
    Reject,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_allows_calls_but_no_power_over_others() {
        let default: Vec<_> = Permission::ALL.into_iter().filter(|p| Grant::default().allows(*p)).collect();
        assert_eq!(default, [Permission::Signal, Permission::Message, Permission::Turn]);
        assert!(Permission::ALL.into_iter().all(|p| !Grant::NONE.allows(p)));
        assert_eq!(Permission::from_name("moderate"), Some(Permission::Moderate));
        assert_eq!(Permission::from_name("Moderate"), None);
    }
}
