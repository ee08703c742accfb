//! Signatures from outside, and sealed messages.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::crypto::{SignError, Signature};
use crate::protocol::{self, Event, Purpose};
use crate::wallet::error::Error;
use crate::wallet::key::{Key, Wanted};
use crate::wallet::machine::Wallet;
use crate::wallet::output::Output;
use crate::wire::{Draft, Message};
use crate::{Address, B256};

/// A signature that an outside signer was asked for.
pub(super) struct Asked {
    pub(super) channel_id: B256,
    /// The message that waits for it, if it is for one.
    draft: Option<(Address, Draft)>,
}

impl Wallet {
    /// Asks for signatures that were not asked for yet.
    pub(super) fn ask(&mut self, channel_id: B256, wanted: &[Wanted], outputs: &mut Vec<Output>) {
        for &Wanted { digest, purpose, .. } in wanted.iter().filter(|wanted| wanted.channel_id == channel_id) {
            if self.asked.insert(digest, Box::new(Asked { channel_id, draft: None })).is_none() {
                outputs.push(Output::Sign { channel_id, digest, purpose });
            }
        }
    }

    /// The message on its way to a peer, or the request to sign it.
    pub(super) fn seal(
        &mut self,
        peer: Address,
        channel_id: B256,
        sequence: u64,
        message: Message,
    ) -> Result<Option<Output>, SignError> {
        let draft = Draft::new(self.key.address(), peer, channel_id, sequence, message);
        let digest = draft.digest();
        if let Key::Local(signer) = &self.key {
            let signature = signer.sign_digest(&digest)?;
            return Ok(Some(Output::Send { peer, channel_id, bytes: draft.seal(signature) }));
        }
        let asked = Box::new(Asked { channel_id, draft: Some((peer, draft)) });
        let first = self.asked.insert(digest, asked).is_none();
        Ok(first.then_some(Output::Sign { channel_id, digest, purpose: Purpose::Message }))
    }

    /// A signature came from outside.
    pub(super) fn signed(&mut self, digest: B256, signature: &[u8], now: u64) -> Result<(), Error> {
        let signature = Signature::from_bytes(signature)?;
        signature.verify(&digest, self.key.address())?;
        let asked = self.asked.get(&digest).ok_or(Error::UnknownSignature { digest })?;
        let channel_id = asked.channel_id;
        if let Some((peer, draft)) = &asked.draft {
            let (peer, bytes) = (*peer, draft.seal(signature));
            self.outbox.follow(channel_id, alloc::vec![Output::Send { peer, channel_id, bytes }]);
            self.asked.remove(&digest);
            return Ok(());
        }
        self.find(channel_id)?;
        self.asked.remove(&digest);
        if let Some(slot) = self.set.slots.get_mut(&channel_id) {
            slot.known.push((digest, signature));
        }
        let result = self.step_with_way(channel_id, now, |context, channel, effects| {
            protocol::complete(context, channel, effects)?;
            Ok(protocol::outstanding_transactions(context, channel, effects)?)
        });
        let answered = self.asked.iter().all(|(_, asked)| asked.channel_id != channel_id);
        if let Some(slot) = self.set.slots.get_mut(&channel_id).filter(|_| answered) {
            slot.known.clear();
        }
        result
    }

    /// The owner of the key declined: what was not signed is given up, and its turn with it.
    pub(super) fn sign_refused(&mut self, digest: B256, now: u64) -> Result<(), Error> {
        let asked = self.asked.get(&digest).ok_or(Error::UnknownSignature { digest })?;
        let (channel_id, is_message) = (asked.channel_id, asked.draft.is_some());
        if !is_message {
            self.find(channel_id)?;
        }
        self.asked.remove(&digest);
        if is_message {
            return Ok(());
        }
        self.step_with_way(channel_id, now, |_, channel, effects| {
            protocol::give_up_unsigned(channel, effects);
            effects.notify(Event::SignRefused { channel_id });
            Ok(())
        })
    }

    /// Whether messages can be signed without asking anybody: a stranger cannot make the owner's signer ring.
    pub(super) fn signs_at_once(&self) -> bool {
        matches!(self.key, Key::Local(_))
    }
}
