//! The ABI types of the adjudicator, private to the room, and the one way to write and read them.
//!
//! Numbers that are `uint48` in Solidity are `uint64` here: both occupy one word, so the bytes are the same, and a value
//! out of range reaches the checks of this room instead of being cut. Selectors and topics are therefore constants,
//! taken from the signatures that the contracts declare, and not derived from these types.

//!
//! The ABI puts values one after the other into a zone: static ones in words, dynamic ones as the offset of their content
//! further on in the zone. The content of arrays and dynamic structs is a zone of its own.

use super::DecodeError;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};

/// The most bytes that a decoder of this room takes from a peer or a node, 64 KiB; events have
/// [`MAX_EVENT_BYTES`].
///
/// An outcome of two parties takes less than 1 KiB.
pub const MAX_BYTES: usize = 64 * 1024;

/// The most bytes of data that [`AdjudicatorEvent::decode`](super::AdjudicatorEvent::decode) takes, 1 MiB.
///
/// It is wider than [`MAX_BYTES`] because the other party chooses what it sends to the chain, and an event that cannot
/// be read is one that cannot be answered. Hashing and logging this much takes more gas than one transaction may use
/// (EIP-7825).
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// The bytes of a word.
const WORD: usize = 32;

/// What most values take: a vector that begins with it is seldom moved while it grows.
const USUAL_BYTES: usize = 1_024;

/// A value in a zone.
pub(super) trait Abi: Sized {
    /// How many words it takes in the head of the zone.
    const WORDS: usize = 1;
    /// Whether these are the offset of its content.
    const IS_DYNAMIC: bool = false;
    /// How many bytes it takes in memory, or more: the same on every platform.
    const MEMORY: usize = WORD;

    fn write(&self, to: &mut Writer<'_>);

    /// Reads a value as leniently as the contracts do. If the reader fails, it is any.
    fn read(from: &mut Reader<'_, '_>) -> Self;
}

/// Values that make a zone: a struct, or the arguments of a call.
pub(super) trait Members: Sized {
    /// How many words its head has.
    const HEAD_WORDS: usize;
    /// Whether any of them is dynamic.
    const HAS_DYNAMIC: bool;

    fn write_members(&self, to: &mut Writer<'_>);

    fn read_members(from: &mut Reader<'_, '_>) -> Self;
}

/// Writes the head of a zone, and its tails behind.
pub(super) struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
    /// Where the next word of the head belongs.
    next: usize,
}

impl<'a> Writer<'a> {
    #[inline(never)]
    fn new(bytes: &'a mut Vec<u8>, words: usize) -> Self {
        let start = bytes.len();
        bytes.resize(start.saturating_add(words.saturating_mul(WORD)), 0);
        Self { bytes, start, next: start }
    }

    /// A word, padded on the left.
    #[inline(never)]
    fn word(&mut self, value: &[u8]) {
        let end = self.next.saturating_add(WORD);
        if let Some(place) = self.bytes.get_mut(end.saturating_sub(value.len())..end) {
            place.copy_from_slice(value);
        }
        self.next = end;
    }

    /// The offset of what is written next.
    #[inline(never)]
    fn offset(&mut self) {
        let offset = self.bytes.len().saturating_sub(self.start);
        self.word(&offset.to_be_bytes());
    }

    /// The offset of a content that begins with its length, and the zone behind that.
    #[inline(never)]
    fn content(&mut self, length: usize, words: usize) -> Writer<'_> {
        self.offset();
        Writer::new(self.bytes, 1).word(&length.to_be_bytes());
        Writer::new(self.bytes, words)
    }
}

/// Reads the words of a zone. Once something is wrong, nothing more can be read, and what is read means nothing.
pub(super) struct Reader<'b, 's> {
    zone: &'b [u8],
    next: usize,
    state: &'s mut State,
}

/// What the readers of all zones share.
struct State {
    failed: bool,
    /// How many bytes may still be read into memory: zones of strangers can overlap.
    budget: usize,
}

impl<'b> Reader<'b, '_> {
    #[inline(never)]
    fn word(&mut self) -> [u8; WORD] {
        let word = self.zone.get(self.next..).and_then(|rest| rest.first_chunk());
        self.next = self.next.saturating_add(WORD);
        self.state.failed |= word.is_none();
        word.copied().unwrap_or_default()
    }

    /// An offset or a length.
    #[inline(never)]
    fn number(&mut self) -> usize {
        let number = usize::try_from(U256::from_be_bytes(self.word()));
        self.state.failed |= number.is_err();
        number.unwrap_or(0)
    }

    /// The zone that begins `offset` bytes after the beginning of this one.
    #[inline(never)]
    fn zone(&mut self, offset: usize) -> Reader<'b, '_> {
        let zone = self.zone.get(offset..);
        self.state.failed |= zone.is_none();
        Reader { zone: zone.unwrap_or_default(), next: 0, state: self.state }
    }

    /// The zone whose offset is in the next word.
    fn content(&mut self) -> Reader<'b, '_> {
        let offset = self.number();
        self.zone(offset)
    }

    /// Whether so many bytes may be read into memory, and nothing is wrong.
    #[inline(never)]
    fn spend(&mut self, bytes: usize) -> bool {
        let budget = self.state.budget.checked_sub(bytes);
        self.state.failed |= budget.is_none();
        self.state.budget = budget.unwrap_or(0);
        !self.state.failed
    }
}

macro_rules! words {
    ($($type:ty, $to:expr, $from:expr;)+) => {$(
        impl Abi for $type {
            fn write(&self, to: &mut Writer<'_>) {
                to.word(&$to(*self));
            }

            fn read(from: &mut Reader<'_, '_>) -> Self {
                $from(from.word())
            }
        }
    )+};
}

words! {
    B256, |value: Self| value.0, Self::new;
    U256, |value: Self| value.to_be_bytes::<WORD>(), Self::from_be_bytes;
    Address, Self::into_array, |word| Self::from_word(B256::new(word));
    bool, |value| [u8::from(value)], |word| word != [0; WORD];
    u8, Self::to_be_bytes, |[.., last]: [u8; WORD]| last;
    u64, Self::to_be_bytes, |[.., a, b, c, d, e, f, g, h]: [u8; WORD]| Self::from_be_bytes([a, b, c, d, e, f, g, h]);
}

impl Abi for Bytes {
    const IS_DYNAMIC: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        let words = self.len().div_ceil(WORD);
        let content = to.content(self.len(), words);
        if let Some(place) = content.bytes.get_mut(content.start..content.start.saturating_add(self.len())) {
            place.copy_from_slice(self);
        }
    }

    fn read(from: &mut Reader<'_, '_>) -> Self {
        let mut content = from.content();
        let length = content.number();
        let bytes = content.zone.get(WORD..).and_then(|rest| rest.get(..length));
        content.state.failed |= bytes.is_none();
        if content.spend(length) { Self::copy_from_slice(bytes.unwrap_or_default()) } else { Self::new() }
    }
}

impl<T: Abi> Abi for Vec<T> {
    const IS_DYNAMIC: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        let mut content = to.content(self.len(), self.len().saturating_mul(T::WORDS));
        self.iter().for_each(|item| item.write(&mut content));
    }

    fn read(from: &mut Reader<'_, '_>) -> Self {
        let mut content = from.content();
        let length = content.number();
        let mut content = content.zone(WORD);
        let mut items = Self::new();
        while items.len() < length && content.spend(T::MEMORY) {
            items.push(T::read(&mut content));
        }
        items
    }
}

macro_rules! members {
    ([$($generic:ident)*] $type:ty { $($name:ident $member:tt: $of:ty),+ } $made:expr) => {
        impl<$($generic: Abi),*> Members for $type {
            const HEAD_WORDS: usize = 0 $(+ <$of as Abi>::WORDS)+;
            const HAS_DYNAMIC: bool = false $(|| <$of as Abi>::IS_DYNAMIC)+;

            fn write_members(&self, to: &mut Writer<'_>) {
                $(self.$member.write(to);)+
            }

            fn read_members(from: &mut Reader<'_, '_>) -> Self {
                $(let $name = Abi::read(from);)+
                $made
            }
        }
    };
}

members!([A] (A,) { a 0: A } (a,));
members!([A B] (A, B) { a 0: A, b 1: B } (a, b));
members!([A B C] (A, B, C) { a 0: A, b 1: B, c 2: C } (a, b, c));
members!([A B C D] (A, B, C, D) { a 0: A, b 1: B, c 2: C, d 3: D } (a, b, c, d));
members!([A B C D E] (A, B, C, D, E) { a 0: A, b 1: B, c 2: C, d 3: D, e 4: E } (a, b, c, d, e));

macro_rules! structs {
    ($(struct $name:ident { $($member:ident: $of:ty,)+ })+) => {$(
        pub(super) struct $name {
            $(pub(super) $member: $of,)+
        }

        members!([] $name { $($member $member: $of),+ } Self { $($member),+ });

        impl Abi for $name {
            const WORDS: usize = if Self::HAS_DYNAMIC { 1 } else { Self::HEAD_WORDS };
            const IS_DYNAMIC: bool = Self::HAS_DYNAMIC;
            const MEMORY: usize = (Self::HEAD_WORDS + 1) * WORD;

            fn write(&self, to: &mut Writer<'_>) {
                if !Self::IS_DYNAMIC {
                    return self.write_members(to);
                }
                to.offset();
                self.write_members(&mut Writer::new(to.bytes, Self::HEAD_WORDS));
            }

            fn read(from: &mut Reader<'_, '_>) -> Self {
                if Self::IS_DYNAMIC { Self::read_members(&mut from.content()) } else { Self::read_members(from) }
            }
        }
    )+};
}

structs! {
    struct Signature {
        v: u8,
        r: B256,
        s: B256,
    }

    struct FixedPart {
        participants: Vec<Address>,
        channel_nonce: u64,
        app_definition: Address,
        challenge_duration: u64,
    }

    struct Allocation {
        destination: B256,
        amount: U256,
        allocation_type: u8,
        metadata: Bytes,
    }

    struct AssetMetadata {
        asset_type: u8,
        metadata: Bytes,
    }

    struct SingleAssetExit {
        asset: Address,
        asset_metadata: AssetMetadata,
        allocations: Vec<Allocation>,
    }

    struct VariablePart {
        outcome: Vec<SingleAssetExit>,
        app_data: Bytes,
        turn_num: u64,
        is_final: bool,
    }

    struct SignedVariablePart {
        variable_part: VariablePart,
        sigs: Vec<Signature>,
    }

    struct ReclaimArgs {
        source_channel_id: B256,
        source_state_hash: B256,
        source_outcome_bytes: Bytes,
        source_asset_index: u64,
        index_of_target_in_source: u64,
        target_state_hash: B256,
        target_outcome_bytes: Bytes,
        target_asset_index: u64,
    }

    struct VoucherAmountAndSignature {
        amount: U256,
        signature: Signature,
    }
}

/// What `abi.encode(a, b, ...)` gives for the members.
pub(super) fn encode<T: Members>(members: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    members.write_members(&mut Writer::new(&mut bytes, T::HEAD_WORDS));
    bytes
}

/// Decodes what `abi.encode(value)` gave, and nothing else.
pub(super) fn decode<T: Abi>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    decode_params(bytes, limit).map(|(value,)| value)
}

/// Decodes what `abi.encode(a, b, ...)` gave for the members of the tuple `T`, and nothing else: no other offsets, padding
/// or bytes behind. What that gives takes less than twice its bytes in memory.
pub(super) fn decode_params<T: Members>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    let members: T = read(bytes, limit, bytes.len().saturating_mul(2))?;
    match bytes.strip_prefix(&*encode(&members)) {
        Some([]) => Ok(members),
        Some(_) => Err(DecodeError::Trailing),
        None => Err(DecodeError::Malformed),
    }
}

/// Decodes the arguments of a call that somebody else encoded, as leniently as the contracts do. What is allocated stays
/// bounded.
pub(super) fn decode_call<T: Members>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    read(bytes, limit, limit.saturating_mul(8))
}

fn read<T: Members>(bytes: &[u8], limit: usize, budget: usize) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge { length: bytes.len(), limit });
    }
    let mut state = State { failed: false, budget };
    let members = T::read_members(&mut Reader { zone: bytes, next: 0, state: &mut state });
    if state.failed { Err(DecodeError::Malformed) } else { Ok(members) }
}
