//! The driver under several threads, and with channels that are not in memory. What else it does, the Kotlin test shows on
//! a chain.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use millstream_mobile::{
    Address, Bytes32, Chain, ChannelStatus, Core, CoreConfig, Event, HostError, HostFailure, Listener, MillstreamError,
    OpenTerms, Payment, SpendRefusal, Store, StoreError, StoredRecord, Transaction, Transport, Wallet, Write,
};

const NOW: u64 = 1_700_000_000;
const SECRET: [u8; 32] = [7; 32];
const THREADS: usize = 2;
/// Enough to meet, on two processors, the moment in which one thread has just found nothing left.
const ROUNDS: usize = 500_000;

type Records = Arc<Mutex<BTreeMap<Bytes32, StoredRecord>>>;

/// A host that stores, does nothing else, and counts how often it is to wake the wallet.
#[derive(Default)]
struct Host {
    records: Records,
    /// Whether the records can be read, other than at the start.
    readable: AtomicBool,
    wakes: AtomicUsize,
    /// Set: with the next event, asks this wallet for this channel, and keeps what it got.
    asks: OnceLock<(Arc<Wallet>, Bytes32)>,
    told: OnceLock<Result<ChannelStatus, String>>,
}

impl Store for Host {
    /// Those that need attention. A channel waits for its deposit: none of the tests lets that time pass.
    fn load_all(&self) -> Result<Vec<StoredRecord>, StoreError> {
        Ok(Vec::new())
    }

    fn load(&self, keys: Vec<Bytes32>) -> Result<Vec<StoredRecord>, StoreError> {
        if !self.readable.load(Ordering::SeqCst) {
            return Err(StoreError::Failed { reason: "cannot read".into() });
        }
        let records = self.records.lock().unwrap();
        let absent = |key| StoredRecord { key, version: 0, bytes: None };
        Ok(keys.into_iter().map(|key| records.get(&key).cloned().unwrap_or_else(|| absent(key))).collect())
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        for Write { key, expected_version, bytes, .. } in writes {
            let version = expected_version + 1;
            self.records.lock().unwrap().insert(key, StoredRecord { key, version, bytes });
        }
        Ok(())
    }
}

impl Transport for Host {
    fn send(&self, _: Address, _: Bytes32, _: Vec<u8>) -> Result<(), HostError> {
        Ok(())
    }

    fn pay(&self, _: Address, _: Payment) -> Result<(), HostError> {
        Ok(())
    }
}

impl Chain for Host {
    fn submit(&self, _: Bytes32, _: Transaction) -> Result<(), HostError> {
        Ok(())
    }
}

impl Listener for Host {
    fn event(&self, _: Event) -> Result<(), HostError> {
        if let Some((wallet, channel_id)) = self.asks.get() {
            let aborted = wallet.abort_channel(*channel_id, NOW);
            let status = || wallet.channel(*channel_id, NOW).unwrap().unwrap().status;
            self.told.get_or_init(|| aborted.map(|()| status()).map_err(code));
        }
        Ok(())
    }

    fn asked(&self, _: u64, _: Bytes32, _: SpendRefusal) -> Result<(), HostError> {
        Ok(())
    }

    fn wake_at(&self, _: u64) -> Result<(), HostError> {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn failed(&self, _: HostFailure) -> Result<(), HostError> {
        Ok(())
    }
}

fn code(MillstreamError::Refused { code, .. }: MillstreamError) -> String {
    code
}

/// A host with the records of another one.
fn host(records: &Records) -> Arc<Host> {
    Arc::new(Host { records: records.clone(), readable: true.into(), ..Host::default() })
}

fn wallet(host: &Arc<Host>) -> Arc<Wallet> {
    let [adjudicator, stream_app, consensus_app, destination] = [1, 2, 6, 3].map(Address::repeat_byte);
    let secret = Some(SECRET.to_vec());
    let (policy, lease, max_loaded) = (None, None, None);
    let config = CoreConfig {
        chain_id: 1,
        adjudicator,
        stream_app,
        consensus_app,
        destination,
        policy,
        lease,
        spending: Vec::new(),
        max_loaded,
        secret,
    };
    let core = Core::new(config).unwrap();
    Wallet::new(core, host.clone(), host.clone(), host.clone(), host.clone(), NOW).unwrap()
}

/// Opens a channel; `number` tells it from others.
fn open(wallet: &Wallet, number: u64) -> Bytes32 {
    let terms = OpenTerms {
        payee: Address::repeat_byte(4),
        payee_destination: Address::repeat_byte(5),
        asset: Address::ZERO,
        deposit: 1,
        challenge_duration: 3_600,
        confirmations: 2,
        kind: None,
        payee_deposit: None,
        reserve: None,
        nonce: Some((NOW << 32) + number),
        route: None,
    };
    wallet.open_channel(terms, NOW).unwrap()
}

#[test]
fn a_channel_that_is_named_is_read_first() {
    let records = Records::default();
    let id = open(&wallet(&host(&records)), 0);
    let host = host(&records);
    let wallet = wallet(&host);
    assert_eq!(wallet.core().channels().unwrap(), []);
    assert_eq!(code(wallet.abort_channel(Bytes32::repeat_byte(9), NOW).unwrap_err()), "UNKNOWN_CHANNEL");

    host.readable.store(false, Ordering::SeqCst);
    assert_eq!(code(wallet.abort_channel(id, NOW).unwrap_err()), "STORE_FAILED");
    host.readable.store(true, Ordering::SeqCst);
    wallet.abort_channel(id, NOW).unwrap();
    assert_eq!(wallet.channel(id, NOW).unwrap().unwrap().status, ChannelStatus::Aborted);
    assert_eq!(records.lock().unwrap()[&id].version, 2, "the record that was read, written again");
}

#[test]
fn a_backup_does_not_replace_what_is_stored() {
    let records = Records::default();
    let id = open(&wallet(&host(&records)), 0);
    let stored = records.lock().unwrap()[&id].clone();
    wallet(&host(&records)).restore(vec![stored.clone()], NOW).unwrap();
    assert_eq!(records.lock().unwrap()[&id], stored);

    let lost = Records::default();
    wallet(&host(&lost)).restore(vec![stored], NOW).unwrap();
    assert!(lost.lock().unwrap().contains_key(&id));
}

#[test]
fn a_channel_is_read_for_a_host_that_asks_in_the_middle_of_an_output() {
    let records = Records::default();
    let id = open(&wallet(&host(&records)), 0);
    let host = host(&records);
    let wallet = wallet(&host);
    assert!(host.asks.set((wallet.clone(), id)).is_ok());
    open(&wallet, 1);
    assert_eq!(host.told.get(), Some(&Ok(ChannelStatus::Aborted)));
}

#[test]
fn threads_that_name_the_same_channel_read_one_record_and_write_it_one_after_the_other() {
    let records = Records::default();
    let id = open(&wallet(&host(&records)), 0);
    let wallet = wallet(&host(&records));
    let aborted: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| wallet.abort_channel(id, NOW).is_ok())).collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(aborted, 4, "aborting again is no error");
    assert_eq!(records.lock().unwrap()[&id].version, 2, "and no change");
}

/// Waits until `arrived` has counted everybody's arrival at the `place`th place.
fn meet(arrived: &AtomicUsize, place: usize) {
    arrived.fetch_add(1, Ordering::SeqCst);
    while arrived.load(Ordering::SeqCst) < place * THREADS {
        thread::yield_now();
    }
}

/// Each tick asks for one `wakeAt`, as long as there is a channel that waits for its deposit.
#[test]
fn no_output_is_left_when_every_caller_has_returned() {
    let host = host(&Records::default());
    let wallet = wallet(&host);
    open(&wallet, 0);
    let before = host.wakes.load(Ordering::SeqCst);
    let (arrived, rounds_with_rest) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    wallet.tick(NOW).unwrap();
                    meet(&arrived, 2 * round - 1);
                    if host.wakes.load(Ordering::SeqCst) != before + round * THREADS {
                        rounds_with_rest.fetch_add(1, Ordering::SeqCst);
                    }
                    meet(&arrived, 2 * round);
                }
            });
        }
    });
    assert_eq!(rounds_with_rest.load(Ordering::SeqCst), 0);
    assert_eq!(host.wakes.load(Ordering::SeqCst), before + ROUNDS * THREADS);
}
