//! The commands of our own binary, as a user types them.

use std::{fs, path::Path, time::Duration};

use crate::{artifacts::Workshop, cluster::Cluster, report::Report, trouble::Trouble};

use self::shop::Shop;

mod admin;
mod clients;
mod servers;
mod shop;

const PATIENCE: Duration = Duration::from_secs(60);
/// A refusal is quick: nothing may have been started.
const REFUSAL: Duration = Duration::from_secs(10);

/// Runs every scenario that `wanted` accepts.
pub(crate) fn run(
    workshop: &Workshop,
    cluster: &Cluster,
    home: &Path,
    report: &Report,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Trouble> {
    let home = home.join("cli");
    fs::create_dir_all(&home).map_err(Trouble::io("make a folder"))?;
    let it = Shop { ringmq: workshop.ringmq.clone(), cluster, home };
    for (name, scenario) in SCENARIOS {
        if wanted(name) {
            report.scenario("cli", name, || scenario(&it));
        }
    }
    Ok(())
}

type Scenario = fn(&Shop<'_>) -> Result<(), Trouble>;

const SCENARIOS: [(&str, Scenario); 19] = [
    ("boot-lines", servers::boot_lines),
    ("quickstart", clients::quickstart),
    ("produce-and-consume", clients::produce_and_consume),
    ("consume-by-tag-and-time", clients::consume_by_tag),
    ("consume-follows-and-is-interrupted", clients::consume_follows),
    ("consume-by-filter", clients::consume_by_filter),
    ("consume-by-popping", clients::consume_by_popping),
    ("produce-for-later", clients::produce_for_later),
    ("admin-group", admin::admin_group),
    ("admin-cluster-list", admin::admin_cluster),
    ("admin-topic", admin::admin_topic),
    ("admin-broker-config", admin::admin_config),
    ("check-changes-nothing", servers::check),
    ("bad-configuration-exits-2", servers::bad_configuration),
    ("usage-errors-exit-2", servers::usage),
    ("links-take-javas-flags", servers::links),
    ("second-process-on-a-store-is-refused", servers::second_process),
    ("another-shard-count-is-refused", servers::shard_count),
    ("dev", servers::dev),
];
