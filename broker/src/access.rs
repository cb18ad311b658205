//! Who may change things from where (reliability.md 7, S2).

use std::net::IpAddr;

use crate::identity::Identity;

/// Networks whose admin writes are taken, besides this host.
#[derive(Clone, Debug, Default)]
pub(crate) struct AdminAccess {
    networks: Vec<Network>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl AdminAccess {
    /// Parses `10.0.0.0/8;192.168.1.7`. Parts that are no network are skipped with an error in the log; they open
    /// nothing.
    pub(crate) fn parse(list: &str) -> Self {
        let parts = list.split([';', ',']).map(str::trim).filter(|part| !part.is_empty());
        let networks = parts.filter_map(|part| {
            let network = Network::parse(part);
            if network.is_none() {
                tracing::error!(part, "admin.allow: not a network; write 10.0.0.0/8 or an address");
            }
            network
        });
        Self { networks: networks.collect() }
    }

    /// Whether a peer may change things.
    pub(crate) fn allows(&self, identity: &Identity, peer: IpAddr) -> bool {
        identity.is_own(peer) || self.networks.iter().any(|network| network.contains(peer.to_canonical()))
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, prefix.parse().ok()?),
            None => {
                let address: IpAddr = text.parse().ok()?;
                (address, if address.is_ipv4() { 32 } else { 128 })
            }
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= longest).then_some(Self { address, prefix })
    }

    fn contains(self, peer: IpAddr) -> bool {
        match (self.address, peer) {
            (IpAddr::V4(network), IpAddr::V4(peer)) => {
                let shift = 32 - u32::from(self.prefix);
                (network.to_bits() ^ peer.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(peer)) => {
                let shift = 128 - u32::from(self.prefix);
                (network.to_bits() ^ peer.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, peer: &str) -> bool {
        Network::parse(network).expect("a network").contains(peer.parse().expect("an address"))
    }

    #[test]
    fn a_network_ends_at_its_prefix() {
        assert!(contains("10.1.0.0/16", "10.1.255.255") && !contains("10.1.0.0/16", "10.2.0.0"));
        assert!(contains("192.168.1.7", "192.168.1.7") && !contains("192.168.1.7", "192.168.1.6"));
        assert!(contains("0.0.0.0/0", "8.8.8.8"));
        assert!(contains("fd00::/8", "fd12::1") && !contains("fd00::/8", "fe80::1"));
        assert!(!contains("0.0.0.0/0", "::1"), "families do not mix");
    }

    #[test]
    fn what_is_no_network_opens_nothing() {
        for text in ["10.0.0.0/33", "ten", "10.0.0.0/x", "/8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
