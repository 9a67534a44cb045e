//! The messages of one client that wait for their turn: first come, first served, and not too many (docs/decisions.md, S10).

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Most messages that wait while a turn runs.
pub(super) const MOST_WAITING: usize = 16;

/// What waits. Whoever reads from the client puts it in, whoever serves takes it out.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    state: Mutex<State<T>>,
    arrived: Notify,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    /// One was taken out and is being served.
    serving: bool,
}

impl<T> Inbox<T> {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { waiting: VecDeque::new(), serving: false }), arrived: Notify::new() }
    }

    /// Puts one at the end; gives it back when too many wait. While nothing is served, the first of them does not wait.
    pub(super) fn put(&self, item: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.waiting.len() >= MOST_WAITING + usize::from(!state.serving) {
            return Err(item);
        }
        state.waiting.push_back(item);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next one; what was taken before has been served. May be dropped while it waits.
    pub(super) async fn next(&self) -> T {
        loop {
            if let Some(item) = self.take() {
                return item;
            }
            self.arrived.notified().await;
        }
    }

    fn take(&self) -> Option<T> {
        let mut state = self.state.lock();
        let item = state.waiting.pop_front();
        state.serving = item.is_some();
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_is_served_first_and_sixteen_wait_meanwhile() {
        let inbox = Inbox::new();
        // One that is about to be served, and sixteen behind it.
        for n in 0..17 {
            inbox.put(n).unwrap();
        }
        assert_eq!(inbox.put(17), Err(17));
        assert_eq!(inbox.next().await, 0);
        assert_eq!(inbox.put(18), Err(18), "sixteen wait");
        assert_eq!(inbox.next().await, 1);
        inbox.put(19).unwrap();
        assert_eq!(inbox.put(20), Err(20));
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_what_comes_and_may_give_up() {
        let inbox = Inbox::new();
        {
            let mut gone = std::pin::pin!(inbox.next());
            assert!(futures_util::poll!(&mut gone).is_pending());
            inbox.put(1).unwrap();
        }
        assert_eq!(inbox.next().await, 1);
        let mut next = std::pin::pin!(inbox.next());
        assert!(futures_util::poll!(&mut next).is_pending());
        inbox.put(2).unwrap();
        assert_eq!(next.await, 2);
    }
}
