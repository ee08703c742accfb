//! `sim --seeds A..B [--steps N]`: lives through the seeds and prints `N passed, N failed`.
//!
//! With `--hubs` it takes of the seeds those whose worlds have hubs: one in four.
//!
//! `sim --seed N [--steps M] [--only STEP,STEP...] [--trace]` replays one. Exits with 0 if all passed, 1 if any failed, 2 if
//! it cannot be asked like this.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use millstream_tests::sim::{Violation, profile::Profile, run, shrink::shrink};

/// How many failures are shrunk and shown whole; of the others a line is printed.
const SHOWN: usize = 3;

/// How many lines of a history are shown from its start; of its end a third as many.
const LINES: usize = 90;

struct Options {
    seeds: std::ops::Range<u64>,
    steps: u32,
    only: Option<Vec<u32>>,
    trace: bool,
    threads: usize,
    shrink: Duration,
    hubs: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        seeds: 0..200,
        steps: 500,
        only: None,
        trace: false,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        shrink: Duration::from_secs(20),
        hubs: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value"));
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is not a number"));
        match argument.as_str() {
            "--seeds" => {
                let text = value()?;
                let (first, end) = text.split_once("..").ok_or("--seeds takes FIRST..END")?;
                options.seeds = number(first)?..number(end)?;
            }
            "--seed" => {
                let seed = number(&value()?)?;
                options.seeds = seed..seed + 1;
            }
            "--steps" => options.steps = u32::try_from(number(&value()?)?).map_err(|_| "--steps is too high")?,
            "--threads" => {
                options.threads = usize::try_from(number(&value()?)?).map_err(|_| "--threads is too high")?
            }
            "--shrink" => options.shrink = Duration::from_secs(number(&value()?)?),
            "--only" => {
                let text = value()?;
                let steps = text.split(',').map(|step| step.trim().parse().map_err(|_| format!("{step} is no step")));
                let mut steps = steps.collect::<Result<Vec<u32>, String>>()?;
                steps.sort_unstable();
                options.only = Some(steps);
            }
            "--trace" => options.trace = true,
            "--hubs" => options.hubs = true,
            other => return Err(format!("{other} is not an option")),
        }
    }
    Ok(options)
}

fn show(seed: u64, options: &Options, violation: &Violation) {
    let kept = shrink(seed, options.steps, violation.invariant, options.shrink);
    let outcome = run(seed, options.steps, true, |step| kept.binary_search(&step).is_ok());
    println!("  the shortest history found, {} of {} steps:", kept.len(), options.steps);
    let count = outcome.trace.len();
    for (index, line) in outcome.trace.iter().enumerate() {
        if index < LINES || count - index <= LINES / 3 {
            println!("    {line}");
        } else if index == LINES {
            println!("    ...");
        }
    }
    let steps: Vec<String> = kept.iter().map(u32::to_string).collect();
    println!("  npm run sim -- --seed {seed} --steps {} --only {}", options.steps, steps.join(","));
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!(
                "{why}\nusage: sim --seeds A..B [--steps N] [--hubs] | --seed N [--steps N] [--only STEPS] [--trace]"
            );
            return ExitCode::from(2);
        }
    };
    // A panic is one of the failures that are looked for; it is printed with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let start = Instant::now();
    let next = AtomicU64::new(options.seeds.start);
    let failures = Mutex::new(BTreeMap::new());
    let counts: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let exceptions = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.seeds.end {
                        return;
                    }
                    if options.hubs && !Profile::has_streets(seed) {
                        continue;
                    }
                    let happens = |step| options.only.as_ref().is_none_or(|only| only.binary_search(&step).is_ok());
                    let outcome = run(seed, options.steps, options.trace, happens);
                    let mut all = counts.lock().unwrap_or_else(PoisonError::into_inner);
                    for (what, count) in outcome.counts {
                        *all.entry(what).or_insert(0) += count;
                    }
                    drop(all);
                    exceptions.fetch_add(outcome.signed_twice_after_restore, Ordering::Relaxed);
                    for line in outcome.trace {
                        println!("{line}");
                    }
                    if let Some(violation) = outcome.violation {
                        let step = violation.step.map_or_else(|| "the end".to_owned(), |step| format!("step {step}"));
                        println!("FAILED seed {seed} at {step}: {}: {}", violation.invariant, violation.detail);
                        failures.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, violation);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    if options.only.is_none() && !options.trace && !options.shrink.is_zero() {
        for (seed, violation) in failures.iter().take(SHOWN) {
            println!("seed {seed}: {}", violation.invariant);
            show(*seed, &options, violation);
        }
    }
    let lived = options.seeds.clone().filter(|seed| !options.hubs || Profile::has_streets(*seed));
    let count = lived.count() as u64;
    let (failed, took) = (failures.len() as u64, start.elapsed().as_secs_f64());
    let again = exceptions.into_inner();
    let counts = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    println!("{}", counts.join(", "));
    println!(
        "{count} seeds of {} steps in {took:.1} s; {again} turns signed again for a liar after a restore",
        options.steps
    );
    println!("{} passed, {failed} failed", count - failed);
    ExitCode::from(u8::from(failed > 0))
}
