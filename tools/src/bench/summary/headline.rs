//! Which of a run's latencies it is about.

use crate::bench::plan::{Kind, Plan};
use crate::bench::recorder::{Interval, Latencies};

/// The latencies a run is about: response if there is one, else service.
#[must_use]
pub fn headline<'i>(plan: &Plan, interval: &'i Interval) -> &'i Latencies {
    match plan.kind {
        Kind::E2e => &interval.delivery,
        Kind::Mixed if plan.has_consumers() => &interval.delivery,
        Kind::Delay if plan.has_consumers() => &interval.lateness,
        Kind::Tx if plan.is_open() => &interval.transaction,
        Kind::Tx => &interval.transaction_service,
        Kind::Consume if plan.follow => &interval.born_to_client,
        Kind::Consume | Kind::Pop => &interval.delivery_service,
        Kind::Produce | Kind::Batch | Kind::Delay | Kind::Mixed if plan.is_open() => &interval.response,
        Kind::Produce | Kind::Batch | Kind::Delay | Kind::Mixed => &interval.service,
    }
}

/// The latencies since a request was written, whatever is the headline.
#[must_use]
pub fn service<'i>(plan: &Plan, interval: &'i Interval) -> &'i Latencies {
    match plan.kind {
        Kind::Consume if plan.follow => &interval.store_to_client,
        Kind::E2e | Kind::Consume | Kind::Pop => &interval.delivery_service,
        Kind::Mixed if plan.has_consumers() => &interval.delivery_service,
        Kind::Tx => &interval.transaction_service,
        Kind::Produce | Kind::Batch | Kind::Delay | Kind::Mixed => &interval.service,
    }
}
