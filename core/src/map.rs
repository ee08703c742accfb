//! Ordered maps and sets that share their code: whatever the keys and values are, there is one kind of tree, from keys as
//! numbers to places in a list. A module that pages load has that code once.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::B256;

/// A key as numbers that are ordered as the keys are.
type Place = [u64; 6];

/// What a map can be ordered by: at most six numbers.
pub(crate) trait Key: Copy {
    /// The numbers, the one that counts most first.
    fn numbers(&self) -> impl Iterator<Item = u64>;
}

impl Key for u64 {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        core::iter::once(*self)
    }
}

impl Key for bool {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        core::iter::once((*self).into())
    }
}

impl Key for B256 {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.0.as_chunks().0.iter().map(|bytes| u64::from_be_bytes(*bytes))
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.0.numbers().chain(self.1.numbers())
    }
}

#[inline(never)]
fn place<K: Key>(key: &K) -> Place {
    let mut place = Place::default();
    place.iter_mut().zip(key.numbers()).for_each(|(to, from)| *to = from);
    place
}

/// An ordered map.
pub(crate) struct Map<K, V> {
    places: BTreeMap<Place, usize>,
    entries: Vec<Option<(K, V)>>,
    /// Which of the entries are none.
    free: Vec<usize>,
}

/// An ordered set.
pub(crate) type Set<K> = Map<K, ()>;

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { places: BTreeMap::new(), entries: Vec::new(), free: Vec::new() }
    }
}

impl<K, V> core::fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Map").field("len", &self.places.len()).finish_non_exhaustive()
    }
}

impl<K: Key, V> Map<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.places.contains_key(&place(key))
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let at = *self.places.get(&place(key))?;
        Some(&self.entries.get(at)?.as_ref()?.1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = *self.places.get(&place(key))?;
        Some(&mut self.entries.get_mut(at)?.as_mut()?.1)
    }

    /// Puts a value in; what was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(held) = self.get_mut(&key) {
            return Some(core::mem::replace(held, value));
        }
        let entry = Some((key, value));
        let at = self.free.pop().unwrap_or(self.entries.len());
        match self.entries.get_mut(at) {
            Some(free) => *free = entry,
            None => self.entries.push(entry),
        }
        self.places.insert(place(&key), at);
        None
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.places.remove(&place(key))?;
        self.take(at).map(|(_, value)| value)
    }

    /// Takes the first entry out.
    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        let at = *self.places.first_key_value()?.1;
        let first = self.entries.get(at)?.as_ref()?.0;
        self.places.remove(&place(&first));
        self.take(at)
    }

    fn take(&mut self, at: usize) -> Option<(K, V)> {
        let taken = self.entries.get_mut(at)?.take();
        if self.places.is_empty() {
            // Nothing is left of what was large once.
            *self = Self::default();
        } else {
            self.free.push(at);
        }
        taken
    }

    /// The entries in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.within(self.places.range(Place::default()..))
    }

    /// The entries from `key` on, in order.
    pub(crate) fn from(&self, key: K) -> impl Iterator<Item = (&K, &V)> {
        self.within(self.places.range(place(&key)..))
    }

    fn within<'a>(
        &'a self,
        places: alloc::collections::btree_map::Range<'a, Place, usize>,
    ) -> impl Iterator<Item = (&'a K, &'a V)> {
        places.filter_map(|(_, at)| self.entries.get(*at)?.as_ref().map(|(key, value)| (key, value)))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in no order.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().flatten().map(|(_, value)| value)
    }

    /// Drops what is not to be kept.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&K, &V) -> bool) {
        let gone: Vec<K> = self.iter().filter(|(key, value)| !is_kept(key, value)).map(|(key, _)| *key).collect();
        for key in gone {
            self.remove(&key);
        }
    }
}

impl<K: Key> FromIterator<K> for Set<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut set = Self::default();
        for key in keys {
            set.insert(key, ());
        }
        set
    }
}
