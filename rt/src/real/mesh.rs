//! Messages from other threads into a shard: a bounded channel whose sends ring the shard's doorbell.
//!
//! A reactor looks at its [`Receiver`] in `end_of_turn`, which runs after every ring of the doorbell. What crosses is
//! moved. Not on the path of a message: shards do not talk to each other for clients.

use std::sync::mpsc;

use super::Doorbell;

/// A channel into the shard of `doorbell`, for at most `capacity` messages.
///
/// # Panics
/// If `capacity` is 0: the shard would have to wait for its sender.
#[must_use]
pub fn channel<T: Send>(doorbell: Doorbell, capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0);
    let (sender, receiver) = mpsc::sync_channel(capacity);
    (Sender { sender, doorbell }, Receiver { receiver })
}

/// The end of the other threads.
#[derive(Debug)]
pub struct Sender<T> {
    sender: mpsc::SyncSender<T>,
    doorbell: Doorbell,
}

/// The end of the shard.
#[derive(Debug)]
pub struct Receiver<T> {
    receiver: mpsc::Receiver<T>,
}

/// A message that was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum NotSent<T> {
    /// The channel holds as many messages as it may.
    Full(T),
    /// The shard is gone.
    Closed(T),
}

impl<T: Send> Sender<T> {
    /// Leaves a message and wakes the shard. Never blocks, so shards may use it among themselves.
    ///
    /// # Errors
    /// Gives the message back when the channel is full or the receiver gone.
    pub fn try_send(&self, message: T) -> Result<(), NotSent<T>> {
        self.sender.try_send(message).map_err(|error| match error {
            mpsc::TrySendError::Full(message) => NotSent::Full(message),
            mpsc::TrySendError::Disconnected(message) => NotSent::Closed(message),
        })?;
        self.doorbell.ring();
        Ok(())
    }

    /// Leaves a message, wakes the shard, and waits for room before that if there is none. For threads that are no
    /// shard: shards that waited for each other would wait for ever.
    ///
    /// # Errors
    /// Gives the message back when the receiver is gone.
    pub fn send(&self, message: T) -> Result<(), NotSent<T>> {
        self.sender.send(message).map_err(|mpsc::SendError(message)| NotSent::Closed(message))?;
        self.doorbell.ring();
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), doorbell: self.doorbell.clone() }
    }
}

impl<T> Receiver<T> {
    /// The next message, if there is one.
    pub fn try_recv(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_channel_gives_the_message_back() {
        let (sender, receiver) = channel(Doorbell::new().unwrap(), 2);
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(sender.try_send(2), Ok(()));
        assert_eq!(sender.try_send(3), Err(NotSent::Full(3)));
        assert_eq!(receiver.try_recv(), Some(1));
        assert_eq!(sender.try_send(3), Ok(()));
        drop(receiver);
        assert_eq!(sender.try_send(4), Err(NotSent::Closed(4)));
    }

    #[test]
    fn who_may_wait_for_room_is_heard_behind_a_full_channel() {
        let (sender, receiver) = channel(Doorbell::new().unwrap(), 1);
        sender.try_send(1).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| sender.send(2));
            let mut seen = Vec::new();
            while seen.len() < 2 {
                seen.extend(receiver.try_recv());
                std::thread::yield_now();
            }
            assert_eq!((waiting.join().unwrap(), seen), (Ok(()), vec![1, 2]));
            sender.try_send(3).unwrap();
            let waiting = scope.spawn(|| sender.send(4));
            drop(receiver);
            assert_eq!(waiting.join().unwrap(), Err(NotSent::Closed(4)));
        });
    }
}
