//! Writes the first inputs of the fuzz targets: `cargo run -p millstream-tests --example seeds` after `npm run build`.
//!
//! They are what whole channel lives on the published adjudicator leave behind (every message, payments, records of
//! every status, logs), and the vectors of other implementations. Every run writes the same bytes.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use alloy_primitives::{Address, B256, hex};
use millstream_core::channel::Channel;
use millstream_core::crypto::{LocalSigner, Signer};
use millstream_core::nitro::{AdjudicatorEvent, calls, encode_outcome};
use millstream_core::payment::{Claim, Quote, TickChain, Unit, Voucher};
use millstream_core::wallet::{Command, Input, Log};
use millstream_core::wire::{Envelope, Message, decode_payment, encode_payment};
use serde_json::Value;

#[path = "../evm/mod.rs"]
mod evm;
#[path = "../lifecycle/party.rs"]
#[allow(dead_code, reason = "seeds need a part of what the tests do")]
mod party;

use evm::TestChain;
use party::{NOW, Parcel, Party};

type Outcome = Result<(), Box<dyn Error>>;

const DEPOSIT: u128 = 1_000_000;
const HOUR: u64 = 3_600;

/// Writes an input of a target. The content names it as libFuzzer would not: by what it is.
fn write(target: &str, name: &str, bytes: &[u8]) -> Outcome {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}

/// Two wallets, a chain and a channel; everything that passes between them is written.
struct Life {
    name: &'static str,
    chain: TestChain,
    payer: Party,
    payee: Party,
    asset: Address,
    id: B256,
}

impl Life {
    fn new(name: &'static str, token: bool) -> Self {
        let mut chain = TestChain::new();
        let (payer, payee) = (Party::new(&mut chain, 0xa1), Party::new(&mut chain, 0xb2));
        chain.mint(payer.account, DEPOSIT);
        let asset = if token { chain.token } else { Address::ZERO };
        Self { name, chain, payer, payee, asset, id: B256::ZERO }
    }

    fn propose(&mut self) -> Outcome {
        let terms = self.payer.terms(&self.payee, self.asset, DEPOSIT);
        self.id = terms.channel_id();
        self.payer_does(Command::OpenChannel(terms))
    }

    fn open(&mut self) -> Outcome {
        self.propose()?;
        self.deliver()?;
        self.watch(3)?;
        self.watch(3)
    }

    fn payer_does(&mut self, command: Command) -> Outcome {
        self.payer.command(&mut self.chain, command)?;
        self.records()
    }

    fn payee_does(&mut self, command: Command) -> Outcome {
        self.payee.command(&mut self.chain, command)?;
        self.records()
    }

    fn pay(&mut self, amount: u128, memo: B256) -> Outcome {
        self.payer_does(Command::Pay { channel_id: self.id, amount, memo })?;
        self.deliver()
    }

    /// Mines, and lets both sides see it and talk.
    fn watch(&mut self, blocks: u64) -> Outcome {
        self.chain.mine(blocks);
        self.payer.watch(&mut self.chain);
        self.payee.watch(&mut self.chain);
        self.records()?;
        self.deliver()
    }

    fn deliver(&mut self) -> Outcome {
        loop {
            let (from, to) = match (self.payer.outgoing.pop_front(), &self.payee.outgoing) {
                (Some(parcel), _) => (parcel, &mut self.payee),
                (None, waiting) if !waiting.is_empty() => {
                    (self.payee.outgoing.pop_front().ok_or("nothing waits")?, &mut self.payer)
                }
                _ => return Ok(()),
            };
            parcel(self.name, &from, to.wallet.address())?;
            let _ = to.receive(&mut self.chain, from); // a refusal is a message of its own
            self.records()?;
        }
    }

    fn records(&self) -> Outcome {
        for (side, party) in [("payer", &self.payer), ("payee", &self.payee)] {
            let Some(channel) = party.wallet.channel(&self.id) else { continue };
            let name = format!("{}-{side}-{}", self.name, channel.status().name());
            write("record", &name, &channel.to_bytes())?;
            if let Some(outcome) = channel.dispute.as_ref().map(|dispute| &dispute.outcome) {
                write("outcome", &name, outcome)?;
            }
            assert_eq!(Channel::from_bytes(self.id, &channel.to_bytes())?, *channel);
        }
        Ok(())
    }

    /// The logs of the whole life, once it is over.
    fn logs(&self) -> Outcome {
        self.chain.update(0).logs.iter().filter(|log| log.address == self.chain.adjudicator).try_for_each(|log| {
            let event = AdjudicatorEvent::decode(&log.topics, &log.data)?;
            let kind = format!("{event:?}").split([' ', '{']).next().unwrap_or_default().to_lowercase();
            self.log(&kind, log)?;
            if let AdjudicatorEvent::ChallengeRegistered { candidate, proof, .. } = event {
                for (role, state) in proof.iter().map(|state| ("proof", state)).chain([("candidate", &candidate)]) {
                    write("state", &format!("{}-{role}", self.name), &state.variable_part.encode())?;
                }
                if !candidate.variable_part.app_data.is_empty() {
                    write("claim", self.name, &candidate.variable_part.app_data)?;
                }
            }
            Ok(())
        })
    }

    fn log(&self, kind: &str, log: &Log) -> Outcome {
        write("event", &format!("{}-{kind}", self.name), &event_input(&log.topics, &log.data))
    }

    /// What the adjudicator answers now.
    fn answers(&mut self) -> Outcome {
        let questions = [
            ("holdings", calls::holdings(self.asset, self.id)),
            ("status", calls::status_of(self.id)),
            ("unpacked", calls::unpack_status(self.id)),
        ];
        for (name, question) in questions {
            let answer = self.chain.call(self.chain.adjudicator, question).map_err(|revert| revert.reason())?;
            write("answer", &format!("{}-{name}", self.name), &answer)?;
        }
        Ok(())
    }
}

/// What the `event` target takes: how many topics, the topics, the data.
fn event_input(topics: &[B256], data: &[u8]) -> Vec<u8> {
    let mut input = vec![u8::try_from(topics.len()).unwrap_or(u8::MAX)];
    input.extend(topics.iter().flatten());
    input.extend_from_slice(data);
    input
}

fn parcel(life: &str, parcel: &Parcel, receiver: Address) -> Outcome {
    match parcel {
        Parcel::Message(bytes) => {
            let envelope = Envelope::open(bytes, receiver)?;
            let name = match envelope.message {
                Message::ChannelOpen { .. } => "channel_open",
                Message::ChannelAccept { .. } => "channel_accept",
                Message::FundingLocked { .. } => "funding_locked",
                Message::ShutdownRequest => "shutdown_request",
                Message::Shutdown { .. } => "shutdown",
                Message::ShutdownAck { .. } => "shutdown_ack",
                Message::Error { .. } => "error",
                _ => return Err("a message without a name here".into()),
            };
            write("envelope", name, bytes)?;
            write("message", name, draft_of(bytes)?)
        }
        Parcel::Payment(bytes) => {
            let payment = decode_payment(bytes)?;
            write("payment", &format!("{life}-{}", payment.voucher.serial), bytes)?;
            write("signature", &format!("{life}-{}", payment.voucher.serial), &payment.signature.to_bytes())
        }
    }
}

/// The first of an envelope's two byte strings.
fn draft_of(envelope: &[u8]) -> Result<&[u8], &'static str> {
    let (length, rest) = match envelope {
        [0x82, 0x58, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, 0x59, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return Err("an envelope of another form"),
    };
    rest.get(..length).ok_or("an envelope that is cut off")
}

fn lives() -> Outcome {
    let mut life = Life::new("together", true);
    life.open()?;
    life.pay(1, B256::ZERO)?;
    life.pay(250_000, B256::repeat_byte(9))?;
    life.answers()?;
    life.payee_does(Command::CloseChannel { channel_id: life.id })?;
    life.deliver()?;
    life.watch(3)?;
    life.watch(3)?;
    life.logs()?;

    let mut life = Life::new("disputed", false);
    life.open()?;
    life.pay(400, B256::repeat_byte(9))?;
    life.payer_does(Command::LeaveChannel { channel_id: life.id })?;
    life.watch(3)?;
    life.watch(3)?;
    life.answers()?;
    life.chain.pass(HOUR);
    life.watch(3)?;
    life.watch(3)?;
    life.logs()?;

    // A proposal that arrives too late: the payee answers with an error, and the payer gives the channel up.
    let mut life = Life::new("refused", false);
    life.propose()?;
    let Some(Parcel::Message(proposal)) = life.payer.outgoing.pop_front() else { return Err("no proposal".into()) };
    let _ = life.payee.wallet.handle(Input::Message(proposal), NOW + 2 * HOUR);
    life.payee.input(&mut life.chain, Input::Tick)?;
    life.deliver()
}

/// What the wallet does not send yet, or a life does not show.
fn values() -> Outcome {
    let payer = LocalSigner::from_secret_bytes(&[0xa1; 32])?;
    let payee = LocalSigner::from_secret_bytes(&[0xb2; 32])?;
    let domain = millstream_core::payment::VoucherDomain::new(evm::CHAIN_ID, Address::repeat_byte(0x5a));

    let quote = Quote {
        content_root: B256::repeat_byte(0x11),
        length: 1_000_000,
        chunk_size: 65_536,
        unit: Unit::Chunk,
        price: 250,
        asset: Address::repeat_byte(0x22),
        payee: payee.address(),
        payee_destination: Address::repeat_byte(0x33).into_word(),
        challenge_duration: HOUR,
        confirmations: 3,
        expires_at: NOW + HOUR,
    };
    write("quote", "tokens", &quote.sign(&domain, &payee)?.to_bytes())?;
    let largest = Quote { length: u64::MAX, chunk_size: u32::MAX, price: u128::MAX, expires_at: u64::MAX, ..quote };
    write("quote", "total_above_all", &largest.sign(&domain, &payee)?.to_bytes())?;

    let ticks = TickChain::new(B256::repeat_byte(0x44), 255);
    let flat = Voucher::flat(B256::repeat_byte(0x55), 1, 7, 1_000, quote.hash());
    let voucher = Voucher { tick_tip: ticks.tip(), tick_price: 3, tick_limit: 255, ..flat };
    let signed = voucher.sign(&domain, &payer)?;
    write("payment", "ticks", &encode_payment(&signed))?;
    let preimage = ticks.preimage(200).ok_or("above the limit")?;
    let claim = Claim { ticks: 200, preimage, ..Claim::without_ticks(&signed) }.to_app_data().to_vec();
    write("claim", "ticks", &claim)?;
    // The choices of the `claim` target: everything right, and a base that holds enough for the payer.
    let mut supported = claim;
    supported.extend([0; 12]);
    supported.extend([0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0, 2, 0, 0, 0]);
    write("claim", "supported", &supported)?;

    for (name, key) in [("payer", &payer), ("payee", &payee)] {
        write("public_key", name, &key.public_key().to_sec1_bytes())?;
    }
    Ok(())
}

/// The array that `value` has under `name`.
fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The vectors of other implementations; `tests/vectors/README.md` says whose.
fn vectors() -> Outcome {
    let read = |name: &str| -> Result<Value, Box<dyn Error>> {
        Ok(serde_json::from_slice(&fs::read(format!("{}/vectors/{name}.json", env!("CARGO_MANIFEST_DIR")))?)?)
    };
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap_or_default());

    let adjudicator = read("adjudicator")?;
    for (index, log) in list(&adjudicator, "logs").iter().enumerate() {
        let topics = list(log, "topics").iter().map(|topic| Ok(B256::from_slice(&bytes(topic)?)));
        let topics = topics.collect::<Result<Vec<_>, hex::FromHexError>>()?;
        let name = log["name"].as_str().unwrap_or_default().to_lowercase();
        write("event", &format!("vector-{index}-{name}"), &event_input(&topics, &bytes(&log["data"])?))?;
    }
    let edges = read("edges")?;
    write("answer", "guarantee", &bytes(&edges["guaranteeMetadata"]["encoded"])?)?;
    for state in list(&read("nitro")?, "states").iter().chain(list(&edges, "states")) {
        let name = format!("vector-{}", state["name"].as_str().unwrap_or_default());
        write("outcome", &name, &bytes(&state["encodedOutcome"])?)?;
        let (_, part) = millstream_tests::vectors::parse_state(&state["state"])?;
        assert_eq!(encode_outcome(&part.outcome), bytes(&state["encodedOutcome"])?);
        write("state", &name, &part.encode())?;
    }
    let signatures = read("signatures")?;
    for (name, group, step) in [("signature", "signatures", 14), ("twin", "twins", 14), ("refused", "refused", 1)] {
        for (index, case) in list(&signatures, group).iter().enumerate().step_by(step) {
            write("signature", &format!("vector-{name}-{index}"), &bytes(&case["signature"])?)?;
        }
    }
    if let Some(case) = list(&signatures, "signatures").first() {
        write("public_key", "vector-compressed", &bytes(&case["publicKey"])?)?;
        write("public_key", "vector-uncompressed", &bytes(&case["uncompressed"])?)?;
    }
    Ok(())
}

fn main() -> Outcome {
    lives()?;
    values()?;
    vectors()
}
