//! [`Worker`]: a background task that is made once and works whenever it is rung, so that a turn starts background
//! work without making a task.

use std::future::Future;
use std::rc::Rc;

use rt::{Class, Env};

use crate::commitlog::signal::Signal;

/// Lives inside of what it works on: the task holds that only while it works, and ends after it is gone.
pub(crate) struct Worker {
    bell: Rc<Signal>,
}

impl Worker {
    /// Makes the task; it does nothing until it is rung. `work` may find that there is nothing to do: what is rung for
    /// while it works is rung for once more.
    pub(crate) fn start<E: Env, S: 'static, W: Future<Output = ()> + 'static>(
        env: &E,
        class: Class,
        owner: &Rc<S>,
        work: impl Fn(Rc<S>) -> W + 'static,
    ) -> Self {
        let bell = Rc::new(Signal::default());
        let (heard, owner) = (bell.clone(), Rc::downgrade(owner));
        env.spawn(class, async move {
            loop {
                heard.heard().await;
                let Some(owner) = owner.upgrade() else { return };
                work(owner).await;
            }
        });
        Self { bell }
    }

    /// Lets it work soon.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.bell.ring();
    }
}
