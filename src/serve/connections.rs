//! How many connections there are, and may be.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Each connection holds a permit while it lives.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) max: usize,
}

impl Connections {
    pub(crate) fn new(max: usize) -> Connections {
        Connections { permits: Arc::new(Semaphore::new(max)), max }
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.max.saturating_sub(self.permits.available_permits())
    }
}
