//! Stopping: first in good order, then at once.

use tokio::sync::watch;

/// How urgently to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Not at all.
    Calm,
    /// Begin nothing new, end what was begun.
    Drain,
    /// Stop at once.
    Abort,
}

/// Says when to stop.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<Urgency>);

/// Asks to stop.
#[derive(Debug, Clone)]
pub struct InterruptHandle(watch::Sender<Urgency>);

impl Interrupt {
    /// A pair of which one end asks and the other stops.
    pub fn new() -> (InterruptHandle, Self) {
        let (handle, interrupt) = watch::channel(Urgency::Calm);
        (InterruptHandle(handle), Self(interrupt))
    }

    /// One that never stops anything.
    pub fn never() -> Self {
        Self::new().1
    }

    /// How urgently to stop now.
    pub fn urgency(&self) -> Urgency {
        *self.0.borrow()
    }

    /// Waits until it is more urgent than that. Never returns if nobody can ask any more.
    pub async fn changed_from(&self, urgency: Urgency) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|now| *now > urgency).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl InterruptHandle {
    /// Asks once more: first to drain, then to abort. Returns what is asked for now.
    pub fn press(&self) -> Urgency {
        self.0.send_modify(|now| *now = if *now == Urgency::Calm { Urgency::Drain } else { Urgency::Abort });
        *self.0.borrow()
    }

    /// Asks to drain, if nothing was asked yet.
    pub fn drain(&self) {
        self.raise(Urgency::Drain);
    }

    /// Asks for at least that.
    pub fn raise(&self, urgency: Urgency) {
        self.0.send_modify(|now| *now = (*now).max(urgency));
    }
}
