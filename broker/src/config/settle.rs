//! What is `auto` gets its value, and keys are checked against each other.

use std::net::{IpAddr, Ipv4Addr};

use settings::{Origin, Problem, Resolved, Settings};

use super::{BrokerConfig, Host};

/// Distance between the ports of two shards: RocketMQ gives port − 2 to the VIP channel and port + 1 to replication.
pub const PORT_STRIDE: u16 = 10;

/// Shards that `auto` makes at most.
const SHARDS_AUTO_MAX: usize = 16;

/// A window holds at least this many of the largest messages, so that one does not stop all others.
const MESSAGES_IN_WINDOW_MIN: u64 = 3;

pub(super) fn settle(resolved: &mut Resolved<BrokerConfig>, host: &Host) -> Result<(), Vec<Problem>> {
    choose(resolved, host);
    let checks: &[Check] = &[names, ports, address, directories, sizes, disk_marks, shards_and_cpus];
    let problems: Vec<Problem> = checks.iter().filter_map(|check| check(resolved, host).err()).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Something that several keys, or a key and the host, must agree on.
type Check = fn(&Resolved<BrokerConfig>, &Host) -> Result<(), Problem>;

fn choose(resolved: &mut Resolved<BrokerConfig>, host: &Host) {
    if matches!(resolved.config.name.as_str(), "" | "auto") {
        resolved.found("name", &host.name, "host name");
    }
    if resolved.config.shards.is_none() {
        let shards = match &resolved.config.cpus {
            Some(cpus) => cpus.0.len().clamp(1, SHARDS_AUTO_MAX),
            None => host.cores.saturating_sub(1).clamp(1, SHARDS_AUTO_MAX),
        };
        resolved.found("shards", &shards.to_string(), "cores less one, at most 16");
    }
    if resolved.config.advertise.is_some() {
        return;
    }
    let listen = resolved.config.listen_address;
    if !listen.is_unspecified() {
        resolved.found("listen.advertise", &listen.to_string(), "the listen address");
    } else if let [(_, only)] = host.addresses.as_slice() {
        resolved.found("listen.advertise", &only.to_string(), "the only address of this host");
    } else if host.addresses.is_empty() {
        resolved.found("listen.advertise", "127.0.0.1", "this host has no other address");
    }
}

/// A broker's name is a topic and part of a client's keys.
fn names(resolved: &Resolved<BrokerConfig>, _: &Host) -> Result<(), Problem> {
    for (key, name) in [("name", &resolved.config.name), ("cluster", &resolved.config.cluster)] {
        let fine = !name.is_empty()
            && name.len() <= NAME_MAX
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '%' | '|'));
        if !fine {
            return Err(problem(
                resolved,
                key,
                format!(
                    "\"{name}\" is no name: letters, digits, '-', '_', '%' and '|', 1 to {NAME_MAX} of them"
                ),
                "write a name such as broker-a",
            ));
        }
    }
    Ok(())
}

/// Leaves room for the shard's number within the 127 characters of a topic.
const NAME_MAX: usize = 120;

fn ports(resolved: &Resolved<BrokerConfig>, _: &Host) -> Result<(), Problem> {
    let config = &resolved.config;
    let last =
        u32::from(config.listen_port) + u32::from(PORT_STRIDE) * u32::from(config.shard_count() - 1) + 1;
    if last > u32::from(u16::MAX) {
        return Err(problem(
            resolved,
            "listen.port",
            format!(
                "{} shards from port {} on need ports up to {last}",
                config.shard_count(),
                config.listen_port
            ),
            "choose a lower listen.port (listenPort) or fewer shards; shard k listens at listen.port + 10 k",
        ));
    }
    let stride = i64::from(PORT_STRIDE);
    let first = i64::from(config.listen_port);
    let taken = |port: i64| {
        let shard = (port - first).div_euclid(stride);
        let used = [0, -2, 1].map(|aside| first + stride * shard + aside).contains(&port)
            || [0, -2, 1].map(|aside| first + stride * (shard + 1) + aside).contains(&port);
        used && port >= first - 2 && port < i64::from(last) + 1
    };
    for server in &config.namesrv.0 {
        let Some((host, port)) = server.rsplit_once(':') else { continue };
        let here = matches!(host, "127.0.0.1" | "localhost") || Some(host) == config.advertise.as_deref();
        if here && port.parse::<i64>().is_ok_and(taken) {
            return Err(problem(
                resolved,
                "namesrv",
                format!(
                    "the name server {server} stands on a port of this node's shards ({first} to {last})"
                ),
                "move listen.port (listenPort) away from the name server's port",
            ));
        }
    }
    Ok(())
}

fn address(resolved: &Resolved<BrokerConfig>, host: &Host) -> Result<(), Problem> {
    let config = &resolved.config;
    let Some(advertised) = config.advertise.as_deref() else {
        let seen: Vec<String> =
            host.addresses.iter().map(|(name, address)| format!("{address} ({name})")).collect();
        return Err(problem(
            resolved,
            "listen.advertise",
            format!("this host has several addresses and clients must be told one: {}", seen.join(", ")),
            "write listen.advertise (brokerIP1) with the address that clients reach",
        ));
    };
    if !matches!(resolved.origin("listen.advertise"), Origin::Found(_))
        && config.listen_address.is_unspecified()
    {
        let loopback =
            advertised == "localhost" || advertised.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let bridge = host.bridges.iter().find(|(_, ip)| advertised.parse::<Ipv4Addr>() == Ok(*ip));
        if loopback {
            return Err(problem(
                resolved,
                "listen.advertise",
                format!(
                    "clients elsewhere would be sent to {advertised}, which is themselves, while we listen on {}",
                    config.listen_address
                ),
                "advertise an address that clients reach, or listen on loopback only: listen.address (bindAddress) = 127.0.0.1",
            ));
        }
        if let Some((name, _)) = bridge {
            return Err(problem(
                resolved,
                "listen.advertise",
                format!(
                    "{advertised} is the container bridge {name}: clients on other hosts do not reach it"
                ),
                "advertise an address of the host's network",
            ));
        }
    }
    Ok(())
}

fn directories(resolved: &Resolved<BrokerConfig>, _: &Host) -> Result<(), Problem> {
    let config = &resolved.config;
    let Some(commitlog) = &config.commitlog_dir else { return Ok(()) };
    if *commitlog == config.store_dir.join("commitlog") {
        return Ok(());
    }
    Err(problem(
        resolved,
        "store.commitlog_dir",
        format!("a commitlog outside the store directory ({}) is not supported", config.store_dir.display()),
        "remove storePathCommitLog and put the store directory (storePathRootDir) on the disk meant for the log",
    ))
}

fn sizes(resolved: &Resolved<BrokerConfig>, _: &Host) -> Result<(), Problem> {
    let config = &resolved.config;
    let window = u64::from(config.window_mib) << 20;
    let message = u64::from(config.message_bytes_max);
    if window < MESSAGES_IN_WINDOW_MIN * message {
        return Err(problem(
            resolved,
            "store.window_mib",
            format!(
                "a window of {} MiB holds fewer than {MESSAGES_IN_WINDOW_MIN} messages of {message} bytes",
                config.window_mib
            ),
            "raise store.window_mib or lower store.message_bytes_max (maxMessageSize)",
        ));
    }
    if !config.segment_bytes.is_multiple_of(rt::BLOCK as u64) {
        return Err(problem(
            resolved,
            "store.segment_bytes",
            format!("{} is not a multiple of {}", config.segment_bytes, rt::BLOCK),
            "write a multiple of 4096, such as 1073741824",
        ));
    }
    if config.segment_bytes < 2 * message {
        return Err(problem(
            resolved,
            "store.segment_bytes",
            format!(
                "a segment of {} bytes is too small for messages of {message} bytes",
                config.segment_bytes
            ),
            "raise store.segment_bytes (mappedFileSizeCommitLog) or lower store.message_bytes_max (maxMessageSize)",
        ));
    }
    Ok(())
}

fn disk_marks(resolved: &Resolved<BrokerConfig>, _: &Host) -> Result<(), Problem> {
    let config = &resolved.config;
    if config.disk_percent_max <= config.disk_percent_force
        && config.disk_percent_force <= config.disk_percent_refuse
    {
        return Ok(());
    }
    Err(problem(
        resolved,
        "retention.disk_percent",
        format!(
            "the disk marks are out of order: delete at {} %, delete by force at {} %, refuse sends at {} %",
            config.disk_percent_max, config.disk_percent_force, config.disk_percent_refuse
        ),
        "let them rise: retention.disk_percent <= retention.force_percent <= retention.refuse_percent",
    ))
}

fn shards_and_cpus(resolved: &Resolved<BrokerConfig>, _: &Host) -> Result<(), Problem> {
    let Some(cpus) = &resolved.config.cpus else { return Ok(()) };
    let shards = usize::from(resolved.config.shard_count());
    if cpus.0.len() >= shards {
        return Ok(());
    }
    Err(problem(
        resolved,
        "cpus",
        format!("{} CPUs for {shards} shards", cpus.0.len()),
        "list a CPU for every shard, or lower shards",
    ))
}

fn problem(resolved: &Resolved<BrokerConfig>, name: &str, what: String, fix: &str) -> Problem {
    let index = BrokerConfig::find(name).expect("a check names a key of the table");
    let key = &BrokerConfig::KEYS[index];
    let origin = resolved.origins[index].clone();
    let place = match &origin {
        Origin::File { path, line, .. } => format!(" at {}:{line}", path.display()),
        Origin::Default => String::new(),
        other => format!(" ({other})"),
    };
    let java = if key.java.is_empty() { String::new() } else { format!(" ({})", key.java) };
    Problem {
        code: "E0106",
        what: format!("{}{java}{place}: {what}", key.name),
        marked: resolved.config.show(index).into(),
        origin,
        fix: fix.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use settings::from_text;

    use super::super::load;
    use super::*;

    fn host(addresses: &[&str]) -> Host {
        Host {
            name: "db1".to_owned(),
            cores: 4,
            addresses: addresses.iter().map(|ip| ("eth0".to_owned(), ip.parse().unwrap())).collect(),
            bridges: vec![("docker0".to_owned(), Ipv4Addr::new(172, 17, 0, 1))],
        }
    }

    fn read(text: &str, addresses: &[&str]) -> Result<Resolved<BrokerConfig>, String> {
        let entries = from_text(Path::new("broker.conf"), text).unwrap();
        load(&entries, &host(addresses))
            .map_err(|problems| problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn what_is_auto_comes_from_the_host() {
        let resolved = read("", &["10.0.0.5"]).unwrap();
        assert_eq!(resolved.config.shard_name(0), "db1");
        assert_eq!(resolved.config.shard_name(2), "db1-2");
        assert_eq!(resolved.config.shard_count(), 3);
        assert_eq!(resolved.config.shard_port(2), 10931);
        assert_eq!(resolved.config.advertised(), "10.0.0.5");
        assert_eq!(resolved.origin("listen.advertise").to_string(), "found: the only address of this host");
    }

    #[test]
    fn several_addresses_are_not_guessed_among() {
        let error = read("", &["10.0.0.5", "192.168.1.5"]).unwrap_err();
        assert!(error.contains("10.0.0.5 (eth0), 192.168.1.5 (eth0)"), "{error}");
        assert!(read("bindAddress=10.0.0.5\n", &["10.0.0.5", "192.168.1.5"]).is_ok());
    }

    #[test]
    fn a_loopback_or_bridge_address_is_not_advertised_to_the_world() {
        assert!(read("brokerIP1=127.0.0.1\n", &["10.0.0.5"]).unwrap_err().contains("broker.conf:1"));
        assert!(read("brokerIP1=172.17.0.1\n", &["10.0.0.5"]).unwrap_err().contains("docker0"));
        assert!(read("brokerIP1=127.0.0.1\nbindAddress=127.0.0.1\n", &["10.0.0.5"]).is_ok());
    }

    #[test]
    fn ports_of_all_shards_must_exist_and_not_meet_the_name_server() {
        assert!(read("listenPort=65534\nshards=1\n", &["10.0.0.5"]).is_ok());
        assert!(read("listenPort=65535\nshards=1\n", &["10.0.0.5"]).is_err());
        assert!(read("listenPort=65516\nshards=2\nlisten.vip=false\n", &["10.0.0.5"]).is_ok());
        assert!(read("listenPort=9856\nshards=3\nnamesrvAddr=127.0.0.1:9876\n", &["10.0.0.5"]).is_err());
        assert!(read("listenPort=9856\nshards=3\nnamesrvAddr=10.9.9.9:9876\n", &["10.0.0.5"]).is_ok());
        assert!(read("listenPort=9856\nshards=2\nnamesrvAddr=127.0.0.1:9876\n", &["10.0.0.5"]).is_ok());
    }

    #[test]
    fn sizes_and_disk_marks_are_checked_together() {
        assert!(read("store.window_mib=16\nmaxMessageSize=5592405\n", &["10.0.0.5"]).is_ok());
        assert!(read("store.window_mib=16\nmaxMessageSize=5592406\n", &["10.0.0.5"]).is_err());
        assert!(
            read("mappedFileSizeCommitLog=1073741825\n", &["10.0.0.5"])
                .unwrap_err()
                .contains("multiple of 4096")
        );
        assert!(read("diskMaxUsedSpaceRatio=90\n", &["10.0.0.5"]).unwrap_err().contains("out of order"));
    }

    #[test]
    fn a_commitlog_elsewhere_is_refused_and_rocketmqs_own_default_is_not() {
        assert!(read("storePathRootDir=/d\nstorePathCommitLog=/d/commitlog\n", &["10.0.0.5"]).is_ok());
        assert!(read("storePathRootDir=/d\nstorePathCommitLog=/a;/b\n", &["10.0.0.5"]).is_err());
    }
}
