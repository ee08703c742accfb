//! One byte, one step: histories as a fuzzer writes them.

use alloy_primitives::B256;
use millstream_core::channel::{Kind, Terms};
use millstream_core::wallet::{Command, Input, Purchase};

use super::{ALICE, BOB, CHALLENGE_DURATION, CONFIRMATIONS, Commits, Pair, Traits};
use millstream_core::wallet::LeaseTerms;

/// How long a party may look away, in seconds: a third of the time that it has to answer a challenge.
const MAX_ABSENCE: u64 = CHALLENGE_DURATION / 3;
/// How many channels a history may have.
const MAX_CHANNELS: usize = 5;

/// The steps of a party. The high bit of a byte says whose step it is, the rest which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Open(u8),
    Pay(u128),
    TopUp(u128),
    Fold,
    GiveBack(u128),
    Withdraw(u128),
    Snapshot,
    Clear,
    Close,
    Leave,
    Abort,
    Resume,
    Ping,
    Select,
    /// What this party sent: the first or the last parcel, or all.
    DeliverFirst,
    DeliverLast,
    DeliverAll,
    DropFirst,
    Duplicate,
    Reverse,
    FailCommit,
    Stall,
    StoreOne,
    StoreAll,
    /// Stops, with this many of the waiting commits stored.
    Crash(usize),
    Sign,
    RefuseToSign,
    Watch,
    Tick,
    /// Everything is mined, this party's transactions first.
    Mine,
    /// This party's transactions alone are mined.
    MineOwn,
    MineEmpty,
    DropTransaction,
    Reorg(usize),
    Pass(u64),
    GoOn,
}

use Step as S;

const STEPS: &[Step] = &[
    S::Open(0),
    S::Open(1),
    S::Open(2),
    S::Open(3),
    S::Open(4),
    S::Open(5),
    S::Pay(1),
    S::Pay(1_000),
    S::Pay(400_000),
    S::TopUp(1),
    S::TopUp(500_000),
    S::Fold,
    S::GiveBack(1),
    S::GiveBack(1_000),
    S::Withdraw(1),
    S::Withdraw(400_000),
    S::Snapshot,
    S::Clear,
    S::Close,
    S::Leave,
    S::Abort,
    S::Resume,
    S::Ping,
    S::Select,
    S::DeliverFirst,
    S::DeliverLast,
    S::DeliverAll,
    S::DropFirst,
    S::Duplicate,
    S::Reverse,
    S::FailCommit,
    S::Stall,
    S::StoreOne,
    S::StoreAll,
    S::Crash(0),
    S::Crash(1),
    S::Crash(usize::MAX),
    S::Sign,
    S::RefuseToSign,
    S::Watch,
    S::Tick,
    S::Mine,
    S::MineOwn,
    S::MineEmpty,
    S::DropTransaction,
    S::Reorg(1),
    S::Reorg(2),
    S::Reorg(6),
    S::Pass(60),
    S::Pass(1_000),
    S::GoOn,
];

/// What the first byte of a history says about the two wallets: leases, outside signers, how many channels fit into
/// memory.
fn traits(byte: u8) -> [Traits; 2] {
    let has = |bit: u8| byte & (1 << bit) != 0;
    let lease = |has: bool| has.then_some(LeaseTerms { payments: 4, amount: 100_000 });
    let of = |first: u8| Traits {
        lease: lease(has(first)),
        external: has(first + 1),
        max_loaded: usize::from(has(first + 2)),
    };
    [of(0), of(3)]
}

/// The byte of a step, for histories made by hand: `step` as it prints itself, `"Pay(1000)"`.
pub fn byte(host: usize, step: &str) -> Option<u8> {
    let place = STEPS.iter().position(|known| format!("{known:?}") == step)?;
    Some(u8::try_from(place).ok()? | if host == BOB { 0x80 } else { 0 })
}

/// What a history does, step by step, for people.
pub fn describe(history: &[u8]) -> Vec<String> {
    let (first, rest) = history.split_first().unwrap_or((&0, &[]));
    let step = |byte: &u8| {
        let (host, step) = read(*byte);
        format!("{} {step:?}", if host == ALICE { "alice" } else { "bob" })
    };
    let parties = format!("{:?}", traits(*first));
    std::iter::once(parties).chain(rest.iter().map(step)).collect()
}

fn read(byte: u8) -> (usize, Step) {
    (usize::from(byte >> 7), STEPS[usize::from(byte & 0x7f) % STEPS.len()])
}

impl Pair {
    /// Runs a history: its first byte says who the parties are, every other one is a step.
    pub fn run(history: &[u8]) -> Self {
        let (first, rest) = history.split_first().unwrap_or((&0, &[]));
        let mut pair = Self::parties(*first);
        for byte in rest {
            pair.act(*byte);
        }
        pair
    }

    /// The two parties that the first byte of a history names.
    pub fn parties(byte: u8) -> Self {
        Self::new(traits(byte))
    }

    /// Takes one more step of a history.
    pub fn act(&mut self, byte: u8) {
        let (host, step) = read(byte);
        self.step(host, step);
        self.wake();
    }

    fn step(&mut self, host: usize, step: Step) {
        let now = self.now();
        let channel_id = self.channels.get(self.selected[host]).copied().unwrap_or(B256::ZERO);
        let command = match step {
            S::Open(variant) if self.channels.len() < MAX_CHANNELS => {
                let terms = self.variant(host, variant);
                let _ = self.open(host, terms);
                return;
            }
            S::Open(_) => return,
            S::Pay(amount) => Command::Pay { channel_id, amount, purchase: Purchase::default(), ticks: 2 },
            S::TopUp(amount) => Command::TopUp { channel_id, amount },
            S::Fold => Command::Fold { channel_id },
            S::GiveBack(amount) => Command::GiveBack { channel_id, amount },
            S::Withdraw(amount) => Command::Withdraw { channel_id, amount },
            S::Snapshot => Command::Snapshot { channel_id },
            S::Clear => Command::ClearChallenge { channel_id },
            S::Close => Command::CloseChannel { channel_id },
            S::Leave => Command::LeaveChannel { channel_id },
            S::Abort => Command::AbortChannel { channel_id },
            S::Resume => Command::Resume { channel_id },
            S::Ping => Command::Ping { channel_id },
            other => return self.happen(host, other, now),
        };
        if let Err(error) = self.command(host, command) {
            assert!(!error.code().is_empty() && !error.to_string().is_empty());
        }
    }

    fn happen(&mut self, host: usize, step: Step, now: u64) {
        if step == S::Select {
            self.selected[host] = (self.selected[host] + 1) % self.channels.len().max(1);
            return;
        }
        let it = &mut self.hosts[host];
        match step {
            S::DeliverFirst => self.deliver(host, 0),
            S::DeliverLast => {
                let last = it.outgoing.len().saturating_sub(1);
                self.deliver(host, last);
            }
            S::DeliverAll => {
                for _ in 0..it.outgoing.len() {
                    self.deliver(host, 0);
                }
            }
            S::DropFirst => drop(it.outgoing.pop_front()),
            S::Duplicate => it.outgoing.extend(it.outgoing.front().cloned()),
            S::Reverse => it.outgoing.make_contiguous().reverse(),
            S::FailCommit if it.commits == Commits::Stall => it.fail_next(now),
            S::FailCommit => it.commits = Commits::FailOne,
            S::Stall => it.commits = Commits::Stall,
            S::StoreOne => drop(it.store_next(now)),
            S::StoreAll => {
                it.commits = Commits::Store;
                while it.store_next(now) {}
            }
            S::Crash(stored) => it.crash(stored, now),
            S::Sign => drop(it.sign_next(now)),
            S::RefuseToSign => it.refuse_to_sign(now),
            S::Watch => self.watch(host),
            S::Tick => self.input(host, Input::Tick).unwrap_or_else(|error| panic!("a tick: {error}")),
            S::Mine => self.mine_for(&[host, 1 - host], 1),
            S::MineOwn => self.mine_for(&[host], 1),
            S::MineEmpty => self.chain.mine(1),
            S::DropTransaction => {
                if let Some(pending) = it.pool.pop_front() {
                    self.tell_failed(host, &pending);
                }
            }
            S::Reorg(depth) => self.reorg(depth),
            S::Pass(seconds) => self.chain.pass(seconds),
            S::GoOn => self.go_on(),
            _ => {}
        }
    }

    /// Takes blocks back and mines as many and one more: what was less deep than the parties wait for is sent again in
    /// another order, what was deeper happens again as it did.
    fn reorg(&mut self, depth: usize) {
        let possible = usize::try_from(self.chain.block() - self.first_block).unwrap_or(usize::MAX);
        let depth = depth.min(possible);
        let mut transactions = self.chain.reorg(depth);
        if depth < CONFIRMATIONS as usize {
            transactions.reverse();
        }
        self.chain.mine_block(1, transactions);
        self.chain.mine(depth as u64);
    }

    /// What an honest party does by itself, in time: it stores, signs, looks at the chain and sends what it must.
    fn wake(&mut self) {
        for host in [ALICE, BOB] {
            if self.now() < self.hosts[host].watched + MAX_ABSENCE {
                continue;
            }
            self.hosts[host].commits = Commits::Store;
            self.flush(host);
            self.watch(host);
            self.flush(host);
            self.mine_for(&[host], 1);
            self.chain.mine(u64::from(CONFIRMATIONS));
            self.watch(host);
            self.flush(host);
            self.mine_for(&[host], 1);
        }
    }

    /// A channel of one of six kinds.
    fn variant(&mut self, payer: usize, variant: u8) -> Terms {
        let token = self.chain.token();
        let terms = self.terms(payer, 1_000_000);
        match variant {
            0 => terms,
            1 => Terms { asset: token, ..terms },
            2 => Terms { kind: Kind::Ledger, payee_deposit: 500_000, ..terms },
            3 => Terms { reserve: 10_000, payee_deposit: 1_000, ..terms },
            4 => Terms { kind: Kind::Ledger, asset: token, reserve: 1_000, ..terms },
            _ => Terms { payee_deposit: 500_000, ..terms },
        }
    }
}
