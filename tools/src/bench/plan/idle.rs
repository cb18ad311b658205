//! Options that would do nothing: said, not swallowed.

use crate::bench::options::Load;
use crate::failure::Failure;

use super::Kind;
use super::checks::usage;

/// Refuses what means nothing to a run of `kind`.
pub(super) fn refuse(kind: Kind, load: &Load) -> Result<(), Failure> {
    let name = kind.name();
    let reads = !matches!(kind, Kind::Produce | Kind::Batch | Kind::Tx);
    let sends = !matches!(kind, Kind::Consume | Kind::Pop);
    let given = [
        ("--consumers", load.consumers.is_some()),
        ("--pull", load.pull.is_some()),
        ("--group", load.group.is_some()),
    ];
    if let Some((option, _)) = given.into_iter().find(|(_, given)| *given && !reads) {
        return Err(usage(
            format!("{option} is for what is read, and bench {name} only sends"),
            "leave it out, or use `bench e2e`",
        ));
    }
    let given = [("--oneway", load.oneway), ("--sync", load.sync), ("--batch", load.batch.is_some())];
    if let Some((option, _)) = given.into_iter().find(|(_, given)| *given && !sends) {
        return Err(usage(
            format!("{option} is for sends, and bench {name} measures none"),
            "leave it out, or use `bench produce`",
        ));
    }
    let stores = matches!(kind, Kind::Consume | Kind::Pop) || kind == Kind::Mixed && load.scan > 0;
    if load.backlog.is_some() && (!stores || load.topic_exists) {
        let why = if stores {
            "--topic-exists reads what is there".to_owned()
        } else {
            format!("bench {name} stores none")
        };
        return Err(usage(
            format!("--backlog: {why}"),
            "leave it out, or use `bench consume`, pop, or mixed --scan, with a topic of the run's own",
        ));
    }
    Ok(())
}
