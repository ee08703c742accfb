//! The owner's spend policy at work: the log in memory and in the store, questions to the owner, and the hold.

use crate::B256;
use crate::channel::{Channel, RecordError};
use crate::map::Map;
use crate::protocol::{self, Event, Order, PayError, SpendLog, SpendRefusal, Tags, Verdict};
use crate::wallet::error::Error;
use crate::wallet::input::StoredRecord;
use crate::wallet::machine::Wallet;
use crate::wallet::output::{Output, Write};

/// The key of the log in the store: no channel's id, since it hashes to none.
pub const SPEND_LOG_KEY: B256 = B256::new(*b"millstream spend log\0\0\0\0\0\0\0\0\0\0\0\0");

/// How many questions may wait for the owner at once.
const MAX_QUESTIONS: usize = 64;

/// What the wallet knows of its spending.
#[derive(Debug, Default)]
pub(super) struct Spending {
    /// The log, if there are rules and it was loaded.
    log: Option<SpendLog>,
    version: u64,
    /// The log as it will be if the step under way is kept.
    next: Option<SpendLog>,
    /// Whether the owner stopped all payments.
    held: bool,
    /// Payments that the owner was asked about.
    questions: Map<u64, (B256, Order, SpendRefusal)>,
    last_question: u64,
}

impl Spending {
    /// The write that a step adds to its own, if it spends.
    pub(super) fn write(&mut self) -> Option<Write> {
        let log = self.next.take()?;
        let expected_version = self.version;
        self.version = self.version.saturating_add(1);
        let bytes = Some(log.to_bytes());
        self.log = Some(log);
        Some(Write { key: SPEND_LOG_KEY, expected_version, bytes, wake_at: None })
    }

    /// A write of the log failed: what the store has counts.
    pub(super) fn lose(&mut self) {
        self.log = None;
        self.next = None;
    }

    /// The channel pays nothing any more.
    pub(super) fn close(&mut self, channel_id: &B256, channel: &Channel, now: u64) {
        if let Some(log) = &mut self.log {
            log.settle(channel_id, channel.paid(), now);
        }
    }
}

impl Wallet {
    /// Pays if the owner's rules allow it, and asks where they say so.
    pub(super) fn pay(&mut self, channel_id: B256, order: Order, now: u64) -> Result<(), Error> {
        if self.spending.held {
            return Err(PayError::Held.into());
        }
        if self.config.spending.is_empty() {
            return self.pay_now(channel_id, order, now);
        }
        self.pay_by_rules(channel_id, order, false, now)
    }

    /// Stops all payments, or lets them go on.
    pub(super) fn hold(&mut self, held: bool) {
        self.spending.held = held;
    }

    /// The owner answered a question.
    pub(super) fn answered(&mut self, id: u64, granted: bool, now: u64) -> Result<(), Error> {
        let (channel_id, order, refusal) = *self.spending.questions.get(&id).ok_or(Error::UnknownQuestion { id })?;
        if !granted {
            self.spending.questions.remove(&id);
            self.outbox.push(Output::Notify(Event::SpendRefused { channel_id, refusal }));
            return Ok(());
        }
        if self.spending.held {
            return Err(PayError::Held.into());
        }
        self.find(channel_id)?;
        self.find_log()?;
        self.spending.questions.remove(&id);
        self.pay_by_rules(channel_id, order, true, now)
    }

    fn pay_by_rules(&mut self, channel_id: B256, order: Order, granted: bool, now: u64) -> Result<(), Error> {
        self.find(channel_id)?;
        self.find_log()?;
        let (Some(channel), Some(log)) = (self.channel(&channel_id), &self.spending.log) else {
            return Err(Error::UnknownChannel { channel_id });
        };
        let amount = order.amount;
        let tags = Tags::new(channel.terms.asset, channel.terms.payee, order.origin, order.file());
        if protocol::next_tick(channel, &order).is_some() && log.promises(&channel_id, &tags, amount) {
            self.pay_now(channel_id, order, now)?;
            if let Some(log) = &mut self.spending.log {
                log.tick(&channel_id, amount, now);
            }
            return Ok(());
        }
        let (paid, remaining) = (channel.paid(), channel.remaining());
        let mut next = log.clone();
        next.forget(&self.config.spending, now);
        next.settle(&channel_id, paid, now);
        let rules = &self.config.spending;
        if granted {
            // As much again as the rule allows by itself, or what this payment needs.
            if let Verdict::Ask(SpendRefusal { rule, .. }) = next.judge(rules, &tags, amount, 0, now) {
                next.grant(tags, rule.limit.max(amount), now);
            }
        }
        let ticks = match next.judge(rules, &tags, amount, order.ticks, now) {
            Verdict::Pay { ticks } => ticks,
            // A rule for single payments asks each time.
            Verdict::Ask(_) if granted => 0,
            Verdict::Ask(question) => return self.ask_owner(channel_id, order, question),
            Verdict::Refuse(refusal) => {
                self.outbox.push(Output::Notify(Event::SpendRefused { channel_id, refusal }));
                return Err(PayError::Refused(refusal).into());
            }
        };
        let left = amount.saturating_mul(protocol::affordable(remaining, amount, ticks).into());
        next.spend(channel_id, tags, amount, paid.saturating_add(amount), left, now);
        self.spending.next = Some(next);
        let result = self.pay_now(channel_id, Order { ticks, needs_voucher: true, ..order }, now);
        self.spending.next = None;
        result
    }

    fn ask_owner(&mut self, channel_id: B256, order: Order, question: SpendRefusal) -> Result<(), Error> {
        let spending = &mut self.spending;
        if spending.questions.len() >= MAX_QUESTIONS {
            return Err(PayError::TooManyQuestions.into());
        }
        spending.last_question = spending.last_question.saturating_add(1);
        let id = spending.last_question;
        spending.questions.insert(id, (channel_id, order, question));
        self.outbox.push(Output::Ask { id, channel_id, question });
        Ok(())
    }

    /// Makes sure that the log is in memory; asks for it if it is not.
    fn find_log(&mut self) -> Result<(), Error> {
        if self.spending.log.is_some() {
            return Ok(());
        }
        self.load(SPEND_LOG_KEY);
        Err(Error::Loading { channel_id: SPEND_LOG_KEY })
    }

    /// Takes the log from the store, unless the one in memory is newer.
    pub(super) fn log_loaded(&mut self, record: &StoredRecord, now: u64) -> Result<(), RecordError> {
        if self.config.spending.is_empty() || self.spending.log.is_some() || self.outbox.is_waiting(&SPEND_LOG_KEY) {
            return Ok(());
        }
        let log = record.bytes.as_deref().map(|bytes| SpendLog::from_bytes(bytes, now)).transpose()?;
        self.spending.log = Some(log.unwrap_or_default());
        self.spending.version = record.version;
        Ok(())
    }
}
