//! How a pop ends: with an answer, or with a place among those that wait.

use net::requests::PopReply;
use net::{ResponseCode, reply};
use rt::{Env, Now};

use super::serve::Popping;
use super::wish::Want;
use crate::shard::{Phase, Shard};

impl<E: Env> Shard<E> {
    /// Answers, or lets the request wait. True unless a waiter keeps waiting.
    pub(super) fn end_pop(&mut self, mut popping: Popping, now: Now) -> bool {
        let wish = popping.wish.clone();
        if popping.count == 0 && self.phase == Phase::Serving && wish.until_ms > now.unix_ms {
            if popping.parked.is_some() {
                return false;
            }
            if self.park_pop(popping.conn, popping.reply, wish, now).is_err() {
                self.answer_pop(popping, ResponseCode::POLLING_FULL);
            }
            return true;
        }
        if let Some(id) = popping.parked.take() {
            let Some((conn, _)) = self.unpark_pop(id) else { return false };
            popping.conn = conn;
        }
        let code = match (popping.count, wish.want) {
            (1.., _) => ResponseCode::SUCCESS,
            (0, Want::Peek) => ResponseCode::PULL_NOT_FOUND,
            (0, _) => ResponseCode::POLLING_TIMEOUT,
        };
        self.answer_pop(popping, code);
        true
    }

    pub(super) fn end_pop_early(&mut self, mut popping: Popping, now: Now) {
        popping.places.clear();
        self.end_pop(popping, now);
    }

    fn answer_pop(&mut self, mut popping: Popping, code: ResponseCode) {
        let counters = &mut self.statistics.counters;
        let is_found = code == ResponseCode::SUCCESS;
        if is_found {
            counters.pulls_found += 1
        } else {
            counters.pulls_missed += 1
        }
        let remark = if is_found { "FOUND" } else { "NO_MESSAGE_IN_QUEUE" };
        let wish = &popping.wish;
        let texts = &popping.texts;
        let header = match wish.want {
            Want::Peek => PopReply {
                pop_time: 0,
                invisible_time: 0,
                revive_qid: 0,
                rest_num: Some(popping.rest),
                start_offset_info: None,
                msg_offset_info: None,
                order_count_info: None,
            },
            _ => PopReply {
                pop_time: popping.pop_ms,
                invisible_time: wish.invisible_ms,
                revive_qid: popping.revive_queue,
                rest_num: Some(popping.rest),
                start_offset_info: Some(&texts.starts),
                msg_offset_info: Some(&texts.offsets),
                order_count_info: wish.order.then_some(&*texts.orders),
            },
        };
        if let Some(out) = self.connections.reply(popping.conn) {
            let slices = popping.slices.drain(..);
            reply::with_slices(out, popping.reply, code, Some(remark), &header, popping.bytes, slices);
        }
    }
}
