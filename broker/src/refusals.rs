//! The one place where a failure inside becomes a number on the wire, with words that say what to do.

use net::ResponseCode;
use store::{Refusal, StoreError};

use crate::call::Refused;
use crate::identity::Identity;

/// Why an append did not happen.
pub(crate) fn of_append(error: &StoreError, identity: &Identity) -> Refused {
    match error {
        StoreError::Refused(refusal) => of_refusal(refusal, identity),
        StoreError::RecordTooLarge { .. }
        | StoreError::BatchTooLarge { .. }
        | StoreError::PropertiesTooLarge { .. }
        | StoreError::TopicLength { .. } => Refused::new(ResponseCode::MESSAGE_ILLEGAL, error.to_string()),
        StoreError::Corrupt { .. }
        | StoreError::Io { .. }
        | StoreError::Unusable { .. }
        | StoreError::Window { .. }
        | StoreError::Config(_)
        | StoreError::Queues(_)
        | StoreError::Index(_)
        | StoreError::Tables(_)
        | StoreError::NoQueue => Refused::system(format!("{}: {error}", identity.name)),
    }
}

/// The store takes nothing now: 14 when it will not by itself, 2 when trying again soon is right.
pub(crate) fn of_refusal(refusal: &Refusal, identity: &Identity) -> Refused {
    match refusal {
        Refusal::Failed { .. } | Refusal::DiskFull { .. } | Refusal::Closing => {
            Refused::new(ResponseCode::SERVICE_NOT_AVAILABLE, format!("{}: {refusal}", identity.name))
        }
        Refusal::WindowFull { .. } | Refusal::SegmentNotReady => {
            // Clients know the prefix (behaviour.md 5.1).
            let remark = format!("[REJECTREQUEST]system busy, {}: {refusal}", identity.name);
            Refused::new(ResponseCode::SYSTEM_BUSY, remark)
        }
    }
}

/// Why a read failed.
pub(crate) fn of_read(error: &StoreError, identity: &Identity) -> Refused {
    Refused::system(format!("{}: {error}", identity.name))
}

/// MESSAGE_ILLEGAL (13) for a property block that no record can hold.
pub(crate) fn properties_too_large(bytes: usize) -> Refused {
    let remark = format!(
        "the properties take {bytes} bytes, a message can hold 32767; shorten keys or user properties"
    );
    Refused::new(ResponseCode::MESSAGE_ILLEGAL, remark)
}

/// The shard is stopping: clients above version 475 reconnect and send again elsewhere on 1500, older ones on 16.
pub(crate) fn going_away(client_version: i32) -> Refused {
    const KNOWS_GO_AWAY: i32 = 475;
    if client_version > KNOWS_GO_AWAY {
        Refused::new(ResponseCode::GO_AWAY, "please go away")
    } else {
        Refused::new(ResponseCode::NO_PERMISSION, "the broker is shutting down, send to another one")
    }
}
