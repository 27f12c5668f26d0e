//! TCP segments over IPv4, made by hand.

use meshproof_evidence::wire::{Link, Packet};

#[derive(Clone, Copy)]
pub struct Sender {
    address: u8,
    port: u16,
    to: (u8, u16),
}

impl Sender {
    pub const CLIENT: Self = Self { address: 1, port: 40_000, to: (2, 13_306) };
    pub const SERVER: Self = Self { address: 2, port: 13_306, to: (1, 40_000) };

    /// SYN of the client, SYN and ACK of the server.
    pub fn syn(self) -> Vec<u8> {
        let flags = if self.address == 1 { 0x02 } else { 0x12 };
        self.packet(0, flags, u32::from(self.address == 2), &[])
    }

    pub fn segments(self, bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
        let stretches = bytes.chunks(size).enumerate();
        stretches.map(|(index, stretch)| self.packet(1 + (index * size) as u32, 0x08, 0, stretch)).collect()
    }

    fn packet(self, number: u32, flags: u8, acknowledged: u32, payload: &[u8]) -> Vec<u8> {
        let length = (40 + payload.len()) as u16;
        let mut bytes = vec![0x45, 0];
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, 6, 0, 0]);
        bytes.extend([10, 0, 0, self.address, 10, 0, 0, self.to.0]);
        bytes.extend(self.port.to_be_bytes());
        bytes.extend(self.to.1.to_be_bytes());
        bytes.extend(number.to_be_bytes());
        bytes.extend(acknowledged.to_be_bytes());
        bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(payload);
        bytes
    }
}

/// As captured from the IP header on.
pub fn captured(bytes: &[u8]) -> Packet<'_> {
    Packet { link: Link::Ip, at: 0, length: bytes.len(), data: bytes }
}
