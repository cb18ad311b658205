//! `ringmq admin`.

use crate::{cluster::CLUSTER, process::tail, trouble::Trouble};

use super::shop::{Shop, expect, that};

pub(super) fn admin_group(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliGroup", 1)?;
    let input: String = (0..20).map(|number| format!("m{number}\n")).collect();
    it.ok("produce CliGroup --queue broker-0:0", &input)?;
    it.ok("consume CliGroup --group cli-one --from earliest --count 20", "")?;
    let lag = |group: &str| -> Result<i64, Trouble> {
        let rows = it.json(&format!("admin group lag {group} --topic CliGroup"))?;
        Ok(rows.iter().filter_map(|row| row["lag"].as_i64()).sum())
    };
    that(lag("cli-one")? == 0, || "no lag after reading all".to_owned())?;
    it.ok("admin group reset cli-one --topic CliGroup --to earliest", "")?;
    that(lag("cli-one")? == 20, || "all of it behind after a reset to the beginning".to_owned())?;
    let said = it.ok("consume CliGroup --group cli-one --count 20", "")?;
    that(said == input, || format!("all again, not {}", tail(&said, 200)))?;
    it.ok("admin group reset cli-one --topic CliGroup --to 1h", "")?;
    it.ok("admin group skip cli-one --topic CliGroup", "")?;
    that(lag("cli-one")? == 0, || "nothing behind after a skip".to_owned())?;
    let done = it.finish("admin group reset cli-one --topic CliGroup --to noon", "")?;
    expect(done.code() == 2, "exit code 2", "admin group reset --to noon", &done)
}

pub(super) fn admin_cluster(it: &Shop<'_>) -> Result<(), Trouble> {
    let rows = it.json("admin cluster list")?;
    for (name, address) in it.cluster.masters().iter().zip(it.cluster.addresses()) {
        let found = rows.iter().any(|row| {
            row["cluster"] == CLUSTER
                && row["broker"] == name.as_str()
                && row["address"] == address
                && row["state"] == "up"
        });
        that(found, || format!("{name} at {address} up, not {rows:?}"))?;
    }
    let table = it.ok("admin cluster list", "")?;
    that(table.contains("broker-0") && !table.contains('\u{1b}'), || {
        format!("a plain table in a pipe, not {table}")
    })
}

pub(super) fn admin_topic(it: &Shop<'_>) -> Result<(), Trouble> {
    let masters = it.cluster.masters().len();
    let rows = it.json("admin topic create CliAdmin --queues 3")?;
    that(rows.len() == masters, || format!("created on {masters} brokers, not {rows:?}"))?;
    let list = it.ok("admin topic list", "")?;
    that(list.contains("CliAdmin"), || format!("CliAdmin in the list, not {}", tail(&list, 300)))?;
    let routed = it.json("admin topic route CliAdmin")?;
    that(routed.len() == masters, || format!("a route with {masters} brokers, not {routed:?}"))?;
    it.ok("produce CliAdmin", "one\ntwo\n")?;
    let status = it.json("admin topic status CliAdmin")?;
    that(status.len() == 3 * masters, || format!("{} queues, not {status:?}", 3 * masters))?;
    it.ok("admin topic delete CliAdmin", "")?;
    let gone = it.finish("admin topic route CliAdmin", "")?;
    expect(gone.code() == 1, "exit code 1 for a topic that is gone", "admin topic route", &gone)
}

pub(super) fn admin_config(it: &Shop<'_>) -> Result<(), Trouble> {
    let rows = it.json("admin broker config --key brokerClusterName")?;
    let found = rows.iter().any(|row| row["key"] == "brokerClusterName" && row["value"] == CLUSTER);
    that(found, || format!("brokerClusterName {CLUSTER}, not {rows:?}"))
}
