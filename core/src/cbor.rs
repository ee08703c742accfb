//! Field codecs shared by messages and records: how fixed-size values look in CBOR (RFC 8949).
//!
//! Each module is for minicbor's `#[cbor(with = "...")]`. Byte strings have one legal length; anything else is a decode
//! error. Integers and arrays can be written in more than one way, so what must have one form is encoded again and
//! compared where it is read.

use minicbor::decode::Error;

/// Decodes a byte string of exactly `N` bytes.
fn fixed<const N: usize>(decoder: &mut minicbor::Decoder<'_>) -> Result<[u8; N], Error> {
    let at = decoder.position();
    let bytes = decoder.bytes()?;
    <[u8; N]>::try_from(bytes).map_err(|_| Error::message("byte string of the wrong length").at(at))
}

macro_rules! fixed_codec {
    ($(#[$doc:meta])* $name:ident, $type:ty, $size:expr, $to:expr, $from:expr) => {
        $(#[$doc])*
        pub(crate) mod $name {
            #[allow(unused_imports)]
            use crate::{Address, B256};

            pub(crate) fn encode<C, W: minicbor::encode::Write>(
                value: &$type,
                encoder: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                let to: fn(&$type) -> [u8; $size] = $to;
                encoder.bytes(&to(value))?.ok()
            }

            pub(crate) fn decode<C>(
                decoder: &mut minicbor::Decoder<'_>,
                _: &mut C,
            ) -> Result<$type, minicbor::decode::Error> {
                let from: fn([u8; $size]) -> $type = $from;
                Ok(from(super::fixed(decoder)?))
            }
        }
    };
}

fixed_codec!(
    /// A 32-byte hash.
    b256, B256, 32, |value| value.0, B256::from
);
fixed_codec!(
    /// A 20-byte address.
    address, Address, 20, |value| value.into_array(), Address::from
);
fixed_codec!(
    /// An amount in base units: 16 bytes, big endian.
    amount, u128, 16, |value| value.to_be_bytes(), u128::from_be_bytes
);

/// A 32-byte hash that may be absent.
pub(crate) mod optional_b256 {
    use crate::B256;

    pub(crate) fn encode<C, W: minicbor::encode::Write>(
        value: &Option<B256>,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match value {
            Some(value) => super::b256::encode(value, encoder, context),
            None => encoder.null()?.ok(),
        }
    }

    pub(crate) fn decode<C>(
        decoder: &mut minicbor::Decoder<'_>,
        context: &mut C,
    ) -> Result<Option<B256>, minicbor::decode::Error> {
        if decoder.datatype()? == minicbor::data::Type::Null {
            decoder.null()?;
            return Ok(None);
        }
        super::b256::decode(decoder, context).map(Some)
    }
}

impl<C> minicbor::Encode<C> for crate::crypto::Signature {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.bytes(&self.to_bytes())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for crate::crypto::Signature {
    fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        let at = decoder.position();
        Self::from_bytes(decoder.bytes()?).map_err(|error| Error::message(error).at(at))
    }
}

/// The first field, which every version of a message or a record has.
#[derive(minicbor::Decode)]
struct Versioned {
    #[n(0)]
    version: u8,
}

/// The version in the first field of `bytes`, whatever the others are.
pub(crate) fn version(bytes: &[u8]) -> Result<u8, Error> {
    from_slice(bytes).map(|Versioned { version }| version)
}

/// What most values take: a vector that begins with it is seldom moved while it grows.
const USUAL_BYTES: usize = 1_024;

/// Encodes `value` as CBOR.
pub(crate) fn to_vec<T: minicbor::Encode<()>>(value: &T) -> alloc::vec::Vec<u8> {
    let mut bytes = alloc::vec::Vec::with_capacity(USUAL_BYTES);
    // Writing to a vector cannot fail, and no codec of this crate refuses a value.
    let written = minicbor::encode(value, &mut bytes);
    debug_assert!(written.is_ok());
    bytes.shrink_to_fit();
    bytes
}

/// Decodes exactly one `T` from `bytes`: nothing may follow it.
pub(crate) fn from_slice<'b, T: minicbor::Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, Error> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode()?;
    if decoder.position() == bytes.len() { Ok(value) } else { Err(Error::message("bytes after the value")) }
}
