//! What has passed a proxy.

use super::Way;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

#[derive(Debug, Default)]
pub(super) struct Counts {
    accepted: AtomicU64,
    carried: AtomicU64,
    to_server: AtomicU64,
    to_client: AtomicU64,
}

/// Counts a connection for as long as it lives.
pub(super) struct Carried(Arc<super::Shared>);

impl Counts {
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(SeqCst)
    }

    pub(super) fn carried(&self) -> u64 {
        self.carried.load(SeqCst)
    }

    pub(super) fn bytes(&self, way: Way) -> u64 {
        match way {
            Way::ToServer => self.to_server.load(SeqCst),
            Way::ToClient => self.to_client.load(SeqCst),
            Way::Both => self.bytes(Way::ToServer) + self.bytes(Way::ToClient),
        }
    }

    pub(super) fn passed(&self, way: Way, bytes: usize) {
        let counter = match way {
            Way::ToServer => &self.to_server,
            Way::ToClient => &self.to_client,
            Way::Both => unreachable!("a pipe has one direction"),
        };
        counter.fetch_add(bytes as u64, SeqCst);
    }
}

impl Carried {
    pub(super) fn new(shared: Arc<super::Shared>) -> Self {
        // In this order: whoever sees it accepted may wait until it is no longer carried.
        shared.counts.carried.fetch_add(1, SeqCst);
        shared.counts.accepted.fetch_add(1, SeqCst);
        Self(shared)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.0.counts.carried.fetch_sub(1, SeqCst);
    }
}
