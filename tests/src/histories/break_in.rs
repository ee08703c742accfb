//! Calls that nobody's code would make: other forms of a signature, damaged calldata, money for who takes none.

use super::Maker;
use crate::model::Transaction;
use alloy_primitives::{U256, uint};

/// The order of the group of secp256k1.
const ORDER: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

impl Maker {
    /// Changes a call one time in six.
    pub(super) fn break_in(&mut self, call: &mut Transaction) {
        let mut data = call.data.to_vec();
        match self.random.below(60) {
            0 | 1 => self.in_signature(&mut data, |v, _, s| {
                // The twin with a high s, which `ecrecover` takes.
                let high = ORDER - U256::from_be_slice(s);
                s.copy_from_slice(&high.to_be_bytes::<32>());
                v[31] = 55 - v[31];
            }),
            2 => {
                let other = self.random.one_of([0, 1, 26, 29, 255]);
                self.in_signature(&mut data, |v, _, _| v[31] = other);
            }
            3 => self.in_signature(&mut data, |_, r, _| r.fill(0)),
            4 => self.in_signature(&mut data, |_, _, s| s.copy_from_slice(&ORDER.to_be_bytes::<32>())),
            5 => data.truncate(self.random.index(data.len() + 1)),
            6 => data.extend_from_slice(self.random.word().as_slice()),
            7 | 8 if !data.is_empty() => {
                let bit = self.random.below(8);
                *self.random.pick(&mut data) ^= 1 << bit;
            }
            9 => call.value = 1,
            _ => {}
        }
        call.data = data.into();
    }

    /// Changes v, r and s of one of the signatures in the calldata, if there are any.
    fn in_signature(&mut self, data: &mut [u8], change: impl Fn(&mut [u8], &mut [u8], &mut [u8])) {
        let Some(words) = data.len().checked_sub(4).map(|length| length / 32) else { return };
        // A word that is 27 or 28, and after it one that is large: nothing but a signature looks like that.
        let is_signature = |&word: &usize| {
            let at = 4 + word * 32;
            let v = &data[at..at + 32];
            v[..31].iter().all(|&byte| byte == 0) && matches!(v[31], 27 | 28) && data[at + 32..at + 40] != [0; 8]
        };
        let places: Vec<usize> = (0..words.saturating_sub(2)).filter(is_signature).collect();
        if places.is_empty() {
            return;
        }
        let at = 4 + places[self.random.index(places.len())] * 32;
        let (v, rest) = data[at..at + 96].split_at_mut(32);
        let (r, s) = rest.split_at_mut(32);
        change(v, r, s);
    }
}
