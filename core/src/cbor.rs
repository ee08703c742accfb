//! Messages and records as CBOR (RFC 8949): how each type stands in bytes, and the one way to write and read it.
//!
//! A struct is the array of its fields in their order, without those at the end that are absent. An enum with fields is
//! `[number, fields]`, one without is its number. Byte strings of fixed size have one legal length. Integers and arrays can
//! be written in more than one way, so what must have one form is encoded again and compared where it is read.
//!
//! A reader that has met something wrong is out of bytes from then on, and what it reads means nothing: nobody has to look
//! before the end, where [`from_slice`] does. That makes the code of each type a row of calls, which counts in a module that
//! pages load.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::crypto::Signature;
use crate::{Address, B256};

/// The kinds of CBOR items, as the three upper bits of their heads.
mod kind {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const ARRAY: u8 = 4;
    pub(super) const MAP: u8 = 5;
    pub(super) const TAG: u8 = 6;
}

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
/// What does not say its length, and what ends it.
const OPEN_BYTES: u8 = 0x5f;
const OPEN_TEXT: u8 = 0x7f;
const OPEN_ARRAY: u8 = 0x9f;
const OPEN_MAP: u8 = 0xbf;
const BREAK: u8 = 0xff;

/// What can be written and read.
pub(crate) trait Cbor: Sized {
    /// Writes the value after what is there.
    fn write(&self, to: &mut Vec<u8>);

    /// Reads a value. If the reader fails, it is any.
    fn read(from: &mut Reader<'_>) -> Self;

    /// Whether the value can be left out at the end of an array.
    fn is_absent(&self) -> bool {
        false
    }

    /// What a field is that was left out.
    fn absent(from: &mut Reader<'_>) -> Self {
        from.fail();
        Self::read(from)
    }
}

/// Writes the head of an item in its shortest form.
#[inline(never)]
fn head(to: &mut Vec<u8>, kind: u8, value: u64) {
    let bytes = value.to_be_bytes();
    let [.., last] = bytes;
    let (info, from) = match value {
        0..24 => (last, 8),
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    to.push(kind << 5 | info);
    to.extend_from_slice(bytes.get(from..).unwrap_or_default());
}

#[inline(never)]
fn string(to: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    head(to, kind, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    to.extend_from_slice(bytes);
}

/// Begins an array of fields of which some are absent: how many are written.
#[inline(never)]
pub(crate) fn begin(to: &mut Vec<u8>, absent: &[bool]) -> u64 {
    let length = absent.iter().rposition(|absent| !absent).map_or(0, |last| last.saturating_add(1));
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    head(to, kind::ARRAY, length);
    length
}

/// Writes the next field of an array, unless those that are left are absent.
pub(crate) fn field<T: Cbor>(to: &mut Vec<u8>, left: &mut u64, field: &T) {
    if let Some(rest) = left.checked_sub(1) {
        *left = rest;
        field.write(to);
    }
}

/// Begins an enum with fields.
pub(crate) fn begin_variant(to: &mut Vec<u8>, number: u64) {
    head(to, kind::ARRAY, 2);
    number.write(to);
}

/// Reads items one after the other.
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
    failed: bool,
}

/// How many items of an array are left; `None` if its end is marked.
pub(crate) type Left = Option<u64>;

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes, failed: false }
    }

    /// From here on nothing can be read.
    #[inline(never)]
    pub(crate) fn fail(&mut self) {
        *self = Self { rest: &[], failed: true };
    }

    /// What is left, unless something was wrong.
    pub(crate) fn rest(&self) -> Option<&'b [u8]> {
        (!self.failed).then_some(self.rest)
    }

    #[inline(never)]
    fn take(&mut self, length: u64) -> &'b [u8] {
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let Some((taken, rest)) = split else {
            self.fail();
            return &[];
        };
        self.rest = rest;
        taken
    }

    /// Takes the next byte if it is this one.
    #[inline(never)]
    fn takes(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// The number in the head of the next item, which must be of this kind.
    #[inline(never)]
    fn head(&mut self, kind: u8) -> u64 {
        let first = self.take(1).first().copied().unwrap_or(BREAK);
        let length = match first & 31 {
            _ if first >> 5 != kind => u64::MAX,
            info @ 0..24 => return info.into(),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => u64::MAX,
        };
        self.take(length).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn string(&mut self, kind: u8) -> &'b [u8] {
        let length = self.head(kind);
        self.take(length)
    }

    fn number<T: TryFrom<u64> + Default>(&mut self) -> T {
        T::try_from(self.head(kind::UNSIGNED)).unwrap_or_else(|_| {
            self.fail();
            T::default()
        })
    }

    #[inline(never)]
    fn fixed<const N: usize>(&mut self) -> [u8; N] {
        <[u8; N]>::try_from(self.string(kind::BYTES)).unwrap_or_else(|_| {
            self.fail();
            [0; N]
        })
    }

    /// Begins an array.
    #[inline(never)]
    pub(crate) fn begin(&mut self) -> Left {
        if self.takes(OPEN_ARRAY) { None } else { Some(self.head(kind::ARRAY)) }
    }

    /// Whether another item of an array follows, which is then to be read.
    #[inline(never)]
    fn follows(&mut self, left: &mut Left) -> bool {
        let follows = match left {
            Some(left) => {
                let rest = left.checked_sub(1);
                *left = rest.unwrap_or(0);
                rest.is_some()
            }
            None if self.takes(BREAK) => {
                *left = Some(0);
                false
            }
            None => true,
        };
        follows && !self.failed
    }

    /// The next field of an array.
    pub(crate) fn field<T: Cbor>(&mut self, left: &mut Left) -> T {
        if self.follows(left) { T::read(self) } else { T::absent(self) }
    }

    /// Ends an array: fields that are not known are passed over.
    #[inline(never)]
    pub(crate) fn end(&mut self, mut left: Left) {
        while self.follows(&mut left) {
            self.skip();
        }
    }

    /// A string, or a part of one.
    fn skip_string(&mut self, kind: u8) {
        let bytes = self.string(kind);
        if kind == kind::TEXT && core::str::from_utf8(bytes).is_err() {
            self.fail();
        }
    }

    /// Passes over one item, whatever it is.
    #[inline(never)]
    pub(crate) fn skip(&mut self) {
        // How many items are still to come, how many ends of open ones, and what is to come around these: so many items, or
        // an end.
        let (mut items, mut ends, mut around) = (1u64, 0u64, Vec::<Option<u64>>::new());
        while !self.failed && (items > 0 || ends > 0 || !around.is_empty()) {
            let first = self.rest.first().copied().unwrap_or(BREAK);
            let (kind, is_inner) = (first >> 5, items == 0 && ends == 0);
            let length = match first {
                BREAK => {
                    self.take(1);
                    ends = ends.saturating_sub(1);
                    if is_inner && around.last() == Some(&None) {
                        around.pop();
                    }
                    Some(0)
                }
                OPEN_BYTES | OPEN_TEXT => {
                    self.take(1);
                    while !self.failed && !self.takes(BREAK) {
                        self.skip_string(kind);
                    }
                    Some(0)
                }
                OPEN_ARRAY | OPEN_MAP => {
                    self.take(1);
                    None
                }
                _ if matches!(kind, kind::BYTES | kind::TEXT) => {
                    self.skip_string(kind);
                    Some(0)
                }
                _ => match (kind, self.head(kind)) {
                    (kind::ARRAY, length) => Some(length),
                    (kind::MAP, length) => Some(length.saturating_mul(2)),
                    // What is tagged follows.
                    (kind::TAG, _) => continue,
                    _ => Some(0),
                },
            };
            match length {
                Some(0) => {}
                _ if is_inner => around.push(length),
                Some(length) => items = items.saturating_add(length),
                None if items < 2 => ends = ends.saturating_add(1),
                None => {
                    around.extend((0..ends).map(|_| None));
                    around.extend([Some(items.saturating_sub(1)), None]);
                    (items, ends) = (0, 0);
                }
            }
            if items > 0 || ends > 0 {
                items = items.saturating_sub(1);
                continue;
            }
            while around.last() == Some(&Some(0)) {
                around.pop();
            }
            match around.last_mut() {
                Some(Some(left)) => *left = left.saturating_sub(1),
                Some(None) => {}
                None => return,
            }
        }
    }

    /// The number of an enum's variant, one of the first `count`. Zero if it is none of them.
    #[inline(never)]
    pub(crate) fn variant(&mut self, count: u64) -> u64 {
        let number = self.head(kind::UNSIGNED);
        if number < count {
            return number;
        }
        self.fail();
        0
    }

    /// Begins an enum with fields: the number of its variant, as [`Self::variant`] says.
    pub(crate) fn begin_variant(&mut self, count: u64) -> u64 {
        if self.head(kind::ARRAY) != 2 {
            self.fail();
        }
        self.variant(count)
    }
}

/// A struct as an array: its fields in order. The one after the semicolon is not written.
macro_rules! array {
    ($type:ident { $($field:ident),+ $(,)? $(; $skipped:ident)? }) => {
        impl $crate::cbor::Cbor for $type {
            fn write(&self, to: &mut alloc::vec::Vec<u8>) {
                let mut left = $crate::cbor::begin(to, &[$($crate::cbor::Cbor::is_absent(&self.$field)),+]);
                $($crate::cbor::field(to, &mut left, &self.$field);)+
            }

            fn read(from: &mut $crate::cbor::Reader<'_>) -> Self {
                let mut left = from.begin();
                let value = Self { $($field: from.field(&mut left),)+ $($skipped: Default::default())? };
                from.end(left);
                value
            }
        }
    };
}

/// Enums with fields: the variants in the order of their numbers, from zero.
macro_rules! variants {
    ($type:ident ($count:literal) {
        0 $first:ident $({ $($named:ident),* })? $(($($value:ident),*))?;
        $($number:literal $name:ident $({ $($more_named:ident),* })? $(($($more_value:ident),*))?;)+
    }) => {
        impl $crate::cbor::Cbor for $type {
            fn write(&self, to: &mut alloc::vec::Vec<u8>) {
                match self {
                    Self::$first $({ $($named),* })? $(($($value),*))? => {
                        $crate::cbor::write_variant!(to, 0, [$($($named)*)? $($($value)*)?]);
                    }
                    $(Self::$name $({ $($more_named),* })? $(($($more_value),*))? => {
                        $crate::cbor::write_variant!(to, $number, [$($($more_named)*)? $($($more_value)*)?]);
                    })+
                }
            }

            fn read(from: &mut $crate::cbor::Reader<'_>) -> Self {
                match from.begin_variant($count) {
                    $($number => {
                        $crate::cbor::read_variant!(from, [$($($more_named)*)? $($($more_value)*)?]);
                        Self::$name $({ $($more_named),* })? $(($($more_value),*))?
                    })+
                    _ => {
                        $crate::cbor::read_variant!(from, [$($($named)*)? $($($value)*)?]);
                        Self::$first $({ $($named),* })? $(($($value),*))?
                    }
                }
            }
        }
    };
}

macro_rules! write_variant {
    ($to:ident, $number:literal, [$($field:ident)*]) => {
        $crate::cbor::begin_variant($to, $number);
        let _left = &mut $crate::cbor::begin($to, &[$($crate::cbor::Cbor::is_absent($field)),*]);
        $($crate::cbor::field($to, _left, $field);)*
    };
}

/// What stands for the fields of a variant that has none is passed over.
macro_rules! read_variant {
    ($from:ident, []) => {
        $from.skip();
    };
    ($from:ident, [$($field:ident)+]) => {
        let mut left = $from.begin();
        $(let $field = $from.field(&mut left);)+
        $from.end(left);
    };
}

/// Enums without fields: the variants in the order of their numbers, from zero.
macro_rules! index {
    ($type:ident ($count:literal) { 0 $first:ident, $($number:literal $name:ident),+ }) => {
        impl $crate::cbor::Cbor for $type {
            fn write(&self, to: &mut alloc::vec::Vec<u8>) {
                let number: u64 = match self {
                    Self::$first => 0,
                    $(Self::$name => $number,)+
                };
                $crate::cbor::Cbor::write(&number, to);
            }

            fn read(from: &mut $crate::cbor::Reader<'_>) -> Self {
                match from.variant($count) {
                    $($number => Self::$name,)+
                    _ => Self::$first,
                }
            }
        }
    };
}

pub(crate) use {array, index, read_variant, variants, write_variant};

macro_rules! unsigned {
    ($($type:ty),+) => {$(
        impl Cbor for $type {
            fn write(&self, to: &mut Vec<u8>) {
                head(to, kind::UNSIGNED, (*self).into());
            }

            fn read(from: &mut Reader<'_>) -> Self {
                from.number()
            }
        }
    )+};
}

unsigned!(u8, u32, u64);

macro_rules! fixed {
    ($($(#[$doc:meta])* $type:ty, $to:expr, $from:expr;)+) => {$(
        $(#[$doc])*
        impl Cbor for $type {
            fn write(&self, to: &mut Vec<u8>) {
                string(to, kind::BYTES, &$to(*self));
            }

            fn read(from: &mut Reader<'_>) -> Self {
                $from(from.fixed())
            }
        }
    )+};
}

fixed! {
    B256, |value: Self| value.0, Self::new;
    Address, Self::into_array, Self::new;
    /// An amount in base units: 16 bytes, big endian.
    u128, Self::to_be_bytes, Self::from_be_bytes;
}

impl Cbor for bool {
    fn write(&self, to: &mut Vec<u8>) {
        to.push(if *self { TRUE } else { FALSE });
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let is_true = from.takes(TRUE);
        if !is_true && !from.takes(FALSE) {
            from.fail();
        }
        is_true
    }
}

impl Cbor for Signature {
    fn write(&self, to: &mut Vec<u8>) {
        string(to, kind::BYTES, &self.to_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Self {
        Self::from_bytes(from.string(kind::BYTES)).unwrap_or_else(|_| {
            from.fail();
            Self::BLANK
        })
    }
}

impl Cbor for Vec<u8> {
    fn write(&self, to: &mut Vec<u8>) {
        string(to, kind::BYTES, self);
    }

    fn read(from: &mut Reader<'_>) -> Self {
        from.string(kind::BYTES).to_vec()
    }
}

impl Cbor for String {
    fn write(&self, to: &mut Vec<u8>) {
        string(to, kind::TEXT, self.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Self {
        match core::str::from_utf8(from.string(kind::TEXT)) {
            Ok(text) => text.into(),
            Err(_) => {
                from.fail();
                Self::new()
            }
        }
    }
}

impl<T: Cbor> Cbor for Option<T> {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(to),
            None => to.push(NULL),
        }
    }

    fn read(from: &mut Reader<'_>) -> Self {
        if from.takes(NULL) { None } else { Some(T::read(from)) }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn absent(_: &mut Reader<'_>) -> Self {
        None
    }
}

/// What stands in arrays of any length. Not bytes: those have a form of their own.
pub(crate) trait Item: Cbor {}

impl<T: Item> Cbor for Vec<T> {
    fn write(&self, to: &mut Vec<u8>) {
        head(to, kind::ARRAY, u64::try_from(self.len()).unwrap_or(u64::MAX));
        self.iter().for_each(|item| item.write(to));
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let mut items = Self::new();
        let mut left = from.begin();
        while from.follows(&mut left) {
            items.push(T::read(from));
        }
        items
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn absent(_: &mut Reader<'_>) -> Self {
        Self::new()
    }
}

impl Item for u128 {}
impl Item for B256 {}
impl Item for Address {}
impl Item for Signature {}
impl Item for Option<Signature> {}

impl<T: Cbor> Cbor for Box<T> {
    fn write(&self, to: &mut Vec<u8>) {
        (**self).write(to);
    }

    fn read(from: &mut Reader<'_>) -> Self {
        Self::new(T::read(from))
    }
}

/// The first field, which every version of a message or a record has.
struct Versioned {
    version: u8,
}

array!(Versioned { version });

/// The version in the first field of `bytes`, whatever the others are.
pub(crate) fn version(bytes: &[u8]) -> Option<u8> {
    from_slice(bytes).map(|Versioned { version }| version)
}

/// What most values take: a vector that begins with it is seldom moved while it grows.
const USUAL_BYTES: usize = 1_024;

/// Encodes `value` as CBOR.
pub(crate) fn to_vec<T: Cbor>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    value.write(&mut bytes);
    bytes.shrink_to_fit();
    bytes
}

/// Decodes exactly one `T` from `bytes`: nothing may follow it. `None` if it is none.
pub(crate) fn from_slice<T: Cbor>(bytes: &[u8]) -> Option<T> {
    let mut reader = Reader::new(bytes);
    let value = T::read(&mut reader);
    reader.rest().is_some_and(<[u8]>::is_empty).then_some(value)
}

/// For those who put a public type into CBOR of their own.
macro_rules! minicbor_traits {
    ($($type:ty),+) => {$(
        impl<C> minicbor::Encode<C> for $type {
            fn encode<W: minicbor::encode::Write>(
                &self,
                encoder: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                encoder.writer_mut().write_all(&to_vec(self)).map_err(minicbor::encode::Error::write)
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $type {
            fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let bytes = decoder.input();
                let mut reader = Reader::new(bytes.get(decoder.position()..).unwrap_or_default());
                let value = Self::read(&mut reader);
                let rest = reader.rest().ok_or_else(|| minicbor::decode::Error::message("malformed"))?;
                decoder.set_position(bytes.len().saturating_sub(rest.len()));
                Ok(value)
            }
        }
    )+};
}

minicbor_traits!(Signature, crate::wire::Message, crate::payment::SignedQuote);
