//! [`OpenStore`]: the shard's store from its opening to its close, which consumes it.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::time::Duration;

use rt::{Class, Env};
use store::Store;

/// A store that is open until [`OpenStore::close`].
pub(crate) struct OpenStore<E: Env> {
    store: Option<Store<E>>,
    closed: Rc<Cell<bool>>,
}

/// A stop takes no longer: the death of the process loses nothing, a stop that hangs is killed by whoever waits for it.
const CLOSE_PATIENCE: Duration = Duration::from_secs(20);

const OPEN: &str = "the store is used only before the shard closes it";

impl<E: Env> OpenStore<E> {
    pub(crate) fn new(store: Store<E>) -> Self {
        Self { store: Some(store), closed: Rc::default() }
    }

    /// Flushes and closes in the background; nothing may use the store from now on.
    pub(crate) fn close(&mut self, env: &E, shard: u16) {
        let store = self.store.take().expect(OPEN);
        let closed = self.closed.clone();
        let waker = env.clone();
        let (late, sleeper) = (self.closed.clone(), env.clone());
        env.spawn(Class::Pump, async move {
            sleeper.sleep(CLOSE_PATIENCE).await;
            if !late.replace(true) {
                tracing::error!(shard, "the store did not close in time; the next start recovers it");
                sleeper.kick();
            }
        });
        env.spawn(Class::Pump, async move {
            if let Err(error) = store.close().await {
                tracing::error!(shard, %error, "the store did not close cleanly; the next start recovers it");
            }
            closed.set(true);
            waker.kick();
        });
    }

    /// Whether the close is done.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }
}

impl<E: Env> Deref for OpenStore<E> {
    type Target = Store<E>;

    fn deref(&self) -> &Store<E> {
        self.store.as_ref().expect(OPEN)
    }
}

impl<E: Env> DerefMut for OpenStore<E> {
    fn deref_mut(&mut self) -> &mut Store<E> {
        self.store.as_mut().expect(OPEN)
    }
}
