//! The signed part of an envelope: the input is a draft, which is sealed here with the key of the sender it names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::crypto::{Signature, SignatureError, Signer, keccak256};
use millstream_core::wire::{Envelope, MAX_MESSAGE_BYTES, Message, WireError};
use millstream_core::{Address, U256};
use millstream_fuzz::{PAYER, bounded, cbor, longer, parties, seal};

fn signed(draft: &[u8], signer: &impl Signer) -> Signature {
    let digest = keccak256([b"millstream message\n".as_slice(), draft].concat());
    signer.sign_digest(&digest).expect("a local key")
}

fuzz_target!(|draft: &[u8]| {
    // Errors come in order: form, receiver, sender. Each names what it misses, so a few tries open every draft.
    let unsigned = seal(draft, &signed(b"another draft", &*PAYER));
    let receiver = match Envelope::open(&unsigned, Address::ZERO) {
        Err(WireError::WrongReceiver { receiver }) => receiver,
        _ => Address::ZERO,
    };
    let Err(WireError::Signature(SignatureError::WrongSigner { expected: sender, .. })) =
        Envelope::open(&unsigned, receiver)
    else {
        return;
    };
    let Some((sender, other)) = parties(sender) else { return };

    let forged = Envelope::open(&seal(draft, &signed(draft, other)), receiver);
    let error = SignatureError::WrongSigner { expected: sender.address(), recovered: other.address() };
    assert_eq!(forged, Err(WireError::Signature(error)));

    let sealed = seal(draft, &signed(draft, sender));
    for followed in [longer(&sealed), seal(&longer(draft), &signed(&longer(draft), sender))] {
        let malformed = followed.len() <= MAX_MESSAGE_BYTES;
        assert_eq!(Envelope::open(&followed, receiver) == Err(WireError::Malformed), malformed);
    }
    let envelope = bounded(&sealed, |bytes| Envelope::open(bytes, receiver)).expect("signed by its sender");
    assert_eq!(envelope.sender, sender.address());
    if let Message::ChannelOpen { terms, .. } | Message::SuccessorOpen { terms, .. } = &envelope.message {
        if terms.validate().is_ok() {
            assert_eq!(terms.fixed_part().validate(), Ok(()));
        }
        let [exit] = &terms.outcome(terms.deposits())[..] else { panic!("one asset") };
        let total = exit.allocations.iter().fold(U256::ZERO, |sum, part| sum + part.amount);
        assert_eq!(total, U256::from(terms.deposit) + U256::from(terms.payee_deposit));
    }

    // CBOR has several forms of one value: written again in the shortest, the draft says the same.
    let rewritten = cbor(|encoder| {
        encoder.array(6)?.u8(2)?.bytes(envelope.sender.as_slice())?.bytes(receiver.as_slice())?;
        encoder.bytes(envelope.channel_id.as_slice())?.u64(envelope.sequence)?.encode(&envelope.message)?;
        Ok(())
    });
    assert!(rewritten.len() <= draft.len());
    assert_eq!(Envelope::open(&seal(&rewritten, &signed(&rewritten, sender)), receiver), Ok(envelope));
});
