//! What the host says about itself: name, cores, addresses.

use std::fs;
use std::net::Ipv4Addr;
use std::num::NonZero;

/// Facts that complete a configuration. A value, so that tests have any host they like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Host name, with everything but letters, digits, `-` and `_` turned into `-` (a broker's name is also a topic).
    pub name: String,
    /// CPUs this process may use.
    pub cores: usize,
    /// IPv4 addresses that other hosts could use, with their interface: no loopback, no container bridges.
    pub addresses: Vec<(String, Ipv4Addr)>,
    /// IPv4 addresses of container bridges.
    pub bridges: Vec<(String, Ipv4Addr)>,
}

impl Host {
    /// Reads `/proc`. What cannot be read is left out.
    #[must_use]
    pub fn read() -> Self {
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        let locals = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
        let networks = networks(&routes);
        let (bridges, addresses) = local_addresses(&locals)
            .into_iter()
            .map(|address| (interface_of(address, &networks), address))
            .partition(|(interface, _)| is_bridge(interface));
        Self { name: clean_name(name.trim()), cores, addresses, bridges }
    }
}

fn clean_name(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' })
        .collect();
    if clean.is_empty() { "broker".to_owned() } else { clean }
}

fn is_bridge(interface: &str) -> bool {
    ["docker", "br-", "veth", "virbr", "cni", "podman"].iter().any(|prefix| interface.starts_with(prefix))
}

/// One row of the routing table: interface, network, mask.
struct Network {
    interface: String,
    network: u32,
    mask: u32,
}

/// `/proc/net/route`: addresses are hexadecimal in the byte order of the host.
fn networks(routes: &str) -> Vec<Network> {
    let address = |hex: &str| u32::from_str_radix(hex, 16).ok().map(u32::swap_bytes);
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let network = address(columns.get(1)?)?;
        let mask = address(columns.get(7)?)?;
        Some(Network { interface: (*columns.first()?).to_owned(), network, mask })
    };
    routes.lines().skip(1).filter_map(row).collect()
}

/// The interface whose network holds `address`, the narrowest first; empty if none does.
fn interface_of(address: Ipv4Addr, networks: &[Network]) -> String {
    networks
        .iter()
        .filter(|row| row.mask != 0 && u32::from(address) & row.mask == row.network)
        .max_by_key(|row| row.mask)
        .map_or_else(String::new, |row| row.interface.clone())
}

/// `/proc/net/fib_trie`: a leaf line `|-- 10.0.0.5` followed by `/32 host LOCAL` is an address of this host.
fn local_addresses(trie: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut leaf = None;
    for line in trie.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(leaf.filter(|address| !address.is_loopback()));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.5\n        \
        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 172.17.0.1\n        /32 host LOCAL\nLocal:\n     \
        |-- 10.0.0.5\n        /32 host LOCAL\n";

    #[test]
    fn addresses_come_with_their_interface_and_without_loopback() {
        let networks = networks(ROUTES);
        let found: Vec<(String, Ipv4Addr)> = local_addresses(TRIE)
            .into_iter()
            .map(|address| (interface_of(address, &networks), address))
            .collect();
        assert_eq!(
            found,
            [
                ("eth0".to_owned(), Ipv4Addr::new(10, 0, 0, 5)),
                ("docker0".to_owned(), Ipv4Addr::new(172, 17, 0, 1))
            ]
        );
        assert!(is_bridge("docker0") && !is_bridge("eth0"));
    }

    #[test]
    fn a_host_name_becomes_a_name_that_a_topic_may_have() {
        assert_eq!(clean_name("db1.example.org"), "db1-example-org");
        assert_eq!(clean_name(""), "broker");
    }
}
