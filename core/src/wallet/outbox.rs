//! Release after commit: what is held back, and when it may go.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::B256;
use crate::map::{Map, Set};
use crate::wallet::output::{Output, Write};

/// The outputs of the wallet: those that may go, and those that wait for a commit of their channel.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    ready: VecDeque<Output>,
    commits: Map<u64, Box<Commit>>,
    /// The commits of each channel that has any, oldest first.
    by_channel: Map<B256, VecDeque<u64>>,
    last_id: u64,
}

#[derive(Debug)]
struct Commit {
    channels: Vec<B256>,
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

    /// Whether a channel waits for a commit.
    pub(super) fn is_waiting(&self, channel_id: &B256) -> bool {
        self.by_channel.contains(channel_id)
    }

    /// Asks for writes, and holds `outputs` back until they and every earlier write of their channels are stored.
    pub(super) fn commit(&mut self, writes: Vec<Write>, outputs: Vec<Output>) {
        self.last_id = self.last_id.saturating_add(1);
        let id = self.last_id;
        let channels: Vec<B256> = writes.iter().map(|write| write.key).collect();
        for channel_id in &channels {
            match self.by_channel.get_mut(channel_id) {
                Some(ids) => ids.push_back(id),
                None => _ = self.by_channel.insert(*channel_id, VecDeque::from([id])),
            }
        }
        self.commits.insert(id, Box::new(Commit { channels, stored: false, held: outputs }));
        self.ready.push_back(Output::Commit { id, writes });
    }

    /// Lets `outputs` go after whatever their channel waits for; at once if that is nothing.
    pub(super) fn follow(&mut self, channel_id: B256, outputs: Vec<Output>) {
        let newest = self.by_channel.get(&channel_id).and_then(|ids| ids.back());
        match newest.and_then(|id| self.commits.get_mut(id)) {
            Some(commit) => commit.held.extend(outputs),
            None => self.ready.extend(outputs),
        }
    }

    /// The commit is stored. Its channels, if there is such a commit.
    pub(super) fn stored(&mut self, id: u64) -> Option<Vec<B256>> {
        let commit = self.commits.get_mut(&id)?;
        commit.stored = true;
        let channels = commit.channels.clone();
        let mut turns: VecDeque<B256> = channels.iter().copied().collect();
        while let Some(channel_id) = turns.pop_front() {
            if let Some(released) = self.release_first(&channel_id) {
                turns.extend(released);
            }
        }
        Some(channels)
    }

    /// Releases the first commit of a channel if it is stored and first with all its channels. Names those channels,
    /// which may have another one to release.
    fn release_first(&mut self, channel_id: &B256) -> Option<Vec<B256>> {
        let id = *self.by_channel.get(channel_id)?.front()?;
        let commit = self.commits.get(&id).filter(|commit| commit.stored)?;
        let is_first = |channel: &B256| self.by_channel.get(channel).and_then(|ids| ids.front()) == Some(&id);
        if !commit.channels.iter().all(is_first) {
            return None;
        }
        let Commit { channels, held, .. } = *self.commits.remove(&id)?;
        self.ready.extend(held);
        for channel_id in &channels {
            if let Some(ids) = self.by_channel.get_mut(channel_id) {
                ids.pop_front();
                if ids.is_empty() {
                    self.by_channel.remove(channel_id);
                }
            }
        }
        Some(channels)
    }

    /// The commit failed: drops everything that its channels hold back, and what stands on it. The channels, if there is
    /// such a commit.
    pub(super) fn failed(&mut self, id: u64) -> Option<Vec<B256>> {
        let mut channels: Set<B256> = self.commits.get(&id)?.channels.iter().copied().collect();
        let mut left: Vec<B256> = channels.keys().copied().collect();
        while let Some(channel_id) = left.pop() {
            for id in self.by_channel.remove(&channel_id).unwrap_or_default() {
                let with = self.commits.remove(&id).map_or_else(Vec::new, |commit| commit.channels);
                left.extend(with.into_iter().filter(|channel_id| channels.insert(*channel_id, ()).is_none()));
            }
        }
        // A later write that the host has not taken yet stands on the one that failed.
        self.ready.retain(|output| match output {
            Output::Commit { writes, .. } => writes.iter().all(|write| !channels.contains(&write.key)),
            _ => true,
        });
        Some(channels.keys().copied().collect())
    }
}
