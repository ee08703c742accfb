//! The durable records of one party, and the writes that are on their way there.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::B256;
use millstream_core::channel::Channel;
use millstream_core::wallet::{SPEND_LOG_KEY, StoredRecord, Write};

/// A record as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Counted from 1.
    pub version: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// When the channel needs attention.
    pub wake_at: Option<u64>,
    /// What the bytes say.
    pub channel: Channel,
}

/// A commit that was asked for and not answered.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Which of the party's wallets asked.
    pub host: usize,
    /// Its name.
    pub id: u64,
    /// Its writes.
    pub writes: Vec<Write>,
    /// Whether the store will fail.
    pub fails: bool,
    /// Whether it took effect, once that is known.
    pub done: Option<bool>,
}

/// A store.
#[derive(Clone, Debug, Default)]
pub struct Store {
    records: BTreeMap<B256, Stored>,
    /// The log of what was spent: its version and its bytes.
    log: (u64, Vec<u8>),
    /// In the order in which they were asked for.
    pub commits: VecDeque<Commit>,
    /// Every record that was written since somebody looked.
    pub written: Vec<Channel>,
    /// The last copy that was put away.
    pub backup: Option<Vec<(B256, Vec<u8>)>>,
}

impl Store {
    /// A durable record.
    pub fn get(&self, key: &B256) -> Option<&Stored> {
        self.records.get(key)
    }

    /// The durable records.
    pub fn records(&self) -> impl Iterator<Item = (&B256, &Stored)> {
        self.records.iter()
    }

    /// A record as a wallet reads it.
    pub fn read(&self, key: B256) -> StoredRecord {
        if key == SPEND_LOG_KEY {
            let (version, bytes) = self.log.clone();
            return StoredRecord { key, version, bytes: (version > 0).then_some(bytes) };
        }
        let stored = self.records.get(&key);
        let bytes = stored.map(|stored| stored.bytes.clone());
        StoredRecord { key, version: stored.map_or(0, |stored| stored.version), bytes }
    }

    /// Puts a copy of everything away.
    pub fn back_up(&mut self) {
        let mut backup: Vec<(B256, Vec<u8>)> =
            self.records.iter().map(|(key, stored)| (*key, stored.bytes.clone())).collect();
        if self.log.0 > 0 {
            backup.push((SPEND_LOG_KEY, self.log.1.clone()));
        }
        self.backup = Some(backup);
    }

    /// Loses everything but the backup.
    pub fn lose(&mut self) {
        self.records.clear();
        self.log = Default::default();
        self.commits.clear();
    }

    /// Carries out a commit, after every earlier one of the same wallet that writes one of its records: a store that is
    /// slow keeps the order of one record's writes.
    ///
    /// # Errors
    ///
    /// Says which record a wallet cannot read again.
    pub fn carry_out(&mut self, index: usize) -> Result<(), String> {
        let Some(commit) = self.commits.get(index).cloned() else { return Ok(()) };
        if commit.done.is_some() {
            return Ok(());
        }
        for earlier in 0..index {
            let other = &self.commits[earlier];
            let shared = |write: &Write| commit.writes.iter().any(|mine| mine.key == write.key);
            if other.host == commit.host && other.writes.iter().any(shared) {
                self.carry_out(earlier)?;
            }
        }
        // What stands on a commit that failed fails as well, whatever the version is by then.
        let stands_on_failure = (0..index).any(|earlier| {
            let other = &self.commits[earlier];
            let shared = |write: &Write| commit.writes.iter().any(|mine| mine.key == write.key);
            other.host == commit.host && other.done == Some(false) && other.writes.iter().any(shared)
        });
        let version = |key: &B256| match *key == SPEND_LOG_KEY {
            true => self.log.0,
            false => self.records.get(key).map_or(0, |stored| stored.version),
        };
        let fits = commit.writes.iter().all(|write| version(&write.key) == write.expected_version);
        let takes_effect = fits && !commit.fails && !stands_on_failure;
        if takes_effect {
            for write in commit.writes {
                let Write { key, expected_version, bytes, wake_at } = write;
                if key == SPEND_LOG_KEY {
                    self.log = (expected_version + 1, bytes.unwrap_or_default());
                    continue;
                }
                let Some(bytes) = bytes else {
                    self.records.remove(&key);
                    continue;
                };
                let channel = Channel::from_bytes(key, &bytes).map_err(|error| format!("{key}: {error}"))?;
                self.written.push(channel.clone());
                self.records.insert(key, Stored { version: expected_version + 1, bytes, wake_at, channel });
            }
        }
        self.commits[index].done = Some(takes_effect);
        Ok(())
    }

    /// Forgets every commit of the same wallet that writes a record of one that failed, and failed too or came later: it
    /// stands on what was not stored, whatever another wallet has stored since. The wallet has forgotten it too.
    pub fn forget_what_stands_on(&mut self, failed: &Commit) {
        let mut keys: Vec<B256> = failed.writes.iter().map(|write| write.key).collect();
        self.commits.retain(|commit| {
            let goes_with_it = commit.id > failed.id || commit.done == Some(false);
            let stands = commit.host == failed.host
                && goes_with_it
                && commit.writes.iter().any(|write| keys.contains(&write.key));
            if stands {
                keys.extend(commit.writes.iter().map(|write| write.key));
            }
            !stands
        });
    }

    /// Before a record is read, what the same wallet wrote to it is carried out.
    ///
    /// # Errors
    ///
    /// As for [`Self::carry_out`].
    pub fn before_reading(&mut self, host: usize, key: B256) -> Result<(), String> {
        for index in 0..self.commits.len() {
            let commit = &self.commits[index];
            if commit.host == host && commit.writes.iter().any(|write| write.key == key) {
                self.carry_out(index)?;
            }
        }
        Ok(())
    }
}
