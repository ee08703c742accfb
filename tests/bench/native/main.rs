//! `bench-machine [--quick]`: measures the machine natively and prints one JSON object. `npm run bench -- --only machine`
//! runs it and says what the keys are.
//!
//! Worlds that are compared live at the same time and are measured in turns, batch by batch; what counts is the best batch
//! of each, since noise only ever adds.

mod allocator;
mod stream;
mod virtual_channels;
mod world;

use std::collections::BTreeMap;
use std::time::Instant;

use millstream_core::wallet::{Command, Input};
use serde_json::{Value, json};

use world::{Kinds, World};

const MANY: usize = 100_000;
const SIZES: [usize; 4] = [1, 1_000, 10_000, MANY];
const DEFAULT: Kinds = Kinds { all_loaded: false, lease: false };
const LOADED: Kinds = Kinds { all_loaded: true, lease: false };
const LEASED: Kinds = Kinds { all_loaded: false, lease: true };

/// How often everything is measured.
struct Effort {
    rounds: usize,
    payments: usize,
    channels: usize,
}

/// Microseconds of an operation.
fn timed(count: usize, mut run: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    for index in 0..count {
        run(index);
    }
    start.elapsed().as_secs_f64() * 1e6 / count as f64
}

/// The best of several rounds for each world, in turns.
fn best(rounds: usize, worlds: &mut [World], mut run: impl FnMut(&mut World) -> f64) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; worlds.len()];
    for _ in 0..rounds {
        for (world, best) in worlds.iter_mut().zip(&mut best) {
            *best = best.min(run(world));
        }
    }
    best
}

/// A channel that has nothing to do with the one before: far apart in every order.
fn scattered(index: usize, channels: usize) -> usize {
    index.wrapping_mul(7_919) % channels
}

/// Payments on one channel after the other, or always on the same.
fn payments(world: &mut World, count: usize, one: bool, at: &mut usize) -> f64 {
    let channels = world.ids.len();
    timed(count, |_| {
        *at += 1;
        let index = if one { 0 } else { scattered(*at, channels) };
        world.pay(world.ids[index]);
    })
}

fn worlds(kinds: Kinds) -> Vec<World> {
    SIZES.iter().map(|size| World::new(*size, kinds)).collect()
}

/// The figures under `machine.<name>.<channels>`, and what the largest world costs against the smallest.
fn growth(figures: &mut BTreeMap<String, Value>, name: &str, best: &[f64]) -> f64 {
    for (size, us) in SIZES.iter().zip(best) {
        figures.insert(format!("{name}.us.{size}"), rounded(*us));
    }
    best[best.len() - 1] / best[0]
}

fn rounded(number: f64) -> Value {
    json!((number * 1_000.0).round() / 1_000.0)
}

fn time(effort: &Effort, figures: &mut BTreeMap<String, Value>) {
    let (rounds, count) = (effort.rounds, effort.payments);
    let mut at = 0;
    let mut stored = worlds(DEFAULT);
    let hot = best(rounds, &mut stored, |world| payments(world, count, true, &mut at));
    let ratio_hot = growth(figures, "payment.one_channel", &hot);
    // With a thousand in memory and more in the store, nearly every payment loads its channel on both sides.
    let cold = best(rounds, &mut stored[2..], |world| payments(world, count, false, &mut at));
    figures.insert("payment.loading.us.10000".into(), rounded(cold[0]));
    figures.insert("payment.loading.us.100000".into(), rounded(cold[1]));
    figures.insert("cost_ratio_100k_loading".into(), rounded(cold[1] / cold[0]));
    let opening = best(rounds, &mut stored, |world| {
        timed(effort.channels, |_| {
            world.open();
        })
    });
    let ratio_opening = growth(figures, "open", &opening);
    // One block has an event of every channel, and none of them is in memory.
    for world in &mut stored[1..] {
        let ids = world.ids.clone();
        let update = world.deposited(&ids);
        let us = timed(1, |_| world.payee.input(Input::Chain(update.clone()))) / ids.len() as f64;
        figures.insert(format!("event.us.{}", ids.len()), rounded(us));
    }
    drop(stored);

    let mut loaded = worlds(LOADED);
    let all = best(rounds, &mut loaded, |world| payments(world, count, false, &mut at));
    let ratio_all = growth(figures, "payment.all_loaded", &all);
    let blocks = best(rounds, &mut loaded, |world| {
        timed(count, |_| {
            let update = world.empty_block(1);
            world.payee.input(Input::Chain(update));
        })
    });
    growth(figures, "empty_block", &blocks);
    drop(loaded);

    let mut leased = [World::new(1, LEASED)];
    let lease = best(rounds, &mut leased, |world| payments(world, count, true, &mut at));

    figures.insert("payments_per_second.native".into(), json!((1e6 / hot[0]).round()));
    figures.insert("payments_per_second.native_lease".into(), json!((1e6 / lease[0]).round()));
    figures.insert("cost_ratio_100k".into(), rounded(ratio_hot.max(ratio_all)));
    figures.insert("cost_ratio_100k_default".into(), rounded(ratio_hot));
    figures.insert("cost_ratio_100k_all_loaded".into(), rounded(ratio_all));
    figures.insert("cost_ratio_100k_open".into(), rounded(ratio_opening));
}

/// What a channel takes in memory, loaded and idle, and in the store; by the difference between two numbers of them.
fn memory(figures: &mut BTreeMap<String, Value>) {
    let (few, many) = (10_000, MANY);
    let per_channel = |small: usize, large: usize| (large as f64 - small as f64) / (many - few) as f64;
    // What the payee's wallet holds: what is in use with it, less what is in use without.
    let held = |channels: usize, kinds: Kinds, recent: bool| {
        let World { mut payee, ids, .. } = {
            let mut world = World::new(channels, kinds);
            if !kinds.all_loaded {
                // Every channel is used once, and dropped when others come.
                for index in 0..channels {
                    world.payee.input(Input::Command(ping(&world, index)));
                }
            }
            // Long after, nothing that happened can still be taken back.
            let update = world.empty_block(if recent { 1 } else { 2_000 });
            world.payee.input(Input::Chain(update));
            world
        };
        let stored = payee.stored();
        drop(ids);
        payee.forget_store();
        let with = allocator::in_use();
        drop(payee);
        (with - allocator::in_use(), stored)
    };
    for (name, kinds, recent) in [("idle", DEFAULT, false), ("idle_recent", DEFAULT, true), ("loaded", LOADED, false)] {
        let ((small, _), (large, _)) = (held(few, kinds, recent), held(many, kinds, recent));
        // What does not grow at all differs by a byte or so either way: with what happens to be loaded.
        figures.insert(format!("bytes_per_channel.{name}"), rounded(per_channel(small, large).max(0.0)));
    }
    let ((_, small), (_, large)) = (held(few, DEFAULT, false), held(many, DEFAULT, false));
    figures.insert("bytes_per_channel.stored".into(), rounded(per_channel(small, large)));
}

fn ping(world: &World, index: usize) -> Command {
    Command::Ping { channel_id: world.ids[index] }
}

/// What opening a channel sends and writes, both sides together.
fn bytes(figures: &mut BTreeMap<String, Value>) {
    let mut world = World::new(1, DEFAULT);
    let both = |world: &World, of: fn(&world::Host) -> usize| of(&world.payer) + of(&world.payee);
    let (sent, written) = (both(&world, |host| host.sent), both(&world, |host| host.written));
    world.open();
    figures.insert("open.bytes_sent".into(), json!(both(&world, |host| host.sent) - sent));
    figures.insert("open.bytes_written".into(), json!(both(&world, |host| host.written) - written));
}

fn main() {
    if std::env::args().any(|argument| argument == "--stream") {
        let mut figures = BTreeMap::new();
        stream::measure(32, &mut figures);
        println!("{}", json!(figures));
        return;
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    if std::env::args().any(|argument| argument == "--virtual") {
        let mut figures = BTreeMap::new();
        virtual_channels::measure(if quick { 1_000 } else { 10_000 }, &mut figures);
        println!("{}", json!(figures));
        return;
    }
    let effort = if quick {
        Effort { rounds: 3, payments: 200, channels: 20 }
    } else {
        Effort { rounds: 8, payments: 300, channels: 40 }
    };
    let mut figures = BTreeMap::new();
    bytes(&mut figures);
    time(&effort, &mut figures);
    memory(&mut figures);
    println!("{}", json!(figures));
}
