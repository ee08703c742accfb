//! The driver under several threads. What it does with one, the Kotlin test shows on a chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use millstream_mobile::{
    Address, Bytes32, Chain, Core, CoreConfig, Event, HostError, HostFailure, Listener, OpenTerms, Payment, Store,
    StoreError, StoredRecord, Transaction, Transport, Wallet, Write,
};

const NOW: u64 = 1_700_000_000;
const THREADS: usize = 2;
/// Enough to meet, on two processors, the moment in which one thread has just found nothing left.
const ROUNDS: usize = 500_000;

/// A host that does nothing, and counts how often it is to wake the wallet.
#[derive(Default)]
struct Host {
    wakes: AtomicUsize,
}

impl Store for Host {
    fn load_all(&self) -> Result<Vec<StoredRecord>, StoreError> {
        Ok(Vec::new())
    }

    fn load(&self, _: Vec<Bytes32>) -> Result<Vec<StoredRecord>, StoreError> {
        Ok(Vec::new())
    }

    fn commit(&self, _: Vec<Write>) -> Result<(), StoreError> {
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

fn wallet(host: &Arc<Host>) -> Arc<Wallet> {
    let [adjudicator, stream_app, destination] = [1, 2, 3].map(Address::repeat_byte);
    let config = CoreConfig { chain_id: 1, adjudicator, stream_app, destination, policy: None, secret: None };
    let core = Core::new(config).unwrap();
    Wallet::new(core, host.clone(), host.clone(), host.clone(), host.clone(), NOW).unwrap()
}

fn open(wallet: &Wallet) {
    let terms = OpenTerms {
        payee: Address::repeat_byte(4),
        payee_destination: Address::repeat_byte(5),
        asset: Address::ZERO,
        deposit: 1,
        challenge_duration: 3_600,
        confirmations: 2,
        nonce: Some(NOW << 32),
    };
    wallet.open_channel(terms, NOW).unwrap();
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
    let host = Arc::new(Host::default());
    let wallet = wallet(&host);
    open(&wallet);
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
