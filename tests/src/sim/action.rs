//! What can happen in a world. Which action a step is follows from the seed and the step's number alone, so a history
//! is a list of steps, and steps can be left out of it.

use super::profile::Profile;
use crate::random::Random;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $weight:literal $fault:literal,)*) => {
        /// The kinds of actions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: [Self; [$(Self::$name),*].len()] = [$(Self::$name),*];

            /// How often it comes, compared with others.
            pub const fn weight(self) -> u64 {
                match self { $(Self::$name => $weight,)* }
            }

            /// Whether a world can do without it.
            pub const fn is_fault(self) -> bool {
                match self { $(Self::$name => $fault,)* }
            }
        }
    };
}

kinds! {
    /// Parcels arrive.
    Deliver 300 false,
    /// A block is mined.
    Mine 80 false,
    /// A wallet sees the chain.
    Watch 120 false,
    /// A channel is opened.
    Open 25 false,
    /// A payment.
    Pay 220 false,
    /// Top up, fold, give back.
    Update 60 false,
    /// A part is taken out.
    Withdraw 12 false,
    /// Snapshot, or a challenge cleared.
    Snapshot 12 false,
    /// A close is asked for.
    Close 8 false,
    /// A party leaves alone.
    Leave 4 false,
    /// A channel is given up.
    Abort 3 false,
    /// Somebody asks whether the other is there.
    Ping 6 false,
    /// What may be lost is said again.
    Resume 50 false,
    /// A store answers.
    Storage 80 false,
    /// An outside signer answers.
    Sign 80 false,
    /// A wallet looks at its clock.
    Tick 20 false,
    /// Hours pass.
    Jump 5 false,
    /// A wallet is told to stop soon.
    Crash 30 true,
    /// A stopped wallet starts again.
    Restart 60 false,
    /// Blocks are taken back.
    Reorg 15 true,
    /// A copy of a store is put away.
    Backup 12 false,
    /// A party loses everything but its last copy.
    Restore 4 true,
    /// The liar says something.
    Lie 120 false,
    /// The liar goes to the chain.
    LieOnChain 25 false,
    /// Somebody deposits for a channel.
    Dust 6 true,
    /// A virtual channel is opened.
    Relay 80 false,
    /// Many are opened at once, and a hub may stop in the middle.
    Rush 10 false,
    /// A close of a virtual channel is asked for.
    CloseRelay 20 false,
    /// The liar falls silent, towards one side or all, or speaks again.
    Vanish 12 true,
}

/// The randomness of a seed: its profile is drawn from it.
pub fn world_random(seed: u64) -> Random {
    Random::new(seed << 24)
}

/// What happens in a step, and the randomness to carry it out with.
pub fn action(seed: u64, step: u32, profile: &Profile) -> (Kind, Random) {
    let mut random = Random::new((seed << 24) | (u64::from(step) + 1));
    // Without channels there is nothing to see: they are opened first, and mostly nothing is in their way.
    let first = profile.streets.as_ref().map_or(3, |streets| streets.edges.len() as u32);
    match step {
        step if step < first => return (Kind::Open, random),
        step if step < 10 * first && random.chance(80) => {
            let kind =
                random.one_of([Kind::Deliver, Kind::Deliver, Kind::Mine, Kind::Watch, Kind::Storage, Kind::Sign]);
            return (kind, random);
        }
        _ => {}
    }
    let mut left = random.below(profile.weights.iter().sum());
    for (kind, &weight) in Kind::ALL.into_iter().zip(&profile.weights) {
        if left < weight {
            return (kind, random);
        }
        left -= weight;
    }
    (Kind::Deliver, random)
}
