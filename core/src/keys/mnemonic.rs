//! Words that a person can write down (BIP-39, English).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bip39::Language;
use sha2::Sha512;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::error::MnemonicError;
use super::seed::{SEED_BYTES, Seed};

const ROUNDS: u32 = 2048;
const MAX_WORDS: usize = 24;
/// The longest word of the English list, in bytes.
const MAX_WORD_BYTES: usize = 8;

/// 12 or 24 words of the English list, checksum included.
///
/// Overwritten with zeros when dropped; its `Debug` form shows only how many words there are.
pub struct Mnemonic {
    inner: bip39::Mnemonic,
}

// `bip39` overwrites the words when they are dropped; this stops the build if a later version no longer says so.
const _: fn() = || {
    fn assert_zeroized_on_drop<T: ZeroizeOnDrop>() {}
    assert_zeroized_on_drop::<bip39::Mnemonic>();
};

impl Mnemonic {
    /// Makes 12 words of 16 bytes or 24 words of 32 bytes of `entropy`, which must come from a generator fit for keys.
    ///
    /// The bytes are copied; the caller overwrites its own copy.
    ///
    /// # Errors
    ///
    /// [`MnemonicError::EntropyLength`] if there are neither 16 nor 32.
    pub fn from_entropy(entropy: &[u8]) -> Result<Self, MnemonicError> {
        let length = MnemonicError::EntropyLength { length: entropy.len() };
        if !matches!(entropy.len(), 16 | 32) {
            return Err(length);
        }
        let inner = bip39::Mnemonic::from_entropy_in(Language::English, entropy).map_err(|_| length)?;
        Ok(Self { inner })
    }

    /// Reads words as a person writes them: in upper or lower case, with any white space around them.
    ///
    /// # Errors
    ///
    /// [`MnemonicError::WordCount`] before any word is looked up; [`MnemonicError::UnknownWord`] for the first word
    /// that is not in the list; [`MnemonicError::Checksum`].
    pub fn parse(words: &str) -> Result<Self, MnemonicError> {
        let count = words.split_whitespace().take(MAX_WORDS.saturating_add(1)).count();
        if !matches!(count, 12 | 24) {
            return Err(MnemonicError::WordCount { count });
        }
        let mut phrase = empty_phrase();
        for word in words.split_whitespace() {
            // A word that is too long for the list would make the phrase grow, and leave a copy behind.
            push_word(&mut phrase, if word.len() > MAX_WORD_BYTES { "?" } else { word });
        }
        phrase.make_ascii_lowercase();
        let inner = bip39::Mnemonic::parse_in_normalized(Language::English, &phrase).map_err(|error| match error {
            bip39::Error::UnknownWord(index) => MnemonicError::UnknownWord { position: index.saturating_add(1) },
            _ => MnemonicError::Checksum,
        })?;
        Ok(Self { inner })
    }

    /// Returns the words in lower case with one space between them. This is the whole secret.
    pub fn phrase(&self) -> Zeroizing<String> {
        let mut phrase = empty_phrase();
        for word in self.inner.words() {
            push_word(&mut phrase, word);
        }
        phrase
    }

    /// Returns the 16 or 32 bytes that the words stand for. This is the whole secret.
    pub fn entropy(&self) -> Zeroizing<Vec<u8>> {
        let (mut bytes, length) = self.inner.to_entropy_array();
        let entropy = Zeroizing::new(Vec::from(bytes.get(..length).unwrap_or_default()));
        bytes.zeroize();
        entropy
    }

    /// Derives the seed: PBKDF2 with HMAC-SHA-512, 2,048 rounds, salt `"mnemonic" ‖ passphrase`.
    ///
    /// Every passphrase gives another valid seed, so a mistyped one is not noticed, and it is in no backup. Without one
    /// it is `""`.
    ///
    /// # Errors
    ///
    /// [`MnemonicError::PassphraseNotAscii`]: other characters have several forms in Unicode, and a wallet must not
    /// depend on which one a keyboard sends.
    pub fn derive_seed(&self, passphrase: &str) -> Result<Seed, MnemonicError> {
        if !passphrase.is_ascii() {
            return Err(MnemonicError::PassphraseNotAscii);
        }
        let mut salt = Zeroizing::new(String::with_capacity(passphrase.len().saturating_add(8)));
        salt.push_str("mnemonic");
        salt.push_str(passphrase);
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        pbkdf2::pbkdf2_hmac::<Sha512>(self.phrase().as_bytes(), salt.as_bytes(), ROUNDS, &mut *seed);
        Ok(Seed::from_bytes(&seed))
    }
}

/// A phrase that never grows beyond its memory, so that no part of it stays behind elsewhere.
fn empty_phrase() -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(MAX_WORDS.saturating_mul(MAX_WORD_BYTES.saturating_add(1))))
}

fn push_word(phrase: &mut String, word: &str) {
    if !phrase.is_empty() {
        phrase.push(' ');
    }
    phrase.push_str(word);
}

impl fmt::Debug for Mnemonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mnemonic").field("words", &self.inner.word_count()).finish_non_exhaustive()
    }
}
