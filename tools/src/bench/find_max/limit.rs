//! What makes a rate too much, and what to do about it.

use crate::bench::summary::Summary;

/// Why a rate is too much, if it is.
pub(super) fn too_much(summary: &Summary, p99: u64, bound_ns: u64) -> Option<String> {
    if let Some(found) = summary.verify.filter(|found| !found.is_safe()) {
        return Some(format!(
            "{} messages lost, {} damaged, {} seen though not committed",
            found.lost, found.corrupt, found.leaked
        ));
    }
    if let Some(failure) = &summary.failure {
        return Some(failure.clone());
    }
    if p99 > bound_ns {
        return Some("p99 is over the bound".to_owned());
    }
    if summary.error_count() > 0 {
        let most = summary.errors.iter().max_by_key(|failed| failed.count);
        let why = most.map_or(String::new(), |one| {
            format!(", most with code {} {}: {}", one.code, one.name, one.remark)
        });
        return Some(format!("{}{FAILED}{why}", summary.error_count()));
    }
    if let Some(broken) = summary.thresholds.iter().find(|one| one.failed) {
        return Some(format!("{} (--fail-if)", broken.condition));
    }
    let rates = &summary.rates;
    if summary.kind == "e2e" && (rates.received as f64) < rates.acknowledged as f64 * 0.99 {
        return Some("the backlog grows".to_owned());
    }
    // A late generator has not tried this rate; the host's disturbances are not the rate's.
    let ours = ["rate-missed", "generator-lag", "incomplete", "fault", "nothing-measured"];
    let reason = summary.reasons.iter().find(|reason| ours.contains(&reason.code.as_str()))?;
    let bound = if reason.code == "generator-lag" { GENERATOR_BOUND } else { "" };
    Some(format!("{bound}{}", reason.text))
}

/// What to do when the first rate was too much already.
pub(super) fn fix(why: &str) -> &'static str {
    if why.starts_with(GENERATOR_BOUND) {
        "end what else runs here, give the generator a core of its own (--cpus), or run it on another host"
    } else if why.contains(FAILED) && !why.contains("SYSTEM_BUSY") {
        "see to what the broker says; a lower --from helps against a busy one only"
    } else {
        "try a lower --from"
    }
}

const FAILED: &str = " requests failed";
const GENERATOR_BOUND: &str = "generator-bound: ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::summary;
    use crate::bench::validity::Reason;

    #[test]
    fn a_late_generator_is_not_told_to_try_a_lower_rate() {
        let mut run = summary("produce", 1.0);
        assert_eq!(too_much(&run, 1, 2), None);
        assert_eq!(too_much(&run, 3, 2).map(|why| fix(&why)), Some("try a lower --from"));
        let failed = |name: &str| crate::bench::summary::Failed {
            code: 14,
            name: name.into(),
            count: 3,
            remark: "no room".into(),
        };
        run.errors = vec![failed("SERVICE_NOT_AVAILABLE")];
        let why = too_much(&run, 1, 2).unwrap();
        assert_eq!(why, "3 requests failed, most with code 14 SERVICE_NOT_AVAILABLE: no room");
        assert!(fix(&why).starts_with("see to what the broker says"), "{}", fix(&why));
        run.errors = vec![failed("SYSTEM_BUSY")];
        assert_eq!(too_much(&run, 1, 2).map(|why| fix(&why)), Some("try a lower --from"));
        run.errors.clear();
        run.reasons = vec![Reason { code: "generator-lag".into(), text: "it was late".into() }];
        let why = too_much(&run, 1, 2).unwrap();
        assert!(why == "generator-bound: it was late" && fix(&why).contains("--cpus"), "{why}");
    }
}
