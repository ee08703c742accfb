//! One channel key per chain and adjudicator.

use std::collections::BTreeSet;

use alloy_primitives::{address, b256};
use millstream_core::crypto::Signer;
use millstream_core::keys::{BACKUP_KEY_PATH, Seed, channel_key_path};
use millstream_core::{Address, B256};
use proptest::prelude::*;

use crate::{twelve_words, twenty_four_words};

const DEV: Address = address!("5FbDB2315678afecb367f032d93F642f64180aa3");
const USDT: Address = address!("dAC17F958D2ee523a2206206994597C13D831ec7");
const ALL_ONES: Address = Address::repeat_byte(0xff);

/// Made with ethers 6.17: `HDNodeWallet.fromPhrase(words, passphrase, path).address`, where the path is built from
/// `BigInt`s as the room describes it. Chain, adjudicator, path below the branch of the channel keys, the address for
/// the twelve words without a passphrase, and for the twenty-four words with "TREZOR".
const VECTORS: [(u64, Address, &str, Address, Address); 5] = [
    (
        1,
        Address::ZERO,
        "0'/0'/1'/0'/0'/0'/0'/0'/0'",
        address!("A8cc4dD95804aD434E89873fB6aA531b42fD748B"),
        address!("300eA4E9b0D9433c02F05b0B1C26F4407d6bDD70"),
    ),
    (
        1,
        DEV,
        "0'/0'/1'/11'/2077958933'/868581221'/1302315211'/847169630'/1679297187'",
        address!("cCC8b4E60eB27527E229AE2C0a3e0187DfF63E35"),
        address!("c70aCad3cCFCf4eaA6f05D441908242B82c6270a"),
    ),
    (
        31_337,
        DEV,
        "0'/0'/31337'/11'/2077958933'/868581221'/1302315211'/847169630'/1679297187'",
        address!("728e7e31177eAc42d4b4eD12131fa8A5EDE85CA8"),
        address!("600Fe99d9E17a12540CcD929dc3a0bCe21F8ddf7"),
    ),
    (
        11_155_420,
        USDT,
        "0'/0'/11155420'/27'/739768664'/1769416989'/142706714'/847982466'/1032003271'",
        address!("5a8f9943F009D7bC7068a7443c92dAD3dcdfBF27"),
        address!("b1Cecb1c86574FFf6373970A99e0032682315764"),
    ),
    (
        u64::MAX,
        ALL_ONES,
        "3'/2147483647'/2147483647'/31'/2147483647'/2147483647'/2147483647'/2147483647'/2147483647'",
        address!("C32C15eB1cbc3B418E8F2Cf7745B4a744Deed975"),
        address!("66678285CBd63371094675cc9611BD8128404B95"),
    ),
];

#[test]
fn paths_and_keys_are_those_of_another_implementation() {
    let (twelve, twenty_four) = (twelve_words(), twenty_four_words());
    for (chain_id, adjudicator, path, of_twelve, of_twenty_four) in VECTORS {
        assert_eq!(channel_key_path(chain_id, adjudicator), format!("m/43'/60'/1835625580'/0'/{path}"));
        assert_eq!(twelve.derive_channel_key(chain_id, adjudicator).unwrap().address(), of_twelve);
        assert_eq!(twenty_four.derive_channel_key(chain_id, adjudicator).unwrap().address(), of_twenty_four);
    }
}

#[test]
fn a_seed_that_was_kept_as_bytes_gives_the_same_keys() {
    let kept = *twelve_words().as_bytes();
    let key = Seed::from_bytes(&kept).derive_channel_key(31_337, DEV).unwrap();
    assert_eq!(key.address(), address!("728e7e31177eAc42d4b4eD12131fa8A5EDE85CA8"));
}

#[test]
fn a_key_signs_for_its_own_chain_and_adjudicator_alone() {
    let seed = twelve_words();
    let digest = B256::repeat_byte(9);
    let key = seed.derive_channel_key(1, DEV).unwrap();
    let signature = key.sign_digest(&digest).unwrap();
    assert!(signature.verify(&digest, key.address()).is_ok());
    for (chain_id, adjudicator) in [(2, DEV), (1, USDT), (1 << 31, DEV), (1 << 62, DEV)] {
        let other = seed.derive_channel_key(chain_id, adjudicator).unwrap();
        assert!(signature.verify(&digest, other.address()).is_err(), "{chain_id} {adjudicator}");
    }
}

#[test]
fn every_bit_of_chain_and_adjudicator_changes_path_and_key() {
    let seed = twelve_words();
    let chains = (0..64).map(|bit| (1 << bit, Address::ZERO));
    let adjudicators = (0..160).map(|bit| {
        let mut bytes = [0; 20];
        bytes[bit / 8] = 1 << (bit % 8);
        (0, Address::from(bytes))
    });
    let pairs: Vec<(u64, Address)> = chains.chain(adjudicators).chain([(0, Address::ZERO)]).collect();
    let paths: BTreeSet<String> = pairs.iter().map(|&(chain, at)| channel_key_path(chain, at)).collect();
    let keys: BTreeSet<Address> =
        pairs.iter().map(|&(chain, at)| seed.derive_channel_key(chain, at).unwrap().address()).collect();
    assert_eq!((pairs.len(), paths.len(), keys.len()), (225, 225, 225));
    assert!(!paths.iter().any(|path| path.starts_with(BACKUP_KEY_PATH)));
}

/// Reads a path back, without the code that wrote it.
fn parse(path: &str) -> (u64, Address) {
    let levels: Vec<u128> =
        path.split('/').skip(1).map(|level| level.strip_suffix('\'').unwrap().parse().unwrap()).collect();
    assert_eq!(levels.len(), 13);
    assert!(levels.iter().all(|&level| level < 1 << 31));
    assert_eq!(levels[..4], [43, 60, 0x6d69_6c6c, 0]);
    let chain = levels[4..7].iter().fold(0, |number, level| (number << 31) | level);
    // 160 bits are more than a u128 holds: 67 bits above, 93 below.
    let [above, below] =
        [&levels[7..10], &levels[10..]].map(|part| part.iter().fold(0_u128, |number, level| (number << 31) | level));
    let mut word = [0; 32];
    word[..16].copy_from_slice(&(above >> 35).to_be_bytes());
    word[16..].copy_from_slice(&((above << 93) | below).to_be_bytes());
    assert_eq!(word[..12], [0; 12]);
    (u64::try_from(chain).unwrap(), Address::from_word(B256::from(word)))
}

proptest! {
    #[test]
    fn a_path_says_which_chain_and_adjudicator_it_is_for(chain: u64, adjudicator: [u8; 20]) {
        let adjudicator = Address::from(adjudicator);
        prop_assert_eq!(parse(&channel_key_path(chain, adjudicator)), (chain, adjudicator));
    }
}

#[test]
fn a_known_secret_of_the_vectors_signs_the_same() {
    // The private key that ethers has for the second vector.
    let secret = b256!("c36da735c3d3152bdcbb23c962e04d77f4faa830cb630d6cf484ad882d92b250");
    let signer = millstream_core::crypto::LocalSigner::from_secret_bytes(&secret.0).unwrap();
    let derived = twelve_words().derive_channel_key(1, DEV).unwrap();
    let digest = B256::repeat_byte(3);
    assert_eq!(derived.sign_digest(&digest).unwrap(), signer.sign_digest(&digest).unwrap());
}
