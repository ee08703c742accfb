//! Chain events that are not deep enough yet.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::B256;
use crate::channel::Position;
use crate::nitro::AdjudicatorEvent;

/// The newest block that the wallet heard of, and the events that wait for more blocks on top.
#[derive(Debug, Default)]
pub(super) struct ChainView {
    pub(super) head_block: u64,
    /// In seconds since 1970.
    pub(super) head_time: u64,
    waiting: BTreeMap<Position, (B256, AdjudicatorEvent)>,
}

impl ChainView {
    /// Forgets what was reported from `from_block` on: the update that follows reports it anew, or it is gone.
    pub(super) fn rewind(&mut self, from_block: u64) {
        self.waiting.split_off(&Position { block: from_block, log_index: 0 });
    }

    /// Keeps an event until it is deep enough.
    pub(super) fn wait(&mut self, position: Position, channel_id: B256, event: AdjudicatorEvent) {
        self.waiting.insert(position, (channel_id, event));
    }

    /// Takes the events that are deep enough, by channel, in the chain's order.
    ///
    /// `confirmations` says how deep that is on a channel: 1 is the block of the event. `None` drops the event.
    pub(super) fn take_confirmed(
        &mut self,
        confirmations: impl Fn(&B256) -> Option<u32>,
    ) -> BTreeMap<B256, Vec<(Position, AdjudicatorEvent)>> {
        let mut confirmed: BTreeMap<B256, Vec<_>> = BTreeMap::new();
        let head = self.head_block;
        self.waiting.retain(|position, (channel_id, event)| {
            let Some(depth) = confirmations(channel_id) else {
                return false;
            };
            let needed = position.block.saturating_add(u64::from(depth)).saturating_sub(1);
            if head < needed {
                return true;
            }
            confirmed.entry(*channel_id).or_default().push((*position, event.clone()));
            false
        });
        confirmed
    }
}
