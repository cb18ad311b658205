//! [`AdminSources`]: from where administration that changes something is taken (reliability.md 7, S2).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Addresses whose admin writes are taken without authentication: this host's, and networks the operator named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminSources {
    networks: Vec<Network>,
}

/// An address with how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: u128,
    mask: u128,
}

/// A piece of `admin.allow` is no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotANetwork {
    /// The piece.
    pub text: String,
}

impl AdminSources {
    /// Reads `admin.allow`: networks like `10.0.0.0/8` or `fd00::/8`, or single addresses, separated by `;` or `,`.
    ///
    /// # Errors
    /// The first piece that is none.
    pub fn parse(text: &str) -> Result<Self, NotANetwork> {
        let pieces = text.split([';', ',']).map(str::trim).filter(|piece| !piece.is_empty());
        let networks =
            pieces.map(|piece| Network::parse(piece).ok_or(NotANetwork { text: piece.to_owned() }));
        Ok(Self { networks: networks.collect::<Result<_, _>>()? })
    }

    /// Whether `peer`, connected to `local` of ours, may change something: loopback, this host (then both ends of the
    /// connection have the same address), or a named network.
    #[must_use]
    pub fn allow(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        let source = peer.ip().to_canonical();
        let bits = bits(source);
        source.is_loopback()
            || source == local.ip().to_canonical()
            || self.networks.iter().any(|network| bits & network.mask == network.base)
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        // IPv4 lives in the last 32 bits of its mapped form, so its prefix is 96 longer.
        let (width, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let len = len.unwrap_or(width);
        if len > width {
            return None;
        }
        let mask = u128::MAX.checked_shl(128 - (len + offset)).unwrap_or(0);
        Some(Self { base: bits(address) & mask, mask })
    }
}

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no network; write for example 10.0.0.0/8", self.text)
    }
}

impl std::error::Error for NotANetwork {}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The remark of a refusal; it names the fix.
pub const REFUSAL: &str = "administration that changes something is taken from this host only; name the network of the sender in admin.allow";

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 1)
    }

    #[test]
    fn this_host_may_and_others_may_if_named() {
        let none = AdminSources::default();
        assert!(none.allow(at("127.0.0.1"), at("127.0.0.1")));
        assert!(none.allow(at("::1"), at("::1")));
        assert!(none.allow(at("::ffff:127.0.0.1"), at("::")));
        assert!(none.allow(at("10.0.0.5"), at("10.0.0.5")));
        assert!(!none.allow(at("10.0.0.6"), at("10.0.0.5")));
        let some = AdminSources::parse("10.0.0.0/30; 192.168.7.1,fd00::/8;").unwrap();
        for (address, allowed) in [
            ("10.0.0.0", true),
            ("10.0.0.3", true),
            ("10.0.0.4", false),
            ("192.168.7.1", true),
            ("192.168.7.2", false),
            ("::ffff:10.0.0.1", true),
            ("fd12::9", true),
            ("fe80::1", false),
        ] {
            assert_eq!(some.allow(at(address), at("172.16.0.1")), allowed, "{address}");
        }
        assert!(AdminSources::parse("0.0.0.0/0").unwrap().allow(at("8.8.8.8"), at("10.0.0.5")));
        assert!(!AdminSources::parse("0.0.0.0/0").unwrap().allow(at("2000::1"), at("10.0.0.5")));
        assert!(AdminSources::parse("::/0").unwrap().allow(at("2000::1"), at("10.0.0.5")));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["10.0.0.0/33", "10.0.0/8", "here", "fd00::/129", "10.0.0.0/-1", "10.0.0.0/"] {
            assert_eq!(AdminSources::parse(text).unwrap_err().text, text);
        }
    }
}
