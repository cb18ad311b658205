//! [`Copies`]: large bodies that are sent from where they lie.
//!
//! Copying 32 messages of 1 KiB behind their header took a fifth of a batch generator's time. A copy of a body is made
//! once, patched in place for each request, and lent to the connection; it is patched again when the kernel has taken
//! it. A few copies circulate, so that they stay in the cache.

use rt::slice::Reused;

use super::Body;

/// Copies of the bodies of a thread, by body.
#[derive(Debug, Default)]
pub struct Copies {
    of_body: Vec<Circle>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Circle {
    all: Vec<Reused>,
    /// The one that was lent longest ago.
    next: usize,
}

impl Copies {
    /// A copy of `bodies[at]` that nobody sends at present; `None` if it is better copied into the request: a small one,
    /// or when too many are under way.
    pub(super) fn take(&mut self, bodies: &[Body], at: usize) -> Option<&mut Reused> {
        let bytes = bodies[at].bytes();
        if bytes.len() < LENT_BYTES_MIN {
            return None;
        }
        if self.of_body.len() <= at {
            self.of_body.resize_with(bodies.len(), Circle::default);
        }
        let circle = &mut self.of_body[at];
        let is_free = circle.all.get_mut(circle.next).is_some_and(|copy| copy.bytes_mut().is_some());
        if !is_free {
            if self.bytes + bytes.len() > COPIES_BYTES_MAX {
                return None;
            }
            self.bytes += bytes.len();
            // In front of the one that is under way: that one comes back first.
            circle.all.insert(circle.next, Reused::copied(bytes));
        }
        let taken = circle.next;
        circle.next = (taken + 1) % circle.all.len();
        Some(&mut circle.all[taken])
    }
}

/// Smaller bodies are copied: a piece of its own costs the kernel as much.
const LENT_BYTES_MIN: usize = 8 << 10;
/// Bytes of all copies of a thread.
const COPIES_BYTES_MAX: usize = 32 << 20;
