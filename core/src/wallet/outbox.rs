//! Release after commit: what is held back, and when it may go.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::B256;
use crate::wallet::output::{Output, Write};

/// The outputs of the wallet: those that may go, and those that wait for a commit of their channel.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    ready: VecDeque<Output>,
    commits: BTreeMap<u64, Commit>,
    /// The commits of each channel that has any, oldest first.
    by_channel: BTreeMap<B256, VecDeque<u64>>,
    last_id: u64,
}

#[derive(Debug)]
struct Commit {
    channel_id: B256,
    stored: bool,
    held: Vec<Output>,
}

impl Outbox {
    /// The next output that the host may carry out.
    pub(super) fn poll(&mut self) -> Option<Output> {
        self.ready.pop_front()
    }

    /// An output that waits for nothing.
    pub(super) fn push(&mut self, output: Output) {
        self.ready.push_back(output);
    }

    /// Asks for a write, and holds `outputs` back until it and every earlier write of its channel is stored.
    pub(super) fn commit(&mut self, write: Write, outputs: Vec<Output>) {
        self.last_id = self.last_id.saturating_add(1);
        let (id, channel_id) = (self.last_id, write.key);
        self.commits.insert(id, Commit { channel_id, stored: false, held: outputs });
        self.by_channel.entry(channel_id).or_default().push_back(id);
        self.ready.push_back(Output::Commit { id, writes: alloc::vec![write] });
    }

    /// Lets `outputs` go after whatever their channel waits for; at once if that is nothing.
    pub(super) fn follow(&mut self, channel_id: B256, outputs: Vec<Output>) {
        let newest = self.by_channel.get(&channel_id).and_then(|ids| ids.back());
        match newest.and_then(|id| self.commits.get_mut(id)) {
            Some(commit) => commit.held.extend(outputs),
            None => self.ready.extend(outputs),
        }
    }

    /// The commit is stored. `false` if there is no such commit.
    pub(super) fn stored(&mut self, id: u64) -> bool {
        let Some(commit) = self.commits.get_mut(&id) else {
            return false;
        };
        commit.stored = true;
        let channel_id = commit.channel_id;
        while let Some(&first) = self.by_channel.get(&channel_id).and_then(|ids| ids.front()) {
            if !self.commits.get(&first).is_some_and(|commit| commit.stored) {
                return true;
            }
            if let Some(commit) = self.commits.remove(&first) {
                self.ready.extend(commit.held);
            }
            if let Some(ids) = self.by_channel.get_mut(&channel_id) {
                ids.pop_front();
            }
        }
        self.by_channel.remove(&channel_id);
        true
    }

    /// The commit failed: drops everything that its channel holds back. The channel, if there is such a commit.
    pub(super) fn failed(&mut self, id: u64) -> Option<B256> {
        let channel_id = self.commits.get(&id)?.channel_id;
        for id in self.by_channel.remove(&channel_id).unwrap_or_default() {
            self.commits.remove(&id);
        }
        // A later write that the host has not taken yet stands on the one that failed.
        self.ready.retain(|output| match output {
            Output::Commit { writes, .. } => writes.iter().all(|write| write.key != channel_id),
            _ => true,
        });
        Some(channel_id)
    }
}
