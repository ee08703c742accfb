//! What the owner lets a wallet pay: rules over sliding windows, and the log of payments that they are held against.

use alloc::vec::Vec;

use crate::cbor;
use crate::channel::RecordError;
use crate::map::{Key, Map};
use crate::{Address, B256};

/// What the payments that count for a rule have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpendScope {
    /// Nothing is added up: the rule is for each payment alone.
    Payment,
    /// They go to the same payee's key.
    Payee,
    /// They are for the same origin, which the host names.
    Origin,
    /// They are for the same content, which the host names.
    File,
    /// Nothing: all payments count.
    Total,
}

impl SpendScope {
    /// Every scope.
    pub const ALL: [Self; 5] = [Self::Payment, Self::Payee, Self::Origin, Self::File, Self::Total];

    /// The scope as a word: `"payment"`, `"payee"` ...
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Payee => "payee",
            Self::Origin => "origin",
            Self::File => "file",
            Self::Total => "total",
        }
    }
}

/// One rule. Payments of different assets are never added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpendRule {
    /// Which payments are added up.
    pub scope: SpendScope,
    /// The only asset that it is for (zero: the native one); without one, every asset, each by itself.
    pub asset: Option<Address>,
    /// The most that may be paid, in base units.
    pub limit: u128,
    /// Within how many seconds. Of no meaning for [`SpendScope::Payment`].
    pub window: u64,
    /// Whether the owner is asked above the limit. A yes is good for as much again. Otherwise the payment is refused.
    pub asks: bool,
}

/// Which rule a payment breaks, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{amount} more base units would break the owner's rule of {limit} per {}, of which {spent} are spent or reserved{}",
    .rule.scope.name(), Window(.rule)
)]
pub struct SpendRefusal {
    /// The rule.
    pub rule: SpendRule,
    /// What was to be paid, in base units.
    pub amount: u128,
    /// What counts for the rule already, what open vouchers can still pay included, in base units.
    pub spent: u128,
    /// What the rule allows, with what the owner granted above its limit, in base units.
    pub limit: u128,
}

/// The window of a rule, in words.
struct Window<'a>(&'a SpendRule);

impl core::fmt::Display for Window<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0.scope {
            SpendScope::Payment => Ok(()),
            _ => write!(f, " within {} s", self.0.window),
        }
    }
}

/// What a rule says about a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be paid, and its voucher may have so many ticks.
    Pay {
        /// At most.
        ticks: u8,
    },
    Ask(SpendRefusal),
    Refuse(SpendRefusal),
}

/// What a payment is for, each in eight bytes. Two things that share them count as one, which never allows more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tags {
    asset: u64,
    payee: u64,
    origin: u64,
    file: u64,
}

cbor::array!(Tags { asset, payee, origin, file });

impl Key for Tags {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        [self.asset, self.payee, self.origin, self.file].into_iter()
    }
}

/// Counts for every payee, origin or file: what it was for is no longer known.
const ANY: u64 = 0;

impl Tags {
    /// An `origin` of zero is the payee.
    pub(crate) fn new(asset: Address, payee: Address, origin: B256, file: B256) -> Self {
        let payee = payee.into_word();
        let origin = if origin.is_zero() { payee } else { origin };
        Self { asset: short(asset.into_word()), payee: short(payee), origin: short(origin), file: short(file) }
    }

    /// Whether what these are of counts for a payment of `other`.
    fn counts_for(&self, other: &Self, scope: SpendScope) -> bool {
        let same = |ours: u64, theirs: u64| ours == theirs || ours == ANY;
        self.asset == other.asset
            && match scope {
                SpendScope::Payment => false,
                SpendScope::Payee => same(self.payee, other.payee),
                SpendScope::Origin => same(self.origin, other.origin),
                SpendScope::File => same(self.file, other.file),
                SpendScope::Total => true,
            }
    }

    /// The same, with less known: each step forgets one thing more.
    fn blurred(self, step: u32) -> Self {
        match step {
            0 => self,
            1 => Self { file: ANY, ..self },
            2 => Self { origin: ANY, file: ANY, ..self },
            _ => Self { payee: ANY, origin: ANY, file: ANY, ..self },
        }
    }
}

/// The last eight bytes of a word, never [`ANY`].
fn short(word: B256) -> u64 {
    let mut bytes = [0u8; 8];
    bytes.iter_mut().zip(word.iter().rev()).for_each(|(byte, from)| *byte = *from);
    u64::from_le_bytes(bytes).max(1)
}

/// Payments of one kind in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// When the first one was made, in seconds since 1970.
    from: u64,
    /// When the last one was: all of them count as if made then.
    to: u64,
    tags: Tags,
    amount: u128,
    /// Whether it is not spent, but granted by the owner above a rule that asks.
    granted: bool,
}

cbor::array!(Entry { from, to, tags, amount, granted });

impl cbor::Item for Entry {}

/// What the ticks of a channel's last voucher can still pay. It counts as spent until the next voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Promise {
    channel_id: B256,
    tags: Tags,
    /// What the channel has paid in all, as far as the log has it.
    paid: u128,
    /// What the ticks after that can pay.
    left: u128,
    /// When it was made or read from the store, in seconds since 1970.
    since: u64,
}

cbor::array!(Promise { channel_id, tags, paid, left, since });

impl cbor::Item for Promise {}

/// The version that the log is written in, and the only one that is read.
const LOG_VERSION: u8 = 1;
/// The largest log that is read, in bytes; a full one has about half of it.
const MAX_LOG_BYTES: usize = 128 * 1024;
/// More entries are folded into fewer.
const MAX_ENTRIES: usize = 512;
/// How many new entries come between two looks at what can be folded.
const FOLD_EVERY: usize = 16;
/// More vouchers with open ticks count as paid in full.
const MAX_PROMISES: usize = 256;
/// An entry may stretch over this part of its age, as a power of two: a sixteenth.
const STRETCH: u32 = 4;

/// What was paid, as far back as the rules look: what each payment was for, ever more roughly the older it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpendLog {
    version: u8,
    entries: Vec<Entry>,
    promises: Vec<Promise>,
}

cbor::array!(SpendLog { version, entries, promises });

impl Default for SpendLog {
    fn default() -> Self {
        Self { version: LOG_VERSION, entries: Vec::new(), promises: Vec::new() }
    }
}

impl SpendLog {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        cbor::to_vec(self)
    }

    /// Reads a stored log at `now`: what ticks were released before, nobody here knows yet, so that promises count anew.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if it is damaged or of another version.
    pub(crate) fn from_bytes(bytes: &[u8], now: u64) -> Result<Self, RecordError> {
        if bytes.len() > MAX_LOG_BYTES {
            return Err(RecordError::TooLarge { length: bytes.len() });
        }
        let mut log: Self = cbor::from_slice(bytes).ok_or(RecordError::Malformed)?;
        let version = log.version;
        log.promises.iter_mut().for_each(|promise| promise.since = now);
        if version == LOG_VERSION { Ok(log) } else { Err(RecordError::Version { version }) }
    }

    /// Whether the open voucher of a channel can pay `amount` with a tick for the same thing.
    pub(crate) fn promises(&self, channel_id: &B256, tags: &Tags, amount: u128) -> bool {
        self.promise(channel_id).is_some_and(|promise| promise.tags == *tags && promise.left >= amount)
    }

    /// A tick was released.
    pub(crate) fn tick(&mut self, channel_id: &B256, amount: u128, now: u64) {
        let Some(promise) = self.promises.iter_mut().find(|promise| promise.channel_id == *channel_id) else { return };
        promise.left = promise.left.saturating_sub(amount);
        promise.paid = promise.paid.saturating_add(amount);
        let tags = promise.tags;
        self.add(Entry { from: now, to: now, tags, amount, granted: false });
    }

    /// The ticks of a channel's last voucher are over: those that were released, also unseen before a crash, are spent,
    /// the others are free again. `paid` is what the channel has paid in all.
    pub(crate) fn settle(&mut self, channel_id: &B256, paid: u128, now: u64) {
        let Some(at) = self.promises.iter().position(|promise| promise.channel_id == *channel_id) else { return };
        let promise = self.promises.remove(at);
        let amount = paid.saturating_sub(promise.paid).min(promise.left);
        self.add(Entry { from: now, to: now, tags: promise.tags, amount, granted: false });
    }

    /// A voucher is about to be signed: `amount` is spent, and `left` can be by its ticks. `paid` is what the channel will
    /// have paid in all with it.
    pub(crate) fn spend(&mut self, channel_id: B256, tags: Tags, amount: u128, paid: u128, left: u128, now: u64) {
        self.add(Entry { from: now, to: now, tags, amount, granted: false });
        if left == 0 {
            return;
        }
        if self.promises.len() >= MAX_PROMISES {
            let Promise { tags, left: amount, .. } = self.promises.remove(0);
            self.add(Entry { from: now, to: now, tags, amount, granted: false });
        }
        self.promises.push(Promise { channel_id, tags, paid, left, since: now });
    }

    /// The owner granted `amount` above the rules that ask.
    pub(crate) fn grant(&mut self, tags: Tags, amount: u128, now: u64) {
        self.add(Entry { from: now, to: now, tags, amount, granted: true });
    }

    /// What the rules say about paying `amount` now, with up to `ticks` more of it.
    ///
    /// A voucher's ticks get at most half of what is left under any rule, so that one channel does not keep others waiting.
    pub(crate) fn judge(&self, rules: &[SpendRule], tags: &Tags, amount: u128, ticks: u8, now: u64) -> Verdict {
        let (mut ask, mut most) = (None, ticks);
        for rule in rules.iter().filter(|rule| rule.asset.is_none_or(|asset| short(asset.into_word()) == tags.asset)) {
            let (spent, granted) = self.sums(rule, tags, now);
            let limit = rule.limit.saturating_add(if rule.asks { granted } else { 0 });
            let room = limit.saturating_sub(spent);
            if amount > room {
                let refusal = SpendRefusal { rule: *rule, amount, spent, limit };
                if !rule.asks {
                    return Verdict::Refuse(refusal);
                }
                ask = ask.or(Some(refusal));
            } else if rule.scope != SpendScope::Payment {
                let half = room.saturating_sub(amount).checked_div(amount.saturating_mul(2)).unwrap_or(0);
                most = most.min(u8::try_from(half).unwrap_or(u8::MAX));
            }
        }
        ask.map_or(Verdict::Pay { ticks: most }, Verdict::Ask)
    }

    /// What is spent or reserved, and what is granted, as far as it counts for a rule and a payment of `tags`.
    fn sums(&self, rule: &SpendRule, tags: &Tags, now: u64) -> (u128, u128) {
        let (mut spent, mut granted) = (0u128, 0u128);
        for entry in &self.entries {
            if entry.to.saturating_add(rule.window) > now && entry.tags.counts_for(tags, rule.scope) {
                let sum = if entry.granted { &mut granted } else { &mut spent };
                *sum = sum.saturating_add(entry.amount);
            }
        }
        let promises = self.promises.iter().filter(|promise| promise.tags.counts_for(tags, rule.scope));
        (promises.fold(spent, |sum, promise| sum.saturating_add(promise.left)), granted)
    }

    /// Forgets what no rule looks at any more. Ticks of a voucher that old are not released: the next payment takes another.
    pub(crate) fn forget(&mut self, rules: &[SpendRule], now: u64) {
        let longest = rules.iter().map(|rule| rule.window).max().unwrap_or(0);
        self.entries.retain(|entry| entry.to.saturating_add(longest) > now);
        self.promises.retain(|promise| promise.since.saturating_add(longest) > now);
    }

    fn promise(&self, channel_id: &B256) -> Option<&Promise> {
        self.promises.iter().find(|promise| promise.channel_id == *channel_id)
    }

    fn add(&mut self, entry: Entry) {
        if entry.amount == 0 {
            return;
        }
        let same = |last: &&mut Entry| (last.to, last.tags, last.granted) == (entry.to, entry.tags, entry.granted);
        if let Some(last) = self.entries.last_mut().filter(same) {
            last.amount = last.amount.saturating_add(entry.amount);
            return;
        }
        self.entries.push(entry);
        if self.entries.len().is_multiple_of(FOLD_EVERY) {
            self.fold(entry.to, STRETCH, 0);
        }
        for stretch in (0..=STRETCH).rev() {
            if self.entries.len() > MAX_ENTRIES {
                self.fold(entry.to, stretch, 0);
            }
        }
        for step in 1..=4 {
            if self.entries.len() > MAX_ENTRIES {
                self.fold(entry.to, 0, step);
            }
        }
    }

    /// Folds neighbours of the same tags into one entry, where that stretches over no more than a part of its age. From
    /// step 1 on, ever less is remembered of what was paid for, and what was granted is forgotten; in the last one nothing
    /// is too far apart, since a clock that was set back leaves no age.
    fn fold(&mut self, now: u64, stretch: u32, step: u32) {
        let mut kept: Vec<Entry> = Vec::with_capacity(self.entries.len());
        let mut last: Map<(Tags, bool), usize> = Map::default();
        for mut entry in core::mem::take(&mut self.entries) {
            if step > 0 && entry.granted {
                continue;
            }
            entry.tags = entry.tags.blurred(step);
            let key = (entry.tags, entry.granted);
            let before = last.get(&key).and_then(|at| kept.get_mut(*at));
            let age = now.saturating_sub(entry.to);
            match before {
                Some(before) if step > 3 || entry.to.saturating_sub(before.from) <= age >> stretch => {
                    before.to = before.to.max(entry.to);
                    before.amount = before.amount.saturating_add(entry.amount);
                }
                _ => {
                    last.insert(key, kept.len());
                    kept.push(entry);
                }
            }
        }
        self.entries = kept;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: u64 = 86_400;
    const T0: u64 = 1_800_000_000;

    fn tags(payee: u8, origin: u8, file: u8) -> Tags {
        Tags::new(Address::ZERO, Address::repeat_byte(payee), B256::repeat_byte(origin), B256::repeat_byte(file))
    }

    fn rule(scope: SpendScope, limit: u128, window: u64) -> SpendRule {
        SpendRule { scope, asset: None, limit, window, asks: false }
    }

    fn ticks(log: &SpendLog, rule: SpendRule, tags: &Tags, amount: u128, now: u64) -> Option<u8> {
        match log.judge(&[rule], tags, amount, 255, now) {
            Verdict::Pay { ticks } => Some(ticks),
            _ => None,
        }
    }

    #[test]
    fn each_rule_adds_up_what_it_is_for() {
        let mut log = SpendLog::default();
        log.spend(B256::repeat_byte(1), tags(1, 1, 1), 60, 60, 0, T0);
        for (scope, other, spent) in [
            (SpendScope::Payment, tags(1, 1, 1), 0),
            (SpendScope::Payee, tags(1, 2, 2), 60),
            (SpendScope::Payee, tags(2, 1, 1), 0),
            (SpendScope::Origin, tags(2, 1, 2), 60),
            (SpendScope::Origin, tags(1, 2, 1), 0),
            (SpendScope::File, tags(2, 2, 1), 60),
            (SpendScope::File, tags(1, 1, 2), 0),
            (SpendScope::Total, tags(2, 2, 2), 60),
        ] {
            let rule = rule(scope, 100, 60);
            assert!(ticks(&log, rule, &other, 100 - spent, T0).is_some(), "{scope:?}");
            let refusal = SpendRefusal { rule, amount: 101 - spent, spent, limit: 100 };
            assert_eq!(log.judge(&[rule], &other, 101 - spent, 0, T0), Verdict::Refuse(refusal));
            // A minute later the window is empty.
            assert_eq!(ticks(&log, rule, &other, 100, T0 + 59).is_some(), spent == 0);
            assert!(ticks(&log, rule, &other, 100, T0 + 60).is_some());
        }
        // Another asset is another matter.
        let token = Tags { asset: 7, ..tags(1, 1, 1) };
        assert!(ticks(&log, rule(SpendScope::Total, 60, 60), &token, 60, T0).is_some());
        let only = SpendRule { asset: Some(Address::repeat_byte(9)), ..rule(SpendScope::Total, 0, 60) };
        assert!(ticks(&log, only, &tags(1, 1, 1), 60, T0).is_some());
    }

    #[test]
    fn a_voucher_reserves_at_most_half_and_gives_back_what_it_did_not_use() {
        let (mut log, total, it) = (SpendLog::default(), rule(SpendScope::Total, 100, DAY), tags(1, 1, 1));
        let id = B256::repeat_byte(1);
        assert_eq!(ticks(&log, total, &it, 1, T0), Some(49));
        log.spend(id, it, 1, 1, 49, T0);
        assert_eq!(ticks(&log, total, &it, 51, T0), None);
        assert!(log.promises(&id, &it, 49) && !log.promises(&id, &it, 50) && !log.promises(&id, &tags(1, 2, 1), 1));
        log.tick(&id, 9, T0 + 1);
        assert_eq!(ticks(&log, total, &it, 51, T0), None);
        log.settle(&id, 10, T0 + 2);
        assert_eq!(log.sums(&total, &it, T0 + 2), (10, 0));
        // What was released before a crash is known by what the channel has paid.
        log.spend(id, it, 1, 11, 40, T0);
        let mut again = SpendLog::from_bytes(&log.to_bytes(), T0).unwrap();
        assert_eq!(again, log);
        again.settle(&id, 31, T0 + 3);
        assert_eq!(again.sums(&total, &it, T0 + 3), (31, 0));
        // Ticks that old are void, and free again.
        log.forget(&[total], T0 + DAY);
        assert!(!log.promises(&id, &it, 1));
    }

    #[test]
    fn a_rule_that_asks_is_content_with_as_much_again() {
        let (mut log, it) = (SpendLog::default(), tags(1, 1, 1));
        let asks = SpendRule { asks: true, ..rule(SpendScope::File, 10, DAY) };
        log.spend(B256::ZERO, it, 10, 10, 0, T0);
        let question = SpendRefusal { rule: asks, amount: 5, spent: 10, limit: 10 };
        assert_eq!(log.judge(&[asks], &it, 5, 9, T0), Verdict::Ask(question));
        let refusal = Verdict::Refuse(SpendRefusal { rule: rule(SpendScope::Total, 12, DAY), limit: 12, ..question });
        assert_eq!(log.judge(&[asks, rule(SpendScope::Total, 12, DAY)], &it, 5, 9, T0), refusal);
        log.grant(it, 10, T0);
        assert_eq!(log.judge(&[asks], &it, 5, 9, T0), Verdict::Pay { ticks: 0 });
        assert_eq!(log.judge(&[asks], &it, 2, 9, T0), Verdict::Pay { ticks: 2 });
        assert_eq!(
            log.judge(&[asks], &tags(1, 1, 2), 11, 9, T0),
            Verdict::Ask(SpendRefusal { amount: 11, spent: 0, ..question })
        );
    }

    #[test]
    fn a_damaged_or_large_log_is_refused() {
        assert_eq!(SpendLog::from_bytes(&[0x80], T0), Err(RecordError::Malformed));
        let other = cbor::to_vec(&SpendLog { version: 2, ..SpendLog::default() });
        assert_eq!(SpendLog::from_bytes(&other, T0), Err(RecordError::Version { version: 2 }));
        let length = MAX_LOG_BYTES + 1;
        assert_eq!(SpendLog::from_bytes(&alloc::vec![0; length], T0), Err(RecordError::TooLarge { length }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// The log never counts less than was paid in the window, and little that was paid before it. However much there is,
        /// it stays within its size.
        #[test]
        fn nothing_is_forgotten_too_early(
            payments in prop::collection::vec((0u64..400, 0u8..3, 0u8..200, 1u128..100), 1..900),
            windows in prop::array::uniform3(1u64..2 * DAY),
            crash in 0usize..900,
        ) {
            let rules = windows.map(|window| rule(SpendScope::Origin, 1_000, window));
            let (mut log, mut now, mut paid, mut most) = (SpendLog::default(), T0, Vec::new(), 0);
            for (at, (pause, origin, file, amount)) in payments.into_iter().enumerate() {
                now += pause;
                // Every other history has few things to remember apart.
                let file = if crash % 2 == 0 { file } else { file % 4 };
                let it = tags(1, origin + 1, file + 1);
                most = most.max(log.entries.len());
                log.forget(&rules, now);
                log.spend(B256::ZERO, it, amount, 0, 0, now);
                paid.push((now, it, amount));
                if at == crash {
                    log = SpendLog::from_bytes(&log.to_bytes(), now).unwrap();
                }
                prop_assert!(log.entries.len() <= MAX_ENTRIES);
            }
            prop_assert!(crash % 2 == 0 || most < 400, "{most}");
            for rule in &rules {
                for origin in 1..=3 {
                    let it = tags(1, origin, 1);
                    let sum = |since: u64| -> u128 {
                        let counts = |(time, tags, _): &&(u64, Tags, u128)| *time > since && tags.origin == it.origin;
                        paid.iter().filter(counts).map(|(_, _, amount)| amount).sum()
                    };
                    let counted = log.sums(rule, &it, now).0;
                    prop_assert!(counted >= sum(now - rule.window));
                    if most < 400 {
                        prop_assert!(counted <= sum(now - rule.window - rule.window / 8));
                    }
                }
            }
            prop_assert!(log.to_bytes().len() <= MAX_LOG_BYTES / 2);
        }

        /// A clock that jumps about makes the log neither large nor forgetful.
        #[test]
        fn a_wild_clock_does_no_harm(times in prop::collection::vec(0u64..DAY, 1..900)) {
            let (mut log, total) = (SpendLog::default(), rule(SpendScope::Total, 1, 2 * DAY));
            for (file, time) in times.iter().enumerate() {
                log.spend(B256::ZERO, tags(1, 1, file as u8), 1, 0, 0, T0 + time);
                prop_assert!(log.entries.len() <= MAX_ENTRIES);
            }
            prop_assert_eq!(log.sums(&total, &tags(1, 1, 1), T0).0, times.len() as u128);
        }
    }
}
