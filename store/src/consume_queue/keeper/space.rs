//! Space of the queue log: segments without a page in use go, and one that has few is emptied.

use std::rc::Rc;

use rt::{BLOCK, Env};

use super::{Trouble, arm, write_full};
use crate::consume_queue::state::State;
use crate::consume_queue::{Entry, PAGE, PAGE_ENTRIES, Shared};
use crate::queue_log::files::SEGMENT_PAGES;
use crate::queue_log::page::{ENTRIES, PageHeader};

/// Segments of which no page is in use: the checkpoint now beginning will say so.
pub(super) fn dead_segments<E: Env>(shared: &Shared<E>) -> Vec<u64> {
    let state = shared.state.borrow();
    let active = state.recent.written() / SEGMENT_PAGES;
    state
        .live
        .iter()
        .filter(|(segment, live)| **segment < active && **live == 0)
        .map(|(segment, _)| *segment)
        .collect()
}

/// Copies what is left in the emptiest old segment to the end of the log, so that the segment can go.
pub(super) async fn copy_forward<E: Env>(shared: &Rc<Shared<E>>) -> Result<(), Trouble> {
    let candidate = {
        let (state, keeper) = (shared.state.borrow(), shared.keeper.borrow());
        let active = state.recent.written() / SEGMENT_PAGES;
        let sparse = |&(segment, live): &(&u64, &u32)| {
            *segment < active
                && *live > 0
                && u64::from(*live) < SEGMENT_PAGES / 4
                && !keeper.stuck.contains(segment)
        };
        state.live.iter().filter(sparse).min_by_key(|(_, live)| **live).map(|(segment, _)| *segment)
    };
    let Some(segment) = candidate else { return Ok(()) };
    let mut location = segment * SEGMENT_PAGES;
    while location < (segment + 1) * SEGMENT_PAGES {
        let permit = shared.config.reads.enter().await;
        let pages = shared.files.read(location, COPY_PAGES).await?;
        drop(permit);
        let count = pages.len() / BLOCK;
        for block in pages.chunks_exact(BLOCK) {
            move_page(&mut shared.state.borrow_mut(), location, block);
            location += 1;
        }
        if (count as u64) < COPY_PAGES {
            break;
        }
        shared.env.yield_now().await;
        write_full(shared).await?;
    }
    let left = shared.state.borrow().live.get(&segment).copied().unwrap_or(0);
    if left > 0 {
        tracing::warn!(segment, pages = left, "pages of the queue log cannot be read; their segment stays");
        shared.keeper.borrow_mut().stuck.push(segment);
    }
    arm(shared);
    Ok(())
}

/// Copies the page at `location` to the end of the log if a queue still needs it.
fn move_page(state: &mut State, location: u64, block: &[u8]) -> Option<()> {
    let header = PageHeader::verified(block, location)?;
    let handle = state.handle_of(header.queue)?;
    let queue = &state.queues[handle as usize];
    let page = header.first / PAGE;
    let index = usize::try_from(page.checked_sub(queue.first_page())?).ok()?;
    let reference = *queue.pages.get(index)?;
    if reference.location() != Some(location) {
        return None;
    }
    debug_assert_eq!(block[ENTRIES].len(), PAGE_ENTRIES * Entry::LEN);
    let to = state.recent.append_copy(block, 0);
    state.release(reference);
    *state.live.entry(to / SEGMENT_PAGES).or_default() += 1;
    state.queues[handle as usize].pages[index] = reference.moved(to);
    state.moved.push((handle, page));
    Some(())
}

const COPY_PAGES: u64 = 32;
