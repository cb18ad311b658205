//! When a [`Sender`] sends, and on which connection: at the times of a schedule, or as soon as a slot is free.
//!
//! Invariant: a due time never moves. What finds no slot, or no connection, keeps its time and goes out late.

use std::cmp::Reverse;

use rt::{Env, Now};

use crate::bench::driver::Lines;
use crate::bench::recorder::{Recorder, Times};

use super::Sender;

impl Sender {
    /// The load begins at `times.start`.
    pub fn start(&mut self, times: Times) {
        self.times = times;
        for (line, plan) in self.plan.lines.iter().enumerate() {
            match &plan.schedule {
                Some(schedule) => self.due.push(Reverse((times.start + schedule.due_ns(), line))),
                None => self.ready.push(line),
            }
        }
    }

    /// Sends what is due. When to come again.
    pub fn pump<E: Env>(&mut self, lines: &mut Lines<E>, recorder: &mut Recorder) -> u64 {
        if self.stopped {
            return self.next_scan;
        }
        let now = lines.now();
        self.wall.look(now);
        if self.next_beat <= now.mono.0 {
            self.beat(lines, now.mono.0);
        }
        if now.mono.0 < self.times.start {
            return self.times.start;
        }
        self.pump_closed(lines, recorder, now);
        self.pump_open(lines, recorder, now)
    }

    /// Fills up the connections of a closed loop.
    fn pump_closed<E: Env>(&mut self, lines: &mut Lines<E>, recorder: &mut Recorder, now: Now) {
        for at in 0..self.ready.len() {
            let line = self.ready[at];
            while self.lines[line].may_send() && self.lines[line].left != Some(0) {
                self.send(line, now.mono.0, lines, recorder, now);
            }
        }
        self.ready.clear();
    }

    /// Sends what the schedules want by now. When to come again.
    fn pump_open<E: Env>(&mut self, lines: &mut Lines<E>, recorder: &mut Recorder, now: Now) -> u64 {
        while let Some(Reverse((due, line))) = self.due.peek().copied() {
            if due > now.mono.0 || due >= self.times.end {
                return due.min(self.next_scan);
            }
            self.due.pop();
            let state = &self.lines[line];
            if state.down || !self.plan.oneway && !state.may_send() {
                self.lines[line].held = true;
                continue;
            }
            self.send(line, due, lines, recorder, now);
            let schedule = self.plan.lines[line].schedule.as_mut().expect("only they are in the heap");
            schedule.advance();
            if self.lines[line].left != Some(0) {
                self.due.push(Reverse((self.times.start + schedule.due_ns(), line)));
            }
        }
        self.next_scan
    }

    /// The connection of `line` is up again: what was due meanwhile goes out, as late as it is.
    pub fn back(&mut self, line: usize, now: u64) {
        self.lines[line].down = false;
        if self.plan.acts.has_halves() {
            // A broker that restarted has not heard of the group.
            self.next_beat = 0;
        }
        self.freed(line, now);
    }

    /// No message is sent after this; those that were due and never sent are counted.
    pub fn stop(&mut self, now: u64) {
        if self.stopped {
            return;
        }
        self.stopped = true;
        let end = self.times.end.min(now);
        for (plan, state) in self.plan.lines.iter_mut().zip(&mut self.lines) {
            let Some(schedule) = &mut plan.schedule else { continue };
            while self.times.start + schedule.due_ns() < end && state.left != Some(0) {
                if self.times.start + schedule.due_ns() >= self.times.measured {
                    self.due_messages += self.batch;
                    self.unsent_messages += self.batch;
                    state.left = state.left.map(|left| left.saturating_sub(self.batch));
                }
                schedule.advance();
            }
        }
    }

    /// A slot of `line` is free: it may send on.
    pub(super) fn freed(&mut self, line: usize, now: u64) {
        let state = &mut self.lines[line];
        state.freed = now;
        if state.down {
            return;
        }
        match &self.plan.lines[line].schedule {
            Some(schedule) if state.held => {
                state.held = false;
                self.due.push(Reverse((self.times.start + schedule.due_ns(), line)));
            }
            Some(_) => {}
            // Several answers of a turn name a connection several times: the first fills it up.
            None if self.ready.last() != Some(&line) => self.ready.push(line),
            None => {}
        }
    }
}
