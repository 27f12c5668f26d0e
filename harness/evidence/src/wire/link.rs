//! What a captured packet begins with.

/// The layer that a capture begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// An Ethernet frame.
    Ethernet,
    /// An IPv4 or IPv6 packet.
    Ip,
    /// Linux's own header in front of packets of many interfaces, first version.
    Cooked,
    /// The same, second version.
    CookedTwo,
}

/// A capture of something that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "captured packets begin with link type {0}, which cannot be read: known are Ethernet (1), IP (101, 228, 229) and Linux cooked (113, 276)"
)]
pub struct UnknownLink(pub u16);

impl Link {
    /// By its number in capture files (`LINKTYPE_*`).
    pub fn of(number: u16) -> Result<Self, UnknownLink> {
        match number {
            1 => Ok(Self::Ethernet),
            101 | 228 | 229 => Ok(Self::Ip),
            113 => Ok(Self::Cooked),
            276 => Ok(Self::CookedTwo),
            other => Err(UnknownLink(other)),
        }
    }
}
